"""How signed transactions leave: over one ordered WebSocket with several in flight, or over HTTP one at a time.

Both hand back a future at once. It ends with None when the venue took the transaction, or with the error that says what
is known. Nothing is ever sent twice.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from venues.errors import Malformed, OutcomeUnknown, Unreachable, VenueError
from venues.http import parse_json
from venues.lighter.answers import judge_write, quota_of
from venues.lighter.background import Background
from venues.lighter.config import LighterVenueConfig
from venues.lighter.rest import LighterRest
from venues.stream import ChannelAges, ReconnectingStream, StreamOptions

_LOG = logging.getLogger(__name__)

SEND_TX: Final = "jsonapi/sendtx"
PING: Final = '{"type":"ping"}'
PONG: Final = '{"type":"pong"}'
_SOCKET: Final = "orders"
_SILENT_PINGS: Final = 3
"""So many pings without any frame in return and the connection is given up."""

_SHOWN = 200
"""Characters of an answer that are shown in a reason."""


class OrderLine(Protocol):
    """A way for transactions to leave, in the order of the calls."""

    async def start(self) -> None:
        """Be ready to send. Raises Unreachable."""

    async def send(self, tx_type: int, tx_info: str, tx_hash: str) -> "asyncio.Future[None]":
        """Hand over one transaction; the future tells what became of it."""

    async def close(self) -> None:
        """End; what is unanswered ends as OutcomeUnknown."""


def stream_options(config: LighterVenueConfig) -> StreamOptions:
    """Return the shared stream's settings from ours."""
    return StreamOptions(
        open_timeout_s=config.connect_timeout_s,
        first_wait_s=config.reconnect_first_s,
        longest_wait_s=config.reconnect_max_s,
        max_frame_bytes=config.max_answer_bytes,
    )


class _Sent:
    """One transaction on its way. A time-out leaves it here, so that its late answer is not taken for another's."""

    __slots__ = ("future", "timer", "tx_hash")

    def __init__(self, future: "asyncio.Future[None]", tx_hash: str) -> None:
        self.future = future
        self.tx_hash = tx_hash
        self.timer: asyncio.TimerHandle | None = None


class WebSocketLine:
    """Transactions over a WebSocket of their own: their order is the order of the frames."""

    def __init__(self, config: LighterVenueConfig, jitter: random.Random, *, on_quota: Callable[[int], None]) -> None:
        """Keep the settings; does no I/O. `on_quota` is told the volume quota that an answer states."""
        self._config = config
        self._on_quota = on_quota
        self._sent: dict[str, _Sent] = {}
        self._last_id = 0
        self._leaving = False
        self._background = Background()
        self._ages = ChannelAges({_SOCKET: config.ping_every_s * _SILENT_PINGS})
        self._stream = ReconnectingStream(
            config.stream_url,
            on_frame=self._on_frame,
            on_open=self._on_open,
            on_close=self._on_close,
            ages=self._ages,
            jitter=jitter,
            options=stream_options(config),
        )

    @property
    def reconnects(self) -> int:
        """Return how many connections came after the first."""
        return self._stream.reconnects

    async def start(self) -> None:
        """Connect. Raises Unreachable."""
        self._stream.start()
        self._background.start("order pings", self._ping())
        await self._stream.wait_open(self._config.connect_timeout_s)

    async def send(self, tx_type: int, tx_info: str, tx_hash: str) -> "asyncio.Future[None]":
        """Write one frame; return the answer to come."""
        loop = asyncio.get_running_loop()
        sent = _Sent(loop.create_future(), tx_hash)
        if self._leaving or not self._stream.is_open:
            sent.future.set_exception(Unreachable("the order connection is down"))
            return sent.future
        self._last_id += 1
        number = str(self._last_id)
        self._sent[number] = sent
        # The signed JSON goes in as it is: the venue hashes its fields, and re-writing them could only do harm.
        frame = f'{{"type":"{SEND_TX}","data":{{"id":"{number}","tx_type":{tx_type},"tx_info":{tx_info}}}}}'
        sent.timer = loop.call_later(self._config.ack_timeout_s, self._late, sent)
        try:
            async with asyncio.timeout(self._config.ack_timeout_s):
                await self._stream.send(frame, epoch=self._stream.epoch)
        except (Unreachable, OutcomeUnknown) as error:
            self._settle(number, error)
        except TimeoutError:
            # A peer that does not read holds up every write behind this one.
            self._settle(number, OutcomeUnknown("the connection takes no bytes"))
            self._stream.reconnect("takes no bytes")
        return sent.future

    async def close(self) -> None:
        """Close the connection."""
        await self._background.close()
        await self._stream.close()

    async def _on_open(self, _epoch: int) -> None:
        self._leaving = False

    def _on_close(self, _epoch: int, reason: str) -> None:
        for number in list(self._sent):
            self._settle(number, OutcomeUnknown(f"the connection ended before the answer: {reason}"))

    def _on_frame(self, text: str, _epoch: int) -> None:
        self._ages.heard(_SOCKET)
        try:
            frame = parse_json(text)
        except Malformed:
            frame = None
        if not isinstance(frame, dict):
            self._stream.reconnect("a frame that cannot be read")
            return
        match frame.get("type"):
            case "ping":
                self._background.start("pong", self._say(PONG))
            case "shutdown":
                self._leaving = True
                self._leave_when_answered()
            case "connected" | "pong":
                pass
            case _:
                self._answer(frame)

    def _answer(self, frame: Mapping[str, Any]) -> None:
        """Give an answer to the transaction it is for: by its number, its hash, or because only one is under way.

        An answer that could be for any of several is for none: each waits for its own, or ends in doubt.
        """
        if "id" not in frame and not isinstance(frame.get("tx_hash"), str) and len(self._sent) > 1:
            shown = json.dumps(frame, default=str)[:_SHOWN]
            _LOG.warning("an answer that names none of %d transactions: %s", len(self._sent), shown)
            return
        number = self._number_of(frame)
        if number is None:
            _LOG.warning("an answer to no transaction of ours: %s", json.dumps(frame, default=str)[:_SHOWN])
            return
        error = frame.get("error")
        try:
            judge_write(None, error if isinstance(error, dict) else frame)
        except VenueError as outcome:
            self._settle(number, outcome)
        else:
            quota = quota_of(frame)
            if quota is not None:
                self._on_quota(quota)
            self._settle(number, None)

    def _number_of(self, frame: Mapping[str, Any]) -> str | None:
        if "id" in frame:
            number = str(frame["id"])
            return number if number in self._sent else None
        tx_hash = frame.get("tx_hash")
        if isinstance(tx_hash, str):
            return next((number for number, sent in self._sent.items() if sent.tx_hash == tx_hash), None)
        return next(iter(self._sent), None)

    def _settle(self, number: str, error: VenueError | None) -> None:
        sent = self._sent.pop(number, None)
        if sent is None:
            return
        if sent.timer is not None:
            sent.timer.cancel()
        if not sent.future.done():
            if error is None:
                sent.future.set_result(None)
            else:
                sent.future.set_exception(error)
        self._leave_when_answered()

    def _late(self, sent: _Sent) -> None:
        if not sent.future.done():
            sent.future.set_exception(OutcomeUnknown(f"no answer within {self._config.ack_timeout_s} s"))

    def _leave_when_answered(self) -> None:
        if self._leaving and all(sent.future.done() for sent in self._sent.values()):
            self._stream.reconnect("the venue announced a shutdown")

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._config.ping_every_s)
            await self._say(PING)

    async def _say(self, text: str) -> None:
        try:
            await self._stream.send(text)
        except (Unreachable, OutcomeUnknown):
            return  # the stream reconnects by itself; a ping has no outcome to lose


class HttpLine:
    """Transactions over HTTP: one at a time, because two requests may overtake each other."""

    reconnects = 0

    def __init__(self, rest: LighterRest) -> None:
        """Keep the way out."""
        self._rest = rest
        self._turn = asyncio.Lock()
        self._background = Background()

    async def start(self) -> None:
        """Nothing to open."""

    async def send(self, tx_type: int, tx_info: str, tx_hash: str) -> "asyncio.Future[None]":  # noqa: ARG002 - HTTP needs no matching
        """Start the request; return the answer to come."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._background.start("send", self._send(tx_type, tx_info, future))
        return future

    async def close(self) -> None:
        """Cut off what is unanswered."""
        await self._background.close()

    async def _send(self, tx_type: int, tx_info: str, future: "asyncio.Future[None]") -> None:
        try:
            async with self._turn:
                await self._rest.send_tx(tx_type, tx_info)
        except VenueError as error:
            if not future.done():
                future.set_exception(error)
        except asyncio.CancelledError:
            if not future.done():
                future.set_exception(OutcomeUnknown("closed before the answer"))
            raise
        else:
            if not future.done():
                future.set_result(None)
