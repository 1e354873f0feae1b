"""Rehearsals: what a strategy's author looks at must be the exchanges' word, and the same each time."""

from decimal import Decimal

import pytest

from actors.simulation.rehearsal import RehearsalError, rehearse
from strategies.domain.events import OperatorState
from strategies.machine import Outcome

PAIR = {"lead": "backpack", "follow": "lighter"}
PARAMS = {"quantity": "0.5", "hold_s": "60", "entry": {"timeout_s": "5"}}


def test_the_same_arguments_give_the_same_rehearsal():
    """Money, orders and the story, to the last digit; another seed is another market."""
    once, again = (rehearse("simple_hedge", PAIR, PARAMS, seed=3) for _ in range(2))
    assert once == again
    assert (once.outcome, once.flat) == (Outcome.FINISHED, True)
    assert rehearse("simple_hedge", PAIR, PARAMS, seed=4).profit_usd != once.profit_usd


def test_the_market_moves_as_it_is_told():
    """The hedge over three accounts: a fall of three percent liquidates a leg at leverage 50, and all are closed."""
    legs = {"backpack": "backpack", "lighter1": "lighter", "lighter2": "lighter"}
    params = {"leverage": "50", "poll_interval_s": "1", "wait_min_s": "1", "wait_max_s": "2"}
    done = rehearse("liquidation_hedge", legs, params, moves=[Decimal(0)] * 20 + [Decimal("-0.005")] * 6)
    assert (done.outcome, done.flat, done.stopped) == (Outcome.FINISHED, True, "")
    assert any("lighter2" in step for step in done.story)


def test_the_operator_is_heard():
    """FLATTEN in the middle of the hold gets both legs out long before its end."""
    done = rehearse("simple_hedge", PAIR, PARAMS | {"hold_s": "600"}, says={30: OperatorState.FLATTEN}, within_s=120)
    assert (done.flat, done.orders > 0, done.stopped) == (True, True, "")
    assert any("FLATTEN" in step for step in done.story)


def test_what_does_not_fit_the_stage_is_refused():
    """Two legs at a venue that has one account here, a venue that is none, a strategy that is none."""
    with pytest.raises(RehearsalError, match="follow"):
        rehearse("simple_hedge", {"lead": "backpack", "follow": "backpack"}, PARAMS)
    with pytest.raises(RehearsalError, match="binance"):
        rehearse("simple_hedge", {"lead": "binance", "follow": "lighter"}, PARAMS)
    with pytest.raises(ValueError, match="unknown strategy"):
        rehearse("nope", PAIR, PARAMS)
