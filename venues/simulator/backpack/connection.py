"""One WebSocket client: its subscriptions, the frames on their way to it, and whether it still answers pings."""

import asyncio
import json
from collections import deque
from collections.abc import Callable

from aiohttp import WSCloseCode, web

from venues.simulator.backpack.channels import Channel
from venues.simulator.backpack.context import VENUE, Context
from venues.simulator.backpack.frames import Frame
from venues.simulator.faults import STREAM_KINDS, FaultKind

OUTBOX_LIMIT = 10_000
"""Frames that may wait for a slow client before its socket is closed."""
MS_PER_SECOND = 1000
COMPACT = (",", ":")


def envelope(channel: Channel, frame: Frame) -> str:
    """Return a frame of a stream as text. It is the same for everybody who follows the stream: written once."""
    return json.dumps({"stream": channel.name, "data": frame}, separators=COMPACT)


class Connection:
    """A client's socket. Frames pass the fault book one by one on their way into the outbox."""

    def __init__(self, socket: web.WebSocketResponse, context: Context, clock: Callable[[], float]) -> None:
        """Wrap an open socket; `clock` counts seconds for pongs."""
        self.socket = socket
        self.signer: str | None = None
        """The account that signed last: faults of public streams may be meant for it alone."""
        self.subscriptions: dict[str, tuple[Channel, str | None]] = {}
        """Stream name → stream, and the account that signed for it."""
        self._context = context
        self._clock = clock
        self._outbox: deque[str] = deque()
        self._wake = asyncio.Event()
        self._close_code: WSCloseCode | None = None
        self._held: dict[str, str] = {}
        self._pong_at = clock()

    def offer(self, channel: Channel, text: str) -> None:
        """Send a frame of a stream, ready as text, unless a fault holds, doubles, delays or swallows it."""
        account = self.subscriptions[channel.name][1] or self.signer
        faults = self._context.faults
        if faults.frozen(VENUE, account, channel.kind):
            return
        fault = faults.take(VENUE, account, f"stream:{channel.kind}", kinds=STREAM_KINDS)
        held = self._held.pop(channel.name, None)
        if fault is None:
            self._put(text)
        elif fault.kind is FaultKind.DUPLICATE_EVENT:
            self._put(text)
            self._put(text)
        elif fault.kind is FaultKind.REORDER_EVENTS:
            self._held[channel.name] = text
        elif fault.kind is FaultKind.DELAY_EVENTS:
            asyncio.get_running_loop().call_later(fault.delay_ms / MS_PER_SECOND, self._put, text)
        elif fault.kind is FaultKind.CLOSE_STREAM:
            self.close_soon(WSCloseCode.GOING_AWAY)
        if held is not None:
            self._put(held)

    def say(self, message: Frame) -> None:
        """Send something that belongs to no stream."""
        self._put(json.dumps(message, separators=COMPACT))

    def close_soon(self, code: WSCloseCode) -> None:
        """Close the socket; what is still in the outbox is lost."""
        self._close_code = code
        self._wake.set()

    def heard_pong(self) -> None:
        """Note that the client answered."""
        self._pong_at = self._clock()

    async def write(self) -> None:
        """Send what comes into the outbox until the socket must close, then close it."""
        while self._close_code is None:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox and self._close_code is None:
                await self.socket.send_str(self._outbox.popleft())
        await self.socket.close(code=self._close_code)

    async def ping(self) -> None:
        """Ping at the venue's pace and close the socket of a client that has not answered in time."""
        options = self._context.options
        while True:
            await asyncio.sleep(options.ping_interval_s)
            if self._clock() - self._pong_at > options.pong_timeout_s:
                self.close_soon(WSCloseCode.POLICY_VIOLATION)
                return
            await self.socket.ping()

    def _put(self, text: str) -> None:
        if len(self._outbox) >= OUTBOX_LIMIT:
            self.close_soon(WSCloseCode.POLICY_VIOLATION)
            return
        self._outbox.append(text)
        self._wake.set()
