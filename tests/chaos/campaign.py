"""Striking the cells of one group, one after another, each only after the one before has been recovered from."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil

from tests.chaos.cells import BY_NAME, MOMENTS, OF_A_GROUP, Blow, Cell, Victim
from tests.chaos.journals import Journals
from tests.end_to_end.deployment import ROOT, Deployment

LEGS = {
    "triad-1": {"backpack": "bp-1", "lighter1": "l1a", "lighter2": "l1b"},
    "triad-2": {"backpack": "bp-2", "lighter1": "l2a", "lighter2": "l2b"},
}
_MOMENT_BOUND_S = 90.0
"""A cycle of the demo takes a quarter of a minute; a moment that does not come within several is not reached."""
_RECOVERY_BOUND_S = 120.0
"""Nothing of ours waits longer; a busy machine needs most of it to start Ray."""
_HEALTHY_BOUND_S = 120.0
_POLL_S = 0.02
_LOOK_S = 0.1
_STILL_S = 12.0
"""How long a process stands still that nobody replaces (supervisor, simulator): every time-out has passed by then."""
_GHOST_S = 5.0
"""A process that has been replaced must be gone by then, however long it stood still."""
_SETTLE_MS = 300
"""An observation that was on its way when the venues died may be written down a little later: it proves nothing."""


@dataclass
class Struck:
    """What became of one cell."""

    cell: Cell
    group: str
    struck_at: int = 0
    """Milliseconds; 0 = its moment did not come."""
    recovered_at: int = 0
    """Milliseconds; 0 = it did not recover."""
    said: str = ""

    @property
    def recovery_s(self) -> float:
        """Return the time to recovery."""
        return (self.recovered_at - self.struck_at) / 1000


class OverError(Exception):
    """The deployment has ended, or the group has done all its cycles."""


class Strikes:
    """One deployment under blows."""

    def __init__(self, deployment: Deployment, arguments: tuple[str, ...], held: Collection[str] = ()) -> None:
        self.deployment = deployment
        self._held = held
        """Groups that pause until somebody watches: what comes once in their lives would have gone by."""
        self.journals = Journals(deployment.state / "journal")
        self._arguments = arguments
        self._restarting = asyncio.Lock()

    async def campaign(self, group: str, cells: list[Cell], done: list[Struck]) -> None:
        """Strike cell after cell; what was struck is in `done`, whatever ends the campaign."""
        left = list(cells)
        released: asyncio.Task[None] | None = None
        with suppress(OverError):
            while left:
                await self._healthy(group)
                if group in self._held and released is None:
                    # Beside the watching: the command takes a second to start, and its word works before it returns.
                    released = asyncio.create_task(self._release(group))
                cell = await self._next(group, left)
                if cell is None:
                    return
                left.remove(cell)
                struck = Struck(cell, group)
                done.append(struck)
                await self._strike(struck)
                print(f"{struck.cell}: {struck.recovery_s:.2f} s {struck.said}", flush=True)  # noqa: T201

    async def _release(self, group: str) -> None:
        words = ("supervisor.py", "resume", "--groups", str(self.deployment.file), "--group", group, "--yes")
        options = [part for setting in self.deployment.settings for part in ("--set", setting)]
        said = await asyncio.create_subprocess_exec(sys.executable, *words, *options, cwd=ROOT, stdout=DEVNULL)
        await said.wait()

    # --- when ------------------------------------------------------------------------------------------------------

    async def _healthy(self, group: str) -> None:
        """Wait until everything lives, may trade, and has spares behind it."""
        deadline = time.monotonic() + _HEALTHY_BOUND_S
        while time.monotonic() < deadline:
            status = await self._status()
            if status is not None:
                if status["groups"][group]["over"]:
                    raise OverError(group)
                rows = [*status["accounts"].values(), *status["groups"].values()]
                alive = all(row["actor"]["liveness"] == "ALIVE" and row["status"] for row in rows)
                if (
                    alive
                    and status["spares"] >= len(LEGS)  # the other group may be struck at the same time
                    and all(row["status"]["mode"] == "ARMED" for row in status["accounts"].values())
                ):
                    return
            await asyncio.sleep(_LOOK_S)
        raise OverError(f"not healthy within {_HEALTHY_BOUND_S:g} s")

    async def _next(self, group: str, cells: Sequence[Cell]) -> Cell | None:
        """Wait for the moment of any of the cells: some moments come in the first cycle only, or not in each."""
        seen: set[str] = set()
        try:
            async with asyncio.timeout(_MOMENT_BOUND_S):
                async for step in self.journals.follow(group):
                    for cell in cells:
                        moment = BY_NAME[cell.moment]
                        if moment.holds(step) and (not moment.after or moment.after in seen):
                            return cell
                    seen.update(moment.name for moment in MOMENTS if moment.holds(step))
        except TimeoutError:
            return None
        return None

    async def _status(self) -> dict[str, Any] | None:
        """Return what /api/groups says; None while nobody answers. Raises `OverError` when the supervisor has ended."""
        if self.deployment.process.returncode is not None and not self._restarting.locked():
            raise OverError("the supervisor has ended")
        addresses = re.findall(r"http://127\.0\.0\.1:\d+(?=/api/groups)", self.deployment.output)
        if not addresses:
            return None
        try:
            limit = aiohttp.ClientTimeout(total=2)
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(f"{addresses[-1]}/api/groups") as got,
            ):
                return json.loads(await got.text())
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    # --- what ------------------------------------------------------------------------------------------------------

    async def _strike(self, struck: Struck) -> None:
        streams = self._streams(struck)
        epochs = {stream: self.journals.epoch(stream) for stream in streams}
        process = await self._process(struck)
        number = signal.SIGKILL if struck.cell.blow is Blow.KILL else signal.SIGSTOP
        struck.struck_at = _now()
        os.kill(process.pid, number)
        if struck.cell.victim is Victim.SUPERVISOR and struck.cell.blow is Blow.KILL:
            await self._restart_supervisor()
        elif struck.cell.blow is Blow.STOP and struck.cell.victim in {Victim.SUPERVISOR, Victim.SIMULATOR}:
            await asyncio.sleep(_STILL_S)
            process.resume()
        struck.recovered_at = await self._recovered(struck, epochs)
        if not struck.recovered_at:
            struck.said = f"not recovered within {_RECOVERY_BOUND_S:g} s"
        elif struck.cell.blow is Blow.STOP and epochs:
            struck.said = await _no_ghost(process)

    def _streams(self, struck: Struck) -> list[str]:
        """Return the streams that must have new owners afterwards; none = nobody is replaced."""
        victim, legs = struck.cell.victim, LEGS[struck.group]
        if victim.value in legs:
            return [f"account/{legs[victim]}"]
        if victim is Victim.GROUP:
            return [f"group/{struck.group}"]
        if victim is Victim.SIMULATOR or (victim is Victim.SUPERVISOR and struck.cell.blow is Blow.STOP):
            return []
        return [f"group/{group}" for group in LEGS] + [f"account/{a}" for legs in LEGS.values() for a in legs.values()]

    async def _process(self, struck: Struck) -> psutil.Process:
        victim = struck.cell.victim
        if victim is Victim.SUPERVISOR:
            return psutil.Process(self.deployment.process.pid)
        if victim is Victim.SIMULATOR:
            return psutil.Process(self._simulator())
        if victim not in OF_A_GROUP:
            children = psutil.Process(self.deployment.process.pid).children()
            return next(child for child in children if child.name() == victim and child.status() != "zombie")
        # The process that holds the actor's lock is the actor's.
        (stream,) = self._streams(struck)
        lock = self.deployment.state / "locks" / f"{stream.replace('/', '-')}.lock"
        return psutil.Process(int(lock.read_text().strip()))

    def _simulator(self) -> int:
        return int(json.loads((self.deployment.state / "simulator" / "running.json").read_text())["pid"])

    async def _restart_supervisor(self) -> None:
        """Start it again at once, as systemd does."""
        async with self._restarting:
            await self.deployment.process.wait()
            await self.deployment.start(*self._arguments)

    async def _recovered(self, struck: Struck, epochs: dict[str, int]) -> int:
        deadline = time.monotonic() + _RECOVERY_BOUND_S
        since = struck.struck_at + _SETTLE_MS
        if struck.cell.blow is Blow.STOP and not epochs:
            since = _now()
        while time.monotonic() < deadline:
            if epochs:
                back = [self._back_at(stream, epoch) for stream, epoch in epochs.items()]
            elif struck.cell.victim is Victim.SUPERVISOR:
                back = [_now() if await self._status() is not None else None]
            else:
                back = [self.journals.seen_at(struck.group, since)]
            if all(back):
                return max(at for at in back if at is not None)
            await asyncio.sleep(_POLL_S)
        return 0

    def _back_at(self, stream: str, epoch: int) -> int | None:
        kind, _, name = stream.partition("/")
        return self.journals.decided_at(name, epoch) if kind == "group" else self.journals.armed_at(name, epoch)


async def _no_ghost(process: psutil.Process) -> str:
    """Wake the process that was replaced: there must be none. Return what is wrong; empty = nothing."""
    with suppress(psutil.NoSuchProcess):
        process.resume()
    deadline = time.monotonic() + _GHOST_S
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return ""
        await asyncio.sleep(_LOOK_S)
    return "GHOST: the process that was replaced lives"


def _now() -> int:
    return time.time_ns() // 1_000_000
