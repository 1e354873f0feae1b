"""The matching core as a venue without a wire: for tests and deterministic simulation of the shell above it.

A `Floor` is one exchange; an `InProcessVenue` is one account's connection to it, with the troubles of a wire.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, VenueSymbol
from strategies.domain.instrument import Instrument
from strategies.domain.order import Lane, OrderRequest
from strategies.domain.quote import Quote
from venues.errors import OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.simulator import reports
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.floor import Floor
from venues.venue import (
    Ack,
    Capabilities,
    Certainty,
    FillReport,
    LeverageScope,
    Now,
    OrderReport,
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
_ANSWER_TIMEOUT_S = 1.0
"""How long an answer to a write is waited for."""
_RECONNECT_S = 0.2
"""How long a closed stream is gone before it is back."""
_MS = 1_000

T = TypeVar("T")


class InProcessVenue(Venue):
    """One account's connection to a floor."""

    def __init__(self, floor: Floor, account: str, now: Now | None = None) -> None:
        """Be heard of by the floor; nothing streams before `open`.

        `now` is the account's own clock, when it is not the floor's.
        """
        self._floor = floor
        self._account = account
        self._now = now or floor.now
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
        floor.connect(account, self)

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
        known = reports.instrument_of(self._floor.rules(instrument_id), instrument_id)
        self._instruments[instrument_id] = known
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
        return None if row is None else reports.order_report(row, instrument_id)

    async def open_orders(self, instrument_id: InstrumentId) -> list[OrderReport]:
        """See `Venue`."""
        symbol = self._symbol(instrument_id)
        rows = await self._read(
            "orders", lambda: self._floor.exchange.orders(self._account, active=True, symbol=symbol)
        )
        return [reports.order_report(row, instrument_id) for row in rows]

    async def fills(self, instrument_id: InstrumentId, since: Timestamp) -> list[FillReport]:
        """See `Venue`."""
        symbol = self._symbol(instrument_id)
        trades = await self._read(
            "fills", lambda: self._floor.exchange.trades(self._account, symbol=symbol, since=since)
        )
        return [reports.fill_report(trade, self._account, None, instrument_id) for trade in trades]

    async def balance(self, instrument_id: InstrumentId) -> Balance:
        """See `Venue`."""
        return await self._read("balance", lambda: self._balance(instrument_id))

    def _balance(self, instrument_id: InstrumentId) -> Balance:
        exchange = self._floor.exchange
        leverage = exchange.leverage(self._account, self._symbol(instrument_id))
        return reports.balance_statement(exchange.margin(self._account), leverage, self._floor.now())

    async def position(self, instrument_id: InstrumentId) -> ReportedPosition:
        """See `Venue`."""
        symbol = self._symbol(instrument_id)
        return await self._read("position", lambda: self._position(symbol))

    def _position(self, symbol: VenueSymbol) -> ReportedPosition:
        row = self._floor.exchange.position(self._account, symbol)
        return reports.position_statement(row, self._floor.now())

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
        result: Ack | Rejected | OutcomeUnknown = self._floor.execute(self._account, write)
        self._floor.advance()
        if kind in {FaultKind.LOSE_ANSWER, FaultKind.STATUS_AFTER}:
            result = OutcomeUnknown(f"injected: {kind}, executed")
        asyncio.get_running_loop().call_later(delay_s, _deliver, answer, result)


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


_HEARING = VenueStatus(stream_ages_s={}, clock_offset_s=0.0, budget_left=dict.fromkeys(Lane, 100.0))
"""Nothing here has an age, an offset or a budget that ends."""
_DEAF = _HEARING.model_copy(update={"deaf": "the stream is down"})
