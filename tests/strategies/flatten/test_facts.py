"""What each fact does to a leg that is being closed: whole legs are compared, so that nothing else changes."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode, ReportedPosition
from strategies.domain.events import Filled, OperatorState, OperatorStateSet
from strategies.domain.ids import Timestamp
from strategies.domain.order import Side
from strategies.domain.position import Fill, FillCause
from strategies.domain.quote import Quote
from strategies.flatten import facts
from strategies.flatten.state import FlattenLeg, Phase, SentOrder
from strategies.flatten.turn import Turn
from tests.playbook import NOON
from tests.strategies.flatten.scene import accepted, closed, closing, denied, machine, rejected, seen, unknown
from tests.strategies.liquidation_hedge.scene import INSTRUMENT, adjusted, instrument, leg_look, mode

D = Decimal
NAME = "lighter1"
FACTS = facts.FlattenFacts()
LATER = Timestamp(NOON + 60_000)


@pytest.fixture(scope="module")
def closed_half():
    """Return a state with one order of 5 in flight, and everything that a leg can carry set to something."""
    state = closing(look_retry_s=1).played().state
    leg = state.legs[NAME].model_copy(
        update={
            "moved": True,
            "made": 3,
            "failures": 2,
            "failure": "before",
            "not_before": Timestamp(NOON + 59_000),
            "looks": 4,
            "surprise_at": Timestamp(NOON + 1),
            "asking": True,
            "flat_at": Timestamp(NOON + 2),
            "price": D(900),
        }
    )
    return state.model_copy(update={"legs": {NAME: leg}, "timers": {NAME: LATER}})


def turn(state, **params):
    """Return a turn a minute later."""
    made = machine(NAME, **params)
    return Turn(made._spec, made._params, state, LATER)


def after(state, moment, **params):
    """Return the leg after a fact of its account."""
    made = turn(state, **params)
    FACTS.leg_fact(made, NAME, moment(LATER))
    return made.leg(NAME)


def leg_of(state, **changes):
    """Return the leg as it was, but for `changes`."""
    return state.legs[NAME].model_copy(update=changes)


def with_leg(state, **changes):
    """Return the state with its leg changed."""
    return state.model_copy(update={"legs": {NAME: leg_of(state, **changes)}})


def noted(state):
    """Return what every fact changes: the step it came in, and that nothing is confirmed any more."""
    return {"changed_in": state.steps + 1, "flat_at": None}


def fill(signed, order_id, price="950", cause=FillCause.ORDER):
    """An execution."""
    quantity = D(signed)
    execution = Fill(
        trade_id="t",
        instrument_id=INSTRUMENT,
        side=Side.of(quantity),
        quantity=abs(quantity),
        price=D(price),
        fee=D(0),
        at=LATER,
        cause=cause,
        order_id=order_id,
    )
    return lambda at: Filled(at=at, account="l1", fill=execution)


def sent(state):
    """Return the order in flight."""
    return state.legs[NAME].live[0]


def test_a_fill_of_an_open_order_is_closed_quantity(closed_half):
    """Less to close, a known price, no doubt about the order, and progress."""
    order = sent(closed_half)
    filled = order.model_copy(update={"filled": D(2), "unknown": False})
    expected = leg_of(
        closed_half, live=(filled,), quantity=D(3), price=D(950), surprise_at=None, looks=0, **noted(closed_half)
    )
    assert after(closed_half, fill("-2", order.order_id)) == expected
    doubtful = with_leg(closed_half, live=(order.model_copy(update={"unknown": True}),), quantity=None)
    assert after(doubtful, fill("-2", order.order_id)) == leg_of(
        doubtful, live=(filled,), quantity=None, price=D(950), surprise_at=None, looks=0, **noted(closed_half)
    )


def test_a_fill_of_nobody_here_waits_for_a_look(closed_half):
    """What it has come to is asked of the venue, which gets a moment; a longer rest stays."""
    expected = leg_of(closed_half, moved=True, price=D(950), not_before=Timestamp(LATER + 2000), **noted(closed_half))
    assert after(closed_half, fill("-2", None, cause=FillCause.LIQUIDATION)) == expected
    rested = with_leg(closed_half, not_before=Timestamp(LATER + 9000), moved=False)
    assert after(rested, fill("-2", "another")) == leg_of(rested, moved=True, price=D(950), **noted(closed_half))


@pytest.mark.parametrize(("told", "quantity"), [("5", "0"), ("2", "3")])
def test_an_end_with_executions_is_progress(closed_half, told, quantity):
    """What the end tells beyond the fills is counted once; failures are forgotten."""
    state = with_leg(closed_half, moved=False)
    expected = leg_of(
        state, live=(), quantity=D(quantity), failures=0, failure="", not_before=LATER, looks=0, **noted(state)
    )
    assert after(state, closed(NAME, "flatten:1", told)) == expected


def test_an_end_counts_no_fill_twice(closed_half):
    """Two were seen, two are told: nothing is missing. A moved leg keeps its rest, for its look is still to come."""
    order = sent(closed_half).model_copy(update={"filled": D(2)})
    state = with_leg(closed_half, live=(order,), quantity=D(3))
    expected = leg_of(state, live=(), quantity=D(3), failures=0, failure="", looks=0, **noted(state))
    assert after(state, closed(NAME, "flatten:1", "2")) == expected
    assert after(state, closed(NAME, "flatten:1", "0")) == expected


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (closed(NAME, "flatten:1", "0"), "canceled"),
        (rejected(NAME, "flatten:1"), "MARGIN: said the venue"),
        (denied(NAME, "flatten:1"), "DISARMED: not reconciled"),
    ],
)
def test_an_end_without_an_execution_is_a_failure(closed_half, end, reason):
    """The third in a row rests for four times the first rest, with its reason."""
    expected = leg_of(
        closed_half, live=(), failures=3, failure=reason, not_before=Timestamp(LATER + 1000), **noted(closed_half)
    )
    assert after(closed_half, end) == expected


def test_a_longer_rest_is_not_cut_by_a_failure(closed_half):
    """Whatever made it so long still holds."""
    rested = with_leg(closed_half, not_before=Timestamp(LATER + 9000))
    assert after(rested, rejected(NAME, "flatten:1")).not_before == LATER + 9000


def test_the_end_of_an_order_that_is_not_here_changes_nothing(closed_half):
    """It has been told before."""
    assert after(closed_half, closed(NAME, "flatten:9", "5")) == leg_of(closed_half)


def test_a_lost_answer_marks_its_order_only(closed_half):
    """And an acceptance takes the mark away."""
    order = sent(closed_half)
    other = order.model_copy(update={"order_id": "other"})
    both = with_leg(closed_half, live=(order, other))
    doubtful = order.model_copy(update={"unknown": True})
    assert after(both, unknown(NAME, "flatten:1")) == leg_of(both, live=(doubtful, other))
    marked = with_leg(closed_half, live=(doubtful, other.model_copy(update={"unknown": True})))
    assert after(marked, accepted(NAME, "flatten:1")).live[0] == order
    assert after(marked, accepted(NAME, "flatten:1")).live[1].unknown


def test_an_accounts_correction_is_what_is_to_be_closed(closed_half):
    """It is a fact that moved the leg; a surprise that it explains is over."""
    expected = leg_of(closed_half, quantity=D(4), moved=True, surprise_at=None, **noted(closed_half))
    assert after(with_leg(closed_half, moved=False), adjusted(NAME, "5", "4")) == expected


@pytest.mark.parametrize("to", [AccountMode.ARMED, AccountMode.FROZEN])
def test_an_account_that_has_come_up_is_looked_at(closed_half, to):
    """At once, unless a look is under way."""
    assert after(closed_half, mode(NAME, to)) == leg_of(closed_half, looks=0, look_due_at=None)
    idle = with_leg(closed_half, asking=False)
    assert after(idle, mode(NAME, to)) == leg_of(idle, looks=0, look_due_at=LATER)


def test_an_account_that_goes_down_changes_nothing(closed_half):
    """There is nothing to be asked."""
    assert after(closed_half, mode(NAME, AccountMode.DISARMED)) == leg_of(closed_half)


def test_a_run_begins_with_nothing_from_before(closed_half):
    """Orders, price and the last look are kept; everything else is new, canceled first, and looked at."""
    made = turn(closed_half, exit_alert_attempts=7)
    facts.begin(made, "why")
    leg = closed_half.legs[NAME]
    assert made.leg(NAME) == FlattenLeg(
        account="l1",
        live=leg.live,
        price=D(900),
        look=leg.look,
        changed_in=closed_half.steps + 1,
        alert_at=7,
        look_due_at=LATER,
    )
    state = made.state
    assert (state.phase, state.phase_since, state.reason) == (Phase.CLOSING, LATER, "why")
    assert (state.run, state.run_at) == (2, LATER)
    assert [command.kind for command in made.commands] == ["CancelAllOrders"]


def test_no_two_runs_have_the_same_ids(closed_half):
    """A second run in the same millisecond is one later."""
    made = turn(closed_half.model_copy(update={"run_at": LATER}))
    facts.begin(made, "again")
    assert made.state.run_at == LATER + 1


def test_a_restart_asks_anew(closed_half):
    """Timers and looks are gone, what is to be closed is learnt again, and the cancel may have been cut off."""
    made = turn(closed_half)
    FACTS.restarted(made)
    expected = leg_of(
        closed_half,
        quantity=None,
        moved=False,
        asking=False,
        surprise_at=None,
        look_due_at=LATER,
        **noted(closed_half),
    )
    assert made.leg(NAME) == expected
    assert made.state.timers == {}
    assert [command.kind for command in made.commands] == ["CancelAllOrders"]


def test_a_restart_after_the_end_asks_nothing(closed_half):
    """The run is over."""
    made = turn(closed_half.model_copy(update={"phase": Phase.FLAT}))
    FACTS.restarted(made)
    assert (made.leg(NAME), made.commands, made.state.timers) == (leg_of(closed_half), [], {})


@pytest.mark.parametrize(
    ("reason", "words"), [("", "FLATTEN by operator:anna"), ("news", "FLATTEN by operator:anna: news")]
)
def test_a_flatten_after_the_end_begins_another_run(closed_half, reason, words):
    """With who said it, and why; one that is under way goes on as it is."""
    word = OperatorStateSet(at=LATER, state=OperatorState.FLATTEN, by="operator:anna", reason=reason)
    made = turn(closed_half.model_copy(update={"phase": Phase.FLAT}))
    FACTS.operated(made, word)
    assert (made.state.reason, made.state.run) == (words, 2)
    going = turn(closed_half)
    FACTS.operated(going, word)
    assert (going.state.run, going.commands) == (1, [])


def looked(state, look, **params):
    """Return the leg after a look, and the turn."""
    made = turn(state, **params)
    FACTS.fold(made, seen(NAME)(LATER).model_copy(update={"legs": {NAME: look, "nobody": look}}))
    return made.leg(NAME), made


def asked(state, **changes):
    """Return the state with a look under way that was asked for after every fact, and no order in flight."""
    base = {"live": (), "asked_in": state.steps, "changed_in": state.steps, "moved": False, "surprise_at": None}
    return with_leg(state, **{**base, "asked_at": Timestamp(NOON + 50_000), **changes})


def test_a_look_is_taken_note_of(closed_half):
    """What it saw, when, of which question, and that it is over."""
    state = asked(closed_half)
    look = leg_look(NAME, "4", at=LATER)
    leg, made = looked(state, look)
    assert leg == leg_of(
        state,
        look=look,
        look_in=state.steps,
        price=D(1000),
        reported=look.position,
        reported_at=LATER,
        asking=False,
        answered_at=LATER,
        looks=5,
        quantity=D(4),
    )
    assert made.answered == {NAME}


def test_what_a_look_could_not_see_stays_known(closed_half):
    """Instrument, price and the venue's last statement."""
    leg, _ = looked(asked(closed_half), leg_look(NAME, None, at=LATER, instrument=None, quote=None, believed=D(9)))
    assert (leg.look.instrument, leg.price) == (instrument(NAME), D(900))
    assert leg.reported == closed_half.legs[NAME].reported
    assert leg.quantity == 5


@pytest.mark.parametrize(
    ("quote", "known", "entry", "price"),
    [
        (Quote(mark=D(3), bid=D(1), ask=D(2), at=LATER), None, "7", 3),
        (Quote(bid=D(1), ask=D(2), at=LATER), None, "7", 1),
        (Quote(ask=D(2), at=LATER), None, "7", 2),
        (None, None, "7", 7),
        (None, D(5), "7", 5),
        (None, None, "0", None),
    ],
)
def test_a_price_is_taken_from_the_best_that_is_known(closed_half, quote, known, entry, price):
    """Mark, bid, ask, what was known, and before nothing at all the price that the position was entered at."""
    position = ReportedPosition(quantity=D(5), entry_price=D(entry), at=LATER)
    leg, _ = looked(asked(closed_half, price=known), leg_look(NAME, at=LATER, quote=quote, position=position))
    assert leg.price == price


@pytest.mark.parametrize(("believed", "quantity"), [("3", 3), ("0", None)])
def test_without_a_statement_the_accounts_belief_is_closed(closed_half, believed, quantity):
    """It cannot do harm; and a belief in nothing is no knowledge."""
    leg, _ = looked(asked(closed_half, quantity=None), leg_look(NAME, None, at=LATER, believed=D(believed)))
    assert leg.quantity == quantity


def test_a_statement_that_is_older_than_a_fact_is_not_learnt_from(closed_half):
    """Nor one that an order of ours may have changed since; an order in doubt does not keep it out."""
    look = leg_look(NAME, "4", at=LATER)
    assert looked(asked(closed_half, changed_in=closed_half.steps + 1), look)[0].quantity == 5
    assert looked(asked(closed_half, live=(sent(closed_half),)), look)[0].quantity == 5
    doubtful = sent(closed_half).model_copy(update={"unknown": True})
    assert looked(asked(closed_half, live=(doubtful,)), look)[0].quantity == 4


def test_a_statement_after_a_move_ends_the_wait(closed_half):
    """What was held back for it may go at once; otherwise a rest stays a rest."""
    look = leg_look(NAME, "0", at=LATER)
    moved, _ = looked(asked(closed_half, moved=True), look)
    assert (moved.quantity, moved.moved, moved.not_before) == (0, False, LATER)
    rested, _ = looked(asked(closed_half), leg_look(NAME, "4", at=LATER))
    assert rested.not_before == NOON + 59_000


@pytest.mark.parametrize(
    ("since_ms", "held", "surprised"), [(None, 5, 60_000), (48_001, 5, 48_001), (48_000, 0, None), (20_000, 0, None)]
)
def test_a_zero_that_nothing_explains_counts_when_it_is_said_twice(closed_half, since_ms, held, surprised):
    """The second look has to be asked for at least two seconds after the first answer: 50 s here."""
    since = None if since_ms is None else Timestamp(NOON + since_ms)
    leg, made = looked(asked(closed_half, surprise_at=since), leg_look(NAME, "0", at=LATER))
    assert (leg.quantity, leg.surprise_at) == (held, None if surprised is None else NOON + surprised)
    words = ["triad: lighter1 is flat by two statements, not 5"] if held == 0 else []
    assert [command.text for command in made.commands] == words


@pytest.mark.parametrize(
    ("phase", "order_id", "cause", "runs"),
    [
        (Phase.FLAT, "triad:1:lighter1:entry:1", FillCause.ORDER, 2),
        (Phase.FLAT, "other:1:lighter1:entry:1", FillCause.ORDER, 1),
        (Phase.FLAT, "triad:1:lighter1:entry:1", FillCause.ADL, 1),
        (Phase.FLAT, None, FillCause.ORDER, 1),
        (Phase.READY, "triad:1:lighter1:entry:1", FillCause.ORDER, 1),
    ],
)
def test_only_a_late_fill_of_ours_begins_another_run(closed_half, phase, order_id, cause, runs):
    """What others do after the end is their business."""
    made = turn(closed_half.model_copy(update={"phase": phase}))
    FACTS.leg_fact(made, NAME, fill("1", order_id, cause=cause)(LATER))
    assert made.state.run == runs
    assert made.state.reason == (f"a fill of {order_id} came late" if runs == 2 else "just started")


def test_an_order_in_flight_only_reduces():
    """There is no other order here."""
    assert SentOrder(order_id="o", signed=D(1), sent_at=NOON).reduce_only
