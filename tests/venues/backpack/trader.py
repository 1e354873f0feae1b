"""A client of the simulated Backpack, opened, and what tests ask of it again and again."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from venues.backpack.config import BackpackAccountConfig, BackpackVenueConfig
from venues.backpack.venue import BackpackVenue
from venues.simulator.deployment import Simulation
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.testing import simulation
from venues.venue import Ack, PreparedWrite, VenueEvent

ETH = InstrumentId("ETH-PERP")
SYMBOL = "ETH_USDC_PERP"
PATIENCE_S = 15.0


def wall_now() -> Timestamp:
    """Return wall time, ms."""
    return Timestamp(time.time_ns() // 1_000_000)


class Trader:
    """A client together with the venue it talks to and everything its streams have said."""

    def __init__(self, venue: BackpackVenue, sim: Simulation) -> None:
        self.venue = venue
        self.sim = sim
        self.events: list[VenueEvent] = []
        self._next_id = 1_000_000_001

    def request(self, side: Side = Side.BUY, quantity: str = "0.1", price: str = "3100", **more: Any) -> OrderRequest:
        """Describe an order; by default a market order that fills at once."""
        fields: dict[str, Any] = {
            "order_id": OrderId(f"test:{self._next_id}"),
            "instrument_id": ETH,
            "side": side,
            "quantity": Decimal(quantity),
            "order_type": OrderType.MARKET,
            "price": Decimal(price),
            "time_in_force": TimeInForce.IOC,
            "lane": Lane.ENTRY,
        }
        return OrderRequest(**{**fields, **more})

    def resting(self, price: str = "2900", quantity: str = "0.1", **more: Any) -> OrderRequest:
        """Describe a buy order that rests below the market."""
        return self.request(
            price=price, quantity=quantity, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, **more
        )

    def client_id(self) -> ClientOrderId:
        """Return a client id that was never used."""
        self._next_id += 1
        return ClientOrderId(self._next_id)

    async def prepare(self, request: OrderRequest) -> PreparedWrite:
        """Sign an order under a new client id."""
        return await self.venue.prepare_order(request, self.client_id())

    async def place(self, request: OrderRequest) -> Ack:
        """Sign, send, and wait for the answer."""
        return await (await self.venue.transmit(await self.prepare(request)))

    def fault(self, kind: FaultKind, action: str, **more: Any) -> Fault:
        """Let something go wrong at the venue."""
        return self.sim.faults.add(Fault(kind, "backpack", account="bp", action=action, **more))

    def bought(self) -> Decimal:
        """Return the true position, by the venue's own books."""
        return self.sim.exchange_backpack.position("bp", SYMBOL).quantity

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, with a bound."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.01)

    async def heard(self, kind: type, **fields: Any) -> Any:
        """Wait until the streams have said something of this kind with these fields; return it."""

        def matches() -> list[VenueEvent]:
            return [
                event
                for event in self.events
                if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())
            ]

        await self.until(lambda: bool(matches()))
        return matches()[0]


def config_of(sim: Simulation, **options: Any) -> BackpackVenueConfig:
    """Return the settings of a client of this simulation, patient with slow machines and quick to be certain."""
    settings: dict[str, Any] = {
        "base_url": sim.backpack_url,
        "symbols": {ETH: SYMBOL},
        "window_ms": 1_500,
        "clock_skew_s": 0.2,
        "reconnect_first_s": 0.05,
        "reconnect_max_s": 0.2,
        **options,
    }
    return BackpackVenueConfig(**settings)


def account_of(sim: Simulation, monkeypatch: pytest.MonkeyPatch) -> BackpackAccountConfig:
    """Return the account of this simulation; its throw-away key lies in the environment."""
    monkeypatch.setenv("BACKPACK_TEST_SEED", sim.backpack_secret("bp"))
    return BackpackAccountConfig(secret="env:BACKPACK_TEST_SEED", api_key=sim.backpack_api_key("bp"))


@asynccontextmanager
async def trading(monkeypatch: pytest.MonkeyPatch, **options: Any) -> AsyncIterator[Trader]:
    """Run a simulation and an open client of it."""
    async with simulation(seed=7) as sim:
        venue = BackpackVenue(config_of(sim, **options), account_of(sim, monkeypatch), now=wall_now)
        trader = Trader(venue, sim)

        async def listen() -> None:
            async for event in venue.events():
                trader.events.append(event)

        listener = asyncio.create_task(listen())
        try:
            await venue.open([ETH])
            yield trader
        finally:
            await venue.close()
            await asyncio.wait_for(listener, PATIENCE_S)
