"""The telemetry API over HTTP: who may report, what is refused, and what the status says."""

import json

import aiohttp
import pytest

from actors.clock import wall_now
from actors.meter import Meter
from actors.telemetry.bots import Bots
from actors.web.guard import Guard
from actors.web.server import StatusServer
from actors.web.telemetry import Telemetry, _is_here
from actors.web.tokens import Tokens
from tests.actors.scene import scene
from tests.actors.web.conftest import AUTH, TOKEN

BOTS = {"X-Auth-Token": "the-token-of-the-bots"}


class Api:
    """A telemetry API of its own."""

    def __init__(self, ingest: Tokens) -> None:
        self.bots = Bots(3)
        self.server = StatusServer("127.0.0.1", 0)
        self.guard = Guard(Tokens({"anna": TOKEN}), meter=Meter())
        self.part = Telemetry(self.bots, ingest, self.guard, wall_now)

    async def ask(self, method, path, body=None, headers=None, **options):
        """Return status and JSON."""
        if body is not None:
            options["json"] = body
        async with self.session.request(method, path, headers=headers, **options) as answer:
            return answer.status, json.loads(await answer.text())

    async def __aenter__(self):
        self.server.bind()
        await self.server.serve(scene, [self.part], self.guard)
        self.session = aiohttp.ClientSession(self.server.url)
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        await self.server.close()


@pytest.fixture
async def api():
    """An API that asks bots of this machine for nothing."""
    async with Api(Tokens({})) as api:
        yield api


@pytest.fixture
async def closed():
    """An API with a token for bots."""
    async with Api(Tokens({"bots": BOTS["X-Auth-Token"]})) as api:
        yield api


async def test_a_bot_reports_is_shown_and_is_pruned(api):
    """The whole life of a bot that only sends heartbeats."""
    payload = {"group": "g", "role": "BP", "position_base": 1.5, "telemetry_interval_secs": 15, "own": {"x": 1}}
    assert await api.ask("POST", "/ingest/bot-1", payload) == (200, {"ok": True})
    status, seen = await api.ask("GET", "/api/status")
    assert status == 200
    (bot,) = seen["bots"]
    assert bot.items() >= {**payload, "bot": "bot-1", "online": True}.items()
    assert (await api.ask("POST", "/admin/prune?older_ms=60000", headers=AUTH))[1] == {"removed": [], "left": 1}
    api.part._now = lambda: wall_now() + 60_001
    assert (await api.ask("GET", "/api/status"))[1]["bots"][0]["online"] is False
    assert (await api.ask("POST", "/admin/prune?older_ms=60000", {}, AUTH))[1] == {"removed": ["bot-1"], "left": 0}


async def test_with_a_token_nobody_reports_without_it(closed):
    """The bots' token or an operator's; also from this machine."""
    for headers, status in ((None, 401), ({"X-Auth-Token": "x"}, 401), (BOTS, 200), (AUTH, 200)):
        assert (await closed.ask("POST", "/ingest/b", {}, headers))[0] == status
    assert (await closed.ask("POST", "/admin/prune?older_ms=1", headers=BOTS))[0] == 200


async def test_pruning_always_asks_for_a_token(api):
    """What forgets something writes."""
    assert (await api.ask("POST", "/admin/prune?older_ms=0"))[0] == 401
    assert (await api.ask("POST", "/admin/prune?older_ms=0", headers=BOTS))[0] == 401


async def test_a_page_of_somebody_else_cannot_report(api):
    """A browser on this machine is no bot."""
    assert (await api.ask("POST", "/ingest/b", {}, {"Origin": "http://evil.example"}))[0] == 403


def test_only_this_machine_reports_without_a_token():
    """A peer's address decides, not what it claims."""
    assert [_is_here(peer) for peer in ("127.0.0.1", "::1", "10.0.0.1", "192.168.1.5", "", None, "localhost")] == [
        *(True, True),
        *(False, False, False, False, False),
    ]


@pytest.mark.parametrize("older", ["", "x", "-1", "1e3", "1" * 14, "٣"])
async def test_an_age_that_is_none_prunes_nobody(api, older):
    """A typo must not empty the page."""
    await api.ask("POST", "/ingest/b", {})
    assert (await api.ask("POST", "/admin/prune", headers=AUTH, params={"older_ms": older}))[0] == 400
    assert len(api.bots) == 1


@pytest.mark.parametrize(
    ("name", "raw", "status"),
    [
        ("b", b'{"position_base": "x"}', 400),
        ("b", b'{"position_base": 1e99}', 400),
        ("b", b"[1]", 400),
        ("b", b'{"a": "' + b"x" * 4096 + b'"}', 413),
        ("b", b'{"a": ' + b"[" * 7 + b"]" * 7 + b"}", 400),
        ("b", b"{" + b",".join(b'"%d": 1' % number for number in range(65)) + b"}", 400),
        ("a%20b", b"{}", 400),
        ("-b", b"{}", 400),
        ("b" * 101, b"{}", 400),
        ("%2e%2e%2fb", b"{}", 400),
    ],
)
async def test_a_heartbeat_that_cannot_be_kept_is_refused(api, name, raw, status):
    """Nothing of it is remembered."""
    path = f"/ingest/{name}"
    found, answer = await api.ask("POST", path, data=raw, headers={"Content-Type": "application/json"})
    assert (found, list(answer)) == (status, ["error"])
    assert len(api.bots) == 0


async def test_a_body_without_a_length_has_the_same_bound(api):
    """Chunks do not get around it."""

    async def chunks():
        for _ in range(5):
            yield b" " * 1000

    headers = {"Content-Type": "application/json"}
    assert (await api.ask("POST", "/ingest/b", data=chunks(), headers=headers))[0] == 413


async def test_more_bots_than_can_be_remembered_are_refused(api):
    """While all are online, nobody is driven out."""
    for name in "abc":
        assert (await api.ask("POST", f"/ingest/{name}", {}))[0] == 200
    assert (await api.ask("POST", "/ingest/d", {}))[0] == 429
    assert (await api.ask("POST", "/ingest/a", {}))[0] == 200
