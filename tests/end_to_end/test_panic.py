"""Panic over a running paper deployment, from a second process: flat by the exchange's word, and it stays out."""

import asyncio
import signal
import sys
from decimal import Decimal

import pytest

from tests.end_to_end.deployment import BACKPACK, LIGHTER, ROOT, Deployment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

FIRST = ("bp-1", "l1a", "l1b")
LONG = ("groups.triad-1.params.timeout_s=600", "groups.triad-2.params.timeout_s=600", "supervisor.spares=0")


@pytest.fixture
async def deployment(tmp_path):
    """A deployment with long cycles that ends with the test."""
    deployment = Deployment(tmp_path, *LONG)
    yield deployment
    await deployment.stop()


async def panic(deployment: Deployment, *arguments: str) -> tuple[int, str]:
    """Press panic in a process of its own; return its exit code and all it said."""
    options = [part for setting in deployment.settings for part in ("--set", setting)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "supervisor.py",
        "panic",
        "--groups",
        str(deployment.file),
        *options,
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode, said.decode()


async def held(deployment: Deployment) -> dict[str, Decimal]:
    """Return what every account holds by the exchanges' own word."""
    found = dict.fromkeys((*BACKPACK, *LIGHTER.values()), Decimal(0))
    for venue, accounts in (("lighter", LIGHTER), ("backpack", {name: name for name in BACKPACK})):
        for account, name in accounts.items():
            answer = await deployment.control("GET", f"/control/positions?venue={venue}&account={account}")
            found[name] = sum((Decimal(row["quantity"]) for row in answer["positions"]), Decimal(0))
    return found


async def actors(deployment: Deployment) -> dict[str, tuple[str, int]]:
    """Return the supervisor's word on each account actor: liveness and epoch."""
    status = await deployment.status()
    return {name: (row["actor"]["liveness"], row["actor"]["epoch"]) for name, row in status["accounts"].items()}


async def test_panic_takes_a_running_deployment_out(deployment):
    """One group, then all: exit codes, the exchange's word; the supervisor does not fight, its successor stays out."""
    code, said = await panic(deployment)
    assert (code, "No simulator runs" in said) == (2, True), said
    await deployment.start()

    async def holding():
        status = await deployment.status()
        return [g["status"]["view"]["phase"] for g in status["groups"].values() if g["status"]] == ["MONITORING"] * 2

    await deployment.until(holding, "both groups in MONITORING", 60)
    code, said = await panic(deployment, "--group", "triad-7")
    assert (code, "has no group triad-7" in said) == (2, True), said

    code, said = await panic(deployment, "--group", "triad-1", "--timeout-s", "60")
    assert code == 0, said + deployment.output[-3000:]
    assert "Every leg of triad-1 is confirmed flat by its venue." in said
    assert said.count("which has been ended") == 3
    positions = await held(deployment)
    assert {name: positions[name] for name in FIRST} == dict.fromkeys(FIRST, Decimal(0))
    assert positions["l2a"] != 0

    async def given_up():
        groups = (await deployment.status())["groups"]
        return "panic ended, flat" in groups["triad-1"]["trouble"] and not groups["triad-2"]["parking"]

    await deployment.until(given_up, "triad-1 parked, triad-2 untouched", 20)
    for name, (liveness, epoch) in (await actors(deployment)).items():
        assert (liveness, epoch) == (("DEAD", 1) if name in FIRST else ("ALIVE", 1)), name

    code, said = await panic(deployment, "--timeout-s", "60")
    assert code == 0, said + deployment.output[-3000:]
    assert set((await held(deployment)).values()) == {Decimal(0)}
    deployment.process.send_signal(signal.SIGTERM)
    assert await deployment.wait(60) == 0, deployment.output
    assert "Group triad-2 was taken over; panic ended, flat: " in deployment.output
    orders = (await deployment.judge()).orders

    await deployment.start("--until-done")
    assert await deployment.wait(90) == 1, deployment.output
    assert deployment.output.count("was parked: flattened and parked: taken over by panic by ") == 2
    assert (await deployment.judge()).orders == orders
