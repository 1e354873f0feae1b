"""The watch: what is uncovered is covered, what vanished is named, and no answer is not zero."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.commands import SetTimer, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.order import Lane
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.state import ExitReason, Phase
from strategies.risk import Limits
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    adjusted,
    closed,
    filled,
    hedge,
    instrument,
    later,
    looked,
    mode,
    monitoring,
    operator,
    rejected,
    restarted,
    timer,
    unknown,
)


def test_the_watch_looks_every_poll_interval():
    """One look per interval, counted from the answer before."""
    assert (
        monitoring(poll_interval_s=7)
        >> later(7)
        >> timer("look")
        << ALL
        >> looked("0", "-5", "5")
        >> later(7)
        >> timer("look")
        << ALL
    )


def test_a_partial_liquidation_is_balanced_at_once_and_the_group_stays():
    """Lighter 2 is cut from 5 to 3: Backpack buys 2."""
    play = (
        monitoring()
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        << "submit backpack rebalance:2 BUY 2 @1002"
        >> filled("backpack", "rebalance:2", "2")
        >> closed("backpack", "rebalance:2", "2")
    ).played()
    assert play.state.phase is Phase.MONITORING


def test_a_difference_within_the_tolerance_is_left_alone():
    """rebalance_tolerance bounds what is traded."""
    assert monitoring(rebalance_tolerance=2) >> filled("lighter2", None, "-2", cause=FillCause.ADL)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (FillCause.LIQUIDATION, ExitReason.LIQUIDATED),
        (FillCause.ADL, ExitReason.ADL),
        (FillCause.SETTLEMENT, ExitReason.SETTLED),
        (FillCause.FOREIGN, ExitReason.CLOSED_BY_OTHER),
    ],
)
def test_a_leg_back_at_zero_starts_the_exit_and_is_named_by_its_fill(cause, reason):
    """Both other legs go out at once, in parallel, reduce-only; the reason is the cause of the fill."""
    play = (
        monitoring()
        >> filled("lighter2", None, "-5", cause=cause)
        << "submit lighter1 exit:1 BUY 5 @1003 reduce-only"
        >> later(1)
        >> timer("look")
        << ALL
    ).played()
    assert play.state.exit_reason is reason
    assert "lighter2" in play.state.reason


def test_a_leg_closed_by_an_order_of_somebody_else_on_the_account_is_named_so():
    """An operator's own order has our account, and not our group's name."""
    play = monitoring()
    stranger = filled("lighter2", "exit:1", "-5")
    play = play >> (lambda at: renamed(stranger(at))) << "submit lighter1 exit:1 BUY 5 @1003 reduce-only"
    assert (play >> later(1) >> timer("look") << ALL).played().state.exit_reason is ExitReason.CLOSED_BY_OTHER


def test_what_a_way_out_closed_has_been_closed_by_somebody_else():
    """Panic and the supervisor's flatten sign with the group's name; released afterwards, the group goes out.

    Found by the alert drill: it watched empty legs for hedged ones.
    """
    run_at = 1_700_000_000_000
    play = (
        monitoring()
        >> restarted()
        << ALL
        >> filled("lighter1", "flatten:1", "5", cycle=run_at)
        >> filled("lighter2", "flatten:1", "-5", cycle=run_at)
        >> looked()
        >> later(1)
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert play.state.exit_reason is ExitReason.CLOSED_BY_OTHER
    assert (play.state.phase, play.state.cycles_done) == (Phase.ENDED, 1)


def renamed(event):
    """Return the fill as one of the operator's orders."""
    return event.model_copy(update={"fill": event.fill.model_copy(update={"order_id": "operator:panic:1"})})


def test_a_position_that_two_statements_deny_has_vanished():
    """The first look that says zero is looked at again; the second, later, starts the exit: leg_vanished."""
    play = (
        monitoring()
        >> later(5)
        >> timer("look")
        << ALL
        >> looked("0", "-5", "0")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("0", "-5", "0")
        << "submit lighter1 exit:1 BUY 5 @1003 reduce-only"
    ).played()
    assert play.state.exit_reason is ExitReason.LEG_VANISHED
    assert play.told("position_surprise")


def test_the_fill_that_explains_a_believed_statement_counts_once():
    """When the liquidation's fill arrives after its effect was believed, only the ledger changes."""
    play = (
        monitoring()
        >> later(5)
        >> timer("look")
        << ALL
        >> looked("0", "-5", "3")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("0", "-5", "3")
        << "submit backpack rebalance:2 BUY 2 @1002"
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        >> filled("backpack", "rebalance:2", "2")
        >> closed("backpack", "rebalance:2", "2")
    ).played()
    assert play.state.legs["lighter2"].quantity == 3
    assert play.state.legs["lighter2"].unexplained == 0
    assert play.state.phase is Phase.MONITORING


def test_a_look_that_is_older_than_a_fill_surprises_nobody():
    """A statement asked for before the last fill is not held against it."""
    play = (
        monitoring(max_quote_age_s=10)
        >> later(5)
        >> timer("look")
        << ALL
        >> later("0.1")
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        << "submit backpack rebalance:2 BUY 2 @1002"
        >> looked("0", "-5", "5")
    ).played()
    assert play.state.legs["lighter2"].surprise is None


def test_the_account_following_its_venue_is_believed_at_once():
    """PositionAdjusted is two statements already."""
    play = (
        monitoring()
        >> adjusted("lighter1", "-5", "0")
        << "submit lighter2 exit:1 SELL 5 @997.1 reduce-only"
        >> later(1)
        >> timer("look")
        << ALL
    ).played()
    assert play.state.exit_reason is ExitReason.LEG_VANISHED


def test_looks_without_an_answer_change_nothing_but_somebody_is_told():
    """However often a venue does not state a position, the group holds on; after look_attempts it says so, once."""
    play = monitoring()
    for _ in range(6):
        play = play >> later(5) >> timer("look") << ALL >> looked("0", "-5", None)
    play = play.played()
    assert play.state.phase is Phase.MONITORING
    assert len(play.told("blind")) == 1


def test_a_look_that_is_never_answered_is_asked_again():
    """After look_timeout_s the machine stops waiting and asks once more."""
    assert (
        monitoring()
        >> later(5)
        >> timer("look")
        << ALL
        >> later(8)
        >> timer("look")
        >> later("0.5")
        >> timer("look")
        << ALL
    )


def test_a_rebalance_that_fails_too_often_takes_the_group_out():
    """After rebalance_attempts refusals in a row the reason is the venue's."""
    play = (
        monitoring(rebalance_attempts=2, rebalance_delay_s=0)
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        << "submit backpack rebalance:2 BUY 2 @1002"
        >> later(1)
        >> rejected("backpack", "rebalance:2")
        << ALL
        >> looked("0", "-5", "3")
        << "submit backpack rebalance:3 BUY 2 @1003"
        >> later(1)
        >> rejected("backpack", "rebalance:3")
        << """submit lighter1 exit:1 BUY 5 @1003 reduce-only
              submit lighter2 exit:1 SELL 3 @997.1 reduce-only
              observe backpack lighter1 lighter2"""
    ).played()
    assert play.state.exit_reason is ExitReason.REBALANCE_FAILED
    assert "MARGIN" in play.state.reason


def test_a_rebalance_in_doubt_is_not_repeated_and_bounded_in_time():
    """No second order beside it; the group leaves when it stays uncovered for unhedged_max_s."""
    play = (
        monitoring()
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        << "submit backpack rebalance:2 BUY 2 @1002"
        >> unknown("backpack", "rebalance:2")
        >> later(15)
        >> timer("act")
        << """cancel-all bp
              submit lighter1 exit:1 BUY 5 @1040 reduce-only
              submit lighter2 exit:1 SELL 3 @960 reduce-only
              observe backpack lighter1 lighter2"""
    ).played()
    assert play.state.exit_reason is ExitReason.REBALANCE_FAILED


def test_no_rebalance_on_an_old_quote():
    """What opens risk waits for a fresh look."""
    assert (
        monitoring()
        >> later(6)
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        << ALL
        >> looked("0", "-5", "3")
        << "submit backpack rebalance:2 BUY 2 @1002"
    )


def test_a_restart_sets_every_timer_again():
    """Timers of the process before are gone: those that still matter are set anew, level by level."""
    play = monitoring().played()
    before = dict(play.state.timers)
    step = play.machine.step(play.state, restarted()(play.now))
    timers = {command.timer for command in step.commands if isinstance(command, SetTimer)}
    assert timers == set(before) == {"look", "cycle"}


def test_nothing_is_sent_after_a_restart_before_a_look():
    """The numbers from before are no basis, however young they are."""
    assert (
        monitoring()
        >> restarted()
        << ALL
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        >> looked("0", "-5", "3")
        << "submit backpack rebalance:2 BUY 2 @1002"
    )


def test_in_reduce_a_difference_is_covered_by_making_another_leg_smaller():
    """Lighter 2 was cut to 3: instead of buying on Backpack, Lighter 1 is brought to -3."""
    assert (
        monitoring()
        >> operator(OperatorState.REDUCE)
        >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
        << "submit lighter1 rebalance:1 BUY 2 @1002 reduce-only"
        >> filled("lighter1", "rebalance:1", "2")
        >> closed("lighter1", "rebalance:1", "2")
    )


def test_the_time_out_takes_the_group_out():
    """timeout_s after the cycle began all legs go."""
    play = (
        monitoring(timeout_s=600)
        >> later(600)
        >> timer("cycle")
        << """submit lighter1 exit:1 BUY 5 @1040 reduce-only
              submit lighter2 exit:1 SELL 5 @960 reduce-only
              observe backpack lighter1 lighter2"""
    ).played()
    assert play.state.exit_reason is ExitReason.TIMEOUT


def test_a_cycle_that_loses_more_than_its_limit_exits_and_parks():
    """Unrealised losses count; a person has to look before the next cycle."""
    play = (
        monitoring(limits=Limits(max_cycle_loss_usd=Decimal(100)))
        >> filled("lighter2", None, "-2", price="900", cause=FillCause.LIQUIDATION)
        << "submit backpack rebalance:2 BUY 2 @1002"
        >> filled("backpack", "rebalance:2", "2")
        >> closed("backpack", "rebalance:2", "2")
        >> later(5)
        >> timer("look")
        << ALL
        >> looked("2", "-5", "3")
        << """submit backpack exit:1 SELL 2 @997.1 reduce-only
              submit lighter1 exit:1 BUY 5 @1003 reduce-only
              submit lighter2 exit:1 SELL 3 @997.1 reduce-only"""
    ).played()
    assert play.state.exit_reason is ExitReason.LOSS_LIMIT


def test_a_frozen_account_is_made_smaller_by_orders_that_it_lets_out():
    """Somebody else has bought 2 on Lighter 1: Lighter 2 gives back 2, as an exit, though Backpack could grow."""
    play = (
        monitoring()
        >> mode("lighter2", AccountMode.FROZEN)
        >> filled("lighter1", None, "2", cause=FillCause.FOREIGN)
        << "submit lighter2 rebalance:1 SELL 2 @998.1 reduce-only"
    ).played()
    [order] = [c.order for c in play.commands if isinstance(c, SubmitOrder)][-1:]
    assert order.lane is Lane.EXIT


def test_a_frozen_account_alone_closes_nothing():
    """What stands and is covered stays: a person decides."""
    play = (monitoring() >> mode("backpack", AccountMode.FROZEN) >> later(5) >> timer("look") << ALL).played()
    assert play.state.phase is Phase.MONITORING


def test_takers_that_are_free_of_minimums_hedge_to_the_lot():
    """Where the minimum binds resting orders only, a fill of 0.05 is hedged."""
    free = {"instrument": instrument(maker_minimums_only=True)}
    assert (
        hedge()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but={"lighter1": free})
        << "submit backpack entry:1 BUY 5 @1002"
        >> filled("backpack", "entry:1", "0.05")
        << "submit lighter1 hedge:1 SELL 0.05 @998.1"
    )
