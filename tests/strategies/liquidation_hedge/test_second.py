"""The third leg: a wait drawn once, a size cut by what it can carry, and the balancer giving back what fills there."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import TimerName
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.state import Phase, SecondLeg
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    balance,
    closed,
    drawn,
    filled,
    later,
    looked,
    mode,
    operator,
    rejected,
    restarted,
    second,
    timer,
    unknown,
    waiting,
)


def arrived(play):
    """Let the wait pass, up to the look that the entry stands on."""
    return play >> drawn("3") >> later(3) >> timer("enter") << ALL


def test_the_wait_is_drawn_once_and_kept():
    """The number that was drawn decides, and a second answer changes nothing."""
    play = (waiting() >> drawn("2.5") >> drawn("4.5")).played()
    assert play.state.timers[TimerName("enter")] == play.state.phase_since + 1 + 2500


def test_a_restart_before_the_draw_draws_again_and_after_it_does_not():
    """What was drawn is part of the state; what was only asked for is asked again."""
    assert waiting() >> restarted() << f"draw wait:1 2..5\n{ALL}"
    assert waiting() >> drawn("3") >> restarted() << ALL


def test_the_second_leg_is_as_large_as_what_stands_against_the_first():
    """5 on Lighter 2 for 5 on Backpack."""
    play = second().played()
    assert play.state.second_quantity == 5


def test_the_second_leg_is_cut_by_its_own_margin_and_the_balancer_keeps_the_rest():
    """With margin for 2, Lighter 2 takes 2, and Backpack goes to -(-5 + 2) = 3."""
    poor = {"balance": balance(available=Decimal("40.04"))}
    play = (
        arrived(waiting())
        >> looked("5", "-5", "0", but={"lighter2": poor})
        << "submit lighter2 entry:1 BUY 2 @1002"
        >> filled("lighter2", "entry:1", "2")
        << "submit backpack rebalance:1 SELL 2 @998.1 reduce-only"
        >> closed("lighter2", "entry:1", "2")
        >> filled("backpack", "rebalance:1", "-2")
        >> closed("backpack", "rebalance:1", "2")
    ).played()
    assert play.state.phase is Phase.MONITORING
    assert play.state.second is SecondLeg.ENTERED


def test_each_partial_fill_of_the_second_leg_is_balanced_at_once():
    """The balancer does not wait for the third leg's order to end."""
    assert (
        second()
        >> filled("lighter2", "entry:1", "2")
        << "submit backpack rebalance:1 SELL 2 @998.1 reduce-only"
        >> filled("lighter2", "entry:1", "1")
        >> filled("backpack", "rebalance:1", "-2")
        >> closed("backpack", "rebalance:1", "2")
        << "submit backpack rebalance:2 SELL 1 @998.1 reduce-only"
    )


def test_a_second_leg_that_filled_partly_is_completed_within_its_attempts():
    """The rest is ordered again, from a newer look, until entry_attempts are used; then the group goes on."""
    play = (
        second(entry_attempts=2)
        >> filled("lighter2", "entry:1", "2")
        << "submit backpack rebalance:1 SELL 2 @998.1 reduce-only"
        >> filled("backpack", "rebalance:1", "-2")
        >> closed("backpack", "rebalance:1", "2")
        >> later(1)
        >> closed("lighter2", "entry:1", "2")
        << ALL
        >> looked("3", "-5", "2")
        << "submit lighter2 entry:2 BUY 3 @1002"
        >> closed("lighter2", "entry:2", "0")
    ).played()
    assert play.state.phase is Phase.MONITORING
    assert play.state.second is SecondLeg.ENTERED
    assert play.told("second_entered")


def test_a_second_leg_that_cannot_enter_leaves_two_legs():
    """When every attempt is refused, Backpack stays at -l1 and the group is watched with two legs."""
    play = (second(entry_attempts=1) >> later(1) >> rejected("lighter2", "entry:1", "MARGIN")).played()
    assert play.state.phase is Phase.MONITORING
    assert play.state.second is SecondLeg.SKIPPED
    assert play.state.legs["backpack"].quantity == 5
    assert "MARGIN" in play.told("second_skipped")[0]


@pytest.mark.parametrize(
    ("reason", "holds", "look"),
    [
        ("did not state", None, {}),
        ("HTTP 500", "0", {"problems": ("HTTP 500",)}),
        ("fresh quote", "0", {"quote": None}),
        ("DISARMED", "0", {"mode": AccountMode.DISARMED}),
    ],
)
def test_a_second_leg_without_a_basis_is_skipped_after_bounded_looks(reason, holds, look):
    """No numbers, no entry: the group looks again a bounded number of times, then goes on with two legs."""
    bad = looked("5", "-5", holds, but={"lighter2": look})
    play = (arrived(waiting(look_attempts=2)) >> bad >> later("0.5") >> timer("look") << ALL >> bad).played()
    assert play.state.phase is Phase.MONITORING
    assert reason in play.told("second_skipped")[0]


def test_a_second_leg_with_too_little_margin_is_skipped_with_the_reason():
    """Room for less than the smallest order is no entry."""
    poor = {"balance": balance(available=Decimal(1))}
    play = (arrived(waiting()) >> looked("5", "-5", "0", but={"lighter2": poor})).played()
    assert "the smallest order is 0.1" in play.told("second_skipped")[0]


def test_a_second_entry_in_doubt_is_waited_for_and_a_late_fill_is_balanced():
    """No second order while the first is unresolved; when its fill turns up, Backpack gives back at once."""
    assert (
        second()
        >> unknown("lighter2", "entry:1")
        >> later(5)
        >> timer("look")
        << ALL
        >> looked("5", "-5", "5")
        >> later(20)
        >> filled("lighter2", "entry:1", "5")
        << ALL
        >> looked("5", "-5", "5")
        << "submit backpack rebalance:1 SELL 5 @998.1 reduce-only"
    )


def test_no_number_of_looks_ends_the_wait_for_a_second_entry_in_doubt():
    """The third leg is neither entered nor skipped while its order may still fill."""
    play = second(look_attempts=2) >> unknown("lighter2", "entry:1")
    for _ in range(4):
        play = play >> later(5) >> timer("look") << ALL >> looked("5", "-5", "0")
    assert play.played().state.phase is Phase.SECOND


def test_a_second_leg_liquidated_while_its_next_order_works_takes_the_group_out():
    """The order in flight is no reason to wait: what fills of it is closed when it fills."""
    assert (
        second()
        >> filled("lighter2", "entry:1", "2")
        << "submit backpack rebalance:1 SELL 2 @998.1 reduce-only"
        >> filled("backpack", "rebalance:1", "-2")
        >> closed("backpack", "rebalance:1", "2")
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        << """cancel-all l2
              submit backpack exit:1 SELL 3 @997.1 reduce-only
              submit lighter1 exit:1 BUY 5 @1003 reduce-only"""
        >> filled("lighter2", "entry:1", "3")
        >> closed("lighter2", "entry:1", "5")
        << "submit lighter2 exit:1 SELL 3 @997.1 reduce-only"
    )


def test_reduce_skips_the_second_leg():
    """REDUCE during the wait: no leg is made bigger, the two legs stay."""
    play = (arrived(waiting() >> operator(OperatorState.REDUCE))).played()
    assert play.state.second is SecondLeg.SKIPPED
    assert play.state.phase is Phase.MONITORING


def test_the_first_leg_liquidated_during_the_wait_takes_the_group_out():
    """Every phase with positions is watched, not only the last."""
    play = (
        waiting()
        >> drawn("3")
        >> filled("lighter1", None, "5", cause=FillCause.LIQUIDATION)
        << "submit backpack exit:1 SELL 5 @997.1 reduce-only"
        >> later(1)
        >> timer("look")
        << ALL
    ).played()
    assert play.state.exit_reason == "liquidated"


def test_an_account_that_disarms_during_the_wait_does_not_end_the_cycle():
    """A restart of an account actor is not a reason to leave."""
    play = (waiting() >> mode("lighter1", AccountMode.DISARMED) >> mode("lighter1", AccountMode.ARMED)).played()
    assert play.state.phase is Phase.WAITING
