"""Both venues, their prices, their wire servers and the control interface, on loopback, in one event loop."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from strategies.domain.ids import Timestamp
from venues.simulator import catalog
from venues.simulator.backpack.server import BackpackServer
from venues.simulator.board import PriceBoard, read_tape
from venues.simulator.catalog import BACKPACK, COINS, LIGHTER
from venues.simulator.config import SimulationConfig
from venues.simulator.control import ControlServer
from venues.simulator.exchange import Exchange
from venues.simulator.faults import FaultBook
from venues.simulator.keyring import backpack_key, lighter_key
from venues.simulator.lighter.server import LighterServer
from venues.simulator.listening import Listener
from venues.simulator.prices import MarketClock, Mixed, PriceSource, Walk
from venues.simulator.recorded import RecordedExchange, dump_state, load_state
from venues.simulator.statelog import StateFileError, StateLog
from venues.simulator.wire import BackpackKey, WireServer

__all__ = ["HOST", "Simulation", "SimulationConfig"]

HOST = "127.0.0.1"
"""The simulator is never reachable from another machine."""
_MS_PER_S = 1000
_SNAPSHOT_LINES = 4000
"""A restart repeats at most about this many changes, and as many again as there are orders and trades."""
_MAX_TURNS = 64
"""After a pause of this process the market skips what it would have shown, except for the last so many turns."""


class Simulation:
    """A running simulation. `start` it, use its URLs, `stop` it."""

    def __init__(self, config: SimulationConfig) -> None:
        """Build everything; nothing listens yet.

        Raises:
            TapeError: the tape cannot be read.
            KeyFileError: a key file cannot be used.
            StateFileError: the state file cannot be read.
            ReplayError: the state file is not of this simulation.
            ValueError: a number in the config is out of range.
        """
        self.config = config
        self.faults = FaultBook()
        self._log = StateLog(config.state_file) if config.state_file is not None else None
        earlier = self._log.read() if self._log is not None else None
        snapshot, changes = earlier or ({}, [])
        self._recording = False
        self._tape = None if config.tape is None else read_tape(config.tape, config.tape_symbol)
        self.lighter_keys = [lighter_key(index, config.keys_dir) for index in config.lighter_accounts]
        self.backpack_keys = [backpack_key(name, config.keys_dir) for name in config.backpack_accounts]
        self.exchanges = self._build_exchanges(snapshot)
        self.servers = self._build_servers()
        self._market_start = self._first_market_time(snapshot)
        self.board = self._build_board()
        self._restore(snapshot, changes)
        self._pump_lock = asyncio.Lock()
        self._ticker: asyncio.Task[None] | None = None
        self._control = ControlServer(self)
        self._listeners = {
            LIGHTER: Listener(self.servers[LIGHTER].app, HOST, config.latency_ms),
            BACKPACK: Listener(self.servers[BACKPACK].app, HOST, config.latency_ms),
            "control": Listener(self._control.app, HOST, 0),
        }

    # --- life ---

    async def start(self) -> None:
        """Listen and let time run.

        Raises:
            PortInUseError: somebody else has one of the ports.
            StateFileError: the state file cannot be written.
        """
        now = self.config.now()
        market_at = self.board.clock.market_at(now)
        self._move(now, market_at, self.board.prices(market_at))
        for venue, exchange in self.exchanges.items():
            for name in self._account_names(venue):
                exchange.add_account(name, self.config.collateral, now)
        if self._log is not None:
            self._log.start(self._snapshot())
            self._recording = True
        try:
            ports = (self.config.lighter_port, self.config.backpack_port, self.config.control_port)
            for listener, port in zip(self._listeners.values(), ports, strict=True):
                await listener.start(port)
        except BaseException:  # whatever stops us half-way, what already listens must close
            await self.stop()
            raise
        self._ticker = asyncio.create_task(self._run(), name="simulator-ticker")

    async def stop(self) -> None:
        """Stop listening, close every stream, write the last snapshot. May be called twice."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        for server in self.servers.values():
            await server.stop()
        for listener in self._listeners.values():
            await listener.stop()
        if self._log is not None and self._recording:
            self._recording = False
            self._log.start(self._snapshot())
            self._log.close()

    async def run_until(self, stopping: asyncio.Event) -> None:
        """Wait for the event, or for the market to break.

        Raises:
            StateFileError: the state file could not be written any more. The market stands still.
        """
        if self._ticker is None:
            raise RuntimeError("the simulation has not started")
        waiting = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({waiting, self._ticker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._ticker.done():
            await self._ticker

    async def pump(self) -> None:
        """Publish everything the exchanges have to say, in order."""
        async with self._pump_lock:
            for venue, exchange in self.exchanges.items():
                events = exchange.drain_events()
                if events:
                    await self.servers[venue].publish(events)

    async def tick(self) -> None:
        """Let the market move to now: prices, due orders, funding; publish what comes of it."""
        now = self.config.now()
        for market_at in self._market_moments(now):
            prices = self.board.prices(market_at)
            if self._stirs(now, market_at, prices):
                self._record({"tick": [now, market_at, {coin: str(price) for coin, price in prices.items()}]})
                self._move(now, market_at, prices)
        if self._log is not None and self._log.lines >= self._snapshot_after():
            self._log.start(self._snapshot())
        await self.pump()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.config.tick_ms / _MS_PER_S)
            await self.tick()

    # --- prices, from outside ---

    async def set_price(self, symbol: str, price: Decimal | None) -> None:
        """Pin a coin (named as either venue names it) at a price on both venues, at once; None lets it go.

        Raises:
            KeyError: no such coin.
            ValueError: the price is not positive.
        """
        self.board.pin(self.coin(symbol), price)
        self._record({"board": self.board.dump()})
        await self.tick()

    async def move_price(self, symbol: str, fraction: Decimal) -> None:
        """Move a coin's price by a fraction on both venues, at once and for good.

        Raises:
            KeyError: no such coin.
            ValueError: the fraction is -1 or below.
        """
        self.board.move(self.coin(symbol), fraction)
        self._record({"board": self.board.dump()})
        await self.tick()

    def coin(self, symbol: str) -> str:
        """Return the coin a symbol of either venue stands for. Raises KeyError when there is none."""
        coin = catalog.coin_of(symbol)
        if coin is None:
            raise KeyError(symbol)
        return coin.name

    # --- where things are ---

    @property
    def venues(self) -> Mapping[str, Exchange]:
        """Return the exchanges by venue."""
        return self.exchanges

    def now(self) -> Timestamp:
        """Return wall time, unskewed."""
        return self.config.now()

    @property
    def exchange_lighter(self) -> RecordedExchange:
        """Return Lighter's matching core."""
        return self.exchanges[LIGHTER]

    @property
    def exchange_backpack(self) -> RecordedExchange:
        """Return Backpack's matching core."""
        return self.exchanges[BACKPACK]

    @property
    def lighter_url(self) -> str:
        """Return the base URL of Lighter's REST, without a slash at its end."""
        return f"http://{HOST}:{self._listeners[LIGHTER].port}"

    @property
    def lighter_ws_url(self) -> str:
        """Return the URL of Lighter's stream."""
        return f"ws://{HOST}:{self._listeners[LIGHTER].port}/stream"

    @property
    def backpack_url(self) -> str:
        """Return the base URL of Backpack's REST, without a slash at its end."""
        return f"http://{HOST}:{self._listeners[BACKPACK].port}"

    @property
    def backpack_ws_url(self) -> str:
        """Return the URL of Backpack's stream."""
        return f"ws://{HOST}:{self._listeners[BACKPACK].port}/"

    @property
    def control_url(self) -> str:
        """Return the base URL of the control interface."""
        return f"http://{HOST}:{self._listeners['control'].port}"

    def lighter_key(self, account_index: int) -> tuple[int, str]:
        """Return API key index and private key (hex) of a Lighter account. Raises KeyError when there is none."""
        for key in self.lighter_keys:
            if key.account_index == account_index:
                return key.api_key_index, key.private_key
        raise KeyError(account_index)

    def backpack_secret(self, name: str) -> str:
        """Return the base64 seed of a Backpack account. Raises KeyError when there is none."""
        return self._backpack_key(name).secret

    def backpack_api_key(self, name: str) -> str:
        """Return the base64 public key of a Backpack account. Raises KeyError when there is none."""
        return self._backpack_key(name).api_key

    def _backpack_key(self, name: str) -> BackpackKey:
        for key in self.backpack_keys:
            if key.name == name:
                return key
        raise KeyError(name)

    # --- building ---

    def _account_names(self, venue: str) -> list[str]:
        if venue == LIGHTER:
            return [str(key.account_index) for key in self.lighter_keys]
        return [key.name for key in self.backpack_keys]

    def _build_exchanges(self, snapshot: Mapping[str, Any]) -> dict[str, RecordedExchange]:
        config = self.config
        rules = {LIGHTER: catalog.lighter_rules(config.tier, config.delays), BACKPACK: catalog.backpack_rules()}
        markets = {LIGHTER: catalog.lighter_markets(config.tier), BACKPACK: catalog.backpack_markets()}
        if snapshot and snapshot["seed"] != config.seed:
            raise StateFileError(f"{config.state_file} was written with seed {snapshot['seed']}, not {config.seed}")
        return {
            venue: RecordedExchange(
                rules[venue],
                markets[venue],
                seed=config.seed,
                record=self._recorder(venue, "exchange"),
                crowd=config.crowd,
                market_speed=config.speed,
                state=load_state(snapshot["exchanges"][venue]) if snapshot else None,
            )
            for venue in (LIGHTER, BACKPACK)
        }

    def _build_servers(self) -> dict[str, WireServer]:
        lighter = LighterServer(
            self.exchanges[LIGHTER],
            faults=self.faults,
            now=self._clock_of(LIGHTER),
            pump=self.pump,
            record=self._recorder(LIGHTER, "server"),
            keys=self.lighter_keys,
            tier=self.config.tier.value,
            verify=self.config.verify,
        )
        backpack = BackpackServer(
            self.exchanges[BACKPACK],
            faults=self.faults,
            now=self._clock_of(BACKPACK),
            pump=self.pump,
            record=self._recorder(BACKPACK, "server"),
            keys=self.backpack_keys,
            verify=self.config.verify,
        )
        return {LIGHTER: lighter, BACKPACK: backpack}

    def _first_market_time(self, snapshot: Mapping[str, Any]) -> Timestamp:
        if snapshot:
            return Timestamp(int(snapshot["market_start"]))
        return self.config.now() if self._tape is None else self._tape.start_ms

    def _build_board(self) -> PriceBoard:
        config = self.config
        prices = {coin.name: config.start_prices.get(coin.name, coin.start_price) for coin in COINS}
        walk = Walk(config.seed, prices, config.volatility, start_ms=self._market_start)
        source: PriceSource = walk if self._tape is None else Mixed(self._tape, walk)
        return PriceBoard(source, self._clock_from(self._market_start), coins=tuple(prices))

    def _clock_from(self, market_at: Timestamp) -> MarketClock:
        return MarketClock(wall_start=self.config.now(), market_start=market_at, speed=self.config.speed)

    def _clock_of(self, venue: str) -> Callable[[], Timestamp]:
        def now() -> Timestamp:
            return Timestamp(self.config.now() + self.faults.skew_ms(venue))

        return now

    # --- moving and remembering ---

    def _market_moments(self, now: Timestamp) -> list[Timestamp]:
        """Return where the market passes by on its way to now: a fast market must not jump over a bar's high or low."""
        market_at = self.board.clock.market_at(now)
        turns = self.board.source.turns(self.exchange_lighter.state.market_at, market_at)
        return [Timestamp(turn) for turn in turns[-_MAX_TURNS:]] + [market_at]

    def _snapshot_after(self) -> int:
        """Return how many changes a snapshot is worth: the longer the history, the rarer."""
        history = sum(len(exchange.state.orders) + len(exchange.state.trades) for exchange in self.exchanges.values())
        return _SNAPSHOT_LINES + history

    def _marks(self, prices: Mapping[str, Decimal]) -> list[tuple[RecordedExchange, Any, Decimal]]:
        return [
            (exchange, symbol, exchange.rounded(symbol, prices[self.coin(symbol)]))
            for exchange in self.exchanges.values()
            for symbol in exchange.markets
        ]

    def _stirs(self, now: Timestamp, market_at: Timestamp, prices: Mapping[str, Decimal]) -> bool:
        moved = any(exchange.state.markets[symbol].mark != mark for exchange, symbol, mark in self._marks(prices))
        return moved or any(exchange.due(now, market_at) for exchange in self.exchanges.values())

    def _move(self, now: Timestamp, market_at: Timestamp, prices: Mapping[str, Decimal]) -> None:
        for exchange, symbol, mark in self._marks(prices):
            exchange.set_price(symbol, mark, now)
        for exchange in self.exchanges.values():
            exchange.advance(now, market_at)

    def _recorder(self, venue: str, part: str) -> Callable[[Mapping[str, Any]], None]:
        def record(change: Mapping[str, Any]) -> None:
            self._record({"venue": venue, part: dict(change)})

        return record

    def _record(self, change: Mapping[str, Any]) -> None:
        if self._recording and self._log is not None:
            self._log.append(change)

    def _snapshot(self) -> dict[str, Any]:
        return {
            "seed": self.config.seed,
            "market_start": self._market_start,
            "board": self.board.dump(),
            "exchanges": {venue: dump_state(exchange.state) for venue, exchange in self.exchanges.items()},
            "servers": {venue: server.dump_state() for venue, server in self.servers.items()},
        }

    def _restore(self, snapshot: Mapping[str, Any], changes: list[dict[str, Any]]) -> None:
        if not snapshot:
            return
        self.board.load(snapshot["board"])
        for venue, server in self.servers.items():
            server.load_state(snapshot["servers"][venue])
        for change in changes:
            self._repeat(change)
        # The market was shut while we were away: it goes on where it stopped.
        self.board.clock = self._clock_from(self.exchange_lighter.state.market_at)
        for exchange in self.exchanges.values():
            exchange.drain_events()  # told to nobody: every stream of that life is closed

    def _repeat(self, change: Mapping[str, Any]) -> None:
        if "tick" in change:
            now, market_at, prices = change["tick"]
            self._move(Timestamp(now), Timestamp(market_at), {coin: Decimal(price) for coin, price in prices.items()})
        elif "board" in change:
            self.board.load(change["board"])
        elif "exchange" in change:
            self.exchanges[change["venue"]].repeat(change["exchange"])
        else:
            self.servers[change["venue"]].apply_change(change["server"])
