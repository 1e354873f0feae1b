"""A WebSocket that comes back by itself and says so, content ages per channel, and a bounded feed for one reader."""

import asyncio
import contextlib
import contextvars
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.protocol import State

from venues.errors import OutcomeUnknown, Unreachable

_LOG = logging.getLogger(__name__)

_SHOWN_CHARS: Final = 500
"""How much of a frame one debug line shows."""
_LIBRARY_LOG: Final = logging.getLogger(f"{__name__}.library")
"""The library logs whole frames, signatures and tokens included; this keeps it to warnings."""
_LIBRARY_LOG.setLevel(logging.WARNING)
_WAIT_FACTOR: Final = 2.0
"""Each failed attempt doubles the wait before the next."""
_LARGEST_EXPONENT: Final = 30
"""Keeps the doubling finite; the longest wait is reached long before."""

T = TypeVar("T")


class StreamOptions(BaseModel):
    """How a stream connects, gives up and comes back. Durations in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    open_timeout_s: float = Field(default=10.0, gt=0, description="TCP, TLS and handshake together; a slow TLS fits")
    ping_interval_s: float = Field(default=20.0, gt=0, description="finds dead transports; content ages find the rest")
    ping_timeout_s: float = Field(default=20.0, gt=0, description="no pong for this long: the transport is dead")
    close_timeout_s: float = Field(default=1.0, gt=0, description="politeness at closing must not delay an exit")
    first_wait_s: float = Field(default=0.1, gt=0, description="before the first new attempt; a blip costs little")
    longest_wait_s: float = Field(default=10.0, gt=0, description="between attempts at most; quick after an outage")
    steady_s: float = Field(default=5.0, ge=0, description="a connection this old starts the back-off anew")
    check_s: float = Field(default=0.5, gt=0, description="how often content ages are judged")
    max_frame_bytes: int = Field(
        default=8 * 1024 * 1024, gt=0, description="a full book snapshot fits; more is a fault"
    )


class ChannelAges:
    """How long ago each channel last said something. A pong says nothing about a channel; only content counts.

    A channel with a bound that has been silent for longer is stale; one with bound None is only reported. Times are
    the running event loop's.
    """

    def __init__(self, bounds_s: Mapping[str, float | None]) -> None:
        """Take the channels and how many seconds each may be silent."""
        self._bounds_s = dict(bounds_s)
        self._heard_at: dict[str, float] = {}

    def start(self) -> None:
        """Begin counting for every channel now: a connection is new and owes its first word."""
        now = asyncio.get_running_loop().time()
        self._heard_at = dict.fromkeys(self._bounds_s, now)

    def heard(self, channel: str) -> None:
        """Note content on a channel."""
        self._heard_at[channel] = asyncio.get_running_loop().time()

    def ages(self) -> dict[str, float]:
        """Return seconds since each channel's last content (or the start); channels never started are infinite."""
        if not self._heard_at:
            return dict.fromkeys(self._bounds_s, float("inf"))
        now = asyncio.get_running_loop().time()
        return {channel: max(0.0, now - at) for channel, at in self._heard_at.items()}

    def stale(self) -> list[str]:
        """Return the channels that have been silent for longer than their bound."""
        ages = self.ages()
        return [
            channel
            for channel, bound in self._bounds_s.items()
            if bound is not None and ages.get(channel, float("inf")) > bound
        ]


class ReconnectingStream:
    """One WebSocket to one address that is opened again whenever it ends, until `close`.

    Every connection has an epoch, from 1. For each, in this order: `on_open(epoch)` (send subscriptions here),
    `on_frame(text, epoch)` for each text frame, `on_close(epoch, reason)` exactly once. A connection whose `on_open`
    fails with a venue error is closed like any other. Callbacks run in the stream's own task, one at a time;
    `on_open` runs while frames already wait, and none is lost.
    """

    def __init__(
        self,
        url: str,
        *,
        on_frame: Callable[[str, int], None],
        on_open: Callable[[int], Awaitable[None]],
        on_close: Callable[[int, str], None],
        ages: ChannelAges,
        jitter: random.Random,
        options: StreamOptions | None = None,
    ) -> None:
        """Keep the settings; does no I/O.

        Args:
            url: `ws://` or `wss://`.
            on_frame: gets every text frame; must not block and must not raise.
            on_open: awaited after each connect, before frames are handed on.
            on_close: told of the end of each connection that was open, with the reason in words.
            ages: content ages; restarted at each connect, and a stale channel ends the connection.
            jitter: draws the random part of waits, so that many accounts do not return at once.
            options: timings and limits.
        """
        self._url = url
        self._on_frame = on_frame
        self._on_open = on_open
        self._on_close = on_close
        self._ages = ages
        self._jitter = jitter
        self._options = options or StreamOptions()
        self._connection: ClientConnection | None = None
        self._ready = asyncio.Event()
        self._epoch = 0
        self._end_reason = ""
        self._failures = 0
        self._last_error = "not started"
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._judge_timer: asyncio.TimerHandle | None = None
        self._sending = asyncio.Lock()

    @property
    def epoch(self) -> int:
        """Return the number of the current or last connection; 0 = none yet."""
        return self._epoch

    @property
    def is_open(self) -> bool:
        """Say whether a connection is open and its `on_open` is done."""
        return self._ready.is_set()

    @property
    def reconnects(self) -> int:
        """Return how many connections came after the first."""
        return max(0, self._epoch - 1)

    def start(self) -> None:
        """Begin to connect, in the background. Second calls do nothing."""
        if self._task is None:
            # An empty context: whoever called us may be cancelled as a whole, and this must live on.
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name=f"stream {self._url}", context=contextvars.Context()
            )

    async def wait_open(self, timeout_s: float) -> None:
        """Wait until a connection is open and its `on_open` is done.

        Raises:
            Unreachable: not within `timeout_s`; says what the last attempt met.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError as error:
            raise Unreachable(f"{self._url}: not open after {timeout_s} s ({self._last_error})") from error

    async def send(self, text: str, *, epoch: int | None = None) -> int:
        """Send one text frame; frames leave in the order of the calls. Returns the epoch it left on.

        Args:
            text: the frame.
            epoch: send on this connection or not at all.

        Raises:
            Unreachable: no connection (or not that one): nothing left.
            OutcomeUnknown: the connection ended while sending.
        """
        async with self._sending:
            connection = self._connection
            if connection is None or connection.state is not State.OPEN or self._end_reason:
                raise Unreachable(f"{self._url}: no connection ({self._last_error})")
            if epoch is not None and epoch != self._epoch:
                raise Unreachable(f"{self._url}: connection {epoch} is gone, now {self._epoch}")
            on = self._epoch
            try:
                await connection.send(text)
            except (WebSocketException, OSError) as error:
                raise OutcomeUnknown(f"{self._url}: the connection ended while sending ({_describe(error)})") from error
            return on

    def reconnect(self, reason: str) -> None:
        """End this connection, for a reason that `on_close` is told, and open a new one."""
        connection = self._connection
        if connection is not None and not self._end_reason:
            self._end_reason = reason
            # Abort: a peer that is silent would also be slow to say goodbye.
            connection.transport.abort()

    async def close(self) -> None:
        """End for good. Always returns, whatever the peer does; may be called twice."""
        self._closing = True
        task, self._task = self._task, None
        if task is None:
            return
        connection = self._connection
        if connection is not None:
            self._end_reason = self._end_reason or "closed by us"
            with contextlib.suppress(WebSocketException, OSError, TimeoutError):
                async with asyncio.timeout(self._options.close_timeout_s):
                    await connection.close()
        task.cancel()
        await asyncio.wait({task})

    async def _run(self) -> None:
        while not self._closing:
            born_at = asyncio.get_running_loop().time()
            await self._one_connection()
            if asyncio.get_running_loop().time() - born_at >= self._options.steady_s:
                self._failures = 0
            if not self._closing:
                await asyncio.sleep(self._next_wait_s())

    def _next_wait_s(self) -> float:
        exponent = min(self._failures, _LARGEST_EXPONENT)
        self._failures += 1
        longest = min(self._options.longest_wait_s, self._options.first_wait_s * _WAIT_FACTOR**exponent)
        return longest * self._jitter.uniform(0.5, 1.0)

    async def _one_connection(self) -> None:
        options = self._options
        try:
            connection = await connect(
                self._url,
                open_timeout=options.open_timeout_s,
                ping_interval=options.ping_interval_s,
                ping_timeout=options.ping_timeout_s,
                close_timeout=options.close_timeout_s,
                max_size=options.max_frame_bytes,
                compression=None,  # frames are small, and inflating them costs more time than it saves
                proxy=None,
                logger=_LIBRARY_LOG,
            )
        except (WebSocketException, OSError, TimeoutError) as error:
            self._last_error = _describe(error)
            _LOG.debug("%s: no connection: %s", self._url, self._last_error)
            return
        self._epoch += 1
        self._end_reason = ""
        self._connection = connection
        self._ages.start()
        self._judge_later(self._epoch)
        reason = "closed by us"
        try:
            reason = await self._serve(connection)
        finally:
            if self._judge_timer is not None:
                self._judge_timer.cancel()
            self._ready.clear()
            self._connection = None
            self._last_error = self._end_reason or reason
            self._end_reason = ""
            self._on_close(self._epoch, self._last_error)
            connection.transport.abort()

    async def _serve(self, connection: ClientConnection) -> str:
        """Hand frames on until the connection ends; return why it ended."""
        try:
            await self._on_open(self._epoch)
            self._ready.set()
            async for frame in connection:
                text = frame if isinstance(frame, str) else frame.decode("utf-8", errors="replace")
                _LOG.debug("%s > %s", self._url, text[:_SHOWN_CHARS])
                self._on_frame(text, self._epoch)
                if self._end_reason:
                    return self._end_reason
        except (WebSocketException, OSError, TimeoutError, Unreachable, OutcomeUnknown) as error:
            return _describe(error)
        except Exception as error:  # noqa: BLE001 - a defect in a callback ends this connection aloud, not the stream in silence
            _LOG.exception("%s: a callback failed", self._url)
            return f"callback failed: {_describe(error)}"
        return f"closed by the venue ({connection.close_code} {connection.close_reason})"

    def _judge(self, epoch: int) -> None:
        """End a connection with a channel that has been silent for too long."""
        if epoch != self._epoch or self._connection is None:
            return
        stale = self._ages.stale()
        if stale:
            self.reconnect(f"silent: {', '.join(sorted(stale))}")
            return
        self._judge_later(epoch)

    def _judge_later(self, epoch: int) -> None:
        loop = asyncio.get_running_loop()
        self._judge_timer = loop.call_later(self._options.check_s, self._judge, epoch)


class Feed(Generic[T]):
    """A bounded queue with one reader. What does not fit is not dropped in silence: the reader is told.

    Items put with the same `replaces` key stand for one thing (a quote): a newer one takes the place of one that has
    not been read yet, so quotes never crowd out fills.
    """

    def __init__(self, limit: int, on_overflow: Callable[[int], T]) -> None:
        """Make an empty feed.

        Args:
            limit: how many items may wait.
            on_overflow: makes the item that stands for the given number of dropped ones.
        """
        self._limit = limit
        self._on_overflow = on_overflow
        self._cells: deque[_Cell[T]] = deque()
        self._by_key: dict[Hashable, _Cell[T]] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, item: T, *, replaces: Hashable | None = None) -> bool:
        """Queue an item; return False when everything queued had to be dropped for the note of an overflow."""
        if self._closed:
            return True
        if replaces is not None and replaces in self._by_key:
            self._by_key[replaces].item = item
            return True
        fits = len(self._cells) < self._limit
        if not fits:
            dropped = len(self._cells) + 1
            self._cells.clear()
            self._by_key.clear()
            item, replaces = self._on_overflow(dropped), None
        cell = _Cell(item, replaces)
        self._cells.append(cell)
        if replaces is not None:
            self._by_key[replaces] = cell
        self._changed.set()
        return fits

    def close(self) -> None:
        """End the reading once what is queued has been read."""
        self._closed = True
        self._changed.set()

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._cells)

    async def read(self) -> AsyncIterator[T]:
        """Yield items in order until the feed is closed and empty."""
        while True:
            while self._cells:
                cell = self._cells.popleft()
                if cell.key is not None:
                    self._by_key.pop(cell.key, None)
                yield cell.item
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()


class _Cell(Generic[T]):
    __slots__ = ("item", "key")

    def __init__(self, item: T, key: Hashable | None) -> None:
        self.item = item
        self.key = key


def _describe(error: BaseException) -> str:
    text = str(error)
    return f"{error.__class__.__name__}: {text}" if text else error.__class__.__name__
