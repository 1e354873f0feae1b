"""The production client against the simulated venue on loopback: how tests get one, act through it, and wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from venues.lighter.config import LighterAccountConfig, LighterVenueConfig
from venues.lighter.venue import LighterVenue
from venues.simulator.deployment import Simulation
from venues.venue import Ack, PreparedWrite, VenueEvent

ETH = InstrumentId("ETH-PERP")
PATIENCE_S = 20.0
"""Longest wait for anything; a healthy run needs a fraction of a second."""

E = TypeVar("E")


def wall_now() -> Timestamp:
    """Return wall time in milliseconds."""
    return Timestamp(time.time_ns() // 1_000_000)


class Desk:
    """One open client, what its streams said, and short ways to act."""

    def __init__(self, venue: LighterVenue) -> None:
        """Listen from now on; needs a running loop."""
        self.venue = venue
        self.heard: list[VenueEvent] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        async for event in self.venue.events():
            async with self._news:
                self.heard.append(event)
                self._news.notify_all()

    async def close(self) -> None:
        """Close the client and stop listening."""
        await self.venue.close()
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def hear(self, kind: type[E], fits: Callable[[E], bool] = lambda _event: True, *, after: int = 0) -> E:
        """Wait for an event of this kind that fits, among those from number `after` on."""

        def found() -> E | None:
            return next((event for event in self.heard[after:] if isinstance(event, kind) and fits(event)), None)

        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    def all(self, kind: type[E]) -> list[E]:
        """Return every event of this kind heard so far."""
        return [event for event in self.heard if isinstance(event, kind)]

    async def prepare(self, number: int, **fields: Any) -> PreparedWrite:
        """Prepare an order: by default a market order to buy 0.1 ETH."""
        return await self.venue.prepare_order(order(number, **fields), ClientOrderId(number))

    async def place(self, number: int, **fields: Any) -> Ack:
        """Prepare and transmit an order; return the answer or raise what it raises."""
        return await (await self.venue.transmit(await self.prepare(number, **fields)))


def order(number: int, **fields: Any) -> OrderRequest:
    """Make a request: by default a market order to buy 0.1 ETH."""
    return OrderRequest.model_validate(
        {
            "order_id": OrderId(f"g:1:leg:entry:{number}"),
            "instrument_id": ETH,
            "side": Side.BUY,
            "quantity": Decimal("0.1"),
            "order_type": OrderType.MARKET,
            "price": Decimal(3100),
            "time_in_force": TimeInForce.IOC,
            "lane": Lane.ENTRY,
        }
        | fields
    )


RESTING: dict[str, Any] = {
    "order_type": OrderType.LIMIT,
    "time_in_force": TimeInForce.GTC,
    "price": Decimal(2900),
}
"""A limit order that rests: below the market, inside the venue's price band."""


def account_config(sim: Simulation, folder: Path, account: int = 1) -> LighterAccountConfig:
    """Return the config of one simulated account; its key lies in a file."""
    index, private_key = sim.lighter_key(account)
    path = folder / f"lighter-{account}.key"
    path.write_text(private_key)
    return LighterAccountConfig.model_validate(
        {"account_index": account, "api_keys": [{"index": index, "secret": f"file:{path}"}]}
    )


def venue_config(sim: Simulation, **fields: Any) -> LighterVenueConfig:
    """Return a config for the simulated venue, with short waits."""
    return LighterVenueConfig.model_validate(
        {
            "base_url": sim.lighter_url,
            "ws_url": sim.lighter_ws_url,
            "tier": "unlimited",
            "symbols": {ETH: "ETH"},
            "nonce_settle_s": 0.05,
            "lookup_lag_s": 0.2,
            "reconnect_first_s": 0.02,
        }
        | fields
    )


@asynccontextmanager
async def desk(sim: Simulation, folder: Path, account: int = 1, **fields: Any) -> AsyncIterator[Desk]:
    """Open the production client on one simulated account while the block runs."""
    venue = LighterVenue(venue_config(sim, **fields), account_config(sim, folder, account), now=wall_now)
    await venue.open([ETH])
    opened = Desk(venue)
    try:
        yield opened
    finally:
        await opened.close()
