"""What every benchmark stands on: a folder, Ray as the supervisor starts it, simulators in a process of their own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from actors.chance import fraction
from actors.clock import wall_now
from actors.hosting.protocol import Hosts
from actors.hosting.warm import warm_modules
from actors.journal.protocol import JournalStore
from actors.journal.store import open_store
from actors.logs import close_logs, log_to_file
from actors.operator.simulator import Simulator, SimulatorAddresses
from actors.operator.terminal import LibraryTalk
from actors.ray_environment import ray_hosts
from actors.restart import RestartPolicy
from actors.supervision.disk import DiskWatch
from actors.supervision.keeper import Keeper
from actors.supervision.keepers import AccountKeeper
from actors.supervision.office import Office
from actors.supervision.settings import SupervisorConfig
from actors.supervision.spares import Spares
from actors.supervision.supervision import Supervision
from actors.tasks import Tasks
from conf.load import load
from conf.schema import Settings
from conf.wishes import desired
from strategies.domain.account import AccountMode
from strategies.domain.ids import AccountId

WARM_MODULES = warm_modules(("lighter", "backpack"), ("liquidation_hedge",))
"""What a spare has imported: the same as under `supervisor.py`."""
LIGHTER, BACKPACK = AccountId("lighter-1"), AccountId("backpack-1")
"""The two accounts of the first group: the ones that benchmarks trade on."""
PATIENCE_S = 60.0
"""Longest wait for anything here; more means that something is broken, not slow."""
_ALL_UP_PATIENCE_S = 240.0
"""The same for forty processes that start at once on a busy machine."""
_POLL_S = 0.005
_STOP_TIMEOUT_S = 10.0
_BUILD = "benchmark"
"""Nothing is adopted from an earlier run, so the code's digest is not needed."""
FORGIVING = RestartPolicy(within_s=0.5, max_restarts=1_000)
"""Every death is a first death: the wait before a restart is the policy's first one, not the back-off of a series."""

_SETTINGS = """
[general]
state_dir = "{folder}"

[simulator]
seed = 7
volatility = 0
collateral = 1000000
start_prices = {{ ETH = 3000 }}
tier = "unlimited"
latency_ms = {latency_ms}
keys_dir = "{folder}/keys"

[venues.lighter]
base_url = "simulator"
tier = "unlimited"
symbols = {{ ETH-PERP = "ETH" }}

[venues.backpack]
base_url = "simulator"
requests_per_minute = 1000000
symbols = {{ ETH-PERP = "ETH_USDC_PERP" }}
"""
_GROUP = """
[accounts.backpack-{group}]
venue = "backpack"
secret = "file:{folder}/keys/backpack-backpack-{group}.key"

[accounts.lighter-{first}]
venue = "lighter"
account_index = {first}
api_keys = [{{ index = 4, secret = "file:{folder}/keys/lighter-{first}.key" }}]

[accounts.lighter-{second}]
venue = "lighter"
account_index = {second}
api_keys = [{{ index = 4, secret = "file:{folder}/keys/lighter-{second}.key" }}]

[groups.triad-{group}]
strategy = "liquidation_hedge"
instrument = "ETH-PERP"
state = "pause"

[groups.triad-{group}.legs]
backpack = "backpack-{group}"
lighter1 = "lighter-{first}"
lighter2 = "lighter-{second}"
"""


@dataclass(frozen=True)
class Stage:
    """Ray and a folder, for the whole run."""

    folder: Path
    hosts: Hosts


@dataclass(frozen=True)
class Scene:
    """Simulated venues and the settings of a deployment on them."""

    stage: Stage
    settings: Settings
    addresses: SimulatorAddresses
    store: JournalStore

    def at(self, lighter: str, backpack: str) -> "Scene":
        """Return the same scene with the venues reached at other base URLs (a proxy in front of them)."""
        moved = self.settings.with_simulator_at({"lighter": lighter, "backpack": backpack})
        return Scene(self.stage, moved, self.addresses, self.store)

    def log_file(self, stream: str) -> str:
        """Return where an actor logs."""
        return str(self.settings.general.state_dir / "logs" / f"{stream.replace('/', '-')}.jsonl")


@contextmanager
def stage() -> Iterator[Stage]:
    """Have a local Ray, started exactly as `supervisor.py` starts it."""
    with TemporaryDirectory(prefix="hedgevisor-bench-") as name:
        log_to_file(Path(name) / "logs" / "benchmarks.jsonl", debug=False, actor="benchmarks")
        try:
            # Ray prints what it thinks of killed workers; the supervisor keeps that off its terminal, too.
            with redirect_stdout(LibraryTalk()), ray_hosts(Path(name), "", WARM_MODULES) as hosts:
                yield Stage(Path(name), hosts)
        finally:
            close_logs()


@asynccontextmanager
async def scene(
    on: Stage, name: str, *, groups: int = 1, latency_ms: int = 0, simulator_options: Sequence[str] = ()
) -> AsyncIterator[Scene]:
    """Have both simulated venues, as a process of their own, and `groups` groups of three accounts on them."""
    folder = on.folder / name
    folder.mkdir()
    text = _SETTINGS.format(folder=folder, latency_ms=latency_ms)
    for group in range(1, groups + 1):
        text += _GROUP.format(folder=folder, group=group, first=2 * group - 1, second=2 * group)
    file = folder / "groups.toml"
    file.write_text(text, encoding="utf-8")
    settings = load(file, environment={})
    simulator = Simulator((*settings.simulator_arguments(), *simulator_options), folder / "simulator")
    store = open_store(settings.general.journal_url)
    try:
        found = await simulator.start()
        settings = settings.with_simulator_at({"lighter": found.lighter.url, "backpack": found.backpack.url})
        yield Scene(on, settings, found, store)
    finally:
        await simulator.stop()
        await store.close()


Listener = Callable[[AccountKeeper], Awaitable[None]]


@asynccontextmanager
async def account(
    here: Scene, name: AccountId, on_up: Listener, *, spares: int = 0
) -> AsyncIterator[tuple[AccountKeeper, Spares]]:
    """Keep one account alive and armed with the supervisor's own keeper."""
    tasks = Tasks("benchmark", _complain)
    pool = Spares(here.stage.hosts, spares, tasks)
    office = Office(
        spares=pool,
        store=here.store,
        holder=f"benchmark:{os.getpid()}",
        build=_BUILD,
        log_file=lambda wish: here.log_file(wish.stream),
        debug=False,
        now=wall_now,
        chance=fraction,
        stop_timeout_s=_STOP_TIMEOUT_S,
        disk=DiskWatch(print),
        rank=lambda _: (0, 0),
    )
    keeper = AccountKeeper(
        desired(here.settings).accounts[name],
        FORGIVING,
        office,
        on_up=on_up,
        on_escalation=_never_called,
        still_needed=lambda _: True,
        on_taken=_never_called,
        on_frozen=_never_called,
    )
    tasks.start(keeper.wish.stream, keeper.run())
    try:
        await until(lambda: armed(keeper), f"{name} is armed")
        yield keeper, pool
    finally:
        await keeper.stop()
        await pool.close()
        await tasks.close()


@asynccontextmanager
async def everything(here: Scene) -> AsyncIterator[Supervision]:
    """Run every account and group of the scene under the real supervision, until all accounts are armed."""
    supervision = Supervision(
        desired(here.settings),
        SupervisorConfig(spares=0),
        hosts=here.stage.hosts,
        store=here.store,
        holder=f"benchmark:{os.getpid()}",
        build=_BUILD,
        log_file=here.log_file,
        debug=False,
        now=wall_now,
        chance=fraction,
    )
    await supervision.start()
    try:
        await until(lambda: _all_up(supervision), "every account is armed and every group up", _ALL_UP_PATIENCE_S)
        yield supervision
    finally:
        await supervision.stop()


def _all_up(supervision: Supervision) -> bool:
    accounts, groups = supervision.accounts.values(), supervision.groups.values()
    return all(armed(keeper) for keeper in accounts) and all(keeper.life.heard_at is not None for keeper in groups)


def armed(keeper: AccountKeeper) -> bool:
    """Say whether the account may write, by its own last report."""
    return keeper.status is not None and keeper.status.mode is AccountMode.ARMED


async def until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds.

    Raises:
        TimeoutError: it did not within `patience_s`; names `what`.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    while not condition():
        if loop.time() > give_up_at:
            raise TimeoutError(f"waited {patience_s:g} s in vain until {what}")
        await asyncio.sleep(_POLL_S)


def _complain(task: str, error: BaseException) -> None:
    sys.stderr.write(f"{task} failed: {error!r}\n")


async def _never_called(keeper: Keeper, reason: str) -> None:
    raise RuntimeError(f"{keeper.wish.stream} was given up, although every death is forgiven: {reason}")
