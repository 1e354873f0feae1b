"""The matrix's own arithmetic: naked time, charging it to cells, and the tables."""

import json
from decimal import Decimal

import pytest

from tests.chaos.campaign import Struck
from tests.chaos.cells import BY_NAME, MOMENTS, Blow, Cell, Victim, chosen, every_cell, read_step
from tests.chaos.history import Execution, History, Violation, naked_times
from tests.chaos.matrix import Figures, judge
from tests.chaos.report import Row, coverage, row, share, table

LOT = Decimal("0.1")
CELL = Cell(Victim.LIGHTER1, Blow.KILL, "hedge sent")


def executions(*rows: tuple[int, str, int]) -> list[Execution]:
    """Return executions at 10 USD from (moment, account, change)."""
    return [Execution(at, account, Decimal(change), Decimal(10)) for at, account, change in rows]


def test_naked_time_is_the_time_in_which_the_legs_do_not_add_up():
    """One second with 2 open at 10 USD, then covered; what happens in one moment is one change."""
    times = naked_times(
        executions((1000, "a", 2), (2000, "b", -2), (5000, "a", -2), (5000, "b", 2)), frozenset("ab"), LOT, 9000
    )
    assert [(time.start, time.end, time.usd_seconds) for time in times] == [(1000, 2000, Decimal(20))]


def test_naked_time_without_an_end_lasts_until_the_end():
    """A position that nobody covers is naked to the last."""
    (time,) = naked_times(executions((1000, "a", 2), (2000, "b", -1)), frozenset("ab"), LOT, 4000)
    assert (time.seconds, time.usd_seconds) == (3.0, Decimal(40))


def test_a_step_is_told_by_its_record():
    """Event, order and what was sent are read from the journal's own words."""
    body = {
        "event": {"kind": "Filled", "at": 5, "account": "bp-1", "fill": {"order_id": "triad-1:3:backpack:entry:1"}},
        "commands": [{"kind": "SubmitOrder", "order": {"order_id": "triad-1:3:lighter1:hedge:1"}}],
    }
    step = read_step(json.dumps(body))
    assert [moment.name for moment in MOMENTS if moment.holds(step)] == ["hedge decided"]
    assert not BY_NAME["hedge sent"].holds(step)


def test_cells_are_chosen_by_words():
    """`all` is the whole matrix; a word chooses; a word that fits nothing is an error."""
    assert set(chosen("all")) == set(every_cell())
    assert {cell.victim for cell in chosen("SIGKILL raylet")} == {Victim.RAYLET}
    with pytest.raises(ValueError, match="cells read like"):
        chosen("nobody")


def test_violations_and_naked_times_are_charged_to_the_cell_before_them():
    """What happened after the second blow is the second cell's; clean times are counted apart."""
    first = Struck(CELL, "triad-1", struck_at=1500, recovered_at=1600)
    second = Struck(CELL, "triad-1", struck_at=8000, recovered_at=8100)
    history = History(
        executions=executions(
            (1000, "l1a", 2),
            (2000, "l1b", -2),
            (4000, "l1a", 1),
            (4200, "l1b", -1),
            (7000, "l1a", 1),
            (9000, "l1b", -1),
        ),
        violations=[Violation(8500, "l1a", "double", "twice")],
        lots={"l1a": LOT, "l1b": LOT},
    )
    figures = Figures()
    judge(figures, [first, second], history)
    assert [(each.naked_s, each.doubles) for each in figures.rows] == [(1.0, 0), (2.0, 1)]
    assert figures.clean == [(0.2, 2.0)]
    assert figures.trouble == []


def test_a_violation_that_no_cell_explains_is_trouble():
    """A position left at the end by a run without blows does not go unseen."""
    figures = Figures()
    judge(figures, [], History(violations=[Violation(0, "l1a", "unowned", "holds 3")]))
    assert figures.trouble == ["l1a: holds 3"]


def test_figures_survive_being_kept_and_are_summed_up_by_class():
    """A row that was written is the row that is read; the table counts it."""
    kept = Row(CELL, recovered=True, recovery_s=0.5, doubles=0, unowned=0, naked_s=1.0, naked_usd_s=20.0, said="")
    assert row(json.loads(json.dumps(kept.plain()))) == kept
    assert "| SIGKILL lighter1 | 1 | 1 | 0 | 0 | 1.00 / 1.00 / 1.00 | 20 / 20 | 0.50 / 0.50 |" in table([kept], [])
    assert "| hedge sent | 1 |" in coverage([kept])
    assert share([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert share([], 0.5) == 0.0
