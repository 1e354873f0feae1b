"""Strategies that other packages bring: found through their entry points, so that nobody has to change this one."""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from strategies.strategy import Strategy

GROUP = "hedgevisor.strategies"
"""The group of entry points: each leads to a `Strategy`, or to a function without arguments that returns one."""
BROKEN: dict[str, str] = {}
"""Entry point → why its strategy cannot be had, with the package that brings it."""
SOURCES: dict[str, str] = {}
"""Strategy → the module that it comes from."""


def discover(known: Mapping[str, Strategy], found: Iterable[EntryPoint] | None = None) -> dict[str, Strategy]:
    """Return the strategies of all installed packages; what cannot be loaded goes to `BROKEN` and stops nobody.

    Args:
        known: the strategies whose names are taken.
        found: entry points to load; None = those of this interpreter.
    """
    brought: dict[str, Strategy] = {}
    for entry in entry_points(group=GROUP) if found is None else found:
        package = entry.dist.name if entry.dist is not None else entry.module
        try:
            strategy = _load(entry)
        except Exception as error:  # noqa: BLE001 - a stranger's code may fail in any way, and must not stop the others
            BROKEN[entry.name] = f"package {package} brings it and does not load: {type(error).__name__}: {error}"
            continue
        if strategy.name in known or strategy.name in brought:
            BROKEN[entry.name] = f"package {package} brings a strategy named {strategy.name}, and that name is taken"
            continue
        brought[strategy.name] = strategy
        SOURCES[strategy.name] = entry.module
    return brought


def _load(entry: EntryPoint) -> Strategy:
    loaded = entry.load()
    strategy = loaded() if callable(loaded) and not isinstance(loaded, Strategy) else loaded
    if not isinstance(strategy, Strategy):
        raise TypeError(f"{entry.value} leads to {type(strategy).__name__}, not to a strategies.strategy.Strategy")
    return strategy
