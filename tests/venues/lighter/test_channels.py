"""Folds of frames: once each, gaps seen, history not told as news."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.account import ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, TradeId, VenueOrderId
from strategies.domain.order import OrderStatus, Side
from strategies.domain.position import FillCause
from venues.lighter.channels import BookFold, OrderFold, TradeFold, fold_positions
from venues.lighter.parse import BookFrame, parse_book
from venues.venue import FillReport, OrderReport

ETH = InstrumentId("ETH-PERP")
AT = Timestamp(1_750_000_000_000)


def order(number: int, status: OrderStatus = OrderStatus.ACCEPTED, filled: str = "0") -> OrderReport:
    """Make an order row of one unit."""
    return OrderReport(
        instrument_id=ETH,
        client_order_id=ClientOrderId(number),
        venue_order_id=VenueOrderId(str(number)),
        status=status,
        side=Side.BUY,
        quantity=Decimal(1),
        filled=Decimal(filled),
        at=AT,
    )


def trade(number: int) -> FillReport:
    """Make a trade of one unit."""
    return FillReport(
        trade_id=TradeId(str(number)),
        instrument_id=ETH,
        client_order_id=ClientOrderId(number),
        venue_order_id=None,
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(1),
        fee=Decimal(0),
        is_maker=False,
        cause=FillCause.ORDER,
        at=AT,
    )


def test_an_order_is_told_once_a_change():
    """A frame that comes twice is no news."""
    fold = OrderFold()
    assert fold.frame([order(1)], snapshot=False).news == [order(1)]
    assert fold.frame([order(1)], snapshot=False).news == []
    filled = order(1, OrderStatus.FILLED, "1")
    assert fold.frame([filled], snapshot=False).news == [filled]


def test_an_overtaken_order_row_is_no_news():
    """What ended does not live again, and what is executed does not become less."""
    fold = OrderFold()
    fold.frame([order(1, OrderStatus.CANCELED)], snapshot=False)
    assert fold.frame([order(1)], snapshot=False).news == []
    fold.frame([order(2, OrderStatus.PARTIALLY_FILLED, "0.5")], snapshot=False)
    assert fold.frame([order(2)], snapshot=False).news == []


def test_an_open_order_that_a_snapshot_does_not_show_is_a_gap():
    """It ended unseen."""
    fold = OrderFold()
    fold.frame([order(1), order(2)], snapshot=True)
    assert not fold.frame([order(1), order(2)], snapshot=True).gap
    assert fold.frame([order(2)], snapshot=True).gap
    assert not fold.frame([order(2)], snapshot=True).gap


def test_orders_are_found_by_our_id():
    """The last report of it."""
    fold = OrderFold()
    fold.frame([order(1), order(1, OrderStatus.FILLED, "1")], snapshot=False)
    found = fold.find(ETH, ClientOrderId(1))
    assert found is not None
    assert found.status is OrderStatus.FILLED
    assert fold.find(ETH, ClientOrderId(9)) is None


def test_the_first_snapshot_of_trades_is_history():
    """The account fetches what came before; told as news it would count twice or from before our time."""
    fold = TradeFold()
    fold.begin()
    assert fold.frame([trade(1), trade(2)], snapshot=True).news == []
    assert fold.frame([trade(2), trade(3)], snapshot=False).news == [trade(3)]
    assert fold.knows(ETH, ClientOrderId(1))


def test_a_later_snapshot_tells_what_was_missed():
    """It overlaps with what is known, so nothing is missing between."""
    fold = TradeFold()
    fold.begin()
    fold.frame([trade(1)], snapshot=True)
    assert fold.frame([trade(1), trade(2)], snapshot=True) == ([trade(2)], False)


def test_a_later_snapshot_without_overlap_is_a_gap():
    """Trades may have passed between the two."""
    fold = TradeFold()
    fold.begin()
    fold.frame([trade(1)], snapshot=True)
    assert fold.frame([trade(5), trade(6)], snapshot=True).gap


def test_positions_of_a_snapshot_name_the_flat_ones():
    """A market that a complete statement does not name is flat; a delta says nothing about it."""
    long = ReportedPosition(quantity=Decimal(1), entry_price=Decimal(1), at=AT)
    markets = {0: ETH, 1: InstrumentId("BTC-PERP")}
    told = fold_positions({0: long}, markets, AT, snapshot=True)
    assert [report.position.quantity for report in told] == [1, 0]
    assert [report.instrument_id for report in fold_positions({0: long}, markets, AT, snapshot=False)] == [ETH]


def test_a_recorded_book(recorded):
    """The snapshot, then a delta that removes the best ask."""
    book = BookFold()
    book.snapshot(parse_book(recorded("ws_book_snapshot")))
    assert (book.bid, book.ask) == (Decimal("4000.00"), Decimal("4000.10"))
    assert book.delta(parse_book(recorded("ws_book_update")))
    assert book.ask == Decimal("4000.20")


def delta(begin: int, nonce: int) -> BookFrame:
    """Make a change of one level."""
    return BookFrame(bids=[(Decimal(1), Decimal(1))], asks=[], nonce=nonce, begin_nonce=begin)


def test_a_missing_frame_is_noticed():
    """The book says nothing until the next snapshot."""
    book = BookFold()
    assert not book.delta(delta(1, 2)), "no snapshot yet"
    book.snapshot(BookFrame([], [], nonce=10, begin_nonce=0))
    assert book.delta(delta(10, 11))
    assert book.delta(delta(10, 11)), "the same again"
    assert not book.delta(delta(12, 13))
    assert not book.delta(delta(11, 12)), "what comes late does not mend it"
    book.snapshot(BookFrame([], [], nonce=13, begin_nonce=0))
    assert book.delta(delta(13, 14))


LEVELS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), max_size=6)


@given(frames=st.lists(st.tuples(LEVELS, LEVELS), max_size=12))
def test_the_best_prices_are_those_of_the_levels(frames):
    """Whatever is added and removed, best bid is the highest level and best ask the lowest."""
    book = BookFold()
    book.snapshot(BookFrame([], [], nonce=1, begin_nonce=0))
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for number, (bid_levels, ask_levels) in enumerate(frames, start=1):
        bids |= dict(bid_levels)
        asks |= dict(ask_levels)
        frame = [[(Decimal(price), Decimal(size)) for price, size in levels] for levels in (bid_levels, ask_levels)]
        assert book.delta(BookFrame(frame[0], frame[1], nonce=number + 1, begin_nonce=number))
        assert book.bid == max((price for price, size in bids.items() if size), default=None)
        assert book.ask == min((price for price, size in asks.items() if size), default=None)
