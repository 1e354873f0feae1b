"""A Lighter server inside the test's own process, on a free port, over a real exchange."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from typed_lighter.core.signer.key import PythonSigner, generate_api_key
from typed_lighter.core.signer.token import sign_auth_message
from typed_lighter.core.signer.txs import account as account_txs
from typed_lighter.core.signer.txs import orders as order_txs
from typed_lighter.core.signer.txs.base import Attributes
from websockets.asyncio.client import ClientConnection, connect

from strategies.domain.ids import Timestamp, VenueSymbol
from venues.simulator.catalog import LighterTier, lighter_markets, lighter_rules
from venues.simulator.exchange import Exchange
from venues.simulator.faults import Fault, FaultBook, FaultKind
from venues.simulator.lighter.connection import Keepalive
from venues.simulator.lighter.server import LighterServer
from venues.simulator.model import CrowdRules, VenueRules
from venues.simulator.wire import LighterKey

ETH = VenueSymbol("ETH")
ACCOUNT, OTHER = 65, 66
API_KEY = 4
PATIENCE_S = 10.0
"""How long a test waits for what must come."""
TEN_MINUTES_MS = 600_000
HOUR_MS = 3_600_000


def make_key(account: int, api_key: int = API_KEY) -> LighterKey:
    """Draw a throw-away key."""
    pair = generate_api_key()
    return LighterKey(account, api_key, pair.public_key, pair.private_key)


class Clock:
    """A clock that moves when told; it starts at the wall's time, because official signers read that."""

    def __init__(self) -> None:
        self.ms = time.time_ns() // 1_000_000

    def __call__(self) -> Timestamp:
        return Timestamp(self.ms)


@dataclass
class Answer:
    """An HTTP answer, read whole."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.text)


@dataclass
class Signed:
    """One signed transaction as a client holds it."""

    tx_type: int
    tx_info: str
    tx_hash: str

    @property
    def form(self) -> dict[str, str]:
        """Return the form fields of sendTx."""
        return {"tx_type": str(self.tx_type), "tx_info": self.tx_info}

    def frame(self, reply_id: str | None = None) -> dict[str, Any]:
        """Return the WebSocket frame."""
        data: dict[str, Any] = {"tx_type": self.tx_type, "tx_info": json.loads(self.tx_info)}
        if reply_id is not None:
            data["id"] = reply_id
        return {"type": "jsonapi/sendtx", "data": data}


class Trader:
    """Signs for one API key, in pure Python."""

    def __init__(self, key: LighterKey, now: Callable[[], int], chain_id: int = 304) -> None:
        self.key = key
        self.now = now
        self.chain_id = chain_id
        self.signer = PythonSigner.from_hex(key.private_key)

    def _sign(
        self, make: Callable[..., Any], nonce: int, attributes: Attributes | None, expired_at: int | None
    ) -> Signed:
        wire = make(
            account_index=self.key.account_index,
            api_key_index=self.key.api_key_index,
            nonce=nonce,
            expired_at=self.now() + TEN_MINUTES_MS if expired_at is None else expired_at,
            attributes=attributes or Attributes(),
        )
        message = wire.hash(self.chain_id)
        return Signed(wire.TX_TYPE, wire.tx_info(self.signer.sign(message)), message.hex())

    def order(
        self, nonce: int, *, attributes: Attributes | None = None, expired_at: int | None = None, **fields: int
    ) -> Signed:
        """Sign an order: by default a limit bid that rests, 0.01 ETH at 2990.00."""
        info = {
            "market_index": 0,
            "client_order_index": nonce,
            "base_amount": 100,
            "price": 299_000,
            "is_ask": 0,
            "type": 0,
            "time_in_force": 1,
            "reduce_only": 0,
            "trigger_price": 0,
            "order_expiry": self.now() + HOUR_MS,
            **fields,
        }
        order = order_txs.OrderInfo(**info)
        return self._sign(lambda **common: order_txs.CreateOrder(order=order, **common), nonce, attributes, expired_at)

    def market(
        self, nonce: int, *, is_ask: int = 0, base_amount: int = 100, expired_at: int | None = None, **fields: int
    ) -> Signed:
        """Sign a market order with a generous worst price."""
        price = 280_000 if is_ask else 320_000
        wanted = {"price": price, "is_ask": is_ask, "base_amount": base_amount, "type": 1, "time_in_force": 0}
        return self.order(nonce, **{**wanted, "order_expiry": 0, **fields}, expired_at=expired_at)

    def cancel(self, nonce: int, index: int, *, market_index: int = 0) -> Signed:
        """Sign a cancel."""
        return self._sign(
            lambda **common: order_txs.CancelOrder(market_index=market_index, index=index, **common), nonce, None, None
        )

    def cancel_all(self, nonce: int, *, mode: int = 0, at: int = 0, market: int | None = None) -> Signed:
        """Sign a cancel-all."""
        attributes = None if market is None else Attributes(cancel_all_market_index=market)
        return self._sign(
            lambda **common: order_txs.CancelAllOrders(time_in_force=mode, time=at, **common), nonce, attributes, None
        )

    def leverage(self, nonce: int, fraction: int, *, mode: int = 0, market_index: int = 0) -> Signed:
        """Sign a leverage change."""
        return self._sign(
            lambda **common: account_txs.UpdateLeverage(
                market_index=market_index, initial_margin_fraction=fraction, margin_mode=mode, **common
            ),
            nonce,
            None,
            None,
        )

    def token(self, life_s: int = 600) -> str:
        """Sign an auth token."""
        message = f"{self.now() // 1000 + life_s}:{self.key.account_index}:{self.key.api_key_index}"
        return sign_auth_message(self.signer, message)


@dataclass
class Bench:
    """The server under test, its exchange, and plain clients."""

    exchange: Exchange
    faults: FaultBook
    server: LighterServer
    keys: Mapping[int, LighterKey]
    clock: Callable[[], Timestamp]
    changes: list[dict[str, Any]] = field(default_factory=list)
    session: aiohttp.ClientSession | None = None
    port: int = 0

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Return the URL of the stream."""
        return f"ws://127.0.0.1:{self.port}/stream"

    def trader(self, account: int = ACCOUNT) -> Trader:
        """Return a signer for an account."""
        return Trader(self.keys[account], self.clock)

    async def pump(self) -> None:
        """Publish what happened in the exchange, as the deployment does."""
        events = self.exchange.drain_events()
        if events:
            await self.server.publish(events)

    async def price(self, mark: str, symbol: VenueSymbol = ETH) -> None:
        """Move the market and tell everybody."""
        self.exchange.set_price(symbol, Decimal(mark), self.clock())
        await self.pump()

    async def tick(self, ms: int = 50) -> None:
        """Let time pass."""
        if isinstance(self.clock, Clock):
            self.clock.ms += ms
        self.exchange.advance(self.clock())
        await self.pump()

    def fault(self, kind: FaultKind, action: str | None = None, **details: Any) -> Fault:
        """Add a fault."""
        return self.faults.add(Fault(kind=kind, venue="lighter", action=action, **details))

    async def get(self, path: str, *, token: str | None = None, **parameters: Any) -> Answer:
        """GET with query parameters."""
        assert self.session is not None
        headers = {} if token is None else {"Authorization": token}
        query = {name: str(value) for name, value in parameters.items()}
        async with self.session.get(f"{self.url}{path}", params=query, headers=headers) as response:
            return Answer(response.status, await response.text())

    async def post(self, path: str, form: Mapping[str, str], *, multipart: bool = False) -> Answer:
        """POST a form."""
        assert self.session is not None
        data: Any = form
        if multipart:
            data = aiohttp.FormData(default_to_multipart=True)
            for name, value in form.items():
                data.add_field(name, value)
        async with self.session.post(f"{self.url}{path}", data=data) as response:
            return Answer(response.status, await response.text())

    async def send(self, signed: Signed) -> Answer:
        """Send one transaction."""
        return await self.post("/api/v1/sendTx", signed.form)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator["Listener"]:
        """Open the stream and take its first frame."""
        async with connect(self.ws_url) as socket:
            listener = Listener(socket)
            assert (await listener.next())["type"] == "connected"
            yield listener


class Listener:
    """The client's end of a stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **frame: Any) -> None:
        """Send a frame."""
        await self.socket.send(json.dumps(frame))

    async def next(self) -> dict[str, Any]:
        """Return the next frame."""
        async with asyncio.timeout(PATIENCE_S):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
            return frame

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the next frame of a type, dropping others."""
        while True:
            frame = await self.next()
            if frame.get("type") == kind:
                return frame

    async def subscribe(self, channel: str, token: str | None = None) -> dict[str, Any]:
        """Subscribe; return the answer."""
        await self.say(type="subscribe", channel=channel, **({} if token is None else {"auth": token}))
        return await self.next()

    async def silence(self) -> None:
        """Check that nothing more is on its way: a ping's pong comes next."""
        await self.say(type="ping")
        assert await self.next() == {"type": "pong"}


def make_bench(
    *,
    tier: LighterTier = LighterTier.UNLIMITED,
    verify: bool = False,
    keepalive: Keepalive | None = None,
    clock: Callable[[], Timestamp] | None = None,
    **rules: Any,
) -> Bench:
    """Build a server over an exchange where ETH trades at 3000."""
    clock = clock or Clock()
    venue: VenueRules = replace(lighter_rules(tier), **rules)
    exchange = Exchange(venue, lighter_markets(tier), seed=1, crowd=CrowdRules())
    for symbol, mark in ((ETH, "3000"), ("BTC", "60000"), ("SOL", "150")):
        exchange.set_price(VenueSymbol(symbol), Decimal(mark), clock())
    keys = {account: make_key(account) for account in (ACCOUNT, OTHER)}
    for account in keys:
        exchange.add_account(str(account), Decimal(10_000), clock())
    exchange.drain_events()
    faults = FaultBook()
    bench: Bench

    async def pump() -> None:
        await bench.pump()

    def skewed() -> Timestamp:
        return Timestamp(clock() + faults.skew_ms("lighter"))

    changes: list[dict[str, Any]] = []
    server = LighterServer(
        exchange,
        faults=faults,
        now=skewed,
        pump=pump,
        record=lambda change: changes.append(json.loads(json.dumps(change))),
        keys=list(keys.values()),
        tier=tier.value,
        verify=verify,
        keepalive=keepalive,
    )
    bench = Bench(exchange, faults, server, keys, clock, changes)
    return bench


@asynccontextmanager
async def serving(bench: Bench) -> AsyncIterator[Bench]:
    """Listen on a free port."""
    runner = web.AppRunner(bench.server.app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bench.port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as bench.session:
            yield bench
    finally:
        await bench.server.stop()
        await runner.cleanup()


@contextmanager
def in_a_thread(bench: Bench) -> Iterator[Bench]:
    """Serve from another thread, with time running: for clients that block their own event loop."""
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()

    async def live() -> None:
        async with serving(bench):
            ready.set()
            while not done.is_set():
                await bench.tick()
                try:
                    async with asyncio.timeout(0.01):
                        await done.wait()
                except TimeoutError:
                    continue

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),))
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield bench
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(PATIENCE_S)
        loop.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Serve with a clock that stands still, no delays, no rate limits, signatures not verified."""
    async with serving(make_bench()) as running:
        yield running


@pytest.fixture
def build() -> Callable[..., Bench]:
    """Return the builder of servers, for tests that need another one."""
    return make_bench


@pytest.fixture
def serve() -> Callable[[Bench], Any]:
    """Return the context manager that serves a bench in the test's own loop."""
    return serving


@pytest.fixture
def serve_in_a_thread() -> Callable[[Bench], Any]:
    """Return the context manager that serves a bench from another thread."""
    return in_a_thread
