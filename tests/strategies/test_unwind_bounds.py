"""The way out at its bounds: rests, doubts, overlaps, and what counts as confirmed."""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from pydantic import ValidationError

from strategies.domain.ids import Timestamp
from strategies.domain.order import Side
from strategies.domain.quote import Quote
from strategies.unwind import (
    Close,
    Dust,
    OpenLeg,
    UnwindParams,
    UnwindRules,
    agrees,
    doubling,
    exit_slippage,
    in_doubt,
    joins_at,
    may_join,
    milliseconds,
    plan_leg,
)
from tests.strategies.liquidation_hedge.scene import instrument, leg_look

D = Decimal
RULES = UnwindRules(slippage=D("0.002"), slippage_max=D("0.04"), dust_attempts=2)
PARAMS = UnwindParams(
    confirm_timeout_s=D(2), exit_delay_s=D("0.25"), exit_delay_max_s=D(10), exit_overlap_max=3, exit_slippage=D("0.002")
)
NOW = Timestamp(100_000)


@dataclass(frozen=True)
class Order:
    """An order whose end nobody knows."""

    sent_at: Timestamp
    unknown: bool = False
    reduce_only: bool = True


def aged(seconds, **changes):
    """Return an order that was sent so long ago."""
    return Order(Timestamp(NOW - int(seconds * 1000)), **changes)


def test_a_second_has_a_thousand_milliseconds():
    """Cut, not rounded."""
    assert (milliseconds(D("1.5")), milliseconds(D("0.0019"))) == (1500, 1)


@pytest.mark.parametrize(
    ("times", "seconds"), [(-3, "0.25"), (0, "0.25"), (1, "0.5"), (2, "1"), (5, "8"), (6, "10"), (10_000, "10")]
)
def test_a_time_doubles_up_to_its_cap(times, seconds):
    """However often, and without a number of ten thousand digits."""
    assert doubling(D("0.25"), times, D(10)) == D(seconds)


@pytest.mark.parametrize(("times", "seconds"), [(0, "0.25"), (1, "0.25"), (2, "0.5"), (3, "1"), (100, "10")])
def test_the_first_vain_order_rests_for_the_first_delay(times, seconds):
    """Doubling begins with the second."""
    assert PARAMS.rest_s(times) == D(seconds)


def test_the_widest_slippage_needs_as_many_failures_as_it_takes():
    """A tiny first slippage still reaches its cap, and a huge number of failures is no huge number."""
    tiny = UnwindRules(slippage=D("0.000001"), slippage_max=D("0.9"), dust_attempts=2)
    assert exit_slippage(16, tiny) == D("0.065536")
    assert exit_slippage(10_000, tiny) == D("0.065536")


def test_first_and_longest_are_told_apart():
    """The first may equal the longest; one above it is refused with both numbers."""
    assert UnwindParams(
        exit_delay_s=D(10), exit_delay_max_s=D(10), exit_slippage=D("0.04"), exit_slippage_max=D("0.04")
    )
    with pytest.raises(ValidationError, match=r"exit_delay_s = 11 is above exit_delay_max_s = 10"):
        UnwindParams(exit_delay_s=D(11), exit_delay_max_s=D(10))
    with pytest.raises(ValidationError, match=r"exit_slippage = 0.05 is above exit_slippage_max = 0.04"):
        UnwindParams(exit_slippage=D("0.05"), exit_slippage_max=D("0.04"))


@pytest.mark.parametrize(("order", "doubt"), [(aged(1.999), False), (aged(2), True), (aged(0, unknown=True), True)])
def test_an_order_is_in_doubt_when_its_answer_was_lost_or_its_time_is_over(order, doubt):
    """Two seconds, to the millisecond."""
    assert in_doubt(order, NOW, PARAMS) is doubt


@pytest.mark.parametrize(
    ("orders", "may"),
    [
        ([], True),
        ([aged(1.999)], False),
        ([aged(2)], True),
        ([aged(0, unknown=True)], False),
        ([aged(0, unknown=True, reduce_only=False)], True),
        ([aged(9), aged(1.999)], False),
        ([aged(9), aged(3.999)], False),
        ([aged(9), aged(4)], True),
        ([aged(9), aged(3.999, reduce_only=False)], False),
        ([aged(9, reduce_only=False), aged(3, reduce_only=False)], True),
        ([aged(90), aged(80), aged(70)], False),
    ],
)
def test_a_further_exit_joins_only_orders_that_are_all_in_doubt(orders, may):
    """After the rest that doubles with each of them, and never as the fourth; an opening order needs no rest."""
    assert may_join(orders, NOW, PARAMS) is may


def test_the_rest_before_the_next_order_doubles_from_the_youngest():
    """2 s after the only one, 4 s after the younger of two, 8 s after the youngest of three."""
    assert joins_at([aged(5)], PARAMS) == NOW - 3000
    assert joins_at([aged(5), aged(1)], PARAMS) == NOW + 3000
    assert joins_at([aged(1), aged(5), aged(2)], PARAMS) == NOW + 7000


def test_flat_is_one_number_from_three_sources():
    """Venue, account and our own fold agree, and the account has nothing open."""
    assert agrees(leg_look("lighter1", "0", at=NOW), D(0))
    assert agrees(leg_look("lighter1", "0.0004", at=NOW), D("0.0004"))
    assert not agrees(None, D(0))
    assert not agrees(leg_look("lighter1", None, at=NOW), D(0))
    assert not agrees(leg_look("lighter1", "0", at=NOW, in_flight=1), D(0))
    assert not agrees(leg_look("lighter1", "0", at=NOW, believed=D(1)), D(0))
    assert not agrees(leg_look("lighter1", "0", at=NOW), D(1))
    assert not agrees(leg_look("lighter1", "1", at=NOW, believed=D(0)), D(0))


def test_exactly_a_lot_is_ordered_and_exactly_the_minimum_is_no_dust():
    """Below either it is another matter."""
    assert isinstance(plan_leg(OpenLeg(D("0.1"), instrument(), None, D(1000), failures=9), RULES), Close)
    assert isinstance(plan_leg(OpenLeg(D("0.099"), instrument(), None, D(1000), failures=9), RULES), Dust)
    assert isinstance(plan_leg(OpenLeg(D("0.001"), instrument(), None, D(1000)), RULES), Close)
    assert isinstance(plan_leg(OpenLeg(D("0.0009"), instrument(), None, D(1000)), RULES), Dust)


def test_a_quote_without_our_side_is_no_touch():
    """A seller needs a bid: without it the widest slippage is taken from what else the quote says."""
    askless = Quote(bid=D(999), mark=D(1000), at=NOW)
    assert plan_leg(OpenLeg(D(-5), instrument(), askless, D(900)), RULES) == Close(Side.BUY, D(5), D(1040))
    assert plan_leg(OpenLeg(D(5), instrument(), askless, D(900)), RULES) == Close(Side.SELL, D(5), D("997.1"))
