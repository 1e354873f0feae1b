"""The submission queue: one writer, lanes by urgency, identity durable before the first byte, answers read as they are.

Orders leave in order, several in flight where the venue allows it. Orders that wait together are signed one after
another and made durable together, one append for all of them, and then their first bytes; the next ones are signed
meanwhile. An order that finds the queue empty is signed before it is durable itself, and shares the append in which it
is taken. Any doubt drains the pipeline and asks the venue for the next nonce before the next write.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import structlog

from actors.account.entries import EntryKind
from actors.account.lanes import LANES, Lanes
from actors.account.ledger import Decide, Ledger, Pending
from actors.account.outcomes import Outcomes
from actors.account.preparation import Preparation
from actors.account.rests import Rests
from actors.account.spec import AccountTuning
from actors.account.state import OtherWrite
from actors.journal.protocol import Entry
from actors.meter import Meter
from actors.tasks import Tasks
from strategies.domain.account import AccountMode
from strategies.domain.commands import SetLeverage
from strategies.domain.ids import InstrumentId, OrderId
from strategies.domain.order import Lane
from venues.errors import Malformed, OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.venue import Ack, Now, PreparedWrite, Venue, WriteIdentity

_log = structlog.get_logger(__name__)

_TOGETHER = 8
"""Orders made durable together at most. Each takes about a millisecond to sign, and an exit that comes meanwhile waits
until the batch has left."""
_OWNED_FOR_S = 0.5
"""How long after its append a write may still leave unasked. Bytes leave within milliseconds of it; only a process that
was suspended in between is later, and by then another may own the account."""
_SIGN_ALONGSIDE_S = 0.1
"""Longest wait for a signature inside an append; it takes milliseconds, but a venue may have to be asked first."""
_POLL_S = 0.05
"""How often a lane without rate budget is looked at again."""
_MS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class _Departure:
    """Signed writes that leave as soon as they are durable."""

    lane: Lane
    writes: Sequence[tuple[str, PreparedWrite]]
    durable: Sequence[Pending]
    started: float


class Submission:
    """Takes waiting writes out of the book and sees each to its answer."""

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        instrument_id: InstrumentId,
        tuning: AccountTuning,
        *,
        tasks: Tasks,
        meter: Meter,
        now: Now,
        mode: Callable[[], AccountMode],
        on_answer: Callable[[Ack], Awaitable[None]],
        on_unknown: Callable[[WriteIdentity], None],
        held: Callable[[], str],
    ) -> None:
        """Wire the parts.

        `mode` says what may be sent, `on_answer` gets what an answer tells of orders and fills, `on_unknown` a write
        without an answer that is no order, `held` says why nothing that opens risk may leave just now.
        """
        self._ledger = ledger
        self._venue = venue
        self._depth = venue.capabilities.pipeline_depth
        self._tuning = tuning
        self._tasks = tasks
        self._meter = meter
        self._now = now
        self._mode = mode
        self._on_answer = on_answer
        self._held = held
        self._lanes = Lanes(self._is_order)
        self._in_flight = 0
        self._changed = asyncio.Event()
        self._no_entry = ""
        self._departures: asyncio.Queue[_Departure] = asyncio.Queue()
        self._signing = asyncio.Lock()
        """Held from the first signature of a departure until it stands in line: nonces leave in their order."""
        self._doubt = True  # a new life knows no nonce
        self._rests = Rests(tuning)
        self._outcomes = Outcomes(ledger, meter=meter, now=now, on_unknown=on_unknown)
        self._preparation = Preparation(ledger, venue, instrument_id, now=now)

    def lengths(self) -> dict[Lane, int]:
        """Return how many writes wait in each lane."""
        return self._lanes.lengths()

    def wake(self) -> None:
        """Look again: something was taken, the mode changed, or an answer came."""
        self._changed.set()

    def mark_doubt(self) -> None:
        """Ask the venue for its next nonce before the next write."""
        self._doubt = True
        self.wake()

    def enqueue_waiting(self) -> None:
        """Put every write of the book that has not been signed and is not queued yet into its lane."""
        for key, other in self._ledger.book.state.others.items():
            if other.identity is None:
                self._offer(key, _lane_of(other))
        self._enqueue_orders()
        self.wake()

    def _enqueue_orders(self) -> None:
        for record in self._ledger.book.waiting():
            self._offer(record.request.order_id, record.request.lane)

    async def run(self) -> None:
        """Sign what waits, for ever; `depart` sends it."""
        while True:
            taken, lane = await self._next()
            keys = [key for key in taken if not await self._denied(key, lane)]
            self._lanes.let_go(set(taken) - set(keys))
            if self._doubt and keys and not await self._resynced(lane):
                for key in keys:
                    self._push(key, lane)
                continue
            await self._send(keys, lane)

    async def _next(self) -> tuple[list[str], Lane]:
        while True:
            self._changed.clear()
            overdue = self._overdue_lane()
            if overdue is not None:
                return self._lanes.take(overdue, 1), overdue
            chosen = self._chosen()
            if chosen is not None:
                return chosen
            with suppress(TimeoutError):  # nothing changed: the rate budget may have
                async with asyncio.timeout(None if self._lanes.are_empty else _POLL_S):
                    await self._changed.wait()

    def _chosen(self) -> tuple[list[str], Lane] | None:
        """Take out of the queues what may leave now; None when nothing may."""
        room = self._depth - self._in_flight
        if room <= 0:
            return None
        status = self._venue.status()
        budget, self._no_entry = status.budget_left, status.deaf or self._held()
        lane = self._ready_lane(budget)
        if lane is None:
            return None
        return self._lanes.take(lane, min(room, _TOGETHER, int(budget.get(lane, _TOGETHER)))), lane

    def _ready_lane(self, budget: Mapping[Lane, float]) -> Lane | None:
        mode = self._mode()
        if mode in {AccountMode.DISARMED, AccountMode.STOPPED}:
            return None
        for lane in LANES if mode is AccountMode.ARMED else (Lane.EXIT,):
            if lane is Lane.ENTRY and self._no_entry:
                continue  # nothing opens risk while we might not hear what it does, or do not know what we hold
            if self._lanes.first(lane) is not None and budget.get(lane, 1.0) >= 1.0 and not self._rests.holds(lane):
                return lane
        return None

    def _overdue_lane(self) -> Lane | None:
        """Return a lane whose first order has waited too long: it is denied, whatever else holds the lane back."""
        if self._mode() in {AccountMode.DISARMED, AccountMode.STOPPED}:
            return None
        for lane in LANES:
            first = self._lanes.first(lane)
            record = None if first is None else self._ledger.book.order(OrderId(first))
            if record is not None and (self._now() - record.taken_at) / _MS > self._deadline_s(lane):
                return lane
        return None

    def _deadline_s(self, lane: Lane) -> float:
        tuning = self._tuning
        bounds = {Lane.EXIT: tuning.exit_deadline_s, Lane.HEDGE: tuning.hedge_deadline_s}
        return bounds.get(lane, tuning.entry_deadline_s)

    def _is_order(self, key: str) -> bool:
        return self._ledger.book.order(OrderId(key)) is not None

    async def _denied(self, key: str, lane: Lane) -> bool:
        """Drop what should not be sent any more: canceled before it left, or too old to be what was decided."""
        record = self._ledger.book.order(OrderId(key))
        if record is None:
            return False
        if record.prepared is not None or record.status.is_terminal:
            return True
        waited_s = (self._now() - record.taken_at) / _MS
        bound = self._deadline_s(lane)
        if waited_s <= bound:
            return False
        detail = f"waited {waited_s:.1f} s in lane {lane}, bound {bound:g} s" + (
            f"; {self._no_entry}" if self._no_entry else ""
        )
        self._meter.count("orders_denied")
        await self._ledger.commit(lambda book: book.decide_denied(OrderId(key), "stale", detail, self._now()))
        return True

    async def _resynced(self, lane: Lane) -> bool:
        """Drain the pipeline, then learn what the next write needs. False when the venue does not answer now."""
        async with self._signing:
            while self._in_flight:
                self._changed.clear()
                await self._changed.wait()
            self._doubt = False
            try:
                await self._venue.resync(lane)
            except (Unreachable, Malformed, RateLimited) as error:
                self._doubt = True
                self._rests.after(error)
                return False
        self._rests.recovered()
        self._meter.count("nonce_resyncs")
        return True

    async def depart(self) -> None:
        """Send what has been signed, in order, each as soon as it is durable; for ever."""
        while True:
            departure = await self._departures.get()
            self.wake()
            await asyncio.gather(*(each.durable for each in departure.durable))
            self._lanes.let_go(key for key, _ in departure.writes)
            for key, write in departure.writes:
                if asyncio.get_running_loop().time() - self._ledger.owned_at > _OWNED_FOR_S:
                    await self._ledger.confirm_owner()
                try:
                    answer = await self._venue.transmit(write)
                except (Unreachable, RateLimited, OutcomeUnknown, Rejected) as error:
                    answer = asyncio.get_running_loop().create_future()
                    answer.set_exception(error)
                self._meter.observe("dequeue_to_wire", perf_counter() - departure.started)
                self._tasks.start(f"answer:{key}", self._await_answer(key, departure.lane, answer))
            self._departures.task_done()

    async def sign_alongside(self, entries: Sequence[Entry]) -> Sequence[Pending]:
        """Sign what is just being taken, so that taking and leaving share an append: see `Ledger.alongside`.

        Only while nothing else waits, nothing is in doubt and nothing but orders was taken: then their turn has come.
        What was taken this moment is not too old to be sent, so `_denied` is not asked.
        """
        others = self._ledger.book.state.others.values()
        if self._signing.locked() or self._doubt or not self._lanes.are_empty or any(not o.identity for o in others):
            return ()
        if not any(entry.kind == EntryKind.TAKEN for entry in entries):
            return ()
        self._enqueue_orders()
        chosen = self._chosen()
        if chosen is None:
            return ()
        keys, lane = chosen
        async with self._signing:
            started = perf_counter()
            ready = await self._sign_quickly(keys, lane)
            pending = self._ledger.pending([self._preparing(key, write.identity) for key, write in ready])
            self._line_up(_Departure(lane, ready, pending, started))
        return pending

    async def _sign_quickly(self, keys: Sequence[str], lane: Lane) -> list[tuple[str, PreparedWrite]]:
        """Sign for as long as it goes smoothly; the rest goes back, to be signed or refused in its own time."""
        ready: list[tuple[str, PreparedWrite]] = []
        try:
            async with asyncio.timeout(_SIGN_ALONGSIDE_S):
                for key in keys:
                    signed_from = perf_counter()
                    write = await self._preparation.prepare(key)
                    if write is not None:
                        self._meter.observe("sign", perf_counter() - signed_from)
                        ready.append((key, write))
        except (Rejected, Unreachable, TimeoutError):
            signed = {key for key, _ in ready}
            for key in keys:
                if key not in signed:
                    self._push(key, lane)
        return ready

    async def _send(self, keys: Sequence[str], lane: Lane) -> None:
        if not all(self._is_order(key) for key in keys):
            await self._departures.join()  # a cancel must see whether its order has left
        async with self._signing:
            started = perf_counter()
            ready = await self._prepare_all(keys, lane)
            self._lanes.let_go(set(keys) - {key for key, _ in ready})  # refused, settled, or put back
            pending = self._ledger.commit_soon([self._preparing(key, write.identity) for key, write in ready])
            self._line_up(_Departure(lane, ready, pending, started))
        while self._departures.qsize():  # one leaves, one is signed: an exit that comes now overtakes the rest
            self._changed.clear()
            await self._changed.wait()

    def _line_up(self, departure: _Departure) -> None:
        if departure.writes:
            self._in_flight += len(departure.writes)
            self._departures.put_nowait(departure)

    async def _prepare_all(self, keys: Sequence[str], lane: Lane) -> list[tuple[str, PreparedWrite]]:
        """Sign in order. What cannot be expressed is refused; when the venue cannot be asked, the rest waits."""
        ready: list[tuple[str, PreparedWrite]] = []
        for place, key in enumerate(keys):
            started = perf_counter()
            try:
                write = await self._preparation.prepare(key)
            except Rejected as error:
                await self._outcomes.denied(key, error)
            except Unreachable as error:
                _log.warning("prepare_failed", key=key, error=str(error))
                self._doubt = True
                for left in keys[place:]:
                    self._push(left, lane)
                self._rests.after(error)
                break
            else:
                if write is not None:
                    self._meter.observe("sign", perf_counter() - started)
                    ready.append((key, write))
        return ready

    def _preparing(self, key: str, identity: WriteIdentity) -> Decide:
        return lambda book: book.decide_prepared(key, identity, self._now())

    async def _await_answer(self, key: str, lane: Lane, answer: "asyncio.Future[Ack]") -> None:
        started = perf_counter()
        try:
            ack = await answer
        except Rejected as error:
            await self._on_rejected(key, lane, error)
        except (RateLimited, Unreachable) as error:
            # Nothing happened at the venue: the same write may go again, signed anew.
            self._doubt = True
            self._meter.count("rate_limited" if isinstance(error, RateLimited) else "unreachable")
            self._rests.after(error)
            await self._ledger.commit(lambda book: book.decide_discarded(key, self._now()))
            self._offer(key, lane)
        except OutcomeUnknown as error:
            self._doubt = True
            await self._outcomes.unknown(key, str(error))
        else:
            self._meter.observe("wire_to_answer", perf_counter() - started)
            self._rests.recovered()
            await self._outcomes.accepted(key)
            await self._on_answer(ack)
        finally:
            self._in_flight -= 1
            self._lanes.answered(key)
            self.wake()

    async def _on_rejected(self, key: str, lane: Lane, error: Rejected) -> None:
        """Sign a write anew whose nonce alone was refused; every other refusal is its end."""
        if error.stale_nonce:
            self._doubt = True
            book = self._ledger.book
            record = book.order(OrderId(key))
            signed = record.signed if record is not None else 1
            if signed <= self._tuning.stale_nonce_retries and (record is not None or key in book.state.others):
                self._meter.count("stale_nonces")
                await self._ledger.commit(lambda b: b.decide_discarded(key, self._now()))
                self._offer(key, lane)
                return
        await self._outcomes.rejected(key, error)

    def _offer(self, key: str, lane: Lane) -> None:
        """Queue a write of the book, unless it is on its way already."""
        if not self._lanes.is_taken_out(key):
            self._push(key, lane)

    def _push(self, key: str, lane: Lane) -> None:
        self._lanes.put(key, lane)
        self.wake()


def _lane_of(other: OtherWrite) -> Lane:
    if other.own is not None:
        return other.own.lane
    return Lane.ENTRY if isinstance(other.command, SetLeverage) else Lane.EXIT
