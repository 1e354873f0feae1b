"""What comes from the venue unasked, and what has to be asked for: streams, lost answers, missing fills, the position.

Three loops: `listen` reads the streams; `resolve` asks about every order that is silent or in doubt until there is
proof; `reconcile` compares belief with the venue's statement.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from actors.account.history import FillHistory
from actors.account.ledger import Ledger
from actors.account.old_orders import OldOrders
from actors.account.spec import AccountTuning
from actors.account.standing import Standing
from actors.account.state import OrderRecord
from actors.account.strangers import Strangers
from actors.actor import NumberedFact
from actors.meter import Meter
from strategies.domain.events import AccountModeChanged
from strategies.domain.ids import InstrumentId, OrderId
from strategies.domain.order import OrderStatus
from strategies.domain.position import FillCause
from venues.errors import READ_ERRORS
from venues.venue import (
    Ack,
    Certainty,
    FillReport,
    ForeignWrite,
    Now,
    OrderReport,
    PositionReport,
    QuoteReport,
    StreamGap,
    StreamUp,
    Venue,
    Verdict,
    WriteIdentity,
)

_log = structlog.get_logger(__name__)

_MS = 1_000

_JUST_AFTER_S = 0.1
"""A look at the moment of expiry comes this much later, so that no rounding makes it too early."""


class Lookout:
    """Keeps the book true to the venue."""

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        instrument_id: InstrumentId,
        tuning: AccountTuning,
        *,
        meter: Meter,
        now: Now,
        freeze: Callable[[str], None],
        fence: Callable[[OrderRecord], Awaitable[None]],
    ) -> None:
        """Wire the parts.

        Args:
            ledger: the account's memory.
            venue: where it looks.
            instrument_id: what is traded.
            tuning: waits and bounds.
            meter: counts and durations.
            now: our wall clock.
            freeze: called with what was seen when somebody else trades here.
            fence: called for an order in doubt of which a look has proven nothing.
        """
        self._ledger = ledger
        self._venue = venue
        self._instrument_id = instrument_id
        self._tuning = tuning
        self._meter = meter
        self._now = now
        self._freeze = freeze
        self._fence = fence
        self.history = FillHistory(ledger, venue, instrument_id, tuning, on_fill=self.on_fill)
        self.standing = Standing(
            ledger,
            venue,
            instrument_id,
            tuning,
            self.history,
            meter=meter,
            now=now,
            freeze=freeze,
            on_no_fills=self._want_catch_up,
        )
        self.old = OldOrders(ledger, venue, tuning, meter=meter, now=now, freeze=freeze, on_fill=self.on_fill)
        self.strangers = Strangers(ledger, venue, instrument_id, tuning, freeze=freeze, on_order=self._on_order)
        self._looks: dict[OrderId, tuple[float, float]] = {}
        """Per order: loop time of the next question, and the wait after it."""
        self._catch_up_wanted = asyncio.Event()
        self._orders_wanted = False
        self._stirred = asyncio.Event()

    # --- loops --------------------------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Fold what the streams say, for as long as the venue is open."""
        async for event in self._venue.events():
            match event:
                case OrderReport():
                    await self._on_order(event)
                case FillReport():
                    await self.on_fill(event)
                case PositionReport(position=position):
                    self.standing.on_stream(position)
                case StreamGap(channel=channel, reason=reason):
                    _log.warning("stream_gap", channel=channel, reason=reason)
                    self._meter.count("stream_gaps")
                    self.standing.stream_lost()
                    self._lost()
                case StreamUp():
                    self._lost()
                case ForeignWrite(detail=detail):
                    self._freeze(detail)
                case QuoteReport():
                    pass  # the venue's client keeps the latest one

    async def resolve(self) -> None:
        """Ask about orders that are silent or in doubt, and fetch fills that are missing, for ever."""
        while True:
            fills_missing = self.history.is_wanted()
            if self._catch_up_wanted.is_set() or fills_missing:
                await self._catch_up_once()
            for record in self._ledger.book.in_flight():
                if self._due(record):
                    await self._look(record)
            self._forget_ended()
            await self.strangers.look_at_writes()
            if not self._is_busy:
                # Nothing is silent, in doubt or missing: the next write or gap in a stream brings the next question.
                self._stirred.clear()
                await self._stirred.wait()
            else:
                await asyncio.sleep(self._tuning.resolve_every_s)

    async def reconcile(self) -> None:
        """Compare belief and statement now and then, and whenever somebody asks, for ever."""
        while True:
            with suppress(TimeoutError):  # nobody asked: the time has come
                async with asyncio.timeout(self._tuning.reconcile_every_s):
                    await self.standing.wanted.wait()
            self.standing.wanted.clear()
            try:
                await self.standing.look()
            except READ_ERRORS as error:
                _log.info("reconcile_without_answer", error=str(error))
                await asyncio.sleep(self._tuning.look_backoff_s)
                self.standing.wanted.set()
            await self._ledger.snapshot_if_due()

    # --- parts that others call ---------------------------------------------------------------------------------

    def stir(self) -> None:
        """Say that a write has got its identity: from now on somebody has to see to its end."""
        self._stirred.set()

    def on_unknown(self, write: WriteIdentity) -> None:
        """Take a write that is no order and whose answer was lost: what it did shows elsewhere, its nonce does not."""
        self.strangers.watch(write)
        self.stir()

    async def on_fill(self, report: FillReport) -> None:
        """Fold one execution."""
        entries = await self._ledger.commit(lambda book: book.decide_fill(report, self._now()))
        if not entries:
            return
        self._meter.count("fills")
        facts = [each.meaning.event for each in entries if isinstance(each.meaning, NumberedFact)]
        for fact in facts:
            if isinstance(fact, AccountModeChanged):
                self._freeze(fact.reason)

    async def on_answer(self, ack: Ack) -> None:
        """Fold what the answer to a write tells; fills that it only counts are fetched by the resolver."""
        for fill in ack.fills:
            await self.on_fill(fill)
        report = ack.order
        if report is not None:
            await self._ledger.commit(lambda book: book.decide_order_report(report, self._now()))

    # --- parts --------------------------------------------------------------------------------------------------

    async def _on_order(self, report: OrderReport) -> None:
        book = self._ledger.book
        if not book.owns(report.client_order_id):
            if report.cause is FillCause.ORDER and not report.status.is_terminal:
                self._freeze(
                    f"an order that is not ours: {report.side} {report.quantity}, venue order {report.venue_order_id}, "
                    f"client id {report.client_order_id}"
                )
            return
        await self._ledger.commit(lambda b: b.decide_order_report(report, self._now()))

    def _lost(self) -> None:
        self.history.lost()
        self._orders_wanted = True
        self._want_catch_up()

    @property
    def _is_busy(self) -> bool:
        """Say whether anything has to be asked soon."""
        return bool(self._catch_up_wanted.is_set() or self._ledger.book.in_flight() or self.strangers.is_watching)

    def _want_catch_up(self) -> None:
        self._catch_up_wanted.set()
        self.stir()

    async def _catch_up_once(self) -> None:
        self._catch_up_wanted.clear()
        if not (await self.history.caught_up() and await self._looked_at_orders()):
            self._want_catch_up()
            await asyncio.sleep(self._tuning.look_backoff_s)

    async def _looked_at_orders(self) -> bool:
        """After a loss, look for orders that came meanwhile; say whether that is done."""
        if not self._orders_wanted:
            return True
        self._orders_wanted = False
        try:
            await self.strangers.look_at_orders()
        except READ_ERRORS as error:
            _log.info("orders_without_answer", error=str(error))
            self._orders_wanted = True
        return not self._orders_wanted

    def _due(self, record: OrderRecord) -> bool:
        identity = record.prepared
        if identity is None:
            return False
        loop_time = asyncio.get_running_loop().time()
        planned = self._looks.get(record.request.order_id)
        if planned is None:
            silent_s = (self._now() - identity.prepared_at) / _MS
            wait = 0.0 if record.doubt_since is not None else self._tuning.answer_look_after_s - silent_s
            self._looks[record.request.order_id] = (loop_time + max(0.0, wait), self._tuning.look_backoff_s)
            return False
        if record.doubt_since is not None and planned[1] == self._tuning.look_backoff_s:
            return True
        return loop_time >= planned[0]

    async def _look(self, record: OrderRecord) -> None:
        identity = record.prepared
        if identity is None:
            return
        order_id = record.request.order_id
        _, wait = self._looks[order_id]
        resting = record.status is not OrderStatus.SUBMITTED and record.request.rests
        following = self._tuning.resting_look_s if resting else min(2 * wait, self._tuning.look_backoff_max_s)
        if order_id in self.old.named:
            resting, following = True, self._tuning.too_old_look_s
        pause = min(following if resting else wait, self._until_expired_s(identity))
        self._looks[order_id] = (asyncio.get_running_loop().time() + pause, following)
        self._meter.count("order_lookups")
        try:
            await self._judge(record, identity)
        except READ_ERRORS as error:
            _log.info("lookup_without_answer", order_id=order_id, error=str(error))

    def _until_expired_s(self, identity: WriteIdentity) -> float:
        """Return the time until the write can be proven dead by its expiry: that moment is worth a look of its own."""
        allowed_at = identity.expires_at + self._venue.capabilities.clock_skew_s * _MS
        left_s = (allowed_at - self._now()) / _MS
        return left_s + _JUST_AFTER_S if left_s > 0 else float("inf")

    async def _judge(self, record: OrderRecord, identity: WriteIdentity) -> None:
        order_id = record.request.order_id
        doubted = record.doubt_since is not None
        verdict = await self._venue.investigate(identity)
        if record.prepared is not identity:
            return  # signed anew in the meantime; the verdict is about the earlier write
        if verdict.by_absence and record.status is not OrderStatus.SUBMITTED:
            # The venue has acknowledged this order, or filled of it: that it cannot be found now proves nothing.
            self._meter.count("contradictions")
            _log.warning("acknowledged_order_not_found", order_id=order_id, proof=verdict.proof)
            seen = f"acknowledged, and yet {verdict.proof}"
            await self.old.looked_in_vain(record, identity, seen, executed=False)
            return
        match verdict.certainty:
            case Certainty.OPEN:
                if doubted:
                    await self._fence(record)
                await self.old.looked_in_vain(record, identity, verdict.proof, executed=False)
                return
            case Certainty.DEAD:
                if verdict.nonce_taken:
                    await self.strangers.look_at_nonce(identity)
                await self._ledger.commit(
                    lambda book: book.decide_rejected(order_id, "proven-dead", verdict.proof, self._now())
                )
            case Certainty.EXECUTED:
                await self._executed(record, identity, verdict)
        if doubted:
            _log.info("outcome_proven", order_id=order_id, certainty=verdict.certainty, proof=verdict.proof)

    async def _executed(self, record: OrderRecord, identity: WriteIdentity, verdict: Verdict) -> None:
        order_id = record.request.order_id
        report = verdict.order or await self._venue.order(identity.instrument_id, record.client_order_id)
        await self._ledger.commit(lambda book: book.decide_accepted(order_id, self._now()))
        if report is None:
            await self.old.looked_in_vain(record, identity, verdict.proof, executed=True)
            return
        self.old.forget(order_id)
        await self._ledger.commit(lambda book: book.decide_order_report(report, self._now(), proof=verdict.proof))

    def _forget_ended(self) -> None:
        for order_id in [each for each in self._looks if self._ended(each)]:
            del self._looks[order_id]
            self.old.forget(order_id)

    def _ended(self, order_id: OrderId) -> bool:
        record = self._ledger.book.order(order_id)
        return record is None or not record.in_flight
