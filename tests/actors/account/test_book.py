"""The account's memory by itself: moves that only troubled days make."""

from decimal import Decimal

from actors.account.book import Book
from actors.account.entries import EntryKind
from actors.actor import Envelope, Message
from actors.journal.protocol import Entry
from strategies.domain.commands import SubmitOrder
from strategies.domain.order import Lane, OrderRequest, OrderStatus, OrderType, Side
from venues.venue import WriteIdentity, WriteKind

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
