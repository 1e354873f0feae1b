"""The supervisor's HTTP server: what is known, and the parts that do something, each in a file of its own."""

import socket
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog
from aiohttp import web

from actors.supervision.overview import Overview
from actors.tasks import Tasks
from actors.web.body import BODY_LIMIT
from actors.web.exposition import render
from actors.web.guard import Guard
from actors.web.idle import IdleConnections
from actors.web.protocol_log import protocol_logger
from actors.web.tokens import Tokens

_STALE_AFTER_S = 10.0
"""Actors report about once a second; ten seconds without a turn of our own loop is a supervisor that hangs."""
_MS = 1000
_KEEP_ALIVE_S = 30.0
"""An idle connection is closed after this: a page asks every second or two, Prometheus four times a minute."""
_LINGER_S = 1.0
"""How long the rest of a body is read that was answered before its end: on a near network that is much."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""On every answer that does not say otherwise: no page of somebody else may frame our buttons, nothing is kept."""
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

_log = structlog.get_logger(__name__)


class PortInUseError(Exception):
    """Somebody else listens where we are to listen."""


class Part(Protocol):
    """Some endpoints that belong together."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return them."""


class StatusServer:
    """Serves what is known."""

    def __init__(self, host: str, port: int) -> None:
        """Name the address; 0 as port means any free one. Nothing listens before `bind`."""
        self._look: Callable[[], Overview] = _nothing_yet
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._idle = IdleConnections()
        self._tasks = Tasks("web", _complain)

    @property
    def url(self) -> str:
        """Return the address, with the port that was really taken."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def bind(self) -> None:
        """Take the port, so that a taken one is known before anything is started.

        Raises:
            PortInUseError: the port is taken, or this address is not ours.
        """
        try:
            self._socket = socket.create_server(
                (self._host, self._port), family=socket.AF_INET6 if ":" in self._host else socket.AF_INET
            )
        except OSError as error:
            raise PortInUseError(f"{self._host}:{self._port}: {error.strerror or error}") from error
        self._port = self._socket.getsockname()[1]

    async def serve(self, look: Callable[[], Overview], parts: Iterable[Part] = (), guard: Guard | None = None) -> None:
        """Answer with pictures taken with `look`, and with what `parts` do; without a guard nobody may write.

        Raises RuntimeError before `bind`.
        """
        if self._socket is None:
            raise RuntimeError("bind comes before serve")
        self._look = look
        door = guard or Guard(Tokens({}))
        application = web.Application(middlewares=[self._idle.note, door.stand], client_max_size=BODY_LIMIT)
        application.on_response_prepare.append(_add_headers)
        application.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/api/groups", self._groups),
                *(route for part in parts for route in part.routes()),
            ]
        )
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=protocol_logger(door.meter),
            shutdown_timeout=1.0,
            keepalive_timeout=_KEEP_ALIVE_S,
            lingering_time=_LINGER_S,
            auto_decompress=False,  # nobody packs a heartbeat, and a small body must not become a large one
        )
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        self._runner = runner
        if runner.server is not None:
            self._tasks.start("idle", self._idle.keep_few(runner.server))

    async def close(self) -> None:
        """Listen no more. May be called twice."""
        await self._tasks.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=render(self._look), headers={"Content-Type": _PROMETHEUS})

    async def _healthz(self, _request: web.Request) -> web.Response:
        seen = self._look()
        age_s = (seen.at - seen.beat_at) / _MS
        if age_s > _STALE_AFTER_S:
            return web.Response(status=503, text=f"The supervisor's loop has not turned for {age_s:.0f} s.\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        waiting = self._look().not_ready()
        if waiting:
            return web.Response(status=503, text="".join(f"{line}\n" for line in waiting))
        return web.Response(text="ok\n")

    async def _groups(self, _request: web.Request) -> web.Response:
        # Pydantic writes every Decimal as a string; nothing passes through a float on its way out.
        return web.Response(body=self._look().model_dump_json().encode(), content_type="application/json")


async def _add_headers(_request: web.Request, answer: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)


def _complain(task: str, error: BaseException) -> None:
    _log.error("web_task_failed", task=task, error=repr(error))


def _nothing_yet() -> Overview:
    raise RuntimeError("serve says what is to be shown")
