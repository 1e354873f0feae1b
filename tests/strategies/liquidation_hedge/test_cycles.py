"""Cycles: how they repeat, what ends them, and how the operator's word bears on them."""

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.params import Direction
from strategies.liquidation_hedge.state import TRANSITIONS, Phase
from strategies.liquidation_hedge.turn import IllegalPhaseError, Turn
from strategies.machine import Outcome
from tests.strategies.liquidation_hedge.judgement import judge
from tests.strategies.liquidation_hedge.scene import closed, hedge, machine, started
from tests.strategies.liquidation_hedge.world import World


def world(**params):
    """Return a running world that judges every step."""
    subject = machine(**params)
    made = World(subject, judge(subject, subject._setting.params))
    made.start()
    return made


def test_max_cycles_reached_is_finished_flat():
    """The group ends FINISHED, and every leg is flat at its venue."""
    w = world(max_cycles=2, timeout_s=60)
    w.calm_until(lambda w: w.phase == "ENDED")
    assert w.machine.view(w.state).outcome is Outcome.FINISHED
    assert set(w.positions.values()) == {0}


def test_ids_of_a_life_whose_journal_was_lost_are_not_used_again():
    """The accounts still tell of cycle 3 and its two exit orders: the next ids come after them."""
    play = (
        hedge()
        >> started()
        >> closed("backpack", "entry:1", "5", cycle=3)
        >> closed("backpack", "exit:2", "5", cycle=3)
        >> closed("lighter1", "hedge:1", "5", cycle=2)
    ).played()
    assert play.state.cycle == 3
    assert play.state.legs["backpack"].made == {"entry": 1, "exit": 2}
    assert play.state.legs["lighter1"].made == {}


def test_zero_max_cycles_never_ends():
    """max_cycles = 0 goes on."""
    w = world(max_cycles=0, timeout_s=30)
    w.calm_until(lambda w: w.state.cycles_done == 7)
    assert w.machine.view(w.state).outcome is Outcome.RUNNING


def test_only_a_time_out_turns_the_direction():
    """A liquidation leaves the direction as it was."""
    w = world(max_cycles=0)
    w.calm_until(lambda w: w.phase == "MONITORING")
    w.force(w.venues["lighter2"], -w.venues["lighter2"].position, FillCause.LIQUIDATION)
    w.calm_until(lambda w: w.state.cycle == 2)
    assert w.state.direction is Direction.LONG_BACKPACK


def test_a_liquidation_in_one_cycle_does_not_bear_on_the_next():
    """The next cycle reaches its watch with all three legs, and without another exit."""
    w = world(max_cycles=0)
    w.calm_until(lambda w: w.phase == "MONITORING")
    w.force(w.venues["lighter2"], -w.venues["lighter2"].position, FillCause.LIQUIDATION)
    w.calm_until(lambda w: w.state.cycle == 2 and w.phase == "MONITORING")
    assert [note.topic for note in w.notes].count("exit") == 1
    assert [abs(quantity) for quantity in w.positions.values()] == [0, 5, 5]


def test_pause_finishes_the_cycle_and_starts_no_other():
    """PAUSE in the watch: the cycle runs to its end, then the group waits for RUN."""
    w = world(max_cycles=0, timeout_s=60)
    w.calm_until(lambda w: w.phase == "MONITORING")
    w.operate(OperatorState.PAUSE)
    w.calm_until(lambda w: w.phase == "IDLE")
    assert not w.timers
    w.operate(OperatorState.RUN)
    w.calm_until(lambda w: w.phase == "MONITORING")
    assert w.state.cycle == 2


def test_flatten_then_run_starts_the_next_cycle():
    """FLATTEN ends the cycle and holds the group; RUN lets it go on with the next."""
    w = world(max_cycles=0)
    w.calm_until(lambda w: w.phase == "MONITORING")
    w.operate(OperatorState.FLATTEN)
    w.calm_until(lambda w: w.phase == "IDLE")
    assert set(w.positions.values()) == {0}
    w.operate(OperatorState.RUN)
    w.calm_until(lambda w: w.phase == "MONITORING")


def test_a_frozen_account_parks_the_group_flat():
    """The cycle ends by its time-out; then starts fail on the frozen account until a person is called."""
    w = world(max_cycles=0, start_failures_max=2, timeout_s=60)
    w.calm_until(lambda w: w.phase == "MONITORING")
    w.set_mode(w.venues["lighter1"], AccountMode.FROZEN)
    w.calm_until(lambda w: w.phase == "ENDED")
    assert w.machine.view(w.state).outcome is Outcome.PARKED
    assert set(w.positions.values()) == {0}


def test_pause_during_the_preparation_stops_it():
    """Nothing is held yet: PAUSE, REDUCE and FLATTEN all end the start at once."""
    w = world()
    w.operate(OperatorState.PAUSE)
    assert w.phase == "IDLE"


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_says_what_comes_next(phase):
    """The view has words for each phase."""
    w = world()
    view = w.machine.view(w.state.model_copy(update={"phase": phase}))
    assert view.next


def test_the_words_name_the_order_that_comes_next():
    """Quantity, instrument and leg."""
    w = world()
    w.calm_until(lambda w: bool(w.venues["lighter1"].working))
    assert w.machine.view(w.state).next == "hedge 5 ETH-PERP on lighter1"
    w.calm_until(lambda w: w.phase == "WAITING" and w.state.enter_due_at is not None)
    assert w.machine.view(w.state).next.startswith("enter lighter2 at ")


def test_an_order_in_doubt_is_what_everybody_waits_for():
    """The view names it, among the unknown."""
    w = world()
    w.calm_until(lambda w: bool(w.venues["backpack"].working))
    w.lose_answer(w.venues["backpack"], w.venues["backpack"].working[0])
    while w.venues["backpack"].facts:
        w.tell(w.venues["backpack"])
    view = w.machine.view(w.state)
    assert view.legs["backpack"].unknown == ("triad:1:backpack:entry:1",)
    assert "proof" in view.next


def test_a_move_that_the_table_does_not_have_is_an_error():
    """IDLE to MONITORING is not in the table."""
    subject = machine()
    turn = Turn(subject._setting, subject.start(), subject.start().now)
    with pytest.raises(IllegalPhaseError, match="IDLE -> MONITORING"):
        turn.enter(Phase.MONITORING, "no")


def test_the_table_has_a_row_for_every_phase():
    """No phase is forgotten, and each can be left."""
    assert set(TRANSITIONS) == set(Phase)
    assert all(TRANSITIONS.values())
