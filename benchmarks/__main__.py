"""`python -m benchmarks [latency] [throughput] [recovery] [memory] [scrape]`: measure and print a table."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import latency, memory, recovery, scrape, throughput
from benchmarks.figures import Row
from benchmarks.machine import describe
from benchmarks.stage import Stage, stage

BENCHES: dict[str, Callable[[Stage], Coroutine[None, None, list[Row]]]] = {
    "latency": latency.run,
    "throughput": throughput.run,
    "recovery": recovery.run,
    "memory": memory.run,
}
ALONE: dict[str, Callable[[], Coroutine[None, None, list[Row]]]] = {"scrape": scrape.run}
"""Benchmarks that need neither Ray nor a venue."""
_WIDTH = 140
"""Of the table when it goes into a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Speed and memory; nothing passes or fails."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*BENCHES, *ALONE))}; none = all")
    names = parser.parse_args(arguments).names or [*BENCHES, *ALONE]
    unknown = [name for name in names if name not in {**BENCHES, **ALONE}]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH)
    with ExitStack() as ends:
        on: Stage | None = None
        for name in names:
            started = time.monotonic()
            if name in BENCHES and on is None:
                on = ends.enter_context(stage())
            console.print(f"{name} … ({describe(Path.cwd() if on is None else on.folder)})")
            rows = asyncio.run(ALONE[name]() if on is None or name in ALONE else BENCHES[name](on))
            console.print(_table(f"{name}, {time.monotonic() - started:.0f} s", rows))
    return 0


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("what", "measured", "target", "remark"):
        table.add_column(column, no_wrap=column == "what")
    for row in rows:
        table.add_row(row.what, row.measured, row.target, row.remark)
    return table


if __name__ == "__main__":
    sys.exit(main())
