"""The strategies of the desk under the hedge's storms: crashes, lost answers, races of fills and cancels."""

import pytest

from actors.simulation.cast import CASTS, LIQUIDATION_HEDGE
from actors.simulation.play import play
from actors.simulation.scenario import draw_scenario
from strategies.machine import GroupSpec
from strategies.registry import STRATEGIES, build_machine
from tests.actors.triad import ETH

DESK = sorted(set(CASTS) - {LIQUIDATION_HEDGE})


@pytest.mark.parametrize("strategy", DESK)
@pytest.mark.parametrize("seed", [27, 41, 100])
def test_a_storm_breaks_no_promise(strategy, seed):
    """The judge's word on every order, fill, message and replay; `python -m actors.simulation` plays many more."""
    assert play(seed, strategy).violations == []


def test_a_hedge_that_failed_and_has_nothing_left_to_cover_blocks_no_entry():
    """Seed 273: the hedge is refused, REDUCE gives the surplus back, RUN: the cycle goes on and comes to its end."""
    assert play(273, "simple_hedge+limits").violations == []


def test_the_judge_waits_for_a_step_that_is_being_written():
    """Seed 337: FLATTEN reaches a group that has finished; it is judged when what it shows is what it has written."""
    assert play(337, "liquidation_hedge+limits").violations == []


@pytest.mark.parametrize("strategy", DESK)
def test_a_cast_fits_its_strategy(strategy):
    """Legs and numbers are ones that the strategy takes."""
    cast = CASTS[strategy]
    spec = GroupSpec.model_validate({"group": "sim", "instrument_id": ETH, "legs": cast.legs})
    assert strategy in STRATEGIES
    assert build_machine(strategy, spec, cast.params, {}).code_version.startswith(strategy)


def test_the_hedge_meets_the_scenario_it_always_met():
    """Another strategy gets the same storm; the hedge's own scenario is what its seed always drew."""
    assert draw_scenario(3).cast.strategy == LIQUIDATION_HEDGE
    assert draw_scenario(3).happenings == draw_scenario(3, "geometric_grid").happenings
    assert "direction" in draw_scenario(3).params
