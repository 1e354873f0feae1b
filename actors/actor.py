"""What actors say to each other. Plain values and two short protocols; nothing here knows of Ray."""

from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.commands import AccountCommand, Severity
from strategies.domain.events import AccountEvent, OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, OrderId, Timestamp
from strategies.domain.model import Value
from strategies.domain.order import Lane
from strategies.machine import GroupView, LimitView


class Message(Value):
    """One numbered command. Numbers rise by one per (sender, account) and never restart: the journal keeps them."""

    seq: int = Field(gt=0)
    command: AccountCommand


class Envelope(Value):
    """Messages from one sender to one account."""

    sender: str = Field(description="stream name of the sender: `group/triad-1`, `operator/panic`")
    sender_epoch: int = Field(gt=0)
    journal: str = Field(default="", description="identity of the sender's journal; empty = it keeps none")
    messages: tuple[Message, ...]


class Receipt(Value):
    """What the account has durably taken from this sender."""

    taken: int = Field(ge=0, description="highest seq without a gap below it")
    journal: str = Field(default="", description="identity of the account's journal")
    knows: str = Field(
        default="",
        description="identity of the sender's journal that these were taken from; empty = none was taken, or none said."
        " From another journal nothing is taken",
    )


class NumberedFact(Value):
    """One fact with its place in the account's feed."""

    seq: int = Field(gt=0)
    event: AccountEvent


class FactBatch(Value):
    """Facts after a cursor, oldest first; empty when none came in time."""

    facts: tuple[NumberedFact, ...]
    published: int = Field(default=0, ge=0, description="number of the last fact there is")
    journal: str = Field(default="", description="identity of the account's journal")


class Histogram(Value):
    """Cumulative buckets, ready for Prometheus."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...] = Field(description="one more than bounds; not cumulative; the last is +Inf")
    total: float


class AccountStatus(Value):
    """An account actor's own report, taken about once a second."""

    account: AccountId
    venue: str
    epoch: int
    pid: int
    mode: AccountMode
    reason: str
    at: Timestamp
    started_at: Timestamp
    instruments: tuple[InstrumentId, ...]
    believed: dict[InstrumentId, Decimal]
    reported: dict[InstrumentId, Decimal]
    reconciled_at: Timestamp | None
    in_flight: tuple[OrderId, ...]
    unknown: dict[OrderId, Timestamp] = Field(description="orders in doubt, and since when")
    too_old: dict[OrderId, str] = Field(
        default={}, description="orders without an outcome for longer than a write lives: a person has to look"
    )
    protection: tuple[str, ...] = Field(default=(), description="what is left at the venue, in words")
    queue_length: dict[Lane, int]
    stream_ages_s: dict[str, float]
    deaf: str = Field(default="", description="why the account's own stream cannot be relied on: no entry leaves")
    clock_offset_s: float | None
    budget_left: dict[Lane, float]
    equity: Decimal | None
    available: Decimal | None
    maintenance_margin: Decimal | None
    liquidation_price: Decimal | None
    balance_at: Timestamp | None = Field(
        default=None, description="when the venue stated equity and margin; None = never"
    )
    liquidating: bool | None = Field(default=None, description="the venue is liquidating now; None = it has not said")
    unrealized: Decimal | None = Field(default=None, description="USD, the venue's own statement")
    funding: Decimal | None = Field(
        default=None,
        description="USD received on the position that is held, negative = paid; None = the venue does not say",
    )
    realized: Decimal | None = Field(
        default=None, description="USD, before fees, of every fill in the account's journal; None = it has none yet"
    )
    fees: Decimal | None = Field(default=None, description="USD paid on the same fills")
    counters: dict[str, int] = Field(description="name → monotone count, see actors/metrics.py")
    histograms: dict[str, Histogram]
    loop_lag_s: float
    fact_seq: int = Field(default=0, ge=0, description="number of the last published fact")
    memory_bytes: int | None = Field(default=None, description="resident memory of the actor's process")
    cpu_s: float | None = Field(default=None, description="CPU seconds that the actor's process has used")


class Note(Value):
    """One thing that a strategy asked to be told to people."""

    number: int = Field(gt=0, description="rises by one within an incarnation")
    at: Timestamp
    severity: Severity
    topic: str
    text: str
    cycle: int = Field(ge=0, description="the group's cycle when it was said")


class GroupStatus(Value):
    """A group actor's own report, taken about once a second."""

    group: GroupId
    epoch: int
    pid: int
    at: Timestamp
    started_at: Timestamp
    journal_seq: int
    view: GroupView
    stopped: str = Field(default="", description="why the group does not decide any more (divergence, poison event …)")
    stopped_for_good: bool = Field(
        default=False, description="it never will again; False with a reason in `stopped` = it waits (a full disk)"
    )
    limits: tuple[LimitView, ...] = Field(default=(), description="what the group lives under; of a way out, nothing")
    naked_since: Timestamp | None
    naked_seconds: float = Field(description="sum of intervals with |net| above half a lot, seconds")
    naked_usd_seconds: float = Field(description="the same, each weighed by |net| times mark")
    timers: dict[str, Timestamp]
    recent: tuple[str, ...] = Field(description="the last journal steps of consequence in words, newest last")
    notes: tuple[Note, ...] = Field(default=(), description="what this incarnation last wanted told, newest last")
    counters: dict[str, int]
    histograms: dict[str, Histogram]
    loop_lag_s: float
    strategy: str = Field(default="", description="name of the strategy that decides")
    instrument_id: InstrumentId | None = Field(default=None, description="what the group trades")
    memory_bytes: int | None = Field(default=None, description="resident memory of the actor's process")
    cpu_s: float | None = Field(default=None, description="CPU seconds that the actor's process has used")


class Liveness(StrEnum):
    """What the supervisor holds of an actor."""

    STARTING = "STARTING"
    ALIVE = "ALIVE"
    SILENT = "SILENT"
    DEAD = "DEAD"


class AccountPort(Protocol):
    """How others reach an account actor. Every call may fail with `ActorUnreachableError` and may be repeated."""

    async def submit(self, envelope: Envelope) -> Receipt:
        """Take commands durably, in order, each once; answer what has been taken. Never waits for a venue.

        A gap in the numbers is answered with the last seq before it. A lower `sender_epoch` than seen before is
        refused with `StaleSenderError`.
        """

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        """Return facts with seq > `after`; wait up to `wait_s` for the first one."""

    async def observe(self, instrument_id: InstrumentId) -> LegObservation:
        """Look at the venue now and say what could be learnt. Never raises for a venue's silence."""

    async def status(self) -> AccountStatus:
        """Report."""


class GroupPort(Protocol):
    """How others reach a group actor."""

    async def operate(self, state: OperatorState, by: str, reason: str) -> None:
        """Journal what the operator wants; returns when it is durable."""

    async def status(self) -> GroupStatus:
        """Report."""


class ActorUnreachableError(Exception):
    """The other actor did not answer. The call may have been carried out; every call is safe to repeat."""


class StaleSenderError(Exception):
    """The sender's epoch has been overtaken: the sender must stop."""
