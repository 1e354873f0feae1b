"""Turns, on virtual time: who goes first, and that no place is ever lost."""

import asyncio
import random
from contextlib import suppress

import pytest

from actors.supervision.turns import Turns

pytestmark = pytest.mark.looptime


async def test_the_most_urgent_of_those_who_wait_comes_next():
    """Whatever the order in which they came, also of those who come while both places are free."""
    turns, began = Turns(2), []

    async def work(rank: int) -> None:
        async with turns.turn((rank, 0)):
            began.append(rank)
            await asyncio.sleep(1)

    await asyncio.gather(*map(work, (3, 5, 1, 4, 2)))
    assert began == [1, 2, 3, 4, 5]


async def test_equals_come_in_the_order_in_which_they_asked():
    """One place, five of the same rank."""
    turns, began = Turns(1), []

    async def work(name: int) -> None:
        async with turns.turn((0, 0)):
            began.append(name)
            await asyncio.sleep(1)

    await asyncio.gather(*map(work, range(5)))
    assert began == list(range(5))


@pytest.mark.parametrize("seed", range(10))
async def test_whoever_fails_or_is_cancelled_gives_its_place_back(seed):
    """At any moment, waiting or not: never more at once than there are places, and afterwards all of them are free."""
    chance = random.Random(seed)
    turns, inside, most = Turns(3), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with turns.turn((chance.randrange(3), 0)):
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(chance.choice((0, 1)))
                if chance.random() < 0.3:
                    raise ValueError
            finally:
                inside -= 1

    tasks = [asyncio.ensure_future(work()) for _ in range(40)]
    for task in chance.sample(tasks, 15):
        await asyncio.sleep(chance.choice((0, 0, 0.5)))
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 3
    with suppress(TimeoutError):
        async with asyncio.timeout(1), turns.turn((0, 0)), turns.turn((0, 0)), turns.turn((0, 0)):
            return
    pytest.fail("a place was lost")
