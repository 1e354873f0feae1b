"""The one place of this client that starts tasks: none is lost, none fails in silence, all end together."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Background:
    """Work that outlives the call that started it, until `close`."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run `work`; a failure that nobody awaits is logged."""
        task = asyncio.get_running_loop().create_task(work, name=f"lighter {name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self) -> None:
        """Cancel everything and wait for the end."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("%s ended: %s: %s", task.get_name(), type(error).__name__, error)
