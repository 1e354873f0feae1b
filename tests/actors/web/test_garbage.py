"""Malformed requests at every endpoint: no crash, no 5xx, no leak, and nothing done that was not asked for."""

import asyncio
import logging

import structlog

from actors.supervision.overview import overview
from strategies.domain.events import OperatorState
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import loop_now
from tests.actors.web.conftest import front_of
from tests.actors.web.garbage import Parts, burden, endpoints, storm

EACH = 60
WARM = 10


async def test_garbage_at_every_endpoint_breaks_nothing(tmp_path, caplog):
    """Whatever comes: an answer below 500 or a closed connection; then everything is as it was."""
    with structlog.testing.capture_logs(), Parts() as (bots, more):
        async with front_of(tmp_path, *more) as front:
            await until(lambda: not overview(front.supervision, loop_now()).not_ready())
            port, paths = front.server._port, endpoints(front.server)
            assert len(paths) >= 17
            before = burden()
            await storm(port, paths, WARM, seed=2)
            with caplog.at_level(logging.ERROR, logger="actors"):
                seen = await storm(port, paths, EACH, seed=3)
            assert seen.wrong == []
            assert seen.total == EACH * len(paths)
            assert {"200", "400", "401", "403", "404", "405", "413"} <= set(seen.answers)
            assert [record.getMessage() for record in caplog.records if "handling request" in record.getMessage()] == []
            await until(lambda: all(now <= then for now, then in zip(burden()[:2], before, strict=False)), within_s=20)
            assert len(bots) <= 50
            assert not any(told[1] is OperatorState.FLATTEN for told in front.world.told)
            assert front.world.started == ["account/a@1", "account/b@1", "group/g@1"]
            assert (await front.ask("GET", "/healthz"))[0] == 200


async def test_a_body_that_never_comes_is_given_up(tmp_path, monkeypatch):
    """A connection that promises a body and stays silent is answered and ended, not held for ever."""
    monkeypatch.setattr("actors.web.body._READ_TIMEOUT_S", 0.2)
    async with front_of(tmp_path) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.server._port)
        writer.write(
            b"POST /api/groups/g/pause HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: the-token-of-the-tests\r\n"
            b"Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
        )
        async with asyncio.timeout(5):
            answer = await reader.read(200)
        writer.transport.abort()
        assert b" 408 " in answer
