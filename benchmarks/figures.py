"""Numbers as the table shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MS = 1_000
"""Milliseconds in a second."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    target: str = ""
    remark: str = ""


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which `share` of all samples lie (nearest rank)."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p50_p99(samples_ms: Sequence[float]) -> str:
    """Say median, 99th percentile and number of samples."""
    return f"p50 {median(samples_ms):.2f} ms, p99 {quantile(samples_ms, 0.99):.2f} ms (n={len(samples_ms)})"
