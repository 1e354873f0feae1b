"""The telemetry API: `POST /ingest/{bot}`, `GET /api/status`, `POST /admin/prune?older_ms=`."""

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from ipaddress import ip_address

from aiohttp import web

from actors.telemetry.bots import Bots, TooManyBotsError
from actors.telemetry.heartbeat import BOT_NAME, Heartbeat, check_extent
from actors.web.body import fitted, read_json
from actors.web.guard import Guard
from actors.web.refusal import Reason, RefusedError, bad_request
from actors.web.tokens import Tokens
from strategies.domain.ids import Timestamp

_LIMIT = 4 * 1024
"""Bytes of a heartbeat. The original has a few hundred; all of them are shown on one page."""
_AGE = re.compile(r"[0-9]{1,13}")
_HERE = "loopback"
"""Who writes without a token: a bot of this machine, where none is configured."""


class Telemetry:
    """The endpoints for bots that report here."""

    def __init__(self, bots: Bots, tokens: Tokens, guard: Guard, now: Callable[[], Timestamp]) -> None:
        """Let whoever has one of `tokens`, or an operator's, report; without tokens also every bot of this machine."""
        self._bots = bots
        self._tokens = tokens
        self._guard = guard
        self._now = now
        guard.open_door("/ingest/{bot}", self._may_report)
        guard.open_door("/admin/prune", self._may_prune)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the endpoints."""
        return (
            web.post("/ingest/{bot}", self._ingest),
            web.get("/api/status", self._status),
            web.post("/admin/prune", self._prune),
        )

    def _may_report(self, request: web.Request) -> str:
        if len(self._tokens) == 0 and _is_here(request.remote):
            return _HERE
        return self._may_prune(request)

    def _may_prune(self, request: web.Request) -> str:
        """Let bots' own token prune, too, where there is one: that is what it did in the original."""
        try:
            return self._guard.owner(self._tokens, request)
        except RefusedError:
            return self._guard.operator(request)

    async def _ingest(self, request: web.Request) -> web.Response:
        name = request.match_info["bot"]
        if not BOT_NAME.fullmatch(name):
            raise bad_request(
                "A bot's name is up to 100 letters, digits, '.', '_' and '-', the first a letter or digit."
            )
        if request.content_length is not None and request.content_length > _LIMIT:
            raise _too_large()
        payload = await read_json(request)
        if request.content_length is None and len(await request.read()) > _LIMIT:
            raise _too_large()
        wrong = check_extent(payload)
        if wrong:
            raise bad_request(f"The heartbeat {wrong}.")
        try:
            self._bots.take(name, fitted(Heartbeat, payload), payload, self._now())
        except TooManyBotsError:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS, Reason.STATE, "No further bot can be remembered (telemetry.max_bots)."
            ) from None
        return web.json_response({"ok": True})

    async def _status(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._bots.status_json(self._now()), content_type="application/json")

    async def _prune(self, request: web.Request) -> web.Response:
        written = request.query.get("older_ms", "")
        if not _AGE.fullmatch(written):
            raise bad_request("Say how old in milliseconds: /admin/prune?older_ms=60000.")
        gone = self._bots.prune(int(written), self._now())
        return web.json_response({"removed": list(gone), "left": len(self._bots)})


def _too_large() -> RefusedError:
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Reason.REQUEST, f"A heartbeat has at most {_LIMIT} bytes.")


def _is_here(peer: str | None) -> bool:
    try:
        return peer is not None and ip_address(peer).is_loopback
    except ValueError:
        return False
