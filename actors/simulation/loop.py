"""An event loop whose clock jumps: what is due runs in order, and when nothing is, time goes on to what is next.

No selector, no threads, no wall clock: the same coroutines run in the same order every time.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(Exception):
    """Everybody waits and nothing will ever happen."""


class _Handle(asyncio.TimerHandle):
    """A callback that may be cancelled. Much smaller than asyncio's own: no debugging, no loop to tell of a cancel."""

    __slots__ = ("order",)

    def __init__(
        self,
        when: float,
        order: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context,
    ) -> None:
        self._when = when
        self.order = order
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = _nothing
        self._args = ()

    def __repr__(self) -> str:
        return f"<_Handle {self._when:.3f} #{self.order}>"

    def __hash__(self) -> int:
        return self.order

    def __eq__(self, other: object) -> bool:
        return self is other


def _nothing() -> None:
    """Stand in for a cancelled callback, so that its objects are free."""


def _wake(sleeper: asyncio.Future[None]) -> None:
    """End a pause, unless whoever paused has been cancelled."""
    if not sleeper.done():
        sleeper.set_result(None)


_Step = tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]
"""A callback that nobody will cancel: what tasks and futures ask for, three times of four."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Just enough of an event loop for tasks, futures, timers, locks, events and queues."""

    def __init__(self) -> None:
        """Start at second 0."""
        self.steps = 0
        """Callbacks run so far: between two of them, some task is at an await."""
        self.complaints: list[str] = []
        """What tasks without an owner died of."""
        self.on_step: Callable[[], None] | None = None
        """Called once, before the callback number `step_at` runs."""
        self.step_at = 0
        self._time = 0.0
        self._order = 0
        self._ready: deque[_Step | _Handle] = deque()
        self._waiting: list[tuple[float, int, _Handle]] = []

    # --- what asyncio asks ----------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual seconds since the start."""
        return self._time

    def get_debug(self) -> bool:
        """Return False: debugging would read the wall clock."""
        return False

    def is_running(self) -> bool:
        """Return True: nobody sees this loop while it does not run."""
        return True

    def is_closed(self) -> bool:
        """Return False: there is nothing to close."""
        return False

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle | None:
        """See `asyncio`. Tasks and futures bring their context and never cancel: they get no handle."""
        if context is not None:
            self._ready.append((callback, args, context))
            return None
        self._order += 1
        handle = _Handle(self._time, self._order, callback, args, contextvars.copy_context())
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        self._order = order = self._order + 1
        when = self._time + delay
        handle = _Handle(when, order, callback, args, context or contextvars.copy_context())
        heapq.heappush(self._waiting, (when, order, handle))
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio`. What is due at one moment runs in the order in which it was asked for."""
        self._order = order = self._order + 1
        handle = _Handle(when, order, callback, args, context or contextvars.copy_context())
        heapq.heappush(self._waiting, (when, order, handle))
        return handle

    def pause(self, delay: float) -> asyncio.Future[None]:
        """Return what ends after `delay` seconds: `asyncio.sleep` for the simulation's own latencies, but cheaper."""
        sleeper: asyncio.Future[None] = asyncio.Future(loop=self)
        self.call_later(delay, _wake, sleeper)
        return sleeper

    def create_future(self) -> asyncio.Future[Any]:
        """See `asyncio`."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """See `asyncio`."""
        return asyncio.Task(coro, loop=self, name=name or "task", context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody else heard of."""
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    # --- running --------------------------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run until `work` has ended and return what it returned.

        Raises:
            DeadlockError: `work` waits for something that cannot come.
        """
        before = asyncio._get_running_loop()  # noqa: SLF001 - there is no public way to nest a loop
        asyncio._set_running_loop(self)  # noqa: SLF001 - the same
        try:
            task = self.create_task(work, name="simulation")
            self._run_until(task.done)
            return task.result()
        finally:
            asyncio._set_running_loop(before)  # noqa: SLF001 - the same

    def _run_until(self, done: Callable[[], bool]) -> None:
        ready = self._ready
        take = ready.popleft
        while not done():
            if not ready:
                self._jump()
            step = take()
            self.steps += 1
            if self.on_step is not None and self.steps >= self.step_at:
                hook, self.on_step = self.on_step, None
                hook()
            if isinstance(step, tuple):
                callback, args, context = step
                context.run(callback, *args)
            else:
                step._context.run(step._callback, *step._args)  # noqa: SLF001 - our own class, in the hottest loop

    def _jump(self) -> None:
        """Let the time pass until something is due."""
        ready, waiting = self._ready, self._waiting
        while waiting and waiting[0][2]._cancelled:  # noqa: SLF001 - our own class, in the hottest loop
            heapq.heappop(waiting)
        if not waiting:
            raise DeadlockError(f"nothing is left to happen at second {self._time:.3f}")
        self._time = now = max(self._time, waiting[0][0])
        while waiting and waiting[0][0] <= now:
            ready.append(heapq.heappop(waiting)[2])
