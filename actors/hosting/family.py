"""All processes of one Ray of ours, found by a mark that each inherits, so that none of them outlives its use.

A killed parent leaves children that nobody can name any more: Ray's agents stay for ever, workers for seconds. The mark
stands in the environment that every one of them was started with.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import structlog

from actors.hosting.process import lives

MARK = "HEDGEVISOR_RAY"
"""Variable that carries the mark; its value names the deployment."""
_GONE_TIMEOUT_S = 10.0
"""After SIGKILL a process is gone in milliseconds unless it hangs in the kernel (a dead disk)."""
_POLL_S = 0.02
"""How often it is looked at meanwhile."""

_log = structlog.get_logger(__name__)


@contextmanager
def marked(value: str) -> Iterator[None]:
    """Let whatever is started inside the block carry the mark."""
    os.environ[MARK] = value
    try:
        yield
    finally:
        os.environ.pop(MARK, None)


def family(value: str) -> list[psutil.Process]:
    """Return every living process of this user, except this one, that carries the mark."""
    return [each for each in psutil.process_iter() if each.pid != os.getpid() and _carries(each, value)]


def end_family(value: str) -> tuple[int, ...]:
    """Kill every process that carries the mark and wait until it is gone; return the ids of those that stay.

    Blocks; to be called from a thread.
    """
    give_up_at = time.monotonic() + _GONE_TIMEOUT_S
    while left := family(value):
        for process in left:
            _kill(process)
        if time.monotonic() >= give_up_at:
            return tuple(process.pid for process in left)
        time.sleep(_POLL_S)
    return ()


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
    _log.info("leftover_ended", pid=process.pid)


def _carries(process: psutil.Process, value: str) -> bool:
    try:
        return process.environ().get(MARK) == value and lives(process)
    except (psutil.Error, OSError):
        return False  # it ended meanwhile, or is another user's
