"""Rate limits of the simulated Lighter: requests per rolling minute by tier, and the WebSocket's own caps."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from strategies.domain.ids import Timestamp
from venues.simulator.lighter.errors import ApiRefusal, Code

WINDOW_MS = 60_000
DEFAULT_WEIGHT = 300
WEIGHTS: Mapping[str, int] = {
    "/api/v1/nextNonce": 6,
    "/api/v1/accountInactiveOrders": 100,
    "/api/v1/apikeys": 150,
    "/api/v1/trades": 600,
    "/api/v1/recentTrades": 600,
}
"""What a call costs on the weighted tiers; everything else costs `DEFAULT_WEIGHT`."""

MAX_SOCKETS = 255
MAX_SUBSCRIPTIONS = 500
MAX_SOCKET_ACCOUNTS = 500
MAX_SOCKET_MESSAGES_PER_MINUTE = 200

FIRST_QUOTA = 1_000
MAX_QUOTA = 5_000_000
USD_PER_QUOTA = 5
FREE_TX_EVERY_MS = 15_000


class Tier(StrEnum):
    """An account's tier. `UNLIMITED` is ours, for tests and simulations that are not about limits."""

    STANDARD = "standard"
    PLUS = "plus"
    PREMIUM = "premium"
    UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class TierRules:
    """What a tier may do per rolling minute, and what it pays.

    `requests` counts weights when `weighted`, else calls. `transactions` is the separate budget of sendTx;
    None = transactions share `requests`. Fees in parts per million of notional.
    """

    requests: int | None
    weighted: bool
    transactions: int | None
    maker_fee_ppm: int
    taker_fee_ppm: int


TIERS: Mapping[Tier, TierRules] = {
    Tier.STANDARD: TierRules(requests=60, weighted=False, transactions=None, maker_fee_ppm=0, taker_fee_ppm=0),
    Tier.PLUS: TierRules(requests=120_000, weighted=True, transactions=8_000, maker_fee_ppm=50, taker_fee_ppm=50),
    Tier.PREMIUM: TierRules(requests=24_000, weighted=True, transactions=4_000, maker_fee_ppm=40, taker_fee_ppm=280),
    Tier.UNLIMITED: TierRules(requests=None, weighted=False, transactions=None, maker_fee_ppm=0, taker_fee_ppm=0),
}


class RollingWindow:
    """A budget that a rolling minute may spend."""

    def __init__(self, budget: int) -> None:
        """Start unspent."""
        self._budget = budget
        self._spent: deque[tuple[Timestamp, int]] = deque()
        self._total = 0

    def spend(self, cost: int, now: Timestamp) -> bool:
        """Spend `cost` if the last minute leaves room for it."""
        while self._spent and self._spent[0][0] <= now - WINDOW_MS:
            self._total -= self._spent.popleft()[1]
        if self._total + cost > self._budget:
            return False
        self._spent.append((now, cost))
        self._total += cost
        return True


class RateLimiter:
    """Counts every call of one source (an address, or an account) against its tier."""

    def __init__(self, tier: Tier) -> None:
        """Keep the tier; sources appear as they call."""
        self._rules = TIERS[tier]
        self._requests: dict[str, RollingWindow] = {}
        self._transactions: dict[str, RollingWindow] = {}

    def request(self, source: str, path: str, now: Timestamp) -> None:
        """Count one REST call that is not a transaction.

        Raises:
            ApiRefusal: 23000, nothing happened.
        """
        rules = self._rules
        if rules.requests is None:
            return
        cost = WEIGHTS.get(path, DEFAULT_WEIGHT) if rules.weighted else 1
        _spend(self._requests, source, rules.requests, cost, now)

    def transactions(self, source: str, count: int, now: Timestamp) -> None:
        """Count `count` transactions against the sendTx budget, or the budget of all calls where the tier has one only.

        Raises:
            ApiRefusal: 23000, nothing happened.
        """
        rules = self._rules
        if rules.transactions is not None:
            _spend(self._transactions, source, rules.transactions, count, now)
        elif rules.requests is not None:
            _spend(self._requests, source, rules.requests, count, now)


def _spend(windows: dict[str, RollingWindow], source: str, budget: int, cost: int, now: Timestamp) -> None:
    window = windows.setdefault(source, RollingWindow(budget))
    if not window.spend(cost, now):
        raise ApiRefusal(Code.TOO_MANY_REQUESTS)


@dataclass(slots=True)
class VolumeQuota:
    """A premium account's volume quota: each transaction that is not a single cancel takes one."""

    remaining: int = FIRST_QUOTA
    last_free_at: Timestamp = Timestamp(-FREE_TX_EVERY_MS)

    def allows(self, count: int, now: Timestamp) -> bool:
        """Say whether `count` transactions may come now: one may be the free one of each 15 s."""
        return count <= self.remaining + self._free(now)

    def take(self, count: int, now: Timestamp) -> None:
        """Take what `allows` allowed."""
        free = min(count, self._free(now))
        if free:
            self.last_free_at = now
        self.remaining -= count - free

    def _free(self, now: Timestamp) -> int:
        return int(now - self.last_free_at >= FREE_TX_EVERY_MS)

    def earn(self, usd: int) -> None:
        """Add what `usd` of traded notional earns."""
        self.remaining = min(MAX_QUOTA, self.remaining + usd // USD_PER_QUOTA)
