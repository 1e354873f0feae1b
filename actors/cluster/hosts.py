"""Host processes in the supervisor's hands: made, found, watched, confirmed gone."""

import asyncio
import secrets
import socket
from contextlib import suppress
from typing import Any, Protocol

import psutil
import ray
import ray.exceptions
import ray.util

from actors.actor import ActorUnreachableError
from actors.cluster.era import Era
from actors.cluster.process import NAMESPACE, RayChannel, RayHost, handle_of
from actors.cluster.words import cause_of_death, first_words
from actors.hosting.ports import RemoteAccountPort, RemoteGroupPort
from actors.hosting.process import gone
from actors.hosting.protocol import Assignment, HostLink, Place, Pulse, ReplyKind

_MAX_PENDING_CALLS = 256
"""Calls that one process may have open towards one actor; more is a caller gone wild, and is refused."""
_CONTROL_SLOTS = 64
"""Calls that the control thread serves at once: each supervisor that ever watched holds one for up to a minute."""
_SPAWN_TIMEOUT_S = 60.0
"""A process starts in about half a second; a minute covers a machine that is busy compiling."""
_PULSE_TIMEOUT_S = 1.5
"""The control thread has nothing else to do; three of these, and a frozen process is replaced."""
_ACTIVATE_TIMEOUT_S = 10.0
"""Activation only begins the start; the rest is for a busy machine."""
_KILL_TIMEOUT_S = 2.0
"""Longest that Ray may take to be told of a kill; what became of it is looked at afterwards."""
_GONE_TIMEOUT_S = 10.0
"""After SIGKILL a process is gone in milliseconds unless it hangs in the kernel (a dead disk)."""
_GONE_POLL_S = 0.02
"""How often it is looked at meanwhile."""
_RETRY_S = 0.1
"""Wait before a watch is asked again after Ray could not say what happened."""
_ALONE_S = 75.0
"""A process of Ray that has lost its cluster ends itself after a minute: the rest is for a busy machine."""


class Ground(Protocol):
    """The Ray that stands now, whichever it is."""

    async def standing(self) -> Era: ...  # noqa: D102 - waits while there is none
    async def lost(self) -> str: ...  # noqa: D102 - see `Hosts`
    async def renew(self) -> None: ...  # noqa: D102 - see `Hosts`


class RayLink:
    """One host process in the supervisor's hands; see `HostLink`."""

    def __init__(self, handle: Any, place: Place, era: Era) -> None:
        """Hold on to the process that Ray knows as `place`."""
        self._handle = handle
        self._era = era
        self._channel = RayChannel(handle, place, era)
        self._process: psutil.Process | None = None
        self.account = RemoteAccountPort(self._channel)
        self.group = RemoteGroupPort(self._channel)

    @property
    def place(self) -> Place:
        """Return where the host is."""
        return self._channel.place

    @property
    def fallen(self) -> bool:
        """See `HostLink.fallen`."""
        return self._era.fallen

    async def warm(self, modules: tuple[str, ...]) -> Pulse:
        """Import in advance; answers when the process is ready for use."""
        answer = self._channel.invoke("warm", list(modules))
        return self._remember(await self._channel.wait(answer, _SPAWN_TIMEOUT_S, "warm"))

    async def activate(self, assignment: Assignment) -> Pulse:
        """See `HostLink.activate`."""
        answer = self._channel.invoke("activate", assignment.model_dump_json())
        kind, text = await self._channel.wait(answer, _ACTIVATE_TIMEOUT_S, "activate")
        if kind != ReplyKind.OK:
            raise ActorUnreachableError(f"{self.place}: activate {assignment.identity}: {text}")
        return await self.pulse()

    async def pulse(self) -> Pulse:
        """See `HostLink.pulse`."""
        return self._remember(await self._channel.wait(self._channel.invoke("beat"), _PULSE_TIMEOUT_S, "beat"))

    async def ended(self) -> str:
        """See `HostLink.ended`."""
        while True:
            try:
                failure: str = await self._era.unless_fallen(self._channel.invoke("watch"))
                if failure:
                    return failure
            except ray.exceptions.ActorDiedError as error:
                return cause_of_death(error)
            except (ray.exceptions.RayError, ActorUnreachableError):
                if self._era.fallen:
                    return f"Ray is gone beneath it: {self._era.reason}"
                # Ray cannot say (a lost connection): a dead process will be told as dead, a living one goes on.
                await asyncio.sleep(_RETRY_S)

    async def stop(self, timeout_s: float) -> bool:
        """See `HostLink.stop`."""
        try:
            return (await self._channel.call("stop", "", timeout_s)).kind is ReplyKind.OK
        except ActorUnreachableError:
            return False

    async def destroy(self) -> bool:
        """See `HostLink.destroy`."""
        if self._process is not None:
            # By its own id and first: a Ray in trouble would keep us waiting.
            certain = await gone(self._process, _GONE_TIMEOUT_S, 0.0)
            await self._forget()
            return certain
        if self._era.fallen:
            return await self._gone_with_its_era()
        await self._forget()
        # It never answered, or lives on another machine: Ray's word is all there is.
        return await self._told_dead()

    async def _forget(self) -> None:
        """Have Ray kill it, or learn that it is dead; that may fail: whether the process is gone is looked at."""
        with suppress(ray.exceptions.RayError, ActorUnreachableError, TimeoutError, ValueError, RuntimeError):
            if not self._era.fallen:
                async with asyncio.timeout(_KILL_TIMEOUT_S):
                    await self._era.unless_fallen(asyncio.to_thread(ray.kill, self._handle, no_restart=True))

    async def _told_dead(self) -> bool:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _GONE_TIMEOUT_S
        while loop.time() < give_up_at:
            if self._era.fallen:
                return await self._gone_with_its_era()
            try:
                async with asyncio.timeout(_PULSE_TIMEOUT_S):
                    await self._era.unless_fallen(self._channel.invoke("beat"))
            except ray.exceptions.ActorDiedError:
                return True
            except (ray.exceptions.RayError, ActorUnreachableError, TimeoutError):
                await asyncio.sleep(_GONE_POLL_S)
        return False

    async def _gone_with_its_era(self) -> bool:
        """Wait until a process that nobody can name has ended with its Ray."""
        loop = asyncio.get_running_loop()
        since = self._era.fallen_at if self._era.fallen_at is not None else loop.time()
        with suppress(TimeoutError):  # on another machine: by then it has ended itself
            async with asyncio.timeout_at(since + _ALONE_S):
                await self._era.buried.wait()
        return True

    def _remember(self, text: str) -> Pulse:
        pulse = Pulse.model_validate_json(text)
        if self._process is None and pulse.node == _this_node():
            try:
                self._process = psutil.Process(pulse.pid)
            except psutil.NoSuchProcess:
                self._process = None
        return pulse


class RayHosts:
    """Where host processes come from; see `Hosts`."""

    def __init__(self, deployment: str, ground: Ground, warm_modules: tuple[str, ...]) -> None:
        """Make processes for one deployment."""
        self._prefix = f"host/{deployment}/"
        self._ground = ground
        self._warm_modules = warm_modules
        self._class: Any = None
        self._class_of: Era | None = None

    async def spawn(self, *, warm: bool = False) -> RayLink:
        """See `Hosts.spawn`."""
        while True:
            era = await self._ground.standing()
            try:
                return await self._spawn(era, self._warm_modules if warm else ())
            except ActorUnreachableError:
                if not era.fallen:
                    raise

    async def ready(self) -> None:
        """See `Hosts.ready`."""
        await self._ground.standing()

    async def discover(self) -> list[HostLink]:
        """See `Hosts.discover`."""
        era = await self._ground.standing()
        named = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        places = [
            Place(each["name"])
            for each in named
            if each["namespace"] == NAMESPACE and each["name"].startswith(self._prefix)
        ]
        found: list[HostLink] = []
        for place in sorted(places):
            try:
                found.append(RayLink(await handle_of(place), place, era))
            except ActorUnreachableError:
                continue  # It ended between the list and the look.
        return found

    async def lost(self) -> str:
        """See `Hosts.lost`."""
        return await self._ground.lost()

    async def renew(self) -> None:
        """See `Hosts.renew`."""
        await self._ground.renew()

    async def _spawn(self, era: Era, modules: tuple[str, ...]) -> RayLink:
        place = Place(self._prefix + secrets.token_hex(4))
        try:
            making = asyncio.to_thread(self._actor_class(era).options(name=place).remote)
            handle = await era.unless_fallen(making)
        except (ray.exceptions.RayError, ValueError, RuntimeError) as error:
            raise ActorUnreachableError(f"no process could be started: {first_words(error)}") from error
        link = RayLink(handle, place, era)
        try:
            await link.warm(modules)
        except BaseException:
            # Cancelled or failed: either way nobody else knows the process, so nobody else would end it.
            await link.destroy()
            raise
        return link

    def _actor_class(self, era: Era) -> Any:
        # Ray keeps a class where it was first used: a new Ray has to be told anew.
        if self._class_of is not era:
            self._class_of = era
            self._class = ray.remote(
                num_cpus=0,
                max_restarts=0,
                max_task_retries=0,
                lifetime="detached",
                namespace=NAMESPACE,
                max_pending_calls=_MAX_PENDING_CALLS,
                concurrency_groups={"ctl": _CONTROL_SLOTS},
                enable_task_events=False,
            )(RayHost)
        return self._class


def _this_node() -> str:
    return socket.gethostname()
