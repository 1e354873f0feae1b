"""A process that stood still while another took its account over: it wakes up, and sends nothing."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from actors.account import AccountActor
from actors.account.entries import EntryKind
from actors.hostlock import HostLock
from actors.journal.protocol import JournalStore, JournalWriteError
from actors.journal.store import open_store
from strategies.domain.account import AccountMode
from tests.actors.account.child import ETH, STREAM, spec
from tests.actors.account.conftest import order, until
from venues.simulator.testing import simulation

pytestmark = [pytest.mark.wire, pytest.mark.timeout(120)]

_ROOT = Path(__file__).parents[3]
_END_S = 30.0
_ATTEMPTS = 8


class _Unlocked(HostLock):
    """The successor's lock on another host: a ghost that still lives holds the one of this."""

    async def acquire(self, wait_s: float) -> None:
        """Have it."""


async def _take_over(pid: int, store: JournalStore) -> int:
    """Let the process stand still, and claim its account. One that stands in the middle of a write holds the file."""
    for _ in range(_ATTEMPTS):
        os.kill(pid, signal.SIGSTOP)
        try:
            return await store.claim(STREAM, "the successor")
        except JournalWriteError:
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.05)
    pytest.fail("it always stood in the middle of a write")


async def test_a_ghost_that_wakes_up_sends_nothing(tmp_path):
    """SIGSTOP in the middle of trading, a successor, SIGCONT: no further byte reaches the venue from the ghost."""
    async with simulation(seed=1, backpack_accounts=("bp",)) as sim:
        secret = tmp_path / "bp.key"
        secret.write_text(sim.backpack_secret("bp"))
        journal = f"sqlite:{tmp_path}/journal"
        arguments = (str(tmp_path), journal, sim.backpack_url, str(secret))
        ghost = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.actors.account.child",
            *arguments,
            cwd=_ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        venue = sim.exchange_backpack
        try:
            await until(lambda: len(venue.orders("bp", active=None)) >= 3, "the first orders")
            store = open_store(journal)
            epoch = await _take_over(ghost.pid, store)
            successor = AccountActor(spec(tmp_path, *arguments[1:]), epoch, make_lock=_Unlocked)
            await successor.start()
            while not await successor.arm():  # noqa: ASYNC110 - as the supervisor does
                await asyncio.sleep(0.01)
            await until(lambda: successor.book.settled(ETH), "all that was in flight")
            before = [row.client_order_id for row in venue.orders("bp", active=None)]
            os.kill(ghost.pid, signal.SIGCONT)
            async with asyncio.timeout(_END_S):
                said, _ = await ghost.communicate()
            assert f"stream {STREAM}: epoch 1 was overtaken by epoch 2" in said.decode()
            assert [row.client_order_id for row in venue.orders("bp", active=None)] == before
            assert successor.mode is AccountMode.ARMED, "the successor was not disturbed"
            assert len(before) == len(set(before))
            await successor.stop()
            await store.close()
        finally:
            if ghost.returncode is None:
                ghost.kill()
                await ghost.wait()


class _StandingStill:
    """A journal whose process stands still right after it has written a signed order, until another has taken over."""

    def __init__(self, journal, take_over) -> None:
        self._journal = journal
        self._take_over = take_over

    def __getattr__(self, name: str):
        return getattr(self._journal, name)

    async def append(self, entries) -> int:
        seq = await self._journal.append(entries)
        if any(entry.kind == EntryKind.PREPARED for entry in entries):
            await self._take_over()
        return seq


async def test_a_write_that_was_signed_before_the_standstill_does_not_leave_after_it(bench, monkeypatch):
    """Suspended between the append and the first byte: whoever wakes up that late asks the journal first."""
    ghost = await bench.start()

    async def take_over() -> None:
        store = open_store(bench.journal)
        await store.claim("account/l1", "the successor")
        await store.close()
        monkeypatch.setattr("actors.account.submission._OWNED_FOR_S", -1.0)  # however short: too long

    ghost._ledger._journal = _StandingStill(ghost._ledger._journal, take_over)
    await bench.send(ghost, order(1))
    async with asyncio.timeout(_END_S):
        assert "overtaken" in await ghost.ended
    assert bench.orders_at_venue() == 0
