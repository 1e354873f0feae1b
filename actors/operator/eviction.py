"""Ends the process that holds a life lock: exactly that one, and only when it is certain that it is the one."""

import asyncio
import os
from pathlib import Path

import psutil
import structlog

from actors.hosting.process import gone
from actors.hostlock import HostLock, LockHeldError, lock_path

PATIENCE_S = 10.0
"""A killed process is gone in milliseconds, unless the kernel waits for its disk."""
_POLL_S = 0.02
"""How often a lock whose holder cannot be told yet is looked at: its name is written just after it is taken."""

_log = structlog.get_logger(__name__)


async def evict(folder: str, name: str, patience_s: float = PATIENCE_S) -> int | None:
    """Kill the process that holds the lock and wait until the lock is free; return its number, None = nobody held it.

    Its journal must have been claimed before: from then on its death is all that it can bring about.

    Raises:
        LockHeldError: the holder cannot be told, is this very process, may not be looked into, or does not end.
    """
    path = lock_path(folder, name)
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    killed: int | None = None
    while True:
        lock = HostLock(folder, name)
        try:
            await lock.acquire(wait_s=0)
        except LockHeldError as error:
            if loop.time() >= give_up_at:
                raise
            holder = _holder(path)
            if holder is None:
                await asyncio.sleep(_POLL_S)
                continue
            if holder.pid == os.getpid():
                raise LockHeldError(f"{path} is held by this very process") from error
            _log.warning("evicting", lock=str(path), pid=holder.pid)
            killed = holder.pid
            holder.kill()
            await gone(holder, give_up_at - loop.time())
        else:
            lock.release()
            return killed


def _holder(path: Path) -> psutil.Process | None:
    """Return the process that the lock's file names, if it has that very file open; None = it cannot be told (yet)."""
    try:
        pid = int(path.read_text(encoding="ascii"))
        process = psutil.Process(pid)
        mine = path.stat()
        holds = any(os.path.samestat(mine, Path(each.path).stat()) for each in process.open_files())
    except (OSError, ValueError, psutil.Error):
        return None
    return process if holds else None
