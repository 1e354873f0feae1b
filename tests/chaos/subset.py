"""A few cells of the kill matrix, run by name (`pytest tests/chaos/subset.py`); `make kill-matrix` runs them all."""

import pytest

from tests.chaos.cells import Blow, Cell, Victim
from tests.chaos.matrix import run
from tests.chaos.report import bad

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

CELLS = (
    Cell(Victim.LIGHTER1, Blow.KILL, "hedge sent"),
    Cell(Victim.BACKPACK, Blow.STOP, "rebalance sent"),
    Cell(Victim.RAYLET, Blow.KILL, "exit sent"),
    Cell(Victim.SUPERVISOR, Blow.KILL, "second sent"),
)


async def test_whatever_dies_comes_back_and_the_exchange_finds_nothing_wrong(tmp_path):
    """An account killed, one frozen, Ray killed, the supervisor killed: all recovered, no double, nothing unowned."""
    figures = await run(CELLS, tmp_path)
    assert figures.trouble == []
    assert {row.cell for row in figures.rows} == set(CELLS)
    assert [str(row.cell) for row in figures.rows if bad(row)] == []
