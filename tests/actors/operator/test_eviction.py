"""Ending the process that holds a lock: that one, surely, and no other."""

import asyncio
import os
import sys

import psutil
import pytest

from actors.hostlock import HostLock, LockHeldError, lock_path
from actors.operator.eviction import evict

HOLDER = """
import asyncio, sys, time
from actors.hostlock import HostLock
async def hold():
    await HostLock(sys.argv[1], "account-a").acquire(5)
    print("held", flush=True)
    await asyncio.sleep(600)
asyncio.run(hold())
"""


async def hold_elsewhere(folder):
    """Start a process that takes the lock and keeps it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert (await asyncio.wait_for(process.stdout.readline(), 30)) == b"held\n"
    return process


async def end(process) -> None:
    """End a process that a test started."""
    if process.returncode is None:
        process.kill()
    await process.wait()
    process._transport.close()


async def test_a_lock_that_nobody_holds_is_free_at_once(tmp_path):
    """Whether or not anybody ever had it."""
    assert await evict(str(tmp_path), "account-a") is None
    assert await evict(str(tmp_path), "account-a") is None


async def test_the_holder_is_killed_and_the_lock_is_free(tmp_path):
    """A stopped process, too: SIGKILL needs nobody's consent."""
    process = await hold_elsewhere(tmp_path)
    try:
        psutil.Process(process.pid).suspend()
        assert await evict(str(tmp_path), "account-a") == process.pid
        await asyncio.wait_for(process.wait(), 10)
        lock = HostLock(str(tmp_path), "account-a")
        await lock.acquire(0)
        lock.release()
    finally:
        await end(process)


async def test_a_process_that_only_bears_the_number_is_left_alone(tmp_path):
    """The file names a process that does not hold the lock (its number was used again): nobody is killed."""
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)")
    lock = HostLock(str(tmp_path), "account-a")
    await lock.acquire(0)
    try:
        lock_path(str(tmp_path), "account-a").write_text(f"{bystander.pid}\n")
        with pytest.raises(LockHeldError, match=str(bystander.pid)):
            await evict(str(tmp_path), "account-a", patience_s=0.3)
        assert bystander.returncode is None
    finally:
        lock.release()
        await end(bystander)


async def test_this_very_process_is_not_killed(tmp_path):
    """Whoever evicts does not end itself."""
    lock = HostLock(str(tmp_path), "account-a")
    await lock.acquire(0)
    try:
        with pytest.raises(LockHeldError, match="this very process"):
            await evict(str(tmp_path), "account-a", patience_s=0.3)
        assert lock_path(str(tmp_path), "account-a").read_text() == f"{os.getpid()}\n"
    finally:
        lock.release()
