"""The Ray that this supervisor uses: started or attached, watched, and started or attached anew."""

import asyncio
import hashlib
import logging
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil
import ray
import ray.exceptions
import structlog

from actors.cluster.era import Era
from actors.cluster.hosts import RayHosts
from actors.cluster.node import bare
from actors.cluster.process import NAMESPACE
from actors.cluster.words import first_words
from actors.hosting.family import end_family, marked
from actors.hosting.process import lives
from actors.ray_environment import RayStartError

T = TypeVar("T")

_KNOCK_TIMEOUT_S = 3.0
"""Longest wait for a TCP connection to a Ray that is said to run."""
_LOCAL_CPUS = 2
"""Worker processes that Ray starts in advance. Actors ask for no CPU, so this limits nothing."""
_OBJECT_STORE_BYTES = 80_000_000
"""Ray's smallest store: calls carry a few kilobytes and never go through it."""
_LONGEST_TEMP_ROOT = 40
"""Ray puts UNIX sockets below its temporary folder, and their paths may have 107 characters."""
_VITAL = frozenset({"raylet", "gcs_server"})
"""Processes of a local Ray without which it is none."""
_WATCH_S = 0.1
"""How often it is looked whether they live."""
_STOPPED_S = 4.0
"""How long one of them may stand still (SIGSTOP, a debugger): what needs it waits as long."""
_LOOK_S = 1.0
"""How often a Ray of somebody else's is looked at."""
_PATIENCE_S = 20.0
"""How long it may give no answer: actors go on without it, but after a minute it takes this process with it."""

_log = structlog.get_logger(__name__)


class Cluster:
    """The Ray that this supervisor uses: its own on loopback, or one that runs already."""

    def __init__(self, deployment: str) -> None:
        """Name the deployment: processes of others on the same Ray are never touched."""
        self._deployment = hashlib.sha256(deployment.encode()).hexdigest()[:8]
        self._temp_dir: Path | None = None
        self._address = ""
        self._gcs = ""
        """Where the control store listens."""
        self._vital: dict[str, psutil.Process] = {}
        self._era = Era()
        self._standing = asyncio.Event()
        # One thread for all its life: what it starts ends with the thread that started it, not only with the process.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ray")

    def start_local(self) -> None:
        """Start Ray on loopback. It ends with this process. Blocks for two to three seconds.

        Raises:
            RayStartError: it does not start.
        """
        self._thread.submit(self._start).result()
        self._standing.set()

    def attach(self, address: str) -> None:
        """Use a Ray that was started elsewhere (`ray start --head`).

        Raises:
            RayStartError: nobody answers there, or the token is not accepted.
        """
        self._address = address
        self.start_local()

    async def start(self, address: str = "") -> None:
        """Start or, given an address, attach, while the event loop goes on. Raises as those do."""
        self._address = address
        await self._in_thread(self._start)
        self._standing.set()

    def close(self) -> None:
        """Leave Ray; a local one ends, with all its processes. May be called twice."""
        self._thread.submit(self._stop).result()

    async def end(self) -> None:
        """Close without holding up the event loop; for good."""
        await self._in_thread(self._stop)
        self._thread.shutdown()

    def hosts(self, warm_modules: tuple[str, ...]) -> RayHosts:
        """Return where host processes come from; a warm one has imported `warm_modules`."""
        return RayHosts(self._deployment, self, warm_modules)

    # --- what hosts need -------------------------------------------------------------------------------------------

    async def standing(self) -> Era:
        """Return the Ray that stands; wait while there is none."""
        await self._standing.wait()
        return self._era

    async def lost(self) -> str:
        """See `Hosts.lost`."""
        reason = await (self._lost_attached() if self._address else self._lost_local())
        self._standing.clear()
        self._era.fall(reason)
        return reason

    async def renew(self) -> None:
        """See `Hosts.renew`."""
        if await self._in_thread(self._stop):
            self._era.buried.set()
        await self._in_thread(self._start)
        self._era = Era()
        self._standing.set()

    # --- watching --------------------------------------------------------------------------------------------------

    async def _lost_local(self) -> str:
        watched = _Watched(self._vital)
        while True:
            reason = watched.wrong()
            if reason:
                return reason
            await asyncio.sleep(_WATCH_S)

    async def _lost_attached(self) -> str:
        # Ray itself is not asked: a question that is open while its control store is replaced takes this process along.
        loop = asyncio.get_running_loop()
        watched = _Watched(self._vital)
        heard_at = loop.time()
        while True:
            reason = watched.wrong()
            if reason:
                return reason
            try:
                await asyncio.to_thread(_knock, self._gcs)
                heard_at = loop.time()
            except RayStartError as error:
                _log.warning("ray_gives_no_answer", error=str(error))
                if loop.time() - heard_at > _PATIENCE_S:
                    return f"no answer for {_PATIENCE_S:g} s: {error}"
            await asyncio.sleep(_LOOK_S)

    # --- in Ray's own thread ---------------------------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _start(self) -> None:
        if self._address:
            _knock(self._address)
            self._init(address=self._address)
            self._gcs = str(ray.get_runtime_context().gcs_address)
            self._vital = dict(zip(("raylet",), _raylets(self._gcs), strict=False))  # where it is another's, none
            return
        root = Path(tempfile.gettempdir())
        if len(str(root)) > _LONGEST_TEMP_ROOT:
            root = Path("/tmp")  # noqa: S108 - the folder below it is ours alone (0700) and named by deployment
        self._temp_dir = root / f"hedgevisor-{self._deployment}"
        # Left behind by a killed supervisor; nobody uses it, because the state folder's lock is ours.
        left = self._end_leftovers()
        if left:
            raise RayStartError(f"Processes {left} of an earlier Ray do not end, even when killed; look at them.")
        shutil.rmtree(self._temp_dir, ignore_errors=True)
        self._temp_dir.mkdir(mode=0o700)
        with marked(self._deployment), bare():
            self._init(
                num_cpus=_LOCAL_CPUS,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(self._temp_dir),
            )
        children = [child for child in psutil.Process().children() if lives(child)]
        self._vital = {child.name(): child for child in children if child.name() in _VITAL}

    def _stop(self) -> bool:
        """Leave Ray; say whether nothing of it stays. A Ray that is not ours is not asked."""
        if self._era.fallen:
            self._end_leftovers()  # first: what is half dead would keep an orderly end waiting
        ray.shutdown()
        if self._temp_dir is None:
            return False
        left = self._end_leftovers()
        shutil.rmtree(self._temp_dir, ignore_errors=True)
        self._temp_dir = None
        return not left

    def _end_leftovers(self) -> tuple[int, ...]:
        left = () if self._address else end_family(self._deployment)
        if left:
            _log.critical("processes_do_not_end", pids=left)
        return left

    def _init(self, **options: Any) -> None:
        # It says at each start that it leaves signals to us because this is not the main thread; so it should.
        logging.getLogger("ray._private.worker").setLevel(logging.ERROR)
        try:
            ray.init(
                namespace=NAMESPACE,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.WARNING,
                **options,
            )
        except Exception as error:  # Ray raises a bare Exception when a busy machine makes its own start time out
            where = options.get("address")
            what = f"Ray at address {where!r} cannot be used" if where else "Ray could not be started"
            hint = (
                "is it running (`ray start --head`), and do RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH say the same there?"
                if where
                else "is there memory and room in the temporary folder?"
            )
            raise RayStartError(f"{what}: {first_words(error)}; {hint}") from error


class _Watched:
    """The processes without which a Ray is none."""

    def __init__(self, vital: Mapping[str, psutil.Process]) -> None:
        self._vital = vital
        self._moved_at = dict.fromkeys(vital, asyncio.get_running_loop().time())

    def wrong(self) -> str:
        """Say what is wrong with one of them; empty = nothing."""
        now = asyncio.get_running_loop().time()
        for name, process in self._vital.items():
            state = _state(process)
            if state == psutil.STATUS_ZOMBIE:
                return f"its {name} (process {process.pid}) has died"
            if state != psutil.STATUS_STOPPED:
                self._moved_at[name] = now
            elif now - self._moved_at[name] > _STOPPED_S:
                return f"its {name} (process {process.pid}) has stood still for {_STOPPED_S:g} s"
        return ""


def _state(process: psutil.Process) -> str:
    """Return how a process stands; one that is gone counts as a zombie."""
    try:
        return str(process.status()) if process.is_running() else psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


def _raylets(gcs: str) -> list[psutil.Process]:
    """Return this machine's raylets of the cluster whose control store is at `gcs`; the first serves us."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "raylet" and any(gcs in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:  # it has ended, or is not ours to look at
            continue
    return found


def _knock(address: str) -> None:
    """Look whether anybody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`: Ray knows where to look, and says at once when there is nothing
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise RayStartError(f"Nobody listens at Ray address {address}: {error}; run `ray start --head`.") from error
