"""The inside of a host process: idle until it is told who to be, then the shell around one actor.

One entry for every call (`call`), so that deadlines, unknown callers and errors are dealt with in one place.
Everything here runs on the process's own event loop, except `pulse`, which reads single values and may be called
from another thread.
"""

import asyncio
import errno
import json
import os
import socket
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from actors.actor import AccountPort, ActorUnreachableError, Envelope, GroupPort, StaleSenderError
from actors.clock import wall_now
from actors.hosting.protocol import ActorKind, Assignment, HostPhase, Place, Pulse, Reply, ReplyKind
from actors.journal.protocol import JournalWriteError
from actors.logs import log_to_file
from actors.redact import redact_text
from actors.tasks import Tasks
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, InstrumentId, Timestamp
from strategies.domain.model import Value

_BEAT_S = 0.25
"""How often the loop shows that it turns: fine enough to tell a blocked loop within a second, and cheap."""

_log = structlog.get_logger(__name__)


class FactsAsked(Value):
    """Argument of `facts`."""

    after: int
    wait_s: float


class Operated(Value):
    """Argument of `operate`."""

    state: OperatorState
    by: str
    reason: str


class Connected(Value):
    """Argument of `connect`."""

    account: AccountId
    place: Place


class AccountService(AccountPort, Protocol):
    """An account actor as its process sees it."""

    ended: asyncio.Future[str] | None
    """From `start` on: ends with a reason when the actor cannot go on."""

    async def start(self) -> None: ...  # noqa: D102
    async def stop(self) -> None: ...  # noqa: D102
    async def arm(self) -> bool: ...  # noqa: D102
    async def release(self, by: str) -> bool: ...  # noqa: D102
    async def disarm(self, reason: str) -> None: ...  # noqa: D102


class GroupService(GroupPort, Protocol):
    """A group actor as its process sees it."""

    ended: asyncio.Future[str] | None
    """From `start` on: ends with a reason when the actor cannot go on."""

    async def start(self) -> None: ...  # noqa: D102
    async def stop(self) -> None: ...  # noqa: D102
    def connect(self, account: AccountId, port: AccountPort) -> None: ...  # noqa: D102


FindAccount = Callable[[Place], Awaitable[AccountPort]]
"""How a group's process reaches the process of an account."""
Build = Callable[[Assignment], "AccountService | GroupService"]
"""How an assignment becomes an actor."""


OpenLog = Callable[[Assignment], None]
"""How the process's log is opened once it is known whose it is."""


def open_process_log(assignment: Assignment) -> None:
    """Send the log of this process to the actor's own file.

    Raises:
        OSError: the file cannot be written.
    """
    log_to_file(Path(assignment.log_file), debug=assignment.debug, actor=assignment.stream, epoch=assignment.epoch)


def build_actor(assignment: Assignment) -> AccountService | GroupService:
    """Make the real actor. Imported here, so that a process holds only the code of what it became.

    Raises:
        pydantic.ValidationError: the spec is not one of this version.
    """
    # Named by text: the supervisor's side of this package must not load venues, and a group's process no account.
    if assignment.kind is ActorKind.ACCOUNT:
        accounts: Any = import_module("actors.account")
        account: AccountService = accounts.AccountActor(
            accounts.AccountSpec.model_validate_json(assignment.spec), assignment.epoch
        )
        return account
    groups: Any = import_module("actors.group")
    group: GroupService = groups.GroupActor(
        groups.GroupActorSpec.model_validate_json(assignment.spec), assignment.epoch
    )
    return group


class Host:
    """One process. Becomes one actor, once."""

    def __init__(
        self, find_account: FindAccount, build: Build = build_actor, open_log: OpenLog = open_process_log
    ) -> None:
        """Do nothing: a constructor that fails would leave a process that nobody can ask why."""
        self._find_account = find_account
        self._build = build
        self._open_log = open_log
        self._assignment: Assignment | None = None
        self._account: AccountService | None = None
        self._group: GroupService | None = None
        self._phase = HostPhase.IDLE
        self._started = False
        self._failure = ""
        self._blameless = False
        self._beat_at: float | None = None
        self._clock: Callable[[], float] | None = None
        self._tasks = Tasks("host", self._task_failed)
        self._stopping: asyncio.Task[None] | None = None

    def pulse(self) -> Pulse:
        """Show life. Reads single values only: safe from any thread."""
        beat, clock = self._beat_at, self._clock
        return Pulse(
            pid=os.getpid(),
            node=socket.gethostname(),
            phase=self._phase,
            assignment=self._assignment,
            failure=self._failure,
            blameless=self._blameless,
            loop_age_s=0.0 if beat is None or clock is None else max(0.0, clock() - beat),
        )

    async def warm(self, modules: tuple[str, ...]) -> Pulse:
        """Import what a successor will need, before it is needed. What fails is left for `activate` to report."""
        for module in modules:
            try:
                import_module(module)
            except ImportError as error:
                _log.warning("warm_import_failed", module=module, error=str(error))
        self._start_beating()
        return self.pulse()

    async def activate(self, assignment: Assignment) -> Reply:
        """Become somebody: build the actor and begin its start. The same assignment again changes nothing."""
        if self._assignment is not None:
            if self._assignment == assignment:
                return Reply(kind=ReplyKind.OK)
            return Reply(kind=ReplyKind.NOT_READY, text=f"this process is {self._assignment.identity}")
        self._assignment = assignment
        self._phase = HostPhase.STARTING
        self._start_beating()
        self._tasks.start("live", self._live(assignment))
        return Reply(kind=ReplyKind.OK)

    async def call(self, method: str, argument: str, deadline: Timestamp) -> Reply:
        """Answer one call; every outcome is a value."""
        if wall_now() > deadline:
            return Reply(kind=ReplyKind.EXPIRED, text=f"{method} came after its deadline (or two clocks differ)")
        try:
            return Reply(kind=ReplyKind.OK, text=await self._answer(method, argument))
        except StaleSenderError as error:
            return Reply(kind=ReplyKind.STALE_SENDER, text=str(error))
        except ActorUnreachableError as error:
            return Reply(kind=ReplyKind.NOT_READY, text=str(error))
        except Exception as error:  # noqa: BLE001 - logged, and passed on in words: Ray may not carry the exception
            _log.exception("call_failed", method=method)
            return Reply(kind=ReplyKind.FAILED, text=in_short(error))

    async def _answer(self, method: str, argument: str) -> str:
        if method == "stop":
            await self.stop()
            return ""
        if self._started and self._account is not None:
            return await _ask_account(self._account, method, argument)
        if self._started and self._group is not None:
            return await self._ask_group(self._group, method, argument)
        raise ActorUnreachableError(self._failure or "no actor has started here yet")

    async def stop(self) -> None:
        """End the actor in order, once; whoever asks again waits for the same end."""
        if self._stopping is None:
            self._stopping = self._tasks.start("stop", self._stop())
        # Shielded: the caller's time-out must not break off an orderly end.
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        actor = self._account if self._account is not None else self._group
        if actor is not None:
            await actor.stop()
        self._phase = HostPhase.STOPPED
        await self._tasks.close()

    async def _live(self, assignment: Assignment) -> None:
        try:
            self._open_log(assignment)
            actor = self._build(assignment)
            if assignment.kind is ActorKind.ACCOUNT:
                self._account = actor  # type: ignore[assignment] # the kind says which of the two it is
            else:
                self._group = actor  # type: ignore[assignment] # the same
                await self._connect_all(assignment)
            await actor.start()
        except Exception as error:  # noqa: BLE001 - the process stays to say why, and the supervisor replaces it
            self._failure = in_short(error)
            self._blameless = _is_disk(error)
            self._phase = HostPhase.FAILED
            _log.exception("start_failed", actor=assignment.identity)
            return
        self._started = True
        self._phase = HostPhase.UP
        _log.info("started", actor=assignment.identity, pid=os.getpid())
        if actor.ended is not None:
            self._failure = await actor.ended
            self._phase = HostPhase.FAILED
            _log.error("ended", actor=assignment.identity, reason=self._failure)

    async def _connect_all(self, assignment: Assignment) -> None:
        for account, place in assignment.places.items():
            await self._connect(account, place)

    async def _connect(self, account: AccountId, place: Place) -> None:
        port = await self._find_account(place)
        if self._group is None:
            raise ActorUnreachableError("no group lives here")
        self._group.connect(account, port)

    async def _ask_group(self, group: GroupService, method: str, argument: str) -> str:
        match method:
            case "status":
                return (await group.status()).model_dump_json()
            case "operate":
                operated = Operated.model_validate_json(argument)
                await group.operate(operated.state, operated.by, operated.reason)
            case "connect":
                connected = Connected.model_validate_json(argument)
                await self._connect(connected.account, connected.place)
            case _:
                raise LookupError(f"a group has no method {method!r}")
        return ""

    def _start_beating(self) -> None:
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time
            self._tasks.start("beat", self._beat(self._clock))

    async def _beat(self, clock: Callable[[], float]) -> None:
        while True:
            self._beat_at = clock()
            await asyncio.sleep(_BEAT_S)

    def _task_failed(self, task: str, error: BaseException) -> None:
        self._failure = f"{task}: {error!r}"
        self._phase = HostPhase.FAILED


def _is_disk(error: BaseException) -> bool:
    """Say whether it was the disk that refused: a journal that cannot be written, a log file that cannot be made."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, JournalWriteError)


def in_short(error: BaseException) -> str:
    """Return an error in one line, without the input that caused it (which may be anything)."""
    if isinstance(error, ValidationError):
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
    return redact_text(f"{type(error).__name__}: {error}")


async def _ask_account(account: AccountService, method: str, argument: str) -> str:  # noqa: PLR0911 - one a method
    match method:
        case "submit":
            return (await account.submit(Envelope.model_validate_json(argument))).model_dump_json()
        case "facts":
            asked = FactsAsked.model_validate_json(argument)
            return (await account.facts(asked.after, asked.wait_s)).model_dump_json()
        case "observe":
            return (await account.observe(InstrumentId(argument))).model_dump_json()
        case "status":
            return (await account.status()).model_dump_json()
        case "arm":
            return json.dumps(await account.arm())
        case "release":
            return json.dumps(await account.release(argument))
        case "disarm":
            await account.disarm(argument)
        case _:
            raise LookupError(f"an account has no method {method!r}")
    return ""
