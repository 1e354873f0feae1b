"""The hedge's small world with orders that rest: cancels arrive, race fills, or get lost."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from strategies.desk.invariants import step_violations, violations
from strategies.desk.policy import Policy
from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelAllOrders, CancelOrder, Command
from strategies.domain.events import OperatorState
from strategies.domain.order import TimeInForce
from tests.strategies.liquidation_hedge.judgement import replay, shown
from tests.strategies.liquidation_hedge.world import Venue, VenueOrder, World

LOT = Decimal("0.001")


class DeskWorld(World):
    """A world whose venues let orders rest. `cancels` are on their way: a test lets them arrive, late, or never."""

    def __init__(self, machine: Any, policy: Policy[Any]) -> None:
        super().__init__(machine, _judge(machine, policy))
        self.cancels: list[tuple[Venue, VenueOrder]] = []
        self.fills_resting = True

    def _take(self, command: Command) -> None:
        match command:
            case CancelOrder(account=account, order_id=order_id):
                venue = self.venue_of(account)
                if order_id in venue.orders:
                    self.cancels.append((venue, venue.orders[order_id]))
            case CancelAllOrders(account=account):
                venue = self.venue_of(account)
                self.cancels.extend((venue, order) for order in venue.working)
            case _:
                super()._take(command)

    def cancel(self, index: int = 0) -> None:
        """Let a cancel arrive: what still works ends, with what it has filled."""
        venue, order = self.cancels.pop(index)
        if not order.ended:
            self.end(venue, order)

    def resting(self, venue: Venue) -> list[VenueOrder]:
        """Return what rests at a venue."""
        return [order for order in venue.working if order.request.time_in_force is TimeInForce.GTC]

    def calm_step(self) -> None:
        """Do the next thing that a faultless world would do: cancels first, then facts, orders, looks, time."""
        if self.cancels:
            self.cancel()
            return
        for venue in self.venues.values():
            if venue.facts or venue.hidden or any(order.lost for order in venue.orders.values()):
                super().calm_step()
                return
            done = [order for order in venue.working if order not in self.resting(venue)]
            if done:
                self.execute(venue, done[0])
                self.end(venue, done[0])
                return
        if self.looks:
            self.answer_look()
            return
        for venue in self.venues.values():
            if self.fills_resting and self.resting(venue):
                order = self.resting(venue)[0]
                self.execute(venue, order)
                self.end(venue, order)
                return
        self.fire()


def _judge(machine: Any, policy: Policy[Any]) -> Callable[[Any, Any, Sequence[Command]], list[str]]:
    def check(before: Any, after: Any, commands: Sequence[Command]) -> list[str]:
        found = [*violations(after, policy), *step_violations(before, after, commands)]
        wrong = [f"!! {violation.name}: {violation.detail}" for violation in found]
        if machine.state_from_json(machine.state_to_json(after)) != after:
            wrong.append("!! the state does not survive its snapshot")
        return wrong

    return check


def recover(world: DeskWorld) -> None:
    """Let everything go well again and say FLATTEN: flat everywhere, nothing rests, and a replay decides the same."""
    world.price = Decimal(1000)
    world.fills_resting = False
    for venue in world.venues.values():
        if venue.mode is not AccountMode.ARMED:
            world.set_mode(venue, AccountMode.ARMED)
    world.operate(OperatorState.FLATTEN)
    world.calm_until(lambda w: w.phase in ("ENDED", "IDLE") and not any(v.facts for v in w.venues.values()))
    still_open = {leg: quantity for leg, quantity in world.positions.items() if abs(quantity) >= LOT}
    assert not still_open, shown(world, f"left open: {still_open}")
    assert not any(venue.working for venue in world.venues.values()), shown(world, "orders left working")
    for leg, venue in world.venues.items():
        held = world.state.legs[leg].held
        assert held == venue.position, shown(world, f"{leg} believes {held}, the venue holds {venue.position}")
    replay(world)
