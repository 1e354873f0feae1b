"""Folding events into a state, where every strategy does it alike: which fact it is, of which leg, and what it says.

A strategy's own `facts` say what each fact changes in its state. Nothing here decides.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar, assert_never

from strategies.domain.account import AccountMode, LegObservation
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
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
    PositionAdjusted,
    RandomDrawn,
    Restarted,
    Started,
    TimerFired,
)
from strategies.domain.ids import AccountId, LegName, OrderId, TimerName, Timestamp
from strategies.domain.money import ZERO
from strategies.domain.position import Fill
from strategies.machine import Outcome
from strategies.unwind import UnwindParams, milliseconds

OrderEvent = OrderSubmitted | OrderAccepted | OrderOutcomeUnknown | OrderDenied | OrderRejected | OrderClosed


class LegsState(Protocol):
    """What the fold needs of a strategy's state."""

    @property
    def legs(self) -> Mapping[LegName, object]:
        """Return the legs."""

    @property
    def timers(self) -> Mapping[TimerName, Timestamp]:
        """Return the timers that run."""


class Copy(Protocol):
    """What the fold needs of a turn, the working copy of one step."""

    @property
    def state(self) -> LegsState:
        """Return the state so far."""

    def move(self, **changes: Any) -> None:
        """Change some fields of the state."""


C = TypeVar("C", bound=Copy)


class Facts(ABC, Generic[C]):
    """What one strategy makes of events: a method for each thing that can have happened."""

    def fold(self, turn: C, event: Event) -> None:
        """Take note of one event."""
        match event:
            case Observed():
                for name, look in event.legs.items():
                    if name in turn.state.legs:
                        self.looked_at(turn, name, look)
                self.look_answered(turn)
            case TimerFired():
                turn.move(timers={name: due for name, due in turn.state.timers.items() if name != event.timer})
            case Started():
                self.started(turn)
            case Restarted():
                self.restarted(turn)
            case OperatorStateSet():
                self.operated(turn, event)
            case RandomDrawn():
                self.drawn(turn, event)
            case _:
                played = self.leg_of(turn, event.account)
                if played is not None:
                    self.leg_fact(turn, played, event)

    @abstractmethod
    def leg_of(self, turn: C, account: AccountId) -> LegName | None:
        """Return the leg that an account plays; None = none of this group."""

    @abstractmethod
    def started(self, turn: C) -> None:
        """Note that the group's life has begun."""

    @abstractmethod
    def restarted(self, turn: C) -> None:
        """Forget what was asked before: its answers will not come."""

    @abstractmethod
    def operated(self, turn: C, event: OperatorStateSet) -> None:
        """Note the operator's word."""

    def drawn(self, turn: C, event: RandomDrawn) -> None:
        """Note a random number that was asked for."""

    @abstractmethod
    def looked_at(self, turn: C, name: LegName, look: LegObservation) -> None:
        """Note what a look has found of one leg."""

    def look_answered(self, turn: C) -> None:
        """Note that everything a look has found is noted."""

    def leg_fact(self, turn: C, name: LegName, event: AccountEvent) -> None:
        """Note one fact of a leg's account."""
        match event:
            case Filled():
                self.filled(turn, name, event.fill)
            case PositionAdjusted():
                self.adjusted(turn, name, event)
            case LeverageSet() | LeverageRefused():
                self.leverage_told(turn, name, event)
            case AccountModeChanged():
                self.mode_changed(turn, name, event.mode)
            case _:
                self.order_fact(turn, name, event)

    @abstractmethod
    def filled(self, turn: C, name: LegName, fill: Fill) -> None:
        """Note a fill: ours, forced, or somebody else's; perhaps not for the first time."""

    @abstractmethod
    def adjusted(self, turn: C, name: LegName, event: PositionAdjusted) -> None:
        """Note that two sources of the venue agree on what the leg holds: belief follows."""

    def leverage_told(self, turn: C, name: LegName, event: LeverageSet | LeverageRefused) -> None:
        """Note what became of a request for another leverage."""

    @abstractmethod
    def mode_changed(self, turn: C, name: LegName, mode: AccountMode) -> None:
        """Note that the leg's account may do more, or less, than before."""

    def order_fact(self, turn: C, name: LegName, event: OrderEvent) -> None:
        """Note one fact of an order."""
        match event:
            case OrderSubmitted():
                self.submitted(turn, name, event.order_id)
            case OrderAccepted():
                self.accepted(turn, name, event.order_id)
            case OrderOutcomeUnknown():
                self.doubted(turn, name, event.order_id)
            case OrderDenied() | OrderRejected():
                self.ended(turn, name, event.order_id, ZERO, self.refusal(event))
            case OrderClosed():
                self.ended(turn, name, event.order_id, event.filled, event.reason or event.status.lower())
            case _:
                assert_never(event)

    def submitted(self, turn: C, name: LegName, order_id: OrderId) -> None:
        """Note that an order's bytes are leaving."""

    @abstractmethod
    def accepted(self, turn: C, name: LegName, order_id: OrderId) -> None:
        """Note that the venue has an order."""

    @abstractmethod
    def doubted(self, turn: C, name: LegName, order_id: OrderId) -> None:
        """Note that an order's answer was lost."""

    @abstractmethod
    def ended(self, turn: C, name: LegName, order_id: OrderId, filled: Decimal, reason: str) -> None:
        """Note an order's end: what it executed, base units, and why it ended, in words."""

    def refusal(self, event: OrderDenied | OrderRejected) -> str:
        """Say why an order was refused."""
        return f"{event.code}: {event.detail}"


class CycleState(LegsState, Protocol):
    """What the fold needs of the state of a strategy that runs in cycles."""

    @property
    def phase(self) -> StrEnum:
        """Return what the group is doing."""

    @property
    def outcome(self) -> Outcome:
        """Return whether it still has something to do."""

    @property
    def looking_since(self) -> Timestamp | None:
        """Return when the open look was asked for; None = none is open."""


class CycleCopy(Copy, Protocol):
    """What the fold needs of the turn of a strategy that runs in cycles."""

    answered: bool

    @property
    def state(self) -> CycleState:
        """Return the state so far."""

    @property
    def now(self) -> Timestamp:
        """Return the moment of the step."""

    @property
    def params(self) -> UnwindParams:
        """Return the parameters."""

    def enter(self, phase: Any, reason: str, **changes: Any) -> None:
        """Go to another phase."""


R = TypeVar("R", bound=CycleCopy)


class CycleFacts(Facts[R]):
    """The same for a strategy that runs in cycles, looks at all its legs at once, and may be parked and released."""

    idle: ClassVar[StrEnum]
    """The phase in which a group waits for its next cycle."""
    over: ClassVar[StrEnum]
    """The phase in which it stays when it has ended."""

    def fold(self, turn: R, event: Event) -> None:
        """Take note of one event, and of a look that nobody has answered in time."""
        super().fold(turn, event)
        since = turn.state.looking_since
        if since is not None and turn.now - since >= milliseconds(turn.params.look_timeout_s):
            self.look_timed_out(turn)

    def started(self, turn: R) -> None:
        """See `Facts.started`."""
        turn.move(phase_since=turn.now, reason="just started")

    def operated(self, turn: R, event: OperatorStateSet) -> None:
        """See `Facts.operated`: FLATTEN stays said until every leg is flat; RUN by a person releases a parked group."""
        turn.move(operator_state=event.state)
        if event.state is OperatorState.FLATTEN:
            turn.move(flatten=True)
        released = event.state is OperatorState.RUN and event.by.startswith("operator")
        if released and turn.state.phase is self.over and turn.state.outcome is Outcome.PARKED:
            turn.enter(self.idle, f"released by {event.by}", outcome=Outcome.RUNNING, start_failures=0)
            turn.move(start_due_at=turn.now)

    def look_answered(self, turn: R) -> None:
        """See `Facts.look_answered`."""
        self.look_ended(turn)

    def look_ended(self, turn: R) -> None:
        """Note that the look at all legs is over, answered or not."""
        turn.move(looking_since=None, answered_at=turn.now)
        turn.answered = True

    def look_timed_out(self, turn: R) -> None:
        """Note that nobody has answered a look in time."""
        self.look_ended(turn)


class SeenLeg(Protocol):
    """What is known of a leg from looks before."""

    @property
    def look(self) -> LegObservation | None:
        """Return the last look."""

    @property
    def price(self) -> Decimal | None:
        """Return the last price known there, USD."""


def look_changes(leg: SeenLeg, look: LegObservation, now: Timestamp) -> dict[str, Any]:
    """Return what a look changes in any leg; what it could not tell stays as it was known."""
    price = look.price
    if look.instrument is None and leg.look is not None:
        look = look.model_copy(update={"instrument": leg.look.instrument})
    changes: dict[str, Any] = {"look": look, "price": leg.price if price is None else price}
    if look.position is not None:
        changes["reported"], changes["reported_at"] = look.position, now
    return changes
