"""What Ray runs in each process, and how one process speaks to another."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import ray
import ray.exceptions

from actors.actor import AccountPort, ActorUnreachableError
from actors.clock import wall_now
from actors.cluster.era import Era
from actors.cluster.words import first_words
from actors.hosting.host import Host
from actors.hosting.ports import RemoteAccountPort
from actors.hosting.protocol import Assignment, HostPhase, Place, Reply, ReplyKind
from strategies.domain.ids import Timestamp

T = TypeVar("T")

NAMESPACE = "hedgevisor"
_WATCH_S = 60.0
"""Longest single watch; it is asked again at once. Bounds what a dead supervisor leaves behind in the actor."""
_WATCH_POLL_S = 0.2
"""How often the watch looks whether the actor has failed inside a living process: five looks a second cost nothing."""
_MS = 1000


class RayHost:
    """What Ray runs in each process: a thin shell around `Host`."""

    def __init__(self) -> None:
        """Do no work: nothing here can fail."""
        self._host = Host(find_account)

    # The two control methods run on another thread's event loop: they read single values and touch nothing else.
    @ray.method(concurrency_group="ctl")  # type: ignore[untyped-decorator] # Ray publishes no types
    async def beat(self) -> str:
        """Show life."""
        return self._host.pulse().model_dump_json()

    @ray.method(concurrency_group="ctl")  # type: ignore[untyped-decorator] # the same
    async def watch(self) -> str:
        """Stay pending while the process lives: its death fails the call, within milliseconds.

        Ends with a reason when the actor inside cannot go on.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _WATCH_S
        while loop.time() < until:
            pulse = self._host.pulse()
            if pulse.phase is HostPhase.FAILED:
                return pulse.failure or "failed without a reason"
            await asyncio.sleep(_WATCH_POLL_S)
        return ""

    async def warm(self, modules: list[str]) -> str:
        """Import in advance."""
        return (await self._host.warm(tuple(modules))).model_dump_json()

    async def activate(self, assignment: str) -> tuple[str, str]:
        """Become somebody."""
        reply = await self._host.activate(Assignment.model_validate_json(assignment))
        return reply.kind.value, reply.text

    async def ask(self, method: str, argument: str, deadline: int) -> tuple[str, str]:
        """Pass one call on."""
        reply = await self._host.call(method, argument, Timestamp(deadline))
        return reply.kind.value, reply.text


async def find_account(place: Place) -> AccountPort:
    """Return the way to the account that lives at `place`.

    Raises:
        ActorUnreachableError: no process has that name.
    """
    return RemoteAccountPort(RayChannel(await handle_of(place), place))


async def handle_of(place: Place) -> Any:
    """Return Ray's handle of the process at `place`.

    Raises:
        ActorUnreachableError: no process has that name.
    """
    try:
        return await asyncio.to_thread(ray.get_actor, place, namespace=NAMESPACE)
    except (ray.exceptions.RayError, ValueError) as error:
        raise ActorUnreachableError(f"{place} is not there: {first_words(error)}") from error


class RayChannel:
    """Calls to one host process."""

    def __init__(self, handle: Any, place: Place, era: Era | None = None) -> None:
        """Speak to `handle`; a process that ends with its Ray needs no `era`, one that outlives it does."""
        self._handle = handle
        self._place = place
        self._era = era

    @property
    def place(self) -> Place:
        """Return where the host is."""
        return self._place

    async def call(self, method: str, argument: str, timeout_s: float) -> Reply:
        """See `Channel.call`."""
        deadline = wall_now() + round(timeout_s * _MS)
        kind, text = await self.wait(self.invoke("ask", method, argument, deadline), timeout_s, method)
        return Reply(kind=ReplyKind(kind), text=text)

    def invoke(self, method: str, *arguments: object) -> Awaitable[Any]:
        """Begin a call of the actor class.

        Raises:
            ActorUnreachableError: too many calls are open, or Ray is gone.
        """
        if self._era is not None and self._era.fallen:
            raise ActorUnreachableError(f"{self._place}: {method}: Ray is gone: {self._era.reason}")
        try:
            answer: Awaitable[Any] = getattr(self._handle, method).remote(*arguments)
        except (ray.exceptions.RayError, RuntimeError) as error:
            raise ActorUnreachableError(f"{self._place}: {method}: {first_words(error)}") from error
        return answer

    async def wait(self, answer: Awaitable[T], timeout_s: float, method: str) -> T:
        """Wait for an answer; whatever else happens is `ActorUnreachableError`."""
        try:
            async with asyncio.timeout(timeout_s):
                return await (answer if self._era is None else self._era.unless_fallen(answer))
        except TimeoutError as error:
            raise ActorUnreachableError(f"{self._place}: {method}: no answer within {timeout_s:g} s") from error
        except ray.exceptions.RayError as error:
            raise ActorUnreachableError(f"{self._place}: {method}: {first_words(error)}") from error
