"""Reading a venue's fills so that none is missed: since when they have to be read, and how often they are asked for."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from actors.account.ledger import Ledger
from actors.account.spec import AccountTuning
from strategies.domain.ids import InstrumentId, Timestamp, VenueOrderId
from venues.errors import READ_ERRORS
from venues.venue import FillReport, Venue

_log = structlog.get_logger(__name__)

_MS = 1_000


class FillHistory:
    """Fetches the fills that no stream has told of.

    A stream that comes back tells of new fills before anybody has read what it missed. So the last fill that is known
    says where to read from only until a stream is lost; then the place is kept until the history has been read.
    """

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        instrument_id: InstrumentId,
        tuning: AccountTuning,
        *,
        on_fill: Callable[[FillReport], Awaitable[None]],
    ) -> None:
        """Wire the parts; `on_fill` folds an execution."""
        self._ledger = ledger
        self._venue = venue
        self._instrument_id = instrument_id
        self._tuning = tuning
        self._on_fill = on_fill
        self._hole_from: Timestamp | None = self._last_known()
        self._losses = 0
        self._missed: set[VenueOrderId] = set()
        self._ask_again_at = 0.0
        self._ask_again_s = tuning.resolve_every_s

    def lost(self) -> None:
        """Note that from now on fills may be missing which are younger than the last one known."""
        self._losses += 1
        if self._hole_from is None:
            self._hole_from = self._last_known()

    async def catch_up(self) -> None:
        """Read every fill that may be missing and fold what is new. Raises as a read does."""
        losses = self._losses
        for fill in await self._venue.fills(self._instrument_id, self._since()):
            await self._on_fill(fill)
        if losses == self._losses:
            self._hole_from = None

    async def caught_up(self) -> bool:
        """Do the same; say whether the venue answered."""
        try:
            await self.catch_up()
        except READ_ERRORS as error:
            _log.info("fills_without_answer", error=str(error))
            return False
        return True

    def is_wanted(self) -> bool:
        """Say, once a tick, whether fills that the venue counts have been missing for long enough to be asked for.

        An order's report may overtake its fills by a frame, so nothing is asked for at once; and a history that does
        not show them yet is asked again at a growing distance.
        """
        missing = {report.venue_order_id for report in self._ledger.book.missing_fills().values()}
        late, self._missed = missing & self._missed, missing
        if not late:
            self._ask_again_at, self._ask_again_s = 0.0, self._tuning.resolve_every_s
            return False
        now = asyncio.get_running_loop().time()
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + self._ask_again_s
        self._ask_again_s = min(2 * self._ask_again_s, self._tuning.look_backoff_max_s)
        return True

    def _last_known(self) -> Timestamp:
        return self._ledger.book.state.last_fill_at.get(self._instrument_id, Timestamp(0))

    def _since(self) -> Timestamp:
        """Return where to read from: before the last known fill, the last loss, and every order that owes us fills."""
        book = self._ledger.book
        moments = [self._last_known()] if self._hole_from is None else [self._last_known(), self._hole_from]
        for order_id in book.missing_fills():
            record = book.order(order_id)
            if record is not None and record.prepared is not None:
                moments.append(record.prepared.prepared_at)
        return Timestamp(max(0, min(moments) - int(self._tuning.fills_overlap_s * _MS)))
