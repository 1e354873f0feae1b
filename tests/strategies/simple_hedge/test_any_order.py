"""The simple hedge against a world where anything happens in any order."""

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from strategies.desk.machine import Desk
from strategies.simple_hedge.params import SimpleHedgeParams
from strategies.simple_hedge.policy import SimpleHedge
from tests.strategies.desk.any_order import DeskAnyOrder, economical
from tests.strategies.desk.world import DeskWorld
from tests.strategies.liquidation_hedge.scene import spec


class AnyOrder(DeskAnyOrder):
    @initialize(
        side=st.sampled_from(["BUY", "SELL"]),
        slice_quantity=st.sampled_from([None, "2"]),
        on_timeout=st.sampled_from(["take", "keep"]),
        hold_s=st.sampled_from([0, 20]),
    )
    def begin(self, side: str, slice_quantity: str | None, on_timeout: str, hold_s: int) -> None:
        """Start a group."""
        params = SimpleHedgeParams(
            lead_side=side,
            quantity=5,
            slice_quantity=slice_quantity,
            on_timeout=on_timeout,
            hold_s=hold_s,
            max_cycles=2,
        )
        policy = SimpleHedge(params)
        self.world = DeskWorld(Desk(spec("lead", "follow"), params, policy), policy)
        self.world.start()

    def money(self) -> None:
        """In each cycle the lead executes no more than the target, however cancels and fills race."""
        executed: dict[str, Decimal] = {}
        for order_id, order in self.world.venues["lead"].orders.items():
            _, cycle, _, slot, _ = order_id.split(":")
            if slot == "entry":
                executed[cycle] = executed.get(cycle, Decimal(0)) + order.filled
        assert all(each <= 5 for each in executed.values()), f"{executed}\n" + "\n".join(self.world.trace[-80:])


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = economical()
