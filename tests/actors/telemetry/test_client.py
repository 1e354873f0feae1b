"""Our own heartbeats: what they say, that they arrive, and that nobody waits for them."""

import asyncio
import json
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from actors.actor import Liveness
from actors.hosting.protocol import ActorKind
from actors.meter import Meter
from actors.telemetry.bots import Bots
from actors.telemetry.client import HeartbeatClient, OwnListener, RemoteListener, UndeliveredError
from actors.telemetry.heartbeat import Heartbeat
from actors.telemetry.own import heartbeats
from actors.telemetry.settings import TelemetryConfig
from strategies.domain.ids import Timestamp
from tests.actors.scene import NOW, G, actor, group_row, scene
from tests.actors.supervision.local import group_wish
from venues.secrets import Secret

SPEC = json.dumps({"group": {"instrument_id": "ETH-PERP"}, "limits": {"max_leg_notional_usd": "5000"}})
WISHES = {G: group_wish("g", "a", "b").model_copy(update={"spec": SPEC})}


def said(seen=None, **config) -> dict[str, dict]:
    """Return what a picture makes our groups say."""
    return dict(heartbeats(seen or scene(), WISHES, TelemetryConfig(**config)))


def test_a_heartbeat_has_the_fields_of_the_original():
    """Each leg and the group: who, what, how much, how much at most, profit, balance."""
    beats = said(roles={"long": "BP"}, interval_s=5)
    assert set(beats) == {"g.BP", "g.short", "g.group"}
    leg = beats["g.BP"]
    assert {**leg, "x": 0}.items() >= {
        "timestamp": NOW,
        "telemetry_interval_secs": Decimal(5),
        "group": "g",
        "role": "BP",
        "symbol": "ETH-PERP",
        "direction": "long",
        "position_base": Decimal("1.50"),
        "max_position_base": Decimal("2.5"),
        "pnl_unrealized": None,
        "balance_total": Decimal("10000.25"),
    }.items()
    assert beats["g.short"]["direction"] == "short"
    assert (beats["g.group"]["direction"], beats["g.group"]["balance_total"]) == ("flat", None)
    for name, payload in beats.items():
        assert Heartbeat.model_validate(payload).role == name.partition(".")[2]


def test_names_are_the_settings():
    """A remote dashboard may know us by other names."""
    beats = said(bot="x-{role}", group="fleet/{group}")
    assert set(beats) == {"x-long", "x-short", "x-group"}
    assert beats["x-group"]["group"] == "fleet/g"


def test_who_does_not_report_says_nothing():
    """A dead group must not look alive by its last report."""
    silent = group_row(actor=actor(ActorKind.GROUP, G, liveness=Liveness.DEAD, heard_at=Timestamp(NOW - 10_001)))
    assert said(scene(groups={G: silent})) == {}
    never = group_row(actor=actor(ActorKind.GROUP, G, heard_at=None))
    assert said(scene(groups={G: never})) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://x"},
        {"base_url": "https://"},
        {"base_url": "https://user:pass@host"},
        {"base_url": "nowhere"},
        {"bot": "{grup}"},
        {"bot": "{0}"},
        {"interval_s": 0},
        {"token": "the-token-itself"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    """Also a token that is no reference: it would stand in the file."""
    with pytest.raises(ValidationError):
        TelemetryConfig(**wrong)


async def test_our_own_bots_are_bots_like_any_other():
    """They are in the same status, by the same rule."""
    bots, meter = Bots(10), Meter()
    client = HeartbeatClient(OwnListener(bots, lambda: NOW), lambda: said().items(), 10, meter)
    await client.send()
    assert (len(bots), bots.online(NOW), bots.offline(Timestamp(NOW + 20_001))) == (
        *(3, 3),
        ("g.group", "g.long", "g.short"),
    )
    assert meter.counters == {"telemetry_rounds": 1}
    full = HeartbeatClient(OwnListener(Bots(1), lambda: NOW), lambda: said().items(), 10, meter)
    await full.send()
    assert meter.counters["telemetry_failures"] == 1


class Elsewhere:
    """Another supervisor's telemetry API, as far as a client can see it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self.status = 200
        self.hold = asyncio.Event()
        self.hold.set()

    async def ingest(self, request: web.Request) -> web.Response:
        await self.hold.wait()
        text = await request.text()
        self.heard.append((request.match_info["bot"], request.headers.get("X-Auth-Token", ""), text))
        headers = {"Location": "http://127.0.0.1:1/"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)


@pytest.fixture
async def elsewhere():
    """A listener on a port of its own, and its address."""
    there = Elsewhere()
    application = web.Application()
    application.router.add_post("/base/ingest/{bot}", there.ingest)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    there.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/base"
    yield there
    there.hold.set()
    await runner.cleanup()


async def test_a_remote_listener_gets_exact_numbers_and_the_token(elsewhere):
    """Each bot on its own path; the token in its header and nowhere else."""
    listener = RemoteListener(elsewhere.url, Secret("env:T", "a-token-for-elsewhere"))
    await listener.deliver(said().items())
    await listener.close()
    assert sorted(bot for bot, _, _ in elsewhere.heard) == ["g.group", "g.long", "g.short"]
    assert {token for _, token, _ in elsewhere.heard} == {"a-token-for-elsewhere"}
    (body,) = [body for bot, _, body in elsewhere.heard if bot == "g.long"]
    assert '"position_base": 1.50' in body
    assert "a-token" not in body


@pytest.mark.parametrize("status", [302, 401, 500])
async def test_a_listener_that_refuses_is_counted_and_sent_nothing_elsewhere(elsewhere, status):
    """A redirect would carry the token away: it is a failure, too."""
    elsewhere.status = status
    listener = RemoteListener(elsewhere.url, Secret("env:T", "a-token-for-elsewhere"))
    with pytest.raises(UndeliveredError, match=f"3 of 3 heartbeats: answered {status}") as error:
        await listener.deliver(said().items())
    assert "a-token" not in str(error.value)
    await listener.close()


async def test_a_listener_that_is_away_is_tried_again_and_missed_by_nobody(elsewhere):
    """Failures are counted round by round; when it is back, the next round arrives."""
    meter = Meter()
    away = RemoteListener("http://127.0.0.1:1", None)
    client = HeartbeatClient(away, lambda: said().items(), 10, meter)
    for _ in range(3):
        await client.send()
    assert meter.counters == {"telemetry_failures": 3}
    client._listener = RemoteListener(elsewhere.url, None)
    await client.send()
    assert meter.counters["telemetry_rounds"] == 1
    await client._listener.close()
    await away.close()


async def test_a_listener_that_hangs_ends_with_the_client(elsewhere):
    """Nothing is left behind when the supervisor ends in the middle of a round."""
    elsewhere.hold.clear()
    client = HeartbeatClient(RemoteListener(elsewhere.url, None), lambda: said().items(), 1, Meter())
    run = asyncio.ensure_future(client.run())
    async with asyncio.timeout(5):
        while not isinstance(client._listener._session, aiohttp.ClientSession):  # noqa: ASYNC110 - inside the client
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert client._listener._session.closed


@pytest.mark.looptime
async def test_rounds_keep_their_pace():
    """A slow round does not shift the ones after it, and a lost one is not made up for."""
    at: list[float] = []
    loop = asyncio.get_running_loop()

    class Slow:
        async def deliver(self, _beats):
            at.append(loop.time())
            await asyncio.sleep(25 if len(at) == 2 else 4)

        async def close(self):
            pass

    client = HeartbeatClient(Slow(), lambda: (), 10, Meter())
    run = asyncio.ensure_future(client.run())
    await asyncio.sleep(60)
    run.cancel()
    assert [round(each - at[0]) for each in at] == [0, 10, 35, 45, 55]
