"""The matching core as a venue without a wire: for tests and deterministic simulation of the shell above it.

A `Floor` is one exchange; `Floor.venue(account)` is one account's `Venue`. Answers and stream events go through the
event loop with a latency, so that virtual time orders them; faults come from the same `FaultBook` as on the wire.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, TradeId, VenueOrderId, VenueSymbol
from strategies.domain.instrument import Instrument
from strategies.domain.order import Lane, OrderRequest, OrderStatus, Side
from strategies.domain.position import FillCause
from strategies.domain.quote import Quote
from venues.errors import OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.simulator.exchange import Exchange
from venues.simulator.faults import STREAM_KINDS, Fault, FaultBook, FaultKind, place_under_faults
from venues.simulator.model import (
    EndReason,
    MarketRules,
    NewOrder,
    OrderChanged,
    OrderRow,
    OrderState,
    PositionChanged,
    PositionRow,
    RefusedError,
    TradeRow,
)
from venues.venue import (
    Ack,
    Capabilities,
    Certainty,
    FillReport,
    LeverageScope,
    Now,
    OrderReport,
    PositionReport,
    PreparedWrite,
    StreamGap,
    StreamUp,
    Venue,
    VenueEvent,
    VenueStatus,
    Verdict,
    WriteIdentity,
    WriteKind,
)

_WRITE_LIFE_MS = 5_000
"""A write that has not executed this long after it was prepared never will."""
_TOO_MANY_REQUESTS = 429
_DEPTH = 8
"""Writes in flight at once."""
_PROTECTING = frozenset({"lighter"})
"""Venues with a dead-man switch and stop orders, as on the wire."""
_SWITCH_MIN_MS = 5 * 60_000
"""The nearest moment that a dead-man switch may be set to, as on the wire."""
_ANSWER_TIMEOUT_S = 1.0
"""How long an answer to a write is waited for."""
_RECONNECT_S = 0.2
"""How long a closed stream is gone before it is back."""
_MS = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A write that reached the exchange, whatever became of it there."""

    loop_time: float
    account: str
    write: WriteIdentity


class Floor:
    """One exchange and the accounts that trade on it from inside this process."""

    def __init__(
        self, exchange: Exchange, symbols: dict[InstrumentId, VenueSymbol], now: Now, *, latency_s: float = 0.0
    ) -> None:
        """Open the floor. `latency_s` passes before a write executes, and again before its answer arrives."""
        self.exchange = exchange
        self.symbols = symbols
        self._instruments = {symbol: instrument_id for instrument_id, symbol in symbols.items()}
        self.now = now
        self.latency_s = latency_s
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep
        """Lets the latency pass; a simulation has a cheaper way."""
        self.faults = FaultBook()
        self.arrivals: list[Arrival] = []
        self._delays: dict[str, list[float]] = {}
        self._venues: dict[str, list[InProcessVenue]] = {}
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at: Timestamp | None = None
        self._advanced_to = Timestamp(0)

    def venue(self, account: str, now: Now | None = None) -> "InProcessVenue":
        """Return a fresh connection of one account; older ones stay as they are, like a dead process's socket.

        `now` is the account's own clock, when it is not the floor's.
        """
        venue = InProcessVenue(self, account, now or self.now)
        connections = self._venues.setdefault(account, [])
        connections[:] = [each for each in connections if not each.closed]
        connections.append(venue)
        return venue

    def delay_order(self, account: str, seconds: float) -> None:
        """Let the account's next order be so much longer on its way: it arrives when nobody waits for it any more."""
        self._delays.setdefault(account, []).append(seconds)

    def next_delay(self, account: str) -> float:
        """Return how much longer the account's next order is on its way, and forget it."""
        waiting = self._delays.get(account)
        return waiting.pop(0) if waiting else 0.0

    def pump(self) -> None:
        """Hand what has happened in the exchange to the accounts it happened to."""
        for event in self.exchange.drain_events():
            match event:
                case OrderChanged(order=row, trade=trade):
                    self._tell(row.account, "orders", _order_report(row, self._instrument_of(row.symbol)))
                    if trade is not None:
                        self._tell(row.account, "fills", self.fill_report(trade, row.account, row))
                case PositionChanged(account=account, position=position):
                    statement = self.reported(position)
                    self._tell(
                        account,
                        "positions",
                        PositionReport(instrument_id=self._instrument_of(position.symbol), position=statement),
                    )
                case _:
                    pass
        self._wake_when_due()

    def advance(self) -> None:
        """Let the exchange catch up with the clock and tell everybody."""
        now = self.now()
        if now != self._advanced_to:  # several questions arrive at one moment; the first one has seen to it
            self._advanced_to = now
            self.exchange.advance(now)
        self.pump()

    def _wake_when_due(self) -> None:
        """Come back by ourselves for what the exchange does unasked: delayed orders and cancels, liquidations."""
        due_at = self.exchange.next_due()
        if due_at == self._wake_at:
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = due_at
        if due_at is not None:
            # At least a millisecond: what was due at this one has been done.
            wait_s = max(1, due_at - self.now()) / _MS
            self._wake = asyncio.get_running_loop().call_later(wait_s, self._on_due)

    def _on_due(self) -> None:
        self._wake, self._wake_at = None, None
        self.advance()

    def fill_report(self, trade: TradeRow, account: str, row: OrderRow | None) -> FillReport:
        """Return a trade as the account sees it."""
        taker = trade.taker_account == account and (row is None or row.order_index == trade.taker_order_index)
        side = trade.taker_side if taker else trade.taker_side.opposite
        index = trade.taker_order_index if taker else trade.maker_order_index
        client_id = trade.taker_client_order_id if taker else trade.maker_client_order_id
        return FillReport(
            trade_id=TradeId(f"{trade.trade_id}"),
            instrument_id=self._instrument_of(trade.symbol),
            client_order_id=None if client_id is None else ClientOrderId(client_id),
            venue_order_id=VenueOrderId(str(index)),
            side=side,
            quantity=trade.quantity,
            price=trade.price,
            fee=trade.taker_fee if taker else trade.maker_fee,
            is_maker=not taker,
            cause=trade.cause if taker or trade.cause is FillCause.ADL else FillCause.ORDER,
            at=trade.at,
        )

    def reported(self, row: PositionRow) -> ReportedPosition:
        """Return a position as a statement."""
        return ReportedPosition(
            quantity=row.quantity,
            entry_price=row.entry_price,
            liquidation_price=row.liquidation_price,
            unrealized=row.unrealized,
            funding=-row.funding_paid,
            at=self.now(),
        )

    def rules(self, instrument_id: InstrumentId) -> MarketRules:
        """Return the rules of a market."""
        return self.exchange.markets[self.symbols[instrument_id]]

    def _instrument_of(self, symbol: VenueSymbol) -> InstrumentId:
        return self._instruments[symbol]

    def _tell(self, account: str, channel: str, event: VenueEvent) -> None:
        if self.faults.frozen(self.exchange.rules.venue, account, channel):
            return
        fault = self.faults.take(self.exchange.rules.venue, account, f"stream:{channel}", kinds=STREAM_KINDS)
        for venue in self._venues.get(account, []):
            venue.hear(event, fault)


class InProcessVenue(Venue):
    """One account's connection to a floor."""

    def __init__(self, floor: Floor, account: str, now: Now) -> None:
        """Connect nothing yet."""
        self._floor = floor
        self._account = account
        self._now = now
        self._events: asyncio.Queue[VenueEvent] = asyncio.Queue()
        self._held: list[VenueEvent] = []
        self._on_the_way: dict[asyncio.TimerHandle, None] = {}
        self._streaming = False
        self._instruments: dict[InstrumentId, Instrument] = {}
        rules = floor.exchange.rules
        self._capabilities = Capabilities(
            venue=rules.venue,
            client_id_bits=rules.client_id_bits,
            write_life_s=_WRITE_LIFE_MS / _MS,
            clock_skew_s=0.5,
            pipeline_depth=_DEPTH,
            dead_man_switch=rules.venue in _PROTECTING,
            stop_orders=rules.venue in _PROTECTING,
            leverage_scope=LeverageScope.ACCOUNT if rules.leverage_per_account else LeverageScope.INSTRUMENT,
        )
        self.closed = False

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`."""
        return self._capabilities

    async def open(self, instruments: Sequence[InstrumentId]) -> None:
        """See `Venue`."""
        await self._read("connect", lambda: None)
        for instrument_id in instruments:
            self.instrument(instrument_id)
        self._stream_up()

    async def close(self) -> None:
        """See `Venue`."""
        self.closed = True

    def cut(self) -> None:
        """Lose what has been handed over and has not reached the exchange yet, as a dying process may."""
        self.closed = True
        for handle in self._on_the_way:
            handle.cancel()
        self._on_the_way.clear()

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """See `Venue`."""
        known = self._instruments.get(instrument_id)
        if known is not None:
            return known
        rules = self._floor.rules(instrument_id)
        known = self._instruments[instrument_id] = Instrument(
            instrument_id=instrument_id,
            symbol=rules.symbol,
            tick=rules.tick,
            lot=rules.lot,
            min_quantity=rules.min_quantity,
            min_notional=rules.min_notional,
            max_leverage=1 / rules.initial_margin_min,
            maintenance_margin=rules.maintenance_margin,
            taker_fee=rules.taker_fee,
            maker_fee=rules.maker_fee,
        )
        return known

    async def events(self) -> AsyncIterator[VenueEvent]:
        """See `Venue`."""
        while not self.closed:
            yield await self._events.get()

    def hear(self, event: VenueEvent, fault: Fault | None) -> None:
        """Take one stream event; a fault repeats, delays or reorders it."""
        if self.closed or not self._streaming:
            return
        if fault is not None and fault.kind is FaultKind.REORDER_EVENTS:
            self._held.append(event)
            return
        if fault is not None and fault.kind is FaultKind.CLOSE_STREAM:
            self._stream_down()
            return
        delay_s = self._floor.latency_s
        if fault is not None and fault.kind is FaultKind.DELAY_EVENTS:
            delay_s += fault.delay_ms / _MS
        times = 2 if fault is not None and fault.kind is FaultKind.DUPLICATE_EVENT else 1
        for each in [event] * times + self._held:
            asyncio.get_running_loop().call_later(delay_s, self._events.put_nowait, each)
        self._held.clear()

    def status(self) -> VenueStatus:
        """See `Venue`."""
        return _HEARING if self._streaming else _DEAF

    def restore(self, pending: Sequence[WriteIdentity]) -> None:
        """See `Venue`. There are no nonces here."""

    async def prepare_order(self, request: OrderRequest, client_order_id: ClientOrderId) -> PreparedWrite:
        """See `Venue`."""
        write = self._prepare(WriteKind.ORDER, request.instrument_id, request.lane, request.model_dump_json())
        identity = write.identity.model_copy(update={"order_id": request.order_id, "client_order_id": client_order_id})
        return write.model_copy(update={"identity": identity})

    async def prepare_cancel(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> PreparedWrite:
        """See `Venue`."""
        write = self._prepare(WriteKind.CANCEL, instrument_id, Lane.EXIT, "")
        identity = write.identity.model_copy(update={"client_order_id": client_order_id})
        return write.model_copy(update={"identity": identity})

    async def prepare_cancel_all(self, instrument_id: InstrumentId) -> PreparedWrite:
        """See `Venue`."""
        return self._prepare(WriteKind.CANCEL_ALL, instrument_id, Lane.EXIT, "")

    async def prepare_leverage(self, instrument_id: InstrumentId, leverage: Decimal) -> PreparedWrite:
        """See `Venue`."""
        return self._prepare(WriteKind.LEVERAGE, instrument_id, Lane.ENTRY, str(leverage))

    async def prepare_switch(self, instrument_id: InstrumentId, due_at: Timestamp | None, lane: Lane) -> PreparedWrite:
        """See `Venue`."""
        if self._floor.exchange.rules.venue not in _PROTECTING:
            raise Rejected("unsupported", "no dead-man switch here")
        return self._prepare(WriteKind.SWITCH, instrument_id, lane, str(due_at or 0))

    async def prepare_fence(self, write: WriteIdentity, due_at: Timestamp | None, lane: Lane) -> PreparedWrite | None:
        """See `Venue`. There are no nonces here."""
        raise Rejected("unsupported", f"no nonces to fence {write.kind} with ({due_at}, {lane})")

    def discard(self, write: PreparedWrite) -> None:
        """See `Venue`. Nothing was allocated."""

    async def transmit(self, write: PreparedWrite) -> "asyncio.Future[Ack]":
        """See `Venue`."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Ack] = loop.create_future()
        action = write.identity.kind.lower()
        fault = self._floor.faults.take(self._floor.exchange.rules.venue, self._account, action)

        def arrive() -> None:
            self._on_the_way.pop(handle, None)
            self._execute(write, fault, answer)

        ordering = write.identity.kind is WriteKind.ORDER
        delay_s = self._floor.next_delay(self._account) if ordering else 0.0
        if delay_s > 0:
            patience_s = min(delay_s, _ANSWER_TIMEOUT_S)
            loop.call_later(patience_s, _fail, answer, OutcomeUnknown("no answer in time"))
        handle = loop.call_later(self._floor.latency_s + delay_s, arrive)
        self._on_the_way[handle] = None
        return answer

    async def resync(self, lane: Lane = Lane.READ) -> None:  # noqa: ARG002 - nothing is counted here
        """See `Venue`. There are no nonces here."""
        await self._read("nonce", lambda: None)

    async def investigate(self, write: WriteIdentity) -> Verdict:
        """See `Venue`."""
        if write.client_order_id is None:
            return Verdict(certainty=Certainty.OPEN, proof="not an order")
        asked_at = self._now()  # an answer may come late: what it does not know was unknown then, not now
        report = await self.order(write.instrument_id, write.client_order_id)
        if report is not None:
            return Verdict(certainty=Certainty.EXECUTED, proof="the venue knows the client order id", order=report)
        if asked_at > write.expires_at + int(self.capabilities.clock_skew_s * _MS):
            proof = "unknown to the venue after its time window closed"
            return Verdict(certainty=Certainty.DEAD, proof=proof, by_absence=True)
        return Verdict(certainty=Certainty.OPEN, proof="unknown to the venue, its time window is open")

    async def order(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        """See `Venue`."""
        exchange = self._floor.exchange
        row = await self._read("order_lookup", lambda: exchange.order_by_client_id(self._account, client_order_id))
        return None if row is None else _order_report(row, instrument_id)

    async def open_orders(self, instrument_id: InstrumentId) -> list[OrderReport]:
        """See `Venue`."""
        symbol = self._symbol(instrument_id)
        rows = await self._read(
            "orders", lambda: self._floor.exchange.orders(self._account, active=True, symbol=symbol)
        )
        return [_order_report(row, instrument_id) for row in rows]

    async def fills(self, instrument_id: InstrumentId, since: Timestamp) -> list[FillReport]:
        """See `Venue`."""
        symbol = self._symbol(instrument_id)
        trades = await self._read(
            "fills", lambda: self._floor.exchange.trades(self._account, symbol=symbol, since=since)
        )
        return [self._floor.fill_report(trade, self._account, None) for trade in trades]

    async def balance(self, instrument_id: InstrumentId) -> Balance:
        """See `Venue`."""
        return await self._read("balance", lambda: self._balance(instrument_id))

    def _balance(self, instrument_id: InstrumentId) -> Balance:
        margin = self._floor.exchange.margin(self._account)
        return Balance(
            equity=margin.equity,
            available=margin.available,
            leverage=self._floor.exchange.leverage(self._account, self._symbol(instrument_id)),
            maintenance_margin=margin.maintenance_requirement,
            liquidating=margin.liquidating,
            at=self._floor.now(),
        )

    async def position(self, instrument_id: InstrumentId) -> ReportedPosition:
        """See `Venue`."""
        symbol = self._symbol(instrument_id)
        return await self._read(
            "position", lambda: self._floor.reported(self._floor.exchange.position(self._account, symbol))
        )

    async def quote(self, instrument_id: InstrumentId) -> Quote:
        """See `Venue`."""
        return await self._read("quote", lambda: self._quote(self._symbol(instrument_id)))

    def _quote(self, symbol: VenueSymbol) -> Quote:
        bid, ask = self._floor.exchange.touch(symbol)
        now = self._floor.now()
        return Quote(
            bid=bid,
            ask=ask,
            mark=self._floor.exchange.market(symbol).mark,
            at=now,
            mark_at=now,
        )

    # --- parts --------------------------------------------------------------------------------------------------

    def _symbol(self, instrument_id: InstrumentId) -> VenueSymbol:
        return self._floor.symbols[instrument_id]

    def _prepare(self, kind: WriteKind, instrument_id: InstrumentId, lane: Lane, payload: str) -> PreparedWrite:
        now = self._now()
        identity = WriteIdentity(
            kind=kind,
            instrument_id=instrument_id,
            prepared_at=now,
            expires_at=Timestamp(now + _WRITE_LIFE_MS),
        )
        return PreparedWrite(identity=identity, lane=lane, payload=payload)

    async def _read(self, action: str, answer: Callable[[], T]) -> T:
        """Return what the exchange says when the question gets there; raise what a fault says."""
        await self._floor.pause(self._floor.latency_s)
        fault = self._floor.faults.take(self._floor.exchange.rules.venue, self._account, action)
        if self.closed:
            raise Unreachable("closed")
        if fault is not None and fault.kind is not FaultKind.DELAY_ANSWER:
            if fault.status == _TOO_MANY_REQUESTS and fault.kind is FaultKind.STATUS_BEFORE:
                raise RateLimited(fault.body, _retry_after_s(fault))
            raise Unreachable(f"injected: {fault.kind}")
        self._floor.advance()
        said = answer()
        if fault is not None:
            await asyncio.sleep(fault.delay_ms / _MS)
        return said

    def _stream_up(self) -> None:
        self._streaming = True
        self._events.put_nowait(StreamUp(channel="account", at=self._now()))

    def _stream_down(self) -> None:
        """Lose the stream, and everything it would have told, until it is back."""
        self._streaming = False
        self._held.clear()
        self._events.put_nowait(StreamGap(channel="account", at=self._now(), reason="the stream was closed"))
        asyncio.get_running_loop().call_later(_RECONNECT_S, self._stream_up)

    def _execute(self, write: PreparedWrite, fault: Fault | None, answer: "asyncio.Future[Ack]") -> None:
        """Let the write happen at the exchange, unless a fault keeps it from getting there."""
        kind = None if fault is None else fault.kind
        delay_s = self._floor.latency_s
        if kind is FaultKind.REFUSE:
            _fail(answer, Unreachable("injected: nothing left"))
            return
        if fault is not None and kind is FaultKind.STATUS_BEFORE and fault.status == _TOO_MANY_REQUESTS:
            _fail(answer, RateLimited(fault.body, _retry_after_s(fault)))
            return
        if kind in {FaultKind.STATUS_BEFORE, FaultKind.RESET}:
            _fail(answer, OutcomeUnknown(f"injected: {kind}, not executed"))
            return
        if fault is not None and kind is FaultKind.DELAY_ANSWER:
            delay_s += fault.delay_ms / _MS
        result: Ack | Rejected | OutcomeUnknown = self._happen(write)
        self._floor.advance()
        if kind in {FaultKind.LOSE_ANSWER, FaultKind.STATUS_AFTER}:
            result = OutcomeUnknown(f"injected: {kind}, executed")
        asyncio.get_running_loop().call_later(delay_s, _deliver, answer, result)

    def _happen(self, write: PreparedWrite) -> Ack | Rejected:
        floor, identity = self._floor, write.identity
        now = floor.now()
        floor.arrivals.append(Arrival(asyncio.get_running_loop().time(), self._account, identity))
        if now > identity.expires_at:
            return Rejected("expired", "the write came after its time window")
        try:
            match identity.kind:
                case WriteKind.ORDER:
                    request = OrderRequest.model_validate_json(write.payload)
                    row = place_under_faults(floor.exchange, floor.faults, self._new_order(request, identity), now)
                    return Ack(order=_order_report(row, identity.instrument_id))
                case WriteKind.CANCEL:
                    floor.exchange.cancel(self._account, client_order_id=identity.client_order_id, at=now)
                case WriteKind.CANCEL_ALL:
                    floor.exchange.cancel_all(self._account, self._symbol(identity.instrument_id), now)
                case WriteKind.SWITCH:
                    due_at = Timestamp(int(write.payload))
                    if 0 < due_at < now + _SWITCH_MIN_MS:
                        return Rejected("too-soon", f"{due_at} is less than five minutes ahead")
                    floor.exchange.schedule_cancel_all(self._account, due_at or None)
                case WriteKind.LEVERAGE:
                    symbol = self._symbol(identity.instrument_id)
                    floor.exchange.set_leverage(self._account, symbol, Decimal(write.payload), now)
        except RefusedError as error:
            return Rejected(error.refusal, error.detail)
        return Ack()

    def _new_order(self, request: OrderRequest, identity: WriteIdentity) -> NewOrder:
        return NewOrder(
            account=self._account,
            symbol=self._symbol(request.instrument_id),
            side=request.side,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            quantity=request.quantity,
            price=request.price,
            client_order_id=identity.client_order_id,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            trigger_price=request.trigger_price,
        )


def _retry_after_s(fault: Fault) -> float:
    """Return the wait that an injected 429 names: its delay, or a second."""
    return fault.delay_ms / _MS or 1.0


def _fail(answer: "asyncio.Future[Ack]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _deliver(answer: "asyncio.Future[Ack]", result: Ack | Exception) -> None:
    if answer.done():
        return
    if isinstance(result, Ack):
        answer.set_result(result)
    else:
        answer.set_exception(result)


def _order_report(row: OrderRow, instrument_id: InstrumentId) -> OrderReport:
    return OrderReport(
        instrument_id=instrument_id,
        client_order_id=None if row.client_order_id is None else ClientOrderId(row.client_order_id),
        venue_order_id=VenueOrderId(str(row.order_index)),
        status=_STATUS[row.state] if row.filled == 0 or row.state is not OrderState.OPEN else _PARTIAL,
        side=Side(row.side),
        quantity=row.quantity,
        filled=row.filled,
        reason="" if row.end_reason is EndReason.NONE else row.end_reason.value,
        cause=row.cause,
        at=row.updated_at,
    )


_HEARING = VenueStatus(stream_ages_s={}, clock_offset_s=0.0, budget_left=dict.fromkeys(Lane, 100.0))
"""Nothing here has an age, an offset or a budget that ends."""
_DEAF = _HEARING.model_copy(update={"deaf": "the stream is down"})
_PARTIAL = OrderStatus.PARTIALLY_FILLED
_STATUS: dict[OrderState, OrderStatus] = {
    OrderState.PENDING: OrderStatus.ACCEPTED,
    OrderState.OPEN: OrderStatus.ACCEPTED,
    OrderState.FILLED: OrderStatus.FILLED,
    OrderState.CANCELED: OrderStatus.CANCELED,
    OrderState.EXPIRED: OrderStatus.EXPIRED,
    # The API had taken it, so at the venue the order existed and ended without a fill.
    OrderState.REJECTED: OrderStatus.CANCELED,
}
