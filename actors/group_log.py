"""The group's journal and what follows from it: message numbers, cursors, timers, open draws.

One record is one step: the event, where it came from, the commands, and the version of the code that decided.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from pydantic import Field

from actors.actor import Message
from actors.journal.protocol import Entry, Journal, JournalWriteError, Snapshot
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
from strategies.domain.events import Event, OperatorState, RandomDrawn, TimerFired
from strategies.domain.ids import AccountId, InstrumentId, LegName, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.machine import Machine
from strategies.replay import Divergence, JournaledStep, replay

_log = structlog.get_logger(__name__)

STEP = "step"
"""Kind of a group's journal records."""
CURSOR = "cursor"
"""Kind of a record that says where the group begins to read an account's facts: body is a `Source`."""
SETTINGS = "settings"
"""Kind of a record that says by which settings every step after it was decided: body is a `DecidedBy`."""
SNAPSHOT_EVERY = 1_000
"""Journal records between two snapshots, unless told otherwise: a restart folds at most this many."""
_RETRY_S = 1.0
"""How often an append is tried again while the disk refuses: nothing may be done before it succeeds."""


class Source(Value):
    """The account fact that an event is."""

    account: AccountId
    seq: int


class StepBody(Value):
    """Body of a `step` record."""

    event: Event
    commands: tuple[Command, ...]
    source: Source | None
    code_version: str


class DecidedBy(Value):
    """What steers a group's decisions besides events. Journaled, because a replay must decide by what was in force."""

    strategy: str
    params: dict[str, Any]
    limits: dict[str, Any]
    legs: dict[LegName, AccountId]
    instrument_id: InstrumentId
    operator_state: OperatorState = Field(description="the settings' own word; the operator's is in the events")


Rebuild = Callable[[DecidedBy], Machine[Any]]
"""Make the machine that decided under earlier settings. Raises ValueError when they are not of this version."""


class _Bookkeeping(Value):
    """What the shell of a group remembers beside the machine's state; part of its snapshot."""

    sent: dict[AccountId, int] = Field(default={}, description="number of the last message per account")
    outbox: dict[AccountId, tuple[Message, ...]] = {}
    cursors: dict[AccountId, int] = {}
    timers: dict[TimerName, Timestamp] = {}
    draws: dict[str, DrawRandom] = {}


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
        self._snapshot_seq = 0
        self._settings: DecidedBy | None = None

    async def load(self, machine: Machine[Any], *, replaying: bool = True, rebuild: Rebuild | None = None) -> Loaded:
        """Fold snapshot and journal through the machine and compare what it decides with what was decided.

        Steps that other settings decided are replayed by the machine that `rebuild` makes of those. Without
        `replaying` only the numbers of messages are taken from them: the machine begins anew.

        Raises:
            JournalError: the journal cannot be read or is damaged.
        """
        state = await self._load_snapshot(machine)
        records = await self._journal.read(after=self.seq)
        decider = machine
        if replaying and self._settings is not None and rebuild is not None:
            decider = rebuild(self._settings)
        steps: list[JournaledStep] = []
        past = self.seq
        for record in records:
            self.seq = record.seq
            if record.kind == SETTINGS:
                self._settings = DecidedBy.model_validate_json(record.body)
                if replaying and rebuild is not None:
                    replayed = replay(decider, state, steps)
                    if replayed.divergence is not None:
                        return Loaded(state=replayed.state, steps=self.seq, divergence=str(replayed.divergence))
                    state, past, steps = replayed.state, past + len(steps), []
                    decider = rebuild(self._settings)
                continue
            if record.kind == CURSOR:
                begun = Source.model_validate_json(record.body)
                self._cursors[begun.account] = begun.seq
                continue
            body = StepBody.model_validate_json(record.body)
            self._fold(body.event, body.commands, body.source)
            steps.append(
                JournaledStep(
                    seq=record.seq,
                    event=body.event,
                    commands_json=commands_to_json(body.commands),
                    code_version=body.code_version,
                )
            )
        if not replaying:
            self.timers.clear()
            self.draws.clear()
            return Loaded(state=machine.start(), steps=0, divergence=None, settings=self._settings)
        replayed = replay(decider, state, steps)
        divergence: Divergence | None = replayed.divergence
        return Loaded(
            state=replayed.state,
            steps=past + len(steps),
            divergence=None if divergence is None else str(divergence),
            settings=self._settings,
        )

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
        await self._append(Entry(kind=CURSOR, at=at, body=Source(account=account, seq=seq).model_dump_json()))
        self._cursors[account] = seq

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
        kept = body.bookkeeping
        self._sent, self._cursors = dict(kept.sent), dict(kept.cursors)
        self._outbox = {account: list(messages) for account, messages in kept.outbox.items()}
        self.timers, self.draws = dict(kept.timers), dict(kept.draws)
        self.seq = self._snapshot_seq = snapshot.seq
        self._settings = body.settings
        return machine.state_from_json(body.machine)

    def _fold(self, event: Event, commands: Sequence[Command], source: Source | None) -> None:
        if source is not None:
            self._cursors[source.account] = source.seq
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
