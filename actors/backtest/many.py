"""Several backtests, each in a process of its own, two at a time: one a core."""

import gc
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryFile

from rich.console import Console

from actors.backtest.figures import Figures
from actors.backtest.page import page, table
from actors.backtest.run import BacktestError, play
from actors.backtest.spec import BacktestSpec

PROCESSES = 2


def play_all(specs: Sequence[BacktestSpec]) -> list[Figures]:
    """Play every backtest; the results stand in the order of the specs. Raises as `Backtest` does."""
    if len(specs) == 1:
        return [_alone(specs[0])]
    with ProcessPoolExecutor(min(PROCESSES, len(specs)), mp_context=get_context("spawn")) as pool:
        return list(pool.map(_alone, specs))


def open_folder(folder: Path) -> Path:
    """Make the folder for the pages, before anything is played that would have no place.

    Raises:
        BacktestError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise BacktestError(
            f"pages cannot be written to {folder}: {error.strerror}; name another folder with --out"
        ) from error


def report(results: Sequence[Figures], folder: Path, console: Console) -> list[Path]:
    """Show the figures, and write a page and a JSON file for each group to `folder`; return the pages."""
    console.print(table(results))
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
