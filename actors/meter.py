"""Counts and durations inside one actor, handed to the supervisor with its status."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from actors.actor import Histogram

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of every duration histogram, seconds: from a journal append to a long proof."""


class Meter:
    """Monotone counters and duration histograms by name; the names are explained in `actors/metrics.py`."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self.counters: dict[str, int] = {}
        self._counts: dict[str, list[int]] = {}
        self._totals: dict[str, float] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + by

    def observe(self, name: str, seconds: float) -> None:
        """Add one duration."""
        counts = self._counts.setdefault(name, [0] * (len(BOUNDS_S) + 1))
        counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._totals[name] = self._totals.get(name, 0.0) + seconds

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure the duration of a block that ends well."""
        start = perf_counter()
        yield
        self.observe(name, perf_counter() - start)

    def histograms(self) -> dict[str, Histogram]:
        """Return every histogram as a value."""
        return {
            name: Histogram(bounds=BOUNDS_S, counts=tuple(counts), total=self._totals[name])
            for name, counts in self._counts.items()
        }
