"""The door to Ray, with real processes: started, found, spoken to, killed, confirmed gone."""

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from actors import ray_environment
from actors.actor import ActorUnreachableError
from actors.hosting.family import family
from actors.hosting.process import lives
from actors.hosting.protocol import ActorKind, Assignment, HostPhase, Place
from actors.ray_environment import RayStartError

pytestmark = [
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
]

SEEN_DEAD_WITHIN_S = 1.0
"""What is promised; measured are ten milliseconds."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return a Ray of our own, started once for this module."""
    before = dict(os.environ)
    state = tmp_path_factory.mktemp("state")
    ray_environment.for_local(os.environ, state, Path(__file__).parents[2])
    from actors.cluster.connection import Cluster  # noqa: PLC0415 - Ray reads its environment when it is imported

    cluster = Cluster(str(state))
    cluster.start_local()
    yield cluster
    cluster.close()
    os.environ.clear()
    os.environ.update(before)


@pytest_asyncio.fixture(loop_scope="module")
async def hosts(cluster):
    """Return where processes come from; whatever a test leaves alive is ended."""
    made = cluster.hosts(())
    yield made
    for link in await made.discover():
        await link.destroy()


def assignment(tmp_path, epoch: int = 1) -> Assignment:
    """Return an assignment whose spec fits nobody: the process lives, its actor does not."""
    return Assignment(
        kind=ActorKind.ACCOUNT,
        name="l1",
        epoch=epoch,
        spec="{}",
        settings_hash="h",
        build="b",
        log_file=str(tmp_path / "l1.jsonl"),
    )


async def test_every_port_is_on_loopback_and_workers_are_not_nice(hosts):
    """Nothing of ours listens where another machine could reach it, and hedges are not run in the background."""
    pulse = await (await hosts.spawn()).pulse()
    worker = psutil.Process(pulse.pid)
    assert worker.nice() == psutil.Process().nice()
    listening = [
        connection.laddr.ip
        for process in (psutil.Process(), *psutil.Process().children(recursive=True))
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1"}


async def test_ray_starts_no_process_that_no_actor_needs(hosts):
    """Control store, raylet, its two agents and workers: no dashboard server and no monitors."""
    await hosts.spawn()
    running = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert any("gcs_server" in words for words in running)
    assert any("dashboard/agent.py" in words for words in running)
    for script in ("dashboard/dashboard.py", "log_monitor.py", "autoscaler/_private/monitor.py"):
        assert [words for words in running if script in words] == []


async def test_a_killed_process_is_seen_dead_within_a_second(hosts):
    """The pending watch ends, with words; nobody answers any more; the process is confirmed gone."""
    link = await hosts.spawn()
    pulse = await link.pulse()
    assert (pulse.phase, pulse.assignment) == (HostPhase.IDLE, None)
    watch = asyncio.ensure_future(link.ended())
    await asyncio.wait({watch}, timeout=0.3)
    assert not watch.done()
    killed_at = time.monotonic()
    os.kill(pulse.pid, signal.SIGKILL)
    words = await asyncio.wait_for(watch, SEEN_DEAD_WITHIN_S)
    assert time.monotonic() - killed_at < SEEN_DEAD_WITHIN_S
    assert words.startswith("its process ended")
    with pytest.raises(ActorUnreachableError):
        await link.pulse()
    assert await link.destroy()
    assert not psutil.pid_exists(pulse.pid) or psutil.Process(pulse.pid).status() == psutil.STATUS_ZOMBIE


async def test_a_process_that_is_stopped_is_silent_and_can_be_destroyed(hosts):
    """SIGSTOP: no answer in time, and `destroy` still ends it."""
    link = await hosts.spawn()
    pid = (await link.pulse()).pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ActorUnreachableError, match="no answer within"):
        await link.pulse()
    assert await link.destroy()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_an_actor_that_fails_ends_the_watch_and_its_process_says_why(hosts, tmp_path):
    """A failed start is told through the watch; calls to it fail with the reason; activating again changes nothing."""
    link = await hosts.spawn()
    await link.activate(assignment(tmp_path))
    await link.activate(assignment(tmp_path))
    assert "venue: Field required" in await asyncio.wait_for(link.ended(), 5)
    with pytest.raises(ActorUnreachableError, match="Field required"):
        await link.account.status()
    with pytest.raises(ActorUnreachableError, match="this process is account/l1@1"):
        await link.activate(assignment(tmp_path, epoch=2))
    assert "start_failed" in (tmp_path / "l1.jsonl").read_text()


async def test_living_processes_are_found_again_with_who_they_are(cluster, hosts, tmp_path):
    """A supervisor that returns finds the same process; another deployment's processes are not its business."""
    link = await hosts.spawn()
    await link.activate(assignment(tmp_path, epoch=7))
    (found,) = await cluster.hosts(()).discover()
    pulse = await found.pulse()
    assert (found.place, pulse.pid) == (link.place, (await link.pulse()).pid)
    assert pulse.assignment == assignment(tmp_path, epoch=7)
    from actors.cluster.hosts import RayHosts  # noqa: PLC0415 - see above

    assert await RayHosts("another deployment", cluster, ()).discover() == []


async def test_stop_is_asked_of_the_actor_first(hosts):
    """An orderly end: the process answers that it has ended, and is still there to be destroyed."""
    link = await hosts.spawn()
    assert await link.stop(5.0)
    assert (await link.pulse()).phase is HostPhase.STOPPED
    assert await link.destroy()
    assert not await link.stop(1.0)


@pytest.mark.parametrize("vital", ["raylet", "gcs_server"])
async def test_a_ray_that_has_died_is_noticed_buried_and_started_again(cluster, hosts, vital):
    """Its own process lives on: every call of the old Ray ends, its processes are gone, a new one makes new ones."""
    link = await hosts.spawn()
    pid = (await link.pulse()).pid
    watch = asyncio.ensure_future(link.ended())
    lost = asyncio.ensure_future(hosts.lost())
    await asyncio.wait({watch, lost}, timeout=0.3)
    (victim,) = [child for child in psutil.Process().children() if lives(child) and child.name() == vital]
    family_before = family(cluster._deployment)
    assert {victim.pid, pid} <= {process.pid for process in family_before}
    victim.kill()
    assert f"its {vital} (process {victim.pid}) has died" in await asyncio.wait_for(lost, SEEN_DEAD_WITHIN_S)
    assert "Ray is gone beneath it" in await asyncio.wait_for(watch, SEEN_DEAD_WITHIN_S)
    assert link.fallen
    waiting = asyncio.ensure_future(hosts.spawn())
    assert await link.destroy()
    await hosts.renew()
    assert not any(lives(process) for process in family_before)
    successor = await asyncio.wait_for(waiting, 60)
    assert (await successor.pulse()).phase is HostPhase.IDLE
    assert not successor.fallen


async def test_a_raylet_that_stands_still_counts_as_dead(hosts):
    """SIGSTOP: nothing can be started any more, so that Ray is replaced; nothing of it can come back."""
    await hosts.spawn()
    (raylet,) = [child for child in psutil.Process().children() if lives(child) and child.name() == "raylet"]
    raylet.suspend()
    assert "stood still" in await asyncio.wait_for(hosts.lost(), 20)
    await hosts.renew()
    assert not lives(raylet)
    assert (await (await hosts.spawn()).pulse()).phase is HostPhase.IDLE


async def test_nobody_lives_at_an_unknown_place(cluster):
    """A group that is told a wrong place gets an error that it may repeat."""
    del cluster
    from actors.cluster.process import find_account  # noqa: PLC0415 - see above

    with pytest.raises(ActorUnreachableError, match="host/none is not there"):
        await find_account(Place("host/none"))


async def test_an_address_where_nobody_listens_is_refused_at_once(cluster):
    """Ray itself would try for minutes."""
    del cluster
    from actors.cluster.connection import Cluster  # noqa: PLC0415 - see above

    with pytest.raises(RayStartError, match=r"Nobody listens at Ray address 127\.0\.0\.1:1"):
        Cluster("x").attach("127.0.0.1:1")
