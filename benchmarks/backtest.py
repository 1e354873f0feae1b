"""How long a month of minute bars takes: the groups of `month.toml`, played as `supervisor.py backtest` plays them."""

import resource
import time
from pathlib import Path

from actors.backtest.figures import Figures, days
from actors.backtest.many import PROCESSES, play_all
from benchmarks.figures import Row
from conf.backtests import backtests
from conf.load import load

GROUPS = Path(__file__).with_name("month.toml")
MINUTES = 30 * 24 * 60
_TARGET_S = 60


async def run(tape: Path) -> list[Row]:
    """Measure as `measure` does: a benchmark like the others."""
    return measure(tape)


def measure(tape: Path) -> list[Row]:
    """Play the month with all strategies, two at a time.

    Raises:
        TapeError: the tape cannot be read.
    """
    if not tape.exists():
        return [Row("a month of minute bars", "not measured", f"< {_TARGET_S} s", f"no tape at {tape}: --tape FILE")]
    specs = backtests(load(GROUPS, environment={}), tape, groups=(), seed=None, rows=MINUTES)
    started, used = time.monotonic(), _cpu_s()
    results = play_all(specs)
    wall_s, cpu_s = time.monotonic() - started, _cpu_s() - used
    remark = f"{len(results)} strategies, {MINUTES} bars each, {PROCESSES} processes"
    first = Row("a month of minute bars", f"{wall_s:.0f} s", f"< {_TARGET_S} s", remark)
    cpu = Row("   CPU of all of it", f"{cpu_s:.0f} s", f"< {_TARGET_S * PROCESSES} s", "what it takes on any machine")
    return [first, cpu, *map(_row, results)]


def _row(figures: Figures) -> Row:
    done = f"{figures.orders} orders, {figures.fills} fills, {figures.cycles} cycles"
    return Row(f"   {figures.group}", done, "", f"{figures.strategy}, {days(figures):.1f} days, {figures.digest}")


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of those it has waited for."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)
