"""What comes from the venue unasked, and what has to be asked for: streams, lost answers, missing fills, the position.

Three loops: `listen` reads the streams; `resolve` asks about every order that is silent or in doubt until there is
proof; `reconcile` compares belief with the venue's statement.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import structlog

from actors.account.ledger import Ledger
from actors.account.spec import AccountTuning
from actors.account.state import EntryKind, OrderRecord
from actors.actor import NumberedFact
from actors.meter import Meter
from strategies.domain.account import ReportedPosition
from strategies.domain.events import Filled
from strategies.domain.ids import InstrumentId, OrderId, Timestamp, VenueOrderId
from strategies.domain.order import OrderStatus, TimeInForce
from strategies.domain.position import FillCause
from strategies.reconcile import Agreement, Difference, compare
from venues.errors import Malformed, RateLimited, Rejected, Unreachable
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
    WriteIdentity,
)

_log = structlog.get_logger(__name__)

_MS = 1_000

READ_ERRORS = (Unreachable, Malformed, RateLimited, Rejected)
"""All that a read may raise; each means: no answer, ask again later."""


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
    ) -> None:
        """Wire the parts; `freeze` is called with what was seen when somebody else trades here."""
        self._ledger = ledger
        self._venue = venue
        self._instrument_id = instrument_id
        self._tuning = tuning
        self._meter = meter
        self._now = now
        self._freeze = freeze
        self._difference: Difference | None = None
        self._looks: dict[OrderId, tuple[float, float]] = {}
        """Per order: loop time of the next question, and the wait after it."""
        self._catch_up_wanted = asyncio.Event()
        self._reconcile_wanted = asyncio.Event()
        self.reported: ReportedPosition | None = None
        self._asked: ReportedPosition | None = None
        """The last statement that was asked for: streams leave out some of it."""
        self.reconciled_at: Timestamp | None = None

    @property
    def details(self) -> ReportedPosition | None:
        """Return the last statement; what streams leave out comes from the last one asked for of the same position."""
        latest, asked = self.reported, self._asked
        if latest is None or asked is None or latest is asked:
            return latest
        if (latest.quantity, latest.entry_price) != (asked.quantity, asked.entry_price):
            return latest
        kept = asked.model_copy(update={"at": latest.at})
        return kept if latest.unrealized is None else kept.model_copy(update={"unrealized": latest.unrealized})

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
                    self._on_position(position)
                case StreamGap(channel=channel, reason=reason):
                    _log.warning("stream_gap", channel=channel, reason=reason)
                    self._meter.count("stream_gaps")
                    self._catch_up_wanted.set()
                case StreamUp():
                    self._catch_up_wanted.set()
                case ForeignWrite(detail=detail):
                    self._freeze(detail)
                case QuoteReport():
                    pass  # the venue's client keeps the latest one

    async def resolve(self) -> None:
        """Ask about orders that are silent or in doubt, and fetch fills that are missing, for ever."""
        missed: set[VenueOrderId] = set()
        while True:
            # An order's end may overtake its fills by a frame: only what is still missing a tick later is asked for.
            missing = {report.venue_order_id for report in self._ledger.book.missing_fills()}
            if self._catch_up_wanted.is_set() or missing & missed:
                await self._catch_up_once()
            missed = missing
            for record in self._ledger.book.in_flight():
                if self._due(record):
                    await self._look(record)
            self._forget_ended()
            await asyncio.sleep(self._tuning.resolve_every_s)

    async def reconcile(self) -> None:
        """Compare belief and statement now and then, and whenever somebody asks, for ever."""
        while True:
            with suppress(TimeoutError):  # nobody asked: the time has come
                async with asyncio.timeout(self._tuning.reconcile_every_s):
                    await self._reconcile_wanted.wait()
            self._reconcile_wanted.clear()
            try:
                await self.look_at_position()
            except READ_ERRORS as error:
                _log.info("reconcile_without_answer", error=str(error))
                await asyncio.sleep(self._tuning.look_backoff_s)
                self._reconcile_wanted.set()
            await self._ledger.snapshot_if_due()

    # --- parts that others call ---------------------------------------------------------------------------------

    async def catch_up(self) -> None:
        """Read every fill since the last known one and fold what is new. Raises as a read does."""
        last = self._ledger.book.state.last_fill_at.get(self._instrument_id, Timestamp(0))
        since = Timestamp(max(0, last - int(self._tuning.fills_overlap_s * _MS)))
        for fill in await self._venue.fills(self._instrument_id, since):
            await self.on_fill(fill)

    async def on_fill(self, report: FillReport) -> None:
        """Fold one execution."""
        entries = await self._ledger.commit(lambda book: book.decide_fill(report, self._now()))
        if not entries:
            return
        self._meter.count("fills")
        facts = [NumberedFact.model_validate_json(each.body).event for each in entries if each.kind == EntryKind.FACT]
        if any(isinstance(fact, Filled) and fact.fill.cause is FillCause.FOREIGN for fact in facts):
            self._freeze(
                f"a fill that none of our orders explains: {report.side} {report.quantity} at {report.price}, "
                f"trade {report.trade_id}, venue client id {report.client_order_id}"
            )

    async def on_answer(self, ack: Ack) -> None:
        """Fold what the answer to a write tells; fills that it only counts are fetched by the resolver."""
        for fill in ack.fills:
            await self.on_fill(fill)
        report = ack.order
        if report is not None:
            await self._ledger.commit(lambda book: book.decide_order_report(report, self._now()))

    async def look_at_position(self) -> ReportedPosition:
        """Fetch the venue's statement and compare it with belief. Raises as a read does."""
        book = self._ledger.book
        facts_before = book.state.fact_seq
        settled_before = book.settled(self._instrument_id)
        statement = await self._venue.position(self._instrument_id)
        self.reported = self._asked = statement
        believed = self._ledger.book.believed(self._instrument_id)
        settled = settled_before and book.settled(self._instrument_id) and book.state.fact_seq == facts_before
        if settled and statement.quantity != believed:
            # A fill that the stream lost explains most differences. Without the history nothing is judged, but the
            # statement stands: who has to get out must see it.
            settled = await self._caught_up() and book.settled(self._instrument_id)
            believed = self._ledger.book.believed(self._instrument_id)
        comparison = compare(
            believed,
            statement.quantity,
            settled=settled,
            seen=self._difference,
            confirm_ms=int(self._tuning.adjust_confirm_s * _MS),
            at=self._now(),
        )
        self._difference = comparison.difference
        await self._follow(comparison.agreement, statement.quantity)
        return statement

    # --- parts --------------------------------------------------------------------------------------------------

    async def _caught_up(self) -> bool:
        """Read the fills; say whether the venue answered."""
        try:
            await self.catch_up()
        except READ_ERRORS as error:
            _log.info("fills_without_answer", error=str(error))
            self._catch_up_wanted.set()
            return False
        return True

    async def _follow(self, agreement: Agreement, reported: Decimal) -> None:
        match agreement:
            case Agreement.AGREED:
                self.reconciled_at = self._now()
            case Agreement.UNSETTLED:
                pass
            case Agreement.UNEXPLAINED:
                asyncio.get_running_loop().call_later(self._tuning.adjust_confirm_s, self._reconcile_wanted.set)
            case Agreement.CONFIRMED:
                self._difference = None
                self._meter.count("position_adjustments")
                reason = "two statements of the venue agree and no fill explains the difference"
                _log.error("position_adjusted", reported=str(reported), reason=reason)
                await self._ledger.commit(
                    lambda book: book.decide_adjusted(self._instrument_id, reported, reason, self._now())
                )
                self.reconciled_at = self._now()

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

    def _on_position(self, position: ReportedPosition) -> None:
        self.reported = position
        book = self._ledger.book
        if book.settled(self._instrument_id) and position.quantity != book.believed(self._instrument_id):
            self._reconcile_wanted.set()

    async def _catch_up_once(self) -> None:
        self._catch_up_wanted.clear()
        if not await self._caught_up():
            await asyncio.sleep(self._tuning.look_backoff_s)

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
        resting = record.status is not OrderStatus.SUBMITTED and record.request.time_in_force is TimeInForce.GTC
        following = self._tuning.resting_look_s if resting else min(2 * wait, self._tuning.look_backoff_max_s)
        self._looks[order_id] = (asyncio.get_running_loop().time() + (following if resting else wait), following)
        self._meter.count("order_lookups")
        try:
            await self._judge(record, identity)
        except READ_ERRORS as error:
            _log.info("lookup_without_answer", order_id=order_id, error=str(error))

    async def _judge(self, record: OrderRecord, identity: WriteIdentity) -> None:
        order_id = record.request.order_id
        doubt_since = record.doubt_since
        verdict = await self._venue.investigate(identity)
        if record.prepared is not identity:
            return  # signed anew in the meantime; the verdict is about the earlier write
        if verdict.certainty is Certainty.OPEN:
            return
        if verdict.by_absence and record.status is not OrderStatus.SUBMITTED:
            # The venue has acknowledged this order, or filled of it: that it cannot be found now proves nothing.
            self._meter.count("contradictions")
            _log.warning("acknowledged_order_not_found", order_id=order_id, proof=verdict.proof)
            return
        if verdict.certainty is Certainty.DEAD:
            await self._ledger.commit(
                lambda book: book.decide_rejected(order_id, "proven-dead", verdict.proof, self._now())
            )
        else:
            report = verdict.order or await self._venue.order(identity.instrument_id, record.client_order_id)
            await self._ledger.commit(lambda book: book.decide_accepted(order_id, self._now()))
            if report is not None:
                await self._ledger.commit(
                    lambda book: book.decide_order_report(report, self._now(), proof=verdict.proof)
                )
        if doubt_since is not None:
            self._meter.observe("certainty", (self._now() - doubt_since) / _MS)
            _log.info("outcome_proven", order_id=order_id, certainty=verdict.certainty, proof=verdict.proof)

    def _forget_ended(self) -> None:
        for order_id in [each for each in self._looks if self._ended(each)]:
            del self._looks[order_id]

    def _ended(self, order_id: OrderId) -> bool:
        record = self._ledger.book.order(order_id)
        return record is None or not record.in_flight
