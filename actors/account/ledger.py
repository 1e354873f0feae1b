"""The account's book together with its journal: what is decided becomes durable, then counts, then is published."""

import asyncio
from collections.abc import Callable

import structlog

from actors.account.book import Book
from actors.account.state import BookState, EntryKind
from actors.actor import FactBatch, NumberedFact
from actors.journal.protocol import Entry, Journal, JournalWriteError, Snapshot
from actors.meter import Meter

_log = structlog.get_logger(__name__)

CODE_VERSION = "1"
"""Version of the fold; a snapshot of another version is not used, the journal is folded from its start instead."""
_RETRY_S = 1.0
"""How often an append is tried again while the disk refuses: nothing may be done before it succeeds."""
_BATCH = 500
"""Most facts handed out in one answer."""


class Ledger:
    """One writer: every change goes through `commit`, one at a time."""

    def __init__(self, book: Book, journal: Journal, meter: Meter, *, feed_in_memory: int, snapshot_every: int) -> None:
        """Join book and journal; call `load` before anything else."""
        self.book = book
        self.problem = ""
        """Why the journal cannot be written just now; empty = it can."""
        self._journal = journal
        self._meter = meter
        self._feed_in_memory = feed_in_memory
        self._snapshot_every = snapshot_every
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._seq = 0
        self._snapshot_seq = 0

    async def load(self) -> int:
        """Fold snapshot and journal; return how many records were folded.

        Raises:
            JournalError: the journal cannot be read or is damaged.
        """
        snapshot = await self._journal.load_snapshot()
        if snapshot is not None and snapshot.code_version == CODE_VERSION:
            self.book = Book(self.book.account, BookState.model_validate_json(snapshot.body))
            self._seq = self._snapshot_seq = snapshot.seq
        records = await self._journal.read(after=self._seq)
        for record in records:
            self.book.apply(Entry(kind=record.kind, at=record.at, body=record.body))
            self._seq = record.seq
        return len(records)

    async def commit(self, decide: Callable[[Book], list[Entry]]) -> list[Entry]:
        """Decide on the book as it is, make the entries durable, fold and publish them; return them.

        Waits for as long as the disk refuses: what is not durable must not be acted on.

        Raises:
            StaleEpochError: another incarnation owns the account; stop for good.
        """
        async with self._lock:
            entries = decide(self.book)
            if not entries:
                return entries
            await self._append(entries)
            for entry in entries:
                self.book.apply(entry)
        if any(entry.kind == EntryKind.FACT for entry in entries):
            self._trim()
            self._news.set()
            self._news = asyncio.Event()
        return entries

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        """Return published facts with seq > `after`; wait up to `wait_s` for the first."""
        if self.book.state.fact_seq <= after:
            news = self._news
            try:
                await asyncio.wait_for(news.wait(), wait_s)
            except TimeoutError:
                return FactBatch(facts=())
        at_hand = self.book.state.facts
        if at_hand and at_hand[0].seq <= after + 1:
            return FactBatch(facts=tuple(fact for fact in at_hand if fact.seq > after)[:_BATCH])
        return FactBatch(facts=await self._older_facts(after))

    async def snapshot_if_due(self) -> None:
        """Keep a snapshot when enough has been written since the last one."""
        async with self._lock:
            if self._seq - self._snapshot_seq < self._snapshot_every:
                return
            body = self.book.state.model_dump_json()
            await self._journal.save_snapshot(Snapshot(seq=self._seq, code_version=CODE_VERSION, body=body))
            self._snapshot_seq = self._seq

    async def _append(self, entries: list[Entry]) -> None:
        while True:
            try:
                with self._meter.timed("journal_append"):
                    self._seq = await self._journal.append(entries)
            except JournalWriteError as error:
                if not self.problem:
                    _log.critical("journal_refuses", stream=self._journal.stream, error=str(error))
                self.problem = str(error)
                self._meter.count("journal_failures")
                await asyncio.sleep(_RETRY_S)
                continue
            self.problem = ""
            return

    async def _older_facts(self, after: int) -> tuple[NumberedFact, ...]:
        records = await self._journal.read()
        facts = (NumberedFact.model_validate_json(r.body) for r in records if r.kind == EntryKind.FACT)
        return tuple(fact for fact in facts if fact.seq > after)[:_BATCH]

    def _trim(self) -> None:
        facts = self.book.state.facts
        if len(facts) > 2 * self._feed_in_memory:
            del facts[: -self._feed_in_memory]
