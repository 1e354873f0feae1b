"""The journal in memory: the same promises without a disk, for simulation on virtual time and for tests.

What is in a store outlives the handles, as a file outlives a process: open the stream again to come back.
"""

from collections.abc import Sequence

from actors.journal.protocol import Entry, Journal, JournalError, Record, Snapshot, StaleEpochError


class _Stream:
    def __init__(self, identity: str = "") -> None:
        self.identity = identity
        self.epoch = 0
        self.holder = ""
        self.records: list[Record] = []
        self.snapshot: Snapshot | None = None


class MemoryJournalStore:
    """Streams in memory."""

    def __init__(self) -> None:
        """Start empty."""
        self._streams: dict[str, _Stream] = {}
        self._made = 0
        self._refusal: JournalError | None = None

    def refuse_writes(self, error: JournalError | None) -> None:
        """Let every claim, append and snapshot raise `error` (a full disk, say) until called with None."""
        self._refusal = error

    async def claim(self, stream: str, holder: str) -> int:
        """See `JournalStore`."""
        self.check_writable()
        if stream not in self._streams:
            self._made += 1  # counted, not drawn: a simulation of the same seed writes the same bytes
            self._streams[stream] = _Stream(f"memory-{self._made}")
        found = self._streams[stream]
        found.epoch += 1
        found.holder = holder
        return found.epoch

    async def owner(self, stream: str) -> tuple[int, str]:
        """See `JournalStore`."""
        found = self._streams.get(stream, _Stream())
        return found.epoch, found.holder

    async def open(self, stream: str, epoch: int) -> Journal:
        """See `JournalStore`."""
        found = self._streams.get(stream, _Stream())
        if found.epoch != epoch:
            raise StaleEpochError(stream, epoch, found.epoch)
        return MemoryJournal(self, found, stream, epoch)

    def records(self, stream: str) -> list[Record]:
        """Return what a stream holds, whoever owns it."""
        return list(self._streams.get(stream, _Stream()).records)

    def tear(self, stream: str, count: int) -> None:
        """Lose the last records, as a crash may lose what was never acknowledged."""
        if count:
            del self._streams[stream].records[-count:]

    def drop_snapshot(self, stream: str) -> None:
        """Forget a stream's snapshot: its records alone must tell the same."""
        self._streams[stream].snapshot = None

    async def streams(self) -> list[str]:
        """See `JournalStore`."""
        return sorted(self._streams)

    async def close(self) -> None:
        """Do nothing: what was written stays, as it would on a disk."""

    def check_writable(self) -> None:
        """Raise what `refuse_writes` was given."""
        if self._refusal is not None:
            raise self._refusal


class MemoryJournal:
    """One stream under one epoch."""

    def __init__(self, store: MemoryJournalStore, content: _Stream, stream: str, epoch: int) -> None:
        """Write to `content`, which the store keeps."""
        self._store = store
        self._content = content
        self._stream = stream
        self._epoch = epoch
        self._closed = False

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
        """Return the stream's identity."""
        return self._content.identity

    async def append(self, entries: Sequence[Entry]) -> int:
        """See `Journal`."""
        self._check_owner()
        records = self._content.records
        for entry in entries:
            records.append(
                Record(seq=len(records) + 1, epoch=self._epoch, kind=entry.kind, at=entry.at, body=entry.body)
            )
        return len(records)

    async def read(self, after: int = 0) -> list[Record]:
        """See `Journal`."""
        self._check_open()
        return self._content.records[after:]

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Journal`.

        Raises:
            ValueError: the snapshot folds records that have not been written.
        """
        self._check_owner()
        head = len(self._content.records)
        if snapshot.seq > head:
            raise ValueError(f"a snapshot of seq {snapshot.seq} of a stream that ends at {head}")
        self._content.snapshot = snapshot

    async def load_snapshot(self) -> Snapshot | None:
        """See `Journal`."""
        self._check_open()
        return self._content.snapshot

    async def close(self) -> None:
        """Close the handle."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(f"stream {self._stream}: is closed")

    def _check_owner(self) -> None:
        self._check_open()
        self._store.check_writable()
        if self._content.epoch != self._epoch:
            raise StaleEpochError(self._stream, self._epoch, self._content.epoch)
