"""A server of the supervision test bed, asked over real HTTP."""

import json
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
import pytest

from actors.meter import Meter
from actors.supervision.overview import overview
from actors.supervision.presses import press
from actors.web.guard import Guard
from actors.web.operations import Operations
from actors.web.server import StatusServer
from actors.web.tokens import Tokens
from tests.actors.supervision.conftest import Bench, until
from tests.actors.supervision.local import loop_now

TOKEN = "the-token-of-the-tests"
AUTH = {"X-Auth-Token": TOKEN}
GROUPS = {"g": ("a", "b")}


class Front:
    """A running supervision and its pages."""

    def __init__(self, bench, supervision, server, session, meter) -> None:
        self.bench, self.world = bench, bench.world
        self.supervision, self.server, self.session, self.meter = supervision, server, session, meter

    async def ask(self, method, path, body=None, headers=AUTH, **options):
        """Return status and JSON of one request."""
        if body is not None:
            options["json"] = body
        async with self.session.request(method, path, headers=headers, **options) as answer:
            text = await answer.text()
            return answer.status, json.loads(text, parse_float=Decimal) if text.startswith(("{", "[")) else text

    async def press(self, action, group="g", headers=AUTH, **body):
        """Press one button."""
        return await self.ask("POST", f"/api/groups/{group}/{action}", body, headers=headers)


@asynccontextmanager
async def front_of(tmp_path, *more_parts, bench=None, groups=None, **options):
    """Run supervision and server; `more_parts` are made of the supervision."""
    bench = bench or Bench(tmp_path)
    bench.world.spawn_s = 0.0  # real time: sockets are real here
    meter = Meter()
    async with bench.running(groups or GROUPS, **options) as supervision:
        server = StatusServer("127.0.0.1", 0)
        server.bind()
        guard = Guard(Tokens({"anna": TOKEN}), names=("hedge.example",), meter=meter)
        parts = [
            Operations(lambda wanted: press(supervision, wanted)),
            *(make(supervision, guard) for make in more_parts),
        ]
        await server.serve(lambda: overview(supervision, loop_now()), parts, guard)
        try:
            async with aiohttp.ClientSession(server.url) as session:
                yield Front(bench, supervision, server, session, meter)
        finally:
            await server.close()


@pytest.fixture
async def front(tmp_path):
    """A supervision of one living group, and its pages."""
    async with front_of(tmp_path) as front:
        await until(lambda: not overview(front.supervision, loop_now()).not_ready())
        yield front
