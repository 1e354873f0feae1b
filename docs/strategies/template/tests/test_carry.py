"""The carry on virtual time, over both venues' matching cores: an hour takes a second."""

from decimal import Decimal

import pytest

from actors.simulation.rehearsal import rehearse
from strategies.domain.events import OperatorState
from strategies.machine import Outcome

LEGS = {"long": "backpack", "short": "lighter"}
PARAMS = {"quantity": "0.5", "hold_s": "600"}


def test_it_gets_in_holds_and_gets_out():
    """Ten minutes later both legs are closed, by the exchanges' own word, and the account has paid little."""
    done = rehearse("carry", LEGS, PARAMS)
    assert (done.outcome, done.stopped, done.cycles) == (Outcome.FINISHED, "", 1)
    assert done.flat
    assert done.orders == 4
    assert done.profit_usd > -5


@pytest.mark.parametrize("at_s", [0.5, 1.0, 1.5, 2.0, 300.0])
def test_killed_at_any_moment_it_orders_nothing_twice(at_s):
    """The successor replays the journal and goes on."""
    done = rehearse("carry", LEGS, PARAMS, deaths_at_s=[at_s])
    assert done.flat
    assert done.orders == 4


def test_killed_on_the_way_out_it_gets_out():
    """An exit in doubt may be ordered again: it only reduces, so it cannot go too far."""
    done = rehearse("carry", LEGS, PARAMS, deaths_at_s=[600.5, 601.5])
    assert done.flat
    assert done.outcome is Outcome.FINISHED


@pytest.mark.parametrize("at_s", [0.5, 0.7, 1.0, 300.0])
def test_told_to_reduce_at_any_moment_it_leaves_no_leg_alone(at_s):
    """Whatever may not grow any more: what stands is two legs or none, at the end none."""
    done = rehearse("carry", LEGS, PARAMS, says={at_s: OperatorState.REDUCE}, within_s=900)
    assert sum(done.held.values()) == 0
    assert done.flat


def test_both_legs_are_there_in_between():
    """Cut short, the pair stands: the short leg holds what the long one does."""
    half = rehearse("carry", LEGS, PARAMS, within_s=300)
    assert half.held == {"long": Decimal("0.5"), "short": Decimal("-0.5")}


def test_a_wrong_parameter_is_refused():
    """The model's description is the remedy in the message of a settings file."""
    with pytest.raises(ValueError, match="quantity"):
        rehearse("carry", LEGS, {"quantity": "-1"})
