"""Where a price may go without anything happening at a venue: a month has few moments that matter."""

from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from venues.simulator.exchange import Exchange
from venues.simulator.model import OrderRow, OrderState

_NEVER = Timestamp(0)
_ANYWHERE = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Calm:
    """A range of prices, USD, within which a move fills, triggers and liquidates nobody, until a moment."""

    low: Decimal
    high: Decimal
    until: Timestamp  # the venue does something by itself then

    def holds(self, price: Decimal, at: Timestamp) -> bool:
        """Say whether nothing happens when the price gets there then."""
        return at < self.until and self.low <= price <= self.high


UNRULY = Calm(ZERO, ZERO, _NEVER)
"""Any move may matter."""


def calm_of(exchange: Exchange, symbol: VenueSymbol) -> Calm:
    """Return how far the price of the venue's one market may go, as its orders and positions stand now.

    The crowd's bid is below the mark and its ask above it: a mark that does not pass a resting order cannot fill it.
    """
    state = exchange.state
    slot = state.markets[symbol]
    if state.delayed or slot.taken or slot.funding_due_at is None:
        return UNRULY
    low, high = ZERO, _ANYWHERE
    for account in state.accounts.values():
        if account.liquidating or account.cancel_all_due_at is not None:
            return UNRULY
        if any(not _only_rests(state.orders[index]) for index in account.active):
            return UNRULY
        bound = exchange.position(account.name, symbol).liquidation_price
        held = account.position(symbol).quantity
        if bound is None:
            continue
        tick = exchange.markets[symbol].tick  # the bound is rounded to it
        if held > ZERO:
            low = max(low, bound + tick)
        else:
            high = min(high, bound - tick)
    if slot.bids.resting:
        low = max(low, _price_of(state.orders[slot.bids.resting[0]]))
    if slot.asks.resting:
        high = min(high, _price_of(state.orders[slot.asks.resting[0]]))
    return Calm(low, high, slot.funding_due_at)


def _only_rests(row: OrderRow) -> bool:
    return row.state is OrderState.OPEN and row.trigger_price is None and row.expires_at is None


def _price_of(row: OrderRow) -> Decimal:
    if row.price is None:
        raise ValueError(f"order {row.order_index} without a price cannot rest")
    return row.price
