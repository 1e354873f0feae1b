"""The invariants at their bounds: what is just allowed breaks nothing, and each break says whom and how much."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.commands import Notify, Severity, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderRequest, OrderStatus, OrderType, Side
from strategies.domain.position import Position
from strategies.liquidation_hedge.invariants import step_violations, violations
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import LegState, LiveOrder, Phase, Purpose, SecondLeg, Surprise, evolve
from strategies.machine import Outcome
from tests.strategies.liquidation_hedge.scene import INSTRUMENT, monitoring

D = Decimal
PARAMS = LiquidationHedgeParams(entry_attempts=3, exit_overlap_max=3)
AWAKE = {"look": Timestamp(2**60), "cycle": Timestamp(2**60), "act": Timestamp(2**60)}


@pytest.fixture(scope="module")
def watched():
    """Return a state in the watch: 0, -5, +5, with every timer running."""
    return evolve(monitoring().played().state, timers=AWAKE)


def live(order_id="o", signed="1", **changes):
    """Return an order in flight."""
    order = LiveOrder(
        order_id=order_id, purpose=Purpose.REBALANCE, signed=D(signed), reduce_only=False, sent_at=Timestamp(0)
    )
    return evolve(order, **changes)


def with_leg(state, name, **changes):
    """Return the state with a leg changed."""
    return evolve(state, legs={**state.legs, name: evolve(state.legs[name], **changes)})


def out(state, phase=Phase.ENDED, **changes):
    """Return a group that holds nothing."""
    return evolve(state, phase=phase, legs={"backpack": LegState(account="bp", **changes)})


def found(state):
    """Return each violation as one line."""
    return [f"{violation.name}: {violation.detail}" for violation in violations(state, PARAMS)]


@pytest.mark.parametrize(
    "changes",
    [
        {"flatten": True, "phase": Phase.EXITING},
        {"phase": Phase.IDLE, "operator_state": OperatorState.RUN},
        {"phase": Phase.IDLE, "operator_state": OperatorState.PAUSE, "timers": {}},
        {"phase": Phase.WAITING, "second": SecondLeg.PENDING},
        {"phase": Phase.SECOND, "second": SecondLeg.PENDING},
        {"phase": Phase.ENTERING, "second": SecondLeg.PENDING},
        {"phase": Phase.BALANCING, "second": SecondLeg.SKIPPED},
        {"phase": Phase.MONITORING, "second": SecondLeg.ABSENT},
        {"phase": Phase.ENDED, "outcome": Outcome.FINISHED},
        {"phase": Phase.EXITING, "outcome": Outcome.PARKED},
        {"phase": Phase.ENDED, "timers": {}},
    ],
)
def test_what_a_group_may_be_breaks_nothing(watched, changes):
    """States that look like a broken promise and are none."""
    legs = {name: evolve(leg, target=D(0)) for name, leg in watched.legs.items()}
    assert found(evolve(watched, **{"legs": legs, **changes})) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"phase": Phase.EXITING, "timers": {}}, "always_awake: EXITING with nothing to wake it"),
        ({"phase": Phase.PREPARING, "timers": {}}, "always_awake: PREPARING with nothing to wake it"),
        ({"phase": Phase.SECOND}, "second_pending: SECOND with the third leg ENTERED"),
        (
            {"phase": Phase.BALANCING, "second": SecondLeg.PENDING},
            "second_decided: BALANCING with the third leg still to come",
        ),
        ({"outcome": Outcome.PARKED}, "ended_stays_ended: PARKED in MONITORING"),
        ({"flatten": True}, "flatten_latched: FLATTEN stands, the phase is MONITORING"),
        ({"timers": {"look": 2**60}}, "cycle_ends: MONITORING without a time-out"),
        (
            {"phase": Phase.IDLE, "operator_state": OperatorState.RUN, "timers": {}},
            "idle_wakes: IDLE and RUN with no start to come",
        ),
    ],
)
def test_what_a_group_breaks_is_said(watched, changes, line):
    """One promise at a time, with the phase."""
    legs = {name: evolve(leg, target=D(0)) for name, leg in watched.legs.items()}
    assert found(evolve(watched, **{"legs": legs, **changes})) == [line]


def test_a_timer_is_due_after_this_moment(watched):
    """A timer of this very moment has been forgotten; one of the next millisecond has not."""
    assert found(evolve(watched, timers={**AWAKE, "act": watched.now + 1})) == []
    assert [line.split(":")[0] for line in found(evolve(watched, timers={**AWAKE, "act": watched.now}))] == [
        "timers_ahead"
    ]


def test_a_group_that_awaits_a_leverage_is_woken_by_its_act(watched):
    """The look comes after the answer, so the timer of the answer is the one that has to run."""
    preparing = evolve(
        watched, phase=Phase.PREPARING, legs={"backpack": LegState(account="bp", leverage_due_at=Timestamp(2**60))}
    )
    assert found(evolve(preparing, timers={"act": Timestamp(2**60)})) == []
    asleep = evolve(preparing, timers={"look": Timestamp(2**60)})
    assert found(asleep) == ["always_awake: PREPARING with nothing to wake it"]


@pytest.mark.parametrize(("held", "broken"), [("0.1", False), ("-0.1", False), ("0.101", True), ("-0.101", True)])
def test_what_no_venue_takes_an_order_for_may_stay_uncovered(watched, held, broken):
    """The smallest order here is 0.1: that much needs no clock, a lot more does, in either direction."""
    lines = found(with_leg(watched, "backpack", ledger=Position(quantity=D(held))))
    assert lines == ([f"uncovered_is_timed: {held} uncovered and nobody counts the time"] if broken else [])


def test_counted_time_is_enough(watched):
    """An uncovered or doubtful group is allowed for as long as somebody counts."""
    uncovered = with_leg(watched, "backpack", ledger=Position(quantity=D(3)))
    assert found(evolve(uncovered, unhedged_since=watched.now)) == []
    doubtful = with_leg(watched, "backpack", surprise=Surprise(quantity=D(1), at=watched.now))
    assert found(doubtful) == ["doubt_is_timed: a leg is not explained and nobody counts the time"]
    assert found(evolve(doubtful, unexplained_since=watched.now)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"live": (live(),)},
        {"live": (live(filled=D(1)),)},
        {"live": (live(signed="-1", filled=D(1)),)},
        {"live": (live(signed="0.01"),)},
        {"live": (live(purpose=Purpose.EXIT, reduce_only=True),)},
        {"live": (live(status=OrderStatus.PARTIALLY_FILLED),)},
        {"made": {Purpose.ENTRY: 3}},
        {"made": {Purpose.EXIT: 40}},
        {"look": None, "live": (live(signed="0.005"),)},
    ],
)
def test_what_a_leg_may_have_breaks_nothing(watched, changes):
    """Full, filled to the end, in the smallest lot, or of an instrument that nobody has seen yet."""
    assert found(with_leg(watched, "backpack", **changes)) == []


@pytest.mark.parametrize(
    ("leg", "changes", "line"),
    [
        ("backpack", {"live": (live(signed="0.005"),)}, "whole_lots: backpack: 0.005 is not a multiple of 0.01"),
        ("backpack", {"live": (live(filled=D("1.01")),)}, "never_overfilled: backpack: 1.01 of 1"),
        ("backpack", {"live": (live(purpose=Purpose.EXIT),)}, "exit_only_reduces: backpack: o"),
        ("backpack", {"live": (live(status=OrderStatus.CANCELED),)}, "live_is_live: backpack: o is CANCELED"),
        ("lighter2", {"made": {Purpose.ENTRY: 4}}, "entries_bounded: lighter2: 4 entry orders"),
        (
            "backpack",
            {"live": (live("a"), live("b", reduce_only=True))},
            "one_order_per_need: backpack: ['a', 'b']",
        ),
    ],
)
def test_what_a_leg_breaks_is_said(watched, leg, changes, line):
    """One promise at a time, with the leg and the number."""
    assert found(with_leg(watched, leg, **changes)) == [line]


def test_the_hedging_leg_may_be_ordered_as_often_as_it_takes(watched):
    """Only entries are bounded; what has filled is hedged."""
    assert found(with_leg(watched, "lighter1", made={Purpose.ENTRY: 40})) == []


def test_exits_may_overlap_up_to_their_bound(watched):
    """Three that only reduce; a fourth is too many, and none but the oldest may grow the leg."""
    exiting = out(watched, Phase.EXITING)
    orders = tuple(live(str(n), reduce_only=True) for n in range(4))
    assert found(with_leg(exiting, "backpack", live=orders[:3])) == []
    assert found(with_leg(exiting, "backpack", live=orders)) == ["exits_bounded: backpack: 4 open orders"]
    assert found(with_leg(exiting, "backpack", live=(live("e"), *orders[:2]))) == []
    growing = (orders[0], live("e"))
    assert found(with_leg(exiting, "backpack", live=growing)) == ["only_exits_overlap: backpack: ['0', 'e']"]


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.PREPARING, Phase.ENDED])
def test_a_group_that_is_out_has_nothing_open_and_wants_nothing(watched, phase):
    """No order, no target, no late fill left lying; what is too small to close may lie."""
    assert found(out(watched, phase)) == []
    assert found(out(watched, phase, live=(live(),))) == [f"nothing_open_outside: backpack: ['o'] in {phase}"]
    assert found(out(watched, phase, target=D(1))) == [f"target_fits_phase: backpack: target 1 in {phase}"]
    late = {"stray": D(1), "ledger": Position(quantity=D(1))}
    assert found(out(watched, phase, **late)) == [f"late_fill_is_closed: backpack holds 1 in {phase}"]
    assert found(out(watched, phase, **late, dust=D(1))) == []
    assert found(out(watched, phase, stray=D(1))) == []
    assert found(out(watched, phase, ledger=Position(quantity=D(1)))) == []


def test_an_exit_wants_every_leg_at_zero(watched):
    """A target that stays is a leg that is not left."""
    assert found(out(watched, Phase.EXITING, target=D(1))) == ["target_fits_phase: backpack: target 1 in EXITING"]


def sent(state, order, **leg_changes):
    """Return what the step that sent `order` on Backpack breaks."""
    leg = state.legs["backpack"]
    after = with_leg(state, "backpack", live=(*leg.live, order), **leg_changes)
    request = OrderRequest(
        order_id=order.order_id,
        instrument_id=INSTRUMENT,
        side=Side.of(order.signed),
        quantity=abs(order.signed),
        order_type=OrderType.MARKET,
        price=D(1),
        reduce_only=order.reduce_only,
    )
    note = Notify(severity=Severity.INFO, topic="t", text="before the order")
    commands = (note, SubmitOrder(account=leg.account, order=request))
    return [f"{violation.name}: {violation.detail}" for violation in step_violations(state, after, commands)]


@pytest.mark.parametrize(
    ("signed", "target", "line"),
    [
        ("2", "2", None),
        ("-2", "-2", None),
        ("1", "2", None),
        ("2.01", "2", "2.01 where 2 is missing"),
        ("-2.01", "-2", "-2.01 where -2 is missing"),
        ("1", "-2", "1 where -2 is missing"),
        ("1", "0", "1 where 0 is missing"),
    ],
)
def test_no_order_is_for_more_than_is_missing(watched, signed, target, line):
    """Up to what is missing, in its direction."""
    expected = [] if line is None else [f"never_more_than_missing: o: {line}"]
    assert sent(watched, live(signed=signed), target=D(target)) == expected


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"operator_state": OperatorState.REDUCE}, "reduce_means_reduce: o may grow backpack in REDUCE"),
        ({"operator_state": OperatorState.FLATTEN}, "reduce_means_reduce: o may grow backpack in FLATTEN"),
        ({"phase": Phase.EXITING}, "exit_only_reduces: o may grow backpack while exiting"),
    ],
)
def test_what_may_grow_a_leg_is_forbidden_when_nothing_may_grow(watched, changes, line):
    """And what only reduces is not."""
    state = evolve(watched, **changes)
    assert sent(state, live(), target=D(1)) == [line]
    assert sent(state, live(reduce_only=True), target=D(1)) == []


@pytest.mark.parametrize("where", ["backpack", "lighter1", "lighter2"])
def test_a_frozen_account_anywhere_forbids_growth_everywhere(watched, where):
    """Somebody else trades there: what the group is sized from may change any moment."""
    frozen = with_leg(watched, where, mode=AccountMode.FROZEN)
    assert sent(frozen, live(), target=D(1)) == [
        f"frozen_means_reduce: o may grow backpack while ['{where}'] is frozen"
    ]
    assert sent(frozen, live(reduce_only=True), target=D(1)) == []


def test_an_order_is_not_sized_from_what_nobody_can_explain(watched):
    """A rebalance is sized from all three legs, a hedge not from the third."""
    doubtful = with_leg(watched, "lighter2", surprise=Surprise(quantity=D(1), at=watched.now))
    said = "unexplained_waits: o is sized from ['lighter2'], which nobody can explain"
    assert sent(doubtful, live(), target=D(1)) == [said]
    assert sent(doubtful, live(purpose=Purpose.HEDGE), target=D(1)) == []
    assert sent(doubtful, live(reduce_only=True), target=D(1)) == []


def test_an_exit_may_stand_beside_another(watched):
    """And only an exit; the sum is then no business of one order."""
    beside = evolve(with_leg(watched, "backpack", live=(live("first", reduce_only=True),)), phase=Phase.EXITING)
    assert sent(beside, live(purpose=Purpose.EXIT, reduce_only=True), target=D(0)) == []
    said = ["one_order_per_need: o beside ['first']"]
    assert sent(beside, live(reduce_only=True), target=D(0)) == said


def test_an_id_is_used_once(watched):
    """An order that was open before the step is not sent by it."""
    known = with_leg(watched, "backpack", live=(live("o"),))
    assert "ids_are_new: o was sent before" in sent(known, live("o"), target=D(1))
