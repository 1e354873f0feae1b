"""Positions, folded from fills. A fill counts once, by its trade id, whenever and however often it arrives."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from strategies.domain.ids import InstrumentId, OrderId, Timestamp, TradeId
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import Side


class FillCause(StrEnum):
    """Why a fill happened."""

    ORDER = "ORDER"
    """One of our orders."""
    LIQUIDATION = "LIQUIDATION"
    """The venue closed the position because margin ran out."""
    ADL = "ADL"
    """The venue closed the position against a bankrupt counterparty (auto-deleverage)."""
    SETTLEMENT = "SETTLEMENT"
    """The venue settled the market."""
    FOREIGN = "FOREIGN"
    """Somebody else traded on this account: another bot, or a person in the web page."""


class Fill(Value):
    """One execution, as a fact of the account."""

    trade_id: TradeId
    instrument_id: InstrumentId
    side: Side
    quantity: Decimal = Field(gt=0, description="base units")
    price: Decimal = Field(gt=0, description="USD")
    fee: Decimal = Field(description="USD paid; negative = rebate received")
    at: Timestamp = Field(description="the venue's time of the fill")
    cause: FillCause
    order_id: OrderId | None = Field(description="our order, or None when the fill is not ours")
    is_maker: bool = False

    @property
    def signed_quantity(self) -> Decimal:
        """Return what this fill adds to the position."""
        return self.quantity * self.side.sign


class Position(Value):
    """A signed position with its average entry price and what has been realised so far."""

    quantity: Decimal = Field(default=ZERO, description="base units; positive = long")
    entry_price: Decimal = Field(default=ZERO, description="USD; 0 when flat")
    realized: Decimal = Field(default=ZERO, description="USD, before fees")
    fees: Decimal = Field(default=ZERO, description="USD paid")

    def fold(self, fill: Fill) -> "Position":
        """Return the position after `fill`. The caller has made sure that the trade id is new."""
        signed = fill.signed_quantity
        after = self.quantity + signed
        fees = self.fees + fill.fee
        if self.quantity * signed >= ZERO:
            cost = self.entry_price * abs(self.quantity) + fill.price * fill.quantity
            return Position(quantity=after, entry_price=cost / abs(after), realized=self.realized, fees=fees)
        closed = min(abs(self.quantity), fill.quantity)
        direction = 1 if self.quantity > ZERO else -1
        realized = self.realized + (fill.price - self.entry_price) * closed * direction
        if after == ZERO:
            entry = ZERO
        elif after * self.quantity > ZERO:
            entry = self.entry_price
        else:
            entry = fill.price
        return Position(quantity=after, entry_price=entry, realized=realized, fees=fees)

    def unrealized(self, mark: Decimal) -> Decimal:
        """Return the USD gained if the position were closed at `mark`, before fees."""
        return (mark - self.entry_price) * self.quantity
