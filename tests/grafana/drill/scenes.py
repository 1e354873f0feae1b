"""What is done to a running deployment so that an alert must fire: each scene begins a trouble, and ends it."""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import web

from tests.end_to_end.deployment import ROOT, Deployment

A, B = "triad-1", "triad-2"
ACCOUNTS = {A: (("backpack", "bp-1"), ("lighter", "1"), ("lighter", "2")), B: (("backpack", "bp-2"), ("lighter", "3"))}
"""Per group: venue and the venue's name of each account that it holds something on."""
CHANNEL = "people"
"""The only channel of notifications."""
COIN = {A: "ETH", B: "BTC"}
_NO_MARGIN = {
    "backpack": "INSUFFICIENT_MARGIN",
    "lighter": '{"code": 21739, "message": "not enough margin to create the order"}',
}
_LOOK_S = 0.2
_SLOW_HOLD_S, _SLOW_REST_S = 0.45, 0.3
"""How long the journal's file is held, and let go: appends that meet a hold take up to half a second."""
_FULL = 0.97
"""Of the disk."""
_STREAMS = 20
"""More than there are connections: each is closed at its next frame."""
_ANSWER_BOUND_S = 90.0
_PANIC_BOUND_S = 120.0


class People:
    """Where the deployment's notifications go: a service that takes them, or does not."""

    def __init__(self) -> None:
        self.ill = False
        self.port = 0

    async def serve(self, ends: AsyncExitStack) -> None:
        """Listen until `ends` ends."""
        application = web.Application()
        application.add_routes([web.post("/", self._take)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        ends.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]

    async def _take(self, _request: web.Request) -> web.Response:
        return web.Response(status=503 if self.ill else 200)


@dataclass
class Stage:
    """The deployment that is drilled."""

    deployment: Deployment
    people: People
    port: int
    """Of the supervisor."""
    disk: Path
    """Mount point of the state folder's own file system."""

    async def control(self, path: str, **body: Any) -> dict[str, Any]:
        """Use the simulator's control interface."""
        return await self.deployment.control("POST", f"/control/{path}", body)

    async def status(self) -> dict[str, Any]:
        """Return what /api/groups says, as soon as it is answered: the supervisor may be starting."""

        async def answered() -> dict[str, Any] | None:
            try:
                return await self.deployment.status()
            except aiohttp.ClientError:
                return None

        return await self.deployment.until(answered, "an answer of the supervisor", _ANSWER_BOUND_S)

    async def beat(self, bot: str, interval_s: int) -> None:
        """Report as a bot does."""
        body = {"timestamp": int(time.time() * 1000), "telemetry_interval_secs": interval_s}
        url = f"http://127.0.0.1:{self.port}/ingest/{bot}"
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def pid_of(self, kind: str, name: str) -> int:
        """Return the process of an actor."""
        return int((await self.status())[kind][name]["actor"]["pid"])

    async def released(self, name: str) -> None:
        """Start the supervisor anew, and release a parked group or a frozen account."""
        await self.deployment.stop()
        await self.deployment.start("--release", name)

    async def quiet(self) -> None:
        """End every injected trouble."""
        await self.deployment.control("DELETE", "/control/faults")


Begin = Callable[[Stage], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Scene:
    """A trouble, and the alerts that it must raise."""

    rules: tuple[str, ...]
    what: str
    begin: Begin
    labels: dict[str, str] = field(default_factory=dict)
    """What the alerts must name, besides the rule."""


@asynccontextmanager
async def stopped_supervisor(stage: Stage) -> AsyncIterator[None]:
    """Let the supervisor stand still."""
    pid = stage.deployment.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def refuse_orders(stage: Stage, group: str) -> None:
    """Let both venues refuse every order of a group for want of margin."""
    for venue, account in ACCOUNTS[group]:
        fault = {"kind": "STATUS_BEFORE", "venue": venue, "account": account, "action": "order", "count": None}
        await stage.control("faults", **fault, status=400, body=_NO_MARGIN[venue])


async def liquidate(stage: Stage, group: str, place: int = 1) -> None:
    """Let a venue take one leg of a group."""
    venue, account = ACCOUNTS[group][place]
    await stage.control("liquidate", venue=venue, account=account, symbol=COIN[group])


@asynccontextmanager
async def refused_exit(stage: Stage) -> AsyncIterator[None]:
    """One leg is liquidated while both venues refuse every order of the group."""
    await refuse_orders(stage, A)
    await liquidate(stage, A)
    yield
    await stage.quiet()


@asynccontextmanager
async def mute_venue(stage: Stage) -> AsyncIterator[None]:
    """One leg is liquidated while the venue answers nothing about another one's account, and its streams are frozen."""
    venue, account = ACCOUNTS[A][2]
    await stage.control("faults", kind="FREEZE_CHANNEL", venue=venue, account=account, count=None)
    await stage.control("faults", kind="STATUS_BEFORE", venue=venue, account=account, count=None, status=503)
    await liquidate(stage, A)
    yield
    await stage.quiet()


@asynccontextmanager
async def dead_streams(stage: Stage) -> AsyncIterator[None]:
    """A venue closes its streams and takes no new connection."""
    await stage.control("faults", kind="REFUSE", venue="lighter", action="connect", count=None)
    await stage.control("faults", kind="CLOSE_STREAM", venue="lighter", count=_STREAMS)
    yield
    await stage.quiet()


@asynccontextmanager
async def lost_fill(stage: Stage) -> AsyncIterator[None]:
    """A leg is liquidated, its stream says nothing, and the history of fills has no answer."""
    venue, account = ACCOUNTS[A][2]
    await stage.control("faults", kind="FREEZE_CHANNEL", venue=venue, account=account, count=None)
    await stage.control(
        "faults", kind="STATUS_BEFORE", venue=venue, account=account, action="fills", count=None, status=503
    )
    await liquidate(stage, A, place=2)
    yield
    await stage.quiet()


@asynccontextmanager
async def held_down(stage: Stage) -> AsyncIterator[None]:
    """An account's process is stopped, and every successor, too."""
    stopped: set[int] = set()

    async def hold() -> None:
        while True:
            pid = await stage.pid_of("accounts", "bp-1")
            if pid and pid not in stopped:
                stopped.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(_LOOK_S)

    async with _meanwhile(hold()):
        yield
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def withdrawn_margin(stage: Stage) -> AsyncIterator[None]:
    """Money leaves an account until nine tenths of what is left are needed."""
    venue, account = ACCOUNTS[A][1]
    state = await stage.deployment.control("GET", "/control/state")
    margin = state["venues"][venue]["accounts"][account]
    surplus = Decimal(margin["equity"]) - Decimal(margin["maintenance_requirement"]) / Decimal("0.9")
    await stage.control("deposit", venue=venue, account=account, amount=f"{-surplus:.2f}")
    yield
    await stage.control("deposit", venue=venue, account=account, amount=f"{surplus:.2f}")


@asynccontextmanager
async def too_many_requests(stage: Stage) -> AsyncIterator[None]:
    """A venue answers every read of an account with 429."""
    venue, account = ACCOUNTS[A][0]
    await stage.control("faults", kind="STATUS_BEFORE", venue=venue, account=account, count=None, status=429)
    yield
    await stage.quiet()


@asynccontextmanager
async def skewed_clock(stage: Stage) -> AsyncIterator[None]:
    """A venue's clock runs two seconds ahead."""
    await stage.control("faults", kind="SKEW_CLOCK", venue="lighter", delay_ms=2000, count=None)
    yield
    await stage.quiet()


def _journal(stage: Stage) -> sqlite3.Connection:
    """Open the group's journal as another program might (a backup, say)."""
    path = stage.deployment.state / "journal" / "group" / f"{A}.sqlite"
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)


@asynccontextmanager
async def busy_journal(stage: Stage) -> AsyncIterator[None]:
    """Somebody holds the group's journal for half a second, again and again."""
    with closing(_journal(stage)) as connection:

        async def hold() -> None:
            while True:
                await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
                await asyncio.sleep(_SLOW_HOLD_S)
                connection.execute("ROLLBACK")
                await asyncio.sleep(_SLOW_REST_S)

        async with _meanwhile(hold()):
            yield


@asynccontextmanager
async def locked_journal(stage: Stage) -> AsyncIterator[None]:
    """Somebody holds the group's journal and does not let go."""
    with closing(_journal(stage)) as connection:
        await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@asynccontextmanager
async def full_disk(stage: Stage) -> AsyncIterator[None]:
    """The journal's disk is filled up to 97 %."""
    usage, ballast = shutil.disk_usage(stage.disk), stage.disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, int(usage.total * _FULL) - usage.used)
    yield
    ballast.unlink()


@asynccontextmanager
async def deaf_service(stage: Stage) -> AsyncIterator[None]:
    """The service that carries the notifications answers 503, and there is something to tell: a leg is liquidated."""
    stage.people.ill = True
    await liquidate(stage, A)
    yield
    stage.people.ill = False


@asynccontextmanager
async def forgetful_bot(stage: Stage) -> AsyncIterator[None]:
    """A bot of somebody else reports once and then no more. Ended by its reporting again, with a long interval."""
    await stage.beat("drill.bot", interval_s=1)
    yield
    await stage.beat("drill.bot", interval_s=3600)


@asynccontextmanager
async def somebody_else(stage: Stage) -> AsyncIterator[None]:
    """Somebody else trades on an account. Ended by releasing it, as a person does who has looked."""
    venue, account = ACCOUNTS[B][1]
    await stage.control("trade", venue=venue, account=account, symbol=COIN[B], side="BUY", quantity="0.01")
    yield
    await stage.released("l2a")


@asynccontextmanager
async def dying_group(stage: Stage) -> AsyncIterator[None]:
    """A group's process is killed until it is given up, and the venues refuse its way out."""
    await refuse_orders(stage, B)

    async def kill() -> None:
        while not (await stage.status())["groups"][B]["parking"]:
            pid = await stage.pid_of("groups", B)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(2 * _LOOK_S)

    async with _meanwhile(kill()):
        yield
    await stage.quiet()

    async def out() -> bool:
        return bool((await stage.status())["groups"][B]["over"])

    await stage.deployment.until(out, f"{B} out", 60)
    await stage.released(B)


@asynccontextmanager
async def panic(stage: Stage) -> AsyncIterator[None]:
    """Somebody presses panic for a group. Ended by releasing it."""
    words = ("supervisor.py", "panic", "--groups", str(stage.deployment.file), "--group", B)
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(_PANIC_BOUND_S):
        code = await process.wait()
    assert code == 0, f"panic ended with {code}"
    yield
    await stage.released(B)


@asynccontextmanager
async def killed_raylet(stage: Stage) -> AsyncIterator[None]:
    """Ray's own process on this machine is killed. It is had anew by itself."""
    children = psutil.Process(stage.deployment.process.pid).children(recursive=True)
    for child in children:
        with suppress(psutil.Error):
            if child.name() == "raylet":
                child.kill()
    yield


@asynccontextmanager
async def _meanwhile(work: Any) -> AsyncIterator[None]:
    """Let something run until the block ends."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


GROUP_A, GROUP_B = {"group": A}, {"group": B}
SCENES = (
    Scene(("HedgeSupervisorAbsent",), "SIGSTOP of the supervisor", stopped_supervisor),
    Scene(
        ("HedgeNakedExposure", "HedgeNakedOften", "HedgeLegSkew", "HedgeTargetNotReached"),
        "a leg is liquidated while both venues refuse every order of the group (margin)",
        refused_exit,
        GROUP_A,
    ),
    Scene(
        ("HedgeOrderUnknown",),
        "a leg is liquidated; another leg's account gets 503 for everything and its streams are frozen",
        mute_venue,
        {"account": "l1b"},
    ),
    Scene(
        ("HedgeStreamStale",),
        "a venue closes its streams and takes no new connection",
        dead_streams,
        {"account": "l1b"},
    ),
    Scene(
        ("HedgePositionsDisagree",),
        "a leg is liquidated behind a frozen stream, and the history of fills answers 503",
        lost_fill,
        GROUP_A,
    ),
    Scene(
        ("HedgeHeartbeatGap", "HedgeRestartStorm"),
        "SIGSTOP of an account's process and of each successor",
        held_down,
        {"actor": "account/bp-1"},
    ),
    Scene(("HedgeExposureUnknown",), "the same", held_down, GROUP_A),
    Scene(
        ("HedgeMarginNearLiquidation",),
        "money leaves an account until nine tenths of the rest are needed",
        withdrawn_margin,
        {"account": "l1a"},
    ),
    Scene(("HedgeLaneExhausted",), "429 for everything an account asks", too_many_requests, {"account": "bp-1"}),
    Scene(("HedgeClockSkew",), "a venue's clock 2 s ahead", skewed_clock, {"venue": "lighter"}),
    Scene(
        ("HedgeJournalSlow",),
        "the group's journal held for 0.45 s in every 0.75 s",
        busy_journal,
        {"actor": f"group/{A}"},
    ),
    Scene(("HedgeJournalFailing",), "the group's journal held for good", locked_journal, {"actor": f"group/{A}"}),
    Scene(
        ("HedgeNotifierFailing",),
        "the service that carries the notifications answers 503, and a leg is liquidated",
        deaf_service,
        {"channel": CHANNEL},
    ),
    Scene(("HedgeDiskNearlyFull",), "a file that fills the journal's disk to 97 %", full_disk),
    Scene(
        ("HedgeForeignWriter",),
        "a trade that is not ours; ended by `--release`",
        somebody_else,
        {"account": "l2a"},
    ),
    Scene(
        ("HedgeFlattenNotConfirmed", "HedgeGroupParked"),
        "SIGKILL of the group's process until it is given up, its way out refused; ended by `--release`",
        dying_group,
        GROUP_B,
    ),
    Scene(("HedgeOwnerLost",), "`supervisor.py panic`; ended by `--release`", panic, GROUP_B),
    Scene(("HedgeBotsOffline",), "a bot that reports each second falls silent", forgetful_bot),
    Scene(("HedgeRayLost",), "SIGKILL of the raylet", killed_raylet),
)
