"""What is done to a running deployment: each trouble is begun, and ended."""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from decimal import Decimal
from typing import Any

import psutil

from tests.end_to_end.deployment import ROOT
from tests.grafana.drill.stage import ACCOUNTS, COIN, LEVERAGE, MAX_LEVERAGE, A, B, Stage

_NO_MARGIN = {
    "backpack": "INSUFFICIENT_MARGIN",
    "lighter": '{"code": 21739, "message": "not enough margin to create the order"}',
}
_PASSED = Decimal("1.1")
"""How far a limit is passed."""
_LOOK_S = 0.2
_SLOW_HOLD_S, _SLOW_REST_S = 0.45, 0.3
"""How long the journal's file is held, and let go: appends that meet a hold take up to half a second."""
_FULL = 0.97
"""Of the disk."""
_STREAMS = 20
"""More than there are connections: each is closed at its next frame."""
_ANSWER_BOUND_S = 90.0
_PANIC_BOUND_S = 120.0


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
async def _levered(stage: Stage, group: str) -> AsyncIterator[None]:
    """Take money from an account until it holds more against its worth than the group's limit allows."""
    venue, account = ACCOUNTS[group][1]
    state = await stage.deployment.control("GET", "/control/state")
    margin = state["venues"][venue]["accounts"][account]
    held = Decimal(margin["initial_requirement"]) * LEVERAGE
    surplus = Decimal(margin["equity"]) - held / (MAX_LEVERAGE * _PASSED)
    await stage.control("deposit", venue=venue, account=account, amount=f"{-surplus:.2f}")
    yield
    await stage.control("deposit", venue=venue, account=account, amount=f"{surplus:.2f}")


@asynccontextmanager
async def used_up(stage: Stage) -> AsyncIterator[None]:
    """An account's worth falls until its leverage passes the limit, whose word is `deny`: nothing is asked for."""
    async with _levered(stage, A):
        yield


@asynccontextmanager
async def limited(stage: Stage) -> AsyncIterator[None]:
    """The same where the word is `pause`. Ended by `resume`, as a person does who has looked."""
    async with _levered(stage, B):
        yield

    async def below() -> bool:
        status = (await stage.status())["groups"][B]["status"]
        return all(
            Decimal(each["used"]) < Decimal(each["most"]) for each in status["limits"] if each["name"] == "leverage"
        )

    # Said earlier, while the group still sees what has passed the limit, it would be reached once more.
    await stage.deployment.until(below, f"{B} below its limit", _ANSWER_BOUND_S)
    words = ("supervisor.py", "resume", "--groups", str(stage.deployment.file), "--group", B, "--yes")
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(_ANSWER_BOUND_S):
        code = await process.wait()
    assert code == 0, f"resume ended with {code}"


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
    # What they did is taken back: else the leg stays off its target for the whole cycle, and that is told, too.
    await stage.control("trade", venue=venue, account=account, symbol=COIN[B], side="SELL", quantity="0.01")
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
