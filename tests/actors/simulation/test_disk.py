"""The simulated disk: what a death leaves of a write that nobody acknowledged."""

import asyncio

import pytest

from actors.journal.protocol import Entry, StaleEpochError
from actors.simulation.disk import Disk, Writers
from actors.simulation.loop import VirtualLoop

STREAM = "group/g"


def _entry(body: str) -> Entry:
    return Entry(kind="step", at=1, body=body)


async def _dies_in_a_write(disk: Disk, *, keep_tail: bool) -> None:
    epoch = await disk.store.claim(STREAM, "one")
    writers = Writers()
    journal = await disk.open_for(writers).open(STREAM, epoch)
    await journal.append([_entry("first")])
    killed = asyncio.get_running_loop().create_future()
    disk.on_write[STREAM] = lambda: killed.set_result(writers.die(keep_tail=keep_tail))
    with pytest.raises(StaleEpochError):
        await journal.append([_entry("second")])
    assert await killed == (0 if keep_tail else 1)


@pytest.mark.parametrize(("keep_tail", "left"), [(True, ["first", "second"]), (False, ["first"])])
def test_the_unacknowledged_tail_stays_or_is_torn_off(keep_tail, left):
    """A death in a write leaves the last append whole or not at all, and never what was acknowledged before."""
    disk = Disk(0.01)
    VirtualLoop().run(_dies_in_a_write(disk, keep_tail=keep_tail))
    assert [record.body for record in disk.store.records(STREAM)] == left
    assert set(disk.acknowledged_at) == {(STREAM, 1)}


def test_the_dead_write_no_more():
    """After its death a process's handle refuses everything."""

    async def work():
        disk = Disk(0)
        writers = Writers()
        journal = await disk.open_for(writers).open(STREAM, await disk.store.claim(STREAM, "one"))
        writers.die(keep_tail=True)
        with pytest.raises(StaleEpochError):
            await journal.append([_entry("too late")])
        return disk.store.records(STREAM)

    assert VirtualLoop().run(work()) == []
