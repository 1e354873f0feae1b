"""The flatten against venues that do anything in any order: what is called flat is flat, and calm ends it."""

from collections.abc import Callable
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from strategies.domain.events import OperatorState, OperatorStateSet, Restarted, Started
from strategies.domain.position import FillCause
from strategies.flatten.machine import Flatten
from strategies.flatten.state import FlattenParams, Phase
from strategies.replay import replay
from tests.strategies.flatten.world import Venue, World
from tests.strategies.liquidation_hedge.scene import GROUP, spec

HOLDINGS = st.sampled_from([Decimal(5), Decimal(-5), Decimal("0.7"), Decimal(0)])
SHARES = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.013"), Decimal(0)])


class AnyOrder(RuleBasedStateMachine):
    """Rules are what venues, accounts, operators and time may do."""

    world: World

    @initialize(one=HOLDINGS, two=HOLDINGS, third=st.one_of(st.none(), HOLDINGS))
    def begin(self, one: Decimal, two: Decimal, third: Decimal | None) -> None:
        """Start from any position."""
        held = {"lighter1": one, "lighter2": two} | ({} if third is None else {"backpack": third})
        self.world = World(held, FlattenParams())
        self.world.step(Started(at=self.world.now, group=GROUP))

    def venues(self, wanted: Callable[[Venue], object]) -> list[Venue]:
        """Return the venues that something can happen at."""
        return [venue for venue in self.world.venues.values() if wanted(venue)]

    @precondition(lambda self: self.venues(lambda v: v.facts))
    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        """An account's next fact arrives."""
        self.world.tell(data.draw(st.sampled_from(self.venues(lambda v: v.facts))))

    @precondition(lambda self: self.venues(lambda v: v.working))
    @rule(data=st.data(), share=SHARES)
    def execute(self, data: st.DataObject, share: Decimal) -> None:
        """An order executes, whole, partly, or not at all, and ends."""
        self.world.execute(data.draw(st.sampled_from(self.venues(lambda v: v.working))), share)

    @precondition(lambda self: self.venues(lambda v: v.working))
    @rule(data=st.data())
    def doubt(self, data: st.DataObject) -> None:
        """An answer is lost."""
        self.world.doubt(data.draw(st.sampled_from(self.venues(lambda v: v.working))))

    @precondition(lambda self: self.venues(lambda v: v.asked))
    @rule(data=st.data(), how=st.sampled_from(["truth", "truth", "silence", "zero"]))
    def answer(self, data: st.DataObject, how: str) -> None:
        """A look is answered: truly, with nothing, or with a zero that is not so (the account knows better)."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.asked)))
        self.world.answer(venue, silent=how == "silence", wrong=Decimal(0) if how == "zero" else None)

    @precondition(lambda self: self.world.state.phase is Phase.CLOSING and self.venues(lambda v: v.held))
    @rule(data=st.data(), cause=st.sampled_from([FillCause.LIQUIDATION, FillCause.ADL]))
    def force(self, data: st.DataObject, cause: FillCause) -> None:
        """A venue closes a position itself."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.held)))
        self.world.force(venue, -venue.held, cause)

    @rule(seconds=st.sampled_from([0.3, 1, 3, 15]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.world.wait(seconds)

    @rule()
    def restart(self) -> None:
        """The process is new; what it had asked is never answered."""
        for venue in self.world.venues.values():
            venue.asked = 0
        self.world.step(Restarted(at=self.world.now))

    @rule()
    def press_again(self) -> None:
        """The operator says it once more."""
        event = OperatorStateSet(at=self.world.now, state=OperatorState.FLATTEN, by="operator:anna")
        self.world.step(event)

    def teardown(self) -> None:
        """Calm ends it flat; a replay of the journal, and one from its middle, decide the same."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.calm_down()
        world.check_flat()
        machine = Flatten(spec(*world.venues), world.params)
        again = replay(machine, None, world.journal)
        assert again.divergence is None, str(again.divergence)
        assert again.state == world.state
        half = len(world.journal) // 2
        middle = replay(machine, None, world.journal[:half])
        snapshot = machine.state_from_json(machine.state_to_json(middle.state))
        assert replay(machine, snapshot, world.journal[half:]).state == world.state


TestAnyOrder = AnyOrder.TestCase
