"""The HTTP endpoints over a still picture."""

import json
import socket

import aiohttp
import pytest

from actors.web.server import PortInUseError, StatusServer
from tests.actors.scene import NOW, scene


@pytest.fixture
async def ask():
    """Return how to ask a server that shows a picture of the test's choice."""
    server = StatusServer("127.0.0.1", 0)
    server.bind()
    shown = [scene()]
    await server.serve(lambda: shown[0])
    async with aiohttp.ClientSession(server.url) as session:

        async def ask(path, seen=None):
            shown[0] = seen or scene()
            async with session.get(path) as answer:
                return answer.status, await answer.text(), answer.headers["Content-Type"]

        yield ask
    await server.close()


async def test_metrics_are_in_prometheus_text_format(ask):
    """Every metric has its help and type, in the format that Prometheus asks for."""
    status, text, content_type = await ask("/metrics")
    assert status == 200
    assert content_type.startswith("text/plain; version=0.0.4")
    assert "# TYPE hedge_group_up gauge" in text
    assert 'hedge_group_up{group="g"} 1.0' in text


async def test_groups_are_whole_and_amounts_are_strings(ask):
    """The JSON carries full reports; no amount passes through a float."""
    status, text, content_type = await ask("/api/groups")
    assert (status, content_type.split(";")[0]) == (200, "application/json")
    seen = json.loads(text)
    assert seen["groups"]["g"]["status"]["view"]["legs"]["long"]["believed"] == "1.50"
    assert seen["accounts"]["a"]["status"]["equity"] == "10000.25"
    assert seen["accounts"]["b"]["status"] is None


async def test_not_ready_names_who_is_missing(ask):
    """Readiness is refused with a sentence for each actor that does not live."""
    assert (await ask("/readyz"))[:2] == (503, "account/b is DEAD.\n")
    accounts = {name: row for name, row in scene().accounts.items() if name == "a"}
    assert (await ask("/readyz", scene(accounts=accounts)))[0] == 200


async def test_health_is_the_supervisors_own(ask):
    """A dead account is no reason to restart the supervisor; its own standing still is."""
    assert (await ask("/healthz"))[0] == 200
    status, text, _ = await ask("/healthz", scene(beat_at=NOW - 60_000))
    assert (status, text) == (503, "The supervisor's loop has not turned for 60 s.\n")


def test_a_port_that_is_taken_is_known_before_anything_starts():
    """The address and the reason are in the error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            StatusServer("127.0.0.1", port).bind()


async def test_closing_twice_is_closing_once():
    """Also of a server that never listened."""
    server = StatusServer("127.0.0.1", 0)
    await server.close()
    server.bind()
    await server.close()
    await server.close()
