"""The journal on SQLite: one file and one writing thread per open stream (docs/decisions/0002 and 0003)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from actors.journal.database import create_file
from actors.journal.location import JournalLocation, parse_location
from actors.journal.protocol import (
    Entry,
    Journal,
    JournalError,
    JournalStore,
    Record,
    Snapshot,
    StaleEpochError,
)
from actors.journal.read import StreamReader
from actors.journal.write import StreamWriter, claim_stream
from strategies.domain.ids import Timestamp

T = TypeVar("T")

_NS_PER_MS = 1_000_000


def open_store(url: str) -> JournalStore:
    """Return the store that a journal URL names. Touches no file yet.

    Raises:
        ValueError: not a journal URL, or of a kind that is not supported.
    """
    return SqliteJournalStore(parse_location(url))


class SqliteJournalStore:
    """Streams in files below one directory."""

    def __init__(self, location: JournalLocation) -> None:
        """Name the directory. It is made by the first claim."""
        self._location = location
        self._thread = _Thread("journal-store")
        self._open: set[SqliteJournal] = set()

    async def claim(self, stream: str, holder: str) -> int:
        """See `JournalStore`. Makes the stream's file, and takes an older one up to this program's version.

        Raises:
            JournalWriteError | JournalDamagedError | JournalVersionError
        """
        return await self._thread.run(lambda: self._claim(stream, holder))

    async def owner(self, stream: str) -> tuple[int, str]:
        """See `JournalStore`.

        Raises:
            JournalDamagedError | JournalVersionError
        """
        return await self._thread.run(lambda: self._owner(stream))

    async def open(self, stream: str, epoch: int) -> Journal:
        """See `JournalStore`."""
        path = self._location.file_of(stream)
        if not await self._thread.run(path.exists):
            raise StaleEpochError(stream, epoch, 0)
        journal = SqliteJournal(path, stream, epoch)
        try:
            await journal.connect()
        except BaseException:  # whatever it was: the thread must not outlive the failure
            await journal.close()
            raise
        self._open.add(journal)
        return journal

    async def streams(self) -> list[str]:
        """See `JournalStore`."""
        location = self._location
        return await self._thread.run(lambda: [location.stream_of(path) for path in location.files()])

    async def close(self) -> None:
        """Close every stream that this store opened. May be called twice."""
        while self._open:
            await self._open.pop().close()
        self._thread.stop()

    def _owner(self, stream: str) -> tuple[int, str]:
        path = self._location.file_of(stream)
        if not path.exists():
            return 0, ""
        found = StreamReader(path, stream).ownership()
        return found.epoch, found.holder

    def _claim(self, stream: str, holder: str) -> int:
        path = create_file(self._location, stream)
        return claim_stream(path, stream, holder, Timestamp(time.time_ns() // _NS_PER_MS))


class SqliteJournal:
    """One stream under one epoch. All its database work happens on its own thread, one piece after another.

    A call that is cancelled while it waits may or may not have become durable; reading tells.
    """

    def __init__(self, path: Path, stream: str, epoch: int) -> None:
        """Name the stream; `connect` opens it."""
        self._stream = stream
        self._epoch = epoch
        self._thread = _Thread(f"journal-{stream}")
        self._reader = StreamReader(path, stream)
        self._writer = StreamWriter(path, stream, epoch)

    @property
    def stream(self) -> str:
        """Return the stream's name."""
        return self._stream

    @property
    def epoch(self) -> int:
        """Return the epoch this handle writes under."""
        return self._epoch

    @property
    def identity(self) -> str:
        """Return the journal's identity; empty before `connect`."""
        return self._writer.identity

    async def connect(self) -> None:
        """Open the file; see `JournalStore.open`."""
        await self._thread.run(self._writer.connect)

    async def append(self, entries: Sequence[Entry]) -> int:
        """See `Journal`."""
        return await self._thread.run(lambda: self._writer.append(entries))

    async def read(self, after: int = 0) -> list[Record]:
        """See `Journal`."""
        return await self._thread.run(lambda: list(self._reader.records(after)))

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Journal`."""
        await self._thread.run(lambda: self._writer.save_snapshot(snapshot))

    async def load_snapshot(self) -> Snapshot | None:
        """See `Journal`."""
        return await self._thread.run(self._reader.snapshot)

    async def close(self) -> None:
        """See `Journal`."""
        if not self._thread.stopped:
            await self._thread.run(self._writer.close)
            self._thread.stop()


class _Thread:
    """One named thread that does one piece of work at a time."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._name = name
        self.stopped = False

    async def run(self, work: Callable[[], T]) -> T:
        if self.stopped:
            raise JournalError(f"{self._name}: is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def stop(self) -> None:
        self.stopped = True
        self._executor.shutdown(wait=False)
