"""The simulator as a child: found by its first line, taken over after a crash, restarted at the same addresses."""

import asyncio
import json
import os
import signal

import aiohttp
import psutil
import pytest

from actors.operator.simulator import Simulator, SimulatorError

pytestmark = pytest.mark.wire

BOUND_S = 60.0


async def until(condition) -> None:
    """Wait for a condition that may be a coroutine function, with a bound."""
    async with asyncio.timeout(BOUND_S):
        while not await condition():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.05)


async def answers(url: str) -> bool:
    """Say whether somebody serves HTTP at `url`."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url):
            return True
    except aiohttp.ClientError:
        return False


@pytest.fixture
def arguments(tmp_path):
    """Return arguments of a simulator that remembers."""
    keys, state = str(tmp_path / "keys"), str(tmp_path / "memory")
    return ["--lighter-accounts", "11", "--backpack-accounts", "bp", "--keys-dir", keys, "--state", state]


async def test_it_dies_and_comes_back_at_the_same_addresses(tmp_path, arguments):
    """A killed simulator is reported and serves again where its clients look for it; `stop` ends it for good."""
    simulator = Simulator(arguments, tmp_path / "papers")
    addresses = await simulator.start()
    assert await answers(addresses.lighter.url)
    pid = json.loads((tmp_path / "papers" / "running.json").read_text())["pid"]
    told: list[str] = []
    keeping = asyncio.ensure_future(simulator.keep(told.append))
    os.kill(pid, signal.SIGKILL)

    async def back() -> bool:
        return bool(told) and await answers(addresses.lighter.url) and await answers(addresses.backpack.url)

    await until(back)
    assert simulator.addresses == addresses
    assert told == ["The simulator has died (killed by signal 9) and is being started again at the same addresses."]
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await simulator.stop()
    assert not await answers(addresses.lighter.url)
    assert not (tmp_path / "papers" / "running.json").exists()


async def test_a_new_supervisor_takes_over_what_still_runs(tmp_path, arguments):
    """Same arguments: the same process goes on. Other arguments: the old one is ended first."""
    first = Simulator(arguments, tmp_path / "papers")
    addresses = await first.start()
    second = Simulator(arguments, tmp_path / "papers")
    assert await second.start() == addresses
    third = Simulator([*arguments, "--latency-ms", "1"], tmp_path / "papers")
    pid = json.loads((tmp_path / "papers" / "running.json").read_text())["pid"]
    moved = await third.start()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert await answers(moved.lighter.url)
    await third.stop()
    await first.stop()  # reaps the child that its successor has ended


async def test_its_own_complaint_is_told(tmp_path):
    """A simulator that refuses its arguments says why, and nothing is left running."""
    simulator = Simulator(["--speed", "fast"], tmp_path / "papers")
    with pytest.raises(SimulatorError, match="'fast' is not a number"):
        await simulator.start()
    await simulator.stop()


async def test_a_full_disk_is_named_even_where_its_words_have_no_place(tmp_path, arguments):
    """Neither its memory nor its complaint can be written: the exit code tells; with room again it comes back."""
    simulator = Simulator(arguments, tmp_path / "papers")
    addresses = await simulator.start()
    pid = json.loads((tmp_path / "papers" / "running.json").read_text())["pid"]
    told: list[str] = []
    (tmp_path / "memory.new").symlink_to("/dev/full")
    (tmp_path / "papers" / "complaints.log").unlink()
    (tmp_path / "papers" / "complaints.log").symlink_to("/dev/null")
    keeping = asyncio.ensure_future(simulator.keep(told.append))
    os.kill(pid, signal.SIGKILL)

    async def refused() -> bool:
        return len(told) > 1

    await until(refused)
    assert "its state file cannot be written: is the disk full?" in told[1]
    (tmp_path / "memory.new").unlink()

    async def back() -> bool:
        return await answers(addresses.lighter.url)

    await until(back)
    assert len([line for line in told if "could not be started again" in line]) == 1
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await simulator.stop()
