"""Funding: when a market's is due, at which rate, and who pays it."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random

from strategies.domain.ids import Timestamp, VenueSymbol
from venues.simulator import ledger
from venues.simulator.model import ExchangeEvent, MarketRules
from venues.simulator.settlement import Settlement
from venues.simulator.state import ExchangeState, MarketSlot

_GRAIN = Decimal("0.00000125")
_STEPS = (-2, 14)
"""Rates are drawn, seeded, as whole grains in this range: mostly longs pay, about 0.00125 % an interval."""


class Funding:
    """Has every market's funding paid when its interval is over, by the market's own time."""

    def __init__(
        self,
        markets: dict[VenueSymbol, MarketRules],
        state: ExchangeState,
        settlement: Settlement,
        emit: Callable[[Iterable[ExchangeEvent]], None],
        *,
        seed: int,
    ) -> None:
        """Work on this state; `emit` hears of every payment, `seed` is that of the rates."""
        self._markets = markets
        self._state = state
        self._settlement = settlement
        self._emit = emit
        self._seed = seed

    def due(self, market_at: Timestamp) -> bool:
        """Say whether `pay` would do anything in some market at that market time."""
        slots = self._state.markets.values()
        return any(slot.funding_due_at is None or slot.funding_due_at <= market_at for slot in slots)

    def fix_rate(self, slot: MarketSlot, rate: Decimal) -> None:
        """Let every funding to come be at this rate, as a fraction of notional; long pays when it is positive."""
        slot.funding_rate = rate
        slot.funding_fixed = True

    def pay(self, slot: MarketSlot, now: Timestamp) -> None:
        """Have everything paid that is due by now; a new market's first interval begins."""
        interval = self._markets[slot.symbol].funding_interval_ms
        market_at = self._state.market_at
        if slot.funding_due_at is None:
            slot.funding_due_at = Timestamp(market_at - market_at % interval + interval)
            self._draw(slot)
        while slot.funding_due_at <= market_at:
            paid = ledger.pay_funding(self._state, slot.symbol, slot.mark, slot.funding_rate, now)
            self._emit(paid)
            self._settlement.touched.update(dict.fromkeys(row.account for row in paid))
            slot.funding_due_at = Timestamp(slot.funding_due_at + interval)
            self._draw(slot)

    def _draw(self, slot: MarketSlot) -> None:
        if not slot.funding_fixed:
            key = f"{self._seed}:{slot.symbol}:funding:{slot.funding_due_at}"
            draw = Random(key)  # noqa: S311 - a market, not a secret
            slot.funding_rate = draw.randrange(*_STEPS) * _GRAIN
