"""The kill matrix: the demo on Ray with both simulated venues, struck at every journaled step of a cycle.

`python -m tests.chaos.matrix --cells all --out docs/kill-matrix.md` (`make kill-matrix`); `--cells "SIGKILL raylet"`,
`--cells lighter1,group` or `--cells "hedge sent"` choose; `--more FILE` adds to figures that were kept earlier.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.campaign import LEGS, Strikes, Struck
from tests.chaos.cells import OF_A_GROUP, ONCE, Cell, chosen
from tests.chaos.history import History, Naked, naked_times, read_history
from tests.chaos.report import Row, bad, coverage, row, table
from tests.end_to_end.deployment import Deployment

_CELLS_A_RUN = 20
"""Cells of one group in one deployment: a run that fails takes no more than these with it."""
_END_BOUND_S = 600.0
"""Longest wait for the groups' remaining cycles."""
_SPARE_CYCLES = 3
"""Cycles beyond one a cell: a moment that was missed comes again in the next."""
_PASSES = 4
"""How often what was missed in one pass (its cycles had gone by while something recovered) is tried in another."""
_HEAD = """# Kill matrix

The demo (`conf/paper.toml`, both groups, both venues as wire simulators, real Ray) with quick cycles. In each cell one
signal hits one process at one journaled step of a cycle; the run then goes on until every group has finished, and the
exchanges' own history judges. {struck} of {wanted} cells were struck. Written by `make kill-matrix`; measured on
{machine}.

*Recovery*: from the signal until the account is armed again, or the group's next incarnation has decided; for what
carries everything (supervisor, raylet, GCS), until the last of six accounts and two groups is back; for the simulator,
until the group sees all of its legs again. *Naked*: |sum of the legs| above half a lot, by the venues' timestamps; a
cell is charged with every such time that overlaps its outage. A standing process (SIGSTOP) is woken after it has been
replaced: `recovered` then also says that it was gone. Supervisor and simulator are not replaced when they stand still:
they are woken after 12 s.
"""


@dataclass
class Figures:
    """What has been measured."""

    rows: list[Row] = field(default_factory=list)
    clean: list[tuple[float, float]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


def settings(cycles: int, held: Collection[str] = ()) -> list[str]:
    """Return quick cycles, and restarts that are never too many: here, dying often is the point."""
    found = ["supervisor.spares=2", "simulator.tier=unlimited", "venues.lighter.tier=unlimited"]
    for kind in ("accounts", "groups"):
        found += [f"supervisor.{kind}.max_restarts=1000", f"supervisor.{kind}.within_s=1"]
    for group in LEGS:
        found += [
            f"groups.{group}.params.max_cycles={cycles}",
            f"groups.{group}.params.timeout_s=7",
            f"groups.{group}.params.cycle_pause_s=1",
            f"groups.{group}.params.wait_min_s=0.5",
            f"groups.{group}.params.wait_max_s=1.5",
            f"groups.{group}.params.poll_interval_s=1",
            f"groups.{group}.limits.max_cycle_loss_usd=100000",
        ]
    return [*found, *(f"groups.{group}.state=pause" for group in held)]


async def run(cells: Sequence[Cell], folder: Path) -> Figures:
    """Strike the cells in one deployment and judge it. Cells of both groups run side by side, others alone."""
    shares: dict[str, list[Cell]] = {group: [] for group in LEGS}
    for number, cell in enumerate(cells):
        shares[sorted(LEGS)[number % len(LEGS) if cell.victim in OF_A_GROUP else 0]].append(cell)
    cycles = max(map(len, shares.values())) + _SPARE_CYCLES
    held = [group for group, mine in shares.items() if any(cell.moment == ONCE for cell in mine)]
    deployment = Deployment(folder, *settings(cycles, held))
    arguments = ("--until-done",)
    struck: list[Struck] = []
    figures = Figures()
    await deployment.start(*arguments)
    try:
        strikes = Strikes(deployment, arguments, held)
        await asyncio.gather(*(strikes.campaign(group, mine, struck) for group, mine in shares.items() if mine))
        code = await deployment.wait(_END_BOUND_S)
        if code != 0:
            figures.trouble.append(f"exit code {code}:\n{deployment.output[-3000:]}")
    finally:
        await deployment.stop()
    judge(figures, struck, await read_history(deployment))
    return figures


def judge(figures: Figures, struck: Sequence[Struck], history: History) -> None:
    """Charge every violation and every naked time to the cell that it belongs to."""
    end = history.executions[-1].at if history.executions else 0
    accounts = {group: frozenset(legs.values()) for group, legs in LEGS.items()}
    for group, mine in accounts.items():
        lot = max((history.lots[name] for name in mine if name in history.lots), default=None)
        if lot is None:
            continue
        # A blow to what carries both groups may leave either of them naked.
        concerned = [one for one in struck if one.group == group or one.cell.victim not in OF_A_GROUP]
        naked = naked_times(history.executions, mine, lot, end)
        figures.clean += [
            (time.seconds, float(time.usd_seconds))
            for time in naked
            if not any(_overlaps(time, one, end) for one in concerned)
        ]
    for one in struck:
        figures.rows.append(_judged(one, struck, history, accounts, end))
    charged = sum(each.doubles + each.unowned for each in figures.rows)
    if charged < len(history.violations) or (history.violations and not struck):
        figures.trouble += [f"{found.account}: {found.words}" for found in history.violations]
    figures.trouble += [f"{one.cell}: {one.said}" for one in struck if one.said]


def _judged(
    one: Struck, struck: Sequence[Struck], history: History, accounts: dict[str, frozenset[str]], end: int
) -> Row:
    groups = [one.group] if one.cell.victim in OF_A_GROUP else list(accounts)
    seconds, dollars = 0.0, 0.0
    for group in groups:
        mine = accounts[group]
        lots = [history.lots[name] for name in mine if name in history.lots]
        times = naked_times(history.executions, mine, max(lots), end) if lots else []
        overlapping = [time for time in times if _overlaps(time, one, end)]
        seconds += sum(time.seconds for time in overlapping)
        dollars += float(sum(time.usd_seconds for time in overlapping))
    concerned = frozenset().union(*(accounts[group] for group in groups))
    later = [other.struck_at for other in struck if other.struck_at > one.struck_at and other.group == one.group]
    until = min(later, default=None)
    found = [
        violation.kind
        for violation in history.violations
        if violation.account in concerned
        and ((violation.at == 0 and until is None) or one.struck_at <= violation.at < (until or violation.at + 1))
    ]
    return Row(
        cell=one.cell,
        recovered=bool(one.recovered_at),
        recovery_s=one.recovery_s if one.recovered_at else 0.0,
        doubles=found.count("double"),
        unowned=found.count("unowned"),
        naked_s=round(seconds, 3),
        naked_usd_s=round(dollars, 1),
        said=one.said,
    )


def _overlaps(time: Naked, one: Struck, end: int) -> bool:
    return time.start <= (one.recovered_at or end) and time.end >= one.struck_at


def batches(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Split into runs: what belongs to a group runs side by side in both, the rest one after another.

    Of what comes once in a group's life each group gets one a run.
    """
    often = [cell for cell in cells if cell.moment != ONCE]
    once = [cell for cell in cells if cell.moment == ONCE]
    return [*_batches(once, 1), *_batches(often, _CELLS_A_RUN)]


def _batches(cells: Sequence[Cell], a_group: int) -> list[list[Cell]]:
    local = [cell for cell in cells if cell.victim in OF_A_GROUP]
    shared = [cell for cell in cells if cell.victim not in OF_A_GROUP]
    both = len(LEGS) * a_group
    return [local[i : i + both] for i in range(0, len(local), both)] + [
        shared[i : i + a_group] for i in range(0, len(shared), a_group)
    ]


def _machine() -> str:
    cores = f"{os.cpu_count()} cores under a load of {os.getloadavg()[2]:.0f} (mean of the last quarter of an hour)"
    return f"{cores}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def write(figures: Figures, wanted: Sequence[Cell], out: Path | None, kept: Path | None) -> None:
    """Print the tables, and write them where they are wanted."""
    struck = len({each.cell for each in figures.rows} & set(wanted))
    text = _HEAD.format(machine=_machine(), struck=struck, wanted=len(wanted))
    text += f"\n{table(figures.rows, figures.clean)}\n\n## Where\n\n"
    text += "How often each step was struck; `!` marks a cell that shows something that must not be.\n\n"
    text += coverage(figures.rows) + "\n"
    if any(map(bad, figures.rows)):
        text += "\n## What went wrong\n\n"
        text += "".join(f"- {each.cell}: {each.said or 'see the table'}\n" for each in figures.rows if bad(each))
    print(text)  # noqa: T201
    for line in figures.trouble:
        print(f"TROUBLE: {line}")  # noqa: T201
    if out is not None:
        out.write_text(text, encoding="utf-8")
    if kept is not None:
        plain = {"rows": [each.plain() for each in figures.rows], "clean": figures.clean, "trouble": figures.trouble}
        kept.write_text(json.dumps(plain, indent=1), encoding="utf-8")


def _earlier(kept: Path | None) -> Figures:
    if kept is None or not kept.exists():
        return Figures()
    plain = json.loads(kept.read_text(encoding="utf-8"))
    return Figures([row(each) for each in plain["rows"]], [tuple(pair) for pair in plain["clean"]], plain["trouble"])


def _play(batch: Sequence[Cell], figures: Figures) -> None:
    """Strike the cells of one deployment, and add what was found."""
    folder = Path(tempfile.mkdtemp(prefix="kill-matrix-"))
    found = asyncio.run(run(batch, folder))
    if found.trouble or any(map(bad, found.rows)):
        print(f"Kept to be looked at: {folder}")  # noqa: T201
    else:
        shutil.rmtree(folder)
    figures.rows += found.rows
    figures.clean += found.clean
    figures.trouble += found.trouble


def main() -> int:
    """Run what the command line names; exit 0 when every cell was recovered from and nothing else was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="all", help="words that cells' names contain, comma-separated; or all")
    parser.add_argument("--out", type=Path, help="where the report goes (Markdown)")
    parser.add_argument("--more", type=Path, help="figures are kept here, and those kept earlier count, too (JSON)")
    parser.add_argument("--seed", type=int, default=1, help="order of the cells")
    parser.add_argument("--limit", type=int, help="at most so many cells")
    options = parser.parse_args()
    figures = _earlier(options.more)
    wanted = chosen(options.cells)
    for number in range(_PASSES):
        known = {each.cell for each in figures.rows}
        cells = [cell for cell in wanted if cell not in known]
        random.Random(options.seed + number).shuffle(cells)
        for batch in batches(cells[: options.limit]):
            _play(batch, figures)
            write(figures, wanted, options.out, options.more)
        if options.limit is not None:
            break
    return 1 if figures.trouble or any(map(bad, figures.rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
