"""A diagnostic group run here and now, without Ray: its accounts in this process, its report at the end.

The group gets an identity of its own for each run, so that no order id is ever used again and an earlier run neither
stands in its way nor is replayed. Whoever holds the accounts is not disturbed: their locks are taken, or it refuses.
"""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from actors.account import AccountActor, AccountSpec
from actors.group import GroupActor, GroupActorSpec
from actors.hostlock import HostLock
from actors.journal.store import open_store
from actors.logs import close_logs, log_to_file
from actors.operator.diagnosis_report import Report, Sources, compose
from actors.operator.diagnosis_text import last_words, stories, tables
from actors.operator.session import Interrupts
from actors.operator.terminal import Terminal
from actors.supervision.desired import Desired
from actors.tasks import Tasks
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId
from strategies.machine import Outcome

DIAGNOSTICS = ("min_order", "smoke_test")
"""Strategies that end by themselves and leave a report."""
PASSED = 0
FAILED = 1
_POLL_S = 0.05
_OUT_S = 60.0
"""How long a run that took too long may take to get flat."""
_HOLDER = "diagnosis"
_REPORT_WIDTH = 160
"""Columns of the written report."""

Say = Callable[[str], None]
MakeAccount = Callable[[AccountSpec, int], AccountActor]


class NotADiagnosticError(Exception):
    """The settings have no such diagnostic group."""


class DiagnosisError(Exception):
    """An account could not be brought up; the text says which and why."""


@dataclass(frozen=True)
class Wanted:
    """What one run is made of."""

    accounts: tuple[AccountSpec, ...]
    group: GroupActorSpec
    name: GroupId
    """The group's name in the settings; the run's own has the moment behind it."""


def wanted(desired: Desired, group: GroupId | None, stamp: int) -> Wanted:
    """Return the run of a diagnostic group; None = the only one there is.

    Raises:
        NotADiagnosticError: no such group, several to choose from, or one that is no diagnostic.
    """
    specs = {name: GroupActorSpec.model_validate_json(wish.spec) for name, wish in desired.groups.items()}
    fitting = [name for name, spec in specs.items() if spec.strategy in DIAGNOSTICS]
    if group is None and len(fitting) != 1:
        raise NotADiagnosticError(
            f"Name the group with --group: the file has {', '.join(fitting) or 'none'} of {', '.join(DIAGNOSTICS)}."
        )
    name = fitting[0] if group is None else group
    if name not in fitting:
        raise NotADiagnosticError(f"{name} is not a group of {' or '.join(DIAGNOSTICS)}: nothing was started.")
    spec, wish = specs[name], desired.groups[name]
    own = GroupId(f"{name}-{stamp}")
    run = spec.model_copy(
        update={
            "group": spec.group.model_copy(update={"group": own}),
            "operator_state": OperatorState.RUN,
            "stream": f"group/{own}",
            "needs_no_past": True,
        }
    )
    accounts = tuple(AccountSpec.model_validate_json(desired.accounts[each].spec) for each in wish.accounts)
    return Wanted(accounts, run, name)


class Diagnosis:
    """One run, from the first lock to the report."""

    def __init__(self, run: Wanted, say: Say, *, make_account: MakeAccount = AccountActor) -> None:
        """Wire the parts."""
        self._run = run
        self._say = say
        self._make_account = make_account
        self._tasks = Tasks("diagnosis", self._failed)
        self._accounts: list[AccountActor] = []
        self._store = open_store(run.group.journal)
        self._trouble = ""

    async def run(self, timeout_s: float, enough: asyncio.Event, wire_log: Path) -> Report:
        """Run it to its end, to flat after `timeout_s`, or until `enough` is set; return what was found.

        Raises:
            LockHeldError: another process holds an account.
            JournalError: the journal cannot be used.
            DiagnosisError: an account did not come up.
        """
        log_to_file(wire_log, debug=True, actor=_HOLDER)
        group: GroupActor | None = None
        epochs: dict[str, int] = {}
        try:
            for spec in self._run.accounts:
                epochs[f"account/{spec.account}"] = await self._up(spec)
            stream = self._run.group.own_stream
            epochs[stream] = await self._store.claim(stream, _HOLDER)
            group = GroupActor(self._run.group, epochs[stream])
            await group.start()
            for spec, actor in zip(self._run.accounts, self._accounts, strict=True):
                group.connect(spec.account, actor)
            await self._until_over(group, timeout_s, enough)
        finally:
            if group is not None:
                await group.stop()
            for actor in self._accounts:
                await actor.stop()
            await self._tasks.close()
            close_logs()
        try:
            return await self._report(epochs, wire_log)
        finally:
            await self._store.close()

    async def _up(self, spec: AccountSpec) -> int:
        # Asked before the claim: claiming would fence whoever lives with this account.
        lock = HostLock(spec.lock_dir, f"account-{spec.account}")
        await lock.acquire(wait_s=0)
        lock.release()
        epoch = await self._store.claim(f"account/{spec.account}", _HOLDER)
        actor = self._make_account(spec, epoch)
        await actor.start()
        self._accounts.append(actor)
        self._tasks.start(f"arm:{spec.account}", self._arm(actor))
        return epoch

    async def _arm(self, actor: AccountActor) -> None:
        while not await actor.arm():  # noqa: ASYNC110 - as the supervisor does: asked until it has looked
            await asyncio.sleep(_POLL_S)

    async def _until_over(self, group: GroupActor, timeout_s: float, enough: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        give_up_at, shown, leaving = loop.time() + timeout_s, "", False
        while loop.time() < give_up_at:
            view = group.glance()
            if group.stopped:
                raise DiagnosisError(f"the group cannot go on: {group.stopped}")
            if view is not None:
                if view.next != shown:
                    shown = view.next
                    self._say(f"{view.phase}: {shown}")
                if view.outcome is not Outcome.RUNNING or (leaving and view.phase in {"IDLE", "ENDED"}):
                    return
            if enough.is_set() and not leaving:
                leaving, give_up_at = True, loop.time() + _OUT_S
                await group.operate(OperatorState.FLATTEN, _HOLDER, "interrupted")
            await asyncio.sleep(_POLL_S)
        if not leaving:
            self._say(f"Not over after {timeout_s:g} s: getting flat.")
            enough.set()
            await self._until_over(group, _OUT_S, enough)

    async def _report(self, epochs: dict[str, int], wire_log: Path) -> Report:
        records = {}
        for stream, epoch in epochs.items():
            journal = await self._store.open(stream, epoch)
            try:
                records[stream] = await journal.read()
            finally:
                await journal.close()
        wire = tuple(await asyncio.to_thread(lambda: wire_log.read_text(encoding="utf-8").splitlines()))
        return compose(Sources(self._run.group, self._run.name, records, wire))

    def _failed(self, task: str, error: BaseException) -> None:
        self._trouble = f"{task} failed: {error}"
        self._say(self._trouble)


async def diagnose(run: Wanted, timeout_s: float, console: Console, reports: Path) -> int:
    """Run a diagnostic, show what it finds, write it down, and return the exit code; Ctrl-C gets flat and reports.

    Raises:
        LockHeldError | JournalError | DiagnosisError: nothing was traded.
    """
    terminal, interrupts = Terminal(console), Interrupts()
    base = reports / run.group.group.group
    with interrupts.heard():
        report = await Diagnosis(run, terminal.say).run(timeout_s, interrupts.first, base.with_suffix(".wire.jsonl"))
    written = io.StringIO()
    for each in (Console(file=written, width=_REPORT_WIDTH), console):
        for table in tables(report):
            each.print(table)
    text = "\n".join([*stories(report, wire=True), last_words(report)])
    base.with_suffix(".txt").write_text(f"{written.getvalue()}\n{text}\n", encoding="utf-8")
    base.with_suffix(".json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    if not report.steps:
        for line in stories(report, wire=False):
            terminal.say(line)
    terminal.say(last_words(report))
    terminal.say(f"Report: {base}.txt, .json; what went over the wire: {base}.wire.jsonl")
    return PASSED if report.passed else FAILED
