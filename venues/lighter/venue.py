"""One account at Lighter as a `Venue`: puts signing, nonces, the order line, REST and the streams together."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.order import Lane, OrderRequest
from strategies.domain.quote import Quote
from venues.errors import Malformed, Rejected, Unreachable
from venues.http import HttpClient
from venues.lighter.background import Background
from venues.lighter.budget import Budget
from venues.lighter.config import LighterAccountConfig, LighterVenueConfig
from venues.lighter.inquiry import Inquiry
from venues.lighter.native import SignerError
from venues.lighter.orders import HttpLine, WebSocketLine
from venues.lighter.parse import (
    AccountStatement,
    Market,
    flat,
    parse_account,
    parse_markets,
    parse_touch,
)
from venues.lighter.rest import SECRET_NAMES, LighterRest
from venues.lighter.signing import CLIENT_ID_BITS, SignedWrite, Signer
from venues.lighter.stream import PRIVATE, LighterStream
from venues.lighter.tokens import AuthTokens
from venues.lighter.writes import Writes
from venues.secrets import SecretMissingError, resolve
from venues.stream import Feed
from venues.venue import (
    Ack,
    Capabilities,
    FillReport,
    LeverageScope,
    Now,
    OrderReport,
    PreparedWrite,
    StreamGap,
    VenueEvent,
    VenueStatus,
    Verdict,
    WriteIdentity,
    WriteKind,
)

_CONNECTIONS = 8
"""HTTP connections at most: as many reads as an account ever makes at once."""
_WRITE_LIFE_S = 600.0
"""The signer lets every transaction expire ten minutes after signing."""
_FEED_LIMIT = 10_000
"""Events that may wait for the account's one reader; more means that it hangs, and then it is told of the loss."""
_MS_PER_S = 1000
_ACCOUNT_PATH = "/api/v1/account"

T = TypeVar("T")


class LighterVenue:
    """The production client. The constructor does no I/O and never raises."""

    def __init__(self, config: LighterVenueConfig, account: LighterAccountConfig, *, now: Now) -> None:
        """Keep what `open` needs."""
        self._config = config
        self._account = account
        self._now = now
        self._keys = [key.index for key in account.api_keys]
        self._signer = Signer(account.account_index, config.chain)
        self._tokens = AuthTokens(self._signer, now, config.token_life_s)
        self._budget = Budget(config.tier, config.budget_share)
        self._feed: Feed[VenueEvent] = Feed(_FEED_LIMIT, self._lost)
        self._writes = Writes(config, self._keys, account.exit_key, self._budget, now=now, feed=self._feed)
        self._background = Background()
        self._markets: dict[InstrumentId, Market] = {}
        self._http: HttpClient | None = None
        self._rest: LighterRest | None = None
        self._stream: LighterStream | None = None
        self._line: WebSocketLine | HttpLine | None = None
        self._inquiry: Inquiry | None = None
        self._asking: asyncio.Task[AccountStatement] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Return what Lighter can do."""
        return Capabilities(
            venue="lighter",
            client_id_bits=CLIENT_ID_BITS,
            write_life_s=_WRITE_LIFE_S,
            clock_skew_s=self._config.clock_skew_s,
            pipeline_depth=self._config.pipeline_depth if self._config.orders_over == "ws" else 1,
            leverage_scope=LeverageScope.INSTRUMENT,
            nonce_fence=self._config.nonce_fence,
            dead_man_switch=self._config.dead_man_switch,
            stop_orders=self._config.stop_orders,
            maker_minimums_only=True,
        )

    # --- life ---

    async def open(self, instruments: Sequence[InstrumentId]) -> None:
        """Connect, learn the markets, check every key, start the streams. Raises as the protocol says."""
        self._add_keys()
        try:
            await self._connect(instruments)
        except BaseException:
            await self._disconnect()
            raise

    async def close(self) -> None:
        """Close everything. Never raises; may be called twice."""
        await self._disconnect()
        self._feed.close()

    def _add_keys(self) -> None:
        try:
            for key in self._account.api_keys:
                self._signer.add_key(key.index, resolve(key.secret))
        except (SecretMissingError, SignerError) as error:
            raise Rejected("key", str(error)) from error

    async def _connect(self, instruments: Sequence[InstrumentId]) -> None:
        config = self._config
        self._http = HttpClient(
            config.base_url,
            timeout_s=config.read_timeout_s,
            max_answer_bytes=config.max_answer_bytes,
            connections=_CONNECTIONS,
            secrets=SECRET_NAMES,
        )
        rest = LighterRest(self._http, self._budget, self._tokens, self._account.account_index)
        self._markets = await self._learn(rest, instruments)
        jitter = random.Random()  # noqa: S311 - spreads reconnects, keeps no secret
        quota = self._budget.quota
        line = WebSocketLine(config, jitter, on_quota=quota.state) if config.orders_over == "ws" else HttpLine(rest)
        by_index = self._by_index
        stream = LighterStream(
            config,
            self._account.account_index,
            by_index,
            self._tokens,
            self._keys[0],
            now=self._now,
            feed=self._feed,
            jitter=jitter,
        )
        self._rest, self._line, self._stream = rest, line, stream
        self._inquiry = Inquiry(
            config,
            rest,
            stream,
            self._account.account_index,
            self._keys[0],
            by_index,
            taken_by=self._writes.taken_by,
            now=self._now,
        )
        self._writes.connect(rest, line)
        # The keys first: a refused key must not be told as a stream that does not open.
        for key in self._keys:
            await self._check_key(rest, key)
        await stream.start()
        await line.start()

    async def _disconnect(self) -> None:
        await self._background.close()
        for part in (self._stream, self._line, self._http):
            if part is not None:
                await part.close()
        self._rest = self._inquiry = self._stream = self._line = self._http = None
        self._asking = None

    async def _learn(self, rest: LighterRest, instruments: Sequence[InstrumentId]) -> dict[InstrumentId, Market]:
        unknown = [name for name in instruments if name not in self._config.symbols]
        if unknown:
            raise Rejected("symbols", f"venues.lighter.symbols names no Lighter symbol for {', '.join(unknown)}")
        wanted = {name: self._config.symbols[name] for name in instruments}
        markets = parse_markets(await rest.markets(), wanted)
        missing = [f"{name} ({symbol})" for name, symbol in wanted.items() if name not in markets]
        if missing:
            raise Rejected("market", f"Lighter lists no perpetual market for {', '.join(missing)}")
        return markets

    async def _check_key(self, rest: LighterRest, key: int) -> None:
        """Learn the key's nonce, and make a private read: only the right key signs a token that the venue takes."""
        await self._writes.sync(key, Lane.READ)
        market = next(iter(self._by_index), 0)
        await rest.active_orders(key, market)

    @property
    def _by_index(self) -> dict[int, InstrumentId]:
        return {market.scale.market_index: name for name, market in self._markets.items()}

    # --- what is known without asking ---

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """Return an instrument named in `open`. Raises KeyError for any other."""
        return self._markets[instrument_id].instrument

    def events(self) -> AsyncIterator[VenueEvent]:
        """Yield what the streams say. One reader."""
        return self._feed.read()

    def status(self) -> VenueStatus:
        """Return numbers about the connection."""
        stream, line = self._stream, self._line
        return VenueStatus(
            stream_ages_s=stream.ages_s() if stream else {},
            clock_offset_s=stream.clock_offset_s if stream else None,
            budget_left=self._budget.left(),
            deaf=stream.deaf if stream else "not open",
            nonces=self._writes.explained(),
            nonce_resyncs=self._writes.resyncs,
            reconnects=(stream.reconnects if stream else 0) + (line.reconnects if line else 0),
            rate_limited=self._writes.rate_limited + (self._rest.rate_limited if self._rest else 0),
        )

    # --- writes ---

    def restore(self, pending: Sequence[WriteIdentity]) -> None:
        """Tell of writes from an earlier life whose outcome is open."""
        self._writes.restore(pending)

    async def prepare_order(self, request: OrderRequest, client_order_id: ClientOrderId) -> PreparedWrite:
        """Sign an order under the next nonce."""
        market = self._market(request.instrument_id)

        def sign(key: int, nonce: int) -> SignedWrite:
            return self._signer.order(market.scale, request, client_order_id, key=key, nonce=nonce)

        identity = self._identity(WriteKind.ORDER, request.instrument_id, client_order_id)
        return await self._writes.prepare(
            identity.model_copy(update={"order_id": request.order_id}), request.lane, sign
        )

    async def prepare_cancel(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> PreparedWrite:
        """Sign the cancel of one order of ours."""
        market = self._market(instrument_id)

        def sign(key: int, nonce: int) -> SignedWrite:
            return self._signer.cancel(market.scale, client_order_id, key=key, nonce=nonce)

        identity = self._identity(WriteKind.CANCEL, instrument_id, client_order_id)
        return await self._writes.prepare(identity, Lane.EXIT, sign)

    async def prepare_cancel_all(self, instrument_id: InstrumentId) -> PreparedWrite:
        """Sign a cancel of everything that rests in this market."""
        market = self._market(instrument_id)

        def sign(key: int, nonce: int) -> SignedWrite:
            return self._signer.cancel_all(market.scale, key=key, nonce=nonce)

        return await self._writes.prepare(self._identity(WriteKind.CANCEL_ALL, instrument_id), Lane.EXIT, sign)

    async def prepare_leverage(self, instrument_id: InstrumentId, leverage: Decimal) -> PreparedWrite:
        """Sign a change of this market's leverage."""
        market = self._market(instrument_id)
        if leverage > market.instrument.max_leverage:
            raise Rejected("leverage", f"{leverage} is above this market's {market.instrument.max_leverage}")

        def sign(key: int, nonce: int) -> SignedWrite:
            return self._signer.leverage(market.scale, leverage, key=key, nonce=nonce)

        return await self._writes.prepare(self._identity(WriteKind.LEVERAGE, instrument_id), Lane.ENTRY, sign)

    async def prepare_switch(self, instrument_id: InstrumentId, due_at: Timestamp | None, lane: Lane) -> PreparedWrite:
        """Sign the setting, or taking back, of the scheduled cancel of everything."""
        identity = self._identity(WriteKind.SWITCH, instrument_id)
        return await self._writes.prepare(identity, lane, self._switch(due_at))

    async def prepare_fence(self, write: WriteIdentity, due_at: Timestamp | None, lane: Lane) -> PreparedWrite | None:
        """Sign a harmless write for the nonce of one in doubt; None when that nonce is used already."""
        identity = self._identity(WriteKind.SWITCH, write.instrument_id)
        return await self._writes.prepare_fence(write, identity, lane, self._switch(due_at))

    def _switch(self, due_at: Timestamp | None) -> Callable[[int, int], SignedWrite]:
        # The venue's clock decides when it is due, and refuses a moment that is too near by that clock.
        stream = self._stream
        offset_ms = int((stream.clock_offset_s or 0.0) * _MS_PER_S) if stream else 0
        wanted = None if due_at is None else Timestamp(due_at + offset_ms)
        return lambda key, nonce: self._signer.switch(wanted, key=key, nonce=nonce)

    def discard(self, write: PreparedWrite) -> None:
        """Give back a write that will not be transmitted."""
        self._writes.discard(write)

    async def transmit(self, write: PreparedWrite) -> "asyncio.Future[Ack]":
        """Hand the bytes to the line; return at once with the answer to come."""
        return await self._writes.transmit(write)

    async def resync(self, lane: Lane = Lane.READ) -> None:
        """Ask the venue for the next nonce of every key that is in doubt and that `lane` may use."""
        await self._writes.resync(lane)

    def _market(self, instrument_id: InstrumentId) -> Market:
        market = self._markets.get(instrument_id)
        if market is None:
            raise Rejected("instrument", f"{instrument_id} was not named when this venue was opened")
        return market

    def _identity(
        self, kind: WriteKind, instrument_id: InstrumentId, client_order_id: ClientOrderId | None = None
    ) -> WriteIdentity:
        now = self._now()
        return WriteIdentity(
            kind=kind,
            instrument_id=instrument_id,
            client_order_id=client_order_id,
            prepared_at=now,
            expires_at=Timestamp(now + int(_WRITE_LIFE_S * _MS_PER_S)),
        )

    # --- reads ---

    async def investigate(self, write: WriteIdentity) -> Verdict:
        """Gather observations about one write and judge them."""
        return await self._open_inquiry().investigate(write)

    async def order(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        """Look one order up by our id."""
        return await _asked(self._open_inquiry().order(instrument_id, client_order_id))

    async def open_orders(self, instrument_id: InstrumentId) -> list[OrderReport]:
        """Return what rests in this market."""
        return await _asked(self._open_inquiry().open_orders(instrument_id))

    async def fills(self, instrument_id: InstrumentId, since: Timestamp) -> list[FillReport]:
        """Return every execution at or after `since`, oldest first."""
        return await _asked(self._open_inquiry().fills(instrument_id, since))

    async def balance(self, instrument_id: InstrumentId) -> Balance:
        """Return money and margin: equity is `collateral` plus all positions' `unrealized_pnl`."""
        at = self._now()
        statement = await self._statement()
        return statement.balance(self._markets[instrument_id].scale.market_index, at)

    async def position(self, instrument_id: InstrumentId) -> ReportedPosition:
        """Return the venue's statement of the position; a complete answer without this market says flat.

        With nothing left for reads just now it is asked for over the stream: whoever gets out must not wait a minute to
        be told that he is out.
        """
        self._open_rest()
        at = self._now()
        market = self._markets[instrument_id].scale.market_index
        stream = self._stream
        if stream is not None and not stream.deaf and not self._budget.may_read(_ACCOUNT_PATH):
            positions = await stream.positions(self._config.read_timeout_s)
            return positions.get(market, flat(at))
        statement = await self._statement()
        return statement.position(market, at)

    async def quote(self, instrument_id: InstrumentId) -> Quote:
        """Return the market as the stream shows it; what is old is fetched."""
        rest = self._open_rest()
        market = self._markets[instrument_id].scale.market_index
        now = self._now()
        seen = self._stream.quote(market) if self._stream else None
        oldest = now - self._config.quote_max_age_s * _MS_PER_S
        if seen is not None and min(seen.at, seen.mark_at) >= oldest:
            return seen
        bid, ask = parse_touch(await _asked(rest.touch(market)))
        listing = await _asked(rest.market(market))
        listed = parse_markets(listing, {instrument_id: self._config.symbols[instrument_id]}).get(instrument_id)
        mark = listed.mark if listed else None
        return Quote(bid=bid, ask=ask, mark=mark, at=now, mark_at=now if mark else Timestamp(0))

    async def _statement(self) -> AccountStatement:
        """Ask for the account. Questions share one answer until it has left; none joins one that is on its way."""
        self._open_rest()
        if self._asking is None:
            self._asking = self._background.start("account", self._ask_account())
        return await asyncio.shield(self._asking)

    async def _ask_account(self) -> AccountStatement:
        await asyncio.sleep(0)
        try:
            await self._budget.read(_ACCOUNT_PATH, Lane.READ)
        finally:
            self._asking = None
        at = self._now()
        body = await _asked(self._open_rest().account())
        return parse_account(body, self._account.account_index, at)

    def _open_inquiry(self) -> Inquiry:
        if self._inquiry is None:
            raise Unreachable("not open")
        return self._inquiry

    def _open_rest(self) -> LighterRest:
        if self._rest is None:
            raise Unreachable("not open")
        return self._rest

    def _lost(self, dropped: int) -> VenueEvent:
        return StreamGap(channel=PRIVATE, at=self._now(), reason=f"{dropped} events were not read in time")


async def _asked(question: Awaitable[T]) -> T:
    """Pass an answer on. A refused read is an answer that we cannot use; the venue's words are kept."""
    try:
        return await question
    except Rejected as refusal:
        raise Malformed(f"refused: {refusal}") from refusal
