"""What a person reads of a way out, and its invariants at their bounds."""

from decimal import Decimal

import pytest

from strategies.domain.commands import Notify
from strategies.domain.events import OperatorState, OperatorStateSet
from strategies.domain.ids import Timestamp
from strategies.flatten.invariants import violations
from strategies.flatten.state import FlattenParams, Phase, SentOrder
from strategies.machine import Outcome
from tests.strategies.flatten.scene import START, closed, closing, filled, flatten, seen, unknown
from tests.strategies.liquidation_hedge.scene import later, started, timer

D = Decimal
PARAMS = FlattenParams(exit_overlap_max=2)


def done(**params):
    """Play to the end of a flatten of one leg."""
    return (
        closing(**params)
        >> filled("lighter1", "flatten:1", "-5")
        >> closed("lighter1", "flatten:1", "5")
        >> later("0.6")
        >> timer("lighter1")
        << "observe lighter1"
        >> seen("lighter1", "0")
    )


def view_of(play):
    """Return the view at the end of a playbook."""
    play = play.played()
    return play.machine.view(play.state)


def notes(play):
    """Return everything that the operator was told: how grave, about what, in which words."""
    return [(str(c.severity), c.topic, c.text) for c in play.played().commands if isinstance(c, Notify)]


def vanished():
    """Play to a zero of the venue that the account cannot explain."""
    return flatten("lighter1") >> started() << "cancel-all l1\nobserve lighter1" >> seen("lighter1", "0", believed="5")


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (lambda: flatten("backpack", "lighter1") >> started() << "cancel-all bp\ncancel-all l1\nobserve backpack\n"
            "observe lighter1", "backpack has not been seen; lighter1 has not been seen"),
        (closing, "lighter1 holds 5, 1 open order(s)"),
        (lambda: closing(holds="-5"), "lighter1 holds -5, 1 open order(s)"),
        (lambda: closing() >> filled("lighter1", "flatten:1", "-2.10"), "lighter1 holds 2.9, 1 open order(s)"),
        (
            lambda: closing() >> filled("lighter1", "flatten:1", "-5") >> closed("lighter1", "flatten:1", "5"),
            "lighter1 the venue says flat",
        ),
        (vanished, "lighter1 the venue says flat, known was 5: asked again"),
        (
            lambda: flatten("lighter1") >> started() << "cancel-all l1\nobserve lighter1"
            >> seen("lighter1", "0", in_flight=2),
            "lighter1 the venue says flat, 2 open order(s)",
        ),
        (done, "nothing"),
    ],
)  # fmt: skip
def test_the_next_step_is_said_in_words(play, words):
    """Of every leg that is not confirmed: what it holds and how much is open there."""
    assert view_of(play()).next == words


def test_the_view_shows_what_the_state_holds():
    """Numbers of the run and of its leg, while an order is in doubt."""
    play = (closing() >> unknown("lighter1", "flatten:1")).played()
    view = play.machine.view(play.state)
    assert (view.phase, view.reason, view.cycle, view.cycles_done) == ("CLOSING", "just started", 1, 0)
    assert (view.outcome, view.operator_state) == (Outcome.RUNNING, OperatorState.FLATTEN)
    assert (view.mark, view.lot, view.hedged) == (1000, D("0.001"), False)
    leg = view.legs["lighter1"]
    order = play.state.legs["lighter1"].live[0].order_id
    assert (leg.account, leg.target, leg.believed, leg.known, leg.reported) == ("l1", 0, 5, True, 5)
    assert leg.reported_at == play.state.legs["lighter1"].reported_at
    assert (leg.in_flight, leg.unknown, leg.flat_at) == ((order,), (order,), None)
    assert view_of(closing()).legs["lighter1"].unknown == ()


def test_before_the_first_look_nothing_is_made_up():
    """A leg that nobody has seen is not known, and not flat."""
    view = view_of(flatten() >> started() << START)
    assert (view.mark, view.lot) == (None, None)
    assert [(leg.known, leg.reported, leg.believed) for leg in view.legs.values()] == [(False, None, 0)] * 3


def test_a_run_that_is_over_says_so():
    """Finished, counted, confirmed at a moment, and told once to the operator."""
    play = done().played()
    view = play.machine.view(play.state)
    assert (view.outcome, view.cycle, view.cycles_done) == (Outcome.FINISHED, 1, 1)
    assert view.reason == "every leg confirmed flat by its venue"
    assert view.legs["lighter1"].flat_at == play.now - 1
    assert view.hedged
    assert notes(done()) == [("INFO", "flat", "triad: every leg confirmed flat by its venue")]


def test_no_more_than_a_lot_is_hedged():
    """A lot of 0.001: that much is rounding, twice as much is not."""
    for left, hedged in (("-4.999", True), ("-4.998", False)):
        assert view_of(closing() >> filled("lighter1", "flatten:1", left)).hedged is hedged


def test_a_second_run_begins_with_its_reason():
    """By the operator's word: who, and why; cycles count the runs that came to their end."""
    word = "flat by hand"
    play = done() >> later(1)
    play = play >> (lambda at: OperatorStateSet(at=at, state=OperatorState.FLATTEN, by="operator:anna", reason=word))
    play = (play << "cancel-all l1\nobserve lighter1").played()
    view = play.machine.view(play.state)
    assert (view.reason, view.cycle, view.cycles_done) == ("FLATTEN by operator:anna: flat by hand", 2, 1)


def test_a_call_for_help_says_what_is_known():
    """How often it looked, what the leg holds, what the last order met and what the account complains of."""
    play = closing(exit_alert_attempts=2) >> closed("lighter1", "flatten:1", "0") >> later("0.6") >> timer("lighter1")
    play.quiet = (*play.quiet, "submit", "observe", "cancel-all")
    play = play >> seen("lighter1", "5", problems=("stream is silent", "clock is off"))
    (text,) = [text for severity, topic, text in notes(play) if (severity, topic) == ("CRITICAL", "flatten_stuck")]
    assert text == (
        "triad: lighter1 is still not confirmed flat after 2 looks: holds 5, 1 open order(s)"
        "; the last order: canceled; stream is silent, clock is off"
    )


def order(number, signed="1", filled="0"):
    """Return an order in flight."""
    return SentOrder(order_id=f"o{number}", signed=D(signed), filled=D(filled), sent_at=Timestamp(0))


def found(state):
    """Return each violation as one line."""
    return [f"{violation.name}: {violation.detail}" for violation in violations(state, PARAMS)]


def changed(state, **changes):
    """Return the state with its only leg changed."""
    return state.model_copy(update={"legs": {"lighter1": state.legs["lighter1"].model_copy(update=changes)}})


def test_what_a_run_may_be_breaks_nothing():
    """Full overlap, filled to the end, the smallest lot, a timer of the next millisecond, dust."""
    state, over = closing().played().state, done().played().state
    assert found(state) == []
    assert found(over) == []
    assert found(changed(state, live=(order(1, filled="1"), order(2, "-0.001")))) == []
    assert found(changed(state, look=None, live=(order(1, "0.0001"),))) == []
    assert found(state.model_copy(update={"timers": {"lighter1": state.now + 1}})) == []
    assert found(changed(over, quantity=D("0.0004"), dust=D("0.0004"))) == []
    assert found(over.model_copy(update={"timers": {}})) == []


def test_what_a_run_breaks_is_said():
    """One promise at a time, with the leg and the number."""
    state, over = closing().played().state, done().played().state
    assert found(changed(state, live=tuple(map(order, (1, 2, 3))))) == ["exits_bounded: lighter1: 3 open orders"]
    assert found(changed(state, live=(order(1, filled="1.01"),))) == ["never_overfilled: lighter1: 1.01 of 1"]
    assert found(changed(state, live=(order(1, "0.0001"),))) == [
        "whole_lots: lighter1: 0.0001 is not a multiple of 0.001"
    ]
    assert found(state.model_copy(update={"timers": {}})) == ["always_awake: lighter1 is open with nothing to wake it"]
    past = {"lighter1": state.now}
    assert found(state.model_copy(update={"timers": past})) == [f"timers_ahead: {past} at {state.now}"]
    assert found(over.model_copy(update={"phase": Phase.CLOSING})) == [
        "flat_ends: every leg is confirmed and the run goes on"
    ]
    assert found(changed(over, flat_at=None)) == ["flat_is_flat: over with ['lighter1'] not confirmed"]
    assert found(changed(over, quantity=D(1))) == ["confirmed_is_flat: lighter1 holds 1 with 0 open orders"]
    assert found(changed(over, live=(order(1),))) == ["confirmed_is_flat: lighter1 holds 0 with 1 open orders"]
