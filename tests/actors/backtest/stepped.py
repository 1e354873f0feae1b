"""An event loop with real sockets and threads, and a clock that moves only when nothing is on its way any more."""

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

_SETTLE_S = 0.001
"""Real time in which what was written to a socket on loopback arrives; many times what it takes."""
_STUCK_S = 20.0
"""Real time after which a loop with nothing to wait for but sockets is given up."""


class _Stepper(selectors.DefaultSelector):
    """Selects as the loop asks, and lets its clock jump instead of waiting."""

    def __init__(self, jump: Callable[[float], None], busy: Callable[[], bool]) -> None:
        super().__init__()
        self._jump = jump
        self._busy = busy

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if self._busy() or timeout is None:
            return super().select(_STUCK_S)
        found = super().select(_SETTLE_S)
        if not found:
            self._jump(timeout)
        return found


class SteppedLoop(asyncio.SelectorEventLoop):
    """Virtual time over real I/O. A thread's work takes no virtual time."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._threads = 0
        self._epoch_ms = time.time_ns() // 1_000_000  # signed writes carry the wall's time: minutes ahead of it is near
        super().__init__(_Stepper(self._jump, lambda: self._threads > 0))

    def time(self) -> float:
        """Return the virtual seconds since the start."""
        return self._ahead

    def now(self) -> int:
        """Return the same as milliseconds since 1970."""
        return self._epoch_ms + round(self._ahead * 1000)

    def run_in_executor(self, executor, func, *args):
        """Count what threads have not finished: the clock stands still meanwhile."""
        self._threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._back)
        return future

    def _back(self, _future: object) -> None:
        self._threads -= 1

    def _jump(self, seconds: float) -> None:
        self._ahead += seconds
