"""Leaving, at the bounds: what an exit begins and ends with, when it looks, and how it calls for help."""

from decimal import Decimal

import pytest

from strategies.domain.commands import CancelAllOrders, Notify
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.position import Position
from strategies.liquidation_hedge.exiting import begin_exit, exit_all, park, start_failed
from strategies.liquidation_hedge.state import ExitReason, LiveOrder, Phase, Purpose, Surprise, evolve
from strategies.liquidation_hedge.turn import Turn
from strategies.machine import Outcome
from tests.strategies.liquidation_hedge.scene import later, machine, monitoring, operator

D = Decimal


@pytest.fixture(scope="module")
def watched():
    """Return the watch over 0, -5, +5."""
    return monitoring().played().state


@pytest.fixture(scope="module")
def leaving():
    """Return an exit with an order on both Lighter legs and a look under way."""
    play = monitoring() >> later(1) >> operator(OperatorState.FLATTEN)
    play.quiet = (*play.quiet, "submit", "observe")
    return play.played().state


def turn(state, at=0, *, answered=False, **params):
    """Return a turn `at` milliseconds after the state."""
    made = Turn(machine(**params)._setting, state, Timestamp(state.now + at))
    made.answered = answered
    return made


def with_leg(state, name, **changes):
    """Return the state with a leg changed."""
    return evolve(state, legs={**state.legs, name: evolve(state.legs[name], **changes)})


def order(state, *, reduce_only):
    """Return an order in flight that was sent now."""
    return LiveOrder(
        order_id="o", purpose=Purpose.REBALANCE, signed=D(1), reduce_only=reduce_only, sent_at=Timestamp(state.now)
    )


def texts(made, topic):
    """Return what the operator was told on a topic."""
    return [c.text for c in made.commands if isinstance(c, Notify) and c.topic == topic]


def test_an_exit_begins_with_nothing_from_before(watched):
    """Every wait of the cycle is over, and every leg wants nothing, may order at once and has no failures."""
    waits = dict.fromkeys(("cycle_due_at", "enter_due_at", "unhedged_since", "unexplained_since"), Timestamp(9))
    state = evolve(watched, **waits, draw_pending=True, exit_looks=4, exit_alert_at=99, looking_since=None)
    leg = {"target": D(3), "failures": 2, "not_before": Timestamp(2**50), "stray": D(1), "dust": D(1)}
    made = turn(with_leg(state, "lighter1", **leg, leverage_due_at=Timestamp(9)), 5, exit_alert_attempts=7)
    begin_exit(made, ExitReason.ADL, "why")
    after = made.state
    assert (after.phase, after.phase_since, after.reason) == (Phase.EXITING, made.now, "adl: why")
    assert (after.exit_reason, after.exit_looks, after.exit_alert_at) == (ExitReason.ADL, 0, 7)
    assert [getattr(after, wait) for wait in waits] == [None] * 4
    assert not after.draw_pending
    assert made.leg("lighter1") == evolve(
        watched.legs["lighter1"],
        target=D(0),
        failures=0,
        not_before=made.now,
        stray=D(0),
        dust=D(0),
        leverage_due_at=None,
    )
    assert after.look_due_at is not None


@pytest.mark.parametrize(("reduce_only", "canceled"), [(False, True), (True, False)])
def test_an_exit_cancels_what_may_grow_a_leg(watched, reduce_only, canceled):
    """What only reduces is on the way out already."""
    made = turn(with_leg(watched, "lighter1", live=(order(watched, reduce_only=reduce_only),)))
    begin_exit(made, ExitReason.ADL, "why")
    commands = [c for c in made.commands if isinstance(c, CancelAllOrders)]
    assert commands == ([CancelAllOrders(account="l1", instrument_id="ETH-PERP")] if canceled else [])


@pytest.mark.parametrize(
    ("phase", "reason", "severity"),
    [
        (Phase.MONITORING, ExitReason.TIMEOUT, "INFO"),
        (Phase.MONITORING, ExitReason.OPERATOR, "INFO"),
        (Phase.MONITORING, ExitReason.ADL, "WARNING"),
        (Phase.ENDED, ExitReason.OPERATOR, "WARNING"),
    ],
)
def test_only_an_exit_that_was_wished_for_is_no_warning(watched, phase, reason, severity):
    """One that begins after the end never is."""
    made = turn(evolve(watched, phase=phase))
    begin_exit(made, reason, "why")
    (note,) = [c for c in made.commands if isinstance(c, Notify)]
    assert note.severity == severity


@pytest.mark.parametrize(
    ("looks", "surprise_ms", "due_ms"),
    [(0, None, 1000), (1, None, 2000), (0, -100, 1900), (1, -100, 2000), (0, 500, 2500)],
)
def test_an_exit_looks_again_after_its_rest(leaving, looks, surprise_ms, due_ms):
    """The rest doubles with every answer; a surprise is looked at again no sooner than it can be confirmed."""
    state = evolve(leaving, exit_looks=looks, looking_since=None, look_due_at=None)
    if surprise_ms is not None:
        at = Timestamp(leaving.now + surprise_ms)
        state = with_leg(state, "lighter1", surprise=Surprise(quantity=D(4), at=at))
    made = turn(state, answered=True, exit_delay_s=1, confirm_delay_s=2)
    exit_all(made)
    assert made.state.look_due_at == leaving.now + due_ms
    assert made.state.exit_looks == looks + 1


def flat(state, **changes):
    """Return an exit in which nothing is held or open, and the last look came before the last fact."""
    legs = {
        name: evolve(leg, ledger=Position(), live=(), changed_at=Timestamp(state.now - 100))
        for name, leg in state.legs.items()
    }
    late = {"asked_at": Timestamp(state.now - 200), "answered_at": Timestamp(state.now - 9000), "looking_since": None}
    return evolve(state, legs=legs, **{**late, "look_due_at": Timestamp(state.now + 4000), **changes})


@pytest.mark.parametrize(
    ("asked_ms", "open_", "due_ms", "expected_ms"),
    [
        (-200, False, 4000, 0),
        (-100, False, 4000, 4000),
        (-50, False, 4000, 4000),
        (-200, True, 4000, 4000),
        (-50, True, None, 0),
        (-50, False, None, 0),
    ],
)
def test_what_is_settled_is_looked_at_at_once(leaving, asked_ms, open_, due_ms, expected_ms):
    """When the last look is older than the last fact; otherwise when it is due, and it is always due some time."""
    due_at = None if due_ms is None else Timestamp(leaving.now + due_ms)
    state = flat(leaving, asked_at=Timestamp(leaving.now + asked_ms), look_due_at=due_at)
    if open_:
        state = with_leg(state, "lighter1", live=(order(leaving, reduce_only=True),))
    made = turn(state)
    exit_all(made)
    assert made.state.look_due_at == leaving.now + expected_ms


def test_a_call_for_help_names_the_legs_that_are_not_done(leaving):
    """What each holds, how much is open there, and what its last order met; then at twice as many looks."""
    state = evolve(leaving, exit_looks=5, exit_alert_at=6)
    made = turn(with_leg(state, "lighter1", failure="no margin"), answered=True)
    exit_all(made)
    assert texts(made, "exit_stuck") == [
        (
            "triad: still not out after 6 looks: lighter1 holds -5, 1 open orders (no margin); "
            "lighter2 holds 5, 1 open orders"
        )
    ]
    assert made.state.exit_alert_at == 12
    early = turn(evolve(leaving, exit_looks=4, exit_alert_at=6), answered=True)
    exit_all(early)
    assert texts(early, "exit_stuck") == []


def test_a_call_for_help_with_nothing_held_says_who_is_missing(leaving):
    """Our fills are done; the venues have not said so."""
    made = turn(flat(leaving, exit_looks=5, exit_alert_at=6), answered=True)
    exit_all(made)
    assert texts(made, "exit_stuck") == ["triad: still not out after 6 looks: no venue confirms it"]


def test_an_order_that_is_open_with_nothing_held_is_named(leaving):
    """It may still fill."""
    state = with_leg(flat(leaving, exit_looks=5, exit_alert_at=6), "backpack", live=(order(leaving, reduce_only=True),))
    made = turn(state, answered=True)
    exit_all(made)
    assert texts(made, "exit_stuck") == ["triad: still not out after 6 looks: backpack holds 0, 1 open orders"]


@pytest.mark.parametrize(("failures", "rest_ms"), [(0, 5000), (1, 10_000), (3, 40_000), (4, 60_000)])
def test_a_failed_start_rests_longer_each_time(watched, failures, rest_ms):
    """Five seconds, doubled, a minute at most; no look is wanted meanwhile."""
    state = evolve(watched, phase=Phase.PREPARING, start_failures=failures, look_due_at=Timestamp(9))
    made = turn(state, start_failures_max=9, start_retry_s=5, start_retry_max_s=60)
    start_failed(made, "why")
    assert (made.state.phase, made.state.reason) == (Phase.IDLE, "start failed: why")
    assert (made.state.start_failures, made.state.look_due_at) == (failures + 1, None)
    assert made.state.start_due_at == made.now + rest_ms


def test_a_parked_group_wants_nothing_more(watched):
    """A person looks."""
    made = turn(evolve(watched, phase=Phase.PREPARING, look_due_at=Timestamp(9)))
    park(made, "why")
    state = made.state
    assert (state.phase, state.outcome, state.reason) == (Phase.ENDED, Outcome.PARKED, "why")
    assert state.look_due_at is None
