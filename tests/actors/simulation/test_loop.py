"""The virtual-time loop: order, time, and an end when nothing can happen."""

import asyncio

import pytest

from actors.simulation.loop import DeadlockError, VirtualLoop


def test_time_jumps_to_what_is_next():
    """A long sleep costs nothing, and the clock says that it has passed."""
    loop = VirtualLoop()
    loop.run(asyncio.sleep(86_400))
    assert loop.time() == 86_400


def test_what_is_due_at_one_moment_runs_in_the_order_it_was_asked_for():
    """Timers of the same moment keep their order; a heap alone would not."""
    heard = []

    async def work():
        loop = asyncio.get_running_loop()
        for number in range(50):
            loop.call_at(1.0, heard.append, number)
        await asyncio.sleep(2)

    VirtualLoop().run(work())
    assert heard == list(range(50))


def test_a_cancelled_timer_does_not_fire():
    """A cancel is final."""
    heard = []

    async def work():
        asyncio.get_running_loop().call_later(1, heard.append, "late").cancel()
        await asyncio.sleep(2)

    VirtualLoop().run(work())
    assert heard == []


def test_queues_locks_time_outs_and_gathers_work():
    """What the actors are made of works on this loop, and a time-out comes at its virtual moment."""

    async def work():
        loop = asyncio.get_running_loop()
        queue, lock = asyncio.Queue(1), asyncio.Lock()

        async def put(number):
            async with lock:
                await asyncio.sleep(0.5)
                await queue.put(number)

        putting = asyncio.gather(*map(put, range(3)))
        got = [await queue.get() for _ in range(3)]
        await putting
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await queue.get()
        return got, loop.time()

    assert VirtualLoop().run(work()) == ([0, 1, 2], 8.5)


def test_waiting_for_nothing_is_an_error():
    """A deadlock is named instead of hanging."""

    async def work():
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match="nothing is left to happen"):
        VirtualLoop().run(work())


def test_a_hook_strikes_between_two_steps():
    """A death can come at any await: before the callback with a given number."""
    loop = VirtualLoop()
    struck = []

    async def work():
        loop.step_at, loop.on_step = loop.steps + 5, lambda: struck.append(loop.steps)
        planned = loop.step_at
        for _ in range(10):
            await asyncio.sleep(0)
        return planned

    assert loop.run(work()) == struck[0]
