"""How much of Lighter's rate limits one account spends, by tier, and how it is split between the lanes."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from strategies.domain.order import Lane
from venues.lighter.config import Tier
from venues.rate_limit import LaneBudget

_WINDOW_S = 60.0
"""The venue counts over a rolling minute."""
_MARGIN = 0.95
"""Our minute and the venue's do not begin together, so a twentieth is left alone."""
_NO_LIMIT = 10_000_000.0
_EXIT_SHARE, _HEDGE_SHARE, _ENTRY_SHARE = 0.25, 0.15, 0.10
"""Parts of a budget that only this lane and more urgent ones may use: reads keep half, exits always have a quarter."""
_LOW_BUDGET_WEIGHT = 1.0
_QUOTA_RESERVES: Mapping[Lane, int] = {Lane.EXIT: 0, Lane.HEDGE: 100, Lane.ENTRY: 200}
"""Transactions of the volume quota that a lane leaves to the ones before it: a hundred closes any group, many times."""
_FREE_EVERY_S = 15.0
"""With no quota left the venue still takes one transaction in this time; it uses none up."""
_SEND_TX = "/api/v1/sendTx"
_DEFAULT_WEIGHT = 300
WEIGHTS: Mapping[str, int] = {
    _SEND_TX: 6,
    "/api/v1/nextNonce": 6,
    "/api/v1/accountInactiveOrders": 100,
    "/api/v1/apikeys": 150,
    "/api/v1/trades": 600,
    "/api/v1/recentTrades": 600,
}
"""What one call weighs on the weighted tiers; all others weigh `_DEFAULT_WEIGHT`."""


class TierLimits(NamedTuple):
    """What a tier may send a minute. `sends` None = transactions share `requests`, each weighing one request."""

    requests: float
    weighted: bool
    sends: float | None


LIMITS: Mapping[Tier, TierLimits] = {
    # The venue's pages do not say whether orders over the WebSocket share the 60 on this tier; the safe reading is yes.
    Tier.STANDARD: TierLimits(60, weighted=False, sends=None),
    Tier.PLUS: TierLimits(120_000, weighted=True, sends=8_000),
    Tier.PREMIUM: TierLimits(24_000, weighted=True, sends=4_000),
    Tier.BUILDER: TierLimits(240_000, weighted=True, sends=60),
    Tier.UNLIMITED: TierLimits(_NO_LIMIT, weighted=False, sends=_NO_LIMIT),
}


class VolumeQuota:
    """How many transactions the traded volume still pays for, as the venue last stated it (premium tiers).

    Lanes that would eat into what exits need get the free transactions only, so that trading, which earns quota, goes
    on slowly. An exit is never held back here: the venue may refuse it, and then it goes at the exits' own pace.
    """

    def __init__(self) -> None:
        """Know of no quota: until the venue states one, there is none."""
        self._stated: int | None = None
        self._sent_at = float("-inf")

    def state(self, remaining: int) -> None:
        """Take the venue's number from its answer to a write."""
        self._stated = remaining

    def sent(self) -> None:
        """Count a transaction that uses quota."""
        now = asyncio.get_running_loop().time()
        if self._stated is not None and now < self._sent_at + _FREE_EVERY_S:
            self._stated = max(0, self._stated - 1)
        self._sent_at = now

    def left(self, lane: Lane) -> float:
        """Return how many transactions `lane` may send now as far as the quota goes."""
        if self._stated is None or lane is Lane.EXIT or lane not in _QUOTA_RESERVES:
            return float("inf")
        free = float(asyncio.get_running_loop().time() >= self._sent_at + _FREE_EVERY_S)
        return max(free, float(self._stated - _QUOTA_RESERVES[lane]))


class Budget:
    """The budget of one account: one bucket for everything, or one for reads and one for transactions."""

    def __init__(self, tier: Tier, share: float) -> None:
        """Make full buckets holding `share` of what the tier may."""
        limits = LIMITS[tier]
        self._weighted = limits.weighted
        self._reads = _bucket(limits.requests * share)
        self._sends = self._reads if limits.sends is None else _bucket(limits.sends * share)
        self.quota = VolumeQuota()

    async def read(self, path: str, lane: Lane) -> None:
        """Wait until `path` may be asked on `lane`."""
        await self._reads.acquire(lane, self._weight(path))

    def may_read(self, path: str) -> bool:
        """Say whether `path` may be asked at this moment, on the lane of reads."""
        return self._reads.left()[Lane.READ] >= self._weight(path)

    def _weight(self, path: str) -> float:
        return WEIGHTS.get(path, _DEFAULT_WEIGHT) if self._weighted else _LOW_BUDGET_WEIGHT

    async def send(self, lane: Lane, *, counted: bool = True) -> None:
        """Take the budget of one transaction; `counted` = it uses volume quota (all but single cancels).

        Raises:
            RateLimited: no room for it now, and it is no exit.
        """
        await self._sends.acquire_write(lane)
        if counted:
            self.quota.sent()

    def left(self) -> dict[Lane, float]:
        """Return how many transactions each lane may still send now."""
        return {lane: min(left, self.quota.left(lane)) for lane, left in self._sends.left().items()}

    def penalise_reads(self, wait_s: float) -> None:
        """Hold reads back for `wait_s` seconds: the venue said that we come too often."""
        self._reads.penalise(wait_s)

    def penalise_sends(self, wait_s: float) -> None:
        """Hold transactions back for `wait_s` seconds: the venue said that we come too often."""
        self._sends.penalise(wait_s)


def _bucket(limit: float) -> LaneBudget:
    limit = limit * _MARGIN
    reserves = {Lane.EXIT: limit * _EXIT_SHARE, Lane.HEDGE: limit * _HEDGE_SHARE, Lane.ENTRY: limit * _ENTRY_SHARE}
    return LaneBudget(limit, _WINDOW_S, reserves=reserves)
