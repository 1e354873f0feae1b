"""One web application on one loopback port, near or far away."""

import errno
import socket

from aiohttp import web

from venues.simulator.relay import DelayRelay

_MS_PER_S = 1000
_SHUTDOWN_S = 1.0
"""How long open requests may take once we stop: they are on loopback, and nobody waits for the answers."""


class PortInUseError(Exception):
    """Somebody else listens on the port."""


class Listener:
    """Serves an application, with a round trip of `latency_ms` when that is above zero."""

    def __init__(self, app: web.Application, host: str, latency_ms: int) -> None:
        """Prepare; nothing listens yet."""
        self._host = host
        self._latency_s = latency_ms / _MS_PER_S
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
        self._relay: DelayRelay | None = None
        self.port = 0
        """The port, once started."""

    async def start(self, port: int) -> None:
        """Listen on the port; 0 = a free one.

        Raises:
            PortInUseError: somebody else has it.
        """
        await self._runner.setup()
        far = self._latency_s > 0
        try:
            inner = await self._serve(0 if far else port)
            self.port = inner
            if far:
                self._relay = DelayRelay(self._host, inner, self._latency_s / 2)
                self.port = await self._relay.start(port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(f"port {port} on {self._host} is in use") from error
            raise

    async def stop(self) -> None:
        """Close the port and every connection. May be called twice."""
        if self._relay is not None:
            await self._relay.stop()
            self._relay = None
        await self._runner.cleanup()

    async def _serve(self, port: int) -> int:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self._host, port))
            await web.SockSite(self._runner, listening).start()
        except OSError:
            listening.close()
            raise
        return int(listening.getsockname()[1])
