"""The trend ladder: rungs, take-profits, waits, direction."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from strategies.domain.events import OperatorState
from strategies.trend_ladder.params import TrendLadderParams
from strategies.trend_ladder.policy import TrendLadder
from strategies.trend_ladder.trend import Trend
from tests.strategies.desk.scene import DeskBook, begun, book, desk, seen
from tests.strategies.liquidation_hedge.scene import closed, filled, later, operator, restarted, timer

LOOK = "observe main"
MINUTE_MS = 60_000


def ladder(**params) -> DeskBook:
    """Begin a playbook up to the first look's answer."""
    wanted = TrendLadderParams.model_validate({"quantity": 1, "take_profit": "0.01", "wait_s": 10} | params)
    return begun(desk(TrendLadder, wanted, "main"), "main")


def one_rung(**params) -> DeskBook:
    """Play to one rung, bought at 999, with its exit resting."""
    return (
        ladder(**params)
        << "submit main in1:1 BUY 1 @999"
        >> filled("main", "in1:1", "1", price="999")
        >> closed("main", "in1:1", "1")
        << "submit main tp1:2 SELL 1 @1009 reduce-only"
    )


def test_a_rung_is_entered_at_the_top_of_the_book_and_gets_its_exit():
    """Bought at 999, offered one per cent higher, rounded away from the entry."""
    assert one_rung()


def test_a_short_ladder_is_the_mirror():
    """Sold at the ask, bought back one per cent lower."""
    assert (
        ladder(direction="short")
        << "submit main in1:1 SELL 1 @1001"
        >> filled("main", "in1:1", "-1", price="1001")
        >> closed("main", "in1:1", "1")
        << "submit main tp1:2 BUY 1 @990.9 reduce-only"
    )


def test_the_next_rung_waits_and_the_ladder_is_bounded():
    """Ten seconds and more between rungs as it fills; with two rungs of two nothing more is entered."""
    assert (
        one_rung(max_orders=2, wait_full_s=20)
        >> later("14.5")
        >> timer("look")
        << LOOK
        >> seen(main="1")
        >> later("0.5")
        >> timer("act")
        << "submit main in2:3 BUY 1 @999"
        >> filled("main", "in2:3", "1", price="999")
        >> closed("main", "in2:3", "1")
        << "submit main tp2:4 SELL 1 @1009 reduce-only"
        >> later(30)
        >> timer("look")
        << LOOK
        >> seen(main="2")
    )


def test_a_profit_taken_makes_room():
    """The exit fills: the rung is gone, its profit is booked."""
    play = (
        one_rung(max_orders=1, wait_full_s=10)
        >> filled("main", "tp1:2", "-1", price="1009")
        >> closed("main", "tp1:2", "1")
        >> later(30)
        >> timer("look")
        << LOOK
        >> seen(main="0")
        << "submit main in2:3 BUY 1 @999"
    ).played()
    assert play.state.legs["main"].ledger.realized == 10


def test_part_of_a_rung_leaves_earlier():
    """Half of it at half the distance, the rest at the whole."""
    assert (
        ladder(partial_share="0.5")
        << "submit main in1:1 BUY 1 @999"
        >> filled("main", "in1:1", "1", price="999")
        >> closed("main", "in1:1", "1")
        << "submit main pp1:2 SELL 0.5 @1004 reduce-only\nsubmit main tp1:3 SELL 0.5 @1009 reduce-only"
        >> filled("main", "pp1:2", "-0.5", price="1004")
    )


def test_an_entry_that_gets_only_a_part_keeps_that_part():
    """Time is up with 0.4 filled: the bid is withdrawn, the 0.4 get their exit."""
    assert (
        ladder(entry={"timeout_s": 10})
        << "submit main in1:1 BUY 1 @999"
        >> filled("main", "in1:1", "0.4", price="999")
        >> later(10)
        >> timer("act")
        << f"cancel main in1:1\n{LOOK}"
        >> closed("main", "in1:1", "0.4")
        >> seen(main="0.4")
        << "submit main tp1:2 SELL 0.4 @1009 reduce-only"
    )


def test_after_a_restart_rungs_and_exits_are_adopted():
    """The exit rests; the new process places neither another exit nor another entry before its time."""
    assert one_rung() >> restarted() << LOOK >> seen(main="1")


def test_pause_enters_no_more_and_keeps_the_exits():
    """PAUSE during the second entry: it is withdrawn, the exit stays."""
    assert (
        one_rung()
        >> later("29")
        >> timer("look")
        << LOOK
        >> seen(main="1")
        >> later(40)
        >> timer("act")
        << LOOK
        >> seen(main="1")
        << "submit main in2:3 BUY 1 @999"
        >> operator(OperatorState.PAUSE)
        << "cancel main in2:3"
    )


def test_a_stop_closes_the_whole_ladder():
    """Two per cent below the average entry: out."""
    low = {"main": book(bid="974", ask="976", mark="975")}
    play = (
        one_rung(stop_distance="0.02")
        >> later(5)
        >> timer("look")
        << LOOK
        >> seen(low, main="1")
        << f"cancel-all main\n{LOOK}"
    ).played()
    assert "beyond the average entry" in play.state.reason


def test_without_a_trend_nothing_is_entered_and_with_one_its_side_is():
    """Flat bars: nothing. Falling bars: sold."""
    play = ladder(direction="trend", bar_s=5, period=2, slope_min="0.1")
    for step in range(6):
        price = 1000 - 10 * max(step - 3, 0)
        quotes = {"main": book(bid=str(price - 1), ask=str(price + 1), mark=str(price))}
        play = play >> later(5) >> timer("look") << LOOK >> seen(quotes, main="0")
    assert play << "submit main in1:1 SELL 1 @981"


def test_the_slope_is_measured_in_true_ranges():
    """A steady climb of one range a bar moves the average by about one range a bar; a flat market says zero."""
    trend = Trend()
    for minute in range(60):
        trend = trend.see(Decimal(1000 + 5 * minute), minute * MINUTE_MS, MINUTE_MS, 20)
    assert abs(trend.slope(20) - 1) < Decimal("0.05")
    flat = Trend()
    for minute in range(60):
        for price in (1000, 1002, 998, 1000):
            flat = flat.see(Decimal(price), minute * MINUTE_MS + price - 998, MINUTE_MS, 20)
    assert abs(flat.slope(20)) < Decimal("0.01")
    assert Trend().slope(20) is None


@pytest.mark.parametrize("wrong", [{}, {"quantity": 0}, {"quantity": 1, "wait_s": 9, "wait_full_s": 1}])
def test_what_makes_no_sense_is_refused(wrong):
    """No size, a size of nothing, a wait that shrinks as the ladder fills."""
    with pytest.raises(ValidationError):
        TrendLadderParams.model_validate(wrong)
