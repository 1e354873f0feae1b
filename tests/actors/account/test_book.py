"""The account's memory by itself: moves that only troubled days make."""

from decimal import Decimal

from actors.account import memory
from actors.account.book import Book
from actors.account.entries import EntryKind
from actors.actor import Envelope, Message
from actors.journal.protocol import Entry
from strategies.domain.commands import SubmitOrder
from strategies.domain.order import Lane, OrderRequest, OrderStatus, OrderType, Side
from strategies.domain.position import FillCause
from venues.venue import FillReport, OrderReport, WriteIdentity, WriteKind

ORDER = OrderRequest(
    order_id="g:1:leg:entry:1",
    instrument_id="ETH-PERP",
    side=Side.BUY,
    quantity=Decimal(1),
    order_type=OrderType.MARKET,
    price=Decimal(3000),
    reduce_only=False,
    lane=Lane.ENTRY,
)


def _do(book, entries):
    for entry in entries:
        book.apply(entry)
    return entries


def test_an_order_whose_write_came_back_unsent_may_still_be_denied():
    """429 after the order was announced as leaving: it waits again, grows stale, and is denied, not stuck for ever."""
    book = Book("a")
    _do(book, book.decide_client_ids(1, 32, 1))
    message = Message(seq=1, command=SubmitOrder(account="a", order=ORDER))
    _do(book, book.decide_take(Envelope(sender="group/g", sender_epoch=1, messages=(message,)), 1))
    identity = WriteIdentity(
        kind=WriteKind.ORDER,
        instrument_id="ETH-PERP",
        order_id=ORDER.order_id,
        client_order_id=1,
        prepared_at=1,
        expires_at=9,
    )
    _do(book, book.decide_prepared(ORDER.order_id, identity, 2))
    _do(book, book.decide_discarded(ORDER.order_id, 3))
    assert book.order(ORDER.order_id).status is OrderStatus.SUBMITTED
    denied = _do(book, book.decide_denied(ORDER.order_id, "stale", "waited too long", 4))
    assert [entry.kind for entry in denied] == [EntryKind.FACT]
    assert book.order(ORDER.order_id).status is OrderStatus.DENIED


def test_an_adjustment_says_which_instrument_it_is_about():
    """The record names the instrument, and folds there: not into whichever the account began with."""
    book = Book("a")
    _do(book, book.decide_baseline("BTC-PERP", Decimal(0), Decimal(0), (), 1))
    _do(book, book.decide_baseline("ETH-PERP", Decimal(0), Decimal(0), (), 1))
    [entry] = _do(book, book.decide_adjusted("ETH-PERP", Decimal(3), "two statements", 2))
    assert '"instrument_id":"ETH-PERP"' in entry.body
    assert (book.believed("ETH-PERP"), book.believed("BTC-PERP")) == (Decimal(3), Decimal(0))


def test_an_adjustment_of_an_older_journal_still_reads():
    """Records from before it was named are about the one instrument that the account traded then."""
    book = Book("a")
    _do(book, book.decide_baseline("ETH-PERP", Decimal(0), Decimal(0), (), 1))
    old = (
        '{"seq":1,"event":{"kind":"PositionAdjusted","at":2,"account":"a","before":"0","after":"3",'
        '"reason":"two statements of the venue agree and no fill explains the difference"}}'
    )
    _do(book, [Entry(kind=EntryKind.FACT, at=2, body=old)])
    assert book.believed("ETH-PERP") == Decimal(3)


def test_nonces_of_our_own_writes_are_no_strangers():
    """Every signed write is in the journal before it leaves: what the venue has used up of those is ours."""
    book = Book("a")
    _do(book, book.decide_client_ids(1, 48, 1))
    _do(book, book.decide_nonces({4: 10}, 1))
    message = Message(seq=1, command=SubmitOrder(account="a", order=ORDER))
    _do(book, book.decide_take(Envelope(sender="group/g", sender_epoch=1, messages=(message,)), 1))
    identity = WriteIdentity(
        kind=WriteKind.ORDER,
        instrument_id="ETH-PERP",
        order_id=ORDER.order_id,
        client_order_id=1,
        api_key_index=4,
        nonce=10,
        tx_hash="x",
        prepared_at=1,
        expires_at=9,
    )
    _do(book, book.decide_prepared(ORDER.order_id, identity, 2))
    assert _do(book, book.decide_nonces({4: 11}, 3)) == []
    assert not book.state.frozen
    assert [entry.kind for entry in _do(book, book.decide_nonces({4: 12}, 4))] == [EntryKind.FACT, EntryKind.NONCES]
    assert book.state.frozen == "used while nobody watched, not by us: key 4: 1 nonces up to 12"


def _take(book, number):
    """Take, sign and let the venue accept one more order; return its id."""
    order = ORDER.model_copy(update={"order_id": f"g:{number}"})
    message = Message(seq=number, command=SubmitOrder(account="a", order=order))
    _do(book, book.decide_take(Envelope(sender="group/g", sender_epoch=1, messages=(message,)), 1))
    client_order_id = book.order(order.order_id).client_order_id
    identity = WriteIdentity(
        kind=WriteKind.ORDER,
        instrument_id="ETH-PERP",
        order_id=order.order_id,
        client_order_id=client_order_id,
        prepared_at=1,
        expires_at=9,
    )
    _do(book, book.decide_prepared(order.order_id, identity, 2))
    _say(book, number, OrderStatus.ACCEPTED)
    return order.order_id


def _say(book, number, status):
    """Let the venue say what the order has come to, under its own id for it."""
    report = OrderReport(
        instrument_id="ETH-PERP",
        client_order_id=book.order(f"g:{number}").client_order_id,
        venue_order_id=f"v{number}",
        status=status,
        side=Side.BUY,
        quantity=Decimal(1),
        filled=Decimal(0),
        at=3,
    )
    return _do(book, book.decide_order_report(report, 3))


def _fill(book, number):
    """Fold a fill that names nothing but the venue's id; return what it was read as."""
    report = FillReport(
        trade_id=f"t{number}",
        instrument_id="ETH-PERP",
        venue_order_id=f"v{number}",
        client_order_id=None,
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(3000),
        fee=Decimal(0),
        is_maker=False,
        cause=FillCause.ORDER,
        at=4,
    )
    entries = _do(book, book.decide_fill(report, 4))
    return next(entry.meaning.event.fill for entry in entries if entry.meaning.event.kind == "Filled")


def test_the_venues_ids_of_orders_that_are_long_over_are_forgotten(monkeypatch):
    """A thousand orders later only those at hand are known by the venue's id; an open one is, however old."""
    monkeypatch.setattr(memory, "MAX_FINISHED_ORDERS", 3)
    book = Book("a")
    _do(book, book.decide_client_ids(1, 32, 1))
    oldest = _take(book, 1)
    for number in range(2, 1002):
        _take(book, number)
        _say(book, number, OrderStatus.CANCELED)
    assert set(book._by_venue_id.values()) == book.state.orders.keys()
    assert len(book._by_venue_id) == 3
    assert _fill(book, 1).order_id == oldest
    assert _fill(book, 1001).order_id == "g:1001"


def test_a_fill_of_a_forgotten_order_is_read_as_after_a_restart(monkeypatch):
    """Known by nothing but an id that nobody keeps any more: somebody else's, and the account stops for a person."""
    monkeypatch.setattr(memory, "MAX_FINISHED_ORDERS", 1)
    book = Book("a")
    _do(book, book.decide_client_ids(1, 32, 1))
    for number in (1, 2):
        _take(book, number)
        _say(book, number, OrderStatus.CANCELED)
    lately = _fill(book, 1)
    assert (lately.order_id, lately.cause) == (None, FillCause.FOREIGN)
    assert (book.believed("ETH-PERP"), bool(book.state.frozen)) == (Decimal(1), True)
