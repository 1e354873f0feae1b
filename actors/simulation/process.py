"""One process of the simulation: one incarnation of one actor, and how others reach it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from actors.account import AccountActor
from actors.actor import AccountStatus, ActorUnreachableError, Envelope, FactBatch, Receipt, StaleSenderError
from actors.group import GroupActor
from actors.journal.protocol import JournalError
from actors.simulation.disk import Writers
from actors.simulation.scenario import Happening, Trouble
from strategies.domain.account import LegObservation
from strategies.domain.ids import InstrumentId
from venues.simulator.in_process import InProcessVenue

T = TypeVar("T")

CALL_TIMEOUT_S = 1.0
"""How long a caller waits for an answer that was lost."""
LATE_CALL_S = 1.5
"""The longest that a call is late."""


class NoLock:
    """A lock that is never held: the simulation itself sees to it that a process ends, or wants it to overlap."""

    def __init__(self, folder: str, name: str) -> None:
        """Name nothing."""

    async def acquire(self, wait_s: float) -> None:
        """Take it."""

    def release(self) -> None:
        """Give it back."""


class Process:
    """One incarnation: its actor, its tasks, its journal handles, its connection to the venue."""

    def __init__(self, name: str, incarnation: int) -> None:
        """Begin with nothing."""
        self.name = name
        self.incarnation = incarnation
        self.writers = Writers()
        self.account: AccountActor | None = None
        self.group: GroupActor | None = None
        self.venue: InProcessVenue | None = None
        self.up = False
        """Whether it has been armed."""
        self.dead = False
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Ends with the reason when the process has."""
        self._work: dict[asyncio.Task[Any], None] = {}
        self._callers: dict[asyncio.Task[Any], asyncio.Future[Any]] = {}

    @property
    def actor(self) -> AccountActor | GroupActor | None:
        """Return whoever lives here, once built."""
        return self.account or self.group

    def run(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run `work` as a task of this process: it dies with it."""
        task = asyncio.get_running_loop().create_task(work)
        self._work[task] = None
        task.add_done_callback(self._ended)
        return task

    def answer(self, work: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
        """Run `work` here for a caller elsewhere, who hears of our death instead when that comes first."""
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._callers[self.run(work)] = reply
        return reply

    def die(self, reason: str, *, keep_tail: bool, finish_requests: bool) -> int:
        """End between two steps, as SIGKILL would; return how many journal records were torn off.

        `finish_requests` says whether what has been handed to the network still reaches the venue.
        """
        self.dead = True
        torn = self.writers.die(keep_tail=keep_tail)
        if self.actor is not None:
            self.actor.abandon()
        current = asyncio.current_task()
        for task in list(self._work):
            if task is not current:
                task.cancel()
        if self.venue is not None:
            self.venue.closed = True
            if not finish_requests:
                self.venue.cut()
        for reply in list(self._callers.values()):
            if not reply.done():
                reply.set_exception(ActorUnreachableError("the process died before it answered"))
        if not self.over.done():
            self.over.set_result(reason)
        return torn

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._work.pop(task, None)
        reply = self._callers.pop(task, None)
        if reply is None or reply.done():
            return
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            reply.set_result(task.result())
        elif isinstance(error, StaleSenderError):
            reply.set_exception(error)
        elif isinstance(error, JournalError | asyncio.CancelledError):
            reply.set_exception(ActorUnreachableError("the process died in the call"))
        else:
            reply.set_exception(error)


class LineTroubles(Protocol):
    """What may go wrong with calls to one account."""

    def next_call_trouble(self, account: str, call: str) -> Happening | None:
        """Return what happens to this call; None = nothing."""


class Line:
    """The way from the group's process to one incarnation of an account. Implements `actors.actor.AccountPort`."""

    def __init__(
        self,
        process: Process,
        actor: AccountActor,
        latency_s: float,
        troubles: LineTroubles,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        """Lead to `actor` for as long as `process` lives; latencies pass by `pause`."""
        self._process = process
        self._actor = actor
        self._latency_s = latency_s
        self._troubles = troubles
        self._pause = pause

    async def submit(self, envelope: Envelope) -> Receipt:
        """See `AccountPort.submit`."""
        return await self._call("submit", lambda: self._actor.submit(envelope))

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        """See `AccountPort.facts`."""
        return await self._call("facts", lambda: self._actor.facts(after, wait_s))

    async def observe(self, instrument_id: InstrumentId) -> LegObservation:
        """See `AccountPort.observe`."""
        return await self._call("observe", lambda: self._actor.observe(instrument_id))

    async def status(self) -> AccountStatus:
        """See `AccountPort.status`."""
        return await self._call("status", self._actor.status)

    async def _call(self, name: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        found = self._troubles.next_call_trouble(self._process.name, name)
        trouble, size = (None, 0.0) if found is None else (found.trouble, found.size)
        await self._pause(self._latency_s + (LATE_CALL_S * size if trouble is Trouble.CALL_LATE else 0.0))
        if trouble is Trouble.CALL_LOST:
            await self._pause(CALL_TIMEOUT_S)
            raise ActorUnreachableError("the call was lost")
        if self._process.dead:
            raise ActorUnreachableError("the process is gone")
        answer: Awaitable[T] = self._process.answer(call())
        if trouble is Trouble.CALL_TWICE:
            self._process.answer(call()).add_done_callback(_forget)
        result = await answer
        if trouble is Trouble.CALL_ANSWER_LOST:
            await self._pause(CALL_TIMEOUT_S)
            raise ActorUnreachableError("the answer was lost")
        return result


def _forget(reply: "asyncio.Future[Any]") -> None:
    """Take note of an answer that nobody waits for."""
    if not reply.cancelled():
        reply.exception()
