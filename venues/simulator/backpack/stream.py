"""The WebSocket front: subscriptions, and who hears of what."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import assert_never

from aiohttp import WSCloseCode, WSMsgType, web

from strategies.domain.ids import VenueSymbol
from strategies.domain.money import ZERO
from venues.simulator.backpack import frames
from venues.simulator.backpack.auth import Authenticator
from venues.simulator.backpack.channels import ORDER_UPDATES, POSITION_UPDATES, Channel, parse_channel
from venues.simulator.backpack.connection import Connection, envelope
from venues.simulator.backpack.context import VENUE, Context
from venues.simulator.backpack.errors import ApiError, injected
from venues.simulator.backpack.feed import BEAT_S, MarketFeed
from venues.simulator.backpack.frames import Frame
from venues.simulator.backpack.transport import drop
from venues.simulator.faults import FaultKind
from venues.simulator.model import (
    AccountLiquidated,
    ExchangeEvent,
    FundingPaid,
    MarketMoved,
    OrderChanged,
    PositionChanged,
    Traded,
)

INVALID_STREAM = 4006
"""The only error code that sources show; other refusals of a request use it too, with their own words."""
CLOSE_TIMEOUT_S = 1.0
"""How long a closing socket waits for the client's close frame. The real venue gives 30 s."""
CONNECT_KINDS = frozenset({FaultKind.REFUSE, FaultKind.RESET, FaultKind.STATUS_BEFORE})
"""What can go wrong with a socket that is being opened."""
AT_ONCE = frozenset({"bookTicker", "depth"})
"""Streams that speak at every change, when they have no cadence; the others wait for the beat."""


class InvalidRequestError(Exception):
    """A message of a client that cannot be followed."""


class StreamFront:
    """Every open socket, and the streams they follow."""

    def __init__(self, context: Context, authenticator: Authenticator) -> None:
        """Serve `context`. Nothing runs until the first socket opens."""
        self._context = context
        self._authenticator = authenticator
        self._feed = MarketFeed(context)
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until it closes."""
        # Nobody has signed yet: only a fault that names no account can be meant.
        fault = self._context.faults.take(VENUE, None, "connect", kinds=CONNECT_KINDS)
        if fault is not None and fault.kind is FaultKind.STATUS_BEFORE:
            return injected(fault.status, fault.body)
        if fault is not None:
            drop(request, reset=fault.kind is FaultKind.RESET)
            return web.Response()
        socket = web.WebSocketResponse(autoping=False, timeout=CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        connection = Connection(socket, self._context, asyncio.get_running_loop().time)
        self._connections.add(connection)
        if self._beating is None:
            self._beating = self._start(self._beat())
        work = [self._start(_until_gone(connection.write())), self._start(_until_gone(connection.ping()))]
        try:
            await self._listen(connection)
        finally:
            self._connections.discard(connection)
            self._forget_unfollowed()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        return socket

    async def stop(self) -> None:
        """Send every client a close frame, and end all work."""
        for connection in list(self._connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY, message=b"shutdown")
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._beating = None

    def publish(self, events: Sequence[ExchangeEvent]) -> None:
        """Tell every socket what happened."""
        moved: dict[VenueSymbol, None] = {}
        for event in events:
            match event:
                case OrderChanged():
                    self._tell_order(event)
                    moved[event.order.symbol] = None
                case PositionChanged():
                    self._tell_position(event)
                case Traded(trade):
                    self._tell_trade(event)
                    moved[trade.symbol] = None
                case MarketMoved(symbol):
                    moved[symbol] = None
                case FundingPaid() | AccountLiquidated():
                    pass  # no stream of its own: funding shows over REST, a liquidation in its order and position
                case _:
                    assert_never(event)
        for channel in self._followed():
            if channel.kind in AT_ONCE and not channel.cadence_ms and channel.symbol in moved:
                self._tell_market(channel)

    def _start(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            for channel in self._followed():
                self._tell_market(channel)

    # --- what clients ask ---

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            match message.type:
                case WSMsgType.PING:
                    await connection.socket.pong(message.data)
                case WSMsgType.PONG:
                    connection.heard_pong()
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    self._follow_request(connection, message.data)
                case _:
                    return

    def _follow_request(self, connection: Connection, raw: str | bytes) -> None:
        request_id: object = None
        try:
            request = _parsed(raw)
            request_id = request.get("id")
            self._obey(connection, request)
        except InvalidRequestError as error:
            connection.say({"id": request_id, "error": {"code": INVALID_STREAM, "message": str(error)}})

    def _obey(self, connection: Connection, request: Mapping[str, object]) -> None:
        channels = self._channels(request)
        match request.get("method"):
            case "SUBSCRIBE":
                self._subscribe(connection, channels, request.get("signature"))
            case "UNSUBSCRIBE":
                for channel in channels:
                    connection.subscriptions.pop(channel.name, None)
                self._forget_unfollowed()
            case _:
                raise InvalidRequestError("Invalid method")

    def _channels(self, request: Mapping[str, object]) -> list[Channel]:
        names = request.get("params")
        if not isinstance(names, list) or not names:
            raise InvalidRequestError("Invalid stream")
        channels: list[Channel] = []
        for name in names:
            channel = parse_channel(name) if isinstance(name, str) else None
            if channel is None or (channel.symbol is not None and channel.symbol not in self._context.exchange.markets):
                raise InvalidRequestError("Invalid stream")
            channels.append(channel)
        return channels

    def _subscribe(self, connection: Connection, channels: Sequence[Channel], signature: object) -> None:
        account = None
        if any(channel.is_private for channel in channels):
            if not isinstance(signature, list):
                raise InvalidRequestError("A signature is required")
            try:
                account = self._authenticator.subscriber(signature)
            except ApiError as error:
                raise InvalidRequestError(error.message) from error
            connection.signer = account
        for channel in channels:
            connection.subscriptions[channel.name] = (channel, account if channel.is_private else None)
            if not channel.is_private:
                self._feed.follow(channel, asyncio.get_running_loop().time())
            elif channel.kind == POSITION_UPDATES and account is not None:
                self._show_positions(connection, channel, account)

    def _show_positions(self, connection: Connection, channel: Channel, account: str) -> None:
        for row in self._context.exchange.positions(account):
            if row.quantity != ZERO and channel.covers(row.symbol):
                position_id = self._context.memory.position_id(account, row.symbol)
                frame = frames.position_update(
                    None,
                    row,
                    self._context.exchange.market(row.symbol),
                    position_id=position_id,
                    exposure=self._context.exposure(account, row.symbol),
                    at_us=self._context.at_us(),
                )
                connection.offer(channel, envelope(channel, frame))

    # --- what clients are told ---

    def _tell_order(self, event: OrderChanged) -> None:
        order, trade = event.order, event.trade
        name = frames.order_event(order, trade)
        frame = frames.order_update(name, order, self._context.memory.sent(order), trade, self._context.at_us())
        self._tell_account(ORDER_UPDATES, order.account, order.symbol, frame)

    def _tell_position(self, event: PositionChanged) -> None:
        row = event.position
        name, position_id = self._context.memory.position_event(event.account, row)
        frame = frames.position_update(
            name,
            row,
            self._context.exchange.market(row.symbol),
            position_id=position_id,
            exposure=self._context.exposure(event.account, row.symbol),
            at_us=self._context.at_us(),
        )
        self._tell_account(POSITION_UPDATES, event.account, row.symbol, frame)

    def _tell_account(self, kind: str, account: str, symbol: VenueSymbol, frame: Frame) -> None:
        for connection in self._connections:
            for channel, signer in list(connection.subscriptions.values()):
                if channel.kind == kind and signer == account and channel.covers(symbol):
                    connection.offer(channel, envelope(channel, frame))

    def _tell_trade(self, event: Traded) -> None:
        frame = frames.public_trade(event.trade, self._context.at_us())
        for channel in self._followed():
            if channel.kind == "trade" and channel.symbol == event.trade.symbol:
                self._tell_followers(channel, frame)

    def _tell_market(self, channel: Channel) -> None:
        frame = self._feed.frame(channel, asyncio.get_running_loop().time())
        if frame is not None:
            self._tell_followers(channel, frame)

    def _tell_followers(self, channel: Channel, frame: Frame) -> None:
        text = envelope(channel, frame)
        for connection in self._connections:
            if channel.name in connection.subscriptions:
                connection.offer(channel, text)

    def _followed(self) -> list[Channel]:
        """Return every public stream that somebody follows, once each."""
        channels = {
            name: channel
            for connection in self._connections
            for name, (channel, _) in connection.subscriptions.items()
            if not channel.is_private
        }
        return list(channels.values())

    def _forget_unfollowed(self) -> None:
        self._feed.keep({channel.name for channel in self._followed()})


def _parsed(raw: str | bytes) -> Mapping[str, object]:
    try:
        request = json.loads(raw)
    except ValueError as error:
        raise InvalidRequestError("Invalid request") from error
    if not isinstance(request, dict):
        raise InvalidRequestError("Invalid request")
    return request


async def _until_gone(work: Coroutine[object, object, None]) -> None:
    """Do the work of a socket; a client that went away ends it."""
    try:
        await work
    except ConnectionError:
        return
