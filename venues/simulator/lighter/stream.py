"""The `/stream` WebSocket: who follows what, what clients say, and what they hear."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from venues.simulator.faults import STREAM_KINDS, Fault, FaultKind
from venues.simulator.lighter.account_feed import AccountFeed
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.channels import PRIVATE, Channel, Kind, parse_channel
from venues.simulator.lighter.clock import VENUE
from venues.simulator.lighter.connection import PONG, Connection, Keepalive
from venues.simulator.lighter.digest import Digest
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.faulting import drop
from venues.simulator.lighter.limits import MAX_SOCKET_ACCOUNTS, MAX_SOCKETS, MAX_SUBSCRIPTIONS, Tier
from venues.simulator.lighter.market_feed import MarketFeed
from venues.simulator.lighter.payloads import Json
from venues.simulator.lighter.rest import json_response
from venues.simulator.lighter.rest_transactions import parse_batch, take_fault
from venues.simulator.lighter.submission import MAX_BATCH_WS
from venues.simulator.lighter.transactions import Transaction, parse_transaction
from venues.simulator.model import ExchangeEvent

CLOSE_WAIT_S = 1.0
"""How long a closing socket waits for the client's close frame."""
MAX_MESSAGE_BYTES = 1024 * 1024
SHUTDOWN_NOTICE_MS = 0
SILENT = "silent"
"""A LOSE_ANSWER fault whose body says this swallows the ack of a WebSocket transaction and keeps the socket."""
SEND_TX, SEND_TX_BATCH = "jsonapi/sendtx", "jsonapi/sendtxbatch"
_MS = 1000


@dataclass(slots=True)
class Topic:
    """A channel that somebody follows."""

    followers: dict[Connection, None] = field(default_factory=dict)
    held: str | None = None  # a frame that an injected reordering keeps back


class StreamServer:
    """Every open socket."""

    def __init__(self, backend: Backend, keepalive: Keepalive) -> None:
        """Speak of this backend."""
        self._backend = backend
        self._keepalive = keepalive
        self._market_feed = MarketFeed(backend)
        self._account_feed = AccountFeed(backend)
        self._connections: set[Connection] = set()
        self._topics: dict[Channel, Topic] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._limited = backend.tier is not Tier.UNLIMITED
        backend.submitter.on_transaction = self._account_feed.queued

    # --- the server's side ---

    def publish(self, events: Sequence[ExchangeEvent]) -> None:
        """Tell every follower what the events mean to it."""
        digest = Digest.of(events) if self._topics else Digest()
        frames = self._market_feed.updates([channel for channel in self._topics if channel.account is None], digest)
        frames += self._account_feed.updates(
            [channel for channel in self._topics if channel.account is not None], digest
        )
        for channel, frame in frames:
            self._broadcast(channel, self._topics[channel], frame)

    async def stop(self) -> None:
        """Announce the end to every socket, close them, and await what was started."""
        for connection in self._connections:
            connection.send(_text({"type": "shutdown", "close_in_ms": SHUTDOWN_NOTICE_MS}))
            connection.close(WSCloseCode.GOING_AWAY, "shutdown")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_WAIT_S * 2)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        fault = self._backend.faults.take(VENUE, None, "connect")
        if fault is not None and fault.kind is FaultKind.STATUS_BEFORE:
            return web.Response(status=fault.status, text=fault.body)
        if fault is not None and fault.kind in (FaultKind.REFUSE, FaultKind.RESET):
            return drop(request, reset=fault.kind is FaultKind.RESET)
        if self._limited and len(self._connections) >= MAX_SOCKETS:
            refusal = ApiRefusal(Code.TOO_MANY_CONNECTIONS)
            return json_response(refusal.body(), refusal.status)
        ws = web.WebSocketResponse(timeout=CLOSE_WAIT_S, max_msg_size=MAX_MESSAGE_BYTES)
        await ws.prepare(request)
        connection = Connection(ws, request, self._keepalive)
        self._connections.add(connection)
        sender = self._start(connection.send_loop())
        connection.send(_text({"session_id": connection.session_id, "type": "connected"}))
        try:
            async for message in ws:
                await self._heard(connection, message)
        finally:
            self._connections.discard(connection)
            for channel in [channel for channel, topic in self._topics.items() if connection in topic.followers]:
                self._unfollow(connection, channel)
            sender.cancel()
        return ws

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- what clients say ---

    async def _heard(self, connection: Connection, message: WSMessage) -> None:
        reply_id: object = None
        connection.heard()
        try:
            frame = _parse(message)
            kind = frame.get("type")
            if kind in (SEND_TX, SEND_TX_BATCH):
                data = frame.get("data")
                reply_id = data.get("id") if isinstance(data, Mapping) else None
                await self._send_transactions(connection, str(kind), data)
            else:
                await self._obey(connection, str(kind), frame)
        except ApiRefusal as refusal:
            connection.send(_text(_error(refusal, reply_id)))

    async def _obey(self, connection: Connection, kind: str, frame: Mapping[str, Any]) -> None:
        if self._limited and not connection.may_speak():
            raise ApiRefusal(Code.WS_TOO_MANY_MESSAGES)
        match kind:
            case "ping":
                connection.send(PONG)
            case "pong":
                connection.answered_ping()
            case "subscribe":
                await self._subscribe(connection, parse_channel(frame.get("channel"), self._backend.markets), frame)
            case "unsubscribe":
                channel = parse_channel(frame.get("channel"), self._backend.markets)
                if channel not in self._topics or connection not in self._topics[channel].followers:
                    raise ApiRefusal(Code.WS_NOT_SUBSCRIBED, channel.name, words="Not Subscribed to ")
                self._unfollow(connection, channel)
                connection.send(_text({"channel": channel.label, "type": "unsubscribed"}))
            case _:
                raise ApiRefusal(Code.WS_INVALID_TYPE, kind)

    async def _subscribe(self, connection: Connection, channel: Channel, frame: Mapping[str, Any]) -> None:
        if channel.kind in PRIVATE:
            token = frame.get("auth")
            raw = token if isinstance(token, str) else None
            owner = await self._backend.gate.account_of(raw, self._backend.now(), channel.name)
            if owner != channel.account:
                raise ApiRefusal(Code.INVALID_AUTH, channel.name)
        followed = channel in self._topics and connection in self._topics[channel].followers
        if followed and channel.kind is not Kind.ACCOUNT_ALL:  # account_all answers again with a fresh snapshot
            raise ApiRefusal(Code.WS_ALREADY_SUBSCRIBED, channel.name, words="Already Subscribed to ")
        self._check_room(connection, channel)
        if channel.account is None:
            snapshot = self._market_feed.snapshot(channel)
        else:
            snapshot = self._account_feed.snapshot(channel, channel.account)
            connection.accounts.add(channel.account)
        self._topics.setdefault(channel, Topic()).followers[connection] = None
        if not self._backend.faults.frozen(VENUE, _fault_account(channel), channel.kind):
            connection.send(_text(snapshot))

    def _check_room(self, connection: Connection, channel: Channel) -> None:
        if not self._limited:
            return
        count = sum(connection in topic.followers for topic in self._topics.values())
        if count >= MAX_SUBSCRIPTIONS:
            raise ApiRefusal(Code.TOO_MANY_SUBSCRIPTIONS)
        if len(connection.accounts | {channel.account or 0}) > MAX_SOCKET_ACCOUNTS:
            raise ApiRefusal(Code.TOO_MANY_ACCOUNTS)

    def _unfollow(self, connection: Connection, channel: Channel) -> None:
        topic = self._topics[channel]
        topic.followers.pop(connection, None)
        if not topic.followers:
            del self._topics[channel]

    # --- transactions ---

    async def _send_transactions(self, connection: Connection, kind: str, data: object) -> None:
        backend = self._backend
        if not isinstance(data, Mapping):
            raise ApiRefusal(Code.WS_INVALID_DATA)
        batch = self._transactions(kind, data)
        backend.limiter.transactions(f"account:{batch[0].account_index}", len(batch), backend.now())
        fault = take_fault(backend, batch)
        if fault is not None and fault.kind in (FaultKind.REFUSE, FaultKind.RESET):
            drop(connection.request, reset=fault.kind is FaultKind.RESET)
            return
        reply_id = {"id": data["id"]} if "id" in data else {}
        if fault is not None and fault.kind is FaultKind.STATUS_BEFORE:
            connection.send(_text({**_injected(fault), **reply_id}))
            return
        try:
            accepted = await backend.submitter.submit(batch)
        except ApiRefusal as refusal:
            reply = {"error": refusal.body(), **reply_id}
        else:
            await backend.pump()
            reply = {**accepted.body(batch=kind == SEND_TX_BATCH), **reply_id, "type": kind}
        self._reply(connection, reply, fault)

    def _transactions(self, kind: str, data: Mapping[str, Any]) -> list[Transaction]:
        chain_id = self._backend.chain_id
        try:
            if kind == SEND_TX_BATCH:
                return parse_batch(data["tx_types"], data["tx_infos"], MAX_BATCH_WS, chain_id)
            info = data["tx_info"]
            if not isinstance(info, str | Mapping):
                raise ApiRefusal(Code.INVALID_TX_INFO, "not an object")
            return [parse_transaction(data["tx_type"], info, chain_id)]
        except KeyError as error:
            raise ApiRefusal(Code.WS_INVALID_DATA, str(error)) from None

    def _reply(self, connection: Connection, reply: Json, fault: Fault | None) -> None:
        if fault is None:
            connection.send(_text(reply))
        elif fault.kind is FaultKind.LOSE_ANSWER:
            if fault.body != SILENT:
                drop(connection.request)
        elif fault.kind is FaultKind.STATUS_AFTER:
            reply_id = {"id": reply["id"]} if "id" in reply else {}
            connection.send(_text({**_injected(fault), **reply_id}))
        else:
            self._start(_later(fault.delay_ms, connection, _text(reply)))

    # --- what followers hear ---

    def _broadcast(self, channel: Channel, topic: Topic, frame: Json) -> None:
        account = _fault_account(channel)
        faults = self._backend.faults
        if faults.frozen(VENUE, account, channel.kind):
            return
        text = _text(frame)
        fault = faults.take(VENUE, account, f"stream:{channel.kind}", kinds=STREAM_KINDS)
        followers = list(topic.followers)
        kind = None if fault is None else fault.kind
        if kind is FaultKind.REORDER_EVENTS and topic.held is None:
            topic.held = text
            return
        held, topic.held = topic.held, None
        for connection in followers:
            if kind is FaultKind.CLOSE_STREAM:
                connection.close(WSCloseCode.GOING_AWAY, "injected")
            elif kind is FaultKind.DELAY_EVENTS and fault is not None:
                self._start(_later(fault.delay_ms, connection, text))
            else:
                connection.send(text)
            if kind is FaultKind.DUPLICATE_EVENT:
                connection.send(text)
            if held is not None:
                connection.send(held)


async def _later(delay_ms: int, connection: Connection, text: str) -> None:
    await asyncio.sleep(delay_ms / _MS)
    connection.send(text)


def _fault_account(channel: Channel) -> str | None:
    return None if channel.account is None else str(channel.account)


def _parse(message: WSMessage) -> Mapping[str, Any]:
    try:
        frame = json.loads(message.data) if message.type is WSMsgType.TEXT else None
    except ValueError:
        frame = None
    if not isinstance(frame, Mapping):
        raise ApiRefusal(Code.WS_INVALID_JSON)
    return frame


def _error(refusal: ApiRefusal, reply_id: object) -> Json:
    frame: Json = {"error": refusal.body()}
    if reply_id is not None:
        frame["id"] = reply_id
    return frame


def _injected(fault: Fault) -> Json:
    return {"error": {"code": fault.status, "message": fault.body or "injected"}}


def _text(frame: Mapping[str, Any]) -> str:
    return json.dumps(frame, separators=(",", ":"))
