"""A lock that a process holds for its whole life: two incarnations of one actor never run on one host."""

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_POLL_S = 0.02
"""How often a busy lock is tried again: the predecessor is usually dying."""


class LockHeldError(Exception):
    """Another living process holds the lock."""


class LifeLock(Protocol):
    """What an incarnation holds for life, so that its successor waits for its end."""

    async def acquire(self, wait_s: float) -> None:
        """Take the lock, waiting for a dying predecessor. Raises `LockHeldError`."""

    def release(self) -> None:
        """Give the lock back. May be called twice."""


LockMaker = Callable[[str, str], LifeLock]
"""Folder and name to a lock, not yet taken."""


def lock_path(folder: str, name: str) -> Path:
    """Return the file of a lock. It holds the number of the process that has, or had, the lock."""
    return Path(folder) / (name.replace("/", "-") + ".lock")


class HostLock:
    """An exclusive `flock` on a file named after what is owned."""

    def __init__(self, folder: str, name: str) -> None:
        """Name the lock; nothing is touched yet."""
        self._path = lock_path(folder, name)
        self._file: int | None = None

    async def acquire(self, wait_s: float) -> None:
        """Take the lock, waiting for a dying predecessor.

        Raises:
            LockHeldError: the holder is still alive after `wait_s`.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() >= deadline:
                    holder = os.pread(handle, 64, 0).decode(errors="replace").strip()
                    os.close(handle)
                    raise LockHeldError(f"{self._path} is held by process {holder or 'unknown'}") from None
                await asyncio.sleep(_POLL_S)
                continue
            break
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._file = handle

    def release(self) -> None:
        """Give the lock back. May be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
