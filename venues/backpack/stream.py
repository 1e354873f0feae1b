"""Backpack's one WebSocket per account: what it subscribes to, what its frames become, when it counts as silent.

Private and public streams share a connection on purpose. The venue acknowledges no subscription, but it works through
frames in order: the first public event proves that the private subscription, sent before, is in force. And while mark
prices keep coming, a private stream with nothing to say is quiet, not dead.
"""

import asyncio
import json
import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp
from strategies.domain.quote import Quote
from venues.backpack import fields as read
from venues.backpack import parse
from venues.backpack.config import BackpackVenueConfig
from venues.errors import Malformed
from venues.http import Json, parse_json
from venues.stream import ChannelAges, Feed, ReconnectingStream, StreamOptions
from venues.venue import Now, OrderReport, PositionReport, QuoteReport, StreamGap, StreamUp, VenueEvent

_LOG = logging.getLogger(__name__)

ACCOUNT_CHANNEL: Final = "account"
"""How ages, gaps and ups name the private streams together."""
_ORDERS: Final = "account.orderUpdate"
_POSITIONS: Final = "account.positionUpdate"
_BOOK: Final = "bookTicker"
_MARK: Final = "markPrice"
_REMEMBERED: Final = 4_096
"""Orders remembered as heard: far more than can be in flight."""


class BackpackStream:
    """Turns frames into venue events and keeps the latest quotes."""

    def __init__(
        self,
        config: BackpackVenueConfig,
        instruments: Mapping[str, InstrumentId],
        *,
        now: Now,
        offset_ms: Callable[[], int],
        subscription: Callable[[], list[str]],
        on_refused: Callable[[str], None],
        feed: Feed[VenueEvent],
    ) -> None:
        """Keep the settings; does no I/O.

        Args:
            config: the venue's settings.
            instruments: venue symbol → our name, of all that is followed.
            now: our wall clock, ms.
            offset_ms: the venue's clock minus ours.
            subscription: signs a private subscription, anew for each connection.
            on_refused: told the venue's words when it refuses a subscription.
            feed: where events go.
        """
        self._instruments = dict(instruments)
        self._now = now
        self._offset_ms = offset_ms
        self._subscription = subscription
        self._on_refused = on_refused
        self._feed = feed
        self._echo_s = config.echo_s
        self._deaf_after_s = config.market_stale_s
        self._quotes: dict[InstrumentId, Quote] = {}
        self._made_at: dict[str, Timestamp] = {}
        """Per stream, the venue's time of the latest event."""
        self._awaited: dict[ClientOrderId, float] = {}
        self._heard: OrderedDict[ClientOrderId, OrderReport] = OrderedDict()
        self._up_epoch = 0
        bounds = {f"{kind}.{symbol}": config.market_stale_s for symbol in instruments for kind in (_BOOK, _MARK)}
        self._ages = ChannelAges(bounds)
        self._socket = ReconnectingStream(
            config.stream_url,
            on_frame=self._on_frame,
            on_open=self._on_open,
            on_close=self._on_close,
            ages=self._ages,
            jitter=random.SystemRandom(),
            options=StreamOptions(
                open_timeout_s=config.connect_timeout_s,
                first_wait_s=config.reconnect_first_s,
                longest_wait_s=config.reconnect_max_s,
                max_frame_bytes=config.max_answer_bytes,
            ),
        )
        self._open_timeout_s = config.connect_timeout_s

    @property
    def reconnects(self) -> int:
        """Return how many connections came after the first."""
        return self._socket.reconnects

    async def start(self) -> None:
        """Connect and subscribe.

        Raises:
            Unreachable: no connection in time; it goes on trying.
        """
        self._socket.start()
        await self._socket.wait_open(self._open_timeout_s)

    async def close(self) -> None:
        """End for good."""
        await self._socket.close()

    def reconnect(self, reason: str) -> None:
        """Open a new connection."""
        self._socket.reconnect(reason)

    def ages(self) -> dict[str, float]:
        """Return content ages, seconds. The private streams are as old as what they owe us, or as the public ones."""
        ages = self._ages.ages()
        youngest = min(ages.values(), default=float("inf"))
        now = asyncio.get_running_loop().time()
        owed = max((now - at for at in self._awaited.values()), default=0.0)
        return {**ages, ACCOUNT_CHANNEL: max(youngest, owed)}

    def quote(self, instrument_id: InstrumentId) -> Quote | None:
        """Return the latest quote; None = nothing heard yet."""
        return self._quotes.get(instrument_id)

    def keep_quote(self, instrument_id: InstrumentId, fetched: Quote) -> Quote:
        """Take over what was fetched where it is newer than what was heard; return the newest of both."""
        known = self._quotes.get(instrument_id)
        if known is not None and known.at > fetched.at:
            fetched = fetched.model_copy(update={"bid": known.bid, "ask": known.ask, "at": known.at})
        if known is not None and known.mark_at > fetched.mark_at:
            fetched = fetched.model_copy(update={"mark": known.mark, "mark_at": known.mark_at})
        self._quotes[instrument_id] = fetched
        return fetched

    def heard(self, client_order_id: ClientOrderId) -> OrderReport | None:
        """Return the private stream's last word about an order of ours; None = it has not spoken of it."""
        return self._heard.get(client_order_id)

    @property
    def in_force(self) -> int:
        """Return the number of the connection whose subscriptions are proven to be in force; 0 = none now."""
        return self._up_epoch if self._socket.is_open and self._up_epoch == self._socket.epoch else 0

    @property
    def deaf(self) -> str:
        """Say why the private streams cannot be relied on now; empty = they can."""
        if not self.in_force:
            return "the private stream is not proven to be in force"
        owed = self.ages()[ACCOUNT_CHANNEL]
        return f"the private stream has been silent for {owed:.0f} s" if owed > self._deaf_after_s else ""

    def expect(self, client_order_id: ClientOrderId, since: int) -> None:
        """Note that an answer has confirmed an order: the private stream must speak of it, too.

        Only if the connection that was in force when the order left (`since`) still is: another one owes nothing.
        """
        if since and since == self.in_force and client_order_id not in self._heard:
            self._awaited.setdefault(client_order_id, asyncio.get_running_loop().time())

    def judge_silence(self) -> None:
        """Open a new connection when the private stream owes word of an order for too long."""
        now = asyncio.get_running_loop().time()
        overdue = [order for order, since in self._awaited.items() if now - since > self._echo_s]
        if overdue:
            self._awaited.clear()
            self._socket.reconnect(f"private stream silent about {len(overdue)} confirmed order(s)")

    # --- callbacks ---------------------------------------------------------------------------------------------

    async def _on_open(self, epoch: int) -> None:
        private = {"method": "SUBSCRIBE", "params": [_ORDERS, _POSITIONS], "signature": self._subscription()}
        public = [f"{kind}.{symbol}" for symbol in self._instruments for kind in (_BOOK, _MARK)]
        await self._socket.send(json.dumps(private), epoch=epoch)
        await self._socket.send(json.dumps({"method": "SUBSCRIBE", "params": public}), epoch=epoch)

    def _on_close(self, _epoch: int, reason: str) -> None:
        self._awaited.clear()
        self._put(StreamGap(channel=ACCOUNT_CHANNEL, at=self._now(), reason=reason))

    def _on_frame(self, text: str, epoch: int) -> None:
        stream = ""
        try:
            frame = read.as_object(parse_json(text))
            if "error" in frame:
                words = str(frame["error"])
                self._on_refused(words)
                self._socket.reconnect(f"the venue refuses a subscription: {words}")
                return
            stream = str(frame.get("stream", ""))
            if stream:
                self._dispatch(stream, frame.get("data"), epoch)
        except Malformed as error:
            _LOG.warning("unreadable frame of %s: %s", stream or "no stream", error)
            if not stream.startswith((_BOOK, _MARK)):
                # What it said is lost to us, so it must be fetched: the same as if the frame had not come.
                self._put(StreamGap(channel=ACCOUNT_CHANNEL, at=self._now(), reason=f"unreadable: {error}"))
                self._put(StreamUp(channel=ACCOUNT_CHANNEL, at=self._now()))

    def _dispatch(self, stream: str, data: Json, epoch: int) -> None:
        instrument_id = self._instruments.get(parse.symbol_of_update(data))
        if instrument_id is None:
            return
        if stream.startswith(_ORDERS):
            self._on_order(data, instrument_id)
        elif stream.startswith(_POSITIONS):
            self._put(PositionReport(instrument_id=instrument_id, position=parse.position_update(data)))
        elif stream.startswith((_BOOK, _MARK)):
            self._on_market(stream, data, instrument_id)
            if self._up_epoch != epoch:
                self._up_epoch = epoch
                self._put(StreamUp(channel=ACCOUNT_CHANNEL, at=self._now()))

    def _on_order(self, data: Json, instrument_id: InstrumentId) -> None:
        report, fill = parse.order_update(data, instrument_id)
        self._hear(report)
        if fill is not None:
            self._put(fill)
        self._put(report)

    def _hear(self, report: OrderReport) -> None:
        order = report.client_order_id
        if order is None:
            return
        self._awaited.pop(order, None)
        self._heard[order] = report
        if len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)

    def _on_market(self, stream: str, data: Json, instrument_id: InstrumentId) -> None:
        made_at = parse.event_at(data)
        if made_at < self._made_at.get(stream, made_at):
            return  # overtaken by a later one
        self._made_at[stream] = made_at
        known = self._quotes.get(instrument_id)
        at = self._our_time(made_at)
        if stream.startswith(_BOOK):
            bid, ask = parse.book_top(data)
            quote = _with_book(known, bid, ask, at)
        else:
            quote = _with_mark(known, parse.mark_of(data), at)
        self._ages.heard(stream)
        self._quotes[instrument_id] = quote
        self._put(QuoteReport(instrument_id=instrument_id, quote=quote), replaces=instrument_id)

    def _our_time(self, venue_time: Timestamp) -> Timestamp:
        """Return a venue's moment on our clock; never later than now, so that a late frame shows its age."""
        return Timestamp(min(self._now(), venue_time - self._offset_ms()))

    def _put(self, event: VenueEvent, *, replaces: InstrumentId | None = None) -> None:
        if not self._feed.put(event, replaces=replaces):
            self._socket.reconnect("events came faster than they were read")


def _with_book(known: Quote | None, bid: Decimal | None, ask: Decimal | None, at: Timestamp) -> Quote:
    if known is None:
        return Quote(bid=bid, ask=ask, at=at)
    return known.model_copy(update={"bid": bid, "ask": ask, "at": at})


def _with_mark(known: Quote | None, mark: Decimal, at: Timestamp) -> Quote:
    if known is None:
        # No book yet: a quote whose book is as old as can be.
        return Quote(mark=mark, at=Timestamp(0), mark_at=at)
    return known.model_copy(update={"mark": mark, "mark_at": at})
