"""A tracking limit: where it belongs, when it moves, and that what races a cancel is counted once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from strategies.domain.ids import Timestamp
from strategies.domain.order import Side
from strategies.domain.quote import Quote
from strategies.tracking import Pursuit, TrackingParams, timed_out, top_price, track
from strategies.working import Move, Style, Wanted, Working, fits, move_for
from tests.strategies.liquidation_hedge.scene import instrument

AT = Timestamp(1_000_000)
GRACE_MS = 2_000


def quote(bid: str | None = "999", ask: str | None = "1001") -> Quote:
    """Return a book of one level."""
    prices = {name: None if price is None else Decimal(price) for name, price in (("bid", bid), ("ask", ask))}
    return Quote(**prices, mark=Decimal(1000), at=AT)


def working(signed: str = "5", price: str = "999", filled: str = "0", **changes) -> Working:
    """Return an order that rests."""
    whole = Working(
        order_id="triad:1:lead:entry:1",
        slot="entry",
        signed=Decimal(signed),
        price=Decimal(price),
        resting=True,
        reduce_only=False,
        filled=Decimal(filled),
        sent_at=AT,
    )
    return whole.model_copy(update=changes)


def pursuit(signed: str = "5", first: str | None = None) -> Pursuit:
    """Return what is to be had."""
    return Pursuit("entry", Decimal(signed), AT, None if first is None else Decimal(first))


@pytest.mark.parametrize(
    ("side", "bid", "ask", "offset", "standing", "price"),
    [
        (Side.BUY, "999", "1001", 0, None, "999"),
        (Side.SELL, "999", "1001", 0, None, "1001"),
        (Side.BUY, "999", "1001", 3, None, "998.7"),
        (Side.SELL, "999", "1001", 3, None, "1001.3"),
        (Side.BUY, "999", "1001", -2, None, "999.2"),
        (Side.BUY, "999", "999.1", -5, None, "999"),  # never across: one tick below the other side
        (Side.SELL, "999", "999.1", -5, None, "999.1"),
        (Side.BUY, None, "1001", 0, None, "1000.9"),  # nobody bids: just inside
        (Side.SELL, "999", None, 0, None, "999.1"),
        (Side.BUY, "999.2", "1001", -2, "999.2", "999.2"),  # our own bid is the best: it is not outbid
        (Side.BUY, None, None, 0, None, None),
    ],
)
def test_where_a_limit_belongs(side, bid, ask, offset, standing, price):
    """At the top of its side, moved by the offset, never across the spread, and never outbidding itself."""
    own = None if standing is None else Decimal(standing)
    found = top_price(side, quote(bid, ask), instrument(), TrackingParams(offset_ticks=offset), own)
    assert found == (None if price is None else Decimal(price))


@given(
    bid=st.integers(1, 5000), spread=st.integers(1, 50), offset=st.integers(-100, 100), side=st.sampled_from(list(Side))
)
def test_a_post_only_price_never_takes_and_lies_on_the_grid(bid, spread, offset, side):
    """Whatever the book and the offset, the price is a tick, at least one, and does not reach the other side."""
    tick = Decimal("0.1")
    book = Quote(bid=bid * tick, ask=(bid + spread) * tick, at=AT)
    price = top_price(side, book, instrument(), TrackingParams(offset_ticks=offset), None)
    assert price % tick == 0
    assert price >= tick
    assert price < book.ask if side is Side.BUY else price > book.bid


def test_only_what_is_missing_is_asked_for_in_whole_lots():
    """2.9996 are missing: 2.999 are ordered; 0.05 are less than the venue takes: nothing is."""
    assert track(pursuit("2.9996"), quote(), instrument(), TrackingParams(), None).quantity == Decimal("2.999")
    assert track(pursuit("0.05"), quote(), instrument(), TrackingParams(), None) is None
    assert track(pursuit("0"), quote(), instrument(), TrackingParams(), None) is None


def test_the_price_is_chased_no_further_than_agreed():
    """It began at 990, half a percent is allowed: the order waits at 994.9 while the book is at 999."""
    wanted = track(pursuit(first="990"), quote(), instrument(), TrackingParams(), None)
    assert wanted.price == Decimal("994.9")
    sell = track(pursuit("-5", first="1010"), quote(), instrument(), TrackingParams(), None)
    assert sell.price == Decimal(1005).quantize(Decimal("0.1"))


def test_an_order_moves_only_when_it_is_off_by_enough():
    """With three ticks to move, two off is near enough; partly filled is still the same order."""
    wanted = track(pursuit("3"), quote(), instrument(), TrackingParams(requote_ticks=3), None)
    assert fits(working(price="998.8", filled="2"), wanted)
    assert not fits(working(price="998.7", filled="2"), wanted)


@pytest.mark.parametrize(
    ("order", "want", "move"),
    [
        (None, None, Move.NOTHING),
        (None, "5@999", Move.PLACE),
        (working(), "5@999", Move.KEEP),
        (working(), "5@998", Move.CANCEL),
        (working(), None, Move.CANCEL),
        (working(filled="2"), "3@999", Move.KEEP),
        (working(), "3@999", Move.CANCEL),  # more stands than is wanted
        (working(signed="-5"), "5@999", Move.CANCEL),
        (working(cancel_at=AT), "5@999", Move.WAIT),  # its cancel is under way: nothing beside it, nothing back
        (working(cancel_at=Timestamp(AT - GRACE_MS)), "5@998", Move.CANCEL),  # no effect so far: asked again
        (working(resting=False), None, Move.WAIT),
        (working(filled="5"), None, Move.WAIT),  # nothing left to cancel
        (working(unknown=True), "5@999", Move.KEEP),  # in doubt is not gone
    ],
)
def test_the_one_move_of_a_slot(order, want, move):
    """What stands, what is wanted, and the move between them; a slot never gets a second order."""
    wanted = None
    if want is not None:
        quantity, price = map(Decimal, want.split("@"))
        wanted = Wanted("entry", Side.BUY, quantity, price, Style.POST_ONLY)
    assert move_for(order, wanted, AT, GRACE_MS) is move


def test_time_is_up_when_it_is_and_never_without_a_time_out():
    """Sixty seconds are sixty seconds; zero means as long as it takes."""
    assert not timed_out(AT, Timestamp(AT + 59_999), TrackingParams(timeout_s=60))
    assert timed_out(AT, Timestamp(AT + 60_000), TrackingParams(timeout_s=60))
    assert not timed_out(AT, Timestamp(AT + 10**9), TrackingParams(timeout_s=0))


@pytest.mark.parametrize("wrong", [{"requote_interval_s": 0}, {"max_chase": 1}, {"requote_ticks": 0}, {"offset": 1}])
def test_what_makes_no_sense_is_refused(wrong):
    """Bounds are the model's, and a typo is an error."""
    with pytest.raises(ValidationError):
        TrackingParams.model_validate(wrong)
