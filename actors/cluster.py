"""The one door to Ray: start or attach, make host processes, find them, speak to them, see them end.

Ray places, names and watches. It never restarts and never repeats a call: both are ours to decide.
Import this only after `actors.ray_environment` has been applied.
"""

import asyncio
import hashlib
import logging
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import ray
import ray.exceptions
import ray.util

from actors.actor import AccountPort, ActorUnreachableError
from actors.clock import wall_now
from actors.hosting.host import Host
from actors.hosting.ports import RemoteAccountPort, RemoteGroupPort
from actors.hosting.process import gone
from actors.hosting.protocol import Assignment, HostLink, HostPhase, Place, Pulse, Reply, ReplyKind
from actors.ray_environment import RayStartError
from strategies.domain.ids import Timestamp

T = TypeVar("T")

NAMESPACE = "hedgevisor"
_MAX_PENDING_CALLS = 256
"""Calls that one process may have open towards one actor; more is a caller gone wild, and is refused."""
_CONTROL_SLOTS = 64
"""Calls that the control thread serves at once: each supervisor that ever watched holds one for up to a minute."""
_WATCH_S = 60.0
"""Longest single watch; it is asked again at once. Bounds what a dead supervisor leaves behind in the actor."""
_WATCH_POLL_S = 0.2
"""How often the watch looks whether the actor has failed inside a living process: five looks a second cost nothing."""
_SPAWN_TIMEOUT_S = 60.0
"""A process starts in about half a second; a minute covers a machine that is busy compiling."""
_PULSE_TIMEOUT_S = 2.0
"""The control thread has nothing else to do."""
_KNOCK_TIMEOUT_S = 3.0
"""Longest wait for a TCP connection to a Ray that is said to run."""
_ACTIVATE_TIMEOUT_S = 10.0
"""Activation only begins the start; the rest is for a busy machine."""
_GONE_TIMEOUT_S = 10.0
"""After SIGKILL a process is gone in milliseconds unless it hangs in the kernel (a dead disk)."""
_GONE_POLL_S = 0.02
"""How often it is looked at meanwhile."""
_RETRY_S = 0.1
"""Wait before a watch is asked again after Ray could not say what happened."""
_LOCAL_CPUS = 2
"""Worker processes that Ray starts in advance. Actors ask for no CPU, so this limits nothing."""
_OBJECT_STORE_BYTES = 80_000_000
"""Ray's smallest store: calls carry a few kilobytes and never go through it."""
_LONGEST_TEMP_ROOT = 40
"""Ray puts UNIX sockets below its temporary folder, and their paths may have 107 characters."""
_WORDS = 300
"""Characters of Ray's explanation of a death that are kept; the rest is advice for Ray's own users."""
_EXIT = re.compile(r"(?P<how>Worker exit type: .*?)(?: Some common causes|$)")
_MS = 1000


class Cluster:
    """The Ray that this supervisor uses: its own on loopback, or one that runs already."""

    def __init__(self, deployment: str) -> None:
        """Name the deployment: processes of others on the same Ray are never touched."""
        self._deployment = hashlib.sha256(deployment.encode()).hexdigest()[:8]
        self._temp_dir: Path | None = None

    def start_local(self) -> None:
        """Start Ray on loopback. It ends with this process. Blocks for two to three seconds.

        Raises:
            RayStartError: it does not start.
        """
        root = Path(tempfile.gettempdir())
        if len(str(root)) > _LONGEST_TEMP_ROOT:
            root = Path("/tmp")  # noqa: S108 - the folder below it is ours alone (0700) and named by deployment
        self._temp_dir = root / f"hedgevisor-{self._deployment}"
        # Left behind by a killed supervisor; nobody uses it, because the state folder's lock is ours.
        shutil.rmtree(self._temp_dir, ignore_errors=True)
        self._temp_dir.mkdir(mode=0o700)
        self._init(
            num_cpus=_LOCAL_CPUS,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            _temp_dir=str(self._temp_dir),
        )

    def attach(self, address: str) -> None:
        """Use a Ray that was started elsewhere (`ray start --head`).

        Raises:
            RayStartError: nobody answers there, or the token is not accepted.
        """
        _knock(address)
        self._init(address=address)

    def close(self) -> None:
        """Leave Ray; a local one ends. May be called twice."""
        ray.shutdown()
        if self._temp_dir is not None:
            shutil.rmtree(self._temp_dir, ignore_errors=True)
            self._temp_dir = None

    def hosts(self, warm_modules: tuple[str, ...]) -> "RayHosts":
        """Return where host processes come from; a warm one has imported `warm_modules`."""
        return RayHosts(self._deployment, warm_modules)

    def _init(self, **options: Any) -> None:
        try:
            ray.init(
                namespace=NAMESPACE,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.WARNING,
                **options,
            )
        except (ray.exceptions.RayError, ConnectionError, OSError, RuntimeError, ValueError) as error:
            where = options.get("address")
            what = f"Ray at address {where!r} cannot be used" if where else "Ray could not be started"
            hint = (
                "is it running (`ray start --head`), and do RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH say the same there?"
                if where
                else "is there memory and room in the temporary folder?"
            )
            raise RayStartError(f"{what}: {_first_words(error)}; {hint}") from error


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
    return RemoteAccountPort(RayChannel(await _handle_of(place), place))


class RayChannel:
    """Calls to one host process."""

    def __init__(self, handle: Any, place: Place) -> None:
        """Speak to `handle`."""
        self._handle = handle
        self._place = place

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
        try:
            answer: Awaitable[Any] = getattr(self._handle, method).remote(*arguments)
        except (ray.exceptions.RayError, RuntimeError) as error:
            raise ActorUnreachableError(f"{self._place}: {method}: {_first_words(error)}") from error
        return answer

    async def wait(self, answer: Awaitable[T], timeout_s: float, method: str) -> T:
        """Wait for an answer; whatever else happens is `ActorUnreachableError`."""
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise ActorUnreachableError(f"{self._place}: {method}: no answer within {timeout_s:g} s") from error
        except ray.exceptions.RayError as error:
            raise ActorUnreachableError(f"{self._place}: {method}: {_first_words(error)}") from error


class RayLink:
    """One host process in the supervisor's hands; see `HostLink`."""

    def __init__(self, handle: Any, place: Place) -> None:
        """Hold on to the process that Ray knows as `place`."""
        self._handle = handle
        self._channel = RayChannel(handle, place)
        self._process: psutil.Process | None = None
        self.account = RemoteAccountPort(self._channel)
        self.group = RemoteGroupPort(self._channel)

    @property
    def place(self) -> Place:
        """Return where the host is."""
        return self._channel.place

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
                failure: str = await self._handle.watch.remote()
                if failure:
                    return failure
            except ray.exceptions.ActorDiedError as error:
                return _cause_of_death(error)
            except ray.exceptions.RayError:
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
        # Ray may no longer know it; whether the process is gone is looked at below.
        with suppress(ray.exceptions.RayError, ValueError, RuntimeError):
            await asyncio.to_thread(ray.kill, self._handle, no_restart=True)
        if self._process is None:
            # Never answered, or lives on another machine: Ray's word is all there is.
            return await self._told_dead()
        return await gone(self._process, _GONE_TIMEOUT_S)

    async def _told_dead(self) -> bool:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _GONE_TIMEOUT_S
        while loop.time() < give_up_at:
            try:
                async with asyncio.timeout(_PULSE_TIMEOUT_S):
                    await self._handle.beat.remote()
            except ray.exceptions.ActorDiedError:
                return True
            except (ray.exceptions.RayError, TimeoutError):
                await asyncio.sleep(_GONE_POLL_S)
        return False

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

    def __init__(self, deployment: str, warm_modules: tuple[str, ...]) -> None:
        """Make processes for one deployment."""
        self._prefix = f"host/{deployment}/"
        self._warm_modules = warm_modules
        self._class: Any = ray.remote(
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            lifetime="detached",
            namespace=NAMESPACE,
            max_pending_calls=_MAX_PENDING_CALLS,
            concurrency_groups={"ctl": _CONTROL_SLOTS},
            enable_task_events=False,
        )(RayHost)

    async def spawn(self, *, warm: bool = False) -> RayLink:
        """See `Hosts.spawn`."""
        place = Place(self._prefix + secrets.token_hex(4))
        try:
            handle = await asyncio.to_thread(self._class.options(name=place).remote)
        except (ray.exceptions.RayError, ValueError, RuntimeError) as error:
            raise ActorUnreachableError(f"no process could be started: {_first_words(error)}") from error
        link = RayLink(handle, place)
        try:
            await link.warm(self._warm_modules if warm else ())
        except BaseException:
            # Cancelled or failed: either way nobody else knows the process, so nobody else would end it.
            await link.destroy()
            raise
        return link

    async def discover(self) -> list[HostLink]:
        """See `Hosts.discover`."""
        named = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        places = [
            Place(each["name"])
            for each in named
            if each["namespace"] == NAMESPACE and each["name"].startswith(self._prefix)
        ]
        found: list[HostLink] = []
        for place in sorted(places):
            try:
                found.append(RayLink(await _handle_of(place), place))
            except ActorUnreachableError:
                continue  # It ended between the list and the look.
        return found


async def _handle_of(place: Place) -> Any:
    try:
        return await asyncio.to_thread(ray.get_actor, place, namespace=NAMESPACE)
    except (ray.exceptions.RayError, ValueError) as error:
        raise ActorUnreachableError(f"{place} is not there: {_first_words(error)}") from error


def _knock(address: str) -> None:
    """Look whether anybody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`: Ray knows where to look, and says at once when there is nothing
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise RayStartError(f"Nobody listens at Ray address {address}: {error}; run `ray start --head`.") from error


def _this_node() -> str:
    return socket.gethostname()


def _cause_of_death(error: BaseException) -> str:
    """Return the part of Ray's explanation that says how the process ended; all of it when there is no such part."""
    text = " ".join(str(error).split())
    found = _EXIT.search(text)
    return f"its process ended, {found['how']}" if found is not None else _first_words(error)


def _first_words(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _WORDS else text[:_WORDS] + " …"
