"""The account's book together with its journal: what is decided becomes durable, then is answered and published.

Whoever has something to decide waits for the next turn. A turn takes all that wait, in the order they came, and writes
what they decided in one append: the disk is asked once for many, and under load an order costs a part of a sync.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from actors.account.book import Book
from actors.account.entries import EntryKind, PreparedBody
from actors.account.state import BookState
from actors.actor import FactBatch, NumberedFact
from actors.journal.protocol import Entry, Journal, JournalError, JournalWriteError, Snapshot
from actors.meter import Meter
from actors.tasks import Tasks
from strategies.domain.ids import AccountId
from venues.venue import WriteIdentity

_log = structlog.get_logger(__name__)

CODE_VERSION = "2"
"""Version of the fold; a snapshot of another version is not used, the journal is folded from its start instead."""
_RETRY_S = 1.0
"""How often an append is tried again while the disk refuses: nothing may be done before it succeeds."""
_BATCH = 500
"""Most facts handed out in one answer."""

_ENDED = "the account actor ended before this was durable"

Decide = Callable[[Book], list[Entry]]
"""Looks at the book and returns what follows; called once, without waiting."""


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """One decision on its way to the disk; `durable` ends with its entries, or with the error that kept them off it."""

    decide: Decide
    durable: "asyncio.Future[list[Entry]]"


@dataclass(frozen=True, slots=True)
class Folded:
    """An account's journal, folded."""

    book: Book
    seq: int
    """The last record."""
    snapshot_seq: int
    """The record that the folding began after."""


async def fold(account: AccountId, journal: Journal) -> Folded:
    """Fold snapshot and journal of an account.

    Raises:
        JournalError: the journal cannot be read or is damaged.
    """
    book, begun = Book(account), 0
    snapshot = await journal.load_snapshot()
    if snapshot is not None and snapshot.code_version == CODE_VERSION:
        book, begun = Book(account, BookState.model_validate_json(snapshot.body)), snapshot.seq
    seq = begun
    for record in await journal.read(after=begun):
        book.apply(Entry(kind=record.kind, at=record.at, body=record.body))
        seq = record.seq
    return Folded(book=book, seq=seq, snapshot_seq=begun)


class Ledger:
    """One writer: every change goes through `commit`, one after another."""

    def __init__(
        self, book: Book, journal: Journal, meter: Meter, *, tasks: Tasks, feed_in_memory: int, snapshot_every: int
    ) -> None:
        """Join book and journal; call `load` before anything else."""
        self.book = book
        """While an append is under way the book is ahead of the disk by it; nobody is answered or told before."""
        self.problem = ""
        """Why the journal cannot be written just now; empty = it can."""
        self.on_durable: Callable[[Sequence[Entry]], None] | None = None
        """Told what has become durable, whether or not the one who decided it still waits for it."""
        self.on_broken: Callable[[Exception], None] | None = None
        """Told once why nothing can be decided any more: whoever asked hears it, too, and may be anybody."""
        self.alongside: Callable[[Sequence[Entry]], Awaitable[Sequence[Pending]]] | None = None
        """Asked, between deciding and the disk, what else goes into the same append. Must not wait for the ledger."""
        self.owned_at = 0.0
        """Loop time at which this life was last known to own the journal."""
        self._journal = journal
        self._meter = meter
        self._feed_in_memory = feed_in_memory
        self._snapshot_every = snapshot_every
        self._tasks = tasks
        self._waiting: list[Pending] = []
        self._wanted = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._broken: Exception | None = None
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._published = 0
        self._seq = 0
        self._snapshot_seq = 0

    async def load(self) -> int:
        """Fold snapshot and journal; return how many records were folded.

        Raises:
            JournalError: the journal cannot be read or is damaged.
        """
        folded = await fold(self.book.account, self._journal)
        self.book, self._seq, self._snapshot_seq = folded.book, folded.seq, folded.snapshot_seq
        self._published = self.book.state.fact_seq
        return folded.seq - folded.snapshot_seq

    @property
    def identity(self) -> str:
        """Return the identity of the account's journal."""
        return self._journal.identity

    @property
    def published(self) -> int:
        """Return the number of the last fact that is durable and may be told."""
        return self._published

    async def commit(self, decide: Decide) -> list[Entry]:
        """Decide on the book as it is, fold the entries, make them durable, publish them; return them.

        Waits for as long as the disk refuses: what is not durable must not be acted on.

        Raises:
            StaleEpochError: another incarnation owns the account; stop for good.
        """
        (pending,) = self.commit_soon((decide,))
        return await pending.durable

    async def commit_all(self, decisions: Sequence[Decide]) -> list[list[Entry]]:
        """Do the same for several decisions at once, each on the book as the ones before it leave it."""
        # A caller that is cancelled takes back what has not been decided; a turn under way goes on without it.
        return await asyncio.gather(*[each.durable for each in self.commit_soon(decisions)])

    def commit_soon(self, decisions: Sequence[Decide]) -> list[Pending]:
        """Put decisions into the next turn, at once and in this order; the futures tell when they are durable."""
        mine = self.pending(decisions)
        if mine:
            self._waiting += mine
            if self._writer is None:
                self._writer = self._tasks.start("ledger", self._write())
                self._writer.add_done_callback(self._left_off)
            self._wanted.set()
        return mine

    def pending(self, decisions: Sequence[Decide]) -> list[Pending]:
        """Return decisions as `alongside` returns them."""
        loop = asyncio.get_running_loop()
        return [Pending(decide, loop.create_future()) for decide in decisions]

    async def confirm_owner(self) -> None:
        """Ask the journal whether this life still owns it: whoever was suspended may have been replaced meanwhile.

        Raises:
            StaleEpochError: another incarnation owns the account; stop for good.
            JournalError: the journal does not say so.
        """
        async with self._lock:
            asked_at = asyncio.get_running_loop().time()
            await self._journal.append(())
            self.owned_at = asked_at

    async def signed_with(self, key: int, nonce: int) -> list[WriteIdentity]:
        """Return every write of ours that was ever signed with a nonce, from the whole journal.

        Raises:
            JournalError: it cannot be read.
        """
        records = await self._journal.read()
        bodies = (PreparedBody.model_validate_json(r.body) for r in records if r.kind == EntryKind.PREPARED)
        signed = (body.identity for body in bodies)
        return [each for each in signed if each.api_key_index == key and each.nonce == nonce]

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        """Return published facts with seq > `after`; wait up to `wait_s` for the first.

        Whoever asks for what comes after a fact that there is not yet gets an answer at once: its cursor is of another
        journal, and it has to see that.
        """
        if self._published == after:
            news = self._news
            try:
                async with asyncio.timeout(wait_s):
                    await news.wait()
            except TimeoutError:
                return self._batch(())
        if self._published < after:
            return self._batch(())
        at_hand = self.book.state.facts
        if at_hand and at_hand[0].seq <= after + 1:
            # They follow each other without gaps, so their places are known.
            first = max(0, after + 1 - at_hand[0].seq)
            published = self._published + 1 - at_hand[0].seq
            return self._batch(at_hand[first : min(published, first + _BATCH)])
        # The journal may be ahead of what is published: an append that is on the disk and not yet answered. A fact told
        # before its time would make its reader's cursor look like one of another journal.
        published = self._published
        return self._batch([fact for fact in await self._older_facts(after) if fact.seq <= published])

    def _batch(self, facts: Sequence[NumberedFact]) -> FactBatch:
        return FactBatch(facts=tuple(facts), published=self._published, journal=self.identity)

    async def snapshot_if_due(self) -> None:
        """Keep a snapshot when enough has been written since the last one."""
        async with self._lock:
            if self._seq - self._snapshot_seq < self._snapshot_every:
                return
            body = self.book.state.model_dump_json()
            try:
                await self._journal.save_snapshot(Snapshot(seq=self._seq, code_version=CODE_VERSION, body=body))
            except JournalWriteError as error:
                # A full disk. A snapshot only makes the next start shorter: the records stand, it is tried again.
                _log.warning("snapshot_refused", stream=self._journal.stream, error=str(error))
                return
            self._snapshot_seq = self._seq

    async def _write(self) -> None:
        """Take turns for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            turn, self._waiting = self._waiting, []
            try:
                async with self._lock:
                    await self._take_turn(turn)
            except BaseException:
                # Cancelled, or an error that nobody expects here: the actor ends, and its callers hear it.
                for each in turn:
                    _fail(each, JournalError(_ENDED))
                raise

    def _left_off(self, _task: "asyncio.Task[None]") -> None:
        """Answer those whom the writer's end would leave waiting."""
        self._writer = None
        self._broken = self._broken or JournalError(_ENDED)
        left, self._waiting = self._waiting, []
        for each in left:
            _fail(each, JournalError(_ENDED))

    async def _take_turn(self, turn: Sequence[Pending]) -> None:
        decided = await self._decide_all(turn)
        together = [entry for _, entries in decided for entry in entries]
        broken = await self._make_durable(together)
        if broken is not None:
            for each in (*turn, *(each for each, _ in decided)):
                _fail(each, broken)
            if self.on_broken is not None:
                self.on_broken(broken)
            return
        for each, entries in decided:
            if not each.durable.done():
                each.durable.set_result(entries)
        if self.on_durable is not None and together:
            self.on_durable(together)
        if self._published < self.book.state.fact_seq:
            self._published = self.book.state.fact_seq
            self._trim()
            self._news.set()
            self._news = asyncio.Event()

    async def _decide_all(self, turn: Sequence[Pending]) -> list[tuple[Pending, list[Entry]]]:
        """Decide the turn, and what goes alongside."""
        decided = [(each, entries) for each in turn if (entries := self._decided(each)) is not None]
        if self.alongside is not None and decided and self._broken is None:
            joined = await self.alongside([entry for _, entries in decided for entry in entries])
            decided += [(each, entries) for each in joined if (entries := self._decided(each)) is not None]
        return decided

    async def _make_durable(self, together: list[Entry]) -> Exception | None:
        """Append what a turn has decided; return why nothing can be decided any more, None = it is on the disk."""
        try:
            if self._broken is not None:
                # A ghost stumbles over its successor's deeds (a fill of an order that it never sent). Whether it is
                # one, the journal knows: an append of nothing checks the epoch.
                await self._journal.append(())
            elif together:
                await self._append(together)
        except JournalError as error:
            # Overtaken, damaged or closed: all of the turn hear it.
            self._broken = error
        return self._broken

    def _decided(self, each: Pending) -> list[Entry] | None:
        """Decide and fold; None when nothing came of it but an error for the one who asked."""
        if each.durable.done():
            return None
        if self._broken is not None:
            _fail(each, self._broken)
            return None
        try:
            entries = each.decide(self.book)
        except Exception as error:  # noqa: BLE001 - it is the asker's: others of the same turn must not suffer from it
            _fail(each, error)
            return None
        try:
            for entry in entries:
                self.book.apply(entry)
        except Exception as error:  # noqa: BLE001 - a book that is half folded must not be decided upon any more
            self._broken = error  # who asked hears it at the end of the turn
            return None
        return entries

    async def _append(self, entries: list[Entry]) -> None:
        while True:
            try:
                # Before the append, not after: the process may stand still between the disk's answer and this line.
                asked_at = asyncio.get_running_loop().time()
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
            self.owned_at = asked_at
            return

    async def _older_facts(self, after: int) -> tuple[NumberedFact, ...]:
        records = await self._journal.read()
        facts = (NumberedFact.model_validate_json(r.body) for r in records if r.kind == EntryKind.FACT)
        return tuple(fact for fact in facts if fact.seq > after)[:_BATCH]

    def _trim(self) -> None:
        facts = self.book.state.facts
        if len(facts) > 2 * self._feed_in_memory:
            del facts[: -self._feed_in_memory]


def _fail(each: Pending, error: Exception) -> None:
    if not each.durable.done():
        each.durable.set_exception(error)
