"""The first and the last moments of a supervisor: told to end while it starts, and started beside another."""

import signal

import psutil
import pytest

from tests.end_to_end.deployment import Deployment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


def descendants(deployment: Deployment) -> list[psutil.Process]:
    """Return every process that the deployment has started so far."""
    try:
        return psutil.Process(deployment.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def named(deployment: Deployment, name: str) -> list[psutil.Process]:
    """Return those of one name."""
    found = []
    for process in descendants(deployment):
        try:
            if process.name() == name:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize(("number", "moment"), [(signal.SIGTERM, "gcs_server"), (signal.SIGINT, "raylet")])
async def test_told_to_end_while_ray_starts_it_ends_in_order(tmp_path, number, moment):
    """Exit 0, said in one line, no actor told to trade, and nothing that was started stays."""
    deployment = Deployment(tmp_path)
    try:
        await deployment.start()
        await deployment.until(lambda: named(deployment, moment), f"the {moment} of Ray", 90)
        started = descendants(deployment)
        deployment.process.send_signal(number)
        assert await deployment.wait(90) == 0, deployment.output
        assert "Interrupted while starting: no actor was told to trade." in deployment.output
        assert "Traceback" not in deployment.output
        _, left = psutil.wait_procs(started, timeout=10)
        assert [process.name() for process in left if process.status() != psutil.STATUS_ZOMBIE] == []
    finally:
        await deployment.stop()


async def test_a_second_supervisor_is_told_who_owns_what_even_while_the_first_stands_still(tmp_path):
    """On one state folder: the second names the first's process, exits 2, and the first goes on unharmed."""
    first = Deployment(tmp_path, "groups.triad-1.params.timeout_s=600", "groups.triad-2.params.timeout_s=600")
    second = Deployment(tmp_path)
    second._output = tmp_path / "second.txt"
    try:
        await first.start()

        async def alive():
            status = await first.status()
            return all(row["actor"]["liveness"] == "ALIVE" for row in status["accounts"].values())

        await first.until(alive, "every account", 120)
        first.process.send_signal(signal.SIGSTOP)
        await second.start()
        assert await second.wait(60) == 2, second.output
        assert f"is held by process {first.process.pid}" in second.output
        first.process.send_signal(signal.SIGCONT)
        status = await first.status()
        assert {row["actor"]["epoch"] for row in status["accounts"].values()} == {1}
        assert {row["actor"]["restarts"] for row in status["accounts"].values()} == {0}
    finally:
        first.process.send_signal(signal.SIGCONT)
        await second.stop()
        await first.stop()
    assert first.process.returncode == 0, first.output
