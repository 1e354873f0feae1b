"""The way out: all legs at once, reduce-only, for ever, until every venue has said that nothing is left."""

from decimal import Decimal

from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.state import ExitReason, Phase
from strategies.machine import Outcome
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    closed,
    entering,
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
    started,
    timer,
    unknown,
    waiting,
)


def leaving(**params):
    """Play to the exit of three legs: Lighter 1 at -5 and Lighter 2 at +5 are being closed."""
    return (
        monitoring(**params)
        >> later(1)
        >> operator(OperatorState.FLATTEN)
        << """submit lighter1 exit:1 BUY 5 @1003 reduce-only
              submit lighter2 exit:1 SELL 5 @997.1 reduce-only
              observe backpack lighter1 lighter2"""
    )


def test_an_exit_ends_when_every_venue_confirms_it():
    """Fills alone do not end it: a look asked for after the last of them has to say flat on every leg."""
    play = (
        leaving()
        >> filled("lighter1", "exit:1", "5")
        >> closed("lighter1", "exit:1", "5")
        >> looked("0", "0", "5")
        >> filled("lighter2", "exit:1", "-5")
        >> closed("lighter2", "exit:1", "5")
        >> later("0.5")
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert play.state.phase is Phase.ENDED
    assert play.machine.view(play.state).outcome is Outcome.FINISHED


def test_an_exit_needs_the_answer_of_every_venue():
    """A venue that does not state its position keeps the exit open, however flat our fills are."""
    play = (
        leaving()
        >> filled("lighter1", "exit:1", "5")
        >> closed("lighter1", "exit:1", "5")
        >> filled("lighter2", "exit:1", "-5")
        >> closed("lighter2", "exit:1", "5")
        >> looked(None, "0", "0")
        >> later("0.5")
        >> timer("look")
        << ALL
        >> looked("0", None, "0")
    ).played()
    assert play.state.phase is Phase.EXITING


def test_an_exit_order_that_does_not_fill_is_followed_by_a_wider_one():
    """Slippage doubles with every failure, up to the cap; the rest doubles, too."""
    assert (
        leaving()
        >> filled("lighter2", "exit:1", "-5")
        >> closed("lighter2", "exit:1", "5")
        >> later("0.3")
        >> looked("0", "-5", "0")
        >> closed("lighter1", "exit:1", "0")
        >> later("0.25")
        >> timer("act")
        << """submit lighter1 exit:2 BUY 5 @1005 reduce-only
              observe backpack lighter1 lighter2"""
        >> closed("lighter1", "exit:2", "0")
        >> later("0.5")
        >> timer("act")
        << "submit lighter1 exit:3 BUY 5 @1009 reduce-only"
        >> closed("lighter1", "exit:3", "0")
        >> later("1")
        >> timer("act")
        << "submit lighter1 exit:4 BUY 5 @1017 reduce-only"
    )


def test_an_exit_never_gives_up_and_calls_for_help():
    """After exit_alert_attempts looks the operator is called, then at twice as many; orders go on, capped."""
    play = leaving(exit_alert_attempts=2, exit_delay_max_s=1)
    play = play >> filled("lighter2", "exit:1", "-5") >> closed("lighter2", "exit:1", "5") >> looked("0", "-5", "0")
    play = play >> later(3)
    play.quiet = (*play.quiet, "observe")
    prices = ["1005", "1009", "1017", "1033", "1041", "1041", "1041"]
    for attempt, price in enumerate(prices, start=2):
        play = (
            play
            >> rejected("lighter1", f"exit:{attempt - 1}")
            >> later(1)
            >> timer("act")
            << f"submit lighter1 exit:{attempt} BUY 5 @{price} reduce-only"
            >> looked("0", "-5", "0")
        )
    play = play.played()
    assert play.state.phase is Phase.EXITING
    assert len(play.told("exit_stuck")) == 3  # after 2, 4 and 8 looks


def test_a_partial_exit_fill_is_followed_by_the_rest():
    """What is left is ordered again at once, and a fill resets the slippage."""
    assert (
        leaving()
        >> filled("lighter1", "exit:1", "3")
        >> closed("lighter1", "exit:1", "3")
        << "submit lighter1 exit:2 BUY 2 @1003 reduce-only"
    )


def test_a_fill_that_lands_after_the_exit_began_is_closed_too():
    """The entry order was still working when the exit began: its late fill is one more thing to close."""
    assert (
        entering()
        >> later(1)
        >> operator(OperatorState.FLATTEN)
        << """cancel-all bp
              observe backpack lighter1 lighter2"""
        >> filled("backpack", "entry:1", "5")
        >> closed("backpack", "entry:1", "5")
        << "submit backpack exit:1 SELL 5 @997.1 reduce-only"
    )


def test_an_exit_does_not_wait_for_the_proof_of_an_entry_in_doubt():
    """The venue states a position that the doubtful entry explains: a reduce-only order closes it beside the doubt."""
    play = (
        entering()
        >> unknown("backpack", "entry:1")
        >> later(1)
        >> operator(OperatorState.FLATTEN)
        << """cancel-all bp
              observe backpack lighter1 lighter2"""
        >> later("0.1")
        >> looked("5", "0", "0")
        << "submit backpack exit:1 SELL 5 @997.1 reduce-only"
        >> filled("backpack", "entry:1", "5")
        >> closed("backpack", "entry:1", "5")
        >> filled("backpack", "exit:1", "-5")
        >> closed("backpack", "exit:1", "5")
    ).played()
    assert play.state.legs["backpack"].quantity == 0


def test_an_exit_does_not_end_while_an_order_is_in_doubt():
    """All positions are zero, but the doubtful entry may still execute: the exit goes on looking."""
    play = (
        entering()
        >> unknown("backpack", "entry:1")
        >> later(1)
        >> operator(OperatorState.FLATTEN)
        << """cancel-all bp
              observe backpack lighter1 lighter2"""
        >> looked()
        >> later("0.25")
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert play.state.phase is Phase.EXITING


def test_an_exit_order_in_doubt_may_be_joined_by_another_within_bounds():
    """After confirm_timeout_s a second reduce-only order joins; not more than exit_overlap_max stand open."""
    play = leaving(exit_overlap_max=2) >> filled("lighter2", "exit:1", "-5") >> closed("lighter2", "exit:1", "5")
    play.quiet = (*play.quiet, "observe")
    play = (
        play
        >> unknown("lighter1", "exit:1")
        >> later("0.1")
        >> looked("0", "-5", "0")
        >> later("1.9")
        >> timer("act")
        << "submit lighter1 exit:2 BUY 5 @1003 reduce-only"
        >> unknown("lighter1", "exit:2")
        >> later(1)
        >> looked("0", "-5", "0")
        >> later(60)
        >> timer("act")
        >> filled("lighter1", "exit:2", "5")
        >> closed("lighter1", "exit:2", "5")
    )
    assert play


def test_no_exit_order_joins_a_doubtful_one_when_the_venue_says_flat():
    """The doubtful exit has evidently filled: its proof is awaited, nothing is added."""
    play = leaving() >> filled("lighter2", "exit:1", "-5") >> closed("lighter2", "exit:1", "5")
    play.quiet = (*play.quiet, "observe")
    play = play >> unknown("lighter1", "exit:1") >> later("0.1") >> looked() >> later("0.25") >> timer("look")
    assert play >> looked() >> later(5) >> timer("act")


def test_what_is_smaller_than_a_lot_is_dust_at_once():
    """0.0004 cannot be an order: named with its value, and the exit ends."""
    play = (
        hedge()
        >> started()
        >> operator(OperatorState.FLATTEN)
        << ALL
        >> looked("0", "0.0004", "0")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("0", "0.0004", "0")
        >> later("0.5")
        >> timer("look")
        << ALL
        >> looked("0", "0.0004", "0")
    ).played()
    assert play.state.phase is Phase.IDLE
    assert play.machine.view(play.state).legs["lighter1"].dust_usd == Decimal("0.4")
    assert "0.4000 USD" in play.told("dust")[0]


def test_what_the_venue_refuses_as_too_small_becomes_dust_after_bounded_attempts():
    """0.05 is below the minimum of 0.1: closing it is tried dust_attempts times, never more, then named."""
    play = (
        entering()
        >> filled("backpack", "entry:1", "0.05")
        >> closed("backpack", "entry:1", "0.05")
        << "submit backpack exit:1 SELL 0.05 @997.1 reduce-only"
        >> rejected("backpack", "exit:1", "TOO_SMALL")
        >> later("0.25")
        >> timer("act")
        << "submit backpack exit:2 SELL 0.05 @995.1 reduce-only"
        >> later("0.5")
        >> rejected("backpack", "exit:2", "TOO_SMALL")
        << ALL
        >> looked("0.05", "0", "0")
    ).played()
    assert play.state.phase is Phase.IDLE
    assert "50.0000 USD" in play.told("dust")[0]


def test_dust_is_not_traded_in_the_next_cycle():
    """What an exit left as dust neither keeps the next cycle from starting nor is ordered again."""
    play = (
        entering(start_retry_s=5)
        >> filled("backpack", "entry:1", "0.05")
        >> closed("backpack", "entry:1", "0.05")
        << "submit backpack exit:1 SELL 0.05 @997.1 reduce-only"
        >> rejected("backpack", "exit:1", "TOO_SMALL")
        >> later("0.25")
        >> timer("act")
        << "submit backpack exit:2 SELL 0.05 @995.1 reduce-only"
        >> later("0.5")
        >> rejected("backpack", "exit:2", "TOO_SMALL")
        << ALL
        >> looked("0.05", "0", "0")
        >> later(5)
        >> timer("act")
        << ALL
        >> looked("0.05", "0", "0")
        << "submit backpack entry:1 BUY 5 @1002"
    )
    assert play


def test_flatten_stays_latched_over_a_restart_and_over_run():
    """Neither a restart nor a change of mind ends the exit before every leg is confirmed flat."""
    play = (
        leaving()
        >> restarted()
        << ALL
        >> operator(OperatorState.RUN)
        >> closed("lighter1", "exit:1", "0")
        >> looked("0", "-5", "5")
        >> later("0.25")
        >> timer("act")
        << """submit lighter1 exit:2 BUY 5 @1005 reduce-only
              observe backpack lighter1 lighter2"""
    ).played()
    assert play.state.flatten
    assert play.state.phase is Phase.EXITING


def test_after_flatten_the_group_stays_out_until_run():
    """Flat by the operator's word: no new cycle, until RUN."""
    play = (
        leaving(max_cycles=0)
        >> filled("lighter1", "exit:1", "5")
        >> closed("lighter1", "exit:1", "5")
        >> filled("lighter2", "exit:1", "-5")
        >> closed("lighter2", "exit:1", "5")
        >> looked()
        >> later("0.25")
        >> timer("look")
        << ALL
        >> looked()
        >> later(600)
        >> timer("act")
        >> operator(OperatorState.RUN)
        << ALL
    )
    assert play


def test_flatten_closes_what_a_fresh_group_finds():
    """Positions that the group did not make are closed on the operator's word, when two looks agree on them."""
    assert (
        hedge()
        >> started()
        >> operator(OperatorState.FLATTEN)
        << ALL
        >> looked("0", "3", "0")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("0", "3", "0")
        << "submit lighter1 exit:1 SELL 3 @997.1 reduce-only"
    )


def test_nothing_is_sent_after_a_restart_before_a_look_even_to_exit():
    """The exit goes on from what the venues say now."""
    assert (
        leaving()
        >> closed("lighter1", "exit:1", "0")
        >> restarted()
        << ALL
        >> later("0.25")
        >> timer("act")
        >> looked("0", "-5", "5")
        << "submit lighter1 exit:2 BUY 5 @1005 reduce-only"
    )


def test_exits_are_ordered_whatever_the_account_says_of_itself():
    """A disarmed account keeps the order for a while; waiting here would lose time there."""
    assert (
        waiting()
        >> mode("lighter1", AccountMode.DISARMED)
        >> later(1)
        >> operator(OperatorState.FLATTEN)
        << """submit backpack exit:1 SELL 5 @997.1 reduce-only
              submit lighter1 exit:1 BUY 5 @1003 reduce-only
              observe backpack lighter1 lighter2"""
    )


def test_a_late_fill_after_the_end_is_closed_and_the_end_is_the_end_again():
    """The group had finished; a fill of its own turns up; it is closed and the group is finished again."""
    done = (
        leaving()
        >> filled("lighter1", "exit:1", "5")
        >> closed("lighter1", "exit:1", "5")
        >> filled("lighter2", "exit:1", "-5")
        >> closed("lighter2", "exit:1", "5")
        >> looked()
        >> later("0.25")
        >> timer("look")
        << ALL
        >> looked()
        >> later(30)
        >> filled("lighter2", "entry:1", "1", trade="late")
        << """submit lighter2 exit:2 SELL 1 @960 reduce-only
              observe backpack lighter1 lighter2"""
        >> filled("lighter2", "exit:2", "-1")
        >> closed("lighter2", "exit:2", "1")
        >> looked()
        >> later("0.25")
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert done.state.exit_reason is ExitReason.LATE_FILL
    assert done.machine.view(done.state).outcome is Outcome.FINISHED
    assert done.state.cycles_done == 1


def test_a_fill_that_comes_after_its_order_was_closed_is_counted_once():
    """The end said 5, the fills so far 2: 5 are held and hedged; the fill of 3 that follows changes nothing."""
    play = (
        entering()
        >> filled("backpack", "entry:1", "2")
        << "submit lighter1 hedge:1 SELL 2 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> filled("lighter1", "hedge:1", "-2")
        >> closed("lighter1", "hedge:1", "2")
        << "submit lighter1 hedge:2 SELL 3 @998.1"
        >> filled("backpack", "entry:1", "3")
        >> filled("lighter1", "hedge:2", "-3")
        >> closed("lighter1", "hedge:2", "3")
        << "draw wait:1 2..5"
    ).played()
    assert play.state.legs["backpack"].quantity == 5
    assert play.state.legs["backpack"].owed == ()


def test_the_exit_tells_what_each_leg_made():
    """Realised profit after fees, by leg and in sum."""
    play = (
        leaving()
        >> filled("lighter1", "exit:1", "5", price="990")
        >> closed("lighter1", "exit:1", "5")
        >> filled("lighter2", "exit:1", "-5", price="980")
        >> closed("lighter2", "exit:1", "5")
        >> looked()
        >> later("0.25")
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert "-50.0000 USD" in play.told("flat")[0]
    assert "lighter1 +50.0000, lighter2 -100.0000" in play.told("flat")[0]


def test_a_liquidation_during_the_exit_is_an_ordinary_case():
    """The venue was faster: our reduce-only order finds nothing, and the leg is flat."""
    play = (
        leaving()
        >> filled("lighter1", None, "5", cause=FillCause.LIQUIDATION)
        >> rejected("lighter1", "exit:1", "REDUCE_ONLY")
        >> filled("lighter2", "exit:1", "-5")
        >> closed("lighter2", "exit:1", "5")
        >> looked()
        >> later("0.25")
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert play.state.phase is Phase.ENDED


def test_an_exit_without_an_instrument_waits_for_one():
    """A group that has never seen its venues cannot order, only look."""
    assert (
        hedge()
        >> started()
        >> operator(OperatorState.FLATTEN)
        << ALL
        >> filled("lighter1", None, "3", cause=FillCause.FOREIGN)
        >> looked("0", "3", "0", but={"lighter1": {"instrument": None}})
        >> later("0.5")
        >> timer("look")
        << ALL
        >> looked("0", "3", "0", but={"lighter1": {"instrument": instrument()}})
        << "submit lighter1 exit:1 SELL 3 @997.1 reduce-only"
    )
