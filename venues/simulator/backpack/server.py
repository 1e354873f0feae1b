"""The Backpack server: one `aiohttp` application over one simulated exchange."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from venues.simulator.backpack.auth import Authenticator
from venues.simulator.backpack.context import Context, Options
from venues.simulator.backpack.limits import REQUESTS_PER_MINUTE
from venues.simulator.backpack.memory import Memory
from venues.simulator.backpack.rest import RestFront
from venues.simulator.backpack.stream import StreamFront
from venues.simulator.exchange import Exchange
from venues.simulator.faults import FaultBook
from venues.simulator.model import ExchangeEvent
from venues.simulator.wire import BackpackKey, JsonObject, Now, Pump, Record

PING_INTERVAL_S = 60.0
PONG_TIMEOUT_S = 120.0
"""The real venue's: it pings every minute and closes a socket that is silent for two."""
UPGRADE = "websocket"


class BackpackServer:
    """Speaks Backpack: REST under `/api` and `/wapi`; the WebSocket at `/` and `/ws`, on the same port."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        faults: FaultBook,
        now: Now,
        pump: Pump,
        record: Record,
        keys: Sequence[BackpackKey],
        verify: bool = True,
        requests_per_minute: int = REQUESTS_PER_MINUTE,
        latency_ms: float = 0,
        ends_in_engine: bool = False,
        ping_interval_s: float = PING_INTERVAL_S,
        pong_timeout_s: float = PONG_TIMEOUT_S,
    ) -> None:
        """Build the application; nothing runs until it is served.

        Args:
            exchange: the venue's core. Its accounts are named as in `keys`.
            faults: what is to go wrong.
            now: the venue's clock, milliseconds, skewed when a fault says so.
            pump: publishes what the exchange has to say; awaited after every request that may change something.
            record: is told every change of the server's own state.
            keys: the accounts and their API keys.
            verify: check signatures; False takes any signature of a known key.
            requests_per_minute: one budget for all REST requests.
            latency_ms: added to each REST round trip.
            ends_in_engine: a lack of margin, or a reduce-only order that does not reduce, shows as an order that
                expires at once instead of an HTTP error.
            ping_interval_s: how often sockets are pinged.
            pong_timeout_s: how long a socket may leave pings unanswered.
        """
        self.memory = Memory([key.name for key in keys], record)
        options = Options(
            requests_per_minute=requests_per_minute,
            latency_ms=latency_ms,
            ends_in_engine=ends_in_engine,
            ping_interval_s=ping_interval_s,
            pong_timeout_s=pong_timeout_s,
        )
        context = Context(exchange=exchange, faults=faults, clock=now, memory=self.memory, options=options)
        authenticator = Authenticator({key.name: key.api_key for key in keys}, now, verify=verify)
        self._streams = StreamFront(context, authenticator)
        self.app = web.Application()
        self.app.router.add_get("/", self._root)
        self.app.router.add_get("/ws", self._streams.handle)
        self._rest = RestFront(context, authenticator, pump)
        self._rest.add_to(self.app)
        self.app.on_shutdown.append(self._shut_down)

    async def publish(self, events: Sequence[ExchangeEvent]) -> None:
        """Send the exchange's events to every stream that follows them, in order."""
        self._streams.publish(events)

    async def stop(self) -> None:
        """Close streams with a close frame and end all work. May be called twice."""
        self._rest.stop()
        await self._streams.stop()

    def dump_state(self) -> JsonObject:
        """Return what the server must remember across a restart."""
        return self.memory.dump()

    def load_state(self, state: JsonObject) -> None:
        """Take over what `dump_state` returned in an earlier life."""
        self.memory.load(state)

    def apply_change(self, change: Mapping[str, Any]) -> None:
        """Do again what was told to `record` since the loaded state.

        Raises:
            ValueError: the change is of an unknown kind.
        """
        self.memory.apply(change)

    async def _root(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != UPGRADE:
            return web.Response(status=404, text="Not Found")
        return await self._streams.handle(request)

    async def _shut_down(self, _app: web.Application) -> None:
        await self.stop()
