"""What the market looks like at one moment."""

from decimal import Decimal

from pydantic import Field

from strategies.domain.ids import Timestamp
from strategies.domain.model import Value
from strategies.domain.order import Side


class Quote(Value):
    """Best prices and mark price of one instrument on one venue, USD. A side without orders is None."""

    bid: Decimal | None = Field(default=None, gt=0)
    ask: Decimal | None = Field(default=None, gt=0)
    mark: Decimal | None = Field(default=None, gt=0)
    at: Timestamp = Field(description="when the book content last changed or was confirmed, our clock")
    mark_at: Timestamp = Field(
        default=Timestamp(0), description="when the mark price was last heard, our clock; 0 = never"
    )

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of the book, USD; None = a side has no orders."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    def touch(self, side: Side) -> Decimal | None:
        """Return the best price a taker on `side` meets, or None when nobody offers."""
        return self.ask if side is Side.BUY else self.bid

    def reference(self, side: Side) -> Decimal | None:
        """Return the price to reckon from: the touch, else the mark, else None."""
        touch = self.touch(side)
        return touch if touch is not None else self.mark
