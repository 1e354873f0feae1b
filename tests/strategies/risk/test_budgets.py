"""Budgets: what a day may lose, how far a result may fall, how long a group may stand uncovered; and what ends them.

Noon here is 08:00 UTC: the day is over sixteen hours later.
"""

from decimal import Decimal

import pytest

from strategies.domain.events import OperatorState, PositionAdjusted
from strategies.risk import LIMIT_TIMER, Guarded, Limits
from strategies.risk.memory import end_of_day
from tests.playbook import NOON
from tests.strategies.liquidation_hedge.scene import later, operator, restarted, started
from tests.strategies.risk.test_counting import ids
from tests.strategies.risk.toy import Toy, fill, fires, look, order, play, words

D = Decimal
TOLD = "limit max_loss_usd_per_day said"
RUN = operator(OperatorState.RUN, by="config")
TO_MIDNIGHT = 16 * 3600


def losing(word="flatten", *, most=50, **orders):
    """Play to a group that holds 2 at 1000 and may lose 50 a day, and its look at 975: it has lost 50, no more."""
    limits = {"max_loss_usd_per_day": most, "at_loss_usd_per_day": word}
    return play(limits, **orders) >> started() >> RUN >> look() >> fill("2", of="x") >> look("975")


def limits_of(played):
    """Return the limits that the group shows, by name."""
    return {limit.name: limit for limit in played.machine.limits(played.state)}


def test_a_loss_at_the_limit_is_allowed_and_beyond_it_is_not():
    """At 50 nothing happens; the look that shows 50.20 reaches the limit, once, with both numbers."""
    assert words(losing().played()) == ("config said RUN",)
    played = (losing() >> look("974.9") >> look("970")).played()
    assert words(played) == ("config said RUN", f"{TOLD} FLATTEN")
    assert played.told("limit") == [
        "limit max_loss_usd_per_day reached: 50.20 USD lost today > 50; flatten, until RUN is said"
    ]


@pytest.mark.parametrize(("word", "told"), [("pause", ("PAUSE",)), ("reduce", ("REDUCE",)), ("deny", ())])
def test_each_word_tells_the_machine_what_it_means(word, told):
    """PAUSE, REDUCE and FLATTEN come as an operator's words do; deny says nothing."""
    played = (losing(word) >> look("970")).played()
    assert words(played) == ("config said RUN", *(f"{TOLD} {each}" for each in told))


def test_a_reached_limit_is_shown_with_its_numbers_and_its_end():
    """What is used, what is allowed, since when, until when; and the reason says it."""
    played = (losing("pause") >> look("970")).played()
    shown = limits_of(played)["loss_usd_per_day"]
    assert (shown.used, shown.most, shown.word, shown.unit) == (60, 50, "pause", "USD")
    assert shown.until == end_of_day(NOON)
    assert shown.reached_at is not None
    assert "limit max_loss_usd_per_day reached: 60.00 USD lost today > 50" in played.machine.view(played.state).reason
    assert limits_of(losing("pause").played())["loss_usd_per_day"].reached_at is None


def test_fees_and_funding_are_lost_too():
    """Two of fees, then three of funding paid while the same position was held; what was paid before it counts not."""
    limits = {"max_loss_usd_per_day": 4, "at_loss_usd_per_day": "pause"}
    begun = play(limits) >> started() >> RUN >> look(funding="-9") >> fill("2", of="x", fee="2")
    played = (begun >> look(holds="2", funding="-10") >> look(holds="2", funding="-13")).played()
    assert words(played)[1:] == (f"{TOLD} PAUSE",)
    assert limits_of(played)["loss_usd_per_day"].used == 5


def test_funding_of_another_position_is_not_carried_over():
    """The position was closed and opened anew between two looks: its funding begins anew."""
    limits = {"max_loss_usd_per_day": 100}
    some = play(limits) >> started() >> RUN >> look() >> fill("2", of="x") >> look(holds="2", funding="-10")
    played = (some >> fill("-2", of="y") >> fill("1", of="z") >> look(holds="1", funding="-1")).played()
    assert limits_of(played)["loss_usd_per_day"].used == 0


def test_what_changed_hands_unseen_earns_nothing():
    """The venue closed a position and no fill told: the loss so far stays, and no price moves it any more."""
    limits = {"max_loss_usd_per_day": 100}
    some = play(limits) >> started() >> RUN >> look() >> fill("2", of="x") >> look("980")
    gone = (
        some >> (lambda at: PositionAdjusted(at=at, account="a", before=D(2), after=D(0), reason="gone")) >> look("500")
    )
    assert limits_of(gone.played())["loss_usd_per_day"].used == 40


def test_the_day_begins_anew_and_the_pause_ends_with_it():
    """At midnight UTC the gate wakes by itself, counts from what the group is worth then, and says RUN again."""
    played = (losing("pause") >> look("970") >> later(TO_MIDNIGHT) >> fires(LIMIT_TIMER)).played()
    assert words(played)[1:] == (f"{TOLD} PAUSE", "limits said RUN")
    shown = limits_of(played)["loss_usd_per_day"]
    assert (shown.used, shown.reached_at) == (0, None)
    again = losing("pause") >> look("970") >> later(TO_MIDNIGHT) >> fires(LIMIT_TIMER) >> look("945")
    assert words(again.played())[-1] == "limits said RUN"
    assert words((again >> look("944")).played())[-1] == f"{TOLD} PAUSE"


def test_the_gate_wakes_itself_at_the_days_end():
    """A timer is set when the limit is reached, taken back when RUN releases it, and set again after a restart."""
    paused = losing("pause") >> look("970")
    assert paused.played().state.timer == end_of_day(NOON)
    assert (paused >> restarted()).played().state.timer == end_of_day(NOON)
    assert (paused >> operator(OperatorState.RUN)).played().state.timer is None


def test_who_is_flattened_stays_out_until_a_person_lets_it_in():
    """Midnight does not, nor does the file; the operator's RUN does, and the same amount may be lost once more."""
    out = losing("flatten") >> look("970") >> later(TO_MIDNIGHT) >> look("970") >> RUN
    assert words(out.played())[1:] == (f"{TOLD} FLATTEN",)
    back = out >> operator(OperatorState.RUN) >> look("945")
    assert words(back.played())[1:] == (f"{TOLD} FLATTEN", "operator:anna said RUN")
    assert words((back >> look("944")).played())[-1] == f"{TOLD} FLATTEN"


def test_run_releases_within_the_day_and_counts_from_there():
    """60 of 50 lost, RUN: 50 more may be lost today."""
    back = losing("pause") >> look("970") >> operator(OperatorState.RUN) >> look("945")
    assert words(back.played())[1:] == (f"{TOLD} PAUSE", "operator:anna said RUN")
    assert words((back >> look("944.9")).played())[-1] == f"{TOLD} PAUSE"


def test_a_softer_word_does_not_soften_a_limit_and_a_graver_one_counts():
    """PAUSE under a limit's REDUCE changes nothing until midnight, when it is what remains; FLATTEN counts at once."""
    reduced = losing("reduce") >> look("970")
    paused = reduced >> operator(OperatorState.PAUSE)
    assert words(paused.played())[1:] == (f"{TOLD} REDUCE",)
    assert words((paused >> later(TO_MIDNIGHT) >> look("970")).played())[-1] == "limits said PAUSE"
    assert words((reduced >> operator(OperatorState.FLATTEN)).played())[-1] == "operator:anna said FLATTEN"


def test_under_deny_nothing_grows_and_what_covers_or_shrinks_passes():
    """+2 on a is uncovered: a sell of 2 there or on b passes; a buy, or a sell that uncovers as much, does not."""
    after = losing(
        "deny",
        go=[
            order("grow", "1", "970"),
            order("too_much", "-4", "970", account="b"),
            order("cover", "-2", "970", account="b"),
            order("shrink", "-2", "970"),
            order("out", "-1", "1", reduce_only=True),
        ],
    )
    played = (after >> look("970") >> fires("go")).played()
    assert ids(played) == ["cover", "shrink", "out"]
    assert played.state.inner.denied[0] == "LIMIT_REACHED 60.00 USD lost today > 50"
    assert limits_of(played)["loss_usd_per_day"].denied == 2


def test_under_pause_the_running_cycle_goes_on():
    """PAUSE is for the next cycle: what the machine orders within this one is judged by size alone."""
    assert ids((losing("pause", go=[order("grow", "1", "970")]) >> look("970") >> fires("go")).played()) == ["grow"]


def test_deny_takes_back_what_rests_and_could_grow():
    """Resting buys beside a long leg go, and sells beyond what it holds; those within it stay."""
    resting = [order("bid", "1", rests=True)] + [order(f"ask{n}", "-1", rests=True) for n in range(3)]
    some = play({"max_loss_usd_per_day": 50, "at_loss_usd_per_day": "deny"}, show=("submit", "cancel"), go=resting)
    assert (
        some
        >> started()
        >> RUN
        >> look()
        >> fill("2", of="x")
        >> fires("go")
        << "submit bid BUY 1 @1000"
        << "submit ask0 SELL 1 @1000"
        << "submit ask1 SELL 1 @1000"
        << "submit ask2 SELL 1 @1000"
        >> look("970")
        << "cancel bid"
        << "cancel ask2"
    )


def test_a_draw_down_is_counted_from_the_highest_result():
    """Up 40, down to 8 below the start: 48 of 45. No day gives it back; RUN counts from where it stands."""
    limits = {"max_drawdown_usd": 45}
    fallen = play(limits) >> started() >> RUN >> look() >> fill("2", of="x") >> look("1020") >> look("997.6")
    assert words(fallen.played())[1:] == ()
    out = fallen >> look("996")
    assert words(out.played())[1:] == ("limit max_drawdown_usd said FLATTEN",)
    assert words((out >> later(TO_MIDNIGHT) >> look("996")).played())[1:] == ("limit max_drawdown_usd said FLATTEN",)
    back = out >> operator(OperatorState.RUN) >> look("974")
    assert words(back.played())[-1] == "operator:anna said RUN"
    assert words((back >> look("973")).played())[-1] == "limit max_drawdown_usd said FLATTEN"


def test_a_drawdown_with_pause_does_not_end_with_the_day():
    """Only the budgets of a day come back with the day."""
    limits = {"max_drawdown_usd": 45, "at_drawdown_usd": "pause"}
    out = play(limits) >> started() >> RUN >> look() >> fill("2", of="x") >> look("970") >> later(TO_MIDNIGHT)
    assert words((out >> look("970")).played())[1:] == ("limit max_drawdown_usd said PAUSE",)


def test_naked_seconds_run_while_nothing_happens():
    """+2 uncovered: the gate wakes itself when the tenth second is over, and pauses the group."""
    naked = play({"max_naked_seconds_per_day": 10}) >> started() >> RUN >> look() >> fill("2", of="x")
    due = naked.played().state.timer
    assert due is not None
    assert due - naked.played().now == 10_000  # one ms passed with the fill, and one is beyond the limit
    assert words((naked >> later(9) >> look()).played())[1:] == ()
    over = naked >> later(10) >> fires(LIMIT_TIMER)
    assert words(over.played())[1:] == ("limit max_naked_seconds_per_day said PAUSE",)


def test_covered_time_does_not_count():
    """Four seconds naked, an hour covered, four more: eight, and no timer runs meanwhile."""
    some = play({"max_naked_seconds_per_day": 10}) >> started() >> RUN >> look() >> fill("2", of="x") >> later(4)
    covered = some >> fill("-2", account="b", of="y") >> later(3600)
    assert covered.played().state.timer is None
    played = (covered >> fill("1", of="z") >> later(4) >> look()).played()
    assert 8 <= limits_of(played)["naked_seconds_per_day"].used < D("8.1")
    assert words(played)[1:] == ()


def test_naked_seconds_are_weighed_by_what_is_uncovered():
    """2000 USD for three seconds are 6000 USD s; half a lot is rounding."""
    limits = {"max_naked_usd_seconds_per_day": 6000, "at_naked_usd_seconds_per_day": "reduce"}
    some = play(limits) >> started() >> RUN >> look() >> fill("0.005", of="x") >> later(3600) >> fill("1.995", of="y")
    assert words((some >> later("2.9") >> look()).played())[1:] == ()
    name = "limit max_naked_usd_seconds_per_day"
    assert words((some >> later(3) >> fires(LIMIT_TIMER)).played())[1:] == (f"{name} said REDUCE",)


def test_a_night_is_cut_at_midnight():
    """Uncovered from a second before midnight to four after it: the new day has four."""
    some = play({"max_naked_seconds_per_day": 10}) >> started() >> RUN >> look() >> later(TO_MIDNIGHT - 1)
    played = (some >> fill("2", of="x") >> later(5) >> look()).played()
    assert D("3.9") < limits_of(played)["naked_seconds_per_day"].used <= D("4.1")


def test_a_price_that_takes_a_leg_beyond_its_size_counts_when_more_than_denial_is_asked_for():
    """5 at 1000, limit 5100: at 1030 the word is said; under deny there is nothing to deny."""
    for word, told in (("reduce", ("limit max_leg_notional_usd said REDUCE",)), ("deny", ())):
        limits = {"max_leg_notional_usd": 5100, "at_leg_notional_usd": word}
        grown = play(limits) >> started() >> RUN >> look() >> fill("5", of="x") >> look("1030")
        assert words(grown.played())[1:] == told


def test_equity_that_shrinks_raises_the_leverage():
    """5000 USD over 1000 is 5x; over 400 it is 12.5x, beyond the 10 allowed."""
    limits = {"max_leverage": 10, "at_leverage": "flatten"}
    some = play(limits) >> started() >> RUN >> look(equity="1000") >> fill("5", of="x") >> look(equity="1000")
    assert words(some.played())[1:] == ()
    assert words((some >> look(equity="400")).played())[1:] == ("limit max_leverage said FLATTEN",)


def test_an_order_beyond_a_limit_with_a_word_is_denied_and_the_word_is_said():
    """Once: the second such order is denied by what has been reached."""
    limits = {"max_orders_per_minute": 1, "at_orders_per_minute": "reduce"}
    three = [order(f"o{n}", "1") for n in range(3)]
    played = (play(limits, go=three) >> started() >> RUN >> look() >> fires("go")).played()
    assert ids(played) == ["o0"]
    assert words(played)[1:] == ("limit max_orders_per_minute said REDUCE",)
    assert [text.split(" ")[0] for text in played.state.inner.denied] == ["ORDER_RATE", "LIMIT_REACHED"]
    assert limits_of(played)["orders_per_minute"].denied == 2


def test_an_account_has_its_own_loss_and_its_word_is_for_the_group():
    """Account b loses what a wins: the group has lost nothing, b has lost 60 of 50."""
    limits = {
        "max_loss_usd_per_day": 50,
        "accounts": {"b": {"max_loss_usd_per_day": 50, "at_loss_usd_per_day": "reduce"}},
    }
    some = play(limits) >> started() >> RUN >> look() >> fill("2", of="x") >> fill("-2", account="b", of="y")
    played = (some >> look("1030")).played()
    assert words(played)[1:] == ("limit accounts.b.max_loss_usd_per_day said REDUCE",)


def test_a_limit_that_the_file_has_lost_stays_reached_until_it_is_released():
    """Whoever takes a limit out of the file has not yet said RUN."""
    before = (losing("flatten") >> look("970")).played()
    after = Guarded(Toy(), Limits())
    shown = {limit.name: limit for limit in after.limits(before.state)}
    assert shown["loss_usd_per_day"].reached_at is not None
    step = after.step(before.state, operator(OperatorState.RUN)(before.now))
    assert step.state.reached == ()
