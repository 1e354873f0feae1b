"""The Lighter server: put together, remembered across restarts, stopped."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from venues.simulator.exchange import Exchange
from venues.simulator.faults import FaultBook
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.clock import VenueClock
from venues.simulator.lighter.connection import Keepalive
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.limits import RateLimiter, Tier
from venues.simulator.lighter.markets import Markets
from venues.simulator.lighter.nonces import KeyBook
from venues.simulator.lighter.rest import RestApi, json_response
from venues.simulator.lighter.stream import StreamServer
from venues.simulator.lighter.submission import CHANGE, Submitter
from venues.simulator.lighter.tokens import TokenGate
from venues.simulator.lighter.txlog import TxLog, TxRow
from venues.simulator.lighter.verification import Verifier
from venues.simulator.model import ExchangeEvent
from venues.simulator.wire import JsonObject, LighterKey, Now, Pump, Record

CHAIN_ID = 304
"""What the official signer hashes for mainnet, and for a loopback address."""
MAX_BODY_BYTES = 1024 * 1024


class LighterServer:
    """One simulated Lighter over one exchange."""

    app: web.Application

    def __init__(
        self,
        exchange: Exchange,
        *,
        faults: FaultBook,
        now: Now,
        pump: Pump,
        record: Record,
        keys: Sequence[LighterKey],
        tier: str = Tier.STANDARD.value,
        verify: bool = True,
        chain_id: int = CHAIN_ID,
        keepalive: Keepalive | None = None,
    ) -> None:
        """Wire everything; nothing runs before the first request.

        Args:
            exchange: the venue's accounts and books. An account is named by its index.
            faults: what goes wrong.
            now: the clock that clients see.
            pump: publishes what the exchange has to say, on every server.
            record: writes a change of this server's own state to the state log.
            keys: the registered API keys.
            tier: every account's tier: its rate limits. Delays and fees are the exchange's.
            verify: check signatures (10 ms each); without it, structure and nonces still count.
            chain_id: hashed into every transaction.
            keepalive: when silent sockets are given up.

        Raises:
            ValueError: an unknown tier, or a market whose steps are no powers of ten.
        """
        self._keys = KeyBook(_by_account(keys))
        self._log = TxLog()
        self._verifier = Verifier(enabled=verify)
        self._backend = self._build(exchange, faults, now, pump, record, Tier(tier), chain_id)
        self._stream = StreamServer(self._backend, keepalive or Keepalive())
        self.app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_unknown_paths])
        RestApi(self._backend).add_to(self.app)
        self.app.router.add_get("/stream", self._stream.handle)

    def _build(
        self, exchange: Exchange, faults: FaultBook, now: Now, pump: Pump, record: Record, tier: Tier, chain_id: int
    ) -> Backend:
        markets = Markets(exchange.markets.values())
        clock = VenueClock(now, faults)
        submitter = Submitter(
            exchange,
            faults=faults,
            keys=self._keys,
            markets=markets,
            log=self._log,
            verifier=self._verifier,
            clock=clock,
            record=record,
            tier=tier,
        )
        return Backend(
            exchange=exchange,
            faults=faults,
            keys=self._keys,
            markets=markets,
            log=self._log,
            gate=TokenGate(self._keys, self._verifier),
            limiter=RateLimiter(tier),
            submitter=submitter,
            clock=clock,
            pump=pump,
            tier=tier,
            chain_id=chain_id,
        )

    async def publish(self, events: Sequence[ExchangeEvent]) -> None:
        """Send the events to every stream that follows them. Only queues; never waits for a reader."""
        self._backend.count(events)
        self._stream.publish(events)

    async def stop(self) -> None:
        """Say goodbye on every stream, close them, end the verifier. May be called twice."""
        await self._stream.stop()
        self._verifier.stop()

    def dump_state(self) -> JsonObject:
        """Return nonces and transactions."""
        return {"keys": self._keys.dump(), "transactions": self._log.dump()}

    def load_state(self, state: JsonObject) -> None:
        """Take over what `dump_state` returned in an earlier life."""
        self._keys.load(state["keys"])
        self._log.load(state["transactions"])

    def apply_change(self, change: Mapping[str, Any]) -> None:
        """Repeat a recorded transaction: its nonce is taken, its row is kept. The exchange repeats its own part."""
        row = TxRow(**change[CHANGE])
        self._log.add(row)
        self._keys.restore(row.account_index, row.api_key_index, row.nonce)


def _by_account(keys: Sequence[LighterKey]) -> dict[int, dict[int, str]]:
    accounts: dict[int, dict[int, str]] = {}
    for key in keys:
        accounts.setdefault(key.account_index, {})[key.api_key_index] = key.public_key
    return accounts


@web.middleware
async def _unknown_paths(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Answer what no route knows in JSON, as the venue answers everything."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPNotFound:
        refusal = ApiRefusal(Code.NOT_FOUND, request.path)
        return json_response(refusal.body(), refusal.status)
    return response
