"""Into the position, at the bounds: leverages, retries, what a start forgets, and the reasons in words."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.commands import SetLeverage, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.position import FillCause, Position
from strategies.liquidation_hedge.entering import enter, enter_second, idle, prepare, wait
from strategies.liquidation_hedge.state import LiveOrder, Phase, Purpose, SecondLeg, evolve
from strategies.liquidation_hedge.turn import Turn
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    hedge,
    instrument,
    looked,
    machine,
    operator,
    second,
    started,
    waiting,
)

D = Decimal


@pytest.fixture(scope="module")
def ready():
    """Return a group that has just been seen, flat and funded, and has not decided yet."""
    play = hedge(min_collateral_usd=1000) >> started() >> operator(OperatorState.RUN) << ALL
    return evolve((play >> looked()).played().state, phase_since=Timestamp(0), looks=0, look_due_at=None)


@pytest.fixture(scope="module")
def balanced():
    """Return two legs that stand, before the third: +5 and -5."""
    return waiting().played().state


@pytest.fixture(scope="module")
def seconding():
    """Return the third leg's entry of 5 in flight."""
    return second().played().state


def turn(state, at=0, *, answered=False, **params):
    """Return a turn `at` milliseconds after the state."""
    made = Turn(machine(**params)._setting, state, Timestamp(state.now + at))
    made.answered = answered
    return made


def with_leg(state, name, **changes):
    """Return the state with a leg changed."""
    return evolve(state, legs={**state.legs, name: evolve(state.legs[name], **changes)})


def sent(made):
    """Return the orders of a turn: leg, purpose, signed quantity."""
    return [
        (made.setting.legs_of[c.account], c.order.order_id.split(":")[3], c.order.signed_quantity)
        for c in made.commands
        if isinstance(c, SubmitOrder)
    ]


@pytest.mark.parametrize(
    ("word", "at", "starts"),
    [
        (OperatorState.RUN, 500, True),
        (OperatorState.RUN, 499, False),
        (OperatorState.PAUSE, 500, False),
        (OperatorState.REDUCE, 500, False),
    ],
)
def test_a_cycle_starts_when_its_rest_is_over_and_somebody_said_run(ready, word, at, starts):
    """With all requests of leverage forgotten, and a look at once."""
    state = evolve(ready, phase=Phase.IDLE, operator_state=word, start_due_at=Timestamp(ready.now + 500))
    made = turn(with_leg(state, "lighter1", leverage_tries=3, leverage_due_at=Timestamp(1)), at)
    idle(made)
    assert made.state.phase is (Phase.PREPARING if starts else Phase.IDLE)
    if starts:
        leg = made.leg("lighter1")
        assert (leg.leverage_tries, leg.leverage_due_at, made.state.reason) == (0, None, "looking at all legs")
        assert made.state.look_due_at is not None


def test_a_pause_takes_a_start_back(ready):
    """Nothing is held yet; no look is wanted any more."""
    made = turn(evolve(ready, operator_state=OperatorState.PAUSE, look_due_at=Timestamp(9)))
    prepare(made)
    assert (made.state.phase, made.state.reason, made.state.look_due_at) == (Phase.IDLE, "operator said PAUSE", None)


@pytest.mark.parametrize(
    ("known", "asked"),
    [("20", False), ("20.2", False), ("19.8", False), ("20.21", True), ("19.79", True), (None, True)],
)
def test_a_leverage_is_set_when_it_is_more_than_rounding_off(ready, known, asked):
    """One percent is rounding. Each leg that is off is asked for, also behind one that is not."""
    state = with_leg(ready, "lighter2", leverage=None if known is None else D(known))
    state = with_leg(with_leg(state, "backpack", leverage=D(20)), "lighter1", leverage=D(20))
    made = turn(state, leverage=20, leverage_timeout_s=7)
    prepare(made)
    requests = [c for c in made.commands if isinstance(c, SetLeverage)]
    assert requests == ([SetLeverage(account="l2", instrument_id="ETH-PERP", leverage=D(20))] if asked else [])
    leg = made.leg("lighter2")
    assert (leg.leverage_tries, leg.leverage_due_at) == ((1, made.now + 7000) if asked else (0, None))


def test_a_leverage_that_nobody_sets_is_asked_for_a_bounded_number_of_times(ready):
    """Then the cycle goes on with what is in force; the other legs are still asked."""
    state = with_leg(with_leg(ready, "backpack", leverage_tries=3), "lighter1", leverage_tries=2)
    made = turn(state, leverage=20, leverage_attempts=3)
    prepare(made)
    assert [c.account for c in made.commands if isinstance(c, SetLeverage)] == ["l1", "l2"]


@pytest.mark.parametrize(("at", "over"), [(499, False), (500, True)])
def test_a_request_without_an_answer_is_over_at_its_time(ready, at, over):
    """It is named, and a look from before is no basis any more."""
    made = turn(with_leg(ready, "lighter1", leverage_due_at=Timestamp(ready.now + 500)), at, leverage_attempts=1)
    prepare(made)
    leg = made.leg("lighter1")
    assert (leg.leverage_due_at is None) is over
    assert leg.failure == ("no answer to the leverage request" if over else "")
    assert (made.state.basis_at == made.now) is over


def test_a_start_forgets_the_cycle_before(ready):
    """Orders, failures, strays, dust; what was earned until then is the base of what this one earns."""
    before = with_leg(
        ready,
        "lighter1",
        made={Purpose.EXIT: 3},
        failures=2,
        failure="before",
        own=D(4),
        stray=D(1),
        dust=D("0.01"),
        forced=FillCause.ADL,
        reducing_fill=True,
        ledger=Position(realized=D(7), fees=D(3)),
    )
    made = turn(evolve(before, cycle=4, established=True, second_quantity=D(9)), timeout_s=60)
    prepare(made)
    leg, state = made.leg("lighter1"), made.state
    assert (leg.made, leg.failures, leg.failure, leg.not_before) == ({}, 0, "", made.now)
    assert (leg.own, leg.stray, leg.dust, leg.forced, leg.reducing_fill) == (0, 0, 0, None, False)
    assert (leg.realized_before, leg.fees_before, leg.cycle_profit) == (7, 3, 0)
    assert (state.phase, state.cycle, state.established) == (Phase.ENTERING, 5, False)
    assert (state.second, state.second_quantity) == (SecondLeg.PENDING, None)
    assert state.cycle_due_at == made.now + 60_000
    assert sent(made) == [("backpack", "entry", D(5))]
    assert made.leg("backpack").target == 5


def test_in_the_other_direction_the_entry_is_a_sale(ready):
    """By as much."""
    direction = machine(direction="short_backpack").start().direction
    made = turn(evolve(ready, direction=direction))
    prepare(made)
    assert sent(made) == [("backpack", "entry", D(-5))]
    assert made.leg("backpack").target == -5


@pytest.mark.parametrize("mode", [None, AccountMode.DISARMED, AccountMode.STOPPED])
def test_accounts_that_are_still_starting_are_waited_for(ready, mode):
    """Without counting: at the pace of the poll; an earlier look stays."""
    made = turn(with_leg(ready, "lighter1", mode=mode), answered=True, poll_interval_s=4, look_attempts=1)
    prepare(made)
    assert (made.state.phase, made.state.looks) == (Phase.PREPARING, 0)
    assert made.state.reason == f"waiting: account of lighter1 is {mode}"
    assert made.state.look_due_at == made.now + 4000
    early = turn(evolve(with_leg(ready, "lighter1", mode=mode), look_due_at=Timestamp(ready.now + 5)), answered=True)
    prepare(early)
    assert early.state.look_due_at == ready.now + 5


def test_an_answer_without_a_basis_is_counted_with_its_reason(ready):
    """And nothing else is: a step that answers no look counts nothing."""
    blind = with_leg(ready, "lighter1", look=evolve(ready.legs["lighter1"].look, balance=None))
    made = turn(blind, answered=True, look_attempts=2)
    prepare(made)
    assert (made.state.looks, made.state.reason) == (1, "lighter1 did not state its balance")
    silent = turn(blind, look_attempts=2)
    prepare(silent)
    assert silent.state.looks == 0
    assert silent.state.look_due_at is not None


def live(purpose=Purpose.ENTRY, signed="5"):
    """Return an order in flight."""
    return LiveOrder(order_id="o", purpose=purpose, signed=D(signed), reduce_only=False, sent_at=Timestamp(0))


def entering(state, **balancer):
    """Return a group whose entry is over, as `balancer` says; nothing on the first leg yet."""
    state = evolve(state, phase=Phase.ENTERING, second=SecondLeg.PENDING)
    state = with_leg(state, "lighter1", ledger=Position(), own=D(0), live=(), target=D(0), price=D(1000))
    return with_leg(state, "backpack", **{"live": (), "price": D(1000), **balancer})


@pytest.mark.parametrize(
    ("failures", "ordered", "reason"),
    [(2, True, ""), (3, False, "hedge_failed: -5 missing on lighter1: no margin")],
)
def test_a_hedge_is_tried_a_bounded_number_of_times(balanced, failures, ordered, reason):
    """Then the group leaves, with the last failure's words."""
    state = with_leg(entering(balanced), "lighter1", failures=failures, failure="no margin", changed_at=Timestamp(0))
    made = turn(state, hedge_attempts=3)
    enter(made)
    assert sent(made) == ([("lighter1", "hedge", D(-5))] if ordered else [])
    assert reason in made.state.reason
    assert (made.state.phase is Phase.EXITING) is bool(reason)


@pytest.mark.parametrize(("rest_ms", "ordered"), [(0, True), (1, False)])
def test_a_hedge_rests_after_a_failure(balanced, rest_ms, ordered):
    """To the millisecond; its target stands meanwhile."""
    state = with_leg(entering(balanced), "lighter1", not_before=Timestamp(balanced.now + rest_ms))
    made = turn(state)
    enter(made)
    assert bool(sent(made)) is ordered
    assert made.leg("lighter1").target == -5


@pytest.mark.parametrize(("rest_ms", "attempts", "ordered"), [(0, 2, True), (1, 2, False), (0, 3, False)])
def test_an_entry_that_did_not_fill_is_tried_again(ready, rest_ms, attempts, ordered):
    """Sized anew, after its rest, a bounded number of times."""
    state = evolve(ready, phase=Phase.ENTERING, second=SecondLeg.PENDING, cycle=1)
    state = with_leg(
        state,
        "backpack",
        made={Purpose.ENTRY: attempts},
        not_before=Timestamp(ready.now + rest_ms),
        failure="no margin",
    )
    made = turn(state, entry_attempts=3)
    enter(made)
    assert sent(made) == ([("backpack", "entry", D(5))] if ordered else [])
    gave_up = "entry_failed: 3 orders on backpack, none filled: no margin"
    assert made.state.reason == (gave_up if attempts == 3 else ready.reason)


@pytest.mark.parametrize(("looks", "gives_up"), [(0, False), (1, True)])
def test_an_entry_without_a_basis_is_given_up_after_so_many_answers(ready, looks, gives_up):
    """With what was lacking; an answer before that is counted, and another look is wanted."""
    state = evolve(ready, phase=Phase.ENTERING, second=SecondLeg.PENDING, cycle=1, looks=looks)
    state = with_leg(state, "lighter1", look=evolve(state.legs["lighter1"].look, balance=None))
    made = turn(state, answered=True, look_attempts=2)
    enter(made)
    reason = "entry_failed: no basis to enter again: lighter1 did not state its balance"
    assert made.state.reason == (reason if gives_up else ready.reason)
    assert made.state.look_due_at is not None
    if not gives_up:
        assert made.state.looks == 1


@pytest.mark.parametrize(("hedged", "reason"), [("-0.2", "entry_failed"), ("-0.201", "")])
def test_an_entry_too_small_to_hedge_is_left(balanced, hedged, reason):
    """What the watch would take for nothing is no hedge."""
    state = entering(balanced, ledger=Position(quantity=-D(hedged)))
    state = with_leg(state, "lighter1", ledger=Position(quantity=D(hedged)))
    made = turn(state, liquidation_tolerance="0.2")
    enter(made)
    assert made.state.reason.startswith(reason)
    if reason:
        assert made.state.reason == "entry_failed: 0.2 filled, too little to hedge on lighter1"
    else:
        assert (made.state.phase, made.state.established) == (Phase.WAITING, True)


def test_two_legs_without_a_third_are_balanced_at_once(balanced):
    """There is nothing to wait for."""
    state = evolve(with_leg(entering(balanced), "lighter1", ledger=Position(quantity=D(-5))), second=SecondLeg.ABSENT)
    made = turn(evolve(state, start_failures=3))
    enter(made)
    assert (made.state.phase, made.state.reason) == (Phase.BALANCING, "no third leg")
    assert (made.state.established, made.state.start_failures) == (True, 0)


@pytest.mark.parametrize(
    ("changes", "mode", "words"),
    [
        (
            {"operator_state": OperatorState.REDUCE},
            AccountMode.ARMED,
            "operator: operator said REDUCE before two legs stood",
        ),
        ({}, AccountMode.FROZEN, "account_frozen: the account of lighter2 is frozen before two legs stood"),
    ],
)
def test_an_entry_that_may_not_grow_ends(balanced, changes, mode, words):
    """When nothing is left of it; while an order is open it waits for its end."""
    empty = entering(balanced, ledger=Position(), own=D(0))
    state = with_leg(evolve(empty, **changes), "lighter2", mode=mode)
    made = turn(state)
    enter(made)
    assert made.state.reason == words
    open_ = turn(with_leg(state, "backpack", live=(live(),)))
    enter(open_)
    assert open_.state.phase is Phase.ENTERING


@pytest.mark.parametrize(("at", "phase"), [(499, Phase.WAITING), (500, Phase.SECOND)])
def test_the_wait_is_over_at_its_moment(balanced, at, phase):
    """The third leg is then looked at."""
    made = turn(evolve(balanced, enter_due_at=Timestamp(balanced.now + 500), draw_pending=False), at)
    wait(made)
    assert made.state.phase is phase
    if phase is Phase.SECOND:
        assert (made.state.reason, made.state.enter_due_at) == ("entering lighter2", None)
        assert made.state.look_due_at is not None


@pytest.mark.parametrize(
    ("leg", "reason"),
    [
        ({"made": {Purpose.ENTRY: 3}, "failure": "no margin"}, "no margin"),
        ({"made": {Purpose.ENTRY: 3}}, "all attempts used"),
    ],
)
def test_a_third_leg_that_does_not_come_is_left_out(seconding, leg, reason):
    """After so many attempts, with the last failure's words."""
    state = with_leg(seconding, "lighter2", **{"live": (), **leg})
    made = turn(state, entry_attempts=3)
    enter_second(made)
    assert (made.state.phase, made.state.second) == (Phase.BALANCING, SecondLeg.SKIPPED)
    assert made.state.reason == f"lighter2 skipped: {reason}"
    assert made.leg("lighter2").target == 0


@pytest.mark.parametrize(("looks", "skipped"), [(0, False), (1, True)])
def test_a_third_leg_that_nobody_answers_for_is_left_out(seconding, looks, skipped):
    """After so many answers, with what was lacking."""
    state = with_leg(evolve(seconding, looks=looks, second_quantity=None), "lighter2", live=(), asked_at=Timestamp(0))
    made = turn(state, answered=True, look_attempts=2)
    enter_second(made)
    assert (made.state.second is SecondLeg.SKIPPED) is skipped
    if skipped:
        assert made.state.reason == "lighter2 skipped: no answer to the look"
    else:
        assert (made.state.looks, made.state.look_due_at is not None) == (1, True)


@pytest.mark.parametrize(("held", "ordered"), [("0", D(5)), ("3", D(2)), ("4.95", None), ("5", None), ("6", None)])
def test_the_third_leg_is_filled_up_and_never_against_its_side(seconding, held, ordered):
    """What is less than an order, or too much, is left."""
    state = with_leg(seconding, "lighter2", live=(), ledger=Position(quantity=D(held)), asked_at=seconding.now)
    made = turn(state)
    enter_second(made)
    on_third = [order for order in sent(made) if order[0] == "lighter2"]
    assert on_third == ([] if ordered is None else [("lighter2", "entry", ordered)])
    if ordered is None:
        assert made.state.second is SecondLeg.ENTERED


@pytest.mark.parametrize(("held", "entered"), [("0.2", SecondLeg.SKIPPED), ("0.201", SecondLeg.ENTERED)])
def test_a_third_leg_of_about_nothing_has_not_entered(seconding, held, entered):
    """What the watch would take for vanished."""
    state = with_leg(
        evolve(seconding, second_quantity=D(held)), "lighter2", live=(), ledger=Position(quantity=D(held)), failures=2
    )
    made = turn(state, liquidation_tolerance="0.2")
    enter_second(made)
    assert made.state.second is entered
    leg = made.leg("lighter2")
    assert (leg.target, leg.failures) == (D(held), 0)


def test_the_third_leg_stands_against_the_smaller_of_two(seconding):
    """What the first leg holds, or what the balancer can give back."""
    for backpack, expected in (("4", 4), ("9", 5)):
        state = with_leg(evolve(seconding, second_quantity=None), "lighter2", live=(), asked_at=seconding.now)
        state = with_leg(state, "backpack", ledger=Position(quantity=D(backpack)), live=(live(),))
        look = evolve(state.legs["lighter2"].look, instrument=instrument("lighter2"))
        made = turn(with_leg(state, "lighter2", look=look))
        enter_second(made)
        assert made.state.second_quantity == expected
