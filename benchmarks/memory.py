"""What actors cost while nothing happens: memory (PSS) of each process, and the CPU of an account."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psutil

from actors.supervision.keeper import Keeper
from benchmarks.figures import Row
from benchmarks.stage import Stage, everything, scene

SIZES = (6, 30)
"""Accounts; a group for every three."""
_WATCH_S = 10.0
"""How long the CPU is counted."""
_SETTLE_S = 3.0
"""Pause after the last account is armed: what coming up cost is not what being idle costs."""
_KB_PER_MB = 1024


async def run(on: Stage) -> list[Row]:
    """Measure a small and a large deployment, all groups paused, all streams connected."""
    rows: list[Row] = []
    for accounts in SIZES:
        rows += await _measure(on, accounts)
    return rows


async def _measure(on: Stage, accounts: int) -> list[Row]:
    started = time.monotonic()
    async with scene(on, f"memory-{accounts}", groups=accounts // 3) as here, everything(here) as supervision:
        up_s = time.monotonic() - started
        await asyncio.sleep(_SETTLE_S)
        lighter = _pids([keeper for keeper in supervision.accounts.values() if keeper.venue == "lighter"])
        backpack = _pids([keeper for keeper in supervision.accounts.values() if keeper.venue == "backpack"])
        groups = _pids(list(supervision.groups.values()))
        busy = await _cpu_percent({"lighter": lighter, "backpack": backpack, "group": groups})
        rows = [Row(f"{accounts} accounts, {accounts // 3} groups: all armed after", f"{up_s:.1f} s")]
        for what, pids in (("Lighter account", lighter), ("Backpack account", backpack), ("group", groups)):
            found = [_pss_mb(pid) for pid in pids]
            own = [_private_mb(pid) for pid in pids]
            rows.append(
                Row(
                    f"   memory of a {what}",
                    f"{median(found):.1f} MB PSS",
                    "",
                    f"most {max(found):.1f} MB; its own alone {median(own):.1f} MB",
                )
            )
        rows += [
            Row(f"   CPU of an idle {what} process", f"{median(found):.2f} % of a core", "", f"most {max(found):.2f} %")
            for what, found in busy.items()
        ]
    return rows


def _pids(keepers: Sequence[Keeper]) -> list[int]:
    return [keeper.life.pid for keeper in keepers]


async def _cpu_percent(kinds: dict[str, list[int]]) -> dict[str, list[float]]:
    before = {pid: _cpu_s(pid) for pids in kinds.values() for pid in pids}
    started = time.monotonic()
    await asyncio.sleep(_WATCH_S)
    passed_s = time.monotonic() - started
    return {what: [100 * (_cpu_s(pid) - before[pid]) / passed_s for pid in pids] for what, pids in kinds.items()}


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _pss_mb(pid: int) -> float:
    return _rollup_kb(pid, "Pss") / _KB_PER_MB


def _private_mb(pid: int) -> float:
    return (_rollup_kb(pid, "Private_Clean") + _rollup_kb(pid, "Private_Dirty")) / _KB_PER_MB


def _rollup_kb(pid: int, name: str) -> int:
    """Return one line of the kernel's sum over all of a process's memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"the kernel does not tell {name} of process {pid}")
