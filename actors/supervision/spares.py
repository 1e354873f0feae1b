"""Warm processes: imports done, nobody's yet, so that a successor starts in milliseconds."""

import asyncio
import os

import structlog

from actors.actor import ActorUnreachableError
from actors.hosting.protocol import HostLink, HostPhase, Hosts
from actors.supervision.turns import Rank, Turns
from actors.tasks import Tasks

_REFILL_AFTER_S = 2.0
"""Wait before a taken spare is replaced: its taker is coming up and needs the processor more."""
_RETRY_S = 5.0
"""Wait after a spare could not be started."""
_AT_ONCE = max(2, os.cpu_count() or 2)
"""Processes that are started at the same time: more of them would only take the processor away from each other. Ray
itself starts as many, and no fewer than two, because a start also waits."""

_log = structlog.get_logger(__name__)


class Spares:
    """A few idle processes, and new ones when there are none."""

    def __init__(self, hosts: Hosts, wanted: int, tasks: Tasks) -> None:
        """Keep `wanted` spares once `fill` has been called."""
        self._hosts = hosts
        self._wanted = wanted
        self._tasks = tasks
        self._ready: list[HostLink] = []
        self._turns = Turns(_AT_ONCE)
        self._served = asyncio.Event()
        """Set while no actor waits for a new process."""
        self._served.set()
        self._waiting = 0
        self._filling = False
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready)

    async def take(self, rank: Rank) -> HostLink:
        """Return an idle process: a spare if one lives, else a new one, the lowest rank first.

        Raises:
            ActorUnreachableError: none could be started.
        """
        while self._ready:
            link = self._ready.pop()
            self.fill(after_s=_REFILL_AFTER_S)
            try:
                if (await link.pulse()).phase is HostPhase.IDLE:
                    return link
            except ActorUnreachableError:
                await link.destroy()
        self._waiting += 1
        self._served.clear()
        try:
            await self._hosts.ready()
            async with self._turns.turn(rank):
                return await self._hosts.spawn()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._served.set()

    def fill(self, *, after_s: float = 0.0) -> None:
        """Start what is missing, in the background."""
        if not self._filling and not self._closed and len(self._ready) < self._wanted:
            self._filling = True
            self._tasks.start("spares", self._fill(after_s))

    async def close(self) -> None:
        """End every spare."""
        self._closed = True
        while self._ready:
            await self._ready.pop().destroy()

    async def _fill(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while len(self._ready) < self._wanted and not self._closed:
            if self._waiting:
                # After a Ray was lost everybody wants one, and a machine starts few at a time: actors go first.
                await self._served.wait()
                await asyncio.sleep(_REFILL_AFTER_S)
                continue
            try:
                self._ready.append(await self._hosts.spawn(warm=True))
            except ActorUnreachableError as error:
                _log.warning("spare_failed", error=str(error))
                await asyncio.sleep(_RETRY_S)
        self._filling = False
