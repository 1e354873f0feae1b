"""The timers of one group: each fires once, never before its time."""

import asyncio
from collections.abc import Callable

from strategies.domain.ids import TimerName, Timestamp
from venues.venue import Now

_MS = 1_000


class Timers:
    """Timers by name, on this process's loop; setting one again moves it. What is due by when is in the journal."""

    def __init__(self, now: Now, on_fired: Callable[[TimerName], None]) -> None:
        """Read `now`, the wall clock that times are given in; `on_fired` gets the name of each whose time has come."""
        self._now = now
        self._on_fired = on_fired
        self._handles: dict[TimerName, asyncio.TimerHandle] = {}

    def set(self, timer: TimerName, due_at: Timestamp) -> None:
        """Let a timer fire at `due_at`, or at once when that has passed."""
        self.drop(timer)
        wait_s = max(0.0, (due_at - self._now()) / _MS)
        self._handles[timer] = asyncio.get_running_loop().call_later(wait_s, self._fire, timer, due_at)

    def drop(self, timer: TimerName) -> None:
        """Let a timer not fire; costs nothing when it is not set."""
        handle = self._handles.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def drop_all(self) -> None:
        """Let none fire."""
        for timer in list(self._handles):
            self.drop(timer)

    def _fire(self, timer: TimerName, due_at: Timestamp) -> None:
        if self._now() < due_at:  # the wall clock is behind the loop's: never early
            self.set(timer, due_at)
            return
        self._handles.pop(timer, None)
        self._on_fired(timer)
