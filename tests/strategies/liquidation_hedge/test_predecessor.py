"""What the predecessor did wrong, found by running it: each defect as a trace that must not come back."""

from decimal import Decimal

import pytest

from strategies.domain.events import OperatorState
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.state import Phase
from tests.strategies.liquidation_hedge.judgement import judge, nothing_was_bought_twice
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    balance,
    closed,
    entering,
    filled,
    hedge,
    instrument,
    later,
    looked,
    machine,
    monitoring,
    operator,
    rejected,
    second,
    timer,
    unknown,
)
from tests.strategies.liquidation_hedge.world import World


def test_one_lost_answer_bought_twice():
    """The entry's answer is lost: no second entry, however long it takes, and the fill that turns up is hedged."""
    play = (
        entering()
        >> unknown("backpack", "entry:1")
        >> later(5)
        >> timer("look")
        << ALL
        >> looked("0", "0", "0")
        >> later(60)
        >> timer("look")
        << ALL
        >> looked("5", "0", "0")
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
    )
    assert play


def test_the_wished_quantity_taken_for_the_filled_one():
    """5 were wished, 1.23 filled: 1.23 are hedged."""
    assert (
        entering()
        >> filled("backpack", "entry:1", "1.23")
        << "submit lighter1 hedge:1 SELL 1.23 @998.1"
        >> closed("backpack", "entry:1", "1.23")
    )


def test_an_http_500_read_as_zero_and_zero_read_as_liquidated():
    """A venue that does not answer about its position changes nothing, and one surprising zero does not either."""
    play = (
        monitoring()
        >> later(5)
        >> timer("look")
        << ALL
        >> looked("0", None, "5")
        >> later(5)
        >> timer("look")
        << ALL
        >> looked("0", "0", "5")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("0", "-5", "5")
    ).played()
    assert play.state.phase is Phase.MONITORING


def test_a_rebalance_below_the_minimum_that_traded_for_ever():
    """0.05 uncovered with a minimum of 0.1: no +0.1 -0.1 +0.1; nothing is ordered, the residual is stated."""
    play = monitoring() >> filled("lighter2", None, "-0.05", cause=FillCause.ADL)
    for _ in range(5):
        play = play >> later(5) >> timer("look") << ALL >> looked("0", "-5", "4.95")
    play = play.played()
    assert play.state.phase is Phase.MONITORING
    assert play.machine.view(play.state).net == Decimal("-0.05")
    assert not play.machine.view(play.state).hedged


def test_a_first_leg_flattened_while_the_late_fill_of_the_second_stayed_naked():
    """The hedge failed, Backpack was flattened, then the hedge filled after all: it is closed, too."""
    play = (
        entering(hedge_attempts=1)
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> rejected("lighter1", "hedge:1")
        << "submit backpack exit:1 SELL 5 @997.1 reduce-only"
        >> filled("lighter1", "hedge:1", "-5")
        << "submit lighter1 exit:1 BUY 5 @1003 reduce-only"
        >> filled("backpack", "exit:1", "-5")
        >> closed("backpack", "exit:1", "5")
        >> filled("lighter1", "exit:1", "5")
        >> closed("lighter1", "exit:1", "5")
        >> later(1)
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert play.state.phase is Phase.IDLE


def test_venues_unwound_one_after_another():
    """All three legs get their exit order in the same step."""
    play = second() >> filled("lighter2", "entry:1", "2") << "submit backpack rebalance:1 SELL 2 @998.1 reduce-only"
    play = play >> closed("lighter2", "entry:1", "2") >> filled("backpack", "rebalance:1", "-1")
    play = play >> closed("backpack", "rebalance:1", "1") << "submit backpack rebalance:2 SELL 1 @998.1 reduce-only"
    play = play >> closed("backpack", "rebalance:2", "0") >> operator(OperatorState.FLATTEN)
    assert (
        play
        << """submit backpack exit:1 SELL 4 @997.1 reduce-only
              submit lighter1 exit:1 BUY 5 @1003 reduce-only
              submit lighter2 exit:1 SELL 2 @997.1 reduce-only"""
        >> later(1)
        >> timer("look")
        << ALL
    )


@pytest.mark.parametrize("reverse", [True, False])
def test_five_cycles_that_were_one(reverse):
    """max_cycles = 5 runs five cycles, whether or not a time-out turns the direction; and it does turn it."""
    subject = machine(max_cycles=5, reverse_on_timeout=reverse, timeout_s=60)
    world = World(subject)
    world.start()
    world.calm_until(lambda w: w.phase == "ENDED")
    entries = [
        order.request.side for order in world.venues["backpack"].orders.values() if ":entry:" in order.request.order_id
    ]
    assert entries == (["BUY", "SELL", "BUY", "SELL", "BUY"] if reverse else ["BUY"] * 5)
    assert world.state.cycles_done == 5


def test_a_time_out_read_as_a_failure():
    """A hedge whose answer is lost is not a failed hedge: its fill counts, and the cycle goes on."""
    play = (
        entering()
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> unknown("lighter1", "hedge:1")
        >> later(4)
        >> filled("lighter1", "hedge:1", "-5")
        >> closed("lighter1", "hedge:1", "5")
        << "draw wait:1 2..5"
    ).played()
    assert play.state.legs["lighter1"].failures == 0


def test_a_fill_that_came_twice():
    """The same trade id from stream and look-up counts once."""
    play = (
        entering()
        >> filled("backpack", "entry:1", "5", trade="t")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> filled("backpack", "entry:1", "5", trade="t")
        >> closed("backpack", "entry:1", "5")
    ).played()
    assert play.state.legs["backpack"].quantity == 5


def test_entries_are_whole_lots_of_every_venue():
    """The entry is in whole lots of both venues (their common lot is 1), and at least every minimum."""
    looks = {
        "backpack": {"instrument": instrument("backpack", lot="0.5", min_quantity="0.5")},
        "lighter1": {"instrument": instrument(lot="0.2", min_quantity="0.2")},
        "lighter2": {"balance": balance(available=Decimal("98.098"))},
    }
    assert hedge() >> operator(OperatorState.RUN) << ALL >> looked(but=looks) << "submit backpack entry:1 BUY 4 @1002"


@pytest.mark.parametrize("leg", ["backpack", "lighter1", "lighter2"])
@pytest.mark.parametrize("fault", ["lost answer", "late fill", "partial fill", "http 500"])
def test_one_fault_on_one_leg_ends_as_if_nothing_had_been(leg, fault):
    """Each fault, once, on each leg's first order: two cycles later everything is flat and nothing was bought twice."""
    subject = machine(max_cycles=2, timeout_s=60)
    world = World(subject, judge(subject, subject._setting.params))
    world.start()
    venue = world.venues[leg]
    world.calm_until(lambda _w: bool(venue.working))
    order = venue.working[0]
    match fault:
        case "lost answer":
            world.lose_answer(venue, order)
            world.execute(venue, order)
            world.end(venue, order)
        case "late fill":
            world.execute(venue, order, hidden=True)
            world.end(venue, order)
        case "partial fill":
            world.execute(venue, order, Decimal("0.37"))
            world.end(venue, order)
        case _:
            world.calm_until(lambda w: bool(w.looks))
            world.answer_look(without=[leg])
    world.calm_until(lambda w: w.phase == "ENDED")
    assert set(world.positions.values()) == {0}
    assert world.state.cycles_done == 2
    nothing_was_bought_twice(world)
