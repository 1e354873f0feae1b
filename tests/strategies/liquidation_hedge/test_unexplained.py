"""A position that our fills do not explain: nothing that grows is sized from it, and the waiting ends."""

import pytest

from strategies.domain.commands import SubmitOrder
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.invariants import step_violations, violations
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import ExitReason, Phase
from tests.playbook import Playbook
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    PARAMS,
    closed,
    drawn,
    entering,
    filled,
    later,
    looked,
    machine,
    monitoring,
    rejected,
    restarted,
    timer,
    waiting,
)


def naked(**params: object) -> Playbook:
    """Play to a hedge that was refused: Backpack +5, nothing against it, the next look due."""
    return (
        entering(**params)
        >> filled("backpack", "entry:1", "5", trade="b1")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> rejected("lighter1", "hedge:1")
        >> later("0.5")
        >> timer("act")
        << ALL
    )


def test_a_hedge_waits_for_the_second_look_at_the_leg_that_it_covers():
    """Backpack is said to hold 2 where our fills say 5: no hedge of 5 leaves; two statements make it a hedge of 2."""
    play = (
        naked()
        >> later("0.5")
        >> looked("2", "0", "0")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("2", "0", "0")
        << "submit lighter1 hedge:2 SELL 2 @997.1"
    ).played()
    assert play.told("position_surprise")


def test_a_hedge_waits_for_the_second_look_at_its_own_leg():
    """Lighter 1 is said to be short 5 already: hedging again on our own count would make it 10."""
    play = (
        naked()
        >> later("0.5")
        >> looked("5", "-5", "0")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("5", "-5", "0")
        << "draw wait:1 2..5"
    ).played()
    assert play.state.legs["lighter1"].quantity == -5


def test_a_hedge_goes_on_as_soon_as_a_look_agrees():
    """A statement that was only old is no reason to stand naked for longer than the second look takes."""
    assert (
        naked()
        >> later("0.5")
        >> looked("0", "0", "0")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("5", "0", "0")
        << "submit lighter1 hedge:2 SELL 5 @997.1"
    )


def test_a_fill_that_explains_the_difference_lets_the_hedge_go_on_at_once():
    """What Backpack was said to hold arrives as a fill of its own: the hedge leaves for what is held now."""
    assert (
        naked()
        >> later("0.5")
        >> looked("7", "0", "0")
        >> filled("backpack", None, "2", cause=FillCause.FOREIGN)
        << "submit lighter1 hedge:2 SELL 7 @997.1"
    )


def test_a_hedge_does_not_wait_for_a_leg_that_it_is_not_sized_from():
    """Whatever Lighter 2 is said to hold, the hedge covers Backpack now."""
    assert naked() >> later("0.5") >> looked("5", "0", "3") << "submit lighter1 hedge:2 SELL 5 @997.1"


def test_the_third_leg_waits_for_a_difference_on_any_leg():
    """Lighter 2 looks fine; it is sized from the other two, and one of those is not explained."""
    assert (
        waiting()
        >> drawn("3")
        >> later(3)
        >> timer("enter")
        << ALL
        >> looked("5", "-3", "0")
        >> later(2)
        >> timer("look")
        << ALL
        >> looked("5", "-5", "0")
        << "submit lighter2 entry:1 BUY 5 @1002"
    )


def test_a_growing_rebalance_waits_and_a_reducing_one_goes_on():
    """Lighter 2 loses 2 while Lighter 1 is not explained: growing Backpack waits, giving back does not."""
    lost = monitoring() >> later(5) >> timer("look") << ALL >> looked("0", "-3", "5")
    assert lost >> filled("lighter2", None, "-2", cause=FillCause.LIQUIDATION)
    held = waiting() >> later(5) >> timer("look") << ALL >> looked("5", "-5", "1")
    assert (
        held
        >> filled("lighter1", None, "2", cause=FillCause.ADL)
        << "submit backpack rebalance:1 SELL 2 @998.1 reduce-only"
    )


@pytest.mark.parametrize("statements", [("1", "2", "3", "4"), (None, None, None, None)], ids=["changing", "silent"])
def test_a_difference_that_nothing_ends_becomes_an_exit(statements: tuple[str | None, ...]):
    """A number that changes at every look, and a venue that says no more: after the bound the group gets out."""
    play = monitoring(unexplained_max_s=10, max_quote_age_s=100) >> later(5) >> timer("look") << ALL
    play = play >> looked("0", "-5", "4.5")
    for held in statements:
        play = play >> later(2) >> timer("look") << ALL >> looked("0", "-5", held)
    play = (
        play
        >> later(2)
        >> timer("act")
        << "submit lighter1 exit:1 BUY 5 @1003 reduce-only"
        << "submit lighter2 exit:1 SELL 5 @997.1 reduce-only"
        << ALL
    ).played()
    assert play.state.exit_reason is ExitReason.UNEXPLAINED_POSITION
    assert "our fills say 5" in play.state.reason


def test_the_exit_for_being_uncovered_names_what_it_waited_for():
    """A hedge that waited for an explanation until the group had been naked for too long says so."""
    play = naked(unhedged_max_s=3) >> later("0.5") >> looked("2", "0", "0") >> later(1) >> looked("3", "0", "0")
    play = (play >> later("1.5") >> timer("act") << "submit backpack exit:1 SELL 5 @997.1 reduce-only" << ALL).played()
    assert play.state.exit_reason is ExitReason.HEDGE_FAILED
    assert "backpack is said to hold 3, our fills say 5" in play.state.reason


def test_the_time_counts_from_the_first_difference_and_ends_with_the_last():
    """Another number is the same doubt; an agreeing look, or a restart that looks anew, ends it."""
    play = monitoring() >> later(5) >> timer("look") << ALL >> looked("0", "-5", "4")
    since = play.played().state.unexplained_since
    assert since is not None
    play = play >> later(2) >> timer("look") << ALL >> looked("0", "-5", "3")
    assert play.played().state.unexplained_since == since
    play = play >> later(2) >> timer("look") << ALL >> looked("0", "-5", "5")
    assert play.played().state.unexplained_since is None
    play = play >> later(5) >> timer("look") << ALL >> looked("0", "-5", "4") >> restarted() << ALL
    assert play.played().state.unexplained_since is None


def test_an_account_that_refuses_at_once_is_not_asked_without_a_pause():
    """A second look that comes back empty in the same moment is followed by a rest, not by the next look."""
    play = monitoring(look_retry_s=1) >> later(5) >> timer("look") << ALL >> looked("0", "-5", "4")
    play = play >> later(2) >> timer("look") << ALL >> looked(None, None, None)
    assert play.played().state.looking_since is None


def test_what_is_awaited_is_said_with_both_numbers():
    """The page shows what the venue says and what our fills say."""
    play = (monitoring() >> later(5) >> timer("look") << ALL >> looked("0", "-5", "4")).played()
    assert machine().view(play.state).next == "a second look: lighter2 is said to hold 4, our fills say 5"


def test_the_judge_catches_an_order_that_was_sized_from_a_difference():
    """The invariants that the fuzzers hold every step against know this rule, too."""
    params = LiquidationHedgeParams.model_validate(PARAMS)
    before = naked().played().state
    play = (naked() >> later("0.5") >> looked("5", "0", "0") << "submit lighter1 hedge:2 SELL 5 @997.1").played()
    asked = (naked() >> later("0.5") >> looked("2", "0", "0")).played().state.legs["backpack"].surprise
    doubtful = play.state.legs["backpack"].model_copy(update={"surprise": asked})
    forged = play.state.model_copy(update={"legs": {**play.state.legs, "backpack": doubtful}})
    order = [command for command in play.commands if isinstance(command, SubmitOrder)][-1:]
    assert {v.name for v in step_violations(before, forged, order)} == {"unexplained_waits"}
    assert "doubt_is_timed" in {v.name for v in violations(forged, params)}
    assert play.state.phase is Phase.ENTERING
