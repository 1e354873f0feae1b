"""The demo file, run as a person runs it."""

import os
import signal

import pytest

from tests.end_to_end.deployment import Deployment

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


def _metrics_of_both(deployment):
    async def read():
        text = await deployment.metrics()
        return text if 'group="triad-1"' in text and 'group="triad-2"' in text else ""

    return read


async def test_ctrl_c_unwinds_and_says_so(tmp_path):
    """Ctrl-C in mid-cycle flattens every group, says which, and exits 0."""
    deployment = Deployment(tmp_path)
    try:
        await deployment.start()

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
