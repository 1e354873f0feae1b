"""The way out, planned: one move per leg, wider with every failure, dust called dust."""

from decimal import Decimal

import pytest

from strategies.domain.ids import Timestamp
from strategies.domain.order import Side
from strategies.domain.quote import Quote
from strategies.unwind import Blind, Close, Dust, Flat, OpenLeg, UnwindRules, exit_slippage, plan_leg, plan_unwind
from tests.strategies.liquidation_hedge.scene import instrument

D = Decimal
RULES = UnwindRules(slippage=D("0.002"), slippage_max=D("0.04"), dust_attempts=2)
QUOTE = Quote(bid=D(999), ask=D(1001), mark=D(1000), at=Timestamp(0))


def leg(quantity, quote=QUOTE, failures=0, **changes):
    """Return an open leg."""
    return OpenLeg(D(quantity), instrument(**changes), quote, D(1000), failures)


def test_a_long_leg_is_sold_and_a_short_one_bought():
    """From the touch, with the first slippage, on the tick."""
    assert plan_leg(leg("5"), RULES) == Close(Side.SELL, D(5), D("997.1"))
    assert plan_leg(leg("-5"), RULES) == Close(Side.BUY, D(5), D("1003"))


@pytest.mark.parametrize(
    ("failures", "slippage"), [(0, "0.002"), (1, "0.004"), (2, "0.008"), (5, "0.04"), (1000, "0.04")]
)
def test_slippage_doubles_with_every_failure_up_to_the_cap(failures, slippage):
    """However often it failed."""
    assert exit_slippage(failures, RULES) == D(slippage)


def test_without_a_fresh_touch_the_widest_slippage_is_used():
    """From the mark of the quote, or from the last price that is known."""
    bidless = Quote(ask=D(1001), mark=D(1000), at=Timestamp(0))
    assert plan_leg(leg("5", quote=bidless), RULES) == Close(Side.SELL, D(5), D(960))
    assert plan_leg(leg("5", quote=None), RULES) == Close(Side.SELL, D(5), D(960))


def test_only_whole_lots_are_ordered():
    """The rest is next time's dust."""
    assert plan_leg(leg("5.0007"), RULES) == Close(Side.SELL, D(5), D("997.1"))


def test_less_than_a_lot_is_dust():
    """With its value in USD, at the price that closing it would meet."""
    assert plan_leg(leg("-0.0004"), RULES) == Dust(D("-0.0004"), D("0.4004"))


def test_below_the_minimum_is_tried_a_bounded_number_of_times():
    """Closing everything is exempt on most venues; where it is not, it is dust."""
    assert isinstance(plan_leg(leg("0.05", failures=1), RULES), Close)
    assert plan_leg(leg("0.05", failures=2), RULES) == Dust(D("0.05"), D("49.95"))
    assert isinstance(plan_leg(leg("0.05", failures=9, maker_minimums_only=True), RULES), Close)


def test_above_the_minimum_nothing_is_ever_dust():
    """A venue that refuses for another reason is asked again."""
    assert isinstance(plan_leg(leg("0.1", failures=100), RULES), Close)


def test_what_is_not_known_is_said():
    """Without an instrument, or any price, there is no order, and it is named."""
    assert plan_leg(OpenLeg(D(1), None, QUOTE, D(1000)), RULES) == Blind("the instrument")
    assert plan_leg(OpenLeg(D(1), instrument(), None, None), RULES) == Blind("a price")


def test_nothing_is_flat():
    """Also without any other knowledge."""
    assert plan_leg(OpenLeg(D(0), None, None, None), RULES) == Flat()


def test_no_leg_waits_for_another():
    """A blind leg does not keep the others from closing."""
    plan = plan_unwind({"a": leg("5"), "b": OpenLeg(D(1), None, None, None), "c": leg("-1")}, RULES)
    assert [type(move) for move in plan.values()] == [Close, Blind, Close]
