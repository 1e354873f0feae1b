"""The one clock. Nothing else in the shell asks the system for the time."""

import time

from strategies.domain.ids import Timestamp

_NS_PER_MS = 1_000_000


def wall_now() -> Timestamp:
    """Return the wall time in milliseconds since 1970-01-01 UTC."""
    return Timestamp(time.time_ns() // _NS_PER_MS)
