"""Orders that work: what is wanted in a slot, what stands there, and the one move that brings them together.

A slot holds at most one order. What stands there and is not what is wanted is canceled, and nothing takes its place
before its end is known: a fill that races the cancel is counted, and the next order asks only for what is then missing.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum, auto

from pydantic import Field

from strategies.domain.ids import OrderId, Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import Lane, Side


class Style(StrEnum):
    """How an order meets the market."""

    POST_ONLY = "POST_ONLY"
    """Rests, or is refused: never takes."""
    LIMIT = "LIMIT"
    """Takes what is there within its price, and rests with the remainder."""
    MARKET = "MARKET"
    """Takes what is there within its worst price, and ends."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order that should stand in a slot now. Quantity in base units, prices in USD."""

    slot: str  # names the need; part of the order's id, without a colon
    side: Side
    quantity: Decimal
    price: Decimal  # limit price, or a market order's worst price
    style: Style
    reduce_only: bool = False
    lane: Lane = Lane.ENTRY
    tolerance: Decimal = ZERO  # an order whose price is off by no more than this stays

    @property
    def signed(self) -> Decimal:
        """Return what a complete fill adds to the position."""
        return self.quantity * self.side.sign


class Working(Value):
    """An order that was sent and whose end we have not been told."""

    order_id: OrderId
    slot: str
    signed: Decimal = Field(description="what a complete fill adds to the position, base units")
    price: Decimal
    resting: bool = Field(description="stays at the venue until it is filled or canceled")
    reduce_only: bool
    filled: Decimal = Field(default=ZERO, ge=0, description="executed so far, base units")
    sent_at: Timestamp
    accepted: bool = Field(default=False, description="the venue has it")
    unknown: bool = Field(default=False, description="its answer was lost; neither success nor failure")
    cancel_at: Timestamp | None = Field(default=None, description="when its cancel was last asked for")

    @property
    def leaves(self) -> Decimal:
        """Return what may still be added to the position, signed."""
        return max(abs(self.signed) - self.filled, ZERO).copy_sign(self.signed)


class Move(Enum):
    """What one slot needs."""

    NOTHING = auto()
    PLACE = auto()
    KEEP = auto()
    CANCEL = auto()
    WAIT = auto()
    """For the end of what stands there."""


def fits(order: Working, wanted: Wanted) -> bool:
    """Say whether what stands in a slot may stay: the right side, near enough, and not more than is wanted."""
    return (
        order.signed * wanted.signed > ZERO
        and order.reduce_only == wanted.reduce_only
        and order.resting == (wanted.style is not Style.MARKET)
        and abs(order.price - wanted.price) <= wanted.tolerance
        and abs(order.leaves) <= wanted.quantity
    )


def move_for(order: Working | None, wanted: Wanted | None, now: Timestamp, cancel_grace_ms: int) -> Move:
    """Say what a slot needs now.

    A cancel that has shown no effect for `cancel_grace_ms` is asked for again. An order that does not rest, or has
    nothing left, ends by itself; one whose cancel is under way is not wanted back.
    """
    if order is None:
        return Move.NOTHING if wanted is None else Move.PLACE
    if order.cancel_at is None and wanted is not None and fits(order, wanted):
        return Move.KEEP
    if not order.resting or order.leaves == ZERO:
        return Move.WAIT
    if order.cancel_at is None or now - order.cancel_at >= cancel_grace_ms:
        return Move.CANCEL
    return Move.WAIT
