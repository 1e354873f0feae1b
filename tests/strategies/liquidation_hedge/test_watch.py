"""The watch at its bounds: what vanished, what it lost, how long it may be uncovered, and what a person reads of it."""

from decimal import Decimal

import pytest

from strategies.domain.commands import Notify
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.position import FillCause, Position
from strategies.liquidation_hedge.holding import Balance, balance, hold, interrupt, watch
from strategies.liquidation_hedge.state import ExitReason, LiveOrder, Phase, Purpose, Surprise, evolve
from strategies.liquidation_hedge.turn import Turn
from strategies.risk import Limits
from tests.strategies.liquidation_hedge.scene import machine, monitoring

D = Decimal


@pytest.fixture(scope="module")
def watched():
    """Return the watch over 0, -5, +5."""
    return monitoring().played().state


def turn(state, at=0, *, limits=None, **params):
    """Return a turn `at` milliseconds after the state."""
    return Turn(machine(limits=limits, **params)._setting, state, Timestamp(state.now + at))


def holding(state, backpack="0", lighter1="-5", lighter2="5", **changes):
    """Return the state with other positions."""
    held = {"backpack": backpack, "lighter1": lighter1, "lighter2": lighter2}
    legs = {name: evolve(leg, ledger=Position(quantity=D(held[name]))) for name, leg in state.legs.items()}
    return evolve(state, legs=legs, **changes)


def with_leg(state, name, **changes):
    """Return the state with a leg changed."""
    return evolve(state, legs={**state.legs, name: evolve(state.legs[name], **changes)})


def orders(made):
    """Return what was ordered, signed, by leg and whether it only reduces."""
    legs = made.state.legs.items()
    return {name: (order.signed, order.reduce_only) for name, leg in legs for order in leg.live}


def why(made):
    """Return the reason of the exit, in words; empty = there is none."""
    return made.state.reason if made.state.phase is Phase.EXITING else ""


@pytest.mark.parametrize(
    ("held", "ordered"),
    [
        (("3", "-5", "5"), ("backpack", D(-3), True)),
        (("-3", "-5", "5"), ("backpack", D(3), True)),
        (("0", "-5", "3"), ("backpack", D(2), False)),
        (("1", "-5", "3"), ("backpack", D(1), False)),
        (("-2", "-5", "3"), ("backpack", D(4), False)),
        (("3", "-5", "3"), ("backpack", D(-1), True)),
        (("2", "-5", "3"), None),
        (("0", "-5", "5.05"), None),
    ],
)
def test_the_balancer_carries_what_the_others_leave(watched, held, ordered):
    """Only what makes it smaller on its own side is reduce-only; what no venue takes is left."""
    made = turn(holding(watched, *held))
    result = balance(made)
    assert orders(made) == ({} if ordered is None else {ordered[0]: ordered[1:]})
    assert result is (Balance.DONE if ordered is None else Balance.BUSY)
    assert made.leg("backpack").target == -D(held[1]) - D(held[2])


def test_a_difference_of_exactly_the_tolerance_is_left(watched):
    """A lot more is not."""
    assert balance(turn(holding(watched, "2"), rebalance_tolerance=2)) is Balance.DONE
    assert balance(turn(holding(watched, "2.01"), rebalance_tolerance=2)) is Balance.BUSY


@pytest.mark.parametrize(
    ("held", "ordered"),
    [
        (("3", "-5", "5"), {"backpack": (D(-3), True)}),
        (("-1", "-5", "9"), {"lighter2": (D(-3), True)}),
        (("0", "-9", "5"), {"lighter1": (D(4), True)}),
        (("1", "-5", "9"), {"backpack": (D(-1), True)}),
        (("0", "-5", "5"), {}),
    ],
)
def test_in_reduce_the_uncovered_part_is_taken_off_a_leg_that_has_it(watched, held, ordered):
    """Of the balancer first, then of the largest; no leg gets bigger, and its target follows."""
    made = turn(holding(watched, *held, operator_state=OperatorState.REDUCE))
    assert balance(made) is (Balance.BUSY if ordered else Balance.DONE)
    assert orders(made) == ordered
    for name, (signed, _) in ordered.items():
        assert made.leg(name).target == made.leg(name).quantity + signed


def test_in_reduce_the_larger_of_two_legs_gives(watched):
    """Both are long; the balancer holds nothing."""
    state = holding(watched, "0", "3", "5", operator_state=OperatorState.REDUCE)
    made = turn(state)
    balance(made)
    assert orders(made) == {"lighter2": (D(-5), True)}


def test_the_watch_says_when_it_is_covered(watched):
    """Entirely, or but for what is too small."""
    for on_third, words in (("5", "covered"), ("5.05", "covered but for 0.05, too small to trade")):
        made = turn(holding(watched, lighter2=on_third, phase=Phase.BALANCING))
        hold(made)
        assert (made.state.phase, made.state.reason) == (Phase.MONITORING, words)
    made = turn(holding(watched, "3"))
    hold(made)
    assert (made.state.phase, made.state.reason) == (Phase.BALANCING, "backpack to 0")


@pytest.mark.parametrize(
    ("held", "own", "gone"),
    [("0", "-5", True), ("0.2", "-5", True), ("-0.2", "-5", True), ("0.21", "-5", False), ("0", "0.2", False)],
)
def test_a_leg_has_vanished_when_it_is_back_at_about_zero(watched, held, own, gone):
    """Where our orders had put something; about zero is no more than the tolerance."""
    made = turn(with_leg(holding(watched, lighter1=held), "lighter1", own=D(own)), liquidation_tolerance="0.2")
    interrupt(made)
    assert why(made) == (f"leg_vanished: lighter1 is back to {held}" if gone else "")


@pytest.mark.parametrize(
    ("phase", "others", "busy", "gone"),
    [
        (Phase.MONITORING, ("-5", "5"), False, False),
        (Phase.MONITORING, ("-5", "3"), False, True),
        (Phase.MONITORING, ("-5", "3"), True, False),
        (Phase.MONITORING, ("-5", "4.8"), False, False),
        (Phase.ENTERING, ("-5", "5"), False, True),
    ],
)
def test_the_balancer_belongs_at_zero_when_the_others_cover_each_other(watched, phase, others, busy, gone):
    """Otherwise it has vanished, unless an order of its own is passing zero; while it enters it should hold."""
    order = LiveOrder(order_id="o", purpose=Purpose.REBALANCE, signed=D(1), reduce_only=False, sent_at=watched.now)
    state = with_leg(holding(watched, "0", *others, phase=phase), "backpack", own=D(5), live=(order,) if busy else ())
    made = turn(state, liquidation_tolerance="0.2")
    interrupt(made)
    assert bool(why(made)) is gone


@pytest.mark.parametrize(
    ("forced", "reducing", "reason"),
    [
        (FillCause.LIQUIDATION, False, ExitReason.LIQUIDATED),
        (FillCause.ADL, True, ExitReason.ADL),
        (FillCause.SETTLEMENT, False, ExitReason.SETTLED),
        (FillCause.FOREIGN, False, ExitReason.CLOSED_BY_OTHER),
        (FillCause.ORDER, False, ExitReason.CLOSED_BY_OTHER),
        (None, True, ExitReason.REDUCE_ONLY),
        (None, False, ExitReason.LEG_VANISHED),
    ],
)
def test_a_vanished_leg_is_named_by_what_closed_it(watched, forced, reducing, reason):
    """The last fill that was not ours weighs more than our own."""
    state = with_leg(holding(watched, lighter1="0"), "lighter1", own=D(-5), forced=forced, reducing_fill=reducing)
    made = turn(state)
    interrupt(made)
    assert made.state.exit_reason is reason


@pytest.mark.parametrize(
    ("realized", "words"), [("-50", ""), ("-50.01", "loss_limit: the cycle has lost 50.01 USD, more than 50")]
)
def test_a_cycle_may_lose_up_to_its_limit(watched, realized, words):
    """Judged by an answer to a look, realised and open together."""
    lost = with_leg(watched, "lighter2", ledger=Position(quantity=D(5), entry_price=D(1000), realized=D(realized)))
    lost = with_leg(lost, "lighter1", ledger=Position(quantity=D(-5), entry_price=D(1000)))
    limits = Limits(max_cycle_loss_usd=D(50))
    made = turn(lost, limits=limits)
    interrupt(made)
    assert not why(made)
    made = turn(lost, limits=limits)
    made.answered = True
    interrupt(made)
    assert why(made) == words


def test_what_is_open_counts_as_lost_too(watched):
    """Bought at 1000, worth 990: 50 USD; and what was realised before the cycle is not this cycle's."""
    open_ = with_leg(
        watched,
        "lighter2",
        ledger=Position(quantity=D(5), entry_price=D(1000), realized=D(-70), fees=D(9)),
        realized_before=D(-70),
        fees_before=D(8),
        price=D(990),
    )
    open_ = with_leg(open_, "lighter1", ledger=Position())
    made = turn(with_leg(open_, "lighter1", own=D(0)), limits=Limits(max_cycle_loss_usd=D(50)))
    made.answered = True
    interrupt(made)
    assert why(made) == "loss_limit: the cycle has lost 51.00 USD, more than 50"


@pytest.mark.parametrize(
    ("phase", "changes", "at", "words"),
    [
        (Phase.MONITORING, {"cycle_due_at": 500}, 499, ""),
        (Phase.MONITORING, {"cycle_due_at": 500}, 500, "timeout: the cycle is 86400 s old"),
        (Phase.MONITORING, {"unhedged_since": 0}, 14_999, ""),
        (Phase.MONITORING, {"unhedged_since": 0}, 15_000, "rebalance_failed: 0 uncovered for 15 s; no margin"),
        (Phase.ENTERING, {"unhedged_since": 0}, 15_000, "hedge_failed: 0 uncovered for 15 s; no margin"),
        (Phase.MONITORING, {"unexplained_since": 0}, 14_999, ""),
        (
            Phase.MONITORING,
            {"unexplained_since": 0},
            15_000,
            "unexplained_position: lighter1 is said to hold -4, our fills say -5 for 15 s",
        ),
    ],
)
def test_every_wait_has_its_end(watched, phase, changes, at, words):
    """To the millisecond, with what was waited for."""
    moments = {"cycle_due_at": None, "unhedged_since": None, "unexplained_since": None}
    moments |= {key: Timestamp(watched.now + value) for key, value in changes.items()}
    state = with_leg(evolve(watched, phase=phase, **moments), "lighter2", failure="no margin")
    if "unexplained_since" in changes:
        state = with_leg(state, "lighter1", surprise=Surprise(quantity=D(-4), at=watched.now))
    state = with_leg(state, "backpack", own=D(0))
    made = turn(state, at, unhedged_max_s=15, unexplained_max_s=15)
    interrupt(made)
    assert why(made) == words


@pytest.mark.parametrize(("held", "since"), [("0.1", None), ("-0.1", None), ("0.101", 0), ("-0.101", 0)])
def test_the_time_uncovered_counts_from_its_first_moment(watched, held, since):
    """More than what no venue takes an order for; the first moment stays, and being covered ends it."""
    fresh = turn(holding(watched, held, unhedged_since=None))
    watch(fresh)
    assert fresh.state.unhedged_since == (None if since is None else fresh.now)
    old = turn(holding(watched, held, unhedged_since=Timestamp(7)))
    watch(old)
    assert old.state.unhedged_since == (None if since is None else 7)


def test_the_time_in_doubt_counts_from_its_first_moment(watched):
    """And ends with the doubt; outside a cycle neither clock runs."""
    doubtful = with_leg(watched, "lighter1", surprise=Surprise(quantity=D(-4), at=watched.now))
    made = turn(evolve(doubtful, unexplained_since=None))
    watch(made)
    assert made.state.unexplained_since == made.now
    made = turn(evolve(doubtful, unexplained_since=Timestamp(7)))
    watch(made)
    assert made.state.unexplained_since == 7
    made = turn(evolve(watched, unexplained_since=Timestamp(7)))
    watch(made)
    assert made.state.unexplained_since is None
    for clock in ("unexplained_since", "unhedged_since"):
        made = turn(evolve(doubtful, phase=Phase.IDLE, **{clock: Timestamp(7)}))
        watch(made)
        assert (made.state.unexplained_since, made.state.unhedged_since) == (None, None)


@pytest.mark.parametrize(
    ("changes", "surprise_ms", "due_ms"),
    [
        ({}, None, 5000),
        ({"look_due_at": 700}, None, 700),
        ({"looking_since": 0}, None, None),
        ({}, -500, 1500),
        ({}, -9000, 400),
        ({"look_due_at": 200}, -500, 200),
        ({"answered_at": -9000}, -9000, 0),
    ],
)
def test_the_next_look_is_due_at_the_poll_or_for_a_surprise(watched, changes, surprise_ms, due_ms):
    """Two seconds after the surprise, half a second after the last answer, and not in the past."""
    moments = {"looking_since": None, "look_due_at": None, "answered_at": -100} | changes
    state = evolve(
        watched, **{key: None if value is None else Timestamp(watched.now + value) for key, value in moments.items()}
    )
    if surprise_ms is not None:
        state = with_leg(state, "lighter1", surprise=Surprise(quantity=D(-4), at=watched.now + surprise_ms))
    made = turn(state, poll_interval_s=5, confirm_delay_s=2, look_retry_s="0.5")
    watch(made)
    assert made.state.look_due_at == (None if due_ms is None else watched.now + due_ms)


@pytest.mark.parametrize(
    ("looks", "phase", "answered", "blind", "after", "told"),
    [
        (1, Phase.MONITORING, True, ("lighter1", "lighter2"), 2, False),
        (2, Phase.MONITORING, True, ("lighter1", "lighter2"), 3, True),
        (3, Phase.MONITORING, True, ("lighter1", "lighter2"), 4, False),
        (2, Phase.MONITORING, False, ("lighter1", "lighter2"), 2, False),
        (2, Phase.BALANCING, True, ("lighter1", "lighter2"), 2, False),
        (2, Phase.MONITORING, True, (), 0, False),
    ],
)
def test_answers_that_say_nothing_are_counted_and_told_once(watched, looks, phase, answered, blind, after, told):
    """In the watch: with the legs that nobody answers for; an answer ends the row."""
    state = evolve(watched, looks=looks, phase=phase)
    for name in blind:
        state = with_leg(state, name, look=evolve(state.legs[name].look, position=None))
    made = turn(state, look_attempts=3)
    made.answered = answered
    watch(made)
    assert made.state.looks == after
    words = "triad: no answer about lighter1, lighter2 in 3 looks; holding on"
    assert [c.text for c in made.commands if isinstance(c, Notify)] == ([words] if told else [])


def test_a_late_fill_is_closed_and_dust_is_not(watched):
    """Outside a cycle: what our orders left, unless it is what an exit called too small."""
    out = holding(watched, "0", "0", "2", phase=Phase.ENDED)
    made = turn(with_leg(out, "lighter2", stray=D(2)))
    interrupt(made)
    assert why(made) == "late_fill: a late fill left lighter2 with 2"
    for changes in ({"stray": D(0)}, {"stray": D(2), "dust": D(2)}):
        made = turn(with_leg(out, "lighter2", **changes))
        interrupt(made)
        assert not why(made)
