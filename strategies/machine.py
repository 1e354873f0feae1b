"""The contract between a strategy and the shell that runs it.

A machine decides; it never does. The shell takes one event, calls `step`, writes event and commands in one transaction,
then acts. The same events give the same commands, byte for byte.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from pydantic import Field

from strategies.domain.commands import Command
from strategies.domain.events import Event, OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, Timestamp
from strategies.domain.model import Value

S = TypeVar("S", bound=Value)


class GroupSpec(Value):
    """What every strategy is told about the group it runs: who it is and which account plays which leg."""

    group: GroupId
    instrument_id: InstrumentId
    legs: dict[LegName, AccountId]


class Step(Generic[S]):
    """A new state and what to do about it."""

    __slots__ = ("commands", "state")

    def __init__(self, state: S, commands: tuple[Command, ...] = ()) -> None:
        """Hold the new state and the commands, in the order they are to be carried out."""
        self.state = state
        self.commands = commands


class Outcome(StrEnum):
    """Whether a group still has something to do."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    """All cycles done, every leg confirmed flat (to dust)."""
    PARKED = "PARKED"
    """Ended by trouble: flat or said to be not, waiting for a person."""


class LegView(Value):
    """One leg for the eyes of an operator. Quantities in base units."""

    account: AccountId
    target: Decimal
    believed: Decimal
    known: bool = Field(default=True, description="False = nothing has been learnt of the leg: `believed` says nothing")
    reported: Decimal | None = Field(description="the venue's last statement; None = none yet")
    reported_at: Timestamp | None = None
    in_flight: tuple[OrderId, ...] = ()
    opening: tuple[OrderId, ...] = Field(
        default=(),
        description="of those, orders that stay until they are filled or canceled and may make the leg bigger",
    )
    unknown: tuple[OrderId, ...] = ()
    dust_usd: Decimal = Field(default=Decimal(0), description="value of what is too small to close")
    realized: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    flat_at: Timestamp | None = Field(
        default=None, description="when a way out confirmed the leg flat, or dust; None = not, or it was not asked to"
    )


class LimitView(Value):
    """One limit for the eyes of an operator."""

    name: str = Field(description="the setting without `max_`: `loss_usd_per_day`")
    account: AccountId | None = Field(description="the account that it is of; None = of the group")
    word: str = Field(description="what happens there: deny, pause, reduce or flatten")
    most: Decimal
    unit: str
    used: Decimal | None = Field(description="how much of it is used; None = not known, or it is a limit of one order")
    reached_at: Timestamp | None = Field(default=None, description="since when it stands reached; None = it does not")
    until: Timestamp | None = Field(
        default=None, description="when that ends by itself; None with `reached_at` = when RUN is said"
    )
    text: str = Field(default="", description="what was reached, with both numbers")
    denied: int = Field(default=0, ge=0, description="orders that it has denied in the life of the group")


class GroupView(Value):
    """A group for the eyes of an operator: what it does, since when, and what comes next."""

    phase: str
    phase_since: Timestamp
    next: str = Field(description="the next thing to happen, in words")
    reason: str = Field(default="", description="why it is in this phase, in words")
    cycle: int = Field(ge=0, description="number of the running or last cycle, from 1; 0 = none yet")
    cycles_done: int = Field(ge=0)
    operator_state: OperatorState
    outcome: Outcome
    mark: Decimal | None = Field(description="price used for values in USD; None = none yet")
    lot: Decimal | None = Field(default=None, description="the coarsest lot of the legs; half of it is the naked limit")
    hedged: bool = Field(description="the machine holds that no more than rounding is uncovered")
    inventory: Decimal = Field(
        default=Decimal(0), description="what is meant to be held uncovered, base units, signed; 0 for a hedge"
    )
    legs: dict[LegName, LegView]

    @property
    def net(self) -> Decimal:
        """Return the uncovered quantity: what all legs hold beyond what is meant to be held, base units, signed."""
        return sum((leg.believed for leg in self.legs.values()), start=-self.inventory)

    @property
    def held(self) -> "Held":
        """Return what is held, for a machine that need not be quick about it."""
        return Held({leg.account: leg.believed for leg in self.legs.values()}, self.net)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that a state does not keep: its stable name, and what was found."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a group holds, as its machine believes: what the gate weighs orders against. Base units, signed."""

    by_account: dict[AccountId, Decimal]
    net: Decimal
    """Uncovered: what all legs hold beyond what is meant to be held."""


class Machine(Protocol[S]):
    """A strategy. Everything it needs to know comes in through `step`; everything it wants goes out of it."""

    @property
    def code_version(self) -> str:
        """Name the version of the decisions, journaled with each step; raise it when decisions change."""

    def start(self) -> S:
        """Return the state before anything has happened."""

    def step(self, state: S, event: Event) -> Step[S]:
        """Fold one event. Never raises for anything a venue, an operator or the clock can do."""

    def view(self, state: S) -> GroupView:
        """Describe the state for people and metrics."""

    def held(self, state: S) -> Held:
        """Return what the view of the same state says is held: asked for with every order, so without its words."""

    def state_to_json(self, state: S) -> str:
        """Write the state for a snapshot."""

    def state_from_json(self, text: str) -> S:
        """Read a snapshot.

        Raises:
            ValueError: the text is not a state of this version.
        """
