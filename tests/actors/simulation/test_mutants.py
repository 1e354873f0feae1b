"""A judge that has never convicted anybody proves nothing: faults are planted, and each must be found."""

import pytest

from actors.simulation.play import play
from actors.simulation.quiet import quiet
from tests.actors.simulation.mutants import MUTANTS

SEEDS = 60
"""Within so many seeds, from the first on, each planted fault is found; most of them within ten."""


@pytest.mark.parametrize("plant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_planted_fault_is_found(plant, monkeypatch):
    """Whatever breaks a promise somewhere in the code shows as a violation within a few seeds of the ordinary storm."""
    plant(monkeypatch)
    with quiet():
        found = next((played for played in map(play, range(SEEDS)) if played.violations), None)
    assert found is not None, f"{SEEDS} seeds, and nobody noticed"
