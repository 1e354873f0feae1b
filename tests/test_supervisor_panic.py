"""The command line of panic: what is wrong is said before anything is taken from anybody."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.hostlock import HostLock
from supervisor import BAD_USAGE, app
from tests.test_supervisor import FILE, ROOT


@pytest.fixture
def deployment(tmp_path):
    """Return the path of a paper deployment that keeps everything below the test's folder."""
    path = tmp_path / "groups.toml"
    path.write_text(FILE.format(state=tmp_path / "state"))
    return path


def refused(*arguments: object) -> str:
    """Run a command line that must be refused; return what is said."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == BAD_USAGE, result.output
    return result.output


def test_a_group_that_is_not_there_is_a_mistake(deployment):
    """A typo must not pass for one group less."""
    assert "has no group triat" in refused("panic", "--groups", deployment, "--group", "triat")


def test_without_a_simulator_there_is_nothing_to_close(deployment, tmp_path):
    """Paper positions live in the simulator: when none runs, that is said, and nothing is touched."""
    assert "No simulator runs" in refused("--groups", deployment, "panic")
    assert not (tmp_path / "state").exists()


def test_real_venues_need_the_flag(tmp_path):
    """As for the main command; given to either of the two."""
    live = ("--groups", ROOT / "conf" / "live.example.toml", "--set", f"general.state_dir={tmp_path}/state")
    assert "add --live to trade with real money" in refused("panic", *live)


@pytest.mark.parametrize("before", [True, False])
def test_keys_are_looked_for_before_anything_is_taken_over(tmp_path, *, before):
    """Accounts whose keys are not at hand here stay with whoever has them."""
    live = ("--groups", ROOT / "conf" / "live.example.toml", "--set", f"general.state_dir={tmp_path}/state")
    said = refused("--live", "panic", *live) if before else refused("panic", *live, "--live")
    assert "is not set" in said
    assert not Path(tmp_path / "state").exists()


def test_no_supervisor_starts_beside_a_panic(deployment, tmp_path):
    """It would take the accounts back while they are being closed."""
    lock = HostLock(str(tmp_path / "state" / "locks"), "panic-triad")
    asyncio.run(lock.acquire(wait_s=0))
    try:
        assert "A panic over group triad runs" in refused("--groups", deployment)
    finally:
        lock.release()
