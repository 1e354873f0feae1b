"""One seed, played: three accounts, one group, two venues, a supervisor's hand that restarts, and a storm."""

import asyncio
from collections import Counter
from random import Random

from actors.account import AccountActor, AccountSpec, AccountTuning
from actors.chance import Chance
from actors.group import GroupActor, GroupActorSpec
from actors.journal.protocol import JournalError, JournalWriteError
from actors.simulation.disk import Disk
from actors.simulation.loop import VirtualLoop
from actors.simulation.market import ETH, Market
from actors.simulation.process import Line, NoLock, Process
from actors.simulation.scenario import GROUP, VENUE_OF, Happening, Scenario, Trouble
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, Timestamp
from strategies.machine import GroupSpec, GroupView, Outcome
from venues.simulator.in_process import InProcessVenue

EPOCH_MS = 1_800_000_000_000
"""The moment at which every simulation begins."""
CALM_BOUND_S = 240.0
"""Virtual seconds after the last fault within which everything must have come to its end."""
_POLL_S = 0.1
_RESTART_S = (0.01, 0.3, 2.0)
"""How long the supervisor may take to start a successor."""
_DISK_RETRY_S = 0.5
_MS = 1000

TUNING = AccountTuning(
    answer_look_after_s=0.5,
    resolve_every_s=0.2,
    look_backoff_s=0.2,
    look_backoff_max_s=2.0,
    adjust_confirm_s=0.3,
    reconcile_every_s=2.0,
    reconnect_first_s=0.2,
    reconnect_max_s=1.0,
    observe_timeout_s=2.0,
    entry_deadline_s=3.0,
    hedge_deadline_s=4.0,
    exit_deadline_s=6.0,
)


def stream_of(name: str) -> str:
    """Return the journal stream of an actor."""
    return "group/sim" if name == GROUP else f"account/{name}"


class World:
    """Everything that is there in one simulation."""

    def __init__(self, scenario: Scenario, loop: VirtualLoop) -> None:
        """Build it; nothing runs yet."""
        self.scenario = scenario
        self.group_spec = GroupSpec.model_validate({"group": "sim", "instrument_id": ETH, "legs": scenario.cast.legs})
        self.loop = loop
        self.dice = Random(f"world {scenario.seed}")  # noqa: S311 - seeded dice are the point of a simulation
        self.chance = Chance(Random(f"actors {scenario.seed}"))  # noqa: S311 - the same
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        """What must never happen and did."""
        self.story: list[str] = []
        self.disk = Disk(scenario.disk_latency_s, loop.pause)
        self.market = Market(scenario, self.truth, self.count, loop.pause)
        self.processes: dict[str, Process] = {}
        self.ghosts: list[Process] = []
        self.skew_ms: dict[str, int] = {}
        self.call_troubles: dict[str, list[Happening]] = {account: [] for account in VENUE_OF}
        self.calm = False
        self._tuning = TUNING.model_copy(
            update={"snapshot_every": scenario.snapshot_every, "feed_in_memory": scenario.feed_in_memory}
        )
        self._lines: dict[str, Line] = {}
        self._keepers: list[asyncio.Task[None]] = []

    # --- time and words -------------------------------------------------------------------------------------------

    def truth(self) -> Timestamp:
        """Return the time without any skew."""
        return Timestamp(EPOCH_MS + int(self.loop.time() * _MS))

    def count(self, what: str) -> None:
        """Count one trouble that struck."""
        self.counts[what] += 1
        self.tell(what)

    def tell(self, text: str) -> None:
        """Note something for whoever replays this seed."""
        self.story.append(f"{self.loop.time():9.3f} #{self.loop.steps:<6} {text}")

    def complain(self, text: str) -> None:
        """Note something that must never happen."""
        self.complaints.append(text)
        self.tell(f"VIOLATION {text}")

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a keeper for every actor."""
        for name in (*VENUE_OF, GROUP):
            self._keepers.append(self.loop.create_task(self._keep(name)))

    async def stop(self) -> None:
        """End everything in order."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in [*self.processes.values(), *self.ghosts]:
            if process.actor is not None and not process.dead:
                await process.actor.stop()

    def kill(self, name: str, reason: str = "killed") -> None:
        """Let an actor's process die between two steps."""
        process = self.processes.get(name)
        if process is None or process.dead:
            return
        self.counts[Trouble.CRASH] += 1
        self._bury(process, reason)

    def haunt(self, name: str) -> None:
        """Let the supervisor believe that an actor is dead, and start a successor beside it."""
        process = self.processes.get(name)
        if process is None or process.dead or process.over.done():
            return
        self.count(Trouble.GHOST)
        self.ghosts.append(process)
        process.over.set_result("haunts")

    def _bury(self, process: Process, reason: str) -> None:
        torn = process.die(reason, keep_tail=self.dice.random() < 0.5, finish_requests=self.dice.random() < 0.5)  # noqa: PLR2004 - a coin
        self.tell(f"{process.name}@{process.incarnation} {reason}" + (f", {torn} records torn" if torn else ""))
        if torn:
            self.counts[Trouble.TORN_TAIL] += 1

    async def _keep(self, name: str) -> None:
        """Be the supervisor of one actor: whenever it is over, start the next one."""
        incarnation = 0
        while True:
            incarnation += 1
            epoch = await self._claim(name, incarnation)
            process = self.processes[name] = Process(name, incarnation)
            process.run(self._come_up(process, epoch))
            await process.over
            await asyncio.sleep(0.05 if self.calm else self.dice.choice(_RESTART_S))

    async def _come_up(self, process: Process, epoch: int) -> None:
        try:
            if process.name == GROUP:
                await self._start_group(process, epoch)
            else:
                await self._start_account(process, epoch)
        except JournalError as error:
            self._bury(process, f"could not start: {error}")
        except Exception as error:  # noqa: BLE001 - whatever else it is, it is what the simulation looks for
            self.complain(f"{process.name} could not start: {error!r}")
            self._bury(process, "could not start")

    async def _claim(self, name: str, incarnation: int) -> int:
        while True:
            try:
                return await self.disk.store.claim(stream_of(name), f"simulation {incarnation}")
            except JournalWriteError:
                await asyncio.sleep(_DISK_RETRY_S)

    async def _start_account(self, process: Process, epoch: int) -> None:
        name = process.name
        floor = self.market.floor_of(name)
        process.venue = InProcessVenue(floor, name, lambda: self._clock(name))
        venue = process.venue
        spec = AccountSpec(
            account=AccountId(name),
            venue=VENUE_OF[name],
            venue_config={},
            account_config={},
            instruments=(ETH,),
            journal="memory:",
            lock_dir="",
            tuning=self._tuning,
        )
        actor = process.account = AccountActor(
            spec,
            epoch,
            now=lambda: self._clock(name),
            build=lambda *_: venue,
            stores=lambda _: self.disk.open_for(process.writers),
            make_lock=NoLock,
            chance=self.chance,
        )
        await actor.start()
        self._listen(process)
        line = self._lines[name] = Line(process, actor, self.scenario.line_latency_s, self, self.loop.pause)
        self._connect(name, line)
        while not await actor.arm():  # noqa: ASYNC110 - the supervisor asks again and again, too
            await asyncio.sleep(_POLL_S)
        process.up = True

    async def _start_group(self, process: Process, epoch: int) -> None:
        spec = GroupActorSpec(
            group=self.group_spec,
            strategy=self.scenario.cast.strategy,
            params=self.scenario.params,
            limits=self.scenario.limits,
            journal="memory:",
            lock_dir="",
            snapshot_every=self.scenario.snapshot_every,
        )
        actor = process.group = GroupActor(
            spec,
            epoch,
            now=lambda: self._clock(GROUP),
            draw_random=self.chance.draw,
            stores=lambda _: self.disk.open_for(process.writers),
            make_lock=NoLock,
        )
        await actor.start()
        self._listen(process)
        for account, line in self._lines.items():
            if account in self.scenario.cast.legs.values():
                actor.connect(AccountId(account), line)

    def _connect(self, account: str, line: Line) -> None:
        process = self.processes.get(GROUP)
        plays = account in self.scenario.cast.legs.values()
        if plays and process is not None and process.group is not None and not process.dead:
            process.group.connect(AccountId(account), line)

    def _listen(self, process: Process) -> None:
        actor = process.actor
        if actor is not None and actor.ended is not None:
            actor.ended.add_done_callback(lambda ended: self._on_ended(process, ended.result()))

    def _on_ended(self, process: Process, reason: str) -> None:
        if process.dead:
            return
        # A ghost is fenced. What it stumbles over first, its successor's deeds or its lost epoch, is all the same.
        haunts = process.over.done()
        if not haunts and "overtaken" not in reason and "later incarnation" not in reason:
            self.complain(f"{process.name} ended by itself: {reason}")
        self._bury(process, f"ended by itself: {reason}")

    def _clock(self, name: str) -> Timestamp:
        return Timestamp(self.truth() + self.skew_ms.get(name, 0))

    # --- what others ask ------------------------------------------------------------------------------------------

    def next_call_trouble(self, account: str, call: str) -> Happening | None:
        """See `LineTroubles`."""
        waiting = self.call_troubles[account]
        for happening in waiting:
            if happening.action in (call, "any"):
                waiting.remove(happening)
                self.count(happening.trouble)
                return happening
        return None

    def group(self) -> GroupActor | None:
        """Return the group's living actor."""
        process = self.processes.get(GROUP)
        return None if process is None or process.dead else process.group

    def account(self, name: str) -> AccountActor | None:
        """Return an account's living actor."""
        process = self.processes.get(name)
        return None if process is None or process.dead else process.account

    def say(self, word: OperatorState, by: str) -> "asyncio.Future[None] | None":
        """Speak to the group as the operator; None when nobody is there to hear it."""
        group = self.group()
        if group is None or group.glance() is None:
            return None
        return self.processes[GROUP].answer(group.operate(word, by, "simulated"))

    def view(self) -> GroupView | None:
        """Return what the living group shows; None when there is none."""
        group = self.group()
        return None if group is None else group.glance()

    def at_rest(self) -> str:
        """Say what keeps everything from being over; empty = nothing."""
        view = self.view()
        if view is None:
            return "the group is not up"
        group = self.group()
        if group is not None and group.stopped:
            return f"the group does not decide: {group.stopped}"
        limited = group is not None and any(each.reached_at for each in group.limits())
        told = limited and view.operator_state is not OperatorState.RUN
        flattened = (told or self.scenario.last_word is OperatorState.FLATTEN) and view.phase in {"IDLE", "ENDED"}
        if view.outcome is Outcome.RUNNING and not flattened:
            return f"the group is {view.phase}: {view.reason}; next {view.next}"
        if self.processes[GROUP].writers.busy:
            return "the group is writing: what it shows is a step behind its journal"
        for name in VENUE_OF:
            why = self._unsettled(name)
            if why:
                return why
        return ""

    def _unsettled(self, name: str) -> str:
        account = self.account(name)
        if account is None or not self.processes[name].up or account.mode is not AccountMode.ARMED:
            return f"{name} is {'dead' if account is None else account.mode}"
        if self.processes[name].writers.busy:
            return f"{name} is writing"
        if account.book.in_flight():
            return f"{name} has orders in flight"
        believed, held = account.book.believed(ETH), self.market.held(name)
        return "" if believed == held else f"{name} believes {believed}, the venue holds {held}"
