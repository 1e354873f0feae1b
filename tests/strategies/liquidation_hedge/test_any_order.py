"""The hedge machine against a world where anything happens in any order: what must hold holds after every step."""

from collections.abc import Callable
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from strategies.domain.account import AccountMode
from strategies.domain.events import Filled, OperatorState
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.machine import LiquidationHedge
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.risk import Limits
from tests.strategies.liquidation_hedge.judgement import judge, nothing_was_bought_twice, recover, replay
from tests.strategies.liquidation_hedge.scene import spec
from tests.strategies.liquidation_hedge.world import Venue, VenueOrder, World

LOT = Decimal("0.01")
LEGS = st.sampled_from(["backpack", "lighter1", "lighter2"])
SHARES = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.013"), Decimal(0)])
FORCED = st.sampled_from([FillCause.LIQUIDATION, FillCause.ADL, FillCause.SETTLEMENT, FillCause.FOREIGN])


class AnyOrder(RuleBasedStateMachine):
    """Rules are what venues, accounts, operators and time may do; they never do what a venue cannot."""

    world: World
    params: LiquidationHedgeParams
    late_fills = False

    @initialize(
        direction=st.sampled_from(["long_backpack", "short_backpack"]),
        third=st.sampled_from([True, True, False]),
        timeout_s=st.sampled_from([8, 60, 86400]),
        leverage=st.sampled_from([50, 20]),
    )
    def begin(self, direction: str, timeout_s: int, leverage: int, *, third: bool) -> None:
        """Start a group."""
        self.params = LiquidationHedgeParams(
            usable_fraction=1, direction=direction, timeout_s=timeout_s, leverage=leverage, max_cycles=2
        )
        legs = ("backpack", "lighter1", "lighter2") if third else ("backpack", "lighter1")
        self.machine = LiquidationHedge(spec(*legs), self.params, Limits())
        self.world = World(self.machine, judge(self.machine, self.params))
        self.world.start()

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
    @rule(data=st.data(), share=SHARES, end=st.booleans(), hidden=st.booleans())
    def execute(self, data: st.DataObject, share: Decimal, *, end: bool, hidden: bool) -> None:
        """An order executes, whole or partly, and perhaps ends."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.working)))
        order = data.draw(st.sampled_from(venue.working))
        self.world.execute(venue, order, share, hidden=hidden and order.lost)
        if end:
            self.world.end(venue, order)

    @precondition(lambda self: self.venues(untouched))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        """A venue refuses an order."""
        venue = data.draw(st.sampled_from(self.venues(untouched)))
        self.world.reject(venue, untouched(venue)[0])

    @precondition(lambda self: self.venues(answerable))
    @rule(data=st.data(), lost=st.booleans())
    def answer(self, data: st.DataObject, *, lost: bool) -> None:
        """A venue answers an order, before or after its fills; the answer may be lost."""
        venue = data.draw(st.sampled_from(self.venues(answerable)))
        act = self.world.lose_answer if lost else self.world.accept
        act(venue, answerable(venue)[0])

    @precondition(lambda self: self.venues(in_doubt))
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        """An account finds out what became of its orders."""
        self.world.prove(data.draw(st.sampled_from(self.venues(in_doubt))))

    @precondition(lambda self: self.venues(unfinished))
    @rule(data=st.data())
    def fill_late(self, data: st.DataObject) -> None:
        """An order that had ended executes what it had left."""
        venue = data.draw(st.sampled_from(self.venues(unfinished)))
        self.late_fills = True
        self.world.fill_late(venue, unfinished(venue)[-1])

    @precondition(lambda self: self.venues(lambda v: v.facts and isinstance(v.facts[0], Filled)))
    @rule(data=st.data())
    def delay_fill(self, data: st.DataObject) -> None:
        """A fill is overtaken by whatever the account tells next."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.facts and isinstance(v.facts[0], Filled))))
        venue.facts.rotate(-1)

    @precondition(lambda self: self.world.looks)
    @rule(blind=st.lists(LEGS, max_size=2), stale=st.booleans(), lost=st.booleans())
    def answer_badly(self, blind: list[str], *, stale: bool, lost: bool) -> None:
        """A look is not answered, or some venues give an HTTP 500, or some quotes are old."""
        if lost:
            self.world.looks.popleft()
        else:
            self.world.answer_look(without=blind, stale=stale)

    @precondition(lambda self: self.world.looks or self.world.draws)
    @rule()
    def answer_well(self) -> None:
        """Whatever was asked is answered."""
        if self.world.looks:
            self.world.answer_look()
        if self.world.draws:
            self.world.answer_draw()

    @precondition(lambda self: self.venues(lambda v: v.leverage_wanted))
    @rule(data=st.data(), refuse=st.booleans())
    def answer_leverage(self, data: st.DataObject, *, refuse: bool) -> None:
        """A request for leverage is answered."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.leverage_wanted)))
        self.world.answer_leverage(venue, refuse=refuse)

    @precondition(lambda self: self.world.timers)
    @rule(times=st.integers(1, 3))
    def fire(self, times: int) -> None:
        """Time passes until the next timers."""
        for _ in range(times):
            if self.world.timers:
                self.world.fire()

    @rule(ms=st.integers(1, 3000), percent=st.integers(-2, 2))
    def drift(self, ms: int, percent: int) -> None:
        """Some time passes, timers that come due are late, and the market moves."""
        self.world.now += ms
        self.world.price = Decimal(1000) + 10 * percent

    @precondition(lambda self: self.venues(lambda v: v.position))
    @rule(data=st.data(), share=st.sampled_from([Decimal(1), Decimal("0.4")]), cause=FORCED, hidden=st.booleans())
    def force(self, data: st.DataObject, share: Decimal, cause: FillCause, *, hidden: bool) -> None:
        """A venue, or a stranger, closes some of a leg; the account may not hear of it."""
        venue = data.draw(st.sampled_from(self.venues(lambda v: v.position)))
        quantity = (venue.position * share / LOT).to_integral_value() * LOT
        self.world.force(venue, -quantity, cause, hidden=hidden)

    @precondition(lambda self: self.venues(unheard))
    @rule(data=st.data(), heard=st.booleans())
    def hear(self, data: st.DataObject, *, heard: bool) -> None:
        """An account hears of fills that it missed, or gives up on them and follows its venue."""
        venue = data.draw(st.sampled_from(self.venues(unheard)))
        act = self.world.reveal if heard else self.world.adjust
        act(venue)

    @rule(
        leg=LEGS, mode=st.sampled_from([AccountMode.DISARMED, AccountMode.ARMED, AccountMode.ARMED, AccountMode.FROZEN])
    )
    def set_mode(self, leg: str, mode: AccountMode) -> None:
        """An account may do more, or less."""
        if leg in self.world.venues:
            self.world.set_mode(self.world.venues[leg], mode)

    @rule(state=st.sampled_from([*OperatorState, OperatorState.RUN, OperatorState.RUN, OperatorState.REDUCE]))
    def operate(self, state: OperatorState) -> None:
        """The operator speaks."""
        self.world.operate(state)

    @rule()
    def restart(self) -> None:
        """The group's process dies and comes back."""
        self.world.restart()

    @rule(steps=st.integers(1, 25))
    def calm(self, steps: int) -> None:
        """For a while everything goes well."""
        for _ in range(steps):
            if busy(self.world):
                self.world.calm_step()

    @rule(phase=st.sampled_from(["ENTERING", "WAITING", "SECOND", "BALANCING", "MONITORING"]))
    def arrive(self, phase: str) -> None:
        """For a while everything goes well, until the group is somewhere."""
        for _ in range(80):
            if self.world.phase == phase or not busy(self.world):
                return
            self.world.calm_step()

    def teardown(self) -> None:
        """When the faults stop, the group gets flat; and the same events decide the same again."""
        if hasattr(self, "world"):
            if not self.late_fills:
                nothing_was_bought_twice(self.world)
            recover(self.world)
            replay(self.world)


def untouched(venue: Venue) -> list[VenueOrder]:
    """Return orders that can still be refused."""
    return [order for order in venue.working if not order.filled and not order.lost]


def answerable(venue: Venue) -> list[VenueOrder]:
    """Return orders whose answer can still come, or get lost."""
    return [order for order in venue.working if not order.lost]


def in_doubt(venue: Venue) -> list[VenueOrder]:
    """Return orders whose answer was lost."""
    return [order for order in venue.orders.values() if order.lost]


def unfinished(venue: Venue) -> list[VenueOrder]:
    """Return orders that ended with something left."""
    return [order for order in venue.orders.values() if order.told and order.filled < order.request.quantity]


def unheard(venue: Venue) -> bool:
    """Say whether the account missed fills, and none of its orders is in doubt."""
    return bool(venue.hidden) and not in_doubt(venue)


def busy(world: World) -> bool:
    """Say whether anything can happen by itself."""
    return bool(world.timers or world.looks or any(venue.facts or venue.working for venue in world.venues.values()))


TestAnyOrder = AnyOrder.TestCase
