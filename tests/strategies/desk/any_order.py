"""What venues, accounts, operators and time may do to any strategy on the desk, in any order."""

from collections.abc import Callable
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.position import FillCause
from tests.strategies.desk.world import DeskWorld, recover
from tests.strategies.liquidation_hedge.world import Venue, VenueOrder

LOT = Decimal("0.001")
MODES = st.sampled_from([AccountMode.DISARMED, AccountMode.FROZEN, *[AccountMode.ARMED] * 3])
SHARES = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.013"), Decimal(0)])


class DeskAnyOrder(RuleBasedStateMachine):
    """The rules. A strategy's own test says how its world begins, and what its money must obey."""

    world: DeskWorld

    def money(self) -> None:
        """Hold the strategy's money invariants; called after every rule. A strategy's test says what they are."""

    def venues(self, wanted: Callable[[Venue], object]) -> list[Venue]:
        """Return the venues that something can happen at."""
        return [venue for venue in self.world.venues.values() if wanted(venue)]

    @precondition(lambda self: self.venues(lambda v: v.facts))
    @rule(data=st.data(), twice=st.booleans(), times=st.integers(1, 4))
    def tell(self, data: st.DataObject, times: int, *, twice: bool) -> None:
        """An account's next facts arrive; fills perhaps twice."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.facts)))
        for _ in range(min(times, len(venue.facts))):
            self.world.tell(venue, twice=twice)

    @precondition(lambda self: self.venues(lambda v: v.working))
    @rule(data=st.data(), share=SHARES, end=st.booleans())
    def execute(self, data: st.DataObject, share: Decimal, *, end: bool) -> None:
        """An order executes, whole or partly, and perhaps ends, asked or not."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.working)))
        order = data.draw(st.sampled_from(venue.working))
        self.world.execute(venue, order, share)
        if end or order.filled == order.request.quantity:
            self.world.end(venue, order)
        self.money()

    @precondition(lambda self: self.world.cancels)
    @rule(data=st.data(), lost=st.booleans())
    def cancel(self, data: st.DataObject, *, lost: bool) -> None:
        """A cancel arrives, after whatever has filled; or it is lost."""
        index = data.draw(st.integers(0, len(self.world.cancels) - 1))
        if lost:
            self.world.cancels.pop(index)
        else:
            self.world.cancel(index)

    @precondition(lambda self: self.venues(untouched))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        """A venue refuses an order."""
        venue = data.draw(st.sampled_from(self.venues(untouched)))
        self.world.reject(venue, untouched(venue)[0])

    @precondition(lambda self: self.venues(untouched))
    @rule(data=st.data(), lost=st.booleans())
    def answer(self, data: st.DataObject, *, lost: bool) -> None:
        """A venue answers an order; the answer may be lost."""
        venue = data.draw(st.sampled_from(self.venues(untouched)))
        act = self.world.lose_answer if lost else self.world.accept
        act(venue, untouched(venue)[0])

    @precondition(lambda self: self.venues(in_doubt))
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        """An account finds out what became of its orders."""
        self.world.prove(data.draw(st.sampled_from(self.venues(in_doubt))))

    @precondition(lambda self: self.world.looks)
    @rule(blind=st.booleans(), stale=st.booleans(), lost=st.booleans())
    def answer_badly(self, *, blind: bool, stale: bool, lost: bool) -> None:
        """A look is not answered, or no venue states a position, or the quotes are old."""
        if lost:
            self.world.looks.popleft()
        else:
            self.world.answer_look(without=list(self.world.venues) if blind else [], stale=stale)

    @precondition(lambda self: self.world.looks)
    @rule()
    def answer_well(self) -> None:
        """What was asked is answered."""
        self.world.answer_look()

    @precondition(lambda self: self.world.timers)
    @rule(times=st.integers(1, 3))
    def fire(self, times: int) -> None:
        """Time passes until the next timers."""
        for _ in range(times):
            if self.world.timers:
                self.world.fire()

    @rule(ms=st.integers(1, 3000), percent=st.integers(-3, 3))
    def drift(self, ms: int, percent: int) -> None:
        """Some time passes, timers that come due are late, and the market moves."""
        self.world.now += ms
        self.world.price = Decimal(1000) + 10 * percent

    @precondition(lambda self: self.venues(lambda v: v.position))
    @rule(data=st.data(), cause=st.sampled_from([FillCause.LIQUIDATION, FillCause.ADL]))
    def force(self, data: st.DataObject, cause: FillCause) -> None:
        """A venue closes a position itself."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.position)))
        self.world.force(venue, -venue.position, cause)

    @rule(data=st.data(), mode=MODES)
    def set_mode(self, data: st.DataObject, mode: AccountMode) -> None:
        """An account may do more, or less."""
        self.world.set_mode(data.draw(st.sampled_from(self.venues(lambda _: True))), mode)

    @rule(state=st.sampled_from([*OperatorState, OperatorState.RUN, OperatorState.RUN]))
    def operate(self, state: OperatorState) -> None:
        """The operator speaks."""
        self.world.operate(state)

    @rule()
    def restart(self) -> None:
        """The group's process dies and comes back; what rests is adopted, and never doubled (the world sees to it)."""
        self.world.restart()

    @rule(steps=st.integers(1, 40))
    def calm(self, steps: int) -> None:
        """For a while everything goes well."""
        for _ in range(steps):
            if self.busy():
                self.world.calm_step()
        self.money()

    def busy(self) -> bool:
        """Say whether anything can happen by itself."""
        world = self.world
        at_venues = any(venue.facts or venue.working for venue in world.venues.values())
        return bool(world.timers or world.looks or world.cancels or at_venues)

    def teardown(self) -> None:
        """When the faults stop, the group gets flat; and the same events decide the same again."""
        if hasattr(self, "world"):
            self.money()
            recover(self.world)


def economical() -> settings:
    """Return a third of the profile's examples: every strategy on the desk plays them, so together they are many."""
    return settings(max_examples=max(settings().max_examples // 3, 1))


def untouched(venue: Venue) -> list[VenueOrder]:
    """Return orders that have neither executed nor lost their answer."""
    return [order for order in venue.working if not order.filled and not order.lost]


def in_doubt(venue: Venue) -> list[VenueOrder]:
    """Return orders whose answer was lost."""
    return [order for order in venue.orders.values() if order.lost]
