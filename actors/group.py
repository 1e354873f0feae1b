"""The group actor: one hedge group's strategy. One event, one step, one transaction, then the commands.

Decides nothing itself: the machine does. What it adds is time, chance, the journal, and the way to the accounts.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import structlog

from actors.actor import AccountPort, GroupStatus
from actors.chance import draw
from actors.clock import wall_now
from actors.group_accounts import GroupAccounts
from actors.group_entries import DecidedBy
from actors.group_log import GroupLog
from actors.group_report import GroupReport, is_routine
from actors.group_spec import GroupActorSpec, decided_by
from actors.hostlock import HostLock, LockMaker
from actors.journal.location import place_of
from actors.journal.protocol import StaleEpochError, StoreOpener
from actors.journal.store import open_store
from actors.loop_lag import LoopLag
from actors.meter import Meter
from actors.process_use import cpu_s, memory_bytes
from actors.tasks import Tasks
from actors.timers import Timers
from strategies.domain.commands import (
    CancelAllOrders,
    CancelOrder,
    CancelTimer,
    Command,
    DrawRandom,
    Notify,
    Observe,
    SetLeverage,
    SetTimer,
    SubmitOrder,
)
from strategies.domain.events import (
    AccountEvent,
    Event,
    Observed,
    OperatorState,
    OperatorStateSet,
    RandomDrawn,
    Restarted,
    Started,
    TimerFired,
)
from strategies.domain.ids import AccountId, LegName, TimerName, Timestamp
from strategies.machine import GroupSpec, GroupView, LimitView, Machine
from strategies.registry import broken_promises, build_machine, params_of
from strategies.risk import Guarded
from venues.venue import Now

__all__ = ["GroupActor", "GroupActorSpec", "MachineBuilder", "decided_by"]

_log = structlog.get_logger(__name__)

_LOCK_WAIT_S = 15.0
"""How long a successor waits for its predecessor's process to be gone."""
_INBOX_LIMIT = 5_000
"""Events waiting to be decided; a feeder waits when it is full, facts stay with their account meanwhile."""
_EVENT_SHOWN = 500
"""Characters of a poison event that are shown."""

MachineBuilder = Callable[[str, GroupSpec, Mapping[str, Any], Mapping[str, Any]], Machine[Any]]
"""Strategy name, group, parameters and limits to a machine; raises ValueError when they do not fit."""


class GroupActor:
    """Implements `actors.actor.GroupPort`."""

    def __init__(
        self,
        spec: GroupActorSpec,
        epoch: int,
        *,
        now: Now = wall_now,
        draw_random: Callable[[Decimal, Decimal], Decimal] = draw,
        build: MachineBuilder = build_machine,
        stores: StoreOpener = open_store,
        make_lock: LockMaker = HostLock,
    ) -> None:
        """Remember the parts; no I/O, nothing that can fail."""
        self._spec = spec
        self._epoch = epoch
        self._now = now
        self._draw = draw_random
        self._build = build
        self._stores = stores
        self._meter = Meter()
        self._tasks = Tasks(spec.own_stream, self._on_failure)
        self._lock = make_lock(spec.lock_dir, spec.own_stream.replace("/", "-"))
        self._accounts: dict[AccountId, LegName] = {account: leg for leg, account in spec.group.legs.items()}
        self._inbox: asyncio.Queue[tuple[Event, tuple[AccountId, int] | None]] = asyncio.Queue(_INBOX_LIMIT)
        self._deciding = asyncio.Lock()
        self._ways = GroupAccounts(
            self._accounts,
            meter=self._meter,
            now=now,
            deciding=self._deciding,
            needs_no_past=spec.needs_no_past,
            files=lambda stream: place_of(spec.journal, stream),
            deliver=self._deliver,
            on_overtaken=self._fail,
            on_stranger=self._on_stranger,
        )
        self._machine: Machine[Any] | None = None
        self._params: Any = None
        self._state: Any = None
        self._log: GroupLog | None = None
        self._timers = Timers(now, self._fired)
        self._report = GroupReport(spec.group.group, self._meter, now=now)
        self._seen: tuple[Any, GroupView] | None = None
        """The last state looked at, and its view: both are values."""
        self._stopped = ""
        self._halted = False
        self._started_at = Timestamp(0)
        self._lag = LoopLag()
        self.ended: asyncio.Future[str] | None = None
        """Ends with a reason when the actor cannot go on; its process must then end, too."""

    @property
    def stopped(self) -> str:
        """Say why the group does not decide any more; empty = it does."""
        return self._stopped

    def glance(self) -> GroupView | None:
        """Return what the group shows, for whoever lives in the same process; None before its journal is folded."""
        return None if self._state is None else self._view()

    def limits(self) -> tuple[LimitView, ...]:
        """Return what the group's orders are judged by; of one that no gate guards, nothing."""
        machine = self._machine
        return machine.limits(self._state) if isinstance(machine, Guarded) else ()

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take lock and journal, replay, check that the replay decides the same, then begin.

        Raises:
            LockHeldError: another process of this group is alive.
            JournalError: the journal is damaged, newer than this code, or owned by a later epoch.
            ValueError: the strategy, its parameters or its limits are not valid.
        """
        self._started_at = self._now()
        self.ended = asyncio.get_running_loop().create_future()
        await self._lock.acquire(_LOCK_WAIT_S)
        store = self._stores(self._spec.journal)
        journal = await store.open(self._spec.own_stream, self._epoch)
        machine = self._build(self._spec.strategy, self._spec.group, self._spec.params, self._spec.limits)
        self._machine = machine
        self._params = params_of(self._spec.strategy, self._spec.params)
        self._log = GroupLog(journal, self._meter, snapshot_every=self._spec.snapshot_every)
        loaded = await self._log.load(machine, replaying=not self._spec.needs_no_past, rebuild=self._rebuild)
        self._state = loaded.state
        self._report.resume(loaded.tail)
        if loaded.divergence is not None:
            self._stop_deciding(f"replay decides otherwise: {loaded.divergence}")
            return
        settings = decided_by(self._spec)
        before = loaded.settings
        changes = () if before is None or self._spec.needs_no_past else before.other_identity(settings)
        if changes:
            self._stop_deciding(
                f"legs, instrument or strategy of this group have changed ({'; '.join(changes)}):"
                " a changed group needs a name of its own"
            )
            return
        if before != settings:
            await self._log.settle(settings, self._now())
        self._tasks.start("decide", self._decide())
        await self._begin(fresh=loaded.steps == 0)
        if loaded.steps and before is not None and before.operator_state is not settings.operator_state:
            # Who changes the word in the file means it; the operator's later word still counts.
            await self.operate(settings.operator_state, "config", "the settings have changed")
        # Who begins every life anew is another sender each time: its numbers have nothing to do with those before.
        sender = f"{self._spec.own_stream}@{self._epoch}.{self._started_at}"
        self._ways.start(
            self._tasks, self._log, sender if self._spec.needs_no_past else self._spec.own_stream, self._epoch
        )
        self._tasks.start("lag", self._lag.measure())

    def connect(self, account: AccountId, port: AccountPort) -> None:
        """Say how the account is reached from now on; its next incarnation replaces the one before."""
        if account not in self._accounts:
            raise KeyError(f"account {account} plays no leg in group {self._spec.group.group}")
        self._ways.connect(account, port)

    def abandon(self) -> None:
        """Die as a killed process does: nothing is finished, nothing is written, nobody is told."""
        self._timers.drop_all()
        self._tasks.cancel()
        self._lock.release()

    async def stop(self) -> None:
        """End: nothing is decided after this returns. May be called twice."""
        self._timers.drop_all()
        await self._tasks.close()
        if self._log is not None:
            await self._log.close()
        self._lock.release()

    # --- port ---------------------------------------------------------------------------------------------------

    async def operate(self, state: OperatorState, by: str, reason: str) -> None:
        """See `GroupPort.operate`."""
        try:
            await self._step(OperatorStateSet(at=self._now(), state=state, by=by, reason=reason), None)
        except StaleEpochError as error:
            self._fail(str(error))
            raise

    async def status(self) -> GroupStatus:
        """See `GroupPort.status`."""
        log = self._need_log()
        view = self._view()
        return GroupStatus(
            group=self._spec.group.group,
            epoch=self._epoch,
            pid=os.getpid(),
            at=self._now(),
            started_at=self._started_at,
            journal_seq=log.seq,
            view=view,
            limits=self.limits(),
            stopped=self._stopped or log.problem,
            stopped_for_good=self._halted,
            naked_since=self._report.naked.since,
            naked_seconds=self._report.naked.seconds(self._now()),
            naked_usd_seconds=self._report.naked.usd_seconds(self._now()),
            timers=dict(log.timers),
            recent=self._report.recent,
            notes=self._report.notes,
            counters=dict(self._meter.counters),
            histograms=self._meter.histograms(),
            loop_lag_s=self._lag.seconds,
            memory_bytes=memory_bytes(),
            cpu_s=cpu_s(),
            strategy=self._spec.strategy,
            instrument_id=self._spec.group.instrument_id,
        )

    # --- the loop -----------------------------------------------------------------------------------------------

    async def _decide(self) -> None:
        while True:
            event, source = await self._inbox.get()
            await self._step(event, source)

    async def _step(self, event: Event, source: tuple[AccountId, int] | None) -> None:
        """Take one event: decide, write, then act. Nobody else changes the state."""
        async with self._deciding:
            log = self._need_log()
            if self._stopped or self._machine is None or (source is not None and log.knows(*source)):
                return
            if isinstance(event, TimerFired) and log.timers.get(event.timer, event.at + 1) > event.at:
                return  # moved or canceled while it waited in the inbox
            with self._meter.timed("decide"):
                try:
                    step = self._machine.step(self._state, event)
                except Exception as error:  # noqa: BLE001 - a poison event stops this group in a known state, named
                    self._stop_deciding(
                        f"poison event after journal seq {log.seq}: {error.__class__.__name__}: {error}; "
                        f"event {event.model_dump_json()[:_EVENT_SHOWN]}"
                    )
                    return
            broken = self._check(step.state)
            if broken:
                # Nothing of this step was done: the state before it is still the known one.
                self._stop_deciding(
                    f"the strategy broke its own promises after journal seq {log.seq}: {broken}; "
                    f"event {event.model_dump_json()[:_EVENT_SHOWN]}"
                )
                return
            await log.write(event, step.commands, source, self._machine.code_version)
            before = self._view().phase if is_routine(event, step.commands) else None
            self._state = step.state
            self._act(step.commands)
            self._report.stepped(event, step.commands, self._view, before)
        await log.snapshot_if_due(self._machine, self._state)

    async def _begin(self, *, fresh: bool) -> None:
        log = self._need_log()
        if fresh:
            await self._step(Started(at=self._now(), group=self._spec.group.group), None)
            await self._step(
                OperatorStateSet(at=self._now(), state=self._spec.operator_state, by="config", reason="first start"),
                None,
            )
            return
        timers, draws = dict(log.timers), dict(log.draws)
        await self._step(Restarted(at=self._now()), None)
        for timer, due_at in timers.items():
            if log.timers.get(timer) == due_at:
                self._timers.set(timer, due_at)
        for command in draws.values():
            if command.name in log.draws:
                self._inbox.put_nowait((self._answer_draw(command), None))

    def _act(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            match command:
                case SubmitOrder() | CancelOrder() | CancelAllOrders() | SetLeverage():
                    self._ways.wake(command.account)
                case Observe():
                    self._tasks.start("observe", self._observe(command.legs))
                case SetTimer(timer=timer, due_at=due_at):
                    self._timers.set(timer, due_at)
                case CancelTimer(timer=timer):
                    self._timers.drop(timer)
                case DrawRandom():
                    self._inbox.put_nowait((self._answer_draw(command), None))
                case Notify():
                    self._report.note(command, self._view().cycle)

    def _answer_draw(self, command: DrawRandom) -> RandomDrawn:
        return RandomDrawn(at=self._now(), name=command.name, value=self._draw(command.low, command.high))

    def _fired(self, timer: TimerName) -> None:
        self._tasks.start(f"fire:{timer}", self._inbox.put((TimerFired(at=self._now(), timer=timer), None)))

    async def _observe(self, legs: tuple[LegName, ...]) -> None:
        seen = await self._ways.look(legs, self._spec.group, lambda leg: self._view().legs[leg].believed)
        await self._inbox.put((Observed(at=self._now(), legs=seen), None))

    # --- parts --------------------------------------------------------------------------------------------------

    def _view(self) -> GroupView:
        if self._machine is None:
            raise RuntimeError("the group actor has not been started")
        if self._seen is None or self._seen[0] is not self._state:
            self._seen = (self._state, self._machine.view(self._state))
        return self._seen[1]

    def _check(self, state: Any) -> str:
        """Return which promises of the strategy a state breaks, in words; empty = none."""
        found = broken_promises(self._spec.strategy, self._params, state)
        return "; ".join(f"{each.name}: {each.detail}" for each in found)

    def _rebuild(self, settings: DecidedBy) -> Machine[Any]:
        group = self._spec.group.model_copy(update={"legs": settings.legs, "instrument_id": settings.instrument_id})
        return self._build(settings.strategy, group, settings.params, settings.limits_in_force)

    def _need_log(self) -> GroupLog:
        if self._log is None:
            raise RuntimeError("the group actor has not been started")
        return self._log

    async def _deliver(self, event: AccountEvent, source: tuple[AccountId, int]) -> None:
        await self._inbox.put((event, source))

    def _on_stranger(self, reason: str) -> None:
        """The journals of group and account do not belong together: nothing that either remembers may be acted on."""
        if self._spec.needs_no_past:
            self._fail(reason)  # the next life begins anew, with whatever journal there is
        else:
            self._stop_deciding(reason)

    def _stop_deciding(self, reason: str) -> None:
        """Decide nothing more; stay to be asked why."""
        self._stopped, self._halted = reason, True
        self._meter.count("stopped")
        _log.critical("group_stopped", group=self._spec.group.group, reason=reason)

    def _on_failure(self, task: str, error: BaseException) -> None:
        if isinstance(error, StaleEpochError):
            self._fail(str(error))
        else:
            self._fail(f"{task} failed: {error.__class__.__name__}: {error}")

    def _fail(self, reason: str) -> None:
        """Take the actor down: a successor that replays the journal is the known state."""
        self._stopped = reason
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(reason)
