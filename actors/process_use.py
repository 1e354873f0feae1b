"""What a process takes of its machine, by its own word: memory and CPU."""

import os
import time
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_RESIDENT = 1
"""Place of the resident pages in /proc/self/statm."""


def memory_bytes() -> int | None:
    """Return this process's resident memory; None = the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[_RESIDENT]) * _PAGE
    except OSError:
        return None


def cpu_s() -> float:
    """Return the CPU seconds that this process has used, its threads included."""
    return time.process_time()
