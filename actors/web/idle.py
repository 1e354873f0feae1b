"""Connections that ask for nothing: closed after a while, with their answer in a crowd, and at once when it grows on.

The HTTP library bounds the time between two requests, not that before the first one, and a process has only so many
open files: what holds them here is missing to the journal and the actors' links.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

_SWEEP_EVERY_S = 5.0
"""How often it is looked: as fast as anybody could open connections that matter."""
_IDLE_S = 40.0
"""Longest life of a connection without a request: more than the library's own bound between two of them."""
_CROWDED = 128
"""Connections from which on each is closed with its answer, which says so: hundreds of bots that report every few
seconds then hold none in between, and none of them writes into one that is being closed."""
_MANY = 256
"""Connections from which on idle ones are closed at once: ten times what twenty dashboards and a Prometheus need."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger(__name__)


class IdleConnections:
    """Knows which connections are being answered, and closes the others in time."""

    def __init__(self) -> None:
        """Know of none."""
        self._busy: set[object] = set()
        self._idle_since: dict[object, float] = {}
        self._server: web.Server | None = None

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve as a middleware: a connection is busy while its request is answered."""
        self._busy.add(request.protocol)
        try:
            answer = await handler(request)
        finally:
            self._busy.discard(request.protocol)
        if self._server is not None and len(self._server.connections) > _CROWDED and not answer.prepared:
            answer.force_close()
        return answer

    async def keep_few(self, server: web.Server) -> None:
        """Sweep until cancelled."""
        self._server = server
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            self.sweep(server, asyncio.get_running_loop().time())

    def sweep(self, server: web.Server, now: float) -> None:
        """Close what has been idle for long, or is idle while there are many."""
        connections = server.connections
        idle: dict[object, float] = {
            each: self._idle_since.get(each, now) for each in connections if each not in self._busy
        }
        many = len(connections) > _MANY
        closing = [each for each in connections if each in idle and (many or now - idle[each] > _IDLE_S)]
        for each in closing:
            each.force_close()
            del idle[each]
        self._idle_since = {**idle}
        if closing:
            _log.warning("connections_closed", idle=len(closing), of=len(connections))
