"""The ladder against a world where anything happens in any order."""

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from strategies.desk.machine import Desk
from strategies.trend_ladder.params import TrendLadderParams
from strategies.trend_ladder.policy import TrendLadder
from tests.strategies.desk.any_order import DeskAnyOrder, economical
from tests.strategies.desk.world import DeskWorld
from tests.strategies.liquidation_hedge.scene import spec


class AnyOrder(DeskAnyOrder):
    @initialize(
        direction=st.sampled_from(["long", "short", "trend"]),
        partial=st.sampled_from(["0", "0.5"]),
        stop=st.sampled_from([None, "0.01"]),
    )
    def begin(self, direction: str, partial: str, stop: str | None) -> None:
        """Start a ladder of three rungs."""
        self.direction = direction
        params = TrendLadderParams(
            quantity=1,
            direction=direction,
            max_orders=3,
            wait_s=0,
            wait_full_s=5,
            partial_share=partial,
            stop_distance=stop,
            bar_s=1,
            period=2,
            slope_min="0.01",
            max_cycles=0,
        )
        self.world = DeskWorld(Desk(spec("main"), params, TrendLadder(params)), TrendLadder(params))
        self.world.start()

    def money(self) -> None:
        """Never more than three rungs are held, and none on the side that is not entered."""
        held = self.world.venues["main"].position
        assert abs(held) <= 3, self.world.trace[-60:]
        forbidden = {"long": Decimal(-1), "short": Decimal(1), "trend": Decimal(0)}[self.direction]
        assert held * forbidden <= 0, self.world.trace[-60:]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = economical()
