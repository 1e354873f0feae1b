"""One step's working copy: the state so far, the commands so far, and the few verbs that decisions are made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelTimer, Command, Notify, Observe, SetTimer, Severity, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, TimerName, Timestamp, derive_order_id
from strategies.domain.instrument import Instrument
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from strategies.domain.quote import Quote
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import (
    BALANCER,
    FIRST,
    IN_CYCLE,
    SECOND,
    TRANSITIONS,
    HedgeState,
    LegState,
    LiveOrder,
    Phase,
    Purpose,
    evolve,
)
from strategies.risk import Limits
from strategies.unwind import milliseconds

LOOK = TimerName("look")
CYCLE = TimerName("cycle")
ENTER = TimerName("enter")
ACT = TimerName("act")

SIZED_FROM: dict[Purpose, tuple[LegName, ...]] = {
    Purpose.ENTRY: (BALANCER, FIRST, SECOND),
    Purpose.HEDGE: (BALANCER, FIRST),
    Purpose.REBALANCE: (BALANCER, FIRST, SECOND),
    Purpose.EXIT: (),
}
"""The legs whose quantity decides how much is ordered. An exit closes whatever its own leg holds."""

LANES = {Purpose.ENTRY: Lane.ENTRY, Purpose.HEDGE: Lane.HEDGE, Purpose.REBALANCE: Lane.HEDGE, Purpose.EXIT: Lane.EXIT}


class IllegalPhaseError(Exception):
    """The machine tried a move between phases that its table does not have: an error of the machine itself."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What never changes during a group's life."""

    group: GroupId
    instrument_id: InstrumentId
    accounts: dict[LegName, AccountId]
    legs_of: dict[AccountId, LegName]
    params: LiquidationHedgeParams
    limits: Limits


class Turn:
    """The working copy. `answered` says that this very event was the end of a look."""

    __slots__ = ("answered", "commands", "now", "setting", "state")

    def __init__(self, setting: Setting, state: HedgeState, at: Timestamp) -> None:
        """Begin a step at the event's time; time never runs backwards for decisions."""
        self.setting = setting
        self.now = max(state.now, at)
        # The step's own copy of the legs: `put` changes it in place, nobody outside has seen it yet.
        self.state = evolve(state, now=self.now, legs=dict(state.legs))
        self.commands: list[Command] = []
        self.answered = False

    @property
    def params(self) -> LiquidationHedgeParams:
        """Return the parameters."""
        return self.setting.params

    def leg(self, name: LegName) -> LegState:
        """Return a leg as it stands now."""
        return self.state.legs[name]

    def others(self) -> tuple[LegName, ...]:
        """Return every leg but the balancer."""
        return tuple(name for name in self.state.legs if name != BALANCER)

    def put(self, name: LegName, **changes: Any) -> LegState:
        """Change some fields of a leg."""
        leg = evolve(self.state.legs[name], **changes)
        self.state.legs[name] = leg
        return leg

    def move(self, **changes: Any) -> None:
        """Change some fields of the state."""
        self.state = evolve(self.state, **changes)

    def enter(self, phase: Phase, reason: str, **changes: Any) -> None:
        """Go to another phase.

        Raises:
            IllegalPhaseError: the table has no such move.
        """
        if phase not in TRANSITIONS[self.state.phase]:
            raise IllegalPhaseError(f"{self.state.phase} -> {phase}")
        self.move(phase=phase, phase_since=self.now, reason=reason, looks=0, **changes)
        self.answered = False  # an answer belongs to the phase that asked

    def later(self, seconds: Decimal) -> Timestamp:
        """Return the moment so many seconds from now."""
        return Timestamp(self.now + milliseconds(seconds))

    def notify(self, severity: Severity, topic: str, text: str) -> None:
        """Tell the operator."""
        self.commands.append(Notify(severity=severity, topic=topic, text=f"{self.setting.group}: {text}"))

    @property
    def may_grow(self) -> bool:
        """Say whether an order may make a leg bigger."""
        return not self.held_back()

    def held_back(self) -> str:
        """Say why no leg may grow; empty = they may.

        An account where somebody else trades holds back the whole group: what it is sized from may change any moment.
        """
        frozen = self.frozen_legs()
        if frozen:
            return f"the account of {', '.join(frozen)} is frozen"
        if self.state.operator_state in (OperatorState.RUN, OperatorState.PAUSE):
            return ""
        return f"operator said {self.state.operator_state}"

    def frozen_legs(self) -> tuple[LegName, ...]:
        """Return the legs whose accounts let nothing out but exits."""
        return tuple(name for name, leg in self.state.legs.items() if leg.mode is AccountMode.FROZEN)

    def writes(self, name: LegName, *, reduce_only: bool) -> bool:
        """Say whether the leg's account sends such an order: armed any, frozen what only reduces."""
        mode = self.leg(name).mode
        return mode is AccountMode.ARMED or (reduce_only and mode is AccountMode.FROZEN)

    def instrument(self, name: LegName) -> Instrument | None:
        """Return the leg's instrument, once seen."""
        look = self.leg(name).look
        return None if look is None else look.instrument

    def looked_since(self, name: LegName, moment: Timestamp) -> bool:
        """Say whether the leg's last look was asked for at or after `moment`, and is no older than the last restart."""
        asked_at = self.leg(name).asked_at
        return asked_at is not None and asked_at >= max(moment, self.state.basis_at)

    def fresh_quote(self, name: LegName) -> Quote | None:
        """Return the leg's quote if it may price an order that opens risk."""
        look = self.leg(name).look
        if look is None or look.quote is None or not self.looked_since(name, Timestamp(0)):
            return None
        return look.quote if self.now - look.quote.at <= milliseconds(self.params.max_quote_age_s) else None

    def touch(self, name: LegName, side: Side) -> Decimal | None:
        """Return the price a taker meets there, from a fresh quote; None = nothing to price an order by.

        After a failure the quote must be newer than the failure: what did not fill at that price will not fill again.
        """
        leg = self.leg(name)
        quote = self.fresh_quote(name)
        if quote is None or (leg.failures and not self.looked_since(name, leg.changed_at)):
            return None
        return quote.touch(side)

    def submit(self, name: LegName, purpose: Purpose, signed: Decimal, price: Decimal, *, reduce_only: bool) -> None:
        """Order `signed` base units on a leg, at worst at `price`, under the next id of that purpose."""
        leg = self.leg(name)
        attempt = leg.made.get(purpose, 0) + 1
        order = OrderRequest(
            order_id=derive_order_id(self.setting.group, self.state.cycle, name, purpose, attempt),
            instrument_id=self.setting.instrument_id,
            side=Side.of(signed),
            quantity=abs(signed),
            order_type=OrderType.MARKET,
            price=price,
            reduce_only=reduce_only,
            lane=Lane.EXIT if reduce_only and leg.mode is AccountMode.FROZEN else LANES[purpose],
        )
        live = LiveOrder(
            order_id=order.order_id, purpose=purpose, signed=signed, reduce_only=reduce_only, sent_at=self.now
        )
        self.put(name, live=(*leg.live, live), made={**leg.made, purpose: attempt})
        self.commands.append(SubmitOrder(account=leg.account, order=order))

    def unexplained(self, names: Iterable[LegName]) -> str:
        """Say which of these legs hold, by their venue's word, what our fills do not explain; empty = none."""
        found = [(name, self.state.legs.get(name)) for name in names]
        return "; ".join(unexplained(name, leg) for name, leg in found if leg is not None and leg.surprise is not None)

    def trade(self, name: LegName, purpose: Purpose, signed: Decimal, *, reduce_only: bool) -> bool:
        """Order at the touch, wider with every failure; without a fresh price look for one. Says if it ordered.

        What may grow a leg waits while any leg that it is sized from is said to hold something else: `watch` counts
        the time and has the legs looked at again, `interrupt` ends the waiting.
        """
        if not reduce_only and self.unexplained(SIZED_FROM[purpose]):
            return False
        side = Side.of(signed)
        touch = self.touch(name, side)
        instrument = self.instrument(name)
        if touch is None or instrument is None or not self.writes(name, reduce_only=reduce_only):
            self.want_look()
            return False
        widened = self.params.max_slippage * (1 + self.leg(name).failures)
        slippage = min(widened, self.params.hedge_slippage_max)
        self.submit(name, purpose, signed, instrument.worst_price(side, touch, slippage), reduce_only=reduce_only)
        return True

    def want_look(self) -> None:
        """Have all legs looked at as soon as the read budget allows."""
        if self.state.looking_since is not None:
            return
        due = max(self.now, Timestamp(self.state.answered_at + milliseconds(self.params.look_retry_s)))
        if self.state.look_due_at is None or due < self.state.look_due_at:
            self.move(look_due_at=due)

    def look_now_if_due(self) -> None:
        """Ask for the look that has come due."""
        due = self.state.look_due_at
        if self.state.looking_since is None and due is not None and due <= self.now:
            self.move(looking_since=self.now, asked_at=self.now, look_due_at=None)
            self.commands.append(Observe(legs=tuple(self.state.legs)))

    def set_timers(self) -> None:
        """Bring the timers that run to what the state wants: level-set, so that a restart needs no special case."""
        wanted = _wanted_timers(self.state, self.params, self.now)
        running = self.state.timers
        if wanted == running:
            return
        for timer, due_at in wanted.items():
            if running.get(timer) != due_at:
                self.commands.append(SetTimer(timer=timer, due_at=due_at))
        self.commands.extend(CancelTimer(timer=timer) for timer in running if timer not in wanted)
        self.move(timers=wanted)


def _wanted_timers(state: HedgeState, params: LiquidationHedgeParams, now: Timestamp) -> dict[TimerName, Timestamp]:
    wanted: dict[TimerName, Timestamp] = {}
    if state.looking_since is not None:
        wanted[LOOK] = Timestamp(state.looking_since + milliseconds(params.look_timeout_s))
    elif state.look_due_at is not None:
        wanted[LOOK] = state.look_due_at
    if state.cycle_due_at is not None:
        wanted[CYCLE] = state.cycle_due_at
    if state.phase is Phase.WAITING and state.enter_due_at is not None:
        wanted[ENTER] = state.enter_due_at
    moments = [moment for moment in _moments(state, params) if moment > now]
    if moments:
        wanted[ACT] = min(moments)
    return wanted


def _moments(state: HedgeState, params: LiquidationHedgeParams) -> list[Timestamp]:
    """Return every moment at which the same facts would decide otherwise."""
    if state.phase is Phase.IDLE:
        return [state.start_due_at] if state.operator_state is OperatorState.RUN else []
    moments = [leg.leverage_due_at for leg in state.legs.values() if leg.leverage_due_at is not None]
    if state.phase in IN_CYCLE or state.phase is Phase.EXITING:
        moments.extend(leg.not_before for leg in state.legs.values())
    if state.phase is Phase.EXITING:
        doubt_ms = milliseconds(params.confirm_timeout_s)
        moments.extend(Timestamp(o.sent_at + doubt_ms) for leg in state.legs.values() for o in leg.live)
    if state.unhedged_since is not None:
        moments.append(Timestamp(state.unhedged_since + milliseconds(params.unhedged_max_s)))
    if state.unexplained_since is not None:
        moments.append(Timestamp(state.unexplained_since + milliseconds(params.unexplained_max_s)))
    return moments


def unexplained(name: LegName, leg: LegState) -> str:
    """Say both numbers of a leg's difference; empty = there is none."""
    if leg.surprise is None:
        return ""
    return f"{name} is said to hold {leg.surprise.quantity}, our fills say {leg.quantity}"


def residual_limit(state: HedgeState, params: LiquidationHedgeParams) -> Decimal:
    """Return what may stay uncovered because some venue takes no smaller order, base units."""
    limit = params.rebalance_tolerance
    for leg in state.legs.values():
        if leg.look is not None and leg.look.instrument is not None and leg.price is not None:
            limit = max(limit, leg.look.instrument.smallest_taker_order(leg.price))
    return limit
