"""Counts and durations inside one actor, handed to the supervisor with its status."""

from bisect import bisect_left
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
        counts = self._counts.get(name)
        if counts is None:
            counts = self._counts[name] = [0] * (len(BOUNDS_S) + 1)
        counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._totals[name] = self._totals.get(name, 0.0) + seconds

    def timed(self, name: str) -> "Timed":
        """Measure the duration of a block that ends well."""
        return Timed(self, name)

    def histograms(self) -> dict[str, Histogram]:
        """Return every histogram as a value."""
        return {
            name: Histogram(bounds=BOUNDS_S, counts=tuple(counts), total=self._totals[name])
            for name, counts in self._counts.items()
        }


class Timed:
    """One block under the watch. A class of its own: around every journal append, a generator would cost more."""

    __slots__ = ("_meter", "_name", "_start")

    def __init__(self, meter: Meter, name: str) -> None:
        """Measure for `meter`."""
        self._meter = meter
        self._name = name
        self._start = 0.0

    def __enter__(self) -> None:
        """Start the watch."""
        self._start = perf_counter()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Note the time when nothing went wrong."""
        if kind is None:
            self._meter.observe(self._name, perf_counter() - self._start)
