"""One exchange and everybody who trades on it from inside this process: what it does reaches whom it concerns.

Answers and stream events go through the event loop with a latency, so that virtual time orders them; faults come from
the same `FaultBook` as on the wire.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from strategies.domain.ids import InstrumentId, Timestamp, VenueSymbol
from strategies.domain.order import OrderRequest
from venues.errors import Rejected
from venues.simulator import reports
from venues.simulator.exchange import Exchange
from venues.simulator.faults import STREAM_KINDS, Fault, FaultBook, place_under_faults
from venues.simulator.model import MarketRules, NewOrder, OrderChanged, PositionChanged, RefusedError
from venues.venue import Ack, Now, PositionReport, PreparedWrite, VenueEvent, WriteIdentity, WriteKind

_SWITCH_MIN_MS = 5 * 60_000
"""The nearest moment that a dead-man switch may be set to, as on the wire."""
_MS = 1_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A write that reached the exchange, whatever became of it there."""

    loop_time: float
    account: str
    write: WriteIdentity


class Connection(Protocol):
    """Who hears the events of an account."""

    closed: bool

    def hear(self, event: VenueEvent, fault: Fault | None) -> None:
        """Take one stream event; a fault repeats, delays or reorders it."""


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
        self._connections: dict[str, list[Connection]] = {}
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at: Timestamp | None = None
        self._advanced_to = Timestamp(0)

    def connect(self, account: str, connection: Connection) -> None:
        """Let a connection hear the account; older ones stay as they are, like a dead process's socket."""
        connections = self._connections.setdefault(account, [])
        connections[:] = [each for each in connections if not each.closed]
        connections.append(connection)

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
                    instrument_id = self._instruments[row.symbol]
                    self._tell(row.account, "orders", reports.order_report(row, instrument_id))
                    if trade is not None:
                        fill = reports.fill_report(trade, row.account, row, self._instruments[trade.symbol])
                        self._tell(row.account, "fills", fill)
                case PositionChanged(account=account, position=position):
                    statement = reports.position_statement(position, self.now())
                    instrument_id = self._instruments[position.symbol]
                    self._tell(account, "positions", PositionReport(instrument_id=instrument_id, position=statement))
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

    def rules(self, instrument_id: InstrumentId) -> MarketRules:
        """Return the rules of a market."""
        return self.exchange.markets[self.symbols[instrument_id]]

    def execute(self, account: str, write: PreparedWrite) -> Ack | Rejected:
        """Let an account's write happen at the exchange now; return what the exchange says to it."""
        identity = write.identity
        now = self.now()
        self.arrivals.append(Arrival(asyncio.get_running_loop().time(), account, identity))
        if now > identity.expires_at:
            return Rejected("expired", "the write came after its time window")
        try:
            match identity.kind:
                case WriteKind.ORDER:
                    request = OrderRequest.model_validate_json(write.payload)
                    order = _new_order(account, self.symbols[request.instrument_id], request, identity)
                    row = place_under_faults(self.exchange, self.faults, order, now)
                    return Ack(order=reports.order_report(row, identity.instrument_id))
                case WriteKind.CANCEL:
                    self.exchange.cancel(account, client_order_id=identity.client_order_id, at=now)
                case WriteKind.CANCEL_ALL:
                    self.exchange.cancel_all(account, self.symbols[identity.instrument_id], now)
                case WriteKind.SWITCH:
                    due_at = Timestamp(int(write.payload))
                    if 0 < due_at < now + _SWITCH_MIN_MS:
                        return Rejected("too-soon", f"{due_at} is less than five minutes ahead")
                    self.exchange.schedule_cancel_all(account, due_at or None)
                case WriteKind.LEVERAGE:
                    symbol = self.symbols[identity.instrument_id]
                    self.exchange.set_leverage(account, symbol, Decimal(write.payload), now)
        except RefusedError as error:
            return Rejected(error.refusal, error.detail)
        return Ack()

    def _tell(self, account: str, channel: str, event: VenueEvent) -> None:
        if self.faults.frozen(self.exchange.rules.venue, account, channel):
            return
        fault = self.faults.take(self.exchange.rules.venue, account, f"stream:{channel}", kinds=STREAM_KINDS)
        for connection in self._connections.get(account, []):
            connection.hear(event, fault)


def _new_order(account: str, symbol: VenueSymbol, request: OrderRequest, identity: WriteIdentity) -> NewOrder:
    return NewOrder(
        account=account,
        symbol=symbol,
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
