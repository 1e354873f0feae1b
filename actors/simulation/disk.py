"""The journal's disk: every append takes its time, so that a crash finds it before, in and after the write."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from actors.journal.memory import MemoryJournalStore
from actors.journal.protocol import Entry, Journal, JournalStore, Record, Snapshot, StaleEpochError


class Disk:
    """All streams of one simulation."""

    def __init__(self, latency_s: float, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Start empty. `latency_s` passes, by `pause`, between a write and its acknowledgement."""
        self.store = MemoryJournalStore()
        self.latency_s = latency_s
        self.pause = pause
        self.acknowledged_at: dict[tuple[str, int], float] = {}
        """Loop time at which a record, by stream and seq, was known to be durable. Absent = its writer never heard."""
        self.on_write: dict[str, Callable[[], None]] = {}
        """By stream: called once, between the next write and its acknowledgement."""

    def open_for(self, life: "Writers") -> "JournalStore":
        """Return the store as one process sees it: what it opens dies with it."""
        return _ProcessStore(self, life)


class Writers:
    """The journal handles of one process."""

    def __init__(self) -> None:
        """Start with none."""
        self.journals: list[SlowJournal] = []

    @property
    def busy(self) -> bool:
        """Say whether a write is under way, or was refused and will be tried again."""
        return any(journal.busy for journal in self.journals)

    def die(self, *, keep_tail: bool) -> int:
        """Let every handle be dead; return how many unacknowledged records were lost."""
        return sum(journal.die(keep_tail=keep_tail) for journal in self.journals)


class _ProcessStore:
    """Implements `JournalStore` for one process."""

    def __init__(self, disk: Disk, life: Writers) -> None:
        self._disk = disk
        self._life = life

    async def claim(self, stream: str, holder: str) -> int:
        return await self._disk.store.claim(stream, holder)

    async def owner(self, stream: str) -> tuple[int, str]:
        return await self._disk.store.owner(stream)

    async def open(self, stream: str, epoch: int) -> Journal:
        journal = SlowJournal(self._disk, await self._disk.store.open(stream, epoch))
        self._life.journals.append(journal)
        return journal

    async def streams(self) -> list[str]:
        return await self._disk.store.streams()

    async def close(self) -> None:
        await self._disk.store.close()


class SlowJournal:
    """Implements `Journal`."""

    def __init__(self, disk: Disk, inner: Journal) -> None:
        """Write through `inner`, which never waits."""
        self._disk = disk
        self._inner = inner
        self._unacknowledged = 0
        self._dead = False
        self.busy = False
        """Whether a write is under way, or was refused."""

    @property
    def stream(self) -> str:
        """Return the stream's name."""
        return self._inner.stream

    @property
    def epoch(self) -> int:
        """Return the epoch this handle writes under."""
        return self._inner.epoch

    @property
    def identity(self) -> str:
        """Return the journal's identity."""
        return self._inner.identity

    async def append(self, entries: Sequence[Entry]) -> int:
        """See `Journal`."""
        self.busy = True
        await asyncio.sleep(0)
        self._check_alive()
        seq = await self._inner.append(entries)
        self._unacknowledged = len(entries)
        hook = self._disk.on_write.pop(self.stream, None)
        if hook is not None:
            asyncio.get_running_loop().call_soon(hook)
        await self._disk.pause(self._disk.latency_s)
        self._check_alive()
        self._unacknowledged = 0
        self.busy = False
        now = asyncio.get_running_loop().time()
        for each in range(seq - len(entries) + 1, seq + 1):
            self._disk.acknowledged_at[self.stream, each] = now
        return seq

    async def read(self, after: int = 0) -> list[Record]:
        """See `Journal`."""
        await self._disk.pause(self._disk.latency_s)
        return await self._inner.read(after)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Journal`."""
        await self._disk.pause(self._disk.latency_s)
        self._check_alive()
        await self._inner.save_snapshot(snapshot)

    async def load_snapshot(self) -> Snapshot | None:
        """See `Journal`."""
        await self._disk.pause(self._disk.latency_s)
        return await self._inner.load_snapshot()

    async def close(self) -> None:
        """See `Journal`."""
        await self._inner.close()

    def die(self, *, keep_tail: bool) -> int:
        """End with the process. What was written and never acknowledged may be lost; return how many records were."""
        self._dead = True
        if keep_tail or self._overtaken():
            return 0
        lost, self._unacknowledged = self._unacknowledged, 0
        self._disk.store.tear(self.stream, lost)
        return lost

    def _overtaken(self) -> bool:
        records = self._disk.store.records(self.stream)
        return not records or records[-1].epoch != self.epoch

    def _check_alive(self) -> None:
        if self._dead:
            raise StaleEpochError(self.stream, self.epoch, self.epoch + 1)
