"""The market maker: warm-up, quotes, lean against the inventory, bounds, recovery."""

import pytest
from pydantic import ValidationError

from strategies.avellaneda_stoikov.params import AvellanedaStoikovParams
from strategies.avellaneda_stoikov.policy import AvellanedaStoikov
from strategies.domain.events import OperatorState
from tests.strategies.desk.scene import DeskBook, begun, book, desk, seen
from tests.strategies.liquidation_hedge.scene import closed, filled, later, operator, restarted, timer

LOOK = "observe main"


def maker(**params) -> DeskBook:
    """Begin a playbook up to the first look's answer: mid 1000, nothing learnt."""
    given = {"quantity": 1, "warm_up_looks": 1, "gamma": "0.1", "k": "0.5", "horizon_s": 100, "max_inventory": 2}
    return begun(desk(AvellanedaStoikov, AvellanedaStoikovParams.model_validate(given | params), "main"), "main")


def looked(play: DeskBook, mid: int = 1000, held: str = "0") -> DeskBook:
    """Let the next look come, and its answer."""
    quotes = {"main": book(bid=str(mid - 1), ask=str(mid + 1), mark=str(mid))}
    return play >> later(2) >> timer("look") << LOOK >> seen(quotes, main=held)


def quoting(**params) -> DeskBook:
    """Play to both quotes: a still market, so the spread is (2 / 0.1) ln(1 + 0.1 / 0.5) = 3.646."""
    return looked(maker(**params)) << "submit main bid:1 BUY 1 @998.1\nsubmit main ask:2 SELL 1 @1001.9"


def test_nothing_is_quoted_before_the_volatility_is_known():
    """The first look only begins to learn."""
    assert maker()
    assert quoting()


def test_a_still_market_is_quoted_symmetrically_and_a_moving_one_wider():
    """The mid moved by 2 in 2 s: variance 2 a second adds gamma * variance * horizon = 20 to the spread."""
    play = looked(maker(volatility_half_life_s="0.000001"), mid=1002)
    assert play << "submit main bid:1 BUY 1 @991.9\nsubmit main ask:2 SELL 1 @1012.1"


def test_what_is_held_leans_both_quotes():
    """One bought in a moving market: the reservation price falls by gamma * variance * horizon = 20."""
    play = looked(maker(volatility_half_life_s="0.000001"), mid=1002)
    assert (
        looked(
            play
            << "submit main bid:1 BUY 1 @991.9\nsubmit main ask:2 SELL 1 @1012.1"
            >> filled("main", "bid:1", "1", price="992")
            << "cancel main ask:2"
            >> closed("main", "bid:1", "1")
            << "submit main bid:3 BUY 1 @971.9"
            >> closed("main", "ask:2", "0")
            << "submit main ask:4 SELL 1 @1001.1",
            mid=1002,
            held="1",
        )
        << "cancel main bid:3\ncancel main ask:4"
    )


def test_at_the_bound_only_the_reducing_side_is_quoted():
    """Two of two held: no bid."""
    play = quoting(max_inventory=1) >> filled("main", "bid:1", "1", price="998") >> closed("main", "bid:1", "1")
    assert play


def test_recovery_quotes_the_way_back_at_the_top_of_the_book():
    """At the bound with recovery: the quotes give way to one offer at the best ask, reduce-only."""
    play = quoting(max_inventory=1, recovery_inventory=0)
    assert (
        play
        >> filled("main", "bid:1", "1", price="998")
        << "cancel main ask:2"
        >> closed("main", "bid:1", "1")
        >> closed("main", "ask:2", "0")
        << "submit main ask:3 SELL 1 @1001 reduce-only"
        >> filled("main", "ask:3", "-1", price="1001")
        << "submit main bid:4 BUY 1 @998.1"
    )


def test_a_quote_that_is_near_enough_keeps_its_place():
    """The mid moved by less than the requote threshold: nothing is touched."""
    quotes = {"main": book(bid="999.1", ask="1001.1", mark="1000")}
    play = quoting(requote_ticks=4, volatility_half_life_s=1_000_000)
    assert play >> later(2) >> timer("look") << LOOK >> seen(quotes, main="0")


def test_after_a_restart_both_quotes_are_adopted():
    """The new process looks; what rests fits, and nothing is placed beside it."""
    assert quoting() >> restarted() << LOOK >> seen(main="0")


def test_pause_withdraws_what_opens():
    """Flat and paused: nothing is quoted."""
    assert quoting() >> operator(OperatorState.PAUSE) << "cancel main bid:1\ncancel main ask:2"


@pytest.mark.parametrize("wrong", [{}, {"quantity": 1, "gamma": 0}, {"quantity": 1, "kappa": 1}])
def test_what_makes_no_sense_is_refused(wrong):
    """No size, no aversion, a typo."""
    with pytest.raises(ValidationError):
        AvellanedaStoikovParams.model_validate(wrong)
