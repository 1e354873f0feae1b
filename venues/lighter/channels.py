"""What a channel's frames add up to. Pure folds: snapshots, deltas, duplicates, gaps; no socket and no clock."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from strategies.domain.account import ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, TradeId, VenueOrderId
from strategies.domain.money import ZERO
from venues.lighter.parse import BookFrame
from venues.venue import FillReport, OrderReport, PositionReport

_REMEMBERED_ORDERS = 4_000
"""Orders remembered to tell news from repetition: more than an account may have open (1,500), with what just ended."""
_REMEMBERED_TRADES = 10_000
"""Trade ids remembered for the same purpose; some 60 bytes each."""

K = TypeVar("K")
V = TypeVar("V")
Report = TypeVar("Report", OrderReport, FillReport)


class _Recent(OrderedDict[K, V]):
    """A dictionary that forgets its oldest entries."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def remember(self, key: K, value: V) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)


class Folded(NamedTuple, Generic[Report]):
    """News of one frame; `gap` says that something between the last frame and this snapshot was not shown."""

    news: list[Report]
    gap: bool


class OrderFold:
    """The account's orders. Reports each change once; remembers how orders ended."""

    def __init__(self) -> None:
        """Know no order."""
        self._orders: _Recent[VenueOrderId, OrderReport] = _Recent(_REMEMBERED_ORDERS)
        self._by_client_id: _Recent[tuple[InstrumentId, ClientOrderId], OrderReport] = _Recent(_REMEMBERED_ORDERS)

    def frame(self, reports: Sequence[OrderReport], *, snapshot: bool) -> Folded[OrderReport]:
        """Fold one frame. A snapshot shows all open orders: one that we held open and is not in it ended unseen."""
        shown = {report.venue_order_id for report in reports}
        vanished = (
            [key for key, known in self._orders.items() if not known.status.is_terminal and key not in shown]
            if snapshot
            else []
        )
        for key in vanished:
            del self._orders[key]
        return Folded([report for report in reports if self._is_news(report)], gap=bool(vanished))

    def find(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        """Return the last report of an order by our id, if it is remembered."""
        return self._by_client_id.get((instrument_id, client_order_id))

    def _is_news(self, report: OrderReport) -> bool:
        known = self._orders.get(report.venue_order_id)
        if known is not None:
            overtaken = known.status.is_terminal and not report.status.is_terminal
            if known == report or overtaken or report.filled < known.filled:
                return False
        self._orders.remember(report.venue_order_id, report)
        if report.client_order_id is not None:
            self._by_client_id.remember((report.instrument_id, report.client_order_id), report)
        return True


class TradeFold:
    """The account's trades. Reports each once, and never history: what a first snapshot shows came before us."""

    def __init__(self) -> None:
        """Know no trade."""
        self._seen: _Recent[TradeId, None] = _Recent(_REMEMBERED_TRADES)
        self._client_ids: _Recent[tuple[InstrumentId, ClientOrderId], None] = _Recent(_REMEMBERED_TRADES)
        self._begun = False

    def begin(self) -> None:
        """Note that a connection is new: its first snapshot is history, which the account fetches for itself."""
        self._begun = False

    def frame(self, reports: Sequence[FillReport], *, snapshot: bool) -> Folded[FillReport]:
        """Fold one frame. A later snapshot that shares no trade with what we know may have left some out."""
        history = snapshot and not self._begun
        gap = snapshot and self._begun and bool(self._seen) and bool(reports) and not self._overlaps(reports)
        self._begun = self._begun or snapshot
        news = [report for report in reports if report.trade_id not in self._seen]
        for report in news:
            self._seen.remember(report.trade_id, None)
            if report.client_order_id is not None:
                self._client_ids.remember((report.instrument_id, report.client_order_id), None)
        return Folded([] if history else news, gap=gap)

    def knows(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> bool:
        """Say whether a trade of this order of ours was shown."""
        return (instrument_id, client_order_id) in self._client_ids

    def _overlaps(self, reports: Iterable[FillReport]) -> bool:
        return any(report.trade_id in self._seen for report in reports)


def fold_positions(
    positions: Mapping[int, ReportedPosition], markets: Mapping[int, InstrumentId], at: Timestamp, *, snapshot: bool
) -> list[PositionReport]:
    """Return what one frame says about our instruments; in a snapshot, a market that is not named is flat."""
    flat = ReportedPosition(quantity=ZERO, entry_price=ZERO, at=at)
    return [
        PositionReport(instrument_id=instrument_id, position=positions.get(market_index, flat))
        for market_index, instrument_id in markets.items()
        if snapshot or market_index in positions
    ]


class BookFold:
    """A book from its snapshot and deltas; knows its best prices and whether a frame is missing."""

    def __init__(self) -> None:
        """Be empty, waiting for a snapshot."""
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._nonce: int | None = None
        self.bid: Decimal | None = None
        self.ask: Decimal | None = None

    def snapshot(self, frame: BookFrame) -> None:
        """Start anew."""
        self._bids = {price: size for price, size in frame.bids if size > ZERO}
        self._asks = {price: size for price, size in frame.asks if size > ZERO}
        self._nonce = frame.nonce
        self.bid, self.ask = max(self._bids, default=None), min(self._asks, default=None)

    def delta(self, frame: BookFrame) -> bool:
        """Apply changed levels; False = a frame between is missing, and a new snapshot is needed."""
        if self._nonce is None or frame.begin_nonce > self._nonce:
            self._nonce = None
            return False
        if frame.nonce <= self._nonce:
            return True  # shown before: a duplicate
        if frame.begin_nonce != self._nonce:
            self._nonce = None
            return False
        self._nonce = frame.nonce
        _apply(self._bids, frame.bids)
        _apply(self._asks, frame.asks)
        if frame.bids:
            self.bid = max(self._bids, default=None)
        if frame.asks:
            self.ask = min(self._asks, default=None)
        return True


def _apply(levels: dict[Decimal, Decimal], changes: Sequence[tuple[Decimal, Decimal]]) -> None:
    for price, size in changes:
        if size > ZERO:
            levels[price] = size
        else:
            levels.pop(price, None)
