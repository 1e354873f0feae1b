"""Several backtests, each in a process of its own, two at a time: one a core."""

import gc
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from actors.backtest.figures import Figures
from actors.backtest.page import page, table
from actors.backtest.run import play
from actors.backtest.spec import BacktestSpec

PROCESSES = 2


def play_all(specs: Sequence[BacktestSpec]) -> list[Figures]:
    """Play every backtest; the results stand in the order of the specs. Raises as `Backtest` does."""
    if len(specs) == 1:
        return [_alone(specs[0])]
    with ProcessPoolExecutor(min(PROCESSES, len(specs)), mp_context=get_context("spawn")) as pool:
        return list(pool.map(_alone, specs))


def report(results: Sequence[Figures], folder: Path, console: Console) -> list[Path]:
    """Show the figures, and write a page and a JSON file for each group; return the pages."""
    console.print(table(results))
    folder.mkdir(parents=True, exist_ok=True)
    pages: list[Path] = []
    for each in results:
        base = folder / each.group
        pages.append(base.with_suffix(".html"))
        pages[-1].write_text(page(each), encoding="utf-8")
        figures = each.model_dump_json(indent=2, exclude={"samples", "marks"})
        base.with_suffix(".json").write_text(figures, encoding="utf-8")
    return pages


def _alone(spec: BacktestSpec) -> Figures:
    gc.disable()  # the collector's pauses cost a fifth, and what a backtest makes is kept to its end anyway
    try:
        return play(spec)
    finally:
        gc.enable()
