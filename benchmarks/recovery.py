"""SIGKILL of an account's process until an order that the group decided upon right then has filled."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from statistics import median

from actors.actor import Liveness
from actors.supervision.keepers import AccountKeeper
from actors.supervision.spares import Spares
from benchmarks.figures import MS, Row, quantile
from benchmarks.group import VolleyGroup, volley_group
from benchmarks.stage import LIGHTER, Stage, account, armed, scene, until

KILLS = 8
_REST_S = 0.6
"""Pause after a recovery: the next death must be a first one, and nothing of the last may still be going on."""
_NS_PER_MS = 1_000_000
TARGET = "p50 ≤ 3 s"


@dataclass(frozen=True)
class Recovery:
    """One death, in ms after the SIGKILL."""

    noticed: float
    started: float
    trading: float
    filled: float


async def run(on: Stage) -> list[Row]:
    """Measure with a new process for each death, and with a warm one that waits."""
    rows: list[Row] = []
    for spares in (0, 1):
        async with (
            scene(on, f"recovery-{spares}") as here,
            volley_group(here, LIGHTER) as group,
            account(here, LIGHTER, group.connect, spares=spares) as (keeper, pool),
        ):
            await _order(group)
            found = [await _kill(group, keeper, pool, spares) for _ in range(KILLS)]
        rows += _rows("with a warm spare" if spares else "without spares", found)
    return rows


async def _kill(group: VolleyGroup, keeper: AccountKeeper, pool: Spares, spares: int) -> Recovery:
    if spares:
        pool.fill()
    await until(lambda: len(pool) == spares, "the spare is warm")
    await asyncio.sleep(_REST_S)
    starts, pid = keeper.life.starts, keeper.life.pid
    killed_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    # Decided upon while nobody is there to take it: the group keeps it until somebody is.
    filled = asyncio.ensure_future(_order(group))
    await until(lambda: keeper.life.liveness is Liveness.DEAD, "the death is noticed")
    noticed_ns = time.monotonic_ns()
    await until(lambda: keeper.life.starts > starts, "a successor starts")
    started_ns = time.monotonic_ns()
    keeper.status = None
    await until(lambda: armed(keeper), "the successor is armed")
    trading_ns = time.monotonic_ns()
    filled_ns = await filled
    moments = (noticed_ns, started_ns, trading_ns, filled_ns)
    return Recovery(*((moment - killed_ns) / _NS_PER_MS for moment in moments))


async def _order(group: VolleyGroup) -> int:
    await group.fire(1)
    return await group.filled(1)


def _rows(how: str, found: list[Recovery]) -> list[Row]:
    whole = [each.filled for each in found]
    measured = f"p50 {median(whole) / MS:.2f} s, worst {max(whole) / MS:.2f} s (n={len(whole)})"
    parts = {
        "death noticed": [each.noticed for each in found],
        "successor's process told who it is": [each.started - each.noticed for each in found],
        "journal folded, venue looked at, armed": [each.trading - each.started for each in found],
    }
    rows = [Row(f"kill to fill, {how}", measured, TARGET)]
    rows += [
        Row(f"   {what}", f"p50 {median(ms):.0f} ms", "", f"p90 {quantile(ms, 0.9):.0f} ms")
        for what, ms in parts.items()
    ]
    return rows
