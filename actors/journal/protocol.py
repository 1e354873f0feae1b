"""What a journal is. Whoever acts writes here first; whoever comes back reads here first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import Field

from strategies.domain.ids import Timestamp
from strategies.domain.model import Value


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to be written."""

    kind: str
    """What the body is; each stream's owner names its own kinds."""
    at: Timestamp
    body: str
    """JSON text."""
    meaning: Any = field(default=None, repr=False)
    """What became the body, for a fold that need not read it back; never written. None = read the body."""


class Record(Value):
    """One thing that was written."""

    seq: int = Field(gt=0, description="position in its stream, from 1, without gaps")
    epoch: int = Field(gt=0, description="the owner's epoch that wrote it")
    kind: str
    at: Timestamp
    body: str


class Snapshot(Value):
    """A fold of every record up to and including `seq`."""

    seq: int
    code_version: str
    body: str


class JournalError(Exception):
    """The journal cannot be used. The caller must not act."""


class StaleEpochError(JournalError):
    """Somebody else owns the stream now. The caller must stop for good."""

    def __init__(self, stream: str, mine: int, current: int) -> None:
        """Keep both epochs."""
        super().__init__(stream, mine, current)
        self.stream = stream
        self.mine = mine
        self.current = current

    def __str__(self) -> str:
        """Say who lost to whom."""
        return f"stream {self.stream}: epoch {self.mine} was overtaken by epoch {self.current}"


class JournalDamagedError(JournalError):
    """What is on disk is not what was written. Names stream, file and position."""


class JournalVersionError(JournalError):
    """The journal was written by a newer version of the schema than this code knows."""


class JournalWriteError(JournalError):
    """The append did not become durable (disk full, I/O error): nothing of it counts, nothing may be done about it."""


class Journal(Protocol):
    """One stream, owned by one epoch."""

    @property
    def stream(self) -> str:
        """Return the stream's name: `group/triad-1`, `account/l1`."""

    @property
    def epoch(self) -> int:
        """Return the epoch this handle writes under."""

    @property
    def identity(self) -> str:
        """Return what tells this journal from every other that may ever lie in its place."""

    async def append(self, entries: Sequence[Entry]) -> int:
        """Write all entries in one durable transaction, or none; return the last one's seq.

        Raises:
            StaleEpochError: another owner has claimed the stream.
            JournalWriteError: not durable.
        """

    async def read(self, after: int = 0) -> list[Record]:
        """Return every record with seq > `after`, in order.

        Raises:
            JournalDamagedError: a record's checksum, or the sequence, is broken.
        """

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a fold; older ones may be dropped. Raises as `append`."""

    async def load_snapshot(self) -> Snapshot | None:
        """Return the latest snapshot, or None. Raises `JournalDamagedError`."""

    async def close(self) -> None:
        """Release files and threads. May be called twice."""


class JournalStore(Protocol):
    """Where the streams of one deployment live."""

    async def claim(self, stream: str, holder: str) -> int:
        """Raise the stream's epoch by one, durably, name the holder, and return the new epoch.

        From here on every append under an older epoch raises `StaleEpochError`.
        """

    async def owner(self, stream: str) -> tuple[int, str]:
        """Return the current epoch (0 = never claimed) and its holder."""

    async def open(self, stream: str, epoch: int) -> Journal:
        """Open a stream under an epoch that `claim` returned.

        Raises:
            StaleEpochError | JournalDamagedError | JournalVersionError
        """

    async def streams(self) -> list[str]:
        """Return the names of all streams, sorted."""

    async def close(self) -> None:
        """Release everything."""


StoreOpener = Callable[[str], JournalStore]
"""A journal URL to its store; touches nothing yet."""
