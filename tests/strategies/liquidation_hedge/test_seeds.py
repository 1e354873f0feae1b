"""One seed, one storm: faults at random over whole cycles, then calm; the world's own books judge."""

import os
from decimal import Decimal
from random import Random

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.machine import LiquidationHedge
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.risk import Limits
from tests.strategies.liquidation_hedge.judgement import LOT, judge, nothing_was_bought_twice, recover, replay
from tests.strategies.liquidation_hedge.scene import spec
from tests.strategies.liquidation_hedge.world import Venue, VenueOrder, World

SEEDS = int(os.environ.get("HEDGE_SEEDS", "40"))
EVENTS = 250
SHARES = [Decimal(1), Decimal(1), Decimal("0.5"), Decimal("0.013"), Decimal("0.3"), Decimal(0)]
FORCED = [FillCause.LIQUIDATION, FillCause.LIQUIDATION, FillCause.ADL, FillCause.SETTLEMENT, FillCause.FOREIGN]


class Storm:
    """Chooses what happens next, by its own seeded chance."""

    def __init__(self, seed: int) -> None:
        """Make a group of its own for each seed."""
        self.chance = chance = Random(seed)
        self.wild = chance.choice([0.02, 0.1, 0.3])
        self.late_fills = False
        self.params = LiquidationHedgeParams(
            usable_fraction=1,
            direction=chance.choice(["long_backpack", "short_backpack"]),
            timeout_s=chance.choice([30, 300]),
            max_cycles=chance.choice([1, 3]),
            leverage=chance.choice([50, 50, 20]),
            test_mode=chance.random() < 0.2,
        )
        legs = ("backpack", "lighter1", "lighter2") if chance.random() < 0.8 else ("backpack", "lighter1")
        machine = LiquidationHedge(spec(*legs), self.params, Limits())
        self.world = World(machine, judge(machine, self.params))
        self.world.start()

    def odds(self, probability: float) -> bool:
        """Say yes so often, more in a wild storm."""
        return self.chance.random() < probability * self.wild

    def blow(self) -> None:
        """Do one thing."""
        if self.odds(0.3):
            self.trouble()
        chores = [*self.chores()]
        if not chores or self.odds(0.2):
            if self.world.timers:
                self.world.fire()
            return
        self.chance.choice(chores)()

    def chores(self):
        """Yield everything that could happen next without any time passing."""
        world = self.world
        for venue in world.venues.values():
            if venue.facts:
                yield lambda v=venue: world.tell(v, twice=self.odds(0.5))
            if venue.working:
                yield lambda v=venue: self.work(v, self.chance.choice(v.working))
            if venue.hidden and self.odds(0.3):
                yield lambda v=venue: world.prove(v)
            if any(order.lost for order in venue.orders.values()) and self.odds(0.5):
                yield lambda v=venue: world.prove(v)
            if venue.leverage_wanted is not None:
                yield lambda v=venue: world.answer_leverage(v, refuse=self.odds(1))
        if world.looks:
            yield self.answer
        if world.draws:
            yield world.answer_draw

    def work(self, venue: Venue, order: VenueOrder) -> None:
        """Let an order meet its fate."""
        world = self.world
        if not order.lost and self.odds(0.4):
            world.lose_answer(venue, order)
        if self.odds(0.5) and not order.lost and not order.filled:
            world.reject(venue, order)
            return
        if self.odds(0.3):
            world.accept(venue, order)
        world.execute(venue, order, self.chance.choice(SHARES) if self.odds(2) else Decimal(1))
        if not self.odds(0.5):
            world.end(venue, order)

    def answer(self) -> None:
        """Answer a look, or do not."""
        if self.odds(0.3):
            self.world.looks.popleft()
            return
        blind = [leg for leg in self.world.venues if self.odds(0.3)]
        self.world.answer_look(without=blind, stale=self.odds(0.2))

    def trouble(self) -> None:
        """Do something that nobody asked for."""
        world, chance = self.world, self.chance
        venue = chance.choice(list(world.venues.values()))
        match chance.randrange(9):
            case 0 | 1:
                share = chance.choice([Decimal(1), Decimal(1), Decimal("0.4")])
                quantity = (venue.position * share / LOT).to_integral_value() * LOT
                world.force(venue, -quantity, chance.choice(FORCED), hidden=chance.random() < 0.3)
            case 2:
                world.restart()
            case 3:
                world.operate(chance.choice([*OperatorState, *[OperatorState.RUN] * 6]))
            case 4:
                world.set_mode(
                    venue, chance.choice([AccountMode.DISARMED, *[AccountMode.ARMED] * 3, AccountMode.FROZEN])
                )
            case 5:
                ended = [o for o in venue.orders.values() if o.told and o.filled < o.request.quantity]
                if ended:
                    self.late_fills = True
                    world.fill_late(venue, ended[-1])
            case 6:
                venue.facts.rotate(-1)  # a fact is overtaken by the ones behind it
            case 7:
                world.price = Decimal(1000 + 10 * chance.randrange(-2, 3))
                world.now += chance.randrange(3000)
            case _:
                if venue.hidden and not any(order.lost for order in venue.orders.values()):
                    world.adjust(venue)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_storm_ends_flat(seed: int) -> None:
    """Whatever happens on the way, nothing is bought twice, the end is flat, and a replay decides the same."""
    storm = Storm(seed)
    for _ in range(EVENTS):
        storm.blow()
        if storm.world.phase == "ENDED" and not storm.odds(0.5):
            storm.world.operate(OperatorState.RUN)
            break
    if not storm.late_fills:
        nothing_was_bought_twice(storm.world)
    recover(storm.world)
    replay(storm.world)
