"""What a strategy on the desk has to say: whether it may begin, and which orders should stand now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from strategies.desk.state import DeskState, M
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.machine import Violation
from strategies.working import Wanted


@dataclass(frozen=True, slots=True)
class Leave:
    """The wish to get out. `parking`: a person looks before anything is traded again; `finishing`: no more cycles."""

    reason: str
    parking: bool = False
    finishing: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What should stand now. A leg that is not named is left as it is: nothing is known to decide by."""

    wanted: Mapping[LegName, Sequence[Wanted]] = field(default_factory=dict)
    leave: Leave | None = None
    look_s: Decimal | None = None  # how soon the legs are looked at again; None = the poll interval
    wake_at: Timestamp | None = None  # when the same facts would be decided otherwise
    words: str = ""  # what comes next, for people


class Policy(Protocol[M]):
    """A strategy on the desk. Pure: what it remembers is its memory, in the state."""

    @property
    def name(self) -> str:
        """Return the strategy's name."""

    @property
    def code_version(self) -> str:
        """Name the version of the decisions."""

    @property
    def memory_model(self) -> type[M]:
        """Return the model of what it remembers within a cycle."""

    def begin(self, turn: Turn[M]) -> M | str:
        """Return the memory of a new cycle, or why none can begin now. Every leg has just been seen, flat and armed."""

    def plan(self, turn: Turn[M]) -> Plan:
        """Say what should stand now. May change the memory.

        Called after every event of a running cycle that could change it: not when a look is only asked for, nor when
        an order is on its way, nor, as `on_desk` is told, when it has been accepted.
        """

    def inventory(self, state: DeskState[M]) -> Decimal:
        """Return what is meant to be held uncovered, base units, signed; 0 for a hedge."""

    def targets(self, state: DeskState[M]) -> Mapping[LegName, Decimal]:
        """Return where each leg should be, for people."""

    def violations(self, state: DeskState[M]) -> Iterable[Violation]:
        """Yield what a state breaks of what must always hold, beside the desk's own promises."""
