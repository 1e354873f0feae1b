"""What a desk knows: its legs, its phase, what it waits for, and its policy's own memory. Frozen."""

from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import Field

from strategies.domain.account import AccountMode, LegObservation, ReportedPosition
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, LegName, OrderId, TimerName, Timestamp, TradeId
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.position import Position
from strategies.execution import OwedFill, total_owed
from strategies.flatten.state import FlattenState
from strategies.machine import Outcome
from strategies.working import Working

M = TypeVar("M", bound=Value)


class Phase(StrEnum):
    """What the group is doing."""

    IDLE = "IDLE"
    """Flat; waits for a moment or for the operator."""
    PREPARING = "PREPARING"
    """Looks at all legs. Nothing is held."""
    WORKING = "WORKING"
    """The policy decides which orders stand."""
    EXITING = "EXITING"
    """The way out runs, until every venue has confirmed flat."""
    ENDED = "ENDED"
    """Finished or parked."""


TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.IDLE: frozenset({Phase.PREPARING, Phase.EXITING}),
    Phase.PREPARING: frozenset({Phase.IDLE, Phase.WORKING, Phase.ENDED, Phase.EXITING}),
    Phase.WORKING: frozenset({Phase.EXITING}),
    Phase.EXITING: frozenset({Phase.IDLE, Phase.ENDED}),
    # A person may run a parked group again; a fill that comes after the end still has to be closed.
    Phase.ENDED: frozenset({Phase.IDLE, Phase.EXITING}),
}
"""Every legal move between phases."""


class DeskLeg(Value):
    """One leg: what it holds, what works for it, what the venue says. Quantities in base units, signed."""

    account: AccountId
    ledger: Position = Field(default=Position(), description="the fold of every fill, with its costs")
    offset: Decimal = Field(default=ZERO, description="what the venue states beyond our fills, confirmed")
    owed: tuple[OwedFill, ...] = ()
    seen: tuple[TradeId, ...] = Field(default=(), description="latest trade ids, oldest first")
    working: tuple[Working, ...] = ()
    orphans: tuple[OrderId, ...] = Field(
        default=(), description="orders of ours that an account told of and this journal does not know"
    )
    orphans_cancel_at: Timestamp | None = None
    made: int = Field(default=0, description="orders made in this cycle")
    stray: Decimal = Field(default=ZERO, description="what our orders did to the leg while the group was out")
    dust: Decimal = Field(default=ZERO, description="what an exit left because it is too small to close")
    failures: int = Field(default=0, ge=0, description="orders in a row that came to nothing")
    failure: str = Field(default="", description="the last such end, in words")
    not_before: Timestamp = Field(default=Timestamp(0), description="no new order before this")
    mode: AccountMode | None = None
    look: LegObservation | None = Field(default=None, description="the last look, whatever it could see")
    asked_at: Timestamp | None = Field(default=None, description="when that look was asked for")
    sighted_at: Timestamp = Field(default=Timestamp(0), description="the last look with a usable quote")
    reported: ReportedPosition | None = None
    reported_at: Timestamp | None = None
    price: Decimal | None = Field(default=None, description="last price known of the instrument there, USD")
    realized_before: Decimal = Field(default=ZERO, description="ledger.realized when the cycle began, USD")
    fees_before: Decimal = Field(default=ZERO, description="ledger.fees when the cycle began, USD")
    base: Decimal = Field(default=ZERO, description="dust held when the cycle began: not the policy's")

    @property
    def held(self) -> Decimal:
        """Return what the leg holds, as far as facts tell."""
        return self.ledger.quantity + self.offset + total_owed(self.owed)

    @property
    def quantity(self) -> Decimal:
        """Return what this cycle's orders have made of the leg: what it holds without the dust of earlier ones."""
        return self.held - self.base

    @property
    def cycle_profit(self) -> Decimal:
        """Return what this cycle has realised on the leg, after fees, USD."""
        return (self.ledger.realized - self.realized_before) - (self.ledger.fees - self.fees_before)

    def in_slot(self, slot: str) -> Working | None:
        """Return the order that works in a slot."""
        return next((order for order in self.working if order.slot == slot), None)


class DeskState(Value, Generic[M]):
    """The whole group."""

    now: Timestamp = Field(default=Timestamp(0), description="the latest moment any event told")
    operator_state: OperatorState = Field(
        default=OperatorState.PAUSE, description="nothing trades before somebody said RUN"
    )
    flatten: bool = Field(default=False, description="FLATTEN was said and not every leg is confirmed flat yet")
    phase: Phase = Phase.IDLE
    phase_since: Timestamp = Timestamp(0)
    reason: str = Field(default="not started", description="why it is in this phase")
    words: str = Field(default="", description="what the policy waits for, in words")
    outcome: Outcome = Outcome.RUNNING
    cycle: int = 0
    cycles_done: int = 0
    legs: dict[LegName, DeskLeg]
    memory: M | None = Field(default=None, description="the policy's own, of the running or last cycle")
    counted: bool = Field(default=True, description="the last cycle that has begun is over and counted")
    way_out: FlattenState | None = Field(default=None, description="the exit that runs")
    way_out_done_at: Timestamp | None = Field(default=None, description="when it was over, our facts perhaps not")
    early_look: bool = Field(default=False, description="a look from before the exit is still to be answered")
    parking: bool = Field(default=False, description="the exit that runs ends in PARKED")
    finishing: bool = Field(default=False, description="the exit that runs ends the group, cycles or not")
    start_failures: int = 0
    start_due_at: Timestamp = Timestamp(0)
    looking_since: Timestamp | None = Field(default=None, description="an unanswered look")
    asked_at: Timestamp = Field(default=Timestamp(0), description="when the last look was asked for")
    answered_at: Timestamp = Field(default=Timestamp(0), description="when the last look ended")
    look_due_at: Timestamp | None = None
    looks: int = Field(default=0, description="answers in a row without a basis")
    basis_at: Timestamp = Field(default=Timestamp(0), description="looks asked for before this are no basis")
    wake_at: Timestamp | None = Field(default=None, description="when the policy wants to be asked again")
    timers: dict[TimerName, Timestamp] = Field(default_factory=dict, description="timers that run, as far as we asked")

    @property
    def net(self) -> Decimal:
        """Return the sum of what all legs hold."""
        return sum((leg.held for leg in self.legs.values()), start=ZERO)
