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
SPEED = 1440
"""Market seconds in one of ours: a day of the tape takes 60 s."""
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
            f"groups.{group}.params.timeout_s=32",
            f"groups.{group}.params.cycle_pause_s=12",  # cycles that end by liquidation at once still take a day
            f"groups.{group}.params.max_slippage=0.005",
            f"groups.{group}.params.hedge_slippage_max=0.02",
            f"groups.{group}.params.poll_interval_s=1",
            f"groups.{group}.limits.max_leg_notional_usd=500000",
            f"groups.{group}.limits.max_notional_usd=1500000",
            f"groups.{group}.limits.max_cycle_loss_usd=1000000",
        ]
    return settings


async def refill(deployment: Deployment) -> None:
    """Bring money to every account that a liquidation has emptied, for ever: without it no further cycle starts."""
    numbers = {account: str(number) for number, account in LIGHTER.items()}
    while True:
        with suppress(aiohttp.ClientError, FileNotFoundError):  # before it listens, and after it has ended
            for name, row in (await deployment.status())["accounts"].items():
                equity = row["status"]["equity"] if row["status"] else None
                if equity is not None and Decimal(equity) < POOR_USD:
                    venue = "lighter" if name in numbers else "backpack"
                    body = {"venue": venue, "account": numbers.get(name, name), "amount": REFILL_USD}
                    await deployment.control("POST", "/control/deposit", body)
        await asyncio.sleep(0.3)


def in_mid_cycle(status) -> list[str]:
    """Return the groups that hold something and mean to."""
    views = {name: row["status"]["view"] for name, row in status["groups"].items() if row["status"]}
    return [name for name, view in views.items() if view["phase"] in {"MONITORING", "SECOND", "WAITING"}]


async def test_a_day_of_the_tape_with_liquidations_and_deaths(tmp_path):
    """At least a day of real bars, liquidations included; an account and a group die by SIGKILL: exit 0, all flat."""
    assert TAPE.exists(), f"the tape is expected at {TAPE}"
    deployment = Deployment(tmp_path, *tape_settings())
    die = random.Random(1)
    refilling = None
    try:
        await deployment.start("--until-done")

        async def both_in_cycle():
            status = await deployment.status()
            return status if len(in_mid_cycle(status)) == len(GROUPS) else None

        async def account_anew():
            status = await deployment.status()
            alive = {name: row["actor"]["epoch"] for name, row in status["accounts"].items()}
            anew = alive == {name: 2 if name == victim else 1 for name in alive}
            return status if anew and in_mid_cycle(status) else None

        status = await deployment.until(both_in_cycle, "both groups in mid-cycle", 90)
        refilling = asyncio.ensure_future(refill(deployment))
        started = (await deployment.control("GET", "/control/clock"))["market_ms"]
        victim = die.choice(sorted(status["accounts"]))
        os.kill(status["accounts"][victim]["status"]["pid"], signal.SIGKILL)
        status = await deployment.until(account_anew, f"{victim} anew, a group in mid-cycle", 90)
        os.kill(status["groups"][die.choice(in_mid_cycle(status))]["status"]["pid"], signal.SIGKILL)

        passed = 0
        while deployment.process.returncode is None and passed < 3 * DAY_MS:
            with suppress(aiohttp.ClientError, FileNotFoundError):  # the simulator ends with the deployment
                passed = (await deployment.control("GET", "/control/clock"))["market_ms"] - started
            await asyncio.sleep(0.5)
        assert await deployment.wait(60) == 0, deployment.output[-6000:]
        assert passed >= DAY_MS, deployment.output[-6000:]
        judged = await deployment.judge()
        assert judged.forced > 0, f"nobody was liquidated: {deployment.output[-6000:]}"
        assert all(len(cycles) >= 2 for cycles in judged.cycles.values()), judged.cycles
    finally:
        if refilling is not None:
            refilling.cancel()
            await asyncio.gather(refilling, return_exceptions=True)
        await deployment.stop()
