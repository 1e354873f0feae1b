"""The one place that starts background tasks: none is lost, none fails in silence, all end together."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine

import structlog

_log = structlog.get_logger(__name__)

_CANCEL_AGAIN_S = 0.5
"""How long a cancelled task may take to end before it is cancelled again."""


class Tasks:
    """The background work of one owner.

    A task that raises is reported once to `on_failure`, which decides what the owner does about it.
    """

    def __init__(self, owner: str, on_failure: Callable[[str, BaseException], None]) -> None:
        """Name the owner for logs; `on_failure` gets the task's name and its error."""
        self._owner = owner
        self._on_failure = on_failure
        self._running: dict[asyncio.Task[None], None] = {}  # a set would end them in an order of its own
        self._closed = False

    def start(self, name: str, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Run `work` in the background until it ends or `close` is called."""
        # An empty context: a task must not be cancelled because the remote call that started it was (Ray does that).
        task = asyncio.get_running_loop().create_task(work, name=f"{self._owner}:{name}", context=contextvars.Context())
        self._running[task] = None
        task.add_done_callback(self._done)
        return task

    def __len__(self) -> int:
        return len(self._running)

    def cancel(self) -> list["asyncio.Task[None]"]:
        """Cancel everything but the task that asks; return what was cancelled and has not ended yet."""
        self._closed = True
        current = asyncio.current_task()
        others = [task for task in self._running if task is not current]
        for task in others:
            task.cancel()
        return others

    async def close(self) -> None:
        """Cancel everything and wait for the end. May be called twice, also from one of the tasks."""
        others = self.cancel()
        while others:
            _, left = await asyncio.wait(others, timeout=_CANCEL_AGAIN_S)
            others = list(left)
            for task in others:
                # Asked again: what it waits in may have lost the first cancellation (asyncio.wait_for does, in 3.11,
                # when the answer comes at the same moment).
                task.cancel()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("task_failed", owner=self._owner, task=task.get_name(), error=repr(error))
            if not self._closed:
                self._on_failure(task.get_name(), error)
