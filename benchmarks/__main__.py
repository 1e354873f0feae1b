"""`python -m benchmarks [NAME …]`: measure and print a table; `--help` names them."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks import backtest, flatten, latency, memory, pages, recovery, scrape, throughput
from benchmarks.figures import Row
from benchmarks.machine import describe
from benchmarks.stage import Stage, stage

BENCHES: dict[str, Callable[[Stage], Coroutine[None, None, list[Row]]]] = {
    "latency": latency.run,
    "throughput": throughput.run,
    "recovery": recovery.run,
    "memory": memory.run,
}
WITHOUT_RAY: dict[str, Callable[[Path], Coroutine[None, None, list[Row]]]] = {
    "flatten": flatten.run,
    "scrape": scrape.run,
    "pages": pages.run,
}
"""Benchmarks of one process; they need a folder and nothing else."""
_BACKTEST = "backtest"
_TAPE = Path(__file__).parents[2] / "shared" / "data" / "btc-perp-1m-2022-01.csv"
"""Where the tests look for the same tape."""
_WIDTH = 140
"""Of the table when it goes into a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all."""
    known = [*BENCHES, *WITHOUT_RAY, _BACKTEST]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Speed and memory; nothing passes or fails."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; none = all")
    parser.add_argument("--tape", type=Path, default=_TAPE, help="CSV of minute bars for the backtest")
    given = parser.parse_args(arguments)
    names = given.names or known
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH)
    if any(name in BENCHES for name in names):
        with stage() as on:
            for name in (each for each in names if each in BENCHES):
                _measure(console, name, on.folder, BENCHES[name](on))
    with TemporaryDirectory(prefix="hedgevisor-bench-") as folder:
        for name in (each for each in names if each in WITHOUT_RAY):
            _measure(console, name, Path(folder), WITHOUT_RAY[name](Path(folder)))
        if _BACKTEST in names:
            _measure(console, _BACKTEST, Path(folder), backtest.run(given.tape))
    return 0


def _measure(console: Console, name: str, folder: Path, bench: Coroutine[None, None, list[Row]]) -> None:
    started = time.monotonic()
    console.print(f"{name} … ({describe(folder)})")
    rows = asyncio.run(bench)
    console.print(_table(f"{name}, {time.monotonic() - started:.0f} s", rows))


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("what", "measured", "target", "remark"):
        table.add_column(column, no_wrap=column == "what")
    for row in rows:
        table.add_row(row.what, row.measured, row.target, row.remark)
    return table


if __name__ == "__main__":
    sys.exit(main())
