"""One WebSocket connection: frames out in order, never waiting for a slow reader; keepalive by pings both ways."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import WSCloseCode, web

from venues.simulator.lighter.limits import MAX_SOCKET_MESSAGES_PER_MINUTE, WINDOW_MS

MAX_QUEUED_FRAMES = 20_000
"""A client that lets this many frames wait is cut off."""
PONG = '{"type":"pong"}'
PING = '{"type":"ping"}'


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When the server pings, and when it gives a silent client up. Seconds."""

    ping_every_s: float = 60.0
    pong_within_s: float = 30.0
    idle_s: float = 120.0


"""The documented rule is one client frame every two minutes; that unanswered pings close with 1008 was observed."""


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


class Connection:
    """The server's end of one connection."""

    def __init__(self, ws: web.WebSocketResponse, request: web.BaseRequest, keepalive: Keepalive) -> None:
        """Take over an upgraded connection."""
        self.session_id = uuid4().hex
        self.request = request
        self.accounts: set[int] = set()
        self._ws = ws
        self._keepalive = keepalive
        self._outbox: asyncio.Queue[str | _Close] = asyncio.Queue()
        self._heard_at = time.monotonic()
        self._ping_at: float | None = None  # when the ping went out that no pong has answered yet
        self._counted: deque[float] = deque()

    def send(self, text: str) -> None:
        """Queue a frame; cut a client off that lets too many wait."""
        if self._outbox.qsize() < MAX_QUEUED_FRAMES:
            self._outbox.put_nowait(text)
        elif self.request.transport is not None:
            self.request.transport.abort()

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued has gone out."""
        self._outbox.put_nowait(_Close(code, reason))

    def heard(self) -> None:
        """Note that the client said something."""
        self._heard_at = time.monotonic()

    def answered_ping(self) -> None:
        """Note that the client answered the last ping."""
        self._ping_at = None

    def may_speak(self) -> bool:
        """Count one message of the client; False when this minute has had too many."""
        now = time.monotonic()
        while self._counted and self._counted[0] <= now - WINDOW_MS / 1000:
            self._counted.popleft()
        if len(self._counted) >= MAX_SOCKET_MESSAGES_PER_MINUTE:
            return False
        self._counted.append(now)
        return True

    async def send_loop(self) -> None:
        """Write queued frames until the connection ends; ping, and give up a client that stays silent."""
        next_ping = time.monotonic() + self._keepalive.ping_every_s
        with contextlib.suppress(ConnectionError):  # the client is gone: the reading side ends the connection
            while not self._ws.closed:
                try:
                    async with asyncio.timeout(max(min(next_ping, self._deadline()) - time.monotonic(), 0.0)):
                        item = await self._outbox.get()
                except TimeoutError:
                    if time.monotonic() >= self._deadline():
                        await self._ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"no pong")
                        return
                    next_ping = time.monotonic() + self._keepalive.ping_every_s
                    self._ping_at = self._ping_at or time.monotonic()
                    await self._ws.send_str(PING)
                    continue
                if isinstance(item, _Close):
                    await self._ws.close(code=item.code, message=item.reason.encode())
                    return
                await self._ws.send_str(item)

    def _deadline(self) -> float:
        """Return when patience ends: an unanswered ping, or two silent minutes."""
        idle = self._heard_at + self._keepalive.idle_s
        return idle if self._ping_at is None else min(idle, self._ping_at + self._keepalive.pong_within_s)
