"""Warm processes, on virtual time: who gets a process first when everybody wants one."""

import asyncio

import pytest

from actors.hosting.protocol import HostPhase, Pulse
from actors.supervision.spares import Spares
from actors.tasks import Tasks
from tests.actors.supervision.conftest import until

pytestmark = pytest.mark.looptime


class Idle:
    """An idle process that lives until it is told otherwise."""

    fallen = False

    async def pulse(self) -> Pulse:
        return Pulse.model_construct(phase=HostPhase.IDLE)

    async def destroy(self) -> bool:
        return True


def _raise(task: str, error: BaseException) -> None:
    raise AssertionError(task) from error


class SlowMachine:
    """Starts one process after another, each in two seconds, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.asked: list[str] = []

    async def ready(self) -> None:
        pass

    async def spawn(self, *, warm: bool = False) -> Idle:
        self.asked.append("spare" if warm else "actor")
        async with self.turn:
            await asyncio.sleep(2)
        return Idle()


async def test_spares_are_made_when_no_actor_waits_for_a_process():
    """Eight actors that start at once are not kept waiting by a spare; afterwards both spares are made."""
    machine = SlowMachine()
    tasks = Tasks("test", _raise)
    spares = Spares(machine, 2, tasks)
    actors = [asyncio.ensure_future(spares.take((0, 0))) for _ in range(3)]
    await asyncio.sleep(0.1)
    spares.fill()
    actors += [asyncio.ensure_future(spares.take((0, 0))) for _ in range(5)]
    await asyncio.gather(*actors)
    assert machine.asked == ["actor"] * 8
    await until(lambda: len(spares) == 2)
    assert machine.asked[8:] == ["spare", "spare"]
    await spares.close()
    await tasks.close()


async def test_an_actor_that_cannot_be_started_keeps_no_spare_from_being_made():
    """A failed or cancelled start is nobody waiting."""
    machine = SlowMachine()
    tasks = Tasks("test", _raise)
    spares = Spares(machine, 1, tasks)
    given_up = asyncio.ensure_future(spares.take((0, 0)))
    await asyncio.sleep(0.1)
    given_up.cancel()
    spares.fill()
    await until(lambda: len(spares) == 1)
    await spares.close()
    await tasks.close()
