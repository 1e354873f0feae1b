"""The command line: what is wrong is said before anything starts; what runs, ends as it says."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Self

import pytest
from typer.testing import CliRunner

from actors.clock import wall_now
from actors.hosting.protocol import ActorKind
from actors.hostlock import HostLock
from actors.journal.protocol import Entry
from actors.journal.store import open_store
from conf.load import load
from conf.wishes import desired
from strategies.domain.ids import AccountId, GroupId
from supervisor import BAD_USAGE, app

ROOT = Path(__file__).parents[1]
UP_WITHIN_S = 90.0
END_WITHIN_S = 150.0

FILE = """
[general]
state_dir = "{state}"
[supervisor]
port = 0
on_interrupt = "unwind"
[simulator]
keys_dir = "{state}/keys"
state_file = "{state}/venues"
tier = "premium"
collateral = 2000
[venues.lighter]
base_url = "simulator"
tier = "premium"
symbols = {{ ETH-PERP = "ETH" }}
[venues.backpack]
base_url = "simulator"
symbols = {{ ETH-PERP = "ETH_USDC_PERP" }}
[accounts.bp]
venue = "backpack"
secret = "file:{state}/keys/backpack-bp.key"
[accounts.l1]
venue = "lighter"
account_index = 11
api_keys = [{{ index = 4, secret = "file:{state}/keys/lighter-11.key" }}]
[accounts.l2]
venue = "lighter"
account_index = 12
api_keys = [{{ index = 4, secret = "file:{state}/keys/lighter-12.key" }}]
[groups.triad]
strategy = "liquidation_hedge"
instrument = "ETH-PERP"
legs = {{ backpack = "bp", lighter1 = "l1", lighter2 = "l2" }}
[groups.triad.params]
max_cycles = 1
timeout_s = 20
wait_min_s = 1
wait_max_s = 2
poll_interval_s = 2
"""


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


def test_without_a_file_it_says_which_option_is_missing():
    """The plain command names its one need."""
    assert "Name the settings file: --groups conf/paper.toml" in refused()


def test_a_file_that_is_not_there_is_named():
    """The path is in the answer."""
    assert "nowhere.toml: cannot be read" in refused("--groups", "nowhere.toml")


def test_every_mistake_in_the_file_is_told_with_its_place(deployment):
    """Findings of the settings come through, the command line's included."""
    said = refused("--groups", deployment, "--set", "groups.triad.params.leverage=-3", "--set", "general.debgu=true")
    assert "groups.triad.params.leverage = -3" in said
    assert "did you mean debug?" in said


def test_real_venues_need_the_word_twice(tmp_path):
    """`live = true` in the file is not enough: `--live` must be on the command line, too."""
    said = refused("--groups", ROOT / "conf" / "live.example.toml", "--set", f"general.state_dir={tmp_path}/state")
    assert "add --live to trade with real money" in said
    assert not (tmp_path / "state").exists()


def test_releasing_a_group_that_is_not_there_is_a_mistake(deployment):
    """A typo must not pass for a release."""
    assert "has no group and no account triat" in refused("--groups", deployment, "--release", "triat")


def test_a_second_supervisor_on_the_same_journal_is_told_who_owns_what(deployment, tmp_path):
    """Whatever its own state folder is: it names the process and every owner, changes nothing, exits 2."""
    journal = tmp_path / "shared"

    async def first() -> HostLock:
        lock = HostLock(str(journal), "supervisor")
        await lock.acquire(wait_s=0)
        store = open_store(f"sqlite:{journal}")
        for stream in ("supervisor", "account/l1", "account/l1", "group/triad"):
            await store.claim(stream, "desk:4711")
        await store.close()
        return lock

    async def owners() -> list[tuple[int, str]]:
        store = open_store(f"sqlite:{journal}")
        found = [await store.owner(stream) for stream in ("supervisor", "account/l1", "group/triad")]
        await store.close()
        return found

    lock = asyncio.run(first())
    try:
        said = refused("--groups", deployment, "--set", f"general.journal=sqlite:{journal}")
        assert f"is held by process {os.getpid()}" in said
        assert "Another supervisor runs on this state folder or journal" in said
        for line in (
            "supervisor: epoch 1, claimed by desk:4711",
            "account/l1: epoch 2, claimed by desk:4711",
            "account/bp: nobody",
            "group/triad: epoch 1, claimed by desk:4711",
        ):
            assert line in said
        assert asyncio.run(owners()) == [(1, "desk:4711"), (2, "desk:4711"), (1, "desk:4711")]
        assert not (tmp_path / "state" / "simulator").exists()
    finally:
        lock.release()


def test_a_port_in_use_starts_nothing(deployment, tmp_path):
    """Neither simulator nor Ray is started when nobody could look at them."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("--groups", deployment, "--set", f"supervisor.port={taken.getsockname()[1]}")
    assert "Address already in use" in said
    assert "set supervisor.port to a free port" in said
    assert not (tmp_path / "state" / "simulator").exists()


async def claimed(deployment: Path) -> None:
    """Give every stream of the deployment a record."""
    settings = load(deployment, environment={})
    store = open_store(settings.general.journal_url)
    for wish in desired(settings).wishes():
        journal = await store.open(wish.stream, await store.claim(wish.stream, "the test"))
        await journal.append([Entry(kind="Test", at=wall_now(), body="{}")])
        await journal.close()
    await store.close()


def test_a_damaged_journal_is_found_by_start_and_by_verify(deployment, tmp_path):
    """What is on disk is not what was written: nothing starts, `verify` ends 1, and both name the file."""
    asyncio.run(claimed(deployment))
    file = tmp_path / "state" / "journal" / "group" / "triad.sqlite"
    runner = CliRunner()
    whole = runner.invoke(app, ["journal", "verify", "--groups", str(deployment)])
    assert (whole.exit_code, whole.output) == (0, "The journal is whole.\n")
    file.write_bytes(b"\0" * 100 + file.read_bytes()[100:])
    damaged = runner.invoke(app, ["--groups", str(deployment), "journal", "verify"])
    assert damaged.exit_code == 1
    assert "triad.sqlite" in damaged.output
    assert "triad.sqlite" in refused("--groups", deployment)


def test_the_journal_can_be_read(deployment):
    """`journal show` prints one record a line and refuses a stream that is not there."""
    asyncio.run(claimed(deployment))
    runner = CliRunner()
    shown = runner.invoke(app, ["journal", "show", "group/triad", "--groups", str(deployment), "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.output)["kind"] == "Test"
    missing = runner.invoke(app, ["journal", "show", "group/none", "--groups", str(deployment)])
    assert (missing.exit_code, "has no stream group/none" in missing.output) == (1, True)


def test_the_version_names_the_code():
    """Two trees that differ are told apart."""
    result = CliRunner().invoke(app, ["version"])
    assert result.exit_code == 0
    assert result.output.startswith("hedgevisor ")


def test_every_account_that_plays_a_leg_is_wished_for_with_absolute_paths(deployment, tmp_path):
    """Specs carry references and absolute paths; another setting is another hash."""
    wishes = desired(load(deployment, environment={}))
    assert set(wishes.accounts) == {AccountId("bp"), AccountId("l1"), AccountId("l2")}
    group = wishes.groups[GroupId("triad")]
    assert (group.kind, group.accounts) == (ActorKind.GROUP, ("bp", "l1", "l2"))
    spec = json.loads(wishes.accounts[AccountId("l1")].spec)
    assert spec["journal"] == f"sqlite:{tmp_path}/state/journal"
    assert spec["account_config"]["api_keys"][0]["secret"] == f"file:{tmp_path}/state/keys/lighter-11.key"
    changed = desired(load(deployment, environment={}, overrides=["groups.triad.params.max_cycles=2"]))
    assert changed.groups[GroupId("triad")].settings_hash != group.settings_hash
    assert changed.accounts == wishes.accounts


class Running:
    """A supervisor as its own process."""

    def __init__(self, deployment: Path, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON"))}
        self.said = deployment.parent / "said.txt"
        with self.said.open("w") as out:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, str(ROOT / "supervisor.py"), "--groups", str(deployment), *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=deployment.parent,
                env=environment,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def until(self, condition, within_s: float):
        """Wait for `condition` to give something; fail with everything that was said."""
        give_up_at = time.monotonic() + within_s
        while time.monotonic() < give_up_at:
            found = condition()
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        pytest.fail(f"in vain, after {within_s:g} s or its end:\n{self.said.read_text()}")

    def url(self) -> str:
        """Return the address that it has said it serves."""
        words = self.until(lambda: self.said.read_text().partition("Metrics: ")[2], UP_WITHIN_S)
        return words.partition("/metrics")[0]

    def seen(self) -> dict:
        """Return the status pages' JSON."""
        with urllib.request.urlopen(f"{self.url()}/api/groups", timeout=5) as answer:  # noqa: S310 - our own address
            return json.load(answer, parse_float=Decimal)

    def phase(self) -> str:
        """Return what the group does; empty before its first report."""
        status = self.seen()["groups"]["triad"]["status"]
        return status["view"]["phase"] if status else ""

    def pid(self, where: str, name: str) -> int:
        """Return the process of an actor that lives."""

        def alive() -> int:
            actor = self.seen()[where][name]["actor"]
            return actor["pid"] if actor["liveness"] == "ALIVE" else 0

        return self.until(alive, UP_WITHIN_S)

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(END_WITHIN_S)


@pytest.mark.ray
@pytest.mark.wire
@pytest.mark.timeout(400)
def test_ctrl_c_unwinds_says_so_and_a_second_supervisor_is_refused(deployment, tmp_path):
    """One supervisor a state folder; SIGINT flattens every leg, says so, exits 0, leaves nothing running."""
    with Running(deployment, "--set", "groups.triad.params.timeout_s=1000") as running:
        running.until(lambda: running.phase() == "MONITORING", UP_WITHIN_S)
        said = refused("--groups", deployment)
        assert f"is held by process {running.process.pid}" in said
        assert "Another supervisor runs on this state folder" in said
        pids = [running.pid("accounts", name) for name in ("bp", "l1", "l2")]
        # To the whole process group, as a terminal does: only the supervisor may take it to heart.
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.end() == 0, running.said.read_text()
    assert "Group triad is flat." in running.said.read_text()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not (tmp_path / "state" / "simulator" / "running.json").exists()
