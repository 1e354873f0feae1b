"""Orders: what is asked of a venue, and the table of states an order passes through."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, model_validator

from strategies.domain.ids import InstrumentId, OrderId
from strategies.domain.model import Value


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """Return +1 for BUY and -1 for SELL."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @classmethod
    def of(cls, signed: Decimal) -> "Side":
        """Return the side that adds `signed` to a position.

        Raises:
            ValueError: zero has no side.
        """
        if signed == 0:
            raise ValueError("a quantity of zero has no side")
        return cls.BUY if signed > 0 else cls.SELL


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"


class TimeInForce(StrEnum):
    """How long an order stays."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Lane(StrEnum):
    """Who goes first in an account's submission queue, most urgent first."""

    EXIT = "EXIT"
    HEDGE = "HEDGE"
    ENTRY = "ENTRY"
    READ = "READ"


class OrderRequest(Value):
    """One order as a strategy asks for it. Its id says what it is for and never changes."""

    order_id: OrderId
    instrument_id: InstrumentId
    side: Side
    quantity: Decimal = Field(gt=0, description="base units, whole lots of the venue")
    order_type: OrderType
    price: Decimal = Field(gt=0, description="USD: the limit price, or a market order's worst acceptable price")
    time_in_force: TimeInForce = TimeInForce.IOC
    post_only: bool = False
    reduce_only: bool = False
    lane: Lane = Lane.ENTRY
    trigger_price: Decimal | None = Field(
        default=None,
        gt=0,
        description="USD: rests at the venue until the mark price has got here, against the position; then it runs",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "OrderRequest":
        if self.post_only and (self.order_type is not OrderType.LIMIT or self.time_in_force is not TimeInForce.GTC):
            raise ValueError("post_only needs a LIMIT order with GTC")
        if self.order_type is OrderType.MARKET and self.time_in_force is TimeInForce.GTC:
            raise ValueError("a MARKET order cannot rest: use IOC or FOK")
        stop = self.order_type is OrderType.MARKET and self.time_in_force is TimeInForce.IOC and self.reduce_only
        if self.trigger_price is not None and not stop:
            raise ValueError("trigger_price needs a reduce-only MARKET order with IOC")
        return self

    @property
    def rests(self) -> bool:
        """Say whether the order may stand at the venue for long without anything happening to it."""
        return self.time_in_force is TimeInForce.GTC or self.trigger_price is not None

    @property
    def signed_quantity(self) -> Decimal:
        """Return what a complete fill adds to the position."""
        return self.quantity * self.side.sign


class OrderStatus(StrEnum):
    """Where an order stands. `DENIED` is ours, `REJECTED` the venue's."""

    INITIALIZED = "INITIALIZED"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"

    @property
    def is_terminal(self) -> bool:
        """Say whether no further change of status can follow (a late fill still can)."""
        return self in TERMINAL


TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.DENIED}
)

_LIVE_NEXT = frozenset(
    {
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
    }
)

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.INITIALIZED: frozenset({OrderStatus.SUBMITTED, OrderStatus.DENIED, OrderStatus.CANCELED}),
    # A write may come back unsent (429, refused connection); we may then think better of sending it again.
    OrderStatus.SUBMITTED: _LIVE_NEXT | {OrderStatus.DENIED},
    OrderStatus.ACCEPTED: _LIVE_NEXT,
    OrderStatus.PARTIALLY_FILLED: _LIVE_NEXT - {OrderStatus.ACCEPTED, OrderStatus.REJECTED},
    OrderStatus.PENDING_CANCEL: _LIVE_NEXT,
    # A fill is a fact of the account whenever it arrives: one that lands after a cancel turns the order into FILLED.
    OrderStatus.CANCELED: frozenset({OrderStatus.FILLED}),
    OrderStatus.EXPIRED: frozenset({OrderStatus.FILLED}),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.DENIED: frozenset(),
}
"""Every legal move. Staying where one is, is always legal (a report that comes twice)."""


class IllegalTransitionError(Exception):
    """An order was told to make a move that the table does not have."""


def advance(before: OrderStatus, after: OrderStatus) -> OrderStatus:
    """Return `after` if the table allows the move.

    Raises:
        IllegalTransitionError: the move is not in `TRANSITIONS`.
    """
    if after is before or after in TRANSITIONS[before]:
        return after
    raise IllegalTransitionError(f"{before} -> {after}")
