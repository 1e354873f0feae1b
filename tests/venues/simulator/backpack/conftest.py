"""A Backpack server inside the test's own process, on a free port, over a real exchange."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from nacl.signing import SigningKey
from websockets.asyncio.client import ClientConnection, connect

from strategies.domain.ids import Timestamp, VenueSymbol
from venues.simulator.backpack.auth import INSTRUCTIONS
from venues.simulator.backpack.server import BackpackServer
from venues.simulator.catalog import backpack_markets, backpack_rules
from venues.simulator.exchange import Exchange
from venues.simulator.faults import Fault, FaultBook, FaultKind
from venues.simulator.model import CrowdRules, VenueRules
from venues.simulator.wire import BackpackKey

ETH = VenueSymbol("ETH_USDC_PERP")
PATIENCE_S = 10.0
"""How long a test waits for what must come."""


def make_key(name: str) -> BackpackKey:
    """Draw a throw-away key."""
    secret = SigningKey.generate()
    return BackpackKey(
        name,
        api_key=base64.b64encode(bytes(secret.verify_key)).decode(),
        secret=base64.b64encode(bytes(secret)).decode(),
    )


def sign(secret: str, text: str) -> str:
    """Sign a text as a client does."""
    return base64.b64encode(SigningKey(base64.b64decode(secret)).sign(text.encode()).signature).decode()


def shown(value: object) -> str:
    """Write a value as clients do in the text they sign."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class Answer:
    """An HTTP answer, read whole."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.text)


@dataclass
class Bench:
    """The server under test, its exchange, and a plain client that signs."""

    exchange: Exchange
    faults: FaultBook
    server: BackpackServer
    keys: Mapping[str, BackpackKey]
    session: aiohttp.ClientSession
    port: int
    clock: Callable[[], Timestamp]
    changes: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the base URL, with the slash that official clients need."""
        return f"http://127.0.0.1:{self.port}/"

    async def pump(self) -> None:
        """Publish what happened in the exchange."""
        await self.server.publish(self.exchange.drain_events())

    async def price(self, mark: str, symbol: VenueSymbol = ETH) -> None:
        """Move the market and tell everybody."""
        self.exchange.set_price(symbol, Decimal(mark), self.clock())
        await self.pump()

    def fault(self, kind: FaultKind, action: str | None = None, **details: Any) -> Fault:
        """Add a fault."""
        return self.faults.add(Fault(kind=kind, venue="backpack", action=action, **details))

    def headers(
        self,
        method: str,
        path: str,
        fields: Mapping[str, object] | Sequence[Mapping[str, object]],
        account: str = "a",
        *,
        at: int | None = None,
        window: int = 5000,
    ) -> dict[str, str]:
        """Sign a request."""
        instruction = INSTRUCTIONS[method, path]
        requests = [fields] if isinstance(fields, Mapping) else fields
        parts = [
            "&".join([f"instruction={instruction}", *(f"{name}={shown(item[name])}" for name in sorted(item))])
            for item in requests
        ]
        timestamp = self.clock() if at is None else at
        key = self.keys[account]
        return {
            "X-API-Key": key.api_key,
            "X-Signature": sign(key.secret, "&".join([*parts, f"timestamp={timestamp}&window={window}"])),
            "X-Timestamp": str(timestamp),
            "X-Window": str(window),
            "Content-Type": "application/json; charset=utf-8",
        }

    async def send(self, method: str, path: str, **request: Any) -> Answer:
        """Send a request as it stands."""
        async with self.session.request(method, self.url.rstrip("/") + path, **request) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def get(self, path: str, account: str = "a", **query: str) -> Answer:
        """Send a signed GET."""
        return await self.send("GET", path, params=query, headers=self.headers("GET", path, query, account))

    async def public(self, path: str, **query: str) -> Answer:
        """Send an unsigned GET."""
        return await self.send("GET", path, params=query)

    async def do(self, method: str, path: str, body: Any, account: str = "a") -> Answer:
        """Send a signed request with a JSON body."""
        return await self.send(method, path, data=json.dumps(body), headers=self.headers(method, path, body, account))

    async def order(self, account: str = "a", **changes: Any) -> Answer:
        """Place an order: a market buy of one ETH, with changes; a change to None leaves the field out."""
        fields = {"symbol": ETH, "side": "Bid", "orderType": "Market", "quantity": "1"} | changes
        body = {name: value for name, value in fields.items() if value is not None}
        return await self.do("POST", "/api/v1/order", body, account)

    async def limit(self, price: str, account: str = "a", **changes: Any) -> Answer:
        """Place a limit order: a buy of one ETH, with changes."""
        return await self.order(account, **({"orderType": "Limit", "price": price} | changes))

    def subscription_signature(self, account: str = "a", *, at: int | None = None, window: int = 5000) -> list[str]:
        """Sign a subscription."""
        key, timestamp = self.keys[account], self.clock() if at is None else at
        signed = sign(key.secret, f"instruction=subscribe&timestamp={timestamp}&window={window}")
        return [key.api_key, signed, str(timestamp), str(window)]

    @asynccontextmanager
    async def stream(self, *names: str, account: str | None = None, path: str = "") -> "AsyncIterator[Listener]":
        """Open a socket and subscribe."""
        async with connect(f"ws://127.0.0.1:{self.port}/{path}") as socket:
            listener = Listener(socket)
            if names:
                signature = None if account is None else self.subscription_signature(account)
                await listener.ask("SUBSCRIBE", *names, signature=signature)
                await self.followed(*names)
            yield listener

    async def followed(self, *names: str) -> None:
        """Wait until the server has taken in a subscription: it sends no acknowledgement."""
        async with asyncio.timeout(PATIENCE_S):
            # The server tells nobody when it has read a subscription, so there is nothing to wait for but the fact.
            while not any(set(names) <= set(c.subscriptions) for c in self.server._streams._connections):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@dataclass
class Listener:
    """A plain WebSocket client."""

    socket: ClientConnection

    async def ask(self, method: str, *names: str, signature: list[str] | None = None) -> None:
        """Send a request."""
        request: dict[str, Any] = {"method": method, "params": list(names)}
        if signature is not None:
            request["signature"] = signature
        await self.socket.send(json.dumps(request))

    async def next(self) -> Any:
        """Return the next message."""
        async with asyncio.timeout(PATIENCE_S):
            return json.loads(await self.socket.recv())

    async def data(self, stream: str) -> Any:
        """Return the data of the next message of a stream, passing over others."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = json.loads(await self.socket.recv())
                if message.get("stream") == stream:
                    return message["data"]

    async def until(self, stream: str, holds: Callable[[Any], bool]) -> Any:
        """Return the first data of a stream for which something holds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                data = await self.data(stream)
                if holds(data):
                    return data


def wall_clock() -> Timestamp:
    """Return the time of day, milliseconds."""
    return Timestamp(int(time.time() * 1000))


Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers with options; they stop with the test."""
    runners: list[web.AppRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def start(
        *, rules: VenueRules | None = None, crowd: CrowdRules | None = None, skewed: bool = False, **options: Any
    ) -> Bench:
        keys = {name: make_key(name) for name in ("a", "b")}
        exchange = Exchange(rules or backpack_rules(), backpack_markets(), seed=1, crowd=crowd)
        for name in keys:
            exchange.add_account(name, Decimal(10_000), wall_clock())
        exchange.set_price(ETH, Decimal(3000), wall_clock())
        exchange.advance(wall_clock())
        faults = FaultBook()
        changes: list[Mapping[str, Any]] = []

        async def pump() -> None:
            await server.publish(exchange.drain_events())

        server = BackpackServer(
            exchange,
            faults=faults,
            now=lambda: Timestamp(wall_clock() + (faults.skew_ms("backpack") if skewed else 0)),
            pump=pump,
            record=changes.append,
            keys=list(keys.values()),
            **options,
        )
        runner = web.AppRunner(server.app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S))
        sessions.append(session)
        port = runner.addresses[0][1]
        bench = Bench(exchange, faults, server, keys, session, port, wall_clock, changes)
        await bench.pump()
        return bench

    yield start
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def bench(serve: Serve) -> Bench:
    """Return a server with everything as by default: ETH at 3000, accounts `a` and `b` with 10,000 USD each."""
    return await serve()


@pytest.fixture
def slow_cancels() -> VenueRules:
    """Return rules under which a cancel happens a while after it was accepted."""
    return replace(backpack_rules(), cancel_delay_ms=1000)
