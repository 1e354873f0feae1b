"""The private and market channels of one account over one WebSocket: what they say becomes events.

Liveness is judged by content. A channel that says nothing for a while is asked for a new snapshot, which is content;
one that does not even answer that ends the connection. After every new connection the account is told to fetch what it
missed.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from strategies.domain.account import ReportedPosition
from strategies.domain.ids import InstrumentId, Timestamp
from strategies.domain.quote import Quote
from venues.errors import Malformed, OutcomeUnknown, Unreachable
from venues.http import parse_json
from venues.lighter.background import Background
from venues.lighter.channels import BookFold, OrderFold, TradeFold, fold_positions
from venues.lighter.config import LighterVenueConfig
from venues.lighter.orders import PING, PONG, stream_options
from venues.lighter.parse import field, parse_book, parse_mark, parse_orders, parse_positions, parse_trades
from venues.lighter.tokens import AuthTokens
from venues.stream import ChannelAges, Feed, ReconnectingStream
from venues.venue import Now, QuoteReport, StreamGap, StreamUp, VenueEvent

PRIVATE: Final = "private"
"""The account's channels as one: they are lost and found together."""
_TEND_EVERY_S: Final = 0.5
_SUBSCRIPTION_LIFE: Final = 0.8
"""Part of a token's life after which its subscriptions are made anew, before the venue could end them."""
_ALREADY_SUBSCRIBED: Final = 30003
_NOT_SUBSCRIBED: Final = 30002
_OFFSETS_KEPT: Final = 50
_MS_PER_S: Final = 1000

Asker = asyncio.Future[Mapping[int, ReportedPosition]]
"""Somebody who waits for a snapshot of positions."""


class LighterStream:
    """One account's channels. `find` what they said of an order, `quote` what they say of the market."""

    def __init__(
        self,
        config: LighterVenueConfig,
        account_index: int,
        markets: Mapping[int, InstrumentId],
        tokens: AuthTokens,
        key: int,
        *,
        now: Now,
        feed: Feed[VenueEvent],
        jitter: random.Random,
    ) -> None:
        """Keep the parts; does no I/O."""
        self._config = config
        self._account = account_index
        self._markets = dict(markets)
        self._tokens = tokens
        self._key = key
        self._now = now
        self._feed = feed
        self.orders = OrderFold()
        self.trades = TradeFold()
        self._books = {market: BookFold() for market in markets}
        self._quotes: dict[int, Quote] = {}
        self._private = tuple(f"account_all_{what}/{account_index}" for what in ("orders", "trades", "positions"))
        self._public = tuple(f"{what}/{market}" for market in markets for what in ("order_book", "market_stats"))
        self._owed: set[str] = set()
        self._awaited_snapshots: deque[Asker | None] = deque()
        """Who waits for each snapshot of positions that is on its way, in order; None = nobody."""
        self._asked_again: set[str] = set()
        self._subscribed_at: dict[str, float] = {}
        self._offsets_ms: deque[int] = deque(maxlen=_OFFSETS_KEPT)
        self._pinged_at = 0.0
        self._closing = False
        self._background = Background()
        bounds = {channel: self._soft_bound(channel) + config.confirm_timeout_s for channel in self._channels}
        self._ages = ChannelAges(bounds)
        self._stream = ReconnectingStream(
            config.stream_url,
            on_frame=self._on_frame,
            on_open=self._on_open,
            on_close=self._on_close,
            ages=self._ages,
            jitter=jitter,
            options=stream_options(config),
        )

    @property
    def reconnects(self) -> int:
        """Return how many connections came after the first."""
        return self._stream.reconnects

    @property
    def clock_offset_s(self) -> float | None:
        """Return how far the venue's clock is ahead of ours; the least delayed frame knows best."""
        return max(self._offsets_ms) / _MS_PER_S if self._offsets_ms else None

    @property
    def clock_offset_least_s(self) -> float | None:
        """Return the least of the lately measured offsets: whoever calls a write expired must not be early."""
        return min(self._offsets_ms) / _MS_PER_S if self._offsets_ms else None

    def ages_s(self) -> dict[str, float]:
        """Return seconds since each channel's content was last confirmed."""
        return self._ages.ages()

    @property
    def deaf(self) -> str:
        """Say why the account's channels cannot be relied on now; empty = they can."""
        if not self._stream.is_open:
            return "the stream is down"
        if self._owed:
            return f"the stream has not shown {', '.join(sorted(self._owed))} since it was opened"
        ages = self._ages.ages()
        silent = [
            name for name in self._private if ages[name] > self._soft_bound(name) + self._config.confirm_timeout_s
        ]
        return f"the stream is silent about {', '.join(silent)}" if silent else ""

    def quote(self, market_index: int) -> Quote | None:
        """Return the market as last shown, or None before the first book of this connection."""
        return self._quotes.get(market_index)

    async def positions(self, timeout_s: float) -> Mapping[int, ReportedPosition]:
        """Ask for all positions over the socket, which costs nothing of the request budget. A market not named is flat.

        Raises:
            Unreachable: the stream is down, or no snapshot came in time.
        """
        if not self._stream.is_open:
            raise Unreachable("the stream is down")
        answer: Asker = asyncio.get_running_loop().create_future()
        self._asked_again.add(self._positions_channel)
        # The snapshots of earlier subscriptions come first; they were made before we asked.
        await self._subscribe_again(self._positions_channel, answer)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise Unreachable(f"no positions over the stream within {timeout_s:g} s") from error

    async def start(self) -> None:
        """Connect and subscribe. Raises Unreachable."""
        self._stream.start()
        self._background.start("tend", self._tend())
        await self._stream.wait_open(self._config.connect_timeout_s)

    async def close(self) -> None:
        """End the connection."""
        self._closing = True
        await self._background.close()
        await self._stream.close()

    @property
    def _channels(self) -> tuple[str, ...]:
        return (*self._private, *self._public)

    @property
    def _positions_channel(self) -> str:
        return f"account_all_positions/{self._account}"

    def _soft_bound(self, channel: str) -> float:
        return self._config.private_confirm_s if channel in self._private else self._config.market_stale_s

    # --- the connection ---

    async def _on_open(self, epoch: int) -> None:
        self._owed = set(self._private)
        self._awaited_snapshots.clear()
        self._asked_again.clear()
        self.trades.begin()
        self._pinged_at = asyncio.get_running_loop().time()
        for channel in self._channels:
            await self._subscribe(channel, epoch)

    def _on_close(self, _epoch: int, reason: str) -> None:
        if not self._closing:
            self._put(StreamGap(channel=PRIVATE, at=self._now(), reason=reason))

    async def _subscribe(self, channel: str, epoch: int | None = None, asker: Asker | None = None) -> None:
        frame = {"type": "subscribe", "channel": channel}
        if channel in self._private:
            frame["auth"] = self._tokens.token(self._key)
        self._subscribed_at[channel] = asyncio.get_running_loop().time()
        if channel == self._positions_channel:
            self._awaited_snapshots.append(asker)
        await self._stream.send(json.dumps(frame), epoch=epoch)

    async def _subscribe_again(self, channel: str, asker: Asker | None = None) -> None:
        """Ask for a new snapshot: subscribing is the one question that a channel answers."""
        epoch = self._stream.epoch
        await self._say(json.dumps({"type": "unsubscribe", "channel": channel}), epoch)
        try:
            await self._subscribe(channel, epoch, asker)
        except (Unreachable, OutcomeUnknown):
            return  # the connection is gone, and its end is told by `_on_close`

    async def _tend(self) -> None:
        """Ping, and ask quiet channels whether they are still there."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TEND_EVERY_S)
            if not self._stream.is_open:
                continue
            if loop.time() - self._pinged_at >= self._config.ping_every_s:
                self._pinged_at = loop.time()
                await self._say(PING, None)
            ages = self._ages.ages()
            for channel in self._channels:
                if channel not in self._asked_again and self._needs_asking(channel, ages[channel], loop.time()):
                    self._asked_again.add(channel)
                    await self._subscribe_again(channel)

    def _needs_asking(self, channel: str, age_s: float, now_s: float) -> bool:
        if age_s > self._soft_bound(channel):
            return True
        life_s = self._config.token_life_s * _SUBSCRIPTION_LIFE
        return channel in self._private and now_s - self._subscribed_at.get(channel, now_s) > life_s

    async def _say(self, text: str, epoch: int | None) -> None:
        try:
            await self._stream.send(text, epoch=epoch)
        except (Unreachable, OutcomeUnknown):
            return  # the stream reconnects by itself

    # --- frames ---

    def _on_frame(self, text: str, _epoch: int) -> None:
        try:
            self._dispatch(_object(parse_json(text)))
        except Malformed as error:
            # What a frame said that we cannot read must be fetched; the new connection makes the account do it.
            self._stream.reconnect(f"unreadable: {error}")

    def _dispatch(self, frame: Mapping[str, Any]) -> None:
        kind = frame.get("type")
        match kind:
            case "ping":
                self._background.start("pong", self._say(PONG, None))
            case "shutdown":
                self._stream.reconnect("the venue announced a shutdown")
            case "connected" | "pong" | "unsubscribed":
                pass
            case str() if kind.startswith(("subscribed/", "update/")):
                self._content(frame, snapshot=kind.startswith("subscribed/"))
            case _:
                self._refusal(frame)

    def _refusal(self, frame: Mapping[str, Any]) -> None:
        error = frame.get("error")
        body = error if isinstance(error, dict) else frame
        if body.get("code") in {_ALREADY_SUBSCRIBED, _NOT_SUBSCRIBED}:
            return
        self._tokens.forget(self._key)
        self._stream.reconnect(f"refused: {body.get('code')} {body.get('message', '')}")

    def _content(self, frame: Mapping[str, Any], *, snapshot: bool) -> None:
        channel = field(frame, "channel", str).replace(":", "/")
        if channel not in self._channels:
            return
        self._note_clock(frame)
        name, _, number = channel.partition("/")
        match name:
            case "account_all_orders":
                self._on_orders(frame, snapshot=snapshot)
            case "account_all_trades":
                self._on_trades(frame, snapshot=snapshot)
            case "account_all_positions":
                self._on_positions(frame, snapshot=snapshot)
            case "order_book":
                if not self._on_book(int(number), frame, snapshot=snapshot):
                    return  # not content: nothing is known until the new snapshot
            case _:
                self._on_stats(frame)
        self._ages.heard(channel)
        self._asked_again.discard(channel)
        if channel in self._owed:
            if snapshot:
                self._owed.discard(channel)
            if not self._owed:
                self._put(StreamUp(channel=PRIVATE, at=self._now()))

    def _on_orders(self, frame: Mapping[str, Any], *, snapshot: bool) -> None:
        rows = [row for market in field(frame, "orders", dict).values() for row in _rows(market)]
        folded = self.orders.frame(parse_orders(rows, self._markets), snapshot=snapshot)
        for report in folded.news:
            self._put(report)
        self._gap("account_all_orders", folded.gap, "an order ended between two snapshots")

    def _on_trades(self, frame: Mapping[str, Any], *, snapshot: bool) -> None:
        rows = [row for market in field(frame, "trades", dict).values() for row in _rows(market)]
        reports = parse_trades(rows, self._account, self._markets)
        folded = self.trades.frame(sorted(reports, key=lambda report: report.at), snapshot=snapshot)
        for report in folded.news:
            self._put(report)
        self._gap("account_all_trades", folded.gap, "trades are missing between two snapshots")

    def _on_positions(self, frame: Mapping[str, Any], *, snapshot: bool) -> None:
        at = self._now()
        positions = parse_positions(field(frame, "positions", dict), at)
        for report in fold_positions(positions, self._markets, at, snapshot=snapshot):
            self._put(report)
        if snapshot:
            self._answer_positions(positions)

    def _answer_positions(self, positions: Mapping[int, ReportedPosition]) -> None:
        """Give a snapshot to the one whose subscription brought it: snapshots come in the order of subscriptions."""
        if self._awaited_snapshots:
            answer = self._awaited_snapshots.popleft()
            if answer is not None and not answer.done():
                answer.set_result(positions)

    def _on_book(self, market: int, frame: Mapping[str, Any], *, snapshot: bool) -> bool:
        """Show the market; False = a frame is missing, and a new snapshot has been asked for."""
        book = self._books[market]
        content = parse_book(frame)
        if snapshot:
            book.snapshot(content)
        elif not book.delta(content):
            channel = f"order_book/{market}"
            if channel not in self._asked_again:
                self._asked_again.add(channel)
                self._background.start("new book", self._subscribe_again(channel))
            return False
        known = self._quotes.get(market)
        quote = Quote(
            bid=book.bid,
            ask=book.ask,
            mark=known.mark if known else None,
            at=self._made_at(frame),
            mark_at=known.mark_at if known else Timestamp(0),
        )
        self._show(market, quote)
        return True

    def _on_stats(self, frame: Mapping[str, Any]) -> None:
        market, mark = parse_mark(frame)
        self._show(market, self._with_mark(market, mark, self._made_at(frame)))

    def _with_mark(self, market: int, mark: Decimal, at: Timestamp) -> Quote:
        known = self._quotes.get(market)
        if known is None:
            # The book has not been shown yet, so its side of the quote has no age.
            return Quote(mark=mark, at=Timestamp(0), mark_at=at)
        return known.model_copy(update={"mark": mark, "mark_at": at})

    def _made_at(self, frame: Mapping[str, Any]) -> Timestamp:
        """Return when a frame was made, on our clock: one that was long on its way shows its age, none is of later."""
        now, stated = self._now(), frame.get("timestamp")
        if not isinstance(stated, int) or stated <= 0 or not self._offsets_ms:
            return now
        return Timestamp(min(now, stated - max(self._offsets_ms)))

    def _show(self, market: int, quote: Quote) -> None:
        self._quotes[market] = quote
        instrument_id = self._markets[market]
        self._feed.put(QuoteReport(instrument_id=instrument_id, quote=quote), replaces=("quote", instrument_id))

    def _gap(self, name: str, gap: bool, reason: str) -> None:  # noqa: FBT001 - passed on as it was folded
        # The first snapshot of a connection needs no gap of its own: the connection's end was one.
        if gap and f"{name}/{self._account}" not in self._owed:
            at = self._now()
            self._put(StreamGap(channel=PRIVATE, at=at, reason=reason))
            self._put(StreamUp(channel=PRIVATE, at=at))

    def _put(self, event: VenueEvent) -> None:
        if not self._feed.put(event):
            self._feed.put(StreamUp(channel=PRIVATE, at=self._now()))

    def _note_clock(self, frame: Mapping[str, Any]) -> None:
        stated = frame.get("timestamp")
        if isinstance(stated, int) and stated > 0:
            self._offsets_ms.append(stated - self._now())


def _object(frame: Any) -> Mapping[str, Any]:
    if not isinstance(frame, dict):
        raise Malformed("a frame that is no object")
    return frame


def _rows(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed("rows are not a list")
    return value
