"""Processes of this machine: is one gone, and making sure that it is."""

import asyncio
from contextlib import suppress

import psutil

_PATIENCE_S = 0.5
"""A process that was told to end and hangs, or is stopped, is killed after this long."""
_POLL_S = 0.02
"""How often it is looked at."""


def lives(process: psutil.Process) -> bool:
    """Say whether the process still runs. A recycled number is not our process; a zombie does nothing any more."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(process: psutil.Process, timeout_s: float, patience_s: float = _PATIENCE_S) -> bool:
    """Wait until `process` is gone, killing it after `patience_s`; say whether it is gone after `timeout_s`."""
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    while lives(process):
        if loop.time() >= started_at + timeout_s:
            return False
        if loop.time() >= started_at + patience_s:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.sleep(_POLL_S)
    return True
