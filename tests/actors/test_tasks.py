"""Background work: none is lost, none fails in silence, all of it ends."""

import asyncio

from actors.tasks import Tasks


async def test_closing_ends_a_task_that_lost_its_first_cancellation():
    """A cancellation that was swallowed is repeated: closing always ends."""
    swallowed = asyncio.Event()

    async def deaf_once():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.sleep(3600)

    tasks = Tasks("test", lambda *_: None)
    tasks.start("deaf", deaf_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await tasks.close()
    assert swallowed.is_set()
    assert len(tasks) == 0


async def test_a_failure_is_told_once():
    """A task that raises is reported to its owner by name."""
    told = []

    async def fails():
        raise ValueError("broken")

    tasks = Tasks("test", lambda name, error: told.append((name, str(error))))
    await asyncio.wait([tasks.start("fails", fails())])
    await asyncio.sleep(0)
    assert told == [("test:fails", "broken")]
    await tasks.close()
