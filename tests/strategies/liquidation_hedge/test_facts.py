"""What each fact does to a leg of a hedge: whole legs are compared, so that nothing else changes."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.commands import Notify
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderStatus
from strategies.domain.position import FillCause
from strategies.domain.quote import Quote
from strategies.execution import OwedFill
from strategies.liquidation_hedge.facts import fold
from strategies.liquidation_hedge.state import LiveOrder, Phase, Purpose, Surprise, evolve
from strategies.liquidation_hedge.turn import Turn
from strategies.machine import Outcome
from tests.strategies.liquidation_hedge.scene import (
    accepted,
    adjusted,
    balance,
    closed,
    denied,
    drawn,
    filled,
    instrument,
    leg_look,
    leverage_refused,
    leverage_set,
    looked,
    machine,
    mode,
    monitoring,
    operator,
    order_id,
    rejected,
    restarted,
    started,
    submitted,
    timer,
    unknown,
)

D = Decimal
NAME = "lighter1"
ID = order_id(NAME, "rebalance:1")


@pytest.fixture(scope="module")
def working():
    """Return the watch with an order to buy 2 on Lighter 1, and everything a leg can carry set to something."""
    state = monitoring().played().state
    order = LiveOrder(
        order_id=ID, purpose=Purpose.REBALANCE, signed=D(2), reduce_only=False, sent_at=Timestamp(state.now - 100)
    )
    return with_leg(
        evolve(state, looking_since=None, exit_looks=5),
        live=(order,),
        own=D(-5),
        failures=1,
        failure="before",
        surprise=Surprise(quantity=D(9), at=state.now),
        not_before=Timestamp(state.now + 9),
        leverage_due_at=Timestamp(state.now + 9),
    )


def with_leg(state, **changes):
    """Return the state with Lighter 1 changed."""
    return evolve(state, legs={**state.legs, NAME: evolve(state.legs[NAME], **changes)})


def leg_of(state, **changes):
    """Return Lighter 1 as it was, but for `changes`."""
    return evolve(state.legs[NAME], **changes)


def folded(state, moment, after_ms=1000, **params):
    """Return the turn that has folded a fact a second later; no other leg has changed unless it was looked at."""
    now = Timestamp(state.now + after_ms)
    turn = Turn(machine(**params)._setting, state, now)
    fold(turn, moment(now))
    return turn


def after(state, moment, **params):
    """Return Lighter 1 after a fact."""
    return folded(state, moment, **params).leg(NAME)


def notes(turn):
    """Return what the operator was told."""
    return [(str(c.severity), c.topic, c.text) for c in turn.commands if isinstance(c, Notify)]


def order_of(state, **changes):
    """Return the order in flight."""
    return evolve(state.legs[NAME].live[0], **changes)


def test_a_fill_of_an_open_order_is_held(working):
    """By the ledger, under its trade id; the order has less left, and the surprise may be explained."""
    found = after(working, filled(NAME, "rebalance:1", "0.5", price="990", trade="x"))
    before = leg_of(working)
    assert found == evolve(
        before,
        ledger=found.ledger,
        seen=(*before.seen, "x"),
        price=D(990),
        changed_at=working.now + 1000,
        surprise=None,
        live=(order_of(working, filled=D("0.5"), status=OrderStatus.PARTIALLY_FILLED),),
        own=D("-4.5"),
        reducing_fill=False,
    )
    assert found.quantity == D("-4.5")


def test_a_fill_counts_once(working):
    """Its trade id is known."""
    once = folded(working, filled(NAME, "rebalance:1", "0.5", trade="x")).state
    assert after(once, filled(NAME, "rebalance:1", "0.5", trade="x")) == once.legs[NAME]


def test_trade_ids_are_remembered_up_to_a_bound(working):
    """The oldest is forgotten first."""
    full = with_leg(working, seen=tuple(map(str, range(256))))
    seen = after(full, filled(NAME, "rebalance:1", "0.5", trade="x")).seen
    assert (len(seen), seen[0], seen[-1]) == (256, "1", "x")


def test_a_fill_that_only_reduces_is_noted_as_such(working):
    """It tells why a leg came to zero."""
    reducing = with_leg(working, live=(order_of(working, reduce_only=True),))
    assert after(reducing, filled(NAME, "rebalance:1", "0.5")).reducing_fill


@pytest.mark.parametrize("cause", [FillCause.LIQUIDATION, FillCause.ADL, FillCause.FOREIGN])
def test_a_fill_that_is_not_ours_is_forced(working, cause):
    """It is held, and not what our orders did."""
    found = after(working, filled(NAME, None, "0.5", cause=cause))
    assert (found.quantity, found.own, found.forced, found.stray) == (D("-4.5"), -5, cause, 0)


def test_a_fill_outside_any_cycle_is_a_stray(working):
    """Of ours; in a cycle and in an exit it is none."""
    for phase, stray in ((Phase.IDLE, D("0.5")), (Phase.ENDED, D("0.5")), (Phase.EXITING, 0), (Phase.MONITORING, 0)):
        state = evolve(working, phase=phase)
        assert after(state, filled(NAME, "rebalance:1", "0.5")).stray == stray


def test_a_fill_of_a_debt_is_held_already(working):
    """Its order's end told of it: the ledger takes it over, and the sum stays."""
    owing = with_leg(working, live=(), owed=(OwedFill(order_id=ID, signed=D(2)),), own=D(-3))
    found = after(owing, filled(NAME, "rebalance:1", "0.5"))
    assert (found.quantity, found.own) == (owing.legs[NAME].quantity, -3)
    assert found.owed == (OwedFill(order_id=ID, signed=D("1.5")),)


def test_a_fill_that_explains_what_the_venue_stated_is_held_already(working):
    """Part of the offset becomes part of the ledger; not while its order is open, for then it is news."""
    told = with_leg(working, live=(), offset=D(2), unexplained=D(2))
    found = after(told, filled(NAME, "rebalance:1", "0.5"))
    assert (found.offset, found.unexplained) == (D("1.5"), D("1.5"))
    assert found.quantity == told.legs[NAME].quantity
    open_ = with_leg(working, offset=D(2), unexplained=D(2))
    assert after(open_, filled(NAME, "rebalance:1", "0.5")).offset == 2


def test_an_end_with_more_than_its_fills_is_owed(working):
    """What the end tells beyond the fills is held from then on, and failures are forgotten."""
    half = with_leg(working, live=(order_of(working, filled=D("0.5")),))
    turn = folded(half, closed(NAME, "rebalance:1", "2"))
    assert turn.leg(NAME) == leg_of(
        half,
        live=(),
        owed=(OwedFill(order_id=ID, signed=D("1.5")),),
        changed_at=half.now + 1000,
        failures=0,
        failure="",
        not_before=half.now + 1000,
        own=D("-3.5"),
        surprise=None,
    )
    assert turn.state.exit_looks == 0


def test_the_debt_of_a_sale_is_negative(working):
    """A sale of 2 that ended with all of it."""
    sale = with_leg(working, live=(order_of(working, signed=D(-2)),))
    found = after(sale, closed(NAME, "rebalance:1", "2"))
    assert (found.owed, found.own) == ((OwedFill(order_id=ID, signed=D(-2)),), -7)


def test_an_end_with_nothing_beyond_its_fills_owes_nothing(working):
    """Also when it tells less than the fills have shown."""
    half = with_leg(working, live=(order_of(working, filled=D("0.5")),))
    for told in ("0.5", "0"):
        found = after(half, closed(NAME, "rebalance:1", told))
        assert (found.owed, found.own, found.failures) == ((), -5, 0)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (closed(NAME, "rebalance:1", "0"), "canceled"),
        (rejected(NAME, "rebalance:1"), "MARGIN: said the venue"),
        (denied(NAME, "rebalance:1"), "DISARMED: not reconciled"),
    ],
)
def test_an_end_without_an_execution_is_a_failure(working, end, words):
    """One more in a row, with its reason; the leg rests."""
    turn = folded(working, end, rebalance_delay_s=3)
    assert turn.leg(NAME) == leg_of(
        working,
        live=(),
        changed_at=working.now + 1000,
        failures=2,
        failure=words,
        not_before=working.now + 4000,
    )
    assert turn.state.exit_looks == 5


@pytest.mark.parametrize(
    ("phase", "purpose", "rest_ms"),
    [
        (Phase.SECOND, Purpose.ENTRY, 7000),
        (Phase.ENTERING, Purpose.HEDGE, 8000),
        (Phase.MONITORING, Purpose.REBALANCE, 9000),
        (Phase.EXITING, Purpose.EXIT, 2000),
        (Phase.EXITING, Purpose.ENTRY, 2000),
    ],
)
def test_each_purpose_has_its_own_rest(working, phase, purpose, rest_ms):
    """In an exit the second failure rests for twice the first rest, whatever the order was for."""
    state = with_leg(evolve(working, phase=phase), live=(order_of(working, purpose=purpose),))
    params = {"entry_delay_s": 7, "hedge_delay_s": 8, "rebalance_delay_s": 9, "exit_delay_s": 1}
    assert after(state, closed(NAME, "rebalance:1", "0"), **params).not_before == state.now + 1000 + rest_ms


def test_the_end_of_an_order_that_is_not_here_changes_nothing(working):
    """It has been told before."""
    assert after(working, closed(NAME, "rebalance:9", "2")) == leg_of(working)


def test_an_order_moves_on_and_never_back(working):
    """An acknowledgement ends a doubt; one that comes after a fill is no news."""
    asked = order_of(working, unknown=True, status=OrderStatus.SUBMITTED)
    doubtful = with_leg(working, live=(asked, order_of(working, order_id="other")))
    found = after(doubtful, accepted(NAME, "rebalance:1"))
    assert found.live == (order_of(working, status=OrderStatus.ACCEPTED), order_of(working, order_id="other"))
    sent = after(working, submitted(NAME, "rebalance:1"))
    assert sent.live == (order_of(working, status=OrderStatus.SUBMITTED),)
    partly = with_leg(working, live=(order_of(working, status=OrderStatus.PARTIALLY_FILLED),))
    assert after(partly, submitted(NAME, "rebalance:1")) == leg_of(partly)


def test_a_lost_answer_marks_its_order_only(working):
    """It stays in flight."""
    both = with_leg(working, live=(order_of(working), order_of(working, order_id="other")))
    found = after(both, unknown(NAME, "rebalance:1"))
    assert found == leg_of(both, live=(order_of(working, unknown=True), order_of(working, order_id="other")))


def test_an_accounts_correction_is_believed_and_told(working):
    """With both numbers; debts and doubts are part of it."""
    state = with_leg(working, offset=D(1), unexplained=D(1), owed=(OwedFill(order_id="x", signed=D(1)),))
    turn = folded(state, adjusted(NAME, "-5", "-4"))
    assert turn.leg(NAME) == leg_of(
        state, offset=D(1), unexplained=D(0), owed=(), surprise=None, changed_at=state.now + 1000
    )
    assert notes(turn) == [
        ("WARNING", "position_adjusted", "triad: lighter1 holds -4, not -3: two statements agree"),
    ]


@pytest.mark.parametrize(("phase", "basis_ms"), [(Phase.PREPARING, 1000), (Phase.MONITORING, None)])
def test_a_settled_leverage_makes_older_looks_no_basis(working, phase, basis_ms):
    """While an entry is prepared: margin counts by the leverage in force."""
    state = evolve(working, phase=phase, basis_at=Timestamp(7))
    basis = 7 if basis_ms is None else state.now + basis_ms
    turn = folded(state, leverage_set(NAME, "20"))
    assert turn.leg(NAME) == leg_of(state, leverage=D(20), leverage_due_at=None)
    assert turn.state.basis_at == basis
    turn = folded(state, leverage_refused(NAME))
    assert turn.leg(NAME) == leg_of(state, leverage_due_at=None, failure="no")
    assert turn.state.basis_at == basis


def test_a_mode_is_taken_note_of(working):
    """Nothing else."""
    assert after(working, mode(NAME, AccountMode.FROZEN)) == leg_of(working, mode=AccountMode.FROZEN)


def test_a_timer_that_fired_runs_no_more(working):
    """The others do."""
    state = evolve(working, timers={"look": Timestamp(1), "act": Timestamp(2)})
    assert folded(state, timer("look")).state.timers == {"act": 2}


def test_the_first_moment_is_noted(working):
    """Since when it is in its phase, and why."""
    state = folded(working, started()).state
    assert (state.phase_since, state.reason) == (working.now + 1000, "just started")


@pytest.mark.parametrize(
    ("phase", "cycle", "due", "expected"),
    [
        (Phase.WAITING, 1, None, 4000),
        (Phase.WAITING, 2, None, None),
        (Phase.SECOND, 1, None, None),
        (Phase.WAITING, 1, 77, 77),
    ],
)
def test_a_drawn_wait_counts_for_its_cycle_and_once(working, phase, cycle, due, expected):
    """Three seconds from when it is heard."""
    due_at = None if due is None else Timestamp(working.now + due)
    state = folded(evolve(working, phase=phase, enter_due_at=due_at, draw_pending=True), drawn("3", cycle)).state
    assert state.enter_due_at == (None if expected is None else working.now + expected)
    assert state.draw_pending is (expected != 4000)


def test_a_flatten_is_latched(working):
    """Another word does not take it back."""
    state = folded(working, operator(OperatorState.FLATTEN)).state
    assert (state.flatten, state.operator_state) == (True, OperatorState.FLATTEN)
    state = folded(state, operator(OperatorState.RUN)).state
    assert (state.flatten, state.operator_state) == (True, OperatorState.RUN)
    assert not folded(working, operator(OperatorState.REDUCE)).state.flatten


@pytest.mark.parametrize(
    ("word", "by", "phase", "outcome", "released"),
    [
        (OperatorState.RUN, "operator:anna", Phase.ENDED, Outcome.PARKED, True),
        (OperatorState.RUN, "config", Phase.ENDED, Outcome.PARKED, False),
        (OperatorState.PAUSE, "operator:anna", Phase.ENDED, Outcome.PARKED, False),
        (OperatorState.RUN, "operator:anna", Phase.ENDED, Outcome.FINISHED, False),
        (OperatorState.RUN, "operator:anna", Phase.EXITING, Outcome.PARKED, False),
    ],
)
def test_only_a_person_releases_a_parked_group(working, word, by, phase, outcome, released):
    """By saying RUN once it is out; it then starts at once, with a clean slate."""
    state = folded(evolve(working, phase=phase, outcome=outcome, start_failures=3), operator(word, by)).state
    if not released:
        assert (state.phase, state.outcome, state.start_failures) == (phase, outcome, 3)
        return
    assert (state.phase, state.outcome, state.start_failures) == (Phase.IDLE, Outcome.RUNNING, 0)
    assert (state.reason, state.start_due_at) == ("released by operator:anna", working.now + 1000)


@pytest.mark.parametrize(
    ("phase", "looks"),
    [
        (Phase.MONITORING, True),
        (Phase.ENTERING, True),
        (Phase.PREPARING, True),
        (Phase.EXITING, True),
        (Phase.IDLE, False),
        (Phase.ENDED, False),
    ],
)
def test_a_restart_forgets_what_was_asked(working, phase, looks):
    """Timers, looks, draws and doubts; where anything is at stake it looks first."""
    before = evolve(
        working,
        phase=phase,
        looking_since=working.now,
        look_due_at=working.now,
        looks=2,
        draw_pending=True,
        answered_at=Timestamp(5),
    )
    turn = folded(before, restarted())
    state, now = turn.state, working.now + 1000
    assert (state.timers, state.looking_since, state.looks, state.draw_pending) == ({}, None, 0, False)
    assert (state.basis_at, state.exit_looks) == (now, 0)
    assert (state.look_due_at, state.answered_at) == ((now, 0) if looks else (None, 5))
    assert turn.leg(NAME) == leg_of(working, leverage_due_at=None, surprise=None)


@pytest.mark.parametrize(("since_ms", "over"), [(7000, True), (6999, False)])
def test_a_look_without_an_answer_is_over_at_its_time(working, since_ms, over):
    """Eight seconds after it was asked for, to the millisecond; a group that holds something asks again."""
    state = evolve(working, looking_since=Timestamp(working.now - since_ms), answered_at=Timestamp(5))
    turn = folded(state, timer("look"), look_timeout_s=8)
    assert turn.answered is over
    assert (turn.state.looking_since is None) is over
    assert (turn.state.answered_at, turn.state.look_due_at) == (
        (turn.now, turn.now + 500) if over else (5, state.look_due_at)
    )


def test_a_look_is_taken_note_of(working):
    """What it saw, of which question, when; and a leg of another group is not ours."""
    state = evolve(with_leg(working, live=(), surprise=None), asked_at=Timestamp(working.now + 500))
    turn = folded(state, looked("0", "-5", "5", but={NAME: {"mode": AccountMode.FROZEN}}))
    look = leg_look(NAME, "-5", at=turn.now, mode=AccountMode.FROZEN)
    assert turn.leg(NAME) == leg_of(
        state,
        look=look,
        asked_at=working.now + 500,
        mode=AccountMode.FROZEN,
        price=D(1000),
        leverage=D(50),
        reported=look.position,
        reported_at=turn.now,
    )
    assert (turn.answered, turn.state.looking_since, turn.state.answered_at) == (True, None, turn.now)


def test_an_answer_with_nothing_in_it_tells_nothing(working):
    """Not even the account's mode; instrument, price, leverage and the last statement stay."""
    nothing = {"instrument": None, "quote": None, "balance": None, "mode": AccountMode.DISARMED}
    found = after(working, looked("0", None, "5", but={NAME: nothing}))
    before = leg_of(working)
    assert (found.mode, found.price, found.leverage) == (before.mode, before.price, before.leverage)
    assert (found.reported, found.reported_at) == (before.reported, before.reported_at)
    assert found.look.instrument == instrument(NAME)


@pytest.mark.parametrize("left", ["instrument", "quote", "balance", "position"])
def test_an_answer_with_anything_in_it_tells_the_mode(working, left):
    """One part of it is enough to know that the account was asked."""
    parts = {"instrument": None, "quote": None, "balance": None, "position": None}
    parts.pop(left)
    found = after(working, looked("0", "-5", "5", but={NAME: {**parts, "mode": AccountMode.FROZEN}}))
    assert found.mode is AccountMode.FROZEN


@pytest.mark.parametrize(
    ("quote", "price"),
    [
        (Quote(mark=D(3), bid=D(1), ask=D(2), at=0), 3),
        (Quote(bid=D(1), ask=D(2), at=0), 1),
        (Quote(ask=D(2), at=0), 2),
    ],
)
def test_a_price_is_mark_or_bid_or_ask(working, quote, price):
    """In this order."""
    assert after(working, looked("0", "-5", "5", but={NAME: {"quote": quote}})).price == price


def test_a_balance_without_a_leverage_leaves_the_last_one(working):
    """What the venue does not say is not forgotten."""
    silent = {NAME: {"balance": balance(leverage=None)}}
    assert after(with_leg(working, leverage=D(7)), looked("0", "-5", "5", but=silent)).leverage == 7
    said = {NAME: {"balance": balance(leverage=D(9))}}
    assert after(working, looked("0", "-5", "5", but=said)).leverage == 9


def compared(working, reported="-4", *, asked_ms=500, changed_ms=0, in_flight=0, **leg):
    """Return the turn after a look at a leg that holds -5, asked for so long after the state."""
    state = with_leg(
        working, **{"live": (), "surprise": None, "changed_at": Timestamp(working.now + changed_ms), **leg}
    )
    state = evolve(state, asked_at=Timestamp(working.now + asked_ms))
    return folded(state, looked("0", reported, "5", but={NAME: {"in_flight": in_flight}}), confirm_delay_s=2)


def test_a_difference_is_a_surprise_first(working):
    """Remembered with its number and its moment; agreement ends it."""
    assert compared(working).leg(NAME).surprise == Surprise(quantity=D(-4), at=working.now + 1000)
    old = Surprise(quantity=D(-4), at=working.now)
    assert compared(working, "-5", surprise=old).leg(NAME).surprise is None


@pytest.mark.parametrize(
    "changes", [{"asked_ms": 499, "changed_ms": 500}, {"in_flight": 1}], ids=["older than a fact", "orders open there"]
)
def test_what_may_be_explained_is_not_compared(working, changes):
    """The statement may simply be older, or younger, than the fills that we know."""
    assert compared(working, **changes).leg(NAME).surprise is None


def test_a_look_asked_for_at_the_moment_of_a_fact_is_compared(working):
    """It is not older than the fact."""
    assert compared(working, asked_ms=500, changed_ms=500).leg(NAME).surprise is not None


def test_nothing_is_compared_while_an_order_is_open(working):
    """Its fills tell."""
    assert compared(working, live=(order_of(working),)).leg(NAME).surprise is None


def test_another_number_is_another_surprise(working):
    """However long the first one has stood."""
    old = Surprise(quantity=D(-3), at=Timestamp(working.now - 60_000))
    assert compared(working, surprise=old).leg(NAME).surprise == Surprise(quantity=D(-4), at=working.now + 1000)


@pytest.mark.parametrize(("since_ms", "believed"), [(-1500, True), (-1499, False)])
def test_a_surprise_is_believed_when_it_is_said_again_late_enough(working, since_ms, believed):
    """The second look was asked for two seconds after the first answer, to the millisecond."""
    old = Surprise(quantity=D(-4), at=Timestamp(working.now + since_ms))
    owed = (OwedFill(order_id="x", signed=D(0)),)
    turn = compared(working, surprise=old, owed=owed)
    leg = turn.leg(NAME)
    assert leg.quantity == (-4 if believed else -5)
    if not believed:
        assert (leg.surprise, notes(turn)) == (old, [])
        return
    assert (leg.offset, leg.unexplained, leg.owed, leg.surprise) == (1, 1, (), None)
    assert leg.changed_at == turn.now
    assert notes(turn) == [
        (
            "WARNING",
            "position_surprise",
            "triad: lighter1 holds -4 by two statements of its venue; our fills said -5",
        )
    ]


def test_what_is_owed_becomes_part_of_what_is_believed(working):
    """A debt of +1 that no fill has explained, and a statement of one more: both are the venue's word now."""
    old = Surprise(quantity=D(-3), at=Timestamp(working.now - 9000))
    turn = compared(working, "-3", surprise=old, owed=(OwedFill(order_id="x", signed=D(1)),), offset=D(0))
    leg = turn.leg(NAME)
    assert (leg.quantity, leg.offset, leg.unexplained, leg.owed) == (-3, 2, 2, ())


@pytest.mark.parametrize(
    ("phase", "text", "cycle", "made"),
    [
        (Phase.IDLE, "triad:7:lighter1:exit:3", 7, {Purpose.EXIT: 3}),
        (Phase.IDLE, "triad:1:lighter1:exit:9", 1, {Purpose.HEDGE: 1, Purpose.EXIT: 9}),
        (Phase.IDLE, "triad:1:lighter1:hedge:1", 1, {Purpose.HEDGE: 1}),
        (Phase.IDLE, "triad:0:lighter1:exit:9", 1, {Purpose.HEDGE: 1}),
        (Phase.MONITORING, "triad:7:lighter1:exit:3", 1, {Purpose.HEDGE: 1}),
        (Phase.IDLE, "other:7:lighter1:exit:3", 1, {Purpose.HEDGE: 1}),
        (Phase.IDLE, "triad:7:lighter1:flatten:3", 1, {Purpose.HEDGE: 1}),
        (Phase.IDLE, "triad:7:exit:3", 1, {Purpose.HEDGE: 1}),
        (Phase.IDLE, "triad:x:lighter1:exit:3", 1, {Purpose.HEDGE: 1}),
        (Phase.IDLE, "triad:7:lighter1:exit:x", 1, {Purpose.HEDGE: 1}),
    ],
)
def test_an_id_from_an_earlier_life_is_never_used_again(working, phase, text, cycle, made):
    """Cycle and attempt go on behind it; what is not such an id tells nothing, and in a cycle all ids are known."""
    state = with_leg(evolve(working, phase=phase), made={Purpose.HEDGE: 1}, live=())
    event = closed(NAME, "exit:1", "0")(working.now).model_copy(update={"order_id": text})
    turn = folded(state, lambda _at: event)
    assert (turn.state.cycle, turn.leg(NAME).made) == (cycle, made)
