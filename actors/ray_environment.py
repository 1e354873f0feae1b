"""What Ray has to find in the environment, set before it is imported: it reads most of it once, at import.

Measured reasons are in `docs/decisions/`; a variable that the user has set is left as it is.
"""

import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from actors.hosting.protocol import Hosts, HostsUnavailableError
from actors.supervision.build import code_root

if TYPE_CHECKING:
    from actors.cluster.connection import Cluster

_EVERYWHERE: Mapping[str, str] = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A call after shutdown must fail, not start another Ray.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # `uv run` would upload the working tree and build an environment per actor.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_DEDUP_LOGS": "0",
    # Three hundred thousand small calls made Ray's control store grow to ten times its size.
    "RAY_task_events_report_interval_ms": "0",
    # How fast the death of a process is told to those who wait for its answer.
    "RAY_timeout_ms_task_wait_for_death_info": "50",
    "RAY_core_worker_internal_heartbeat_ms": "100",
    # Its own handler of SIGTERM kills the process three seconds later, whatever the program is doing about it.
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
}

_LOCAL: Mapping[str, str] = {
    # The only switch that makes every port of Ray listen on loopback; it also means: no second machine.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Ray's own default is nice 15: a busy machine would delay every hedge.
    "RAY_worker_niceness": "0",
    # Ray's own default sacrifices workers first when memory is short.
    "RAY_worker_oom_score_adjustment": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_raylet_death_check_interval_milliseconds": "100",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_ROTATION_MAX_BYTES": "50000000",
    "RAY_ROTATION_BACKUP_COUNT": "3",
    # Ray renames its processes; without this it writes the name over their environment, and with it over our mark.
    "SPT_NOENV": "1",
}

_TOKEN_BYTES = 32
"""Length of the token that keeps other users of the machine out of our Ray."""
_PRIVATE = 0o600
"""Read and write for the owner, nothing for others."""


class RayStartError(HostsUnavailableError):
    """Ray could not be started or reached. The text says what to do about it."""


@contextmanager
def ray_hosts(state_dir: Path, address: str, warm_modules: tuple[str, ...]) -> Iterator[Hosts]:
    """Have Ray for the length of a block: the one at `address`, or, when that is empty, our own on loopback.

    Raises:
        RayStartError: it cannot be had.
    """
    cluster = _cluster(state_dir, address)
    try:
        if address:
            cluster.attach(address)
        else:
            cluster.start_local()
        yield cluster.hosts(warm_modules)
    finally:
        cluster.close()


@asynccontextmanager
async def ray_kept(state_dir: Path, address: str, warm_modules: tuple[str, ...]) -> AsyncIterator[Hosts]:
    """Have Ray as `ray_hosts` does, without holding up the event loop while it starts and ends.

    Raises:
        RayStartError: it cannot be had.
    """
    cluster = _cluster(state_dir, address)
    try:
        await cluster.start(address)
        yield cluster.hosts(warm_modules)
    finally:
        await cluster.end()


def _cluster(state_dir: Path, address: str) -> "Cluster":
    if address:
        for_attached(os.environ)
    else:
        for_local(os.environ, state_dir, code_root())
    # Only now: Ray reads its environment when it is imported.
    from actors.cluster.connection import Cluster  # noqa: PLC0415

    # Absolute: what is named after it must not be another deployment's with the same relative path.
    return Cluster(str(state_dir.resolve()))


def for_attached(environment: MutableMapping[str, str]) -> None:
    """Prepare for a Ray that somebody else has started. Its address and token are the user's."""
    _apply(environment, _EVERYWHERE)


def for_local(environment: MutableMapping[str, str], state_dir: Path, code_root: Path) -> None:
    """Prepare for a Ray of our own: loopback only, with a token that only this user can read.

    Raises:
        OSError: the token file cannot be written.
    """
    _apply(environment, _EVERYWHERE)
    _apply(environment, _LOCAL)
    # Inherited by every worker, it would make each of them compile every module anew at every start.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # An address in the environment would make Ray attach where a Ray of our own is wanted.
    environment.pop("RAY_ADDRESS", None)
    known = environment.get("PYTHONPATH", "")
    if str(code_root) not in known.split(os.pathsep):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(code_root), known]))
    environment["RAY_AUTH_MODE"] = "token"
    environment["RAY_AUTH_TOKEN_PATH"] = str(_token_file(state_dir / "ray"))
    environment.pop("RAY_AUTH_TOKEN", None)


def _token_file(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "token"
    # A new one each time: whoever read an old one is out.
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_TOKEN_BYTES))
    return path.absolute()


def _apply(environment: MutableMapping[str, str], values: Mapping[str, str]) -> None:
    for name, value in values.items():
        environment.setdefault(name, value)
