"""The flatten, leg by leg: cancel, look, close, confirm; it slows down and never gives up."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OperatorState, OrderClosed
from strategies.domain.ids import derive_order_id
from strategies.domain.order import Lane, OrderType, TimeInForce
from strategies.domain.position import FillCause
from strategies.flatten.state import Phase
from strategies.machine import Outcome
from strategies.registry import STRATEGIES, build_machine
from tests.playbook import NOON
from tests.strategies.flatten.scene import (
    START,
    accepted,
    closed,
    closing,
    denied,
    filled,
    flatten,
    machine,
    rejected,
    seen,
    unknown,
)
from tests.strategies.liquidation_hedge import scene
from tests.strategies.liquidation_hedge.scene import adjusted, later, operator, restarted, spec, started, timer


def test_every_leg_cancels_first_and_goes_its_own_way():
    """Cancel and look on all legs at once; each orders as soon as its own venue has spoken, and is confirmed by it."""
    play = (
        flatten()
        >> started()
        << START
        >> seen("lighter1", "-5")
        << "submit lighter1 flatten:1 BUY 5 @1003 reduce-only"
        >> seen("lighter2", "5")
        << "submit lighter2 flatten:1 SELL 5 @997.1 reduce-only"
        >> filled("lighter1", "flatten:1", "5")
        >> closed("lighter1", "flatten:1", "5")
        >> later("0.6")
        >> timer("lighter1")
        << "observe lighter1\nobserve lighter2"
        >> seen("lighter1")
        >> seen("backpack")
        >> filled("lighter2", "flatten:1", "-5")
        >> seen("lighter2", "5")
        >> closed("lighter2", "flatten:1", "5")
        >> later("0.6")
        >> timer("lighter2")
        << "observe lighter2"
        >> seen("lighter2")
    ).played()
    view = play.machine.view(play.state)
    assert (view.outcome, view.phase) == (Outcome.FINISHED, Phase.FLAT)
    assert all(leg.flat_at is not None for leg in view.legs.values())
    assert play.told("flat")
    orders = [command.order for command in play.commands if isinstance(command, SubmitOrder)]
    assert {(o.lane, o.order_type, o.time_in_force) for o in orders} == {(Lane.EXIT, OrderType.MARKET, TimeInForce.IOC)}


def test_what_is_flat_already_is_confirmed_by_one_look_that_the_account_agrees_with():
    """Nothing is ordered where nothing is held."""
    play = (
        flatten("backpack") >> started() << "cancel-all bp\nobserve backpack" >> seen("backpack") >> later(100)
    ).played()
    assert play.state.phase is Phase.FLAT


def test_a_surprising_zero_is_looked_at_twice():
    """The account holds 5 by its fills, the venue says 0: nothing is ordered, nothing flat, before it says it again."""
    play = (
        flatten("lighter1")
        >> started()
        << "cancel-all l1\nobserve lighter1"
        >> seen("lighter1", "0", believed="5")
        >> later(2)
        >> timer("lighter1")
        << "observe lighter1"
    )
    once = play >> seen("lighter1", "5")
    once = (once << "submit lighter1 flatten:1 SELL 5 @997.1 reduce-only").played()
    assert once.state.phase is Phase.CLOSING


def test_a_zero_said_twice_counts_when_the_account_follows():
    """Two statements and the account's own fold: three words for flat."""
    play = (
        flatten("lighter1")
        >> started()
        << "cancel-all l1\nobserve lighter1"
        >> seen("lighter1", "0", believed="5")
        >> later(2)
        >> timer("lighter1")
        << "observe lighter1"
        >> seen("lighter1", "0", believed="5")
    )
    assert play.played().state.phase is Phase.CLOSING
    play = (play >> later("0.6") >> adjusted("lighter1", "5", "0") << "observe lighter1" >> seen("lighter1")).played()
    assert play.state.phase is Phase.FLAT
    assert play.told("position_surprise")


def test_an_order_that_does_not_fill_is_followed_by_a_wider_one():
    """Slippage doubles with every failure, up to the cap; so does the rest."""
    assert (
        closing("lighter1", "5")
        >> closed("lighter1", "flatten:1", "0")
        >> later("0.25")
        >> timer("lighter1")
        << "submit lighter1 flatten:2 SELL 5 @995.1 reduce-only"
        >> rejected("lighter1", "flatten:2")
        >> later("0.5")
        >> timer("lighter1")
        << "submit lighter1 flatten:3 SELL 5 @991.1 reduce-only\nobserve lighter1"
        >> denied("lighter1", "flatten:3")
        >> seen("lighter1", "5")
        >> later(1)
        >> timer("lighter1")
        << "submit lighter1 flatten:4 SELL 5 @983.1 reduce-only\nobserve lighter1"
    )


def test_a_partial_fill_is_followed_at_once_by_the_rest():
    """What filled counts as it fills; nothing waits for a look."""
    assert (
        closing("lighter1", "5")
        >> filled("lighter1", "flatten:1", "-2")
        >> closed("lighter1", "flatten:1", "2")
        << "submit lighter1 flatten:2 SELL 3 @997.1 reduce-only"
    )


def test_an_end_that_tells_more_than_the_fills_counts_them():
    """OrderClosed carries the whole executed quantity: what no fill has told yet is not ordered again."""
    play = closing("lighter1", "5") >> filled("lighter1", "flatten:1", "-2") >> closed("lighter1", "flatten:1", "5")
    assert play.played().state.legs["lighter1"].quantity == 0


def test_an_order_in_doubt_gets_company_and_never_more_than_the_bound():
    """A lost answer does not hold the way out up: reduce-only orders join it, ever more slowly, three at most."""
    play = (
        closing("lighter1", "5", look_timeout_s=1000)
        >> unknown("lighter1", "flatten:1")
        >> later(2)
        >> timer("lighter1")
        << "submit lighter1 flatten:2 SELL 5 @997.1 reduce-only\nobserve lighter1"
        >> later(4)
        >> timer("lighter1")
        << "submit lighter1 flatten:3 SELL 5 @960 reduce-only"
        >> later(100)
        >> timer("lighter1")
    ).played()
    assert len(play.state.legs["lighter1"].live) == 3


def test_it_never_gives_up_and_calls_for_help():
    """Orders and looks go on, capped; the operator is called at ever more looks, and it cancels again."""
    play = closing("lighter1", "5", exit_alert_attempts=2, exit_delay_max_s=1)
    play.quiet = (*play.quiet, "observe", "submit")
    for attempt in range(1, 9):
        play = play >> rejected("lighter1", f"flatten:{attempt}") >> later(1) >> timer("lighter1")
        play = play >> seen("lighter1", "5")
        if attempt + 1 in (2, 4, 8):
            play = play << "cancel-all l1"
    play = play.played()
    assert play.state.phase is Phase.CLOSING
    assert len(play.told("flatten_stuck")) == 3
    assert "MARGIN: said the venue" in play.told("flatten_stuck")[0]


def test_a_venue_that_is_down_delays_only_its_leg():
    """One look is never answered: the other legs are closed and confirmed meanwhile; the silent one is asked again."""
    play = (
        flatten("lighter1", "lighter2")
        >> started()
        << "cancel-all l1\ncancel-all l2\nobserve lighter1\nobserve lighter2"
        >> seen("lighter2", "5")
        << "submit lighter2 flatten:1 SELL 5 @997.1 reduce-only"
        >> filled("lighter2", "flatten:1", "-5")
        >> closed("lighter2", "flatten:1", "5")
        >> later("0.6")
        >> timer("lighter2")
        << "observe lighter2"
        >> seen("lighter2")
        >> later(8)
        >> timer("lighter1")
        >> later("0.5")
        >> timer("lighter1")
        << "observe lighter1"
        >> seen("lighter1", None, problems=("position: Unreachable",))
        >> later("0.5")
        >> timer("lighter1")
        << "observe lighter1"
    ).played()
    legs = play.machine.view(play.state).legs
    assert legs["lighter2"].flat_at is not None
    assert legs["lighter1"].flat_at is None
    assert legs["lighter1"].reported is None


def test_without_a_statement_the_accounts_own_fold_is_closed():
    """Positions do not answer, orders might: what the account believes in is closed, and never confirmed."""
    play = (
        flatten("lighter1")
        >> started()
        << "cancel-all l1\nobserve lighter1"
        >> seen("lighter1", None, believed="-5")
        << "submit lighter1 flatten:1 BUY 5 @1003 reduce-only"
        >> filled("lighter1", "flatten:1", "5")
        >> closed("lighter1", "flatten:1", "5")
        >> later("0.5")
        >> timer("lighter1")
        << "observe lighter1"
        >> seen("lighter1", None)
    ).played()
    assert play.state.phase is Phase.CLOSING


def test_without_any_price_the_entry_price_is_reckoned_from():
    """No quote at all: the widest slippage from what the position cost."""
    look = scene.leg_look("lighter1", "5", at=NOON)
    position = look.position.model_copy(update={"entry_price": Decimal(1000)})
    assert (
        flatten("lighter1")
        >> started()
        << "cancel-all l1\nobserve lighter1"
        >> seen("lighter1", "5", quote=None, position=position)
        << "submit lighter1 flatten:1 SELL 5 @960 reduce-only"
    )


def test_an_order_of_another_maker_keeps_the_leg_open():
    """Flat, but the account has an order in flight: it may still fill, so nothing is confirmed."""
    play = (
        flatten("lighter1")
        >> started()
        << "cancel-all l1\nobserve lighter1"
        >> seen("lighter1", "0", in_flight=1)
        >> later("0.5")
        >> timer("lighter1")
        << "observe lighter1"
        >> filled("lighter1", None, "2", cause=FillCause.FOREIGN)
        >> seen("lighter1", "0")
        >> later("0.5")
        >> timer("lighter1")
        << "observe lighter1"
        >> seen("lighter1", "2")
        << "submit lighter1 flatten:1 SELL 2 @997.1 reduce-only"
    ).played()
    assert play.state.phase is Phase.CLOSING


def test_a_liquidation_on_the_way_out_is_not_a_surprise():
    """A forced fill explains the zero: one look that the account agrees with is enough."""
    play = (
        closing("lighter1", "5")
        >> filled("lighter1", None, "-5", cause=FillCause.LIQUIDATION)
        >> rejected("lighter1", "flatten:1", code="REDUCE_ONLY")
        >> later("0.6")
        >> timer("lighter1")
        << "observe lighter1"
        >> seen("lighter1")
    ).played()
    assert play.state.phase is Phase.FLAT
    assert not play.told("position_surprise")


def test_an_account_that_has_come_up_is_looked_at_at_once():
    """However slowly it was asked while it could not answer."""
    play = flatten("lighter1", exit_alert_attempts=50) >> started() << "cancel-all l1\nobserve lighter1"
    for _ in range(5):
        play = play >> seen("lighter1", None, instrument=None, quote=None) >> later(4) >> timer("lighter1")
        play = play << "observe lighter1"
    assert (
        play
        >> seen("lighter1", None, instrument=None, quote=None)
        >> later("0.5")
        >> scene.mode("lighter1", AccountMode.FROZEN)
        << "observe lighter1"
        >> seen("lighter1", "5")
        << "submit lighter1 flatten:1 SELL 5 @997.1 reduce-only"
    )


def test_dust_is_named_with_its_value():
    """Less than a lot cannot be closed: said once, and it is the end."""
    play = (
        flatten("lighter1") >> started() << "cancel-all l1\nobserve lighter1" >> seen("lighter1", "0.0004")
    ).played()
    assert play.state.phase is Phase.FLAT
    assert play.told("dust") == ["triad: lighter1 keeps 0.0004 (0.4000 USD): too small to close"]
    assert play.machine.view(play.state).legs["lighter1"].dust_usd == Decimal("0.4")


def test_a_restart_looks_before_it_orders_and_cancels_again():
    """Nothing from before the restart is a basis; orders from before it stay open until they are told ended."""
    play = (
        closing("lighter1", "5")
        >> later(60)
        >> restarted()
        << "cancel-all l1\nobserve lighter1"
        >> seen("lighter1", "5", in_flight=1)
    )
    assert (
        play
        >> accepted("lighter1", "flatten:1")
        >> filled("lighter1", "flatten:1", "-5")
        >> closed("lighter1", "flatten:1", "5")
        >> later("0.5")
        >> timer("lighter1")
        << "observe lighter1"
        >> seen("lighter1")
    ).played().state.phase is Phase.FLAT


def test_a_word_while_it_closes_changes_nothing_and_one_after_the_end_begins_anew():
    """FLATTEN during a run is only written down; after it, everything is looked at again, with ids of its own."""
    play = (
        flatten("lighter1")
        >> started()
        << "cancel-all l1\nobserve lighter1"
        >> operator(OperatorState.FLATTEN)
        >> seen("lighter1")
        >> operator(OperatorState.FLATTEN, by="panic:anna")
        << "cancel-all l1\nobserve lighter1"
        >> seen("lighter1", "5")
        << "submit lighter1 flatten:1 SELL 5 @997.1 reduce-only"
    ).played()
    second = next(c.order.order_id for c in play.commands if isinstance(c, SubmitOrder))
    assert second != derive_order_id("triad", NOON, "lighter1", "flatten", 1)
    assert play.state.run == 2


def test_a_late_fill_of_ours_begins_anew_and_anybody_elses_does_not():
    """What we have sent is ours to close, whenever it fills; a person who trades after the end is left alone."""
    done = flatten("lighter1") >> started() << "cancel-all l1\nobserve lighter1" >> seen("lighter1")
    play = (
        done
        >> filled("lighter1", None, "5", cause=FillCause.FOREIGN)
        >> adjusted("lighter1", "0", "5")
        >> scene.filled("lighter1", "hedge:3", "5", cycle=7)
        << "cancel-all l1\nobserve lighter1"
    ).played()
    assert play.state.phase is Phase.CLOSING


def test_facts_of_another_machines_orders_are_nobodys_end():
    """Histories that an account still tells (orders of the hedge) end no order of ours and open none."""
    told = lambda at: OrderClosed(at=at, account="l1", order_id="triad:3:lighter1:exit:1", status="FILLED", filled=5)  # noqa: E731 - a moment
    play = (closing("lighter1", "5") >> told).played()
    assert len(play.state.legs["lighter1"].live) == 1


@pytest.mark.parametrize("legs", [{}, {"a": "x", "b": "x"}])
def test_legs_must_be_there_and_each_on_its_own_account(legs):
    """No leg, or one account twice, is refused before anything starts."""
    with pytest.raises(ValueError, match="own account"):
        build_machine("flatten", spec().model_copy(update={"legs": legs}), {}, {})


def test_it_is_a_strategy_with_legs_of_any_name():
    """Registered by name, with the parameters of every way out."""
    strategy = STRATEGIES["flatten"]
    assert (strategy.required_legs, strategy.optional_legs) == ((), None)
    built = build_machine(
        "flatten", spec().model_copy(update={"legs": {"any": "l1"}}), {"exit_slippage_max": "0.03"}, {}
    )
    assert built.code_version == machine("lighter1").code_version
    with pytest.raises(ValueError, match="exit_slippage"):
        build_machine("flatten", spec(), {"exit_slippage": "0.05", "exit_slippage_max": "0.03"}, {})
