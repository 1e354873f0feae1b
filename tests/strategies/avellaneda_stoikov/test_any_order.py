"""The market maker against a world where anything happens in any order."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from strategies.avellaneda_stoikov.params import AvellanedaStoikovParams
from strategies.avellaneda_stoikov.policy import AvellanedaStoikov
from strategies.desk.machine import Desk
from tests.strategies.desk.any_order import DeskAnyOrder, economical
from tests.strategies.desk.world import DeskWorld
from tests.strategies.liquidation_hedge.scene import spec


class AnyOrder(DeskAnyOrder):
    @initialize(recovery=st.sampled_from([None, 0, 1]), stop=st.sampled_from([None, "20"]))
    def begin(self, recovery: int | None, stop: str | None) -> None:
        """Start a maker that may hold three orders."""
        params = AvellanedaStoikovParams(
            quantity=1, warm_up_looks=1, max_inventory=3, recovery_inventory=recovery, stop_loss_usd=stop, max_cycles=0
        )
        self.world = DeskWorld(Desk(spec("main"), params, AvellanedaStoikov(params)), AvellanedaStoikov(params))
        self.world.start()

    def money(self) -> None:
        """A quote that was out when the other side filled may still fill: never more than its bound and one quote."""
        assert abs(self.world.venues["main"].position) <= 4, self.world.trace[-60:]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = economical()
