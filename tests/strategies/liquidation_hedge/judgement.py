"""What has to hold in any world, however it went: after each step, after the last, and in a replay."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from strategies.domain.account import AccountMode
from strategies.domain.commands import Command
from strategies.domain.events import OperatorState
from strategies.liquidation_hedge.invariants import step_violations, violations
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from tests.strategies.liquidation_hedge.world import World

LOT = Decimal("0.01")
SMALLEST = Decimal("0.1")
TRACE_SHOWN = 80

Judge = Callable[[Any, Any, Sequence[Command]], list[str]]


def judge(machine: Any, params: LiquidationHedgeParams) -> Judge:
    """Hold each step against every invariant, and each state against its snapshot."""

    def check(before: Any, after: Any, commands: Sequence[Command]) -> list[str]:
        found = [*violations(after, params), *step_violations(before, after, commands)]
        wrong = [f"!! {violation.name}: {violation.detail}" for violation in found]
        if machine.state_from_json(machine.state_to_json(after)) != after:
            wrong.append("!! the state does not survive its snapshot")
        return wrong

    return check


def nothing_was_bought_twice(world: World) -> None:
    """By the venues' own books no entry was executed beyond the largest order that asked for it."""
    for venue in world.venues.values():
        executed: dict[str, Decimal] = {}
        wanted: dict[str, Decimal] = {}
        for order_id, order in venue.orders.items():
            if ":entry:" in order_id:
                cycle = order_id.split(":")[1]
                executed[cycle] = executed.get(cycle, Decimal(0)) + order.filled
                wanted[cycle] = max(wanted.get(cycle, Decimal(0)), order.request.quantity)
        assert all(executed[cycle] <= wanted[cycle] for cycle in executed), shown(world, f"{executed} of {wanted}")


def recover(world: World) -> None:
    """Let everything go well again: the group comes to rest covered; then, told to flatten, it is flat everywhere."""
    world.price = Decimal(1000)
    for venue in world.venues.values():
        if venue.mode is not AccountMode.ARMED:
            world.set_mode(venue, AccountMode.ARMED)
    world.calm_until(lambda w: w.phase in ("MONITORING", "ENDED", "IDLE") and quiet(w))
    if world.phase == "MONITORING":
        assert abs(sum(world.positions.values())) < SMALLEST, shown(world, f"uncovered: {world.positions}")
    world.operate(OperatorState.FLATTEN)
    world.calm_until(lambda w: w.phase in ("ENDED", "IDLE"))
    still_open = {leg: quantity for leg, quantity in world.positions.items() if abs(quantity) >= LOT}
    assert not still_open, shown(world, f"left open: {still_open}")
    assert not any(venue.working for venue in world.venues.values()), shown(world, "orders left working")


def replay(world: World) -> None:
    """The same events give the same commands and the same state."""
    state = world.machine.start()
    commands: list[Command] = []
    for event in world.events:
        step = world.machine.step(state, event)
        state = step.state
        commands.extend(step.commands)
    assert commands == world.commands
    assert state == world.state


def quiet(world: World) -> bool:
    """Say whether nothing is on its way anywhere."""
    return not any(venue.facts or venue.working or venue.hidden for venue in world.venues.values())


def shown(world: World, text: str) -> str:
    """Return the end of the trace and what is wrong."""
    return "\n".join([*world.trace[-TRACE_SHOWN:], f"!! {text}"])
