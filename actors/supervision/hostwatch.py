"""Looks at the machine: what it has left, and what Ray and the supervisor take of it."""

import asyncio
from pathlib import Path

import psutil
import structlog
from pydantic import Field

from actors.process_use import cpu_s, memory_bytes
from strategies.domain.ids import Timestamp
from strategies.domain.model import Value
from venues.venue import Now

_log = structlog.get_logger(__name__)

_EVERY_S = 5.0
"""How often: a look walks through every process of the machine, some ten milliseconds in a thread."""


class HostReport(Value):
    """One look."""

    at: Timestamp
    processors: int
    load: float = Field(description="mean number of processes that wanted to run, over a minute")
    cpu_busy_s: float = Field(description="CPU seconds of the machine since it started, idle ones left out")
    memory_bytes: int
    memory_available_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    state_bytes: int = Field(description="size of everything in the state folder")
    own_memory_bytes: int | None
    own_cpu_s: float
    child_processes: int = Field(description="processes below the supervisor: Ray and its workers")
    child_memory_bytes: int


class HostWatch:
    """Keeps the latest look."""

    def __init__(self, folder: Path, now: Now) -> None:
        """Name the state folder; its file system is the one that must not fill up."""
        self.report: HostReport | None = None
        self._folder = folder
        self._now = now

    async def run(self) -> None:
        """Look again and again, in a thread: nothing here may hold up the supervisor."""
        while True:
            try:
                self.report = await asyncio.to_thread(self.look)
            except (OSError, psutil.Error) as error:  # the report grows old, and its age is a metric
                _log.warning("machine_not_seen", error=str(error))
            await asyncio.sleep(_EVERY_S)

    def look(self) -> HostReport:
        """Look once. Raises OSError when the folder is gone."""
        memory, disk, cpu = psutil.virtual_memory(), psutil.disk_usage(str(self._folder)), psutil.cpu_times()
        children = [size for child in psutil.Process().children(recursive=True) if (size := _resident(child))]
        return HostReport(
            at=self._now(),
            processors=psutil.cpu_count() or 1,
            load=psutil.getloadavg()[0],
            cpu_busy_s=sum(cpu) - cpu.idle - cpu.iowait - cpu.guest - cpu.guest_nice,
            memory_bytes=memory.total,
            memory_available_bytes=memory.available,
            disk_bytes=disk.total,
            disk_free_bytes=disk.free,
            state_bytes=sum(_size(path) for path in self._folder.rglob("*")),
            own_memory_bytes=memory_bytes(),
            own_cpu_s=cpu_s(),
            child_processes=len(children),
            child_memory_bytes=sum(children),
        )


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0  # ended while it was looked at


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0  # removed meanwhile, as journals' side files are
