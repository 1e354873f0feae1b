"""The way out without Ray and without a supervisor: takes accounts over, closes every leg, says when all is flat.

What is taken over is claimed in the journal first, so that whoever held it can write nothing more; then the process
that holds the account is ended, and the account lives on in this one, where nothing but exits may leave.
"""

import asyncio
import getpass
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from rich.console import Console

from actors.account import AccountActor, AccountSpec
from actors.actor import AccountStatus, ActorUnreachableError, Envelope, FactBatch, Receipt
from actors.clock import wall_now
from actors.group import GroupActor, GroupActorSpec
from actors.hosting.host import in_short
from actors.hostlock import HostLock, LockHeldError
from actors.journal.protocol import (
    JournalDamagedError,
    JournalError,
    JournalStore,
    JournalVersionError,
    JournalWriteError,
)
from actors.journal.store import open_store
from actors.operator.eviction import evict
from actors.operator.left_out import LeftOut, left_out
from actors.operator.panic_report import LegLine, LegWatch, table
from actors.operator.session import Interrupts
from actors.operator.terminal import Terminal
from actors.supervision.desired import Desired
from actors.supervision.takeover import CONFIRMED, panic_ended, panic_runs
from actors.tasks import Tasks
from strategies.domain.account import LegObservation
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId
from strategies.machine import Outcome

FLAT_WITHIN_S = 120.0
"""Longest wait unless told otherwise: a venue may be away for a minute; what takes longer needs a person."""
FLAT = 0
OPEN = 1
"""Exit code when not every leg was confirmed flat."""
_RETRY_S = 1.0
"""Wait before an account that could not be taken, or was lost, is taken again."""
_POLL_S = 0.05
"""How often an account is asked whether it has looked at its venue, and a group what has changed."""
_LOOK_S = 5.0
"""Longest wait, once all is flat, for the look at the journals of other accounts; it began with the panic."""
_REASON = "panic"

T = TypeVar("T")
Say = Callable[[str], None]
Evict = Callable[[str, str], Awaitable[int | None]]
"""Folder and name of a lock; see `actors.operator.eviction.evict`."""
MakeAccount = Callable[[AccountSpec, int], AccountActor]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Targets:
    """What is taken over."""

    accounts: tuple[AccountSpec, ...]
    groups: tuple[GroupActorSpec, ...]
    """Each as its own way out, on a stream of the panic."""


def targets(desired: Desired, groups: Collection[GroupId]) -> Targets:
    """Return what a panic over these groups takes over."""
    chosen = [wish for name, wish in desired.groups.items() if name in groups]
    return Targets(
        accounts=tuple(
            AccountSpec.model_validate_json(desired.accounts[account].spec)
            for wish in chosen
            for account in wish.accounts
        ),
        groups=tuple(
            GroupActorSpec.model_validate_json(wish.flatten_spec).model_copy(update={"stream": f"panic/{wish.name}"})
            for wish in chosen
        ),
    )


class PanicRunsError(Exception):
    """A panic over one of the groups runs already: nothing else may start beside it."""


async def _lock(spec: GroupActorSpec) -> HostLock:
    """Take the lock that a panic over a group holds from its first claim to its last."""
    lock = HostLock(spec.lock_dir, f"panic-{spec.group.group}")
    try:
        await lock.acquire(wait_s=0)
    except LockHeldError as error:
        raise PanicRunsError(f"A panic over group {spec.group.group} runs: {error}. Wait for its end.") from error
    return lock


async def check_no_panic(desired: Desired) -> None:
    """Look whether a panic runs over a group of these settings.

    Raises:
        PanicRunsError: one does.
    """
    for spec in targets(desired, desired.groups.keys()).groups:
        (await _lock(spec)).release()


class _Held:
    """A lock that is held already."""

    def __init__(self, folder: str, name: str) -> None:
        pass

    async def acquire(self, wait_s: float) -> None:
        """Have it."""

    def release(self) -> None:
        """Keep it: it is given back at the very end."""


class _Line:
    """The way to an account in this process; see `AccountPort`. An account that is ending does not answer."""

    def __init__(self, actor: AccountActor) -> None:
        self._actor = actor

    async def submit(self, envelope: Envelope) -> Receipt:
        return await _ask(self._actor.submit(envelope))

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        return await _ask(self._actor.facts(after, wait_s))

    async def observe(self, instrument_id: InstrumentId) -> LegObservation:
        return await _ask(self._actor.observe(instrument_id))

    async def status(self) -> AccountStatus:
        return await _ask(self._actor.status())


async def _ask(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except JournalError as error:
        raise ActorUnreachableError(str(error)) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # it is the caller who is told to end, not the account
        raise ActorUnreachableError("the account actor has ended") from None


class Panic:
    """One panic, from the first claim to the last word."""

    def __init__(
        self,
        wanted: Targets,
        store: JournalStore,
        *,
        by: str,
        say: Say,
        only: Collection[GroupId] | None = None,
        make_account: MakeAccount = AccountActor,
        evict: Evict = evict,
    ) -> None:
        """Wire the parts.

        Args:
            wanted: what is taken over.
            store: where the journals are.
            by: who pressed it: in the journal, and to whoever held what is taken over.
            say: shows a line.
            only: the groups that were named; None = all that there are, so that no account may be left out.
            make_account: makes an account actor.
            evict: ends the process that holds a lock.
        """
        self._wanted = wanted
        self._store = store
        self._by = by
        self._say = say
        self._only = only
        self._left_out: list[LeftOut] = []
        self._make_account = make_account
        self._evict = evict
        self._tasks = Tasks("panic", self._failed)
        self._locks: list[HostLock] = []
        self._accounts: dict[AccountId, AccountActor] = {}
        self._groups: dict[GroupId, GroupActor] = {}
        self._troubles: dict[AccountId, str] = {}
        self._watch = LegWatch(wanted.groups)

    @property
    def legs(self) -> Sequence[LegLine]:
        """Return what is known of every leg."""
        return self._watch.legs

    async def run(self, timeout_s: float, enough: asyncio.Event) -> int:
        """Take over, close, and return the exit code: when all is flat, after `timeout_s`, or when `enough` is set.

        Raises:
            PanicRunsError: another panic runs over one of the groups; nothing was touched.
        """
        try:
            for spec in self._wanted.groups:
                self._locks.append(await _lock(spec))
            self._say(f"Panic by {self._by}: closing every leg of {self._names()}.")
            for spec in self._wanted.groups:
                self._tasks.start(f"group:{spec.group.group}", self._lead(spec))
            for account in self._wanted.accounts:
                self._tasks.start(f"account:{account.account}", self._keep(account))
            looking = self._tasks.start("left-out", self._look_for_left_out())
            await self._until_over(timeout_s, enough)
            await asyncio.wait({looking}, timeout=_LOOK_S)
            return OPEN if self.open_legs() else FLAT
        finally:
            await self._end()

    def open_legs(self) -> tuple[str, ...]:
        """Name every leg that is not confirmed flat, with what is known of it, and what this panic does not reach."""
        legs = (
            f"{leg.name}: {leg.words}" + (f" ({trouble})" if (trouble := self._troubles.get(leg.account)) else "")
            for leg in self._watch.legs
            if not leg.flat
        )
        return (*legs, *(str(each) for each in self._left_out))

    async def _look_for_left_out(self) -> None:
        """Say loudly which accounts hold something, by their journals, and have no leg in these settings."""
        covered = {account.account for account in self._wanted.accounts}
        try:
            self._left_out = await left_out(self._store, covered, self._only)
        except JournalError as error:
            self._say(f"Whether an account is left out could not be found out: {error}")
        for each in self._left_out:
            self._say(f"WARNING: {each}.")

    async def _until_over(self, timeout_s: float, enough: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + timeout_s
        while not enough.is_set() and loop.time() < give_up_at:
            for name, group in self._groups.items():
                view = group.glance()
                if view is not None:
                    for line in self._watch.news(name, view):
                        self._say(line)
            views = [group.glance() for group in self._groups.values()]
            done = [view for view in views if view is not None and view.outcome is Outcome.FINISHED]
            if len(done) == len(self._wanted.groups):
                return
            await asyncio.sleep(_POLL_S)

    # --- groups ---------------------------------------------------------------------------------------------------

    async def _lead(self, spec: GroupActorSpec) -> None:
        """Fence whoever decided for the group so far, and decide for it, whatever happens, until cancelled."""
        await self._fence(spec.group.group)
        while True:
            try:
                trouble = await self._decide(spec)
            except Exception as error:  # noqa: BLE001 - it is said, and tried again: nobody else will close these legs
                trouble = in_short(error)
            self._say(f"group {spec.group.group}: {trouble}; trying again")
            await asyncio.sleep(_RETRY_S)

    async def _fence(self, group: GroupId) -> None:
        for stream in (f"group/{group}", f"flatten/{group}"):
            try:
                if stream.startswith("group/") or (await self._store.owner(stream))[0]:
                    await self._store.claim(stream, panic_runs(self._by))
            except JournalError as error:
                # Its accounts are taken away from it all the same.
                self._say(f"{stream} could not be fenced: {error}")

    async def _decide(self, spec: GroupActorSpec) -> str:
        """Decide for a group; return why it could not go on."""
        stream, epoch = await self._claim_own(spec)
        actor = GroupActor(spec.model_copy(update={"stream": stream}), epoch, make_lock=_Held)
        try:
            await actor.start()
            self._groups[spec.group.group] = actor
            for account in spec.group.legs.values():
                if account in self._accounts:
                    actor.connect(account, _Line(self._accounts[account]))
            await actor.operate(OperatorState.FLATTEN, f"panic:{self._by}", "somebody pressed panic")
            if actor.ended is None:
                raise RuntimeError("a started actor has an end to wait for")
            return await asyncio.shield(actor.ended)
        finally:
            await actor.stop()

    async def _claim_own(self, spec: GroupActorSpec) -> tuple[str, int]:
        """Claim a stream to decide on: the panic's own, or, when that is damaged, a new one."""
        try:
            epoch = await self._store.claim(spec.own_stream, self._by)
            journal = await self._store.open(spec.own_stream, epoch)
            try:
                await journal.read()
            finally:
                await journal.close()
        except (JournalDamagedError, JournalVersionError) as error:
            self._say(f"{spec.own_stream} cannot be used, another one is begun: {error}")
            stream = f"{spec.own_stream}.{wall_now()}"
            return stream, await self._store.claim(stream, self._by)
        return spec.own_stream, epoch

    # --- accounts -------------------------------------------------------------------------------------------------

    async def _keep(self, spec: AccountSpec) -> None:
        """Hold one account, whatever happens to it, until cancelled."""
        while True:
            try:
                trouble = await self._live(spec)
            except Exception as error:  # noqa: BLE001 - the trouble of one leg must not stand between the others and flat
                trouble = in_short(error)
            if self._troubles.get(spec.account) != trouble:
                self._troubles[spec.account] = trouble
                self._say(f"account {spec.account}: {trouble}; trying again")
            await asyncio.sleep(_RETRY_S)

    async def _live(self, spec: AccountSpec) -> str:
        """Take an account over and let it live; return why it has ended."""
        account = spec.account
        epoch = await self._claim_account(spec)
        pid = await self._evict(spec.lock_dir, f"account-{account}")
        if pid is not None:
            self._say(f"account {account}: taken from process {pid}, which has been ended")
        actor = self._make_account(spec, epoch)
        try:
            await actor.start()
            self._accounts[account] = actor
            for wanted in self._wanted.groups:
                group = self._groups.get(wanted.group.group)
                if group is not None and account in wanted.group.legs.values():
                    group.connect(account, _Line(actor))
            ended = actor.ended
            if ended is None:
                raise RuntimeError("a started actor has an end to wait for")
            while not ended.done() and not await actor.arm_exits(f"{_REASON} by {self._by}"):
                self._troubles[account] = (await actor.status()).reason
                await asyncio.sleep(_POLL_S)
            self._troubles.pop(account, None)
            return await asyncio.shield(ended)
        finally:
            self._accounts.pop(account, None)
            await actor.stop()

    async def _claim_account(self, spec: AccountSpec) -> int:
        stream = f"account/{spec.account}"
        try:
            return await self._store.claim(stream, panic_runs(self._by))
        except JournalWriteError as error:
            # A process that stands still in the middle of a write holds the file: it has to go first.
            _log.warning("claim_refused", stream=stream, error=str(error))
            await self._evict(spec.lock_dir, f"account-{spec.account}")
            return await self._store.claim(stream, panic_runs(self._by))

    # --- the end --------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        """Leave in order, and leave word of what it has come to."""
        await self._tasks.close()
        if len(self._locks) == len(self._wanted.groups):
            for spec in self._wanted.groups:
                name = spec.group.group
                still = any(leg.group == name and not leg.flat for leg in self._watch.legs)
                still = still or any(name in each.groups for each in self._left_out)
                outcome = "NOT CONFIRMED FLAT" if still else CONFIRMED
                try:
                    await self._store.claim(f"group/{name}", panic_ended(self._by, outcome))
                except JournalError as error:
                    self._say(f"group/{name}: how it ended could not be written: {error}")
        for lock in self._locks:
            lock.release()

    def last_words(self) -> str:
        """Say in one sentence what it has come to. After `run`."""
        still = self.open_legs()
        if still:
            return f"NOT CONFIRMED FLAT: {'; '.join(still)}."
        return f"Every leg of {self._names()} is confirmed flat by its venue."

    def _names(self) -> str:
        return ", ".join(spec.group.group for spec in self._wanted.groups)

    def _failed(self, task: str, error: BaseException) -> None:
        _log.error("panic_task_failed", task=task, error=repr(error))
        self._say(f"{task} failed: {in_short(error)}")


async def press(
    wanted: Targets, journal: str, timeout_s: float, console: Console, *, only: Collection[GroupId] | None = None
) -> int:
    """Press panic, show what happens, and return the exit code; the first Ctrl-C ends it and says what is open.

    `only` are the groups that a person has named; None = everything that there is.

    Raises:
        PanicRunsError: another panic runs over one of the groups; nothing was touched.
    """
    store = open_store(journal)
    terminal = Terminal(console)
    interrupts = Interrupts()
    panic = Panic(wanted, store, by=presser(), say=terminal.say, only=only)
    try:
        with interrupts.heard():
            code = await panic.run(timeout_s, interrupts.first)
    finally:
        await store.close()
    console.print(table(panic.legs))
    terminal.say(panic.last_words())
    return code


def presser() -> str:
    """Return who presses: user, machine and process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}, process {os.getpid()}"
