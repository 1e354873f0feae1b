"""What the liquidation hedge knows: its legs, its phase, and what it waits for. Frozen; every step makes a new one."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import Field

from strategies.domain.account import AccountMode, LegObservation, ReportedPosition
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, LegName, OrderId, TimerName, Timestamp, TradeId
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import OrderStatus
from strategies.domain.position import FillCause, Position
from strategies.execution import OwedFill
from strategies.liquidation_hedge.params import Direction
from strategies.machine import Outcome

BALANCER = LegName("backpack")
"""The leg that enters first and then carries whatever the others leave uncovered."""
FIRST = LegName("lighter1")
"""The leg that hedges the entry."""
SECOND = LegName("lighter2")
"""The leg that enters after the wait, on the balancer's side. A group may do without it."""

V = TypeVar("V", bound=Value)


def evolve(value: V, **changes: Any) -> V:
    """Return `value` with some fields changed.

    Raises:
        TypeError: a name is not a field of `value`.
    """
    fields = type(value).__pydantic_fields__  # `model_fields` without its detour: this runs hundreds of times a cycle
    if not changes.keys() <= fields.keys():
        raise TypeError(f"{type(value).__name__} has no field {sorted(changes.keys() - fields.keys())}")
    return value.model_copy(update=changes)


class Phase(StrEnum):
    """What the group is doing."""

    IDLE = "IDLE"
    """Flat, between cycles or out: waits for a moment or for the operator."""
    PREPARING = "PREPARING"
    """Looks at all legs, sets leverage, sizes the entry. Nothing is held."""
    ENTERING = "ENTERING"
    """The balancer enters; the first Lighter account hedges whatever fills, as it fills."""
    WAITING = "WAITING"
    """Two legs stand; the drawn wait before the third."""
    SECOND = "SECOND"
    """The second Lighter account enters; the balancer gives back whatever fills there."""
    BALANCING = "BALANCING"
    """All legs that will enter have entered; the balancer is being brought to what the others leave uncovered."""
    MONITORING = "MONITORING"
    """Covered; every leg is watched."""
    EXITING = "EXITING"
    """All targets are zero, until every venue has confirmed it."""
    ENDED = "ENDED"
    """Finished or parked."""


IN_CYCLE = frozenset({Phase.ENTERING, Phase.WAITING, Phase.SECOND, Phase.BALANCING, Phase.MONITORING})
"""Phases in which positions are meant to be held."""

_MAY_EXIT = frozenset({Phase.EXITING})
TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.IDLE: frozenset({Phase.PREPARING, Phase.ENDED}) | _MAY_EXIT,
    Phase.PREPARING: frozenset({Phase.IDLE, Phase.ENTERING, Phase.ENDED}) | _MAY_EXIT,
    Phase.ENTERING: frozenset({Phase.WAITING, Phase.BALANCING}) | _MAY_EXIT,
    Phase.WAITING: frozenset({Phase.SECOND, Phase.BALANCING}) | _MAY_EXIT,
    Phase.SECOND: frozenset({Phase.BALANCING}) | _MAY_EXIT,
    Phase.BALANCING: frozenset({Phase.MONITORING}) | _MAY_EXIT,
    Phase.MONITORING: frozenset({Phase.BALANCING}) | _MAY_EXIT,
    Phase.EXITING: frozenset({Phase.IDLE, Phase.ENDED}),
    # A person may run a parked group again; a fill that comes after the end still has to be closed.
    Phase.ENDED: frozenset({Phase.IDLE}) | _MAY_EXIT,
}
"""Every legal move between phases."""


class ExitReason(StrEnum):
    """What started the exit."""

    LIQUIDATED = "liquidated"
    ADL = "adl"
    SETTLED = "settled"
    REDUCE_ONLY = "reduce_only"
    """An order of ours that only reduces took a leg down to zero that should have kept something."""
    CLOSED_BY_OTHER = "closed_by_other"
    LEG_VANISHED = "leg_vanished"
    """The venue says, twice, that the position is gone, and no fill tells why."""
    TIMEOUT = "timeout"
    REBALANCE_FAILED = "rebalance_failed"
    HEDGE_FAILED = "hedge_failed"
    ENTRY_FAILED = "entry_failed"
    OPERATOR = "operator"
    ACCOUNT_FROZEN = "account_frozen"
    LOSS_LIMIT = "loss_limit"
    UNEXPLAINED_POSITION = "unexplained_position"
    """A venue's statement and our fills stayed apart for too long: what is really uncovered is not known."""
    LATE_FILL = "late_fill"
    """A fill of ours arrived when the group was already out."""


class Purpose(StrEnum):
    """What an order is for; part of its id."""

    ENTRY = "entry"
    HEDGE = "hedge"
    REBALANCE = "rebalance"
    EXIT = "exit"


class SecondLeg(StrEnum):
    """What became of the third leg in this cycle."""

    ABSENT = "ABSENT"
    """The group has no such leg."""
    PENDING = "PENDING"
    ENTERED = "ENTERED"
    SKIPPED = "SKIPPED"


class LiveOrder(Value):
    """An order whose end we have not been told."""

    order_id: OrderId
    purpose: Purpose
    signed: Decimal = Field(description="what a complete fill adds to the position, base units")
    filled: Decimal = Field(default=ZERO, ge=0, description="executed so far, base units")
    reduce_only: bool
    status: OrderStatus = OrderStatus.INITIALIZED
    unknown: bool = Field(default=False, description="its answer was lost; neither success nor failure")
    sent_at: Timestamp

    @property
    def leaves(self) -> Decimal:
        """Return what may still be added to the position, signed."""
        rest = max(abs(self.signed) - self.filled, ZERO)
        return rest if self.signed > ZERO else -rest


class Surprise(Value):
    """A reported position that our fills do not explain, waiting for a second look."""

    quantity: Decimal
    at: Timestamp


class LegState(Value):
    """One leg: what it holds, what is on its way, what the venue says. Quantities in base units, signed."""

    account: AccountId
    ledger: Position = Field(default=Position(), description="the fold of every fill, with its costs")
    offset: Decimal = Field(default=ZERO, description="what the venue states beyond our fills, confirmed")
    unexplained: Decimal = Field(
        default=ZERO, description="part of offset that we took from the venue's statement; later fills may explain it"
    )
    owed: tuple[OwedFill, ...] = ()
    live: tuple[LiveOrder, ...] = ()
    seen: tuple[TradeId, ...] = Field(default=(), description="latest trade ids, oldest first")
    own: Decimal = Field(default=ZERO, description="what our orders did to the leg in this cycle")
    stray: Decimal = Field(default=ZERO, description="what our orders did to the leg outside any cycle")
    forced: FillCause | None = Field(default=None, description="cause of the last fill of this cycle that is not ours")
    reducing_fill: bool = Field(default=False, description="the last fill of ours came from a reduce-only order")
    target: Decimal = ZERO
    dust: Decimal = Field(default=ZERO, description="what an exit left because it is too small to close")
    made: dict[Purpose, int] = Field(default_factory=dict, description="orders made in this cycle, by purpose")
    failures: int = Field(default=0, ge=0, description="orders in a row that ended without a fill")
    failure: str = Field(default="", description="the last such end, in words")
    not_before: Timestamp = Field(default=Timestamp(0), description="no new order before this")
    changed_at: Timestamp = Field(default=Timestamp(0), description="when a fact last changed the leg")
    mode: AccountMode | None = None
    look: LegObservation | None = Field(default=None, description="the last look, whatever it could see")
    asked_at: Timestamp | None = Field(default=None, description="when that look was asked for")
    reported: ReportedPosition | None = Field(default=None, description="the venue's last statement")
    reported_at: Timestamp | None = None
    price: Decimal | None = Field(default=None, description="last price known of the instrument there, USD")
    surprise: Surprise | None = None
    leverage: Decimal | None = Field(default=None, description="in force, as last heard")
    leverage_tries: int = 0
    leverage_due_at: Timestamp | None = Field(default=None, description="a request is open until then")
    realized_before: Decimal = Field(default=ZERO, description="ledger.realized when the cycle began, USD")
    fees_before: Decimal = Field(default=ZERO, description="ledger.fees when the cycle began, USD")

    @property
    def quantity(self) -> Decimal:
        """Return what the leg holds, as far as facts tell."""
        held = self.ledger.quantity + self.offset
        for owed in self.owed:
            held += owed.signed
        return held

    @property
    def cycle_profit(self) -> Decimal:
        """Return what this cycle has realised on the leg, after fees, USD."""
        return (self.ledger.realized - self.realized_before) - (self.ledger.fees - self.fees_before)


class HedgeState(Value):
    """The whole group."""

    now: Timestamp = Field(default=Timestamp(0), description="the latest moment any event told")
    operator_state: OperatorState = Field(
        default=OperatorState.PAUSE, description="nothing trades before somebody said RUN"
    )
    flatten: bool = Field(default=False, description="FLATTEN was said and not every leg is confirmed flat yet")
    phase: Phase = Phase.IDLE
    phase_since: Timestamp = Timestamp(0)
    reason: str = Field(default="not started", description="why it is in this phase")
    outcome: Outcome = Outcome.RUNNING
    direction: Direction
    cycle: int = 0
    cycles_done: int = 0
    established: bool = Field(default=False, description="the cycle got its first two legs")
    legs: dict[LegName, LegState]
    second: SecondLeg = SecondLeg.ABSENT
    second_quantity: Decimal | None = Field(default=None, description="size of the third leg; None = not yet decided")
    exit_reason: ExitReason | None = Field(default=None, description="of the running or last exit")
    exit_looks: int = Field(default=0, description="looks since the exit last made progress")
    exit_alert_at: int = Field(default=0, description="number of looks at which the operator is called")
    start_failures: int = 0
    start_due_at: Timestamp = Timestamp(0)
    looking_since: Timestamp | None = Field(default=None, description="an unanswered look")
    asked_at: Timestamp = Field(default=Timestamp(0), description="when the last look was asked for")
    answered_at: Timestamp = Field(default=Timestamp(0), description="when the last look ended")
    look_due_at: Timestamp | None = None
    looks: int = Field(default=0, description="answers in a row without a basis for what the phase wants")
    basis_at: Timestamp = Field(default=Timestamp(0), description="looks asked for before this are no basis")
    draw_pending: bool = False
    enter_due_at: Timestamp | None = Field(default=None, description="when the wait for the third leg is over")
    cycle_due_at: Timestamp | None = Field(default=None, description="when the cycle times out")
    unhedged_since: Timestamp | None = None
    unexplained_since: Timestamp | None = Field(
        default=None, description="since when some leg is said to hold what our fills do not explain"
    )
    timers: dict[TimerName, Timestamp] = Field(default_factory=dict, description="timers that run, as far as we asked")

    @property
    def net(self) -> Decimal:
        """Return the uncovered quantity: the sum of what all legs hold."""
        return sum((leg.quantity for leg in self.legs.values()), start=ZERO)
