"""The geometric grid: levels, fills answered one level further, modes, recentring."""

from decimal import Decimal
from itertools import pairwise

import pytest
from pydantic import ValidationError

from strategies.domain.events import OperatorState
from strategies.geometric_grid.params import GeometricGridParams
from strategies.geometric_grid.policy import GeometricGrid, geometric_levels
from strategies.machine import Outcome
from tests.strategies.desk.scene import DeskBook, begun, book, desk, seen
from tests.strategies.liquidation_hedge.scene import closed, filled, later, operator, restarted, timer

LOOK = "observe main"
RANGE = {"lower": "960.4", "upper": "1041.2", "levels": 5}
"""960.4, 980, 1000, 1020.4, 1041.2: two per cent apart, anchored at 1000."""


def grid(**params) -> DeskBook:
    """Begin a playbook up to the first look's answer: mid 1000."""
    wanted = GeometricGridParams.model_validate({"quantity": 1, "orders_per_side": 1} | RANGE | params)
    return begun(desk(GeometricGrid, wanted, "main"), "main")


def test_levels_are_in_equal_ratios_on_the_tick_grid():
    """Every step earns the same fraction, but for the tick; both ends are there."""
    levels = geometric_levels(Decimal(500), Decimal(2000), 21, Decimal("0.1"))
    assert (levels[0], levels[-1], len(levels)) == (Decimal(500), Decimal(2000), 21)
    ratios = [high / low for low, high in pairwise(levels)]
    assert max(ratios) - min(ratios) < Decimal("0.0005")
    assert all(level % Decimal("0.1") == 0 for level in levels)


def test_a_fill_is_answered_one_level_further():
    """Bought at 980: the next bid is a level lower, and what was bought is offered at 1000, reduce-only."""
    assert (
        grid()
        << "submit main b1:1 BUY 1 @980\nsubmit main s3:2 SELL 1 @1020.4"
        >> filled("main", "b1:1", "1", price="980")
        << "cancel main s3:2\nsubmit main b0:3 BUY 1 @960.4\nsubmit main s2:4 SELL 1 @1000 reduce-only"
    )


def test_a_round_trip_earns_the_step():
    """Bought at 980, sold at 1000: flat again, and the grid stands as before."""
    play = (
        grid()
        << "submit main b1:1 BUY 1 @980\nsubmit main s3:2 SELL 1 @1020.4"
        >> filled("main", "b1:1", "1", price="980")
        << "cancel main s3:2\nsubmit main b0:3 BUY 1 @960.4\nsubmit main s2:4 SELL 1 @1000 reduce-only"
        >> closed("main", "b1:1", "1")
        >> closed("main", "s3:2", "0")
        >> filled("main", "s2:4", "-1", price="1000")
        << "cancel main b0:3\nsubmit main b1:5 BUY 1 @980\nsubmit main s3:6 SELL 1 @1020.4"
    ).played()
    assert play.state.legs["main"].ledger.realized == 20


def test_a_partial_fill_is_a_part_of_a_step():
    """0.4 bought at 980: the rest of that bid stays, the 0.4 are offered at 1000."""
    assert (
        grid()
        << "submit main b1:1 BUY 1 @980\nsubmit main s3:2 SELL 1 @1020.4"
        >> filled("main", "b1:1", "0.4", price="980")
        << "cancel main s3:2\nsubmit main s2:3 SELL 0.4 @1000 reduce-only"
    )


@pytest.mark.parametrize(("mode", "orders"), [("long", "b1:1 BUY 1 @980"), ("short", "s3:1 SELL 1 @1020.4")])
def test_long_and_short_grids_quote_one_side_while_flat(mode, orders):
    """A long grid sells only what it has bought, a short one buys back only what it has sold."""
    assert grid(mode=mode) << f"submit main {orders}"


def test_orders_per_side_are_the_nearest():
    """Two on each side; the fifth level has no room beyond it."""
    assert (
        grid(orders_per_side=2)
        << """submit main b1:1 BUY 1 @980
              submit main b0:2 BUY 1 @960.4
              submit main s3:3 SELL 1 @1020.4
              submit main s4:4 SELL 1 @1041.2"""
    )


def test_after_a_restart_the_grid_is_adopted_and_not_doubled():
    """Both orders rest; the new process looks and places nothing."""
    assert (
        grid()
        << "submit main b1:1 BUY 1 @980\nsubmit main s3:2 SELL 1 @1020.4"
        >> restarted()
        << LOOK
        >> seen(main="0")
    )


def test_pause_keeps_only_what_reduces():
    """One bought: PAUSE withdraws the bid, the offer of what is held stays."""
    assert (
        grid()
        << "submit main b1:1 BUY 1 @980\nsubmit main s3:2 SELL 1 @1020.4"
        >> filled("main", "b1:1", "1", price="980")
        << "cancel main s3:2\nsubmit main b0:3 BUY 1 @960.4\nsubmit main s2:4 SELL 1 @1000 reduce-only"
        >> operator(OperatorState.PAUSE)
        << "cancel main b0:3"
    )


def test_outside_the_range_it_recentres():
    """The price left by more than told: everything out, and the next cycle begins around the new price."""
    away = {"main": book(bid="1099", ask="1101", mark="1100")}
    centred = {"lower": None, "upper": None, "range_fraction": "0.04", "recentre_beyond": "0.01", "max_cycles": 0}
    play = (
        grid(**centred)
        << "submit main b1:1 BUY 1 @979.4\nsubmit main s3:2 SELL 1 @1019.4"
        >> later(5)
        >> timer("look")
        << LOOK
        >> seen(away, main="0")
        << f"cancel-all main\n{LOOK}"
        >> closed("main", "b1:1", "0")
        >> closed("main", "s3:2", "0")
        >> seen(away, main="0")
        >> later(5)
        >> timer("act")
        << LOOK
        >> later("0.1")
        >> seen(away, main="0")
        << "submit main b1:1 BUY 1 @1077.3\nsubmit main s3:2 SELL 1 @1121.3"
    ).played()
    assert play.state.cycle == 2


def test_a_stop_leaves_and_parks():
    """Two levels bought and the price far below: the loss limit closes everything, a person looks."""
    low = {"main": book(bid="899", ask="901", mark="900")}
    play = (
        grid(stop_loss_usd=50)
        << "submit main b1:1 BUY 1 @980\nsubmit main s3:2 SELL 1 @1020.4"
        >> filled("main", "b1:1", "1", price="980")
        << "cancel main s3:2\nsubmit main b0:3 BUY 1 @960.4\nsubmit main s2:4 SELL 1 @1000 reduce-only"
        >> closed("main", "s3:2", "0")
        >> later(5)
        >> timer("look")
        << LOOK
        >> seen(low, main="1")
        << f"cancel-all main\n{LOOK}"
    ).played()
    assert play.state.parking
    assert play.state.outcome is Outcome.RUNNING


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 1},
        {"quantity": 1, "lower": 1},
        {"quantity": 1, "lower": 2, "upper": 1},
        {"quantity": 1, "lower": 1, "upper": 2, "range_fraction": "0.1"},
        {"quantity": 1, "lower": 1, "upper": 2, "recentre_beyond": "0.1"},
        {"quantity": 1, "range_fraction": "0.1", "levels": 1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    """No range, half a range, an inverted one, two of them, a fixed range that should recentre, one level."""
    with pytest.raises(ValidationError):
        GeometricGridParams.model_validate(wrong)
