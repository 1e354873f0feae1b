"""What keepers share: the office that gives each what it needs, and the life that everybody reads of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from actors.actor import Liveness
from actors.hosting.protocol import HostLink, Place
from actors.journal.protocol import JournalStore
from actors.supervision.desired import Wish
from actors.supervision.disk import DiskWatch
from actors.supervision.turns import Rank
from strategies.domain.ids import Timestamp

Chance = Callable[[], float]
"""Draws an even number from [0, 1)."""


class SpareSource(Protocol):
    """Where a keeper gets its processes."""

    async def take(self, rank: Rank) -> HostLink:
        """Return an idle process, or raise `ActorUnreachableError`; of many who ask, the lowest rank comes first."""


@dataclass(frozen=True)
class Office:
    """What every keeper needs and none owns."""

    spares: SpareSource
    store: JournalStore
    holder: str
    build: str
    log_file: Callable[[Wish], str]
    debug: bool
    now: Callable[[], Timestamp]
    chance: Chance
    stop_timeout_s: float
    disk: DiskWatch
    rank: Callable[[Wish], Rank]
    """How urgent it is that an actor lives; lower comes first."""


@dataclass
class Life:
    """What is known of one actor; read by everybody, written by its keeper."""

    liveness: Liveness = Liveness.STARTING
    epoch: int = 0
    pid: int = 0
    place: Place | None = None
    heard_at: Timestamp | None = None
    deaths: list[Timestamp] = field(default_factory=list)
    last_death: str = ""
    starts: int = 0
    gave_up: str = ""
    """Why no successor will be started; empty = one will."""

    @property
    def restarts(self) -> int:
        """Return how often a successor was started."""
        return max(0, self.starts - 1)
