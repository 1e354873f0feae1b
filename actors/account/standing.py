"""What the venue says is held, against what our fills add up to: compared all the time, with both numbers kept."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import structlog

from actors.account.history import FillHistory
from actors.account.ledger import Ledger
from actors.account.spec import AccountTuning
from actors.meter import Meter
from strategies.domain.account import ReportedPosition
from strategies.domain.ids import InstrumentId, Timestamp
from strategies.reconcile import Agreement, Difference, compare
from venues.errors import Malformed
from venues.venue import Now, Venue

_log = structlog.get_logger(__name__)

_MS = 1_000


class Standing:
    """One account's position by two sources of its venue, the asked one and the streamed one, and by its own fills."""

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        instrument_id: InstrumentId,
        tuning: AccountTuning,
        history: FillHistory,
        *,
        meter: Meter,
        now: Now,
        freeze: Callable[[str], None],
        on_no_fills: Callable[[], None],
    ) -> None:
        """Wire the parts; `freeze` stops entries for a person, `on_no_fills` is told that fills could not be read."""
        self._ledger = ledger
        self._venue = venue
        self._instrument_id = instrument_id
        self._tuning = tuning
        self._history = history
        self._meter = meter
        self._now = now
        self._freeze = freeze
        self._on_no_fills = on_no_fills
        self._difference: Difference | None = None
        self._differs_since: float | None = None
        self._contradicted_since: float | None = None
        self.wanted = asyncio.Event()
        """Somebody wants the comparison made now."""
        self.reported: ReportedPosition | None = None
        self._asked: ReportedPosition | None = None
        """The last statement that was asked for: streams leave out some of it."""
        self._streamed: ReportedPosition | None = None
        """The last one of the stream that is open now; None = it has said nothing about the position."""
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

    @property
    def differs(self) -> str:
        """Say that belief and statement have differed for longer than is graceful, with both numbers; empty = no.

        Nothing that opens risk is sent meanwhile.
        """
        if self._differs_since is None or self.reported is None:
            return ""
        for_s = asyncio.get_running_loop().time() - self._differs_since
        if for_s < self._tuning.differs_grace_s:
            return ""
        believed = self._ledger.book.believed(self._instrument_id)
        words = f"our fills say {believed} and the venue says {self.reported.quantity} for {for_s:.0f} s"
        return f"{words}, {self.contradiction}" if self.contradiction else words

    @property
    def contradiction(self) -> str:
        """Say that the venue's two sources disagree about a position that our fills do not explain; empty = no."""
        asked, streamed = self._asked, self._streamed
        if asked is None or streamed is None or asked.quantity == streamed.quantity or self._venue.status().deaf:
            return ""
        if asked.quantity == self._ledger.book.believed(self._instrument_id):
            return ""
        return f"asked it says {asked.quantity}, its stream says {streamed.quantity}"

    # --- the two sources ------------------------------------------------------------------------------------------

    def on_stream(self, position: ReportedPosition) -> None:
        """Take a statement of the stream; one that differs from belief is looked into."""
        self.reported = self._streamed = position
        book = self._ledger.book
        if book.settled(self._instrument_id) and position.quantity != book.believed(self._instrument_id):
            self.wanted.set()

    def stream_lost(self) -> None:
        """Forget what a stream said that is no more."""
        self._streamed = None

    def looked_by_person(self) -> None:
        """Take the statement that is asked for as the only source: a person has looked at the venue."""
        self._streamed = None
        self._contradicted_since = None

    async def state(self) -> ReportedPosition:
        """Return the venue's statement for somebody who decides on it. Raises as a read does.

        A venue that contradicts itself has not answered: a zero that its own stream does not confirm is no zero.
        """
        statement = await self.look()
        if self.contradiction:
            raise Malformed(f"the venue contradicts itself: {self.contradiction}")
        return statement

    async def look(self) -> ReportedPosition:
        """Fetch the venue's statement and compare it with belief. Raises as a read does."""
        book = self._ledger.book
        facts_before = book.state.fact_seq
        quiet_before = self._quiet_s()
        statement = await self._venue.position(self._instrument_id)
        self.reported = self._asked = statement
        confirm_s = None if book.state.fact_seq != facts_before else _longer(quiet_before, self._quiet_s())
        if confirm_s is not None and statement.quantity != book.believed(self._instrument_id):
            # A fill that the stream lost explains most differences. Without the history nothing is judged, but the
            # statement stands: who has to get out must see it.
            caught_up = await self._history.caught_up()
            confirm_s = _longer(confirm_s, self._quiet_s()) if caught_up else None
            if not caught_up:
                self._on_no_fills()
        await self._judge(statement.quantity, confirm_s)
        return statement

    # --- parts ----------------------------------------------------------------------------------------------------

    def _quiet_s(self) -> float | None:
        """Return how far apart two statements must be to be believed; None = what is under way may explain them."""
        book = self._ledger.book
        if book.settled(self._instrument_id):
            return self._tuning.adjust_confirm_s
        return self._tuning.adjust_resting_s if book.at_rest() else None

    async def _judge(self, reported: Decimal, confirm_s: float | None) -> None:
        believed = self._ledger.book.believed(self._instrument_id)
        comparison = compare(
            believed,
            reported,
            settled=confirm_s is not None,
            contradicted=bool(self.contradiction),
            seen=self._difference,
            confirm_ms=int((confirm_s or 0) * _MS),
            at=self._now(),
        )
        self._difference = comparison.difference
        match comparison.agreement:
            case Agreement.AGREED:
                self.reconciled_at = self._now()
                self._differs_since = self._contradicted_since = None
            case Agreement.UNSETTLED:
                pass
            case Agreement.UNEXPLAINED:
                self._count_time()
                asyncio.get_running_loop().call_later(self._tuning.adjust_confirm_s, self.wanted.set)
            case Agreement.CONFIRMED:
                await self._follow(reported)

    def _count_time(self) -> None:
        """Keep since when it differs, and call a person for a contradiction that does not end by itself."""
        now = asyncio.get_running_loop().time()
        if self._differs_since is None:
            self._differs_since = now
        if not self.contradiction:
            self._contradicted_since = None
            return
        if self._contradicted_since is None:
            self._contradicted_since = now
            _log.warning("venue_contradicts_itself", seen=self.contradiction)
        if now - self._contradicted_since >= self._tuning.contradiction_s:
            believed = self._ledger.book.believed(self._instrument_id)
            self._freeze(f"the venue contradicts itself: {self.contradiction}, our fills say {believed}")

    async def _follow(self, reported: Decimal) -> None:
        self._difference = self._differs_since = self._contradicted_since = None
        self._meter.count("position_adjustments")
        reason = "two statements of the venue agree and no fill explains the difference"
        _log.error("position_adjusted", reported=str(reported), reason=reason)
        await self._ledger.commit(lambda book: book.decide_adjusted(self._instrument_id, reported, reason, self._now()))
        self.reconciled_at = self._now()


def _longer(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)
