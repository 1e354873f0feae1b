"""The group's journal and what follows from it: message numbers, cursors, timers, open draws.

One record is one step: the event, where it came from, the commands, and the version of the code that decided.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import structlog
from pydantic import Field

from actors.actor import Message
from actors.group_entries import CURSOR, MET, SETTINGS, STEP, DecidedBy, Met, Source, StepBody
from actors.journal.protocol import Entry, Journal, JournalWriteError, Record, Snapshot
from actors.kinship import Tie
from actors.meter import Meter
from strategies.domain.codec import commands_to_json
from strategies.domain.commands import (
    CancelAllOrders,
    CancelOrder,
    CancelTimer,
    Command,
    DrawRandom,
    SetLeverage,
    SetTimer,
    SubmitOrder,
)
from strategies.domain.events import AccountEvent, Event, RandomDrawn, TimerFired
from strategies.domain.ids import AccountId, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.machine import Machine
from strategies.replay import Divergence, JournaledStep, replay

_log = structlog.get_logger(__name__)

SNAPSHOT_EVERY = 1_000
"""Journal records between two snapshots, unless told otherwise: a restart folds at most this many."""
_TAIL = 200
"""Steps whose words a successor may show: most are looks that led to nothing."""
_RETRY_S = 1.0
"""How often an append is tried again while the disk refuses: nothing may be done before it succeeds."""

Rebuild = Callable[[DecidedBy], Machine[Any]]
"""Make the machine that decided under earlier settings. Raises ValueError when they are not of this version."""


class _Bookkeeping(Value):
    """What the shell of a group remembers beside the machine's state; part of its snapshot."""

    sent: dict[AccountId, int] = Field(default={}, description="number of the last message per account")
    outbox: dict[AccountId, tuple[Message, ...]] = {}
    cursors: dict[AccountId, int] = {}
    timers: dict[TimerName, Timestamp] = {}
    draws: dict[str, DrawRandom] = {}
    peers: dict[AccountId, str] = Field(default={}, description="identity of the journal of each account we have met")
    last_facts: dict[AccountId, AccountEvent] = Field(default={}, description="the fact at each cursor, where known")


class _SnapshotBody(Value):
    machine: str
    bookkeeping: _Bookkeeping
    settings: DecidedBy | None = None


class Loaded(Value):
    """What was found at start."""

    state: Any
    steps: int = Field(description="records in the journal; 0 = the group's first start")
    divergence: str | None
    settings: DecidedBy | None = Field(default=None, description="in force at the last record; None = none recorded")
    tail: tuple[tuple[Event, tuple[Command, ...]], ...] = Field(
        default=(), description="the last steps since the snapshot, for people, oldest first"
    )


class GroupLog:
    """Writes steps, and folds what the shell needs out of them."""

    def __init__(self, journal: Journal, meter: Meter, *, snapshot_every: int = SNAPSHOT_EVERY) -> None:
        """Take the journal; call `load` before anything else. `snapshot_every` counts journal records."""
        self.seq = 0
        self.problem = ""
        """Why the journal cannot be written just now; empty = it can."""
        self.timers: dict[TimerName, Timestamp] = {}
        self.draws: dict[str, DrawRandom] = {}
        self._journal = journal
        self._meter = meter
        self._sent: dict[AccountId, int] = {}
        self._outbox: dict[AccountId, list[Message]] = {}
        self._cursors: dict[AccountId, int] = {}
        self._snapshot_every = snapshot_every
        self._peers: dict[AccountId, str] = {}
        self._last_facts: dict[AccountId, AccountEvent] = {}
        self._sent_before: dict[AccountId, int] = {}
        self._acknowledged: dict[AccountId, int] = {}
        self._heard: set[AccountId] = set()
        """Accounts that have said in this life how far they have come: from then on they may have all that was sent."""
        self._snapshot_seq = 0
        self._settings: DecidedBy | None = None

    @property
    def identity(self) -> str:
        """Return the identity of the group's journal."""
        return self._journal.identity

    @property
    def settings(self) -> DecidedBy | None:
        """Return the settings in force at the last record; None = none recorded."""
        return self._settings

    async def load(self, machine: Machine[Any], *, replaying: bool = True, rebuild: Rebuild | None = None) -> Loaded:
        """Fold snapshot and journal through the machine and compare what it decides with what was decided.

        Steps that other settings decided are replayed by the machine that `rebuild` makes of those. Without
        `replaying` nothing but the settings is taken from them: the machine begins anew, and so do its numbers.

        Raises:
            JournalError: the journal cannot be read or is damaged.
        """
        if not replaying:
            await self.recollect()
            self._forget()
            return Loaded(state=machine.start(), steps=0, divergence=None, settings=self._settings)
        state = await self._load_snapshot(machine)
        records = await self._journal.read(after=self.seq)
        decider = machine
        if self._settings is not None and rebuild is not None:
            decider = rebuild(self._settings)
        steps: list[JournaledStep] = []
        tail: deque[tuple[Event, tuple[Command, ...]]] = deque(maxlen=_TAIL)
        past = self.seq
        for record in records:
            body = self._take(record)
            if record.kind == SETTINGS and rebuild is not None and self._settings is not None:
                replayed = replay(decider, state, steps)
                if replayed.divergence is not None:
                    return Loaded(state=replayed.state, steps=self.seq, divergence=str(replayed.divergence))
                state, past, steps = replayed.state, past + len(steps), []
                decider = rebuild(self._settings)
            if body is None:
                continue
            tail.append((body.event, body.commands))
            steps.append(
                JournaledStep(
                    seq=record.seq,
                    event=body.event,
                    commands_json=commands_to_json(body.commands),
                    code_version=body.code_version,
                )
            )
        self._remember()
        replayed = replay(decider, state, steps)
        divergence: Divergence | None = replayed.divergence
        return Loaded(
            state=replayed.state,
            steps=past + len(steps),
            divergence=None if divergence is None else str(divergence),
            settings=self._settings,
            tail=tuple(tail),
        )

    async def recollect(self) -> DecidedBy | None:
        """Fold what the shell remembers, without any machine; return the settings in force.

        Raises:
            JournalError: the journal cannot be read or is damaged.
            ValueError: it was written by a version that knows more than this one.
        """
        snapshot = await self._journal.load_snapshot()
        if snapshot is not None:
            self._take_bookkeeping(_SnapshotBody.model_validate_json(snapshot.body), snapshot.seq)
        for record in await self._journal.read(after=self.seq):
            self._take(record)
        self._remember()
        return self._settings

    async def settle(self, settings: DecidedBy, at: Timestamp) -> None:
        """Make it durable that every step from here on is decided by these settings.

        Raises:
            StaleEpochError: another incarnation owns the group; stop for good.
        """
        await self._append(Entry(kind=SETTINGS, at=at, body=settings.model_dump_json()))
        self._settings = settings

    async def begin_at(self, account: AccountId, seq: int, at: Timestamp) -> None:
        """Begin an account's facts after `seq`, durably: what came before is not the group's to decide upon.

        Raises:
            StaleEpochError: another incarnation owns the group; stop for good.
        """
        begun = Source(account=account, seq=seq)
        await self._append(Entry(kind=CURSOR, at=at, body=begun.model_dump_json()))
        self._begin_at(begun)

    async def meet(self, account: AccountId, journal: str, at: Timestamp) -> None:
        """Make it durable which journal the account keeps; costs nothing when it is known.

        Raises:
            StaleEpochError: another incarnation owns the group; stop for good.
        """
        if journal and self._peers.get(account) != journal:
            await self._append(Entry(kind=MET, at=at, body=Met(account=account, journal=journal).model_dump_json()))
            self._peers[account] = journal

    def tie(self, account: AccountId, files: Callable[[str], str]) -> Tie:
        """Return what this journal knows of its tie to an account; `files` says where a stream's journal lies."""
        return Tie(
            account=account,
            group_file=files(self._journal.stream),
            account_file=files(f"account/{account}"),
            identity=self._journal.identity,
            peer=self._peers.get(account, ""),
            sent=(self._sent if account in self._heard else self._sent_before).get(account, 0),
            acknowledged=self._acknowledged.get(account, 0),
            cursor=self._cursors.get(account, 0),
            last_fact=self._last_facts.get(account),
        )

    async def write(
        self, event: Event, commands: Sequence[Command], source: tuple[AccountId, int] | None, code_version: str
    ) -> None:
        """Make one step durable and fold it. Waits for as long as the disk refuses.

        Raises:
            StaleEpochError: another incarnation owns the group; stop for good.
        """
        origin = None if source is None else Source(account=source[0], seq=source[1])
        body = StepBody(event=event, commands=tuple(commands), source=origin, code_version=code_version)
        await self._append(Entry(kind=STEP, at=event.at, body=body.model_dump_json()))
        self._fold(event, commands, origin)

    async def _append(self, entry: Entry) -> None:
        while True:
            try:
                with self._meter.timed("journal_append"):
                    self.seq = await self._journal.append((entry,))
            except JournalWriteError as error:
                if not self.problem:
                    _log.critical("journal_refuses", stream=self._journal.stream, error=str(error))
                self.problem = f"the journal cannot be written, so nothing is done: {error}"
                self._meter.count("journal_failures")
                await asyncio.sleep(_RETRY_S)
                continue
            break
        self.problem = ""

    def knows(self, account: AccountId, seq: int) -> bool:
        """Say whether a fact has been decided upon already."""
        return seq <= self._cursors.get(account, 0)

    def cursor(self, account: AccountId) -> int:
        """Return the number of the last fact decided upon."""
        return self._cursors.get(account, 0)

    def outbox(self, account: AccountId) -> tuple[Message, ...]:
        """Return the messages that the account has not said it has."""
        return tuple(self._outbox.get(account, ()))

    def taken(self, account: AccountId, seq: int) -> None:
        """Drop what the account has durably taken."""
        self._heard.add(account)
        self._acknowledged[account] = max(seq, self._acknowledged.get(account, 0))
        waiting = self._outbox.get(account, [])
        self._outbox[account] = [message for message in waiting if message.seq > seq]

    async def snapshot_if_due(self, machine: Machine[Any], state: Any) -> None:
        """Keep a snapshot when enough has been written since the last one."""
        if self.seq - self._snapshot_seq < self._snapshot_every:
            return
        bookkeeping = _Bookkeeping(
            sent=self._sent,
            outbox={account: tuple(messages) for account, messages in self._outbox.items()},
            cursors=self._cursors,
            timers=self.timers,
            draws=self.draws,
            peers=self._peers,
            last_facts=self._last_facts,
        )
        body = _SnapshotBody(
            machine=machine.state_to_json(state), bookkeeping=bookkeeping, settings=self._settings
        ).model_dump_json()
        try:
            await self._journal.save_snapshot(Snapshot(seq=self.seq, code_version=machine.code_version, body=body))
        except JournalWriteError as error:
            # A full disk. A snapshot only makes the next start shorter: the records stand, it is tried again.
            _log.warning("snapshot_refused", stream=self._journal.stream, error=str(error))
            return
        self._snapshot_seq = self.seq

    async def close(self) -> None:
        """Release the journal."""
        await self._journal.close()

    async def _load_snapshot(self, machine: Machine[Any]) -> Any:
        snapshot = await self._journal.load_snapshot()
        if snapshot is None or snapshot.code_version != machine.code_version:
            return None
        body = _SnapshotBody.model_validate_json(snapshot.body)
        self._take_bookkeeping(body, snapshot.seq)
        return machine.state_from_json(body.machine)

    def _take_bookkeeping(self, body: _SnapshotBody, seq: int) -> None:
        kept = body.bookkeeping
        self._sent, self._cursors = dict(kept.sent), dict(kept.cursors)
        self._outbox = {account: list(messages) for account, messages in kept.outbox.items()}
        self.timers, self.draws = dict(kept.timers), dict(kept.draws)
        self._peers, self._last_facts = dict(kept.peers), dict(kept.last_facts)
        self.seq = self._snapshot_seq = seq
        self._settings = body.settings

    def _take(self, record: Record) -> StepBody | None:
        """Fold one record; return it when it is a step."""
        self.seq = record.seq
        if record.kind == SETTINGS:
            self._settings = DecidedBy.model_validate_json(record.body)
        elif record.kind == CURSOR:
            begun = Source.model_validate_json(record.body)
            self._begin_at(begun)
        elif record.kind == MET:
            met = Met.model_validate_json(record.body)
            self._peers[met.account] = met.journal
        else:
            body = StepBody.model_validate_json(record.body)
            self._fold(body.event, body.commands, body.source)
            return body
        return None

    def _begin_at(self, source: Source) -> None:
        self._cursors[source.account] = source.seq
        self._last_facts.pop(source.account, None)

    def _remember(self) -> None:
        """Note how far this journal says it has come with each account, before this life sends anything."""
        self._sent_before = dict(self._sent)
        for account, sent in self._sent.items():
            waiting = self._outbox.get(account, [])
            self._acknowledged[account] = waiting[0].seq - 1 if waiting else sent

    def _forget(self) -> None:
        """Begin without a past: another sender, with numbers of its own."""
        self.timers.clear()
        self.draws.clear()
        for past in (self._sent, self._outbox, self._cursors, self._peers, self._last_facts):
            past.clear()
        self._remember()
        self._acknowledged.clear()

    def _fold(self, event: Event, commands: Sequence[Command], source: Source | None) -> None:
        if source is not None:
            self._cursors[source.account] = source.seq
            self._last_facts[source.account] = cast("AccountEvent", event)  # only an account's facts have a source
        if isinstance(event, TimerFired):
            self.timers.pop(event.timer, None)
        elif isinstance(event, RandomDrawn):
            self.draws.pop(event.name, None)
        for command in commands:
            match command:
                case SubmitOrder() | CancelOrder() | CancelAllOrders() | SetLeverage():
                    seq = self._sent.get(command.account, 0) + 1
                    self._sent[command.account] = seq
                    self._outbox.setdefault(command.account, []).append(Message(seq=seq, command=command))
                case SetTimer(timer=timer, due_at=due_at):
                    self.timers[timer] = due_at
                case CancelTimer(timer=timer):
                    self.timers.pop(timer, None)
                case DrawRandom(name=name):
                    self.draws[name] = command
                case _:
                    pass
