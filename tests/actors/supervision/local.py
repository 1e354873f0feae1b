"""Host processes without processes: the real `Host` and keepers, small actors, and death when a test says so."""
# ruff: noqa: ARG002 - small actors take what real ones need

import asyncio
from decimal import Decimal

from actors.actor import (
    AccountStatus,
    ActorUnreachableError,
    Envelope,
    FactBatch,
    GroupStatus,
    Receipt,
)
from actors.hosting.host import Host
from actors.hosting.ports import RemoteAccountPort, RemoteGroupPort
from actors.hosting.protocol import ActorKind, Assignment, HostsUnavailableError, Place, Pulse, Reply, ReplyKind
from actors.journal.protocol import JournalWriteError
from actors.supervision.desired import AccountWish, Desired, GroupWish
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, Timestamp
from strategies.machine import GroupView, LegView, Outcome


def loop_now() -> Timestamp:
    """Return the loop's own time as a moment, so that virtual time is all there is."""
    return Timestamp(1_000_000 + int(asyncio.get_running_loop().time() * 1000))


class SmallAccount:
    """An account actor that reconciles after `ready_after_s` and trades nothing."""

    def __init__(self, assignment: Assignment, world: "World") -> None:
        self.name, self.epoch, self.world = assignment.name, assignment.epoch, world
        self.mode = AccountMode.DISARMED
        self.ended: asyncio.Future[str] | None = None
        self.ready_at = Timestamp(0)

    @property
    def frozen(self) -> str:
        return self.world.frozen.get(self.name, "")

    async def start(self) -> None:
        if self.name in self.world.broken:
            raise RuntimeError(f"{self.name} cannot start")
        if self.name in self.world.full:
            raise JournalWriteError("no space left on device")
        self.ended = asyncio.get_running_loop().create_future()
        self.ready_at = Timestamp(loop_now() + int(self.world.ready_after_s * 1000))
        self.world.started.append(f"account/{self.name}@{self.epoch}")

    async def stop(self) -> None:
        self.world.stopped.append(f"account/{self.name}@{self.epoch}")

    async def arm(self) -> bool:
        if loop_now() < self.ready_at:
            return False
        self.mode = AccountMode.FROZEN if self.frozen else AccountMode.ARMED
        return True

    async def release(self, by: str) -> bool:
        if self.world.frozen.pop(self.name, ""):
            self.world.released.append((self.name, by))
            self.mode = AccountMode.ARMED
        return True

    async def disarm(self, reason: str) -> None:
        self.mode = AccountMode.DISARMED

    async def submit(self, envelope: Envelope) -> Receipt:
        return Receipt(taken=envelope.messages[-1].seq)

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        return FactBatch(facts=())

    async def observe(self, instrument_id: InstrumentId):
        raise ActorUnreachableError("nothing to be seen here")

    async def status(self) -> AccountStatus:
        status = account_status(self.name, self.epoch, self.mode, at=loop_now())
        return status.model_copy(update={"reason": self.frozen or status.reason})


class SmallGroup:
    """A group actor that holds `world.held` on each leg and lets go of it when told to flatten.

    As a way out it finishes when nothing is held.
    """

    def __init__(self, assignment: Assignment, world: "World") -> None:
        self.name, self.epoch, self.world = assignment.name, assignment.epoch, world
        self.stream = assignment.stream
        self.ended: asyncio.Future[str] | None = None
        self.accounts: dict[AccountId, object] = {}

    async def start(self) -> None:
        if self.stream in self.world.broken:
            raise RuntimeError(f"{self.stream} cannot start")
        self.ended = asyncio.get_running_loop().create_future()
        self.world.started.append(f"{self.stream}@{self.epoch}")

    async def stop(self) -> None:
        self.world.stopped.append(f"{self.stream}@{self.epoch}")

    def connect(self, account: AccountId, port) -> None:
        self.accounts[account] = port
        self.world.connected.append((self.name, account, port.place))

    async def operate(self, state: OperatorState, by: str, reason: str) -> None:
        self.world.told.append((self.name, state, by, reason))
        self.world.operator[self.name] = state
        if state is OperatorState.REDUCE and self.world.flattens:
            self.world.opening.pop(self.name, None)
        if state is OperatorState.FLATTEN and self.world.flattens:
            self.world.held[self.name] = Decimal(0)

    async def status(self) -> GroupStatus:
        world = self.world
        held = world.held.get(self.name, Decimal(0))
        outcome = world.outcomes.get(self.name, Outcome.RUNNING)
        if self.stream.startswith(ActorKind.FLATTEN):
            outcome = Outcome.RUNNING if held else Outcome.FINISHED
        naked_since = world.naked.get(self.name)
        one_leg = {LegName("long"): leg(held), LegName("short"): leg(Decimal(0))}
        status = group_status(
            self.name,
            self.epoch,
            held=held,
            operator=world.operator.get(self.name, OperatorState.RUN),
            outcome=outcome,
            stopped=world.poisoned.get(self.stream, ""),
            waits=world.waiting.get(self.stream, ""),
            **({} if naked_since is None else {"legs": one_leg}),
        )
        opening = world.opening.get(self.name, ())
        if opening:
            resting = {LegName("long"): leg(held, opening=opening, in_flight=opening)}
            status = status.model_copy(update={"view": status.view.model_copy(update={"legs": resting})})
        return status.model_copy(update={"at": loop_now(), "naked_since": naked_since})


class LocalLink:
    """A host in this process; see `HostLink`."""

    def __init__(self, place: Place, world: "World") -> None:
        self.place = place
        self.world = world
        self.host = Host(world.find_account, world.build, lambda _: None)
        self.dead = asyncio.Event()
        self.frozen = False
        self.era = world.era
        self.why = ""
        self.account = RemoteAccountPort(self)
        self.group = RemoteGroupPort(self)

    def die(self, why: str = "killed by the test") -> None:
        """End like a process that was killed: no stop, no goodbye."""
        self.why = why
        self.dead.set()

    async def call(self, method: str, argument: str, timeout_s: float) -> Reply:
        await self._reach(timeout_s)
        return await self.host.call(method, argument, Timestamp(2**60))

    async def activate(self, assignment: Assignment) -> Pulse:
        await self._reach(1.0)
        reply = await self.host.activate(assignment)
        if reply.kind is not ReplyKind.OK:
            raise ActorUnreachableError(reply.text)
        self.world.links[assignment.identity] = self
        return self.host.pulse()

    async def pulse(self) -> Pulse:
        await self._reach(2.0)
        return self.host.pulse()

    @property
    def fallen(self) -> bool:
        return self.era.is_set()

    async def ended(self) -> str:
        await self.dead.wait()
        return self.why

    async def stop(self, timeout_s: float) -> bool:
        if self.dead.is_set():
            return False
        await self.host.stop()
        return True

    async def destroy(self) -> bool:
        if self.world.undead > 0:
            self.world.undead -= 1
            return False
        self.dead.set()
        await self.host._tasks.close()
        self.world.buried.append(self.place)
        return True

    async def _reach(self, timeout_s: float) -> None:
        if self.dead.is_set():
            raise ActorUnreachableError(f"{self.place} is dead")
        if self.frozen:
            await asyncio.sleep(timeout_s)
            raise ActorUnreachableError(f"{self.place}: no answer within {timeout_s:g} s")


class World:
    """Everything a test looks at or turns."""

    def __init__(self) -> None:
        self.ready_after_s = 0.0
        self.spawn_s = 0.3
        self.flattens = True
        self.undead = 0
        self.broken: set[str] = set()
        self.full: set[str] = set()
        """Accounts that find no room for their journal."""
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.buried: list[Place] = []
        self.connected: list[tuple[str, AccountId, Place]] = []
        self.told: list[tuple[str, OperatorState, str, str]] = []
        self.held: dict[str, Decimal] = {}
        self.opening: dict[str, tuple[str, ...]] = {}
        """Group → orders of it that rest and could open something."""
        self.naked: dict[str, Timestamp] = {}
        """Group → since when it is uncovered."""
        self.operator: dict[str, OperatorState] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.poisoned: dict[str, str] = {}
        """Stream → why its group decides no more."""
        self.waiting: dict[str, str] = {}
        """Stream → what its group waits for before it decides again."""
        self.frozen: dict[str, str] = {}
        """Account → what it was frozen for, over all its lives."""
        self.released: list[tuple[str, str]] = []
        self.links: dict[str, LocalLink] = {}
        self.all: list[LocalLink] = []
        self.era = asyncio.Event()
        self.gone = asyncio.Event()
        self.stands = asyncio.Event()
        self.stands.set()
        self.refusals: list[str] = []
        """What `renew` says before it succeeds, one a call."""

    def fall(self) -> None:
        """Lose everything at once, as a Ray that dies does."""
        self.era.set()
        for link in self.all:
            link.die("Ray is gone beneath it")
        self.gone.set()
        self.stands.clear()

    def freeze(self, account: str, reason: str) -> SmallAccount:
        """Let an account that is up see somebody else trade."""
        self.frozen[account] = reason
        link = next(each for name, each in self.links.items() if name.startswith(f"account/{account}@"))
        link.host._account.mode = AccountMode.FROZEN
        return link.host._account

    async def lost(self) -> str:
        await self.gone.wait()
        return "killed by the test"

    async def renew(self) -> None:
        if self.refusals:
            raise HostsUnavailableError(self.refusals.pop(0))
        self.era, self.gone = asyncio.Event(), asyncio.Event()
        self.stands.set()

    def build(self, assignment: Assignment):
        return (SmallAccount if assignment.kind is ActorKind.ACCOUNT else SmallGroup)(assignment, self)

    async def find_account(self, place: Place):
        port = RemoteAccountPort(next(link for link in self.all if link.place == place))
        port.place = place
        return port

    async def ready(self) -> None:
        await self.stands.wait()

    async def spawn(self, *, warm: bool = False) -> LocalLink:
        await self.ready()
        await asyncio.sleep(self.spawn_s)
        link = LocalLink(Place(f"host/{len(self.all)}"), self)
        self.all.append(link)
        await link.host.warm(())
        return link

    async def discover(self) -> list[LocalLink]:
        return [link for link in self.all if not link.dead.is_set()]


def account_wish(name: str, settings_hash: str = "h") -> AccountWish:
    """Return the wish for an account."""
    return AccountWish(kind=ActorKind.ACCOUNT, name=name, spec="{}", settings_hash=settings_hash, venue="lighter")


def group_wish(name: str, *accounts: str, settings_hash: str = "h") -> GroupWish:
    """Return the wish for a group."""
    return GroupWish(
        kind=ActorKind.GROUP,
        name=name,
        spec="{}",
        settings_hash=settings_hash,
        accounts=tuple(map(AccountId, accounts)),
        operator_state=OperatorState.RUN,
        flatten_spec="{}",
        flatten_hash=settings_hash,
    )


def desired(groups: dict[str, tuple[str, ...]]) -> Desired:
    """Return groups and the accounts that play in them."""
    accounts = sorted({account for mine in groups.values() for account in mine})
    return Desired(
        accounts={AccountId(name): account_wish(name) for name in accounts},
        groups={GroupId(name): group_wish(name, *mine) for name, mine in groups.items()},
    )


def account_status(name: str, epoch: int, mode: AccountMode = AccountMode.ARMED, **changes) -> AccountStatus:
    """Return a report with `changes`."""
    fields = {
        "account": AccountId(name),
        "venue": "lighter",
        "epoch": epoch,
        "pid": 1,
        "mode": mode,
        "reason": "because",
        "at": Timestamp(1_000_000),
        "started_at": Timestamp(1_000_000),
        "instruments": (InstrumentId("ETH-PERP"),),
        "believed": {},
        "reported": {},
        "reconciled_at": None,
        "in_flight": (),
        "unknown": {},
        "queue_length": {},
        "stream_ages_s": {},
        "clock_offset_s": None,
        "budget_left": {},
        "equity": None,
        "available": None,
        "maintenance_margin": None,
        "liquidation_price": None,
        "counters": {},
        "histograms": {},
        "loop_lag_s": 0.0,
    }
    return AccountStatus(**(fields | changes))


def leg(held: Decimal, **changes) -> LegView:
    """Return a leg that holds `held` by both accounts."""
    return LegView(**({"account": AccountId("a"), "target": held, "believed": held, "reported": held} | changes))


def group_view(held: Decimal, **changes) -> GroupView:
    """Return a group that holds `held` on one leg and the opposite on the other."""
    fields = {
        "phase": "HEDGED" if held else "IDLE",
        "phase_since": Timestamp(1_000_000),
        "next": "wait",
        "cycle": 1,
        "cycles_done": 0,
        "operator_state": OperatorState.RUN,
        "outcome": Outcome.RUNNING,
        "mark": Decimal(2000),
        "lot": Decimal("0.01"),
        "hedged": True,
        "legs": {LegName("long"): leg(held), LegName("short"): leg(-held)},
    }
    return GroupView(**(fields | changes))


def group_status(
    name: str, epoch: int, *, held: Decimal = Decimal(0), stopped: str = "", waits: str = "", **view
) -> GroupStatus:
    """Return a report of such a group."""
    view = {"operator_state": view.pop("operator", OperatorState.RUN)} | view
    return GroupStatus(
        group=GroupId(name),
        epoch=epoch,
        pid=1,
        at=Timestamp(1_000_000),
        started_at=Timestamp(1_000_000),
        journal_seq=1,
        view=group_view(held, **view),
        stopped=stopped or waits,
        stopped_for_good=bool(stopped),
        naked_since=None,
        naked_seconds=0.0,
        naked_usd_seconds=0.0,
        timers={},
        recent=(),
        counters={},
        histograms={},
        loop_lag_s=0.0,
    )
