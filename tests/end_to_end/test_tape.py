"""The main job on real input: a month of BTC bars behind the simulators, and processes killed in the middle of it."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from decimal import Decimal

import aiohttp
import pytest

from tests.end_to_end.deployment import LIGHTER, TAPE, Deployment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(420)]

DAY_MS = 24 * 3600 * 1000
SPEED = 1200
"""Market seconds in one of ours: a day of the tape takes 72 s."""
POOR_USD = 1000
"""Equity below which an account is given money: what a liquidation took, its owner brings again."""
REFILL_USD = 2000
GROUPS = ("triad-1", "triad-2")


def tape_settings() -> list[str]:
    """Both groups on BTC, on the tape, long enough cycles to be ended by liquidation."""
    settings = [
        f"simulator.tape={TAPE}",
        "simulator.tape_symbol=BTC",
        f"simulator.speed={SPEED}",
        "simulator.tier=unlimited",
        "venues.lighter.tier=unlimited",
        "groups.triad-1.instrument=BTC-PERP",
    ]
    for group in GROUPS:
        settings += [
            f"groups.{group}.params.leverage=40",
            f"groups.{group}.params.max_cycles=3",
            f"groups.{group}.params.timeout_s=45",
            f"groups.{group}.params.max_slippage=0.005",
            f"groups.{group}.params.hedge_slippage_max=0.02",
            f"groups.{group}.params.poll_interval_s=1",
            f"groups.{group}.limits.max_leg_notional_usd=500000",
            f"groups.{group}.limits.max_notional_usd=1500000",
            f"groups.{group}.limits.max_cycle_loss_usd=1000000",
        ]
    return settings


async def refill(deployment: Deployment) -> None:
    """Bring money to every account that a liquidation has emptied: without it no further cycle could start."""
    for name, row in (await deployment.status())["accounts"].items():
        equity = row["status"]["equity"] if row["status"] else None
        if equity is not None and Decimal(equity) < POOR_USD:
            numbers = {account: str(number) for number, account in LIGHTER.items()}
            venue = "lighter" if name in numbers else "backpack"
            body = {"venue": venue, "account": numbers.get(name, name), "amount": REFILL_USD}
            await deployment.control("POST", "/control/deposit", body)


async def test_a_day_of_the_tape_with_liquidations_and_deaths(tmp_path):
    """At least a day of real bars, liquidations included; an account and a group die by SIGKILL: exit 0, all flat."""
    assert TAPE.exists(), f"the tape is expected at {TAPE}"
    deployment = Deployment(tmp_path, *tape_settings())
    die = random.Random(1)
    try:
        await deployment.start("--until-done")

        async def in_cycle():
            status = await deployment.status()
            views = [g["status"]["view"] for g in status["groups"].values() if g["status"]]
            busy = len(views) == len(GROUPS) and all(v["phase"] in {"MONITORING", "SECOND", "WAITING"} for v in views)
            return status if busy else None

        async def in_cycle_again():
            status = await in_cycle()
            alive = {name: row["actor"]["epoch"] for name, row in status["accounts"].items()} if status else {}
            return status if alive == {name: 2 if name == victim else 1 for name in alive} else None

        status = await deployment.until(in_cycle, "both groups in mid-cycle", 90)
        started = (await deployment.control("GET", "/control/clock"))["market_ms"]
        victim = die.choice(sorted(status["accounts"]))
        os.kill(status["accounts"][victim]["status"]["pid"], signal.SIGKILL)
        status = await deployment.until(in_cycle_again, f"{victim} anew, both groups in mid-cycle", 90)
        os.kill(status["groups"][die.choice(GROUPS)]["status"]["pid"], signal.SIGKILL)

        passed = 0
        while deployment.process.returncode is None and passed < 3 * DAY_MS:
            with suppress(aiohttp.ClientError, FileNotFoundError):  # the simulator ends with the deployment
                passed = (await deployment.control("GET", "/control/clock"))["market_ms"] - started
                await refill(deployment)
            await asyncio.sleep(0.5)
        assert await deployment.wait(60) == 0, deployment.output[-6000:]
        assert passed >= DAY_MS
        judged = await deployment.judge()
        assert judged.forced > 0, "nobody was liquidated"
        assert all(len(cycles) >= 2 for cycles in judged.cycles.values()), judged.cycles
    finally:
        await deployment.stop()
