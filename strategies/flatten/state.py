"""What a flatten knows: each leg by itself, and which run it is. Frozen; every step makes a new one."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from strategies.domain.account import LegObservation, ReportedPosition
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, LegName, OrderId, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.unwind import UnwindParams


class FlattenParams(UnwindParams):
    """Parameters of a flatten: those of every way out."""


class Phase(StrEnum):
    """What the group is doing."""

    READY = "READY"
    """Nothing has happened yet."""
    CLOSING = "CLOSING"
    """Not every leg is confirmed flat."""
    FLAT = "FLAT"
    """Every leg is, by its venue."""


class SentOrder(Value):
    """An order whose end we have not been told."""

    order_id: OrderId
    signed: Decimal
    filled: Decimal = ZERO
    sent_at: Timestamp
    unknown: bool = False

    @property
    def reduce_only(self) -> bool:
        """Say that it only reduces: there is no other order here."""
        return True


class FlattenLeg(Value):
    """One leg. Numbers of steps tell what came before what; times tell how long ago."""

    account: AccountId
    quantity: Decimal | None = Field(default=None, description="what is to be closed, base units; None = not learnt")
    moved: bool = Field(default=False, description="a fact has moved the position since the last statement")
    live: tuple[SentOrder, ...] = ()
    made: int = Field(default=0, description="orders of this run")
    failures: int = Field(default=0, description="orders in a row that ended without a fill")
    failure: str = ""
    not_before: Timestamp = Field(default=Timestamp(0), description="no new order before this")
    changed_in: int = Field(default=0, description="the step of the last fact; an older look is no basis")
    asked_at: Timestamp | None = Field(default=None, description="when the last look was asked for")
    asked_in: int = -1
    asking: bool = Field(default=False, description="that look has not been answered")
    look: LegObservation | None = Field(default=None, description="the last answer")
    look_in: int = Field(default=-1, description="the step that asked for it")
    look_due_at: Timestamp | None = None
    answered_at: Timestamp = Timestamp(0)
    looks: int = Field(default=0, description="answers since the last progress")
    alert_at: int = Field(default=0, description="number of answers at which the operator is called")
    surprise_at: Timestamp | None = Field(default=None, description="since when the venue says zero unexplained")
    reported: ReportedPosition | None = Field(default=None, description="the venue's last statement")
    reported_at: Timestamp | None = None
    price: Decimal | None = Field(default=None, description="last price known there, USD")
    dust: Decimal = Field(default=ZERO, description="what is too small to close, base units")
    flat_at: Timestamp | None = Field(default=None, description="when it was confirmed flat, or dust")


class FlattenState(Value):
    """The whole group."""

    now: Timestamp = Field(default=Timestamp(0), description="the latest moment any event told")
    steps: int = Field(default=0, description="events folded")
    operator_state: OperatorState = OperatorState.FLATTEN
    phase: Phase = Phase.READY
    phase_since: Timestamp = Timestamp(0)
    reason: str = Field(default="not started", description="why it is in this phase")
    run: int = Field(default=0, description="number of the running or last flatten")
    run_at: Timestamp = Field(default=Timestamp(0), description="when it began; part of its order ids")
    legs: dict[LegName, FlattenLeg]
    timers: dict[TimerName, Timestamp] = Field(default_factory=dict, description="timers that run, as far as we asked")
