"""The grid against a world where anything happens in any order."""

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from strategies.desk.machine import Desk
from strategies.geometric_grid.params import GeometricGridParams
from strategies.geometric_grid.policy import GeometricGrid
from tests.strategies.desk.any_order import DeskAnyOrder, economical
from tests.strategies.desk.world import DeskWorld
from tests.strategies.liquidation_hedge.scene import spec


class AnyOrder(DeskAnyOrder):
    @initialize(mode=st.sampled_from(["neutral", "long", "short"]), recentre=st.sampled_from([None, "0.001"]))
    def begin(self, mode: str, recentre: str | None) -> None:
        """Start a grid of 9 levels within two per cent."""
        self.mode = mode
        params = GeometricGridParams(
            quantity=1, levels=9, range_fraction="0.02", mode=mode, recentre_beyond=recentre, max_cycles=0
        )
        self.world = DeskWorld(Desk(spec("main"), params, GeometricGrid(params)), GeometricGrid(params))
        self.world.start()

    def money(self) -> None:
        """Never more than the grid's levels are held, and never on the side that the mode forbids."""
        held = self.world.venues["main"].position
        assert abs(held) <= 9, self.world.trace[-60:]
        forbidden = {"long": Decimal(-1), "short": Decimal(1), "neutral": Decimal(0)}[self.mode]
        assert held * forbidden <= 0, self.world.trace[-60:]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = economical()
