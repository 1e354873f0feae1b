"""What a person can get wrong at the start: a clear error, exit 2, nothing started, nothing lost."""

import base64
import secrets
import socket
import sqlite3

import pytest

from actors.group_entries import SETTINGS, DecidedBy
from actors.journal.protocol import Entry
from actors.journal.store import open_store
from tests.end_to_end.deployment import BACKPACK, LIGHTER, Deployment
from venues.simulator.testing import simulation

pytestmark = [pytest.mark.timeout(120)]

MISTAKES = {
    "unknown key": (["groups.triad-1.params.max_cycels=1"], ["max_cycels", "max_cycles"]),
    "wrong type": (["supervisor.port=many"], ["supervisor.port", "many"]),
    "negative leverage": (["groups.triad-1.params.leverage=-3"], ["groups.triad-1.params.leverage", "-3"]),
    "unknown account": (["groups.triad-1.legs.lighter1=nobody"], ["groups.triad-1.legs.lighter1", "nobody"]),
    "account in two groups": (["groups.triad-2.legs.backpack=bp-1"], ["bp-1", "triad-1", "triad-2"]),
    "real venue without live": (["venues.lighter.base_url=https://mainnet.zklighter.elliot.ai"], ["live"]),
    "bot without a token": (
        ["notifications.telegram.token=env:NO_SUCH_TOKEN", "notifications.telegram.chat_ids=[1]"],
        ["notifications.telegram.token", "NO_SUCH_TOKEN"],
    ),
    "secret as a value": (["accounts.bp-1.secret=c2VjcmV0"], ["accounts.bp-1.secret", "env:NAME or file:PATH"]),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
async def test_a_mistake_in_the_settings_starts_nothing(tmp_path, mistake):
    """File, key, value and remedy are named; a value that may be a key is not repeated."""
    settings, words = MISTAKES[mistake]
    deployment = Deployment(tmp_path, *settings)
    await deployment.start()
    assert await deployment.wait(60) == 2, deployment.output
    assert "Nothing was started." in deployment.output
    for word in words:
        assert word in deployment.output
    assert "c2VjcmV0" not in deployment.output
    assert not deployment.state.exists()


async def test_a_port_in_use_is_named(tmp_path):
    """The address and the remedy are in the error."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        deployment = Deployment(tmp_path, f"supervisor.port={port}")
        await deployment.start()
        assert await deployment.wait(60) == 2, deployment.output
    assert f"127.0.0.1:{port}" in deployment.output
    assert "supervisor.port" in deployment.output


async def _journal_of_one_group(deployment: Deployment) -> str:
    url = f"sqlite:{deployment.state}/journal"
    store = open_store(url)
    await store.claim("group/triad-1", "test")
    await store.close()
    [file] = (deployment.state / "journal").rglob("*triad-1*.sqlite*")
    return str(file)


async def test_a_journal_from_a_newer_version_is_left_alone(tmp_path):
    """An older program does not touch a newer journal."""
    deployment = Deployment(tmp_path)
    file = await _journal_of_one_group(deployment)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE meta SET schema_version = 99")
    database.close()
    await deployment.start()
    assert await deployment.wait(60) == 2, deployment.output
    assert "99" in deployment.output
    assert "triad-1" in deployment.output


async def test_a_damaged_journal_is_named(tmp_path):
    """A file that is no journal any more stops the start, and the file is named."""
    deployment = Deployment(tmp_path)
    file = await _journal_of_one_group(deployment)
    with open(file, "r+b") as raw:  # noqa: ASYNC230, PTH123 - a test's own small file
        raw.write(b"\0" * 4096)
    await deployment.start()
    assert await deployment.wait(60) == 2, deployment.output
    assert "triad-1" in deployment.output
    assert "damaged" in deployment.output.lower() or "not a database" in deployment.output.lower()


@pytest.fixture
async def outside(tmp_path):
    """Venues that run on their own, as real ones do, and a deployment that knows them by their addresses."""
    async with simulation(seed=1, lighter_accounts=tuple(LIGHTER), backpack_accounts=BACKPACK, volatility=0.0) as sim:
        deployment = Deployment(
            tmp_path,
            f"venues.lighter.base_url={sim.lighter_url}",
            f"venues.backpack.base_url={sim.backpack_url}",
            "supervisor.unwind_timeout_s=3",
        )
        text = deployment.file.read_text(encoding="utf-8")
        start, end = text.index("[simulator]"), text.index("[venues.lighter]")
        deployment.file.write_text(text[:start] + text[end:], encoding="utf-8")
        keys = deployment.state / "keys"
        keys.mkdir(parents=True)
        for index in LIGHTER:
            (keys / f"lighter-{index}.key").write_text(sim.lighter_key(index)[1])
        for name in BACKPACK:
            (keys / f"backpack-{name}.key").write_text(sim.backpack_secret(name))
        yield sim, deployment, keys
        await deployment.stop()


async def test_a_missing_secret_is_named_by_its_reference(outside):
    """Nothing trades with half of its keys: the reference is named, exit 2."""
    _, deployment, keys = outside
    (keys / "backpack-bp-1.key").unlink()
    await deployment.start()
    assert await deployment.wait(60) == 2, deployment.output
    assert "accounts.bp-1.secret" in deployment.output
    assert "backpack-bp-1.key" in deployment.output


@pytest.mark.ray
async def test_an_unreachable_venue_is_waited_for_and_said(outside):
    """A venue that does not answer keeps its accounts out and says why; the end is orderly all the same."""
    _, deployment, _ = outside
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    deployment.settings += (f"venues.lighter.base_url=http://127.0.0.1:{port}",)
    await deployment.start()

    async def reason():
        status = (await deployment.status())["accounts"]["l1a"]["status"]
        return status if status is not None and "Unreachable" in status["reason"] else None

    status = await deployment.until(reason, "the reason", 60)
    assert status["mode"] == "DISARMED"
    assert status["in_flight"] == []
    await deployment.stop()
    assert deployment.process.returncode == 0, deployment.output


@pytest.mark.ray
async def test_a_wrong_key_is_refused_by_the_venue_and_trades_nothing(outside):
    """A key that the venue does not know: its refusal is shown, the account stays disarmed, no order exists."""
    sim, deployment, keys = outside
    (keys / "backpack-bp-1.key").write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    await deployment.start()

    async def reason():
        status = (await deployment.status())["accounts"]["bp-1"]["status"]
        return status if status is not None and "Rejected" in status["reason"] else None

    status = await deployment.until(reason, "the refusal", 60)
    assert status["mode"] == "DISARMED"
    assert sim.exchange_backpack.orders("bp-1", active=None) == []
    assert sim.exchange_lighter.orders("1", active=None) == []


async def test_a_leg_that_the_groups_journal_does_not_have_starts_nothing(tmp_path):
    """A changed leg under the same name: settings, group, leg, journal and remedy are named, exit 2."""
    deployment = Deployment(tmp_path)
    store = open_store(f"sqlite:{deployment.state}/journal")
    journal = await store.open("group/triad-1", await store.claim("group/triad-1", "test"))
    before = DecidedBy(
        strategy="liquidation_hedge",
        params={},
        limits={},
        legs={"backpack": "bp-1", "lighter1": "l1a", "lighter2": "another"},
        instrument_id="ETH-PERP",
        operator_state="RUN",
    )
    await journal.append([Entry(kind=SETTINGS, at=1, body=before.model_dump_json())])
    await journal.close()
    await store.close()
    await deployment.start()
    assert await deployment.wait(60) == 2, deployment.output
    assert "Nothing was started." in deployment.output
    said = " ".join(deployment.output.split())
    assert "group triad-1 has changed (leg lighter2 was another, is l1b)" in said
    assert "triad-1.sqlite" in said
    assert "give the changed group another name" in said
