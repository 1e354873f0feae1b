"""One seed from beginning to end: storm, calm, judgement."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from actors.simulation.cast import LIQUIDATION_HEDGE
from actors.simulation.checker import journal_bytes, judge, judge_end
from actors.simulation.loop import DeadlockError, VirtualLoop
from actors.simulation.scenario import Scenario, draw_scenario
from actors.simulation.storm import Storm
from actors.simulation.world import CALM_BOUND_S, World

_POLL_S = 0.25


@dataclass(slots=True)
class Played:
    """How one seed went."""

    seed: int
    violations: list[str]
    digest: bytes
    faults: Counter[str]
    cycles: int
    virtual_s: float
    steps: int
    naked_s: float
    naked_usd_s: float
    intervals: list[float]
    story: list[str] = field(repr=False)


def play(seed: int, strategy: str = LIQUIDATION_HEDGE) -> Played:
    """Play a seed."""
    return play_scenario(draw_scenario(seed, strategy))


def play_scenario(scenario: Scenario) -> Played:
    """Play a scenario: the same one gives the same journals, byte for byte."""
    loop = VirtualLoop()  # type: ignore[abstract]  # asyncio names sockets and processes, too: there are none here
    world = World(scenario, loop)
    violations: list[str] = []
    try:
        violations.extend(loop.run(_play(world)))
    except DeadlockError as error:
        violations.append(f"deadlock: {error}")
    violations = judge(world) + violations
    market = world.market
    view = world.view()
    return Played(
        seed=scenario.seed,
        violations=violations,
        digest=journal_bytes(world),
        faults=world.counts,
        cycles=0 if view is None else view.cycles_done,
        virtual_s=loop.time(),
        steps=loop.steps,
        naked_s=market.naked_s,
        naked_usd_s=market.naked_usd_s,
        intervals=market.naked_intervals,
        story=world.story,
    )


async def _play(world: World) -> list[str]:
    storm = Storm(world)
    world.start()
    storm.start()
    await asyncio.sleep(world.scenario.calm_at_s)
    storm.end()
    await _last_word(world)
    found = await _until_rest(world)
    view = world.view()
    if view is not None:
        found.extend(judge_end(world, view))
    await world.stop()
    return found


async def _last_word(world: World) -> None:
    """Say what is to become of the group, until it has heard."""
    while True:
        heard = world.say(world.scenario.last_word, "operator:last")
        if heard is not None:
            try:
                await heard
            except Exception as error:  # noqa: BLE001 - the process may die of whatever: its successor is told again
                world.tell(f"the last word was not heard: {error!r}")
            else:
                return
        await asyncio.sleep(_POLL_S)


async def _until_rest(world: World) -> list[str]:
    deadline = world.loop.time() + CALM_BOUND_S
    why = world.at_rest()
    while why:
        if world.loop.time() > deadline:
            return [f"not at rest {CALM_BOUND_S:g} s after the last fault: {why}"]
        await asyncio.sleep(_POLL_S)
        why = world.at_rest()
    return []
