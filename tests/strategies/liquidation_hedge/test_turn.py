"""The verbs that decisions are made of: orders and their ids, looks and their pace, timers, and who may grow."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelTimer, Observe, SetTimer, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.order import Lane, OrderType, Side
from strategies.liquidation_hedge.state import LiveOrder, Phase, Purpose, Surprise, evolve
from strategies.liquidation_hedge.turn import Turn, residual_limit
from tests.strategies.liquidation_hedge.scene import instrument, machine, monitoring

D = Decimal
LEGS = ("backpack", "lighter1", "lighter2")


@pytest.fixture(scope="module")
def watched():
    """Return a state in the watch: 0, -5, +5."""
    return monitoring().played().state


def turn(state, at=0, **params):
    """Return a turn `at` milliseconds after the state."""
    return Turn(machine(**params)._setting, state, Timestamp(state.now + at))


def with_leg(state, name, **changes):
    """Return the state with a leg changed."""
    return evolve(state, legs={**state.legs, name: evolve(state.legs[name], **changes)})


def test_time_never_runs_backwards(watched):
    """An event that is older than the last one happens now."""
    assert turn(watched, -5000).now == watched.now
    assert turn(watched, 5000).now == turn(watched, 5000).state.now == watched.now + 5000


def test_a_turn_changes_a_copy(watched):
    """The state it began with stays as it was."""
    turn(watched).put("lighter1", target=D(99))
    assert watched.legs["lighter1"].target == -5


@pytest.mark.parametrize(
    ("mode", "any_order", "reducing"),
    [
        (AccountMode.ARMED, True, True),
        (AccountMode.FROZEN, False, True),
        (AccountMode.DISARMED, False, False),
        (AccountMode.STOPPED, False, False),
        (None, False, False),
    ],
)
def test_what_an_account_writes_depends_on_its_mode(watched, mode, any_order, reducing):
    """Armed anything, frozen what only reduces, otherwise nothing."""
    made = turn(with_leg(watched, "lighter1", mode=mode))
    assert made.writes("lighter1", reduce_only=False) is any_order
    assert made.writes("lighter1", reduce_only=True) is reducing


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (OperatorState.RUN, ""),
        (OperatorState.PAUSE, ""),
        (OperatorState.REDUCE, "operator said REDUCE"),
        (OperatorState.FLATTEN, "operator said FLATTEN"),
    ],
)
def test_growth_is_held_back_by_the_operators_word(watched, word, why):
    """PAUSE keeps a running cycle whole."""
    made = turn(evolve(watched, operator_state=word))
    assert (made.held_back(), made.may_grow) == (why, why == "")


def test_a_frozen_account_is_named_before_the_operators_word(watched):
    """It holds back the whole group."""
    frozen = with_leg(evolve(watched, operator_state=OperatorState.REDUCE), "lighter2", mode=AccountMode.FROZEN)
    assert turn(frozen).held_back() == "the account of lighter2 is frozen"


@pytest.mark.parametrize(
    ("purpose", "lane"),
    [
        (Purpose.ENTRY, Lane.ENTRY),
        (Purpose.HEDGE, Lane.HEDGE),
        (Purpose.REBALANCE, Lane.HEDGE),
        (Purpose.EXIT, Lane.EXIT),
    ],
)
def test_an_order_has_the_next_id_of_its_purpose_and_its_lane(watched, purpose, lane):
    """It is on the leg from then on, with the moment it was decided."""
    made = turn(with_leg(watched, "lighter1", made={purpose: 4, Purpose.EXIT: 4}), 7)
    made.submit("lighter1", purpose, D("-2"), D(998), reduce_only=False)
    (command,) = made.commands
    assert isinstance(command, SubmitOrder)
    order = command.order
    assert (command.account, order.order_id) == ("l1", f"triad:1:lighter1:{purpose}:5")
    assert (order.side, order.quantity, order.price) == (Side.SELL, 2, 998)
    assert (order.order_type, order.lane, order.reduce_only) == (OrderType.MARKET, lane, False)
    leg = made.leg("lighter1")
    assert leg.made[purpose] == 5
    assert leg.live == (
        LiveOrder(order_id=order.order_id, purpose=purpose, signed=D(-2), reduce_only=False, sent_at=made.now),
    )


@pytest.mark.parametrize(("reduce_only", "lane"), [(True, Lane.EXIT), (False, Lane.HEDGE)])
def test_what_reduces_leaves_a_frozen_account_by_the_exit_lane(watched, reduce_only, lane):
    """Nothing else would be let out there."""
    made = turn(with_leg(watched, "lighter1", mode=AccountMode.FROZEN))
    made.submit("lighter1", Purpose.REBALANCE, D(1), D(998), reduce_only=reduce_only)
    assert made.commands[0].order.lane is lane


@pytest.mark.parametrize(("failures", "price"), [(0, "998.1"), (1, "997.1"), (4, "994.1"), (9, "994.1")])
def test_a_trade_is_wider_with_every_failure_up_to_its_cap(watched, failures, price):
    """0.1 % more each time, 0.5 % at most, from a bid of 999."""
    made = turn(with_leg(watched, "lighter1", failures=failures, changed_at=Timestamp(0)))
    assert made.trade("lighter1", Purpose.HEDGE, D(-1), reduce_only=False)
    assert made.commands[0].order.price == D(price)


def test_after_a_failure_the_price_is_newer_than_the_failure(watched):
    """What did not fill at a price will not fill there again: it looks, and orders later."""
    asked_at = watched.legs["lighter1"].asked_at
    failed = with_leg(watched, "lighter1", failures=1, changed_at=asked_at)
    assert turn(failed).touch("lighter1", Side.SELL) == 999
    later = with_leg(watched, "lighter1", failures=1, changed_at=Timestamp(asked_at + 1))
    made = turn(later, 1000)
    assert made.touch("lighter1", Side.SELL) is None
    assert not made.trade("lighter1", Purpose.HEDGE, D(-1), reduce_only=False)
    assert (made.commands, made.state.look_due_at) == ([], made.now)


@pytest.mark.parametrize(("purpose", "waits"), [(Purpose.REBALANCE, True), (Purpose.HEDGE, False)])
def test_what_may_grow_waits_for_an_explanation(watched, purpose, waits):
    """Of the legs that it is sized from; what only reduces does not wait."""
    doubtful = with_leg(watched, "lighter2", surprise=Surprise(quantity=D(4), at=watched.now))
    assert turn(doubtful).trade("lighter1", purpose, D(-1), reduce_only=False) is not waits
    assert turn(doubtful).trade("lighter1", purpose, D(1), reduce_only=True)


def test_both_numbers_of_each_difference_are_said(watched):
    """Of the legs that were asked for, and only those."""
    state = with_leg(watched, "lighter1", surprise=Surprise(quantity=D(-4), at=watched.now))
    state = with_leg(state, "lighter2", surprise=Surprise(quantity=D(0), at=watched.now))
    first = "lighter1 is said to hold -4, our fills say -5"
    assert turn(state).unexplained(("backpack", "lighter1")) == first
    assert turn(state).unexplained(LEGS) == f"{first}; lighter2 is said to hold 0, our fills say 5"
    assert turn(state).unexplained(("backpack", "nobody")) == ""


def test_a_look_counts_from_the_moment_it_was_asked_for(watched):
    """At that moment or after it; and never one from before a restart."""
    asked_at = watched.legs["lighter1"].asked_at
    assert turn(watched).looked_since("lighter1", asked_at)
    assert not turn(watched).looked_since("lighter1", Timestamp(asked_at + 1))
    assert turn(evolve(watched, basis_at=asked_at)).looked_since("lighter1", Timestamp(0))
    assert not turn(evolve(watched, basis_at=Timestamp(asked_at + 1))).looked_since("lighter1", Timestamp(0))
    assert not turn(with_leg(watched, "lighter1", asked_at=None)).looked_since("lighter1", Timestamp(0))


@pytest.mark.parametrize(
    ("answered_ms_ago", "due_ms", "expected_ms"),
    [(9999, None, 0), (100, None, 400), (500, None, 0), (100, 300, 300), (100, 900, 400), (9999, 0, 0)],
)
def test_a_look_is_wanted_soon_but_rested(watched, answered_ms_ago, due_ms, expected_ms):
    """Half a second after the last answer; an earlier appointment stays."""
    due_at = None if due_ms is None else Timestamp(watched.now + due_ms)
    state = evolve(
        watched, looking_since=None, answered_at=Timestamp(watched.now - answered_ms_ago), look_due_at=due_at
    )
    made = turn(state, look_retry_s="0.5")
    made.want_look()
    assert made.state.look_due_at == made.now + expected_ms


def test_one_look_at_a_time(watched):
    """While one is under way no other is wanted, and none is asked for."""
    made = turn(evolve(watched, looking_since=watched.now, look_due_at=None))
    made.want_look()
    assert made.state.look_due_at is None
    made = turn(evolve(watched, looking_since=watched.now, look_due_at=watched.now))
    made.look_now_if_due()
    assert made.commands == []


@pytest.mark.parametrize(("due_ms", "asked"), [(0, True), (-1, True), (1, False), (None, False)])
def test_a_look_is_asked_for_when_it_is_due(watched, due_ms, asked):
    """At all legs at once; it is then under way, and no longer due."""
    due_at = None if due_ms is None else Timestamp(watched.now + due_ms)
    made = turn(evolve(watched, looking_since=None, asked_at=Timestamp(0), look_due_at=due_at))
    made.look_now_if_due()
    assert made.commands == ([Observe(legs=LEGS)] if asked else [])
    if asked:
        assert (made.state.looking_since, made.state.asked_at, made.state.look_due_at) == (made.now, made.now, None)


def bare(state, phase, **changes):
    """Return a state with nothing to wait for, but for `changes`."""
    nothing = {
        "looking_since": None,
        "look_due_at": None,
        "cycle_due_at": None,
        "enter_due_at": None,
        "unhedged_since": None,
        "unexplained_since": None,
        "timers": {},
    }
    return evolve(state, phase=phase, **{**nothing, **changes})


def wanted(state, **params):
    """Return the timers that a state wants, in milliseconds from now."""
    made = turn(state, **params)
    made.set_timers()
    return {timer: due_at - made.now for timer, due_at in made.state.timers.items()}


@pytest.mark.parametrize(
    ("phase", "changes", "timers"),
    [
        (Phase.MONITORING, {}, {}),
        (Phase.MONITORING, {"looking_since": -1000}, {"look": 7000}),
        (Phase.MONITORING, {"looking_since": -1000, "look_due_at": 500}, {"look": 7000}),
        (Phase.MONITORING, {"look_due_at": 500}, {"look": 500}),
        (Phase.MONITORING, {"cycle_due_at": 900}, {"cycle": 900}),
        (Phase.WAITING, {"enter_due_at": 700}, {"enter": 700}),
        (Phase.SECOND, {"enter_due_at": 700}, {}),
        (Phase.MONITORING, {"unhedged_since": -1000}, {"act": 14_000}),
        (Phase.MONITORING, {"unexplained_since": -2000}, {"act": 13_000}),
        (Phase.MONITORING, {"unhedged_since": -1000, "unexplained_since": -2000}, {"act": 13_000}),
        (Phase.MONITORING, {"unhedged_since": -15_000}, {}),
        (Phase.IDLE, {"start_due_at": 300, "operator_state": OperatorState.RUN}, {"act": 300}),
        (Phase.IDLE, {"start_due_at": 300, "operator_state": OperatorState.PAUSE}, {}),
    ],
)
def test_timers_are_what_the_state_waits_for(watched, phase, changes, timers):
    """Each at its moment; the moments at which the same facts decide otherwise share one."""
    moments = {
        key: Timestamp(watched.now + value) if isinstance(value, int) else value for key, value in changes.items()
    }
    assert wanted(bare(watched, phase, **moments)) == timers


@pytest.mark.parametrize(
    ("phase", "leg", "timers"),
    [
        (Phase.MONITORING, {"not_before": 200}, {"act": 200}),
        (Phase.EXITING, {"not_before": 200}, {"act": 200}),
        (Phase.PREPARING, {"not_before": 200}, {}),
        (Phase.PREPARING, {"leverage_due_at": 200}, {"act": 200}),
        (Phase.MONITORING, {"not_before": 0}, {}),
    ],
)
def test_a_legs_rest_is_a_moment_of_its_own(watched, phase, leg, timers):
    """Where it decides anything."""
    moments = {key: Timestamp(watched.now + value) for key, value in leg.items()}
    assert wanted(with_leg(bare(watched, phase), "lighter1", **moments)) == timers


def test_an_exit_order_is_in_doubt_at_a_moment(watched):
    """Two seconds after it was sent; in the watch nothing is decided then."""
    order = LiveOrder(order_id="o", purpose=Purpose.EXIT, signed=D(1), reduce_only=True, sent_at=watched.now)
    assert wanted(with_leg(bare(watched, Phase.EXITING), "lighter1", live=(order,))) == {"act": 2000}
    assert wanted(with_leg(bare(watched, Phase.MONITORING), "lighter1", live=(order,))) == {}


def test_only_timers_that_change_are_told(watched):
    """One that runs as it should is left alone, one that nobody wants is ended."""
    look, cycle = Timestamp(watched.now + 500), Timestamp(watched.now + 900)
    state = bare(watched, Phase.MONITORING, look_due_at=look, cycle_due_at=cycle)
    made = turn(evolve(state, timers={"look": look, "act": look}))
    made.set_timers()
    assert made.commands == [SetTimer(timer="cycle", due_at=cycle), CancelTimer(timer="act")]
    again = turn(made.state)
    again.set_timers()
    assert again.commands == []


def test_the_coarsest_minimum_may_stay_uncovered(watched):
    """Of all legs whose numbers are known, and never less than the tolerance."""
    params = machine(rebalance_tolerance="0.3")._setting.params
    assert residual_limit(watched, params) == D("0.3")
    assert residual_limit(watched, machine()._setting.params) == D("0.1")
    look = evolve(watched.legs["lighter2"].look, instrument=instrument("lighter2", min_quantity="0.7"))
    coarse = with_leg(watched, "lighter2", look=look)
    assert residual_limit(coarse, params) == D("0.7")
    assert residual_limit(with_leg(coarse, "lighter2", price=None), params) == D("0.3")
