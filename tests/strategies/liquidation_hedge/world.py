"""A small world for the machine: venues with true positions, account actors that tell facts in order, a clock.

Nothing happens by itself. A test chooses what happens next: an order executes, whole or partly, or is refused; its
answer is lost; a fact arrives, twice; a look is answered, in part, or never; time passes; a venue liquidates. The world
judges by its own books: what was truly bought, and whether any order was placed twice.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from strategies.domain.account import AccountMode, Balance, LegObservation, ReportedPosition
from strategies.domain.commands import (
    CancelAllOrders,
    CancelTimer,
    Command,
    DrawRandom,
    Notify,
    Observe,
    SetLeverage,
    SetTimer,
    SubmitOrder,
)
from strategies.domain.events import (
    AccountEvent,
    AccountModeChanged,
    Event,
    Filled,
    LeverageRefused,
    LeverageSet,
    Observed,
    OperatorState,
    OperatorStateSet,
    OrderAccepted,
    OrderClosed,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
    PositionAdjusted,
    RandomDrawn,
    Restarted,
    Started,
    TimerFired,
)
from strategies.domain.ids import LegName, OrderId, TimerName, Timestamp
from strategies.domain.order import OrderRequest
from strategies.domain.position import Fill, FillCause
from strategies.domain.quote import Quote
from tests.playbook import NOON
from tests.strategies.liquidation_hedge.scene import GROUP, INSTRUMENT, LEGS, instrument
from tests.trace import command_line, event_line

ZERO = Decimal(0)
LATENCY_MS = 20
"""Time that passes with every delivered event: nothing in the world is simultaneous."""


@dataclass
class VenueOrder:
    """An order as the venue has it."""

    request: OrderRequest
    filled: Decimal = ZERO
    ended: bool = False
    told: bool = False  # its end is a fact that the account has published
    lost: bool = False  # its answer was lost: the account does not know of it yet


@dataclass
class Venue:
    """One venue with its account actor in front of it."""

    leg: LegName
    position: Decimal = ZERO
    believed: Decimal = ZERO  # what the account's published fills add up to
    leverage: Decimal = Decimal(50)
    available: Decimal = Decimal("100.1")
    mode: AccountMode = AccountMode.ARMED
    orders: dict[OrderId, VenueOrder] = field(default_factory=dict)
    facts: deque[AccountEvent] = field(default_factory=deque)
    hidden: list[Fill] = field(default_factory=list)  # executed, but the account has not heard
    last: Filled | None = None
    leverage_wanted: Decimal | None = None

    @property
    def account(self) -> str:
        """Return the account's name."""
        return LEGS[self.leg]

    @property
    def working(self) -> list[VenueOrder]:
        """Return orders that can still execute, oldest first."""
        return [order for order in self.orders.values() if not order.ended]


class World:
    """The machine, its venues and the clock between them."""

    def __init__(self, machine: Any, check: Callable[[Any, Any, Sequence[Command]], list[str]] | None = None) -> None:
        """Put `machine` into a world; `check` sees every step and returns what is wrong with it."""
        self.machine = machine
        self.check = check
        self.state = machine.start()
        self.now = int(NOON)
        self.price = Decimal(1000)
        names = [LegName(leg) for leg in machine.view(self.state).legs]
        self.venues = {leg: Venue(leg) for leg in names}
        self.timers: dict[TimerName, Timestamp] = {}
        self.looks: deque[tuple[LegName, ...]] = deque()
        self.draws: deque[DrawRandom] = deque()
        self.trace: list[str] = []
        self.events: list[Event] = []
        self.commands: list[Command] = []
        self.notes: list[Notify] = []
        self._trades = 0

    # --- the machine ---------------------------------------------------------------------------------------------

    def deliver(self, event: Event) -> None:
        """Give the machine one event and take its commands."""
        self.trace.append(f"{(self.now - NOON) / 1000:9.3f} >> {event_line(event)}")
        before = self.state
        step = self.machine.step(before, event)
        self.state = step.state
        self.events.append(event)
        for command in step.commands:
            self.trace.append(f"{'':9} << {command_line(command, Timestamp(self.now))}")
            self.commands.append(command)
            self._take(command)
        if self.check is not None:
            wrong = self.check(before, step.state, step.commands)
            assert not wrong, "\n".join([*self.trace[-60:], *wrong])
        self.now += LATENCY_MS

    def at(self) -> Timestamp:
        """Return the time."""
        return Timestamp(self.now)

    def _take(self, command: Command) -> None:
        match command:
            case SubmitOrder(account=account, order=order):
                venue = self.venue_of(account)
                assert order.order_id not in venue.orders, f"{order.order_id} was sent twice"
                venue.orders[order.order_id] = VenueOrder(order)
                venue.facts.append(OrderSubmitted(at=self.at(), account=account, order_id=order.order_id))
            case Observe(legs=legs):
                self.looks.append(legs)
            case SetTimer(timer=timer, due_at=due_at):
                self.timers[timer] = due_at
            case CancelTimer(timer=timer):
                self.timers.pop(timer, None)
            case DrawRandom():
                self.draws.append(command)
            case SetLeverage(account=account, leverage=leverage):
                self.venue_of(account).leverage_wanted = leverage
            case CancelAllOrders() | Notify():
                if isinstance(command, Notify):
                    self.notes.append(command)

    def venue_of(self, account: str) -> Venue:
        """Return an account's venue."""
        return next(venue for venue in self.venues.values() if venue.account == account)

    def start(self, state: OperatorState = OperatorState.RUN) -> None:
        """Begin as the shell does: Started, then what the config says."""
        self.deliver(Started(at=self.at(), group=GROUP))
        self.operate(state, by="config")

    def operate(self, state: OperatorState, by: str = "operator:anna") -> None:
        """Let the operator speak."""
        self.deliver(OperatorStateSet(at=self.at(), state=state, by=by))

    def restart(self) -> None:
        """Kill the machine's process and start it again from its snapshot: timers, looks and draws are gone."""
        self.state = self.machine.state_from_json(self.machine.state_to_json(self.state))
        self.timers.clear()
        self.looks.clear()
        self.draws.clear()
        self.deliver(Restarted(at=self.at()))

    # --- what a venue does ---------------------------------------------------------------------------------------

    def execute(self, venue: Venue, order: VenueOrder, share: Decimal = Decimal(1), *, hidden: bool = False) -> None:
        """Execute a share of an order's rest, in whole lots; a reduce-only order never beyond flat."""
        request = order.request
        rest = request.quantity - order.filled
        if request.reduce_only:
            room = -venue.position * request.side.sign
            rest = min(rest, max(room, ZERO))
        lot = instrument(venue.leg).lot
        quantity = (rest * share / lot).to_integral_value(rounding="ROUND_FLOOR") * lot
        if quantity > 0:
            order.filled += quantity
            self._trade(venue, quantity * request.side.sign, FillCause.ORDER, request.order_id, hidden=hidden)

    def end(self, venue: Venue, order: VenueOrder) -> None:
        """End an order at the venue; the account tells it unless the answer was lost."""
        order.ended = True
        if not order.lost:
            self._tell_end(venue, order)

    def _tell_end(self, venue: Venue, order: VenueOrder) -> None:
        order.told = True
        whole = order.filled == order.request.quantity
        venue.facts.append(
            OrderClosed(
                at=self.at(),
                account=venue.account,
                order_id=order.request.order_id,
                status="FILLED" if whole else "CANCELED",
                filled=order.filled,
            )
        )

    def reject(self, venue: Venue, order: VenueOrder) -> None:
        """Refuse an order that has not executed."""
        order.ended = order.told = True
        venue.facts.append(
            OrderRejected(
                at=self.at(), account=venue.account, order_id=order.request.order_id, code="MARGIN", detail="refused"
            )
        )

    def accept(self, venue: Venue, order: VenueOrder) -> None:
        """Answer an order."""
        venue.facts.append(OrderAccepted(at=self.at(), account=venue.account, order_id=order.request.order_id))

    def lose_answer(self, venue: Venue, order: VenueOrder) -> None:
        """Lose the answer: what the order does from now on, the account does not hear."""
        order.lost = True
        venue.facts.append(
            OrderOutcomeUnknown(at=self.at(), account=venue.account, order_id=order.request.order_id, reason="time-out")
        )

    def fill_late(self, venue: Venue, order: VenueOrder) -> None:
        """Execute what an order had left, after its end was told."""
        self.execute(venue, order)

    def adjust(self, venue: Venue) -> None:
        """Let the account give up on fills it never heard of, and follow its venue."""
        before, venue.believed = venue.believed, venue.position
        venue.hidden.clear()
        venue.facts.append(
            PositionAdjusted(
                at=self.at(), account=venue.account, before=before, after=venue.position, reason="two statements agree"
            )
        )

    def prove(self, venue: Venue) -> None:
        """Let the account find out what became of its lost orders: late fills, then their ends."""
        self.reveal(venue)
        for order in venue.orders.values():
            if order.lost and order.ended and not order.told:
                self._tell_end(venue, order)
            if order.lost:
                order.lost = False

    def reveal(self, venue: Venue) -> None:
        """Let the account hear of fills that it missed."""
        for fill in venue.hidden:
            self._publish(venue, fill)
        venue.hidden.clear()

    def force(self, venue: Venue, signed: Decimal, cause: FillCause, *, hidden: bool = False) -> None:
        """Let the venue, or a stranger, trade on the account."""
        if signed != 0:
            self._trade(venue, signed, cause, None, hidden=hidden)

    def _trade(
        self, venue: Venue, signed: Decimal, cause: FillCause, order_id: OrderId | None, *, hidden: bool
    ) -> None:
        self._trades += 1
        venue.position += signed
        order = venue.orders.get(order_id) if order_id is not None else None
        fill = Fill(
            trade_id=f"{venue.leg}-{self._trades}",
            instrument_id=INSTRUMENT,
            side="BUY" if signed > 0 else "SELL",
            quantity=abs(signed),
            price=self.price,
            fee=abs(signed) * self.price / 10_000,
            at=self.at(),
            cause=cause,
            order_id=order_id,
        )
        if hidden or (order is not None and order.lost):
            venue.hidden.append(fill)
        else:
            self._publish(venue, fill)

    def _publish(self, venue: Venue, fill: Fill) -> None:
        venue.believed += fill.signed_quantity
        venue.facts.append(Filled(at=self.at(), account=venue.account, fill=fill))

    def set_mode(self, venue: Venue, mode: AccountMode) -> None:
        """Let an account do more, or less."""
        venue.mode = mode
        venue.facts.append(AccountModeChanged(at=self.at(), account=venue.account, mode=mode, reason="test"))

    # --- what reaches the machine --------------------------------------------------------------------------------

    def tell(self, venue: Venue, *, twice: bool = False) -> None:
        """Deliver an account's next fact; a fill perhaps twice."""
        fact = venue.facts.popleft()
        self.deliver(fact)
        if twice and isinstance(fact, Filled):
            self.deliver(fact)

    def answer_look(self, *, without: Sequence[str] = (), stale: bool = False) -> None:
        """Answer the oldest look with the truth, except that some venues do not state a position (HTTP 500)."""
        legs = self.looks.popleft()
        looks = {leg: self._look(self.venues[leg], blind=leg in without, stale=stale) for leg in legs}
        self.deliver(Observed(at=self.at(), legs=looks))

    def _look(self, venue: Venue, *, blind: bool, stale: bool) -> LegObservation:
        at = self.at()
        unknown = sum(1 for order in venue.orders.values() if order.lost)
        in_flight = sum(1 for order in venue.orders.values() if not order.told)
        return LegObservation(
            account=venue.account,
            mode=venue.mode,
            instrument=instrument(venue.leg),
            quote=Quote(
                bid=self.price - 1, ask=self.price + 1, mark=self.price, at=Timestamp(at - 60_000 if stale else at)
            ),
            balance=Balance(
                equity=venue.available,
                available=venue.available,
                leverage=venue.leverage,
                maintenance_margin=ZERO,
                liquidating=False,
                at=at,
            ),
            position=None if blind else ReportedPosition(quantity=venue.position, entry_price=ZERO, at=at),
            believed=venue.believed,
            in_flight=in_flight,
            unknown=unknown,
            problems=("HTTP 500 on positions",) if blind else (),
        )

    def answer_draw(self) -> None:
        """Draw the oldest number asked for: the middle."""
        draw = self.draws.popleft()
        self.deliver(RandomDrawn(at=self.at(), name=draw.name, value=(draw.low + draw.high) / 2))

    def answer_leverage(self, venue: Venue, *, refuse: bool = False) -> None:
        """Answer a request for leverage."""
        wanted, venue.leverage_wanted = venue.leverage_wanted, None
        assert wanted is not None
        if refuse:
            venue.facts.append(LeverageRefused(at=self.at(), account=venue.account, reason="refused"))
        else:
            venue.leverage = wanted
            venue.facts.append(LeverageSet(at=self.at(), account=venue.account, leverage=wanted))

    def next_timer(self) -> tuple[TimerName, Timestamp] | None:
        """Return the timer that comes due first."""
        return min(self.timers.items(), key=lambda item: (item[1], item[0])) if self.timers else None

    def fire(self) -> None:
        """Let time pass until the next timer, and fire it."""
        found = self.next_timer()
        assert found is not None
        timer, due_at = found
        self.now = max(self.now, due_at)
        del self.timers[timer]
        self.deliver(TimerFired(at=self.at(), timer=timer))

    # --- everything well again -----------------------------------------------------------------------------------

    def calm_step(self) -> None:
        """Do the next thing that a faultless world would do: fact, order, answer, then time."""
        for venue in self.venues.values():
            if venue.facts:
                self.tell(venue)
                return
            if venue.hidden or any(order.lost for order in venue.orders.values()):
                self.prove(venue)
                return
            if venue.leverage_wanted is not None:
                self.answer_leverage(venue)
                return
        for venue in self.venues.values():
            if venue.working:
                order = venue.working[0]
                self.execute(venue, order)
                self.end(venue, order)
                return
        if self.looks:
            self.answer_look()
        elif self.draws:
            self.answer_draw()
        else:
            self.fire()

    def calm_until(self, done: Callable[["World"], bool], steps_max: int = 3000) -> None:
        """Let everything go well until `done`; fail with the trace when it never comes."""
        for _ in range(steps_max):
            if done(self):
                return
            self.calm_step()
        raise AssertionError("\n".join(["never got there:", *self.trace[-80:]]))

    @property
    def phase(self) -> str:
        """Return the machine's phase."""
        return self.machine.view(self.state).phase

    @property
    def positions(self) -> dict[str, Decimal]:
        """Return the true positions."""
        return {leg: venue.position for leg, venue in self.venues.items()}
