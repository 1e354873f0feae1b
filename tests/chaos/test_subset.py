"""A few cells of the kill matrix; `make kill-matrix` runs them all."""

import pytest

from tests.chaos.cells import Blow, Cell, Victim
from tests.chaos.matrix import run
from tests.chaos.report import bad

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

CELLS = (
    Cell(Victim.LIGHTER1, Blow.KILL, "hedge sent"),
    Cell(Victim.GROUP, Blow.KILL, "entry sent"),
    Cell(Victim.BACKPACK, Blow.STOP, "rebalance sent"),
    Cell(Victim.LIGHTER2, Blow.KILL, "exit sent"),
    Cell(Victim.RAYLET, Blow.KILL, "exit sent"),
    Cell(Victim.SUPERVISOR, Blow.KILL, "second sent"),
)


async def test_whatever_dies_comes_back_and_the_exchange_finds_nothing_wrong(tmp_path):
    """Accounts, a group, Ray and the supervisor killed, one frozen: all recovered, no double, nothing unowned."""
    figures = await run(CELLS, tmp_path)
    assert figures.trouble == []
    assert {row.cell for row in figures.rows} == set(CELLS)
    assert [str(row.cell) for row in figures.rows if bad(row)] == []
