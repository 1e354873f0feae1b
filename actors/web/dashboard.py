"""The dashboard: its files, the board behind it, and the stream that keeps an open page true.

Reads only. One picture a second is drawn and written down once, however many pages are open.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import structlog
from aiohttp import web

from actors.supervision.overview import Overview
from actors.tasks import Tasks
from actors.web.board import board
from actors.web.past import History
from actors.web.refusal import Reason, RefusedError

TICK_S = 1.0
"""How often an open page hears: actors report as often."""
STREAMS_MAX = 100
"""Open streams at most: each costs one copy of the board a second."""
_STUCK_S = 10.0
"""A page that takes no byte for so long is gone; its stream is given up."""
_FOLDER = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_JSON = "application/json"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of everything that a browser may show: nothing from elsewhere, no script inside a page, in nobody's frame."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _File:
    body: bytes
    type: str
    tag: str


class Dashboard:
    """Serves the page and what it shows."""

    def __init__(self, look: Callable[[], Overview], language: str = "en") -> None:
        """Read the page's files; take pictures with `look`. `language` is what people read who have not chosen."""
        self._look = look
        self._files = {path.name: _read(path, language) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}
        self._history = History()
        self._tasks = Tasks("dashboard", _complain)
        self._streams = 0
        self._ticked = asyncio.Event()
        self._frame = b""

    def routes(self) -> list[web.RouteDef]:
        """Return what the server has to route here."""
        return [
            web.get("/", self._index),
            web.get("/cycle", self._cycle),
            web.get("/page/{name}", self._page),
            web.get("/api/board", self._board),
            web.get("/api/history", self._past),
            web.get("/api/stream", self._stream, allow_head=False),
        ]

    def start(self) -> None:
        """Take a picture every second from now on."""
        self._tasks.start("tick", self._tick())

    async def close(self) -> None:
        """Take no more pictures. May be called twice."""
        await self._tasks.close()

    # --- the page -------------------------------------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.Response:
        return self._serve("index.html", request)

    async def _cycle(self, request: web.Request) -> web.Response:
        return self._serve("cycle.html", request)

    async def _page(self, request: web.Request) -> web.Response:
        return self._serve(request.match_info["name"], request)

    def _serve(self, name: str, request: web.Request) -> web.Response:
        file = self._files.get(name)
        if file is None:
            return web.Response(status=404, text="There is no such page.\n", headers=_HEADERS)
        # Asked for anew each time, answered by the tag alone: a new version of the supervisor is seen at once.
        headers = {**_HEADERS, "Cache-Control": "no-cache", "ETag": file.tag}
        if request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, content_type=file.type, charset="utf-8", headers=headers)

    # --- what it shows --------------------------------------------------------------------------------------------

    async def _board(self, _request: web.Request) -> web.Response:
        return _json(self._draw())

    async def _past(self, _request: web.Request) -> web.Response:
        return _json(self._history.whole().model_dump_json().encode())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= STREAMS_MAX:
            said = f"{STREAMS_MAX} pages are open already."
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, Reason.STATE, said)
        response = web.StreamResponse(
            headers={**_HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        )
        self._streams += 1
        try:
            await response.prepare(request)
            await _write(response, _event("past", self._history.whole().model_dump_json().encode()))
            await _write(response, self._event_of_now())
            while True:
                ticked = self._ticked
                await ticked.wait()
                await _write(response, self._frame)
        except ConnectionError:
            return response  # the page has gone
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # it takes nothing, so it would not take a goodbye either
            return response
        finally:
            self._streams -= 1

    async def _tick(self) -> None:
        while True:
            self._history.take(self._look())
            if self._streams:
                self._frame = self._event_of_now()
                # Whoever waits holds the old event; whoever comes later waits for the next.
                ticked, self._ticked = self._ticked, asyncio.Event()
                ticked.set()
            await asyncio.sleep(TICK_S)

    def _event_of_now(self) -> bytes:
        latest = self._history.latest().model_dump_json().encode()
        return _event("point", latest) + _event("board", self._draw())

    def _draw(self) -> bytes:
        # Pydantic writes every Decimal as a string; nothing passes through a float on its way out.
        return board(self._look()).model_dump_json().encode()


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_STUCK_S):
        await response.write(data)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=_JSON, headers={**_HEADERS, "Cache-Control": "no-store"})


def _read(path: Path, language: str) -> _File:
    body = path.read_bytes()
    if path.suffix == ".html":
        body = body.replace(b'lang="en"', f'lang="{language}"'.encode(), 1)
    return _File(body=body, type=_TYPES[path.suffix], tag=f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def _complain(task: str, error: BaseException) -> None:
    """A board that cannot be drawn ends no trading; open pages say that they hear nothing."""
    _log.error("dashboard_failed", task=task, error=repr(error))
