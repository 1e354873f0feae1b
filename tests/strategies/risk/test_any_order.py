"""Guarded strategies against a world where anything happens in any order, under limits tight enough to fire."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from strategies.desk.invariants import step_violations, violations
from strategies.desk.machine import Desk
from strategies.domain.account import AccountMode
from strategies.domain.commands import Command, SubmitOrder
from strategies.domain.events import Event, OperatorState, OrderDenied
from strategies.geometric_grid.params import GeometricGridParams
from strategies.geometric_grid.policy import GeometricGrid
from strategies.machine import Step
from strategies.risk import Guarded, GuardedState, Limits, Word
from strategies.simple_hedge.params import SimpleHedgeParams
from strategies.simple_hedge.policy import SimpleHedge
from tests.strategies.desk.any_order import LOT, DeskAnyOrder, economical
from tests.strategies.desk.world import DeskWorld
from tests.strategies.liquidation_hedge.judgement import replay, shown
from tests.strategies.liquidation_hedge.scene import spec
from tests.strategies.liquidation_hedge.world import Venue

D = Decimal
LOWEST, HIGHEST = D(970), D(1030)
"""Marks that the world knows."""
WORDS = st.sampled_from(list(Word))


class Noting(Desk[Any]):
    """A desk that remembers what it ordered, and whether an order that only reduces ever came back denied."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.ordered: dict[str, SubmitOrder] = {}
        self.denied_exits: list[str] = []

    def step(self, state: Any, event: Event) -> Step[Any]:
        if isinstance(event, OrderDenied):
            asked = self.ordered.get(event.order_id)
            if asked is not None and asked.order.reduce_only:
                self.denied_exits.append(f"{event.order_id}: {event.code} {event.detail}")
        step = super().step(state, event)
        self.ordered |= {each.order.order_id: each for each in step.commands if isinstance(each, SubmitOrder)}
        return step


class GuardedWorld(DeskWorld):
    """The desk's world with the gate in front of the desk."""

    def __init__(self, desk: Noting, policy: Any, limits: dict[str, Any]) -> None:
        machine = Guarded(desk, Limits.model_validate(limits))
        super().__init__(machine, policy)
        self.desk = desk
        self.check = _judge(machine, policy)

    def worst(self, venue: Venue) -> Decimal:
        """Return the most that a venue's leg can come to: bids and asks that may enlarge it, each by themselves."""
        bids = asks = D(0)
        for order in venue.working:
            left = order.request.quantity - order.filled
            if not order.request.reduce_only:
                bids += left if order.request.side.sign > 0 else 0
                asks += left if order.request.side.sign < 0 else 0
        return max(abs(venue.position + bids), abs(venue.position - asks))


def _judge(machine: Any, policy: Any) -> Callable[[Any, Any, Sequence[Command]], list[str]]:
    def check(before: GuardedState, after: GuardedState, commands: Sequence[Command]) -> list[str]:
        found = [*violations(after.inner, policy), *step_violations(before.inner, after.inner, commands)]
        wrong = [f"!! {violation.name}: {violation.detail}" for violation in found]
        if machine.state_from_json(machine.state_to_json(after)) != after:
            wrong.append("!! the state does not survive its snapshot")
        closed = [latch for latch in before.reached if latch in after.reached and latch.word is not Word.PAUSE]
        net = abs(machine.view(before).net) + abs(machine.view(after).net)
        for command in commands:
            if not isinstance(command, SubmitOrder) or command.order.reduce_only or not closed:
                continue
            held = machine.view(after).legs[_leg_of(machine, after, command.account)].believed
            if held * command.order.signed_quantity >= 0 and net <= LOT:
                wrong.append(f"!! {command.order.order_id} grows while {closed[0].of} is reached")
        return wrong

    return check


def _leg_of(machine: Any, state: Any, account: str) -> str:
    return next(name for name, leg in machine.view(state).legs.items() if leg.account == account)


class _Guarded(DeskAnyOrder):
    """What both strategies have in common."""

    most: Decimal

    def money(self) -> None:
        """No leg can come to hold more than its limit at the lowest mark at which the gate may have judged it.

        No more orders within a minute than the rate, but for those that only reduce or shrink; no exit is denied.
        """
        world = self.world
        assert isinstance(world, GuardedWorld)
        for venue in world.venues.values():
            assert world.worst(venue) * LOWEST <= self.most, shown(
                world, f"{venue.leg} may come to {world.worst(venue)}"
            )
        assert not world.desk.denied_exits, shown(world, str(world.desk.denied_exits))

    def teardown(self) -> None:
        """When the faults stop, the group gets flat whatever its limits say; and the same events decide the same."""
        if not hasattr(self, "world"):
            return
        self.money()
        world = self.world
        world.price = D(1000)
        world.fills_resting = False
        for venue in world.venues.values():
            if venue.mode is not AccountMode.ARMED:
                world.set_mode(venue, AccountMode.ARMED)
        world.operate(OperatorState.FLATTEN)
        world.calm_until(lambda w: w.phase in ("ENDED", "IDLE") and not any(v.facts for v in w.venues.values()))
        left = {leg: quantity for leg, quantity in world.positions.items() if abs(quantity) >= LOT}
        assert not left, shown(world, f"left open: {left}")
        for venue in world.venues.values():
            ledger = world.state.legs[venue.account].ledger if venue.account in world.state.legs else None
            held = D(0) if ledger is None else ledger.quantity
            assert held == venue.position, shown(world, f"the gate counts {held}, the venue holds {venue.position}")
        replay(world)


class GridAnyOrder(_Guarded):
    @initialize(mode=st.sampled_from(["neutral", "long"]), loss=WORDS, size=WORDS, naked=WORDS)
    def begin(self, mode: str, loss: Word, size: Word, naked: Word) -> None:
        """Start a grid of 9 levels of which the limit allows 4, with a loss that two moves of the price can bring."""
        params = GeometricGridParams(quantity=1, levels=9, range_fraction="0.02", mode=mode, max_cycles=0)
        policy = GeometricGrid(params)
        self.most = D(4200)
        limits = {
            "max_leg_notional_usd": self.most,
            "at_leg_notional_usd": size,
            "max_loss_usd_per_day": 20,
            "at_loss_usd_per_day": loss,
            "max_naked_seconds_per_day": 5,
            "at_naked_seconds_per_day": naked,
            "max_drawdown_usd": 60,
        }
        self.world = GuardedWorld(Noting(spec("main"), params, policy), policy, limits)
        self.world.start()


class HedgeAnyOrder(_Guarded):
    @initialize(loss=WORDS, rate=st.sampled_from([3, 20]), word=WORDS, usd=st.sampled_from(["2", "20"]))
    def begin(self, loss: Word, rate: int, word: Word, usd: str) -> None:
        """Start a hedge of 5 in slices of 2, with few orders a minute and little slippage."""
        params = SimpleHedgeParams(quantity=5, slice_quantity=2, hold_s=20, max_cycles=0)
        policy = SimpleHedge(params)
        self.most = D(5300)
        limits = {
            "accounts": {"lead": {"max_notional_usd": self.most}, "follow": {"max_notional_usd": self.most}},
            "max_orders_per_minute": rate,
            "at_orders_per_minute": word,
            "max_slippage_usd": usd,
            "max_loss_usd_per_day": 10,
            "at_loss_usd_per_day": loss,
            "max_naked_usd_seconds_per_day": 3000,
        }
        self.world = GuardedWorld(Noting(spec("lead", "follow"), params, policy), policy, limits)
        self.world.start()


TestGridAnyOrder = GridAnyOrder.TestCase
TestGridAnyOrder.settings = economical()
TestHedgeAnyOrder = HedgeAnyOrder.TestCase
TestHedgeAnyOrder.settings = economical()
