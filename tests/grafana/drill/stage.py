"""The deployment that is drilled, and where its notifications go."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.end_to_end.deployment import Deployment

A, B = "triad-1", "triad-2"
ACCOUNTS = {A: (("backpack", "bp-1"), ("lighter", "1"), ("lighter", "2")), B: (("backpack", "bp-2"), ("lighter", "3"))}
"""Per group: venue and the venue's name of each account that it holds something on."""
CHANNEL = "people"
"""The only channel of notifications."""
COIN = {A: "ETH", B: "BTC"}
LEVERAGE = 10
"""Of both groups."""
MAX_LEVERAGE = 60
"""Of both groups' limits; the word of the second one is `pause`."""
_ANSWER_BOUND_S = 90.0


class People:
    """Where the deployment's notifications go: a service that takes them, or does not."""

    def __init__(self) -> None:
        self.ill = False
        self.port = 0

    async def serve(self, ends: AsyncExitStack) -> None:
        """Listen until `ends` ends."""
        application = web.Application()
        application.add_routes([web.post("/", self._take)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        ends.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]

    async def _take(self, _request: web.Request) -> web.Response:
        return web.Response(status=503 if self.ill else 200)


@dataclass
class Stage:
    """The deployment that is drilled."""

    deployment: Deployment
    people: People
    port: int
    """Of the supervisor."""
    disk: Path
    """Mount point of the state folder's own file system."""

    async def control(self, path: str, **body: Any) -> dict[str, Any]:
        """Use the simulator's control interface."""
        return await self.deployment.control("POST", f"/control/{path}", body)

    async def status(self) -> dict[str, Any]:
        """Return what /api/groups says, as soon as it is answered: the supervisor may be starting."""

        async def answered() -> dict[str, Any] | None:
            try:
                return await self.deployment.status()
            except aiohttp.ClientError:
                return None

        return await self.deployment.until(answered, "an answer of the supervisor", _ANSWER_BOUND_S)

    async def beat(self, bot: str, interval_s: int) -> None:
        """Report as a bot does."""
        body = {"timestamp": int(time.time() * 1000), "telemetry_interval_secs": interval_s}
        url = f"http://127.0.0.1:{self.port}/ingest/{bot}"
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def pid_of(self, kind: str, name: str) -> int:
        """Return the process of an actor."""
        return int((await self.status())[kind][name]["actor"]["pid"])

    async def released(self, name: str) -> None:
        """Start the supervisor anew, and release a parked group or a frozen account."""
        await self.deployment.stop()
        await self.deployment.start("--release", name)

    async def quiet(self) -> None:
        """End every injected trouble."""
        await self.deployment.control("DELETE", "/control/faults")
