"""`GET /api/groups/{group}/cycles/{cycle}`: why a cycle went as it did, as JSON."""

import asyncio
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus

import structlog
from aiohttp import web

from actors.explain.story import Cycle, CycleUnknownError, Explainer
from actors.journal.protocol import JournalError
from actors.web.refusal import Reason, RefusedError
from strategies.domain.ids import GroupId

_LAST = "last"
_NUMBER = re.compile(r"[0-9]{1,9}")
_WAIT_S = 5.0
"""How long a request waits for the one before it: an explanation is a second of reading, a long journal takes more."""

_log = structlog.get_logger(__name__)


class Cycles:
    """The endpoint that explains. One explanation at a time: each takes a processor while it lasts."""

    def __init__(self, groups: Callable[[], Iterable[GroupId]], explain: Explainer) -> None:
        """Explain cycles of `groups` with `explain`, in a thread."""
        self._groups = groups
        self._explain = explain
        self._turn = asyncio.Lock()

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the endpoint."""
        return (web.get("/api/groups/{group}/cycles/{cycle}", self._cycle),)

    async def _cycle(self, request: web.Request) -> web.Response:
        group, written = GroupId(request.match_info["group"]), request.match_info["cycle"]
        if group not in self._groups():
            raise RefusedError(HTTPStatus.NOT_FOUND, Reason.REQUEST, "There is no such group.")
        if written != _LAST and not _NUMBER.fullmatch(written):
            raise RefusedError(HTTPStatus.NOT_FOUND, Reason.REQUEST, "A cycle is a number, or last.")
        cycle = await self._in_turn(group, None if written == _LAST else int(written))
        return web.Response(body=cycle.model_dump_json().encode(), content_type="application/json")

    async def _in_turn(self, group: GroupId, number: int | None) -> Cycle:
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._turn.acquire()
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS, Reason.STATE, "Another explanation is being read; ask again."
            ) from None
        try:
            # Shielded: who asks may go away, and the thread goes on all the same; its turn ends with it.
            return await asyncio.shield(asyncio.ensure_future(self._read(group, number)))
        except CycleUnknownError as error:
            raise RefusedError(HTTPStatus.NOT_FOUND, Reason.REQUEST, str(error)) from None
        except JournalError as error:
            _log.error("explain_failed", group=group, error=str(error))
            raise RefusedError(HTTPStatus.CONFLICT, Reason.STATE, f"The journal cannot be read: {error}") from None

    async def _read(self, group: GroupId, number: int | None) -> Cycle:
        try:
            return await asyncio.to_thread(self._explain, group, number)
        finally:
            self._turn.release()
