"""How much of Lighter's rate limits one account spends, by tier, and how it is split between the lanes."""

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


class Budget:
    """The budget of one account: one bucket for everything, or one for reads and one for transactions."""

    def __init__(self, tier: Tier, share: float) -> None:
        """Make full buckets holding `share` of what the tier may."""
        limits = LIMITS[tier]
        self._weighted = limits.weighted
        self._reads = _bucket(limits.requests * share)
        self._sends = self._reads if limits.sends is None else _bucket(limits.sends * share)

    async def read(self, path: str, lane: Lane) -> None:
        """Wait until `path` may be asked on `lane`."""
        await self._reads.acquire(lane, WEIGHTS.get(path, _DEFAULT_WEIGHT) if self._weighted else _LOW_BUDGET_WEIGHT)

    async def send(self, lane: Lane) -> None:
        """Wait until one transaction may leave on `lane`."""
        await self._sends.acquire(lane)

    def left(self) -> dict[Lane, float]:
        """Return how many transactions each lane may still send now."""
        return self._sends.left()

    def penalise_reads(self, wait_s: float) -> None:
        """Ask nothing for `wait_s` seconds: the venue said that we come too often."""
        self._reads.penalise(wait_s)

    def penalise_sends(self, wait_s: float) -> None:
        """Send nothing for `wait_s` seconds: the venue said that we come too often."""
        self._sends.penalise(wait_s)


def _bucket(limit: float) -> LaneBudget:
    limit = limit * _MARGIN
    reserves = {Lane.EXIT: limit * _EXIT_SHARE, Lane.HEDGE: limit * _HEDGE_SHARE, Lane.ENTRY: limit * _ENTRY_SHARE}
    return LaneBudget(limit, _WINDOW_S, reserves=reserves)
