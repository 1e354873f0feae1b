"""One Backpack account as a `Venue`: what `venues/venue.py` promises, said in Backpack's words. See NOTES.md."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from http import HTTPStatus
from typing import Final, TypeVar

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, VenueSymbol
from strategies.domain.instrument import Instrument
from strategies.domain.money import is_multiple
from strategies.domain.order import Lane, OrderRequest, Side
from strategies.domain.quote import Quote
from venues.backpack import fields as read
from venues.backpack import parse, rest
from venues.backpack.config import BackpackAccountConfig, BackpackVenueConfig
from venues.backpack.look import BackpackLook
from venues.backpack.proof import judge_cancel, judge_order
from venues.backpack.rest import BackpackRest, SignedWrite
from venues.backpack.signing import BadKeyError, Fields, Scalar, Signer, plain
from venues.backpack.stream import ACCOUNT_CHANNEL, BackpackStream
from venues.errors import Malformed, OutcomeUnknown, Rejected, Unreachable, VenueError
from venues.http import parse_json
from venues.secrets import SecretMissingError, resolve
from venues.stream import Feed
from venues.venue import (
    Ack,
    Capabilities,
    Certainty,
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

_LOG = logging.getLogger(__name__)

CLIENT_ID_BITS: Final = 32
_MS: Final = 1_000
_WATCH_S: Final = 0.5
"""How often the private stream's debts and the clock are looked at."""
T = TypeVar("T")

_SIDE_WORDS: Final = {Side.BUY: "Bid", Side.SELL: "Ask"}


class BackpackVenue:
    """One account at Backpack. The constructor does no I/O and never raises."""

    def __init__(self, config: BackpackVenueConfig, account: BackpackAccountConfig, *, now: Now) -> None:
        """Keep the settings."""
        self._config = config
        self._account = account
        self._now = now
        self._rest = BackpackRest(config, now=now, on_clock_doubt=self._doubt_clock)
        self._look = BackpackLook(self._rest, config, self._symbol, now=now)
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._feed: Feed[VenueEvent] = Feed(config.events_queued, self._overflow)
        self._stream: BackpackStream | None = None
        self._clock_due_at = 0.0
        self._tasks: set[asyncio.Task[object]] = set()
        self._departed: asyncio.Event | None = None
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """Return what this venue can do."""
        return Capabilities(
            venue="backpack",
            client_id_bits=CLIENT_ID_BITS,
            write_life_s=self._config.window_ms / _MS,
            clock_skew_s=self._config.clock_skew_s,
            pipeline_depth=self._config.pipeline_depth,
            leverage_scope=LeverageScope.ACCOUNT,
            dead_man_switch=self._config.dead_man_switch,
            stop_orders=self._config.stop_orders,
        )

    # --- opening and closing -------------------------------------------------------------------------------------

    async def open(self, instruments: Sequence[InstrumentId]) -> None:
        """Measure the clock, check the key, learn the instruments, start the streams. May be called again."""
        self._rest.use(self._signer())
        await self._rest.measure_clock()
        await self._rest.measure_clock()  # the first one also set the connection up, which blurs it
        settings = await self._rest.check_key()
        taker, maker = parse.futures_fees_bps(settings)
        rows = read.as_list(await self._rest.public("/api/v1/markets"))
        by_symbol = {read.as_object(row).get("symbol"): row for row in rows}
        for instrument_id in instruments:
            row = by_symbol.get(self._symbol(instrument_id))
            if row is None:
                raise Rejected("UNKNOWN_SYMBOL", f"the venue lists no market {self._symbol(instrument_id)}")
            self._instruments[instrument_id] = parse.instrument(row, instrument_id, taker_bps=taker, maker_bps=maker)
        if self._stream is None:
            self._stream = BackpackStream(
                self._config,
                {self._symbol(each): each for each in instruments},
                now=self._now,
                offset_ms=lambda: self._rest.offset_ms or 0,
                subscription=self._rest.subscription,
                on_refused=self._rest.doubt_clock,
                feed=self._feed,
            )
            self._start(self._watch())
        await self._stream.start()

    async def close(self) -> None:
        """Close connections; a write that still awaits its answer ends as `OutcomeUnknown`."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._stream is not None:
            await self._stream.close()
        await self._rest.close()
        self._feed.close()

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """Return an instrument named in `open`. Raises KeyError for any other."""
        return self._instruments[instrument_id]

    def events(self) -> AsyncIterator[VenueEvent]:
        """Yield what the streams say while the venue is open. One reader."""
        return self._feed.read()

    def status(self) -> VenueStatus:
        """Return numbers about the connection."""
        offset = self._rest.offset_ms
        return VenueStatus(
            stream_ages_s=self._stream.ages() if self._stream is not None else {},
            clock_offset_s=None if offset is None else offset / _MS,
            budget_left=self._rest.budget.left(),
            deaf=self._stream.deaf if self._stream is not None else "not open",
            reconnects=self._stream.reconnects if self._stream is not None else 0,
            rate_limited=self._rest.rate_limited,
        )

    # --- writes --------------------------------------------------------------------------------------------------

    def restore(self, pending: Sequence[WriteIdentity]) -> None:
        """Take nothing over: without nonces, an open write of an earlier life binds nothing here."""

    def discard(self, write: PreparedWrite) -> None:
        """Give nothing back: a signature that is not sent has used nothing up."""

    async def resync(self, lane: Lane = Lane.READ) -> None:
        """Compare clocks when they are in doubt: the time is all that a Backpack signature depends on."""
        if self._clock_due_at <= asyncio.get_running_loop().time():
            await self._measure_clock(lane)

    async def prepare_order(self, request: OrderRequest, client_order_id: ClientOrderId) -> PreparedWrite:
        """Sign an order. A MARKET order becomes a LIMIT order at its worst price, see NOTES.md."""
        instrument = self._instruments[request.instrument_id]
        _check_order(request, client_order_id, instrument)
        fields: dict[str, Scalar] = {
            "clientId": client_order_id,
            "orderType": "Limit",
            "price": plain(request.price),
            "quantity": plain(request.quantity),
            "side": _SIDE_WORDS[request.side],
            "symbol": instrument.symbol,
            "timeInForce": request.time_in_force.value,
        }
        if request.post_only:
            fields["postOnly"] = True
        if request.reduce_only:
            fields["reduceOnly"] = True
        return self._prepared(
            WriteKind.ORDER,
            rest.ORDER_EXECUTE,
            fields,
            request.lane,
            request.instrument_id,
            client_order_id=client_order_id,
            request=request,
        )

    async def prepare_cancel(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> PreparedWrite:
        """Sign the cancel of one order of ours."""
        return self._prepared(
            WriteKind.CANCEL,
            rest.ORDER_CANCEL,
            {"clientId": client_order_id, "symbol": self._symbol(instrument_id)},
            Lane.EXIT,
            instrument_id,
            client_order_id=client_order_id,
        )

    async def prepare_cancel_all(self, instrument_id: InstrumentId) -> PreparedWrite:
        """Sign a cancel of everything that rests on this instrument."""
        fields = {"symbol": self._symbol(instrument_id)}
        return self._prepared(WriteKind.CANCEL_ALL, rest.ORDERS_CANCEL, fields, Lane.EXIT, instrument_id)

    async def prepare_leverage(self, instrument_id: InstrumentId, leverage: Decimal) -> PreparedWrite:
        """Sign a change of the leverage limit, which holds for the whole account."""
        highest = self._instruments[instrument_id].max_leverage
        if not 1 <= leverage <= highest:
            raise Rejected("LEVERAGE", f"{leverage} is not between 1 and {highest}")
        fields = {"leverageLimit": plain(leverage)}
        return self._prepared(WriteKind.LEVERAGE, rest.ACCOUNT_UPDATE, fields, Lane.ENTRY, instrument_id)

    async def prepare_switch(self, instrument_id: InstrumentId, due_at: Timestamp | None, lane: Lane) -> PreparedWrite:
        """Refuse: there is no scheduled cancel here."""
        raise Rejected("UNSUPPORTED", f"Backpack cancels nothing at a set time ({instrument_id}, {due_at}, {lane})")

    async def prepare_fence(self, write: WriteIdentity, due_at: Timestamp | None, lane: Lane) -> PreparedWrite | None:
        """Refuse: there are no nonces here; a write's window closes by itself, and soon."""
        raise Rejected("UNSUPPORTED", f"Backpack has no nonces to fence ({write.kind}, {due_at}, {lane})")

    async def transmit(self, write: PreparedWrite) -> "asyncio.Future[Ack]":
        """Start the request; return the answer to come. The next write starts when this one has got its connection."""
        if self._closed:
            raise Unreachable("closed: nothing is sent any more")
        await self._rest.budget.acquire_write(write.lane)
        before, departed = self._departed, asyncio.Event()
        self._departed = departed
        return self._start(self._deliver(write, before, departed))

    async def _deliver(self, write: PreparedWrite, before: asyncio.Event | None, departed: asyncio.Event) -> Ack:
        try:
            if before is not None:
                await before.wait()
            in_force = 0 if self._stream is None else self._stream.in_force
            answer = await self._rest.send(SignedWrite.from_payload(write.payload), departed.set)
            return self._ack(write.identity, answer.status, answer.text, in_force)
        except asyncio.CancelledError:
            if not self._closed:
                raise
            raise OutcomeUnknown("closed while the answer was awaited") from None
        finally:
            departed.set()

    def _ack(self, identity: WriteIdentity, status: int, text: str, in_force: int) -> Ack:
        """Read the answer to a write that was taken; one that cannot be read tells nothing about the outcome."""
        if identity.kind in (WriteKind.LEVERAGE, WriteKind.CANCEL_ALL):
            return Ack()
        if identity.kind is WriteKind.CANCEL and status == HTTPStatus.ACCEPTED:
            return Ack()  # taken, not yet done: the order's own end comes through the stream
        try:
            report = parse.order(parse_json(text), identity.instrument_id)
        except Malformed as error:
            raise OutcomeUnknown(f"an unreadable answer: {error}") from error
        if report.client_order_id != identity.client_order_id:
            raise OutcomeUnknown(f"an answer about another order: client id {report.client_order_id}")
        if self._stream is not None and identity.kind is WriteKind.ORDER and report.client_order_id is not None:
            self._stream.expect(report.client_order_id, in_force)
        return Ack(order=report)

    # --- looking -------------------------------------------------------------------------------------------------

    async def investigate(self, write: WriteIdentity) -> Verdict:
        """Gather observations about one write and judge them by the table of proof.py."""
        match write.kind:
            case WriteKind.ORDER:
                if write.client_order_id is None:
                    raise ValueError("the identity of an order has a client id")
                streamed = self._stream.heard(write.client_order_id) if self._stream is not None else None
                evidence = await self._look.order_evidence(write, write.client_order_id)
                return judge_order(replace(evidence, streamed=streamed))
            case WriteKind.CANCEL | WriteKind.CANCEL_ALL:
                return judge_cancel(await self._look.cancel_evidence(write))
            case WriteKind.LEVERAGE | WriteKind.SWITCH:
                proof = "a leverage leaves no trace of who set it: read the balance"
                return Verdict(certainty=Certainty.OPEN, proof=proof)

    async def order(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        """Look an order up on the book, then in the last `lookup_pages` pages of the order history."""
        return await self._look.order(instrument_id, client_order_id)

    async def open_orders(self, instrument_id: InstrumentId) -> list[OrderReport]:
        """Return what rests on the account, ours or not."""
        return await self._look.open_orders(instrument_id)

    async def fills(self, instrument_id: InstrumentId, since: Timestamp) -> list[FillReport]:
        """Return every execution at or after `since`, oldest first, complete."""
        return await self._look.fills(instrument_id, since)

    async def balance(self, instrument_id: InstrumentId) -> Balance:
        """Return money and margin of the account, which all instruments share."""
        del instrument_id
        return await self._look.balance()

    async def position(self, instrument_id: InstrumentId) -> ReportedPosition:
        """Return the venue's statement of the position."""
        return await self._look.position(instrument_id)

    async def quote(self, instrument_id: InstrumentId) -> Quote:
        """Return the streamed quote, or a fetched one when book or mark is older than `quote_max_age_s`."""
        oldest = self._now() - self._config.quote_max_age_s * _MS
        known = self._stream.quote(instrument_id) if self._stream is not None else None
        if known is not None and known.at >= oldest and known.mark_at >= oldest:
            return known
        fetched = await self._look.quote(instrument_id)
        return self._stream.keep_quote(instrument_id, fetched) if self._stream is not None else fetched

    # --- parts ---------------------------------------------------------------------------------------------------

    def _signer(self) -> Signer:
        try:
            signer = Signer(resolve(self._account.secret))
        except (SecretMissingError, BadKeyError) as error:
            raise Rejected("BAD_SECRET", str(error)) from error
        if self._account.api_key and self._account.api_key != signer.api_key:
            raise Rejected("BAD_SECRET", f"{self._account.secret} is the key {signer.api_key}, not the api_key named")
        return signer

    def _symbol(self, instrument_id: InstrumentId) -> VenueSymbol:
        symbol = self._config.symbols.get(instrument_id)
        if symbol is None:
            raise Rejected("UNKNOWN_INSTRUMENT", f"venues.backpack.symbols has no entry for {instrument_id}")
        return symbol

    def _prepared(
        self,
        kind: WriteKind,
        endpoint: rest.Endpoint,
        fields: Fields,
        lane: Lane,
        instrument_id: InstrumentId,
        *,
        client_order_id: ClientOrderId | None = None,
        request: OrderRequest | None = None,
    ) -> PreparedWrite:
        at = self._rest.venue_now()
        identity = WriteIdentity(
            kind=kind,
            instrument_id=instrument_id,
            order_id=None if request is None else request.order_id,
            client_order_id=client_order_id,
            prepared_at=self._now(),
            expires_at=Timestamp(at + self._config.window_ms),
        )
        return PreparedWrite(identity=identity, lane=lane, payload=self._rest.signed(endpoint, fields, at).to_payload())

    def _doubt_clock(self) -> None:
        self._clock_due_at = 0.0

    async def _measure_clock(self, lane: Lane = Lane.READ) -> None:
        await self._rest.measure_clock(lane)
        self._clock_due_at = asyncio.get_running_loop().time() + self._config.clock_check_s

    async def _watch(self) -> None:
        """Keep the clock offset fresh and the private stream honest, until closed.

        Nothing ends it but the end: a watch that died would leave a silent stream unnoticed, and the account trading.
        """
        self._clock_due_at = asyncio.get_running_loop().time() + self._config.clock_check_s
        while True:
            await asyncio.sleep(_WATCH_S)
            try:
                await self._watch_once()
            except VenueError as error:
                _LOG.info("clock not measured: %s", error)
                self._clock_due_at = asyncio.get_running_loop().time() + self._config.reconnect_first_s
            except Exception as error:  # noqa: BLE001 - a watch that ends in silence is worse than one that goes on
                # A mistake of ours, told aloud. What it may have hidden is fetched: the stream starts over.
                _LOG.exception("the watch over clock and streams met what it did not expect, and goes on")
                self._clock_due_at = asyncio.get_running_loop().time() + self._config.clock_check_s
                if self._stream is not None:
                    self._stream.reconnect(f"the watch failed: {error.__class__.__name__}")

    async def _watch_once(self) -> None:
        if self._stream is not None:
            self._stream.judge_silence()
        if self._clock_due_at <= asyncio.get_running_loop().time():
            await self._measure_clock()

    def _overflow(self, dropped: int) -> VenueEvent:
        return StreamGap(
            channel=ACCOUNT_CHANNEL, at=self._now(), reason=f"{dropped} events dropped: the reader is slow"
        )

    def _start(self, work: Coroutine[None, None, T]) -> "asyncio.Task[T]":
        """Run `work` in the background. An empty context, so that no caller's cancellation scope reaches into it."""
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _check_order(request: OrderRequest, client_order_id: ClientOrderId, instrument: Instrument) -> None:
    """Refuse what this venue cannot express."""
    if request.trigger_price is not None:
        raise Rejected("UNSUPPORTED", "the outcome of a trigger order cannot be proven at Backpack (see config.py)")
    if not 0 < client_order_id < 1 << CLIENT_ID_BITS:
        raise Rejected("CLIENT_ID", f"{client_order_id} does not fit {CLIENT_ID_BITS} bits")
    if not is_multiple(request.quantity, instrument.lot):
        raise Rejected("LOT", f"{request.quantity} is not a multiple of the lot {instrument.lot}")
    if request.quantity < instrument.min_quantity:
        raise Rejected("MINIMUM", f"{request.quantity} is below the smallest order {instrument.min_quantity}")
    if not is_multiple(request.price, instrument.tick):
        raise Rejected("TICK", f"{request.price} is not a multiple of the tick {instrument.tick}")
