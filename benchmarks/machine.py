"""The machine as it was while it was measured: without that, no number here means anything."""

import os
import time
from pathlib import Path
from statistics import median

from benchmarks.figures import MS

_SYNCS = 40
_BYTES = bytes(4096)
"""About what one append adds to the journal's log."""


def describe(folder: Path) -> str:
    """Say how many processors there are, how busy they are, and what a bare sync of this folder's disk takes."""
    return (
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, a bare fdatasync takes {_sync_ms(folder):.2f} ms (p50)"
    )


def _sync_ms(folder: Path) -> float:
    path = folder / "sync"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            started = time.perf_counter()
            file.write(_BYTES)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - started) * MS)
    path.unlink()
    return median(took)
