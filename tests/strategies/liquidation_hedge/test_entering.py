"""Into the position: what an entry stands on, how much it is, and that whatever fills is hedged at once."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.quote import Quote
from strategies.liquidation_hedge.state import ExitReason, Phase
from strategies.machine import Outcome
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    balance,
    closed,
    denied,
    drawn,
    entering,
    filled,
    hedge,
    instrument,
    later,
    leverage_refused,
    leverage_set,
    looked,
    mode,
    monitoring,
    operator,
    rejected,
    started,
    timer,
    waiting,
)


def test_nothing_trades_before_somebody_says_run():
    """A group that was only started looks at nothing and orders nothing."""
    assert hedge() >> started() >> later(60) >> timer("look")


def test_a_whole_cycle_up_to_the_watch():
    """Backpack enters, Lighter 1 hedges, the wait is drawn, Lighter 2 enters, Backpack gives back: 0, -5, +5."""
    play = monitoring().played()
    assert play.state.phase is Phase.MONITORING
    assert [leg.quantity for leg in play.state.legs.values()] == [0, -5, 5]


def test_short_backpack_mirrors_every_side():
    """In the other direction each order has the other side, and its worst price the other sign."""
    assert (
        hedge(direction="short_backpack")
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked()
        << "submit backpack entry:1 SELL 5 @998.1"
        >> filled("backpack", "entry:1", "-5")
        << "submit lighter1 hedge:1 BUY 5 @1002"
        >> closed("backpack", "entry:1", "5")
        >> filled("lighter1", "hedge:1", "5")
        >> closed("lighter1", "hedge:1", "5")
        << "draw wait:1 2..5"
        >> drawn("2")
        >> later(2)
        >> timer("enter")
        << ALL
        >> looked("-5", "5", "0")
        << "submit lighter2 entry:1 SELL 5 @998.1"
        >> filled("lighter2", "entry:1", "-5")
        << "submit backpack rebalance:1 BUY 5 @1002 reduce-only"
    )


def test_partial_fills_are_hedged_at_once_while_the_entry_works():
    """Each fill of the entry is hedged when it comes, for what filled; what comes meanwhile is hedged next."""
    assert (
        entering()
        >> filled("backpack", "entry:1", "2")
        << "submit lighter1 hedge:1 SELL 2 @998.1"
        >> filled("backpack", "entry:1", "1")
        >> filled("backpack", "entry:1", "1.5")
        >> filled("lighter1", "hedge:1", "-2")
        >> closed("lighter1", "hedge:1", "2")
        << "submit lighter1 hedge:2 SELL 2.5 @998.1"
        >> closed("backpack", "entry:1", "4.5")
        >> filled("lighter1", "hedge:2", "-2.5")
        >> closed("lighter1", "hedge:2", "2.5")
        << "draw wait:1 2..5"
    )


def test_a_fill_below_the_minimum_is_held_back_and_hedged_with_the_next():
    """0.06 is no order on Lighter 1; with the next 0.06 it is."""
    assert (
        entering()
        >> filled("backpack", "entry:1", "0.06")
        >> filled("backpack", "entry:1", "0.06")
        << "submit lighter1 hedge:1 SELL 0.12 @998.1"
    )


def test_a_residual_that_lighter_cannot_hedge_is_unwound_on_backpack():
    """When nothing more comes, what no hedge covers goes back where it came from, if it can be traded there."""
    fine_backpack = {"instrument": instrument("backpack", min_quantity="0")}
    assert (
        hedge()
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but={"backpack": fine_backpack})
        << "submit backpack entry:1 BUY 5 @1002"
        >> filled("backpack", "entry:1", "2")
        << "submit lighter1 hedge:1 SELL 2 @998.1"
        >> filled("backpack", "entry:1", "0.05")
        >> closed("backpack", "entry:1", "2.05")
        >> filled("lighter1", "hedge:1", "-2")
        >> closed("lighter1", "hedge:1", "2")
        << """draw wait:1 2..5
              submit backpack rebalance:1 SELL 0.05 @998.1 reduce-only"""
    )


def test_a_residual_that_no_venue_takes_is_named_and_not_called_hedged():
    """Above one lot and below every minimum: nothing is sent, the group stays, and the view does not say hedged."""
    play = (
        entering()
        >> filled("backpack", "entry:1", "2.05")
        << "submit lighter1 hedge:1 SELL 2.05 @998.1"
        >> filled("lighter1", "hedge:1", "-2")
        >> closed("lighter1", "hedge:1", "2")
        >> closed("backpack", "entry:1", "2.05")
        << "draw wait:1 2..5"
    ).played()
    view = play.machine.view(play.state)
    assert view.net == Decimal("0.05")
    assert not view.hedged


def test_a_fill_too_small_to_hedge_at_all_ends_the_entry():
    """0.06 filled, nothing more comes: out again, and named."""
    play = (
        entering()
        >> filled("backpack", "entry:1", "0.06")
        >> closed("backpack", "entry:1", "0.06")
        << "submit backpack exit:1 SELL 0.06 @997.1 reduce-only"
        >> later(1)
        >> timer("look")
        << ALL
    ).played()
    assert play.state.exit_reason is ExitReason.ENTRY_FAILED


def test_a_refused_entry_is_sized_anew_from_a_look_after_the_refusal():
    """The second attempt stands on a look that is younger than the failure, under a new id."""
    poorer = {"balance": balance(available=Decimal("50.05"))}
    assert (
        entering()
        >> later(1)
        >> rejected("backpack", "entry:1")
        >> later("0.5")
        >> timer("act")
        << ALL
        >> looked(but={"lighter1": poorer})
        << "submit backpack entry:2 BUY 2.5 @1003"
    )


def test_an_entry_that_never_fills_is_given_up():
    """After entry_attempts orders without a fill the group leaves, confirmed flat, and counts a failed start."""
    play = (
        entering(entry_attempts=2, entry_delay_s=0)
        >> later(1)
        >> rejected("backpack", "entry:1")
        << ALL
        >> looked()
        << "submit backpack entry:2 BUY 5 @1003"
        >> later(1)
        >> rejected("backpack", "entry:2")
        << ALL
        >> looked()
    ).played()
    assert play.state.exit_reason is ExitReason.ENTRY_FAILED
    assert play.state.phase is Phase.IDLE
    assert play.state.start_failures == 1


def test_a_hedge_that_fails_is_tried_again_wider_on_a_newer_quote():
    """A refused hedge waits for a look after the refusal, and reaches further."""
    assert (
        entering()
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> later(1)
        >> closed("lighter1", "hedge:1", "0")
        >> later("0.25")
        >> timer("act")
        << ALL
        >> looked("5", "0", "0")
        << "submit lighter1 hedge:2 SELL 5 @997.1"
    )


def test_a_hedge_that_fails_too_often_ends_in_the_exit_of_all_legs():
    """After hedge_attempts failures the group goes out with the venue's words as the reason."""
    play = (
        entering(hedge_attempts=1)
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> rejected("lighter1", "hedge:1")
        << "submit backpack exit:1 SELL 5 @997.1 reduce-only"
        >> later(1)
        >> timer("look")
        << ALL
    ).played()
    assert play.state.exit_reason is ExitReason.HEDGE_FAILED
    assert "MARGIN" in play.state.reason


def test_a_hedge_in_doubt_is_not_repeated_but_does_not_keep_the_group_naked():
    """While the hedge's outcome is open there is no second hedge; after unhedged_max_s all legs go out."""
    play = (
        entering()
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> later(14)
        >> timer("look")
        << ALL
        >> looked("5", None, "0")
        >> later(1)
        >> timer("act")
        << """cancel-all l1
              submit backpack exit:1 SELL 5 @997.1 reduce-only
              observe backpack lighter1 lighter2"""
    ).played()
    assert play.state.exit_reason is ExitReason.HEDGE_FAILED


def test_an_order_denied_by_the_account_is_a_failure_like_any_other():
    """A hedge that never left is tried again."""
    assert (
        entering()
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> later(1)
        >> denied("lighter1", "hedge:1")
        >> later(1)
        >> timer("act")
        << ALL
        >> looked("5", "0", "0")
        << "submit lighter1 hedge:2 SELL 5 @997.1"
    )


def stale(at):
    """Return a quote that is too old."""
    return {"quote": Quote(bid=Decimal(999), ask=Decimal(1001), mark=Decimal(1000), at=at - 6000)}


@pytest.mark.parametrize(
    ("reason", "leg", "look"),
    [
        ("fresh quote", "lighter1", stale),
        ("fresh quote", "backpack", {"quote": None}),
        ("fresh quote", "backpack", lambda at: {"quote": Quote(bid=Decimal(999), mark=Decimal(1000), at=at)}),
        ("HTTP 500", "lighter2", {"problems": ("HTTP 500",)}),
        ("balance", "lighter2", {"balance": None}),
        ("liquidated", "lighter1", {"balance": balance(liquidating=True)}),
        ("orders in flight", "lighter1", {"in_flight": 1}),
        ("FROZEN", "backpack", {"mode": AccountMode.FROZEN}),
        ("less than 200", "backpack", {}),
    ],
)
def test_a_look_that_misses_something_is_no_basis_for_an_entry(reason, leg, look):
    """The group looks again, a bounded number of times, then calls the start failed with what was missing."""
    params = {"min_collateral_usd": 200} if "200" in reason else {}
    play = (
        hedge(look_attempts=2, **params)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but={leg: look})
        >> later("0.5")
        >> timer("look")
        << ALL
        >> looked(but={leg: look})
    ).played()
    assert play.state.phase is Phase.IDLE
    assert reason in play.state.reason


def test_an_account_that_is_still_starting_is_waited_for_without_counting():
    """DISARMED is no failure: the next look, or the account's own word, goes on."""
    disarmed = {"mode": AccountMode.DISARMED}
    play = hedge(look_attempts=1) >> started() >> operator(OperatorState.RUN) << ALL
    for _ in range(5):
        play = play >> looked(but={"lighter1": disarmed}) >> later(5) >> timer("look") << ALL
    play = (play >> looked() << "submit backpack entry:1 BUY 5 @1002").played()
    assert play.state.start_failures == 0


def test_an_account_that_already_holds_something_is_not_traded():
    """A position that the group did not make keeps it from starting, and is named."""
    play = (hedge(look_attempts=1) >> started() >> operator(OperatorState.RUN) << ALL >> looked(lighter1="3")).played()
    assert play.state.phase is Phase.IDLE
    assert "lighter1 is said to hold 3" in play.state.reason


def test_starts_that_keep_failing_park_the_group():
    """After start_failures_max failures, resting longer each time, a person is called."""
    play = hedge(look_attempts=1, start_failures_max=3) >> started() >> operator(OperatorState.RUN) << ALL
    for rest in (5, 10):
        play = play >> looked(but={"backpack": stale}) >> later(rest) >> timer("act") << ALL
    play = (play >> looked(but={"backpack": stale}) >> later(600) >> timer("act")).played()
    assert play.machine.view(play.state).outcome is Outcome.PARKED
    assert play.told("parked")


def test_a_person_releases_a_parked_group_and_the_config_does_not():
    """RUN by the config says nothing new; RUN by an operator starts again."""
    assert (
        hedge(look_attempts=1, start_failures_max=1)
        >> started()
        >> operator(OperatorState.RUN, by="config")
        << ALL
        >> looked(but={"backpack": stale})
        >> operator(OperatorState.RUN, by="config")
        >> later(1)
        >> operator(OperatorState.RUN, by="operator:anna")
        << ALL
    )


def test_leverage_is_set_where_it_differs_before_the_entry():
    """Each leg with another leverage is asked to change; sizes come from a look after the answers."""
    other = {"balance": balance(leverage=Decimal(10))}
    assert (
        hedge()
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but={"backpack": other, "lighter2": {"balance": balance(leverage=None)}})
        << """leverage bp 50
              leverage l2 50"""
        >> leverage_set("backpack", "50")
        >> later(1)
        >> leverage_set("lighter2", "50")
        << ALL
        >> looked()
        << "submit backpack entry:1 BUY 5 @1002"
    )


def test_leverage_above_what_the_instrument_allows_is_cut():
    """A market with 20x is asked for 20x, and sized by it."""
    small = {"instrument": instrument(max_leverage="20"), "balance": balance(leverage=Decimal(20))}
    assert (
        hedge()
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but={"lighter1": small})
        << "submit backpack entry:1 BUY 2 @1002"
    )


def test_a_leverage_that_the_venue_rounds_is_not_asked_for_again():
    """30x comes back as 30.03x: the same."""
    rounded = {"balance": balance(leverage=Decimal("30.03"))}
    legs = dict.fromkeys(("backpack", "lighter1", "lighter2"), rounded)
    assert (
        hedge(leverage=30)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but=legs)
        << "submit backpack entry:1 BUY 3 @1002"
    )


def test_a_refused_leverage_is_lived_with_when_it_is_known():
    """After bounded attempts the entry is sized with what is in force."""
    other = {"balance": balance(leverage=Decimal(10))}
    assert (
        hedge(leverage_attempts=2)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but={"backpack": other})
        << "leverage bp 50"
        >> later(1)
        >> leverage_refused("backpack")
        << ALL
        >> looked(but={"backpack": other})
        << "leverage bp 50"
        >> later(15)
        >> timer("act")
        << ALL
        >> looked(but={"backpack": other})
        << "submit backpack entry:1 BUY 1 @1002"
    )


def test_no_entry_with_a_leverage_that_nobody_knows():
    """A venue that neither states nor takes a leverage gets no position."""
    nothing = {"balance": balance(leverage=None)}
    play = (
        hedge(leverage_attempts=1)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked(but={"lighter2": nothing})
        << "leverage l2 50"
        >> later(1)
        >> leverage_refused("lighter2")
        << ALL
        >> looked(but={"lighter2": nothing})
    ).played()
    assert "leverage in force on lighter2 is not known" in play.state.reason


def test_the_test_mode_enters_with_the_smallest_common_size():
    """0.1 is the smallest order on every leg."""
    assert (
        hedge(test_mode=True)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked()
        << "submit backpack entry:1 BUY 0.1 @1002"
    )


def test_too_little_margin_for_the_smallest_size_is_no_entry_with_a_reason():
    """The reason names the leg that binds."""
    poor = {"balance": balance(available=Decimal(1))}
    play = (hedge() >> started() >> operator(OperatorState.RUN) << ALL >> looked(but={"lighter2": poor})).played()
    assert "the margin of lighter2" in play.state.reason


def test_a_group_of_two_legs_goes_without_the_third():
    """Without a Lighter 2 the group is balanced after the hedge, and watched."""
    play = (
        hedge(legs=("backpack", "lighter1"))
        >> started()
        >> operator(OperatorState.RUN)
        << "observe backpack lighter1"
        >> looked()
        << "submit backpack entry:1 BUY 5 @1002"
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> filled("lighter1", "hedge:1", "-5")
        >> closed("lighter1", "hedge:1", "5")
    ).played()
    assert play.state.phase is Phase.MONITORING


def test_pause_lets_a_running_entry_become_a_whole_cycle():
    """PAUSE during the entry changes nothing for this cycle."""
    assert (
        entering()
        >> operator(OperatorState.PAUSE)
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
    )


def test_reduce_during_the_entry_takes_the_fill_off_again():
    """REDUCE makes no leg bigger: what filled on Backpack is sold there, not hedged on Lighter 1."""
    assert (
        entering()
        >> operator(OperatorState.REDUCE)
        >> filled("backpack", "entry:1", "5")
        >> closed("backpack", "entry:1", "5")
        << "submit backpack rebalance:1 SELL 5 @998.1 reduce-only"
    )


def test_an_account_that_freezes_holds_back_every_leg():
    """Somebody else trades there: what stands is kept, the third leg is not entered, and the notice says why."""
    play = (
        waiting()
        >> mode("lighter1", AccountMode.FROZEN)
        >> drawn("3")
        >> later(3)
        >> timer("enter")
        << ALL
        >> looked("5", "-5", "0", but={"lighter1": {"mode": AccountMode.FROZEN}})
    ).played()
    assert play.state.phase is Phase.MONITORING
    assert play.told("second_skipped") == ["triad: going on with two legs: the account of lighter1 is frozen"]


def test_an_account_that_freezes_during_the_entry_ends_it():
    """The hedge may not grow there, so the fill is taken off again; the exit says which account."""
    play = (
        entering()
        >> mode("lighter1", AccountMode.FROZEN)
        >> filled("backpack", "entry:1", "5")
        >> closed("backpack", "entry:1", "5")
        << "submit backpack rebalance:1 SELL 5 @998.1 reduce-only"
        >> filled("backpack", "rebalance:1", "-5")
        >> closed("backpack", "rebalance:1", "5")
    ).played()
    assert play.state.exit_reason is ExitReason.ACCOUNT_FROZEN
    assert "the account of lighter1 is frozen before two legs stood" in play.state.reason
