"""What every venue offers an account actor, in the same words.

A write has three steps, so that its identity is durable before its first byte leaves:
`prepare_*` (allocates nonce, signs, no I/O to speak of) → the actor journals `PreparedWrite.identity` → `transmit`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp, TradeId, VenueOrderId
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.order import Lane, OrderRequest, OrderStatus, Side
from strategies.domain.position import FillCause
from strategies.domain.quote import Quote

Now = Callable[[], Timestamp]
"""The clock as venues see it: wall time in milliseconds. Waiting is the event loop's, so tests can use virtual time."""


class LeverageScope(StrEnum):
    """What one leverage setting covers."""

    ACCOUNT = "ACCOUNT"
    INSTRUMENT = "INSTRUMENT"


class Capabilities(Value):
    """What a venue can do, as far as it is known. Uncertain points default to the safe reading."""

    venue: str
    client_id_bits: int = Field(gt=0, description="width of a client order id")
    write_life_s: float = Field(gt=0, description="a write that has not executed this long after signing never will")
    clock_skew_s: float = Field(ge=0, description="added to `write_life_s` before anything is called dead")
    pipeline_depth: int = Field(gt=0, description="writes that may be in flight at once, in order")
    leverage_scope: LeverageScope
    nonce_fence: bool = Field(default=False, description="a second transaction with the same nonce decides the first")
    dead_man_switch: bool = Field(default=False, description="the venue can cancel all orders at a set time")
    stop_orders: bool = Field(default=False, description="a reduce-only order can rest until a price triggers it")
    maker_minimums_only: bool = Field(default=False, description="minimum size binds resting orders only")


class WriteKind(StrEnum):
    """What a write does."""

    ORDER = "ORDER"
    CANCEL = "CANCEL"
    CANCEL_ALL = "CANCEL_ALL"
    LEVERAGE = "LEVERAGE"
    SWITCH = "SWITCH"
    """Sets, or takes back, the moment at which the venue cancels everything by itself."""


class WriteIdentity(Value):
    """All that is needed to find out, at any later time, what became of a write. Holds no secret."""

    kind: WriteKind
    instrument_id: InstrumentId
    order_id: OrderId | None = None
    client_order_id: ClientOrderId | None = None
    api_key_index: int | None = None
    nonce: int | None = None
    tx_hash: str | None = None
    prepared_at: Timestamp
    expires_at: Timestamp = Field(description="the venue refuses to execute the write after this, by the venue's clock")


class PreparedWrite(Value):
    """A signed write, not yet sent."""

    identity: WriteIdentity
    lane: Lane
    payload: str = Field(repr=False, description="exactly what goes onto the wire; never journaled, never sent twice")


class OrderReport(Value):
    """An order as the venue states it, in a stream, an answer or a look-up."""

    instrument_id: InstrumentId
    client_order_id: ClientOrderId | None = Field(description="None = placed without one, so not by us")
    venue_order_id: VenueOrderId
    status: OrderStatus
    side: Side
    quantity: Decimal
    filled: Decimal = Field(ge=0, description="executed so far, base units")
    reason: str = Field(default="", description="the venue's word for how it ended")
    cause: FillCause = FillCause.ORDER
    at: Timestamp


class FillReport(Value):
    """One execution as the venue states it."""

    trade_id: TradeId
    instrument_id: InstrumentId
    client_order_id: ClientOrderId | None
    venue_order_id: VenueOrderId | None
    side: Side
    quantity: Decimal = Field(gt=0)
    price: Decimal = Field(gt=0)
    fee: Decimal
    is_maker: bool
    cause: FillCause
    at: Timestamp


class PositionReport(Value):
    """A position as the venue states it, in a stream."""

    instrument_id: InstrumentId
    position: ReportedPosition


class QuoteReport(Value):
    """The market as the stream shows it."""

    instrument_id: InstrumentId
    quote: Quote


class StreamGap(Value):
    """A stream was lost or skipped: whatever came in between must be fetched (fills, orders, position)."""

    channel: str
    at: Timestamp
    reason: str


class StreamUp(Value):
    """A private stream (again) delivers from this moment; what came before must be fetched."""

    channel: str
    at: Timestamp


class ForeignWrite(Value):
    """The account changed in a way that no write of ours explains (a nonce jump, a leverage change …)."""

    at: Timestamp
    detail: str


VenueEvent = OrderReport | FillReport | PositionReport | QuoteReport | StreamGap | StreamUp | ForeignWrite


class Ack(Value):
    """The venue took the write. What the answer already tells about the order is in `order` and `fills`."""

    order: OrderReport | None = None
    fills: tuple[FillReport, ...] = ()


class Certainty(StrEnum):
    """What is proven about a write."""

    EXECUTED = "EXECUTED"
    """The venue has it: it rests, filled or ended there."""
    DEAD = "DEAD"
    """It did nothing and never can."""
    OPEN = "OPEN"
    """Neither is proven yet."""


class Verdict(Value):
    """The outcome of a write as far as it is proven, with the proof in words."""

    certainty: Certainty
    proof: str
    order: OrderReport | None = None
    by_absence: bool = Field(
        default=False,
        description="DEAD because the venue does not know it: worth nothing against an acknowledgement or a fill",
    )
    nonce_taken: bool = Field(
        default=False, description="DEAD because another transaction has its nonce: one of ours, or somebody else's"
    )


class VenueStatus(Value):
    """Numbers about the connection, for metrics and the dashboard."""

    stream_ages_s: dict[str, float] = Field(description="seconds since the content of each channel was last confirmed")
    clock_offset_s: float | None = Field(description="venue clock minus ours; None = not measured yet")
    budget_left: dict[Lane, float] = Field(description="requests each lane may still send now")
    deaf: str = Field(
        default="",
        description="why the account's own stream cannot be relied on just now; empty = it can. Nothing that opens "
        "risk is sent meanwhile",
    )
    nonces: dict[int, int] = Field(
        default={}, description="per API key: the nonce below which every use is ours, or was told as a ForeignWrite"
    )
    nonce_resyncs: int = 0
    reconnects: int = 0
    rate_limited: int = 0


class Venue(Protocol):
    """One account at one venue. Not safe for two tasks to prepare at once: the account's queue is the only caller."""

    @property
    def capabilities(self) -> Capabilities:
        """Return what this venue can do."""

    async def open(self, instruments: Sequence[InstrumentId]) -> None:
        """Connect, learn the instruments, check the key, start the streams.

        Raises:
            Rejected: the venue refuses the key or the account.
            Unreachable: nobody answers. May be called again.
            Malformed: the venue answers something else than it should.
        """

    async def close(self) -> None:
        """Close connections. Never raises; may be called twice."""

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """Return an instrument named in `open`. Raises KeyError for any other."""

    def events(self) -> AsyncIterator[VenueEvent]:
        """Yield what the streams say while the venue is open. Reconnects by itself and says so. One reader."""

    def status(self) -> VenueStatus:
        """Return numbers about the connection."""

    def restore(self, pending: Sequence[WriteIdentity]) -> None:
        """Tell of writes from an earlier life whose outcome is open, before the first `prepare_*`."""

    async def prepare_order(self, request: OrderRequest, client_order_id: ClientOrderId) -> PreparedWrite:
        """Allocate a nonce and sign an order.

        Raises:
            Rejected: the order cannot be expressed on this venue (off the grid, out of range).
            Unreachable: a nonce is needed from the venue and it does not answer.
        """

    async def prepare_cancel(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> PreparedWrite:
        """Allocate a nonce and sign the cancel of one order of ours."""

    async def prepare_cancel_all(self, instrument_id: InstrumentId) -> PreparedWrite:
        """Allocate a nonce and sign a cancel of everything that rests on this instrument."""

    async def prepare_leverage(self, instrument_id: InstrumentId, leverage: Decimal) -> PreparedWrite:
        """Allocate a nonce and sign a change of leverage."""

    async def prepare_switch(self, instrument_id: InstrumentId, due_at: Timestamp | None, lane: Lane) -> PreparedWrite:
        """Sign the setting of the dead-man switch to `due_at`, or with None its taking back.

        Raises:
            Rejected: the venue has none.
            Unreachable: as `prepare_order`.
        """

    async def prepare_fence(self, write: WriteIdentity, due_at: Timestamp | None, lane: Lane) -> PreparedWrite | None:
        """Sign a harmless write that carries the same nonce as one in doubt; None when that nonce is used already.

        Whichever of the two the venue executes, the other never can. The harmless write is `prepare_switch(due_at)`.

        Raises:
            Rejected: the venue has no nonces.
            Unreachable: the nonce cannot be learnt.
        """

    def discard(self, write: PreparedWrite) -> None:
        """Give back a write that was prepared and will not be transmitted (its nonce is free again)."""

    async def transmit(self, write: PreparedWrite) -> "asyncio.Future[Ack]":
        """Hand the bytes to the ordered connection; return at once with the answer to come.

        Waits only for the rate budget of exits: another write that finds its budget gone raises `RateLimited`, so that
        it never stands before an exit. Writes leave in the order of the calls.
        The future ends with `Ack`, or raises `Rejected`, `RateLimited`, `Unreachable` (nothing left) or
        `OutcomeUnknown`. A write is never sent twice by this layer.
        """

    async def resync(self, lane: Lane = Lane.READ) -> None:
        """Learn anew from the venue what the next write needs (nonce, clock), from the budget of that write's `lane`.

        Raises:
            Unreachable | Malformed | RateLimited: no usable answer.
        """

    async def investigate(self, write: WriteIdentity) -> Verdict:
        """Gather observations about one write and judge them by the venue's proof table.

        Raises:
            Unreachable | Malformed | RateLimited: no observation could be made now; nothing is proven.
        """

    async def order(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        """Look one order up. None = the venue does not know it (which proves nothing by itself).

        Raises:
            Unreachable | Malformed | RateLimited: no answer.
        """

    async def open_orders(self, instrument_id: InstrumentId) -> list[OrderReport]:
        """Return what rests on the account, ours or not. Raises as `order`."""

    async def fills(self, instrument_id: InstrumentId, since: Timestamp) -> list[FillReport]:
        """Return every execution at or after `since`, oldest first, complete (all pages). Raises as `order`."""

    async def balance(self, instrument_id: InstrumentId) -> Balance:
        """Return money and margin. Raises as `order`."""

    async def position(self, instrument_id: InstrumentId) -> ReportedPosition:
        """Return the venue's statement of the position; flat is a positive statement, too. Raises as `order`."""

    async def quote(self, instrument_id: InstrumentId) -> Quote:
        """Return the market as the stream last showed it, fetched anew when the stream is old. Raises as `order`."""
