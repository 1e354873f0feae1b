"""What the gate counts as open: each side by itself, each fill once, whatever only reduces not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.order import Lane
from strategies.risk import Approved, Denied, Exposure, Limits, check
from tests.strategies.risk.toy import ends, fill, fires, look, order, play

D = Decimal
LEG = {"max_leg_notional_usd": 5000}


def ids(played):
    """Return the ids of the orders that left."""
    return [command.order.order_id for command in played.commands if command.kind == "SubmitOrder"]


def test_a_bid_does_not_make_room_for_an_ask():
    """A bid of 4 and an ask of 4 rest together: either may fill alone, so a further 2 on either side is denied."""
    both = play(
        LEG,
        both=[order("bid", "4", rests=True), order("ask", "-4", rests=True)],
        more=[order("bid2", "2", rests=True), order("ask2", "-2", rests=True), order("bid3", "1", rests=True)],
    )
    assert ids((both >> look() >> fires("both") >> fires("more")).played()) == ["bid", "ask", "bid3"]


def test_a_partial_fill_is_counted_once():
    """3 of 4 filled: 3 are held and 1 is open, so one more passes and two more do not."""
    some = play(LEG, go=[order("one", "4", rests=True)], more=[order("two", "2"), order("three", "1")])
    some = some >> look() >> fires("go") >> fill("3", of="one") >> fires("more")
    assert ids(some.played()) == ["one", "three"]


def test_a_fill_that_is_told_twice_is_counted_once():
    """By its trade id, in the order and in the ledger."""
    twice = play(LEG, go=[order("one", "4")])
    twice = (
        twice >> look() >> fires("go") >> fill("3", of="one", trade="t") >> fill("3", of="one", trade="t")
    ).played()
    assert twice.state.open_orders["one"].leaves == 1
    assert twice.state.legs["a"].ledger.quantity == 3


def test_an_order_that_has_ended_is_not_open():
    """What it did not fill is free again."""
    over = play(LEG, go=[order("one", "4")], more=[order("two", "2")])
    over = over >> look() >> fires("go") >> fill("3", of="one") >> ends("one", "3") >> fires("more")
    assert ids(over.played()) == ["one", "two"]


def test_open_orders_of_every_leg_count_for_the_group():
    """4 rest on one account, so the other may take 1, not 2."""
    group = play(
        {"max_notional_usd": 5000},
        go=[order("one", "4", rests=True)],
        more=[order("two", "-2", account="b"), order("three", "-1", account="b")],
    )
    assert ids((group >> look() >> fires("go") >> fires("more")).played()) == ["one", "three"]


def test_a_single_account_may_have_limits_of_its_own():
    """Tighter than the group's, and only there."""
    own = {"accounts": {"b": {"max_notional_usd": 1000, "max_orders_per_minute": 1, "max_slippage_usd": 1}}}
    some = play(
        own,
        go=[order("a1", "2"), order("b1", "2", account="b"), order("b2", "1", "1002", account="b")],
        more=[order("b3", "1", account="b"), order("b4", "-1", account="b"), order("a2", "1")],
    )
    played = (some >> look() >> fires("go") >> fires("more")).played()
    assert ids(played) == ["a1", "b3", "a2"]
    codes = [text.split(" ")[0] for text in played.state.inner.denied]
    assert codes == ["LEG_NOTIONAL", "SLIPPAGE_USD", "ORDER_RATE"]
    assert "2000.00 USD on b > 1000 (accounts.b.max_notional_usd)" in played.state.inner.denied[0]


def test_slippage_in_usd_is_that_of_the_whole_order():
    """5 at 3 USD beyond the mark may cost 15 USD; selling below it as much as buying above it."""
    for signed, price in (("5", "1003"), ("-5", "997")):
        verdict = check(order("o", signed, price), Exposure({}, {"a": D(1000)}, {}), Limits(max_slippage_usd=D("14.9")))
        assert isinstance(verdict, Denied)
        assert "may cost 15.00 USD beyond the mark, > 14.9" in verdict.detail
        within = check(order("o", signed, price), Exposure({}, {"a": D(1000)}, {}), Limits(max_slippage_usd=D(15)))
        assert isinstance(within, Approved)


def test_of_several_limits_the_gravest_word_counts():
    """An order that passes two limits is denied for the one that does more than deny."""
    limits = Limits.model_validate({"max_notional_usd": 1, "max_leg_notional_usd": 1, "at_leg_notional_usd": "reduce"})
    verdict = check(order("o", "1"), Exposure({}, {"a": D(1000)}, {}), limits)
    assert isinstance(verdict, Denied)
    assert verdict.code == "LEG_NOTIONAL"


def test_turning_a_leg_over_is_no_shrinking():
    """From +5 to -4 is judged by the 4, and denied beyond the limit; from +5 to +1 is nobody's business."""
    held = Exposure({"a": D(5)}, {"a": D(1000)}, {})
    tight = Limits(max_leg_notional_usd=D(3000))
    assert isinstance(check(order("o", "-9"), held, tight), Denied)
    assert isinstance(check(order("o", "-8"), held, tight), Approved)
    assert isinstance(check(order("o", "-4", "1"), held, tight), Approved)


AMOUNTS = st.integers(-50, 50).map(lambda n: D(n) / 10)
SIZES = st.integers(0, 50).map(lambda n: D(n) / 10)
MARKS = st.dictionaries(st.sampled_from(["a", "b"]), st.just(D(1000)), max_size=2)


@given(
    held=AMOUNTS,
    buys=SIZES,
    sells=SIZES,
    mark=MARKS,
    signed=AMOUNTS.filter(bool),
    price=st.sampled_from(["1", "1000", "9999"]),
    rate=st.sampled_from([0, 10_000]),
    lane=st.sampled_from([Lane.EXIT, Lane.HEDGE, Lane.ENTRY]),
    reduce_only=st.booleans(),
    most=st.sampled_from([1, 900, 3000, 10_000]),
)
def test_nothing_that_only_shrinks_is_denied_and_nothing_beyond_a_limit_passes(
    held, buys, sells, mark, signed, price, rate, lane, reduce_only, most
):
    """Whatever is known or not; `within`: reduce-only, or no more than the leg holds with all that is open there."""
    exposure = Exposure({"a": held}, mark, {"a": D(100)}, {"a": buys}, {"a": sells}, orders_last_minute=rate)
    limits = Limits(max_leg_notional_usd=D(most), max_notional_usd=D(most * 2), max_leverage=D(20))
    verdict = check(order("o", str(signed), price, reduce_only=reduce_only, lane=lane), exposure, limits)
    after = held + buys + signed if signed > 0 else held - sells + signed
    shrinks = held * signed < 0 and after * held >= 0
    if reduce_only or shrinks:
        assert isinstance(verdict, Approved)
    elif isinstance(verdict, Approved):
        assert abs(after) * 1000 <= most
        assert max(abs(held + buys), abs(held - sells), abs(after)) * 1000 <= most * 2
        assert abs(after) * 1000 <= 2000
        assert rate < 120
        assert "a" in mark


@pytest.mark.parametrize("known", [{}, {"b": D(1000)}])
def test_no_answer_is_not_zero(known):
    """Without a price nothing grows, whatever the limits."""
    verdict = check(order("o", "1"), Exposure({}, known, {}), Limits())
    assert isinstance(verdict, Denied)
    assert verdict.code == "NO_MARK"
