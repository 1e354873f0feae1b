"""The demo file, run as a person runs it."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.end_to_end.deployment import ROOT, Deployment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

SHORT = (
    "groups.triad-1.params.max_cycles=1",
    "groups.triad-2.params.max_cycles=1",
    "groups.triad-1.params.timeout_s=6",
    "groups.triad-2.params.timeout_s=6",
)


@pytest.fixture
async def deployment(tmp_path):
    """A deployment with quick cycles that ends with the test."""
    deployment = Deployment(tmp_path, *SHORT)
    yield deployment
    await deployment.stop()


async def test_until_done_ends_zero_and_the_exchange_agrees(deployment):
    """Two groups, six accounts, one cycle each over three legs: exit 0, flat, every order wanted, none twice."""
    await deployment.start("--until-done")
    metrics = await deployment.until(_metrics_of_both(deployment), "metrics of both groups")
    assert 'group="triad-1"' in metrics
    assert await deployment.wait(150) == 0, deployment.output
    orders = (await deployment.judge()).orders
    assert all(orders[account] >= 2 for account in ("l1a", "l1b", "l2a", "l2b")), orders
    assert "finished" in deployment.output.lower()
    assert deployment.state.stat().st_mode & 0o077 == 0, "others of this machine can look into it"


def _metrics_of_both(deployment):
    async def read():
        text = await deployment.metrics()
        return text if 'group="triad-1"' in text and 'group="triad-2"' in text else ""

    return read


@asynccontextmanager
async def ray_started_by_hand(short_folder: Path) -> AsyncIterator[dict[str, str]]:
    """Run `ray start --head` as an operator does; yield the environment in which `auto` finds it."""
    environment = {"RAY_TMPDIR": str(short_folder), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT)}
    command = Path(sys.executable).with_name("ray")
    options = (
        "--head",
        "--block",
        "--port=0",
        "--node-ip-address=127.0.0.1",
        "--include-dashboard=false",
        "--num-cpus=2",
    )
    process = await asyncio.create_subprocess_exec(
        str(command),
        "start",
        *options,
        "--disable-usage-stats",
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = b""
        async with asyncio.timeout(60):
            while b"Ray runtime started" not in said:
                line = await process.stdout.readline()
                assert line, f"ray start ended: {said.decode()}"
                said += line
        yield environment
        assert process.returncode is None, "it was taken along"
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 60)


async def test_on_a_ray_that_runs_already_ctrl_c_unwinds_and_says_so(tmp_path):
    """`--ray-address auto`: Ctrl-C in mid-cycle flattens every group, says which, exits 0, and leaves Ray running."""
    deployment = Deployment(tmp_path, "supervisor.spares=0")
    with tempfile.TemporaryDirectory(prefix="hv-") as folder:
        async with ray_started_by_hand(Path(folder)) as environment:
            try:
                await deployment.start("--ray-address", "auto", environment=environment)

                async def holding():
                    status = await deployment.status()
                    phases = [g["status"]["view"]["phase"] for g in status["groups"].values() if g["status"]]
                    return len(phases) == 2 and all(phase == "MONITORING" for phase in phases)

                await deployment.until(holding, "both groups in MONITORING", 90)
                os.killpg(deployment.process.pid, signal.SIGINT)  # a terminal tells the whole process group
                assert await deployment.wait(90) == 0, deployment.output
                assert "Group triad-1 is flat." in deployment.output
                assert "Group triad-2 is flat." in deployment.output
                await deployment.judge()
            finally:
                await deployment.stop()
