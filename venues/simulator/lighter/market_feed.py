"""Frames of the public channels: books, tickers, trades, statistics, height."""

from collections.abc import Collection

from venues.simulator.lighter import market_payloads
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.channels import Channel, Kind
from venues.simulator.lighter.digest import Digest
from venues.simulator.lighter.market_payloads import WireBook
from venues.simulator.lighter.markets import WireMarket
from venues.simulator.lighter.payloads import Json, trade_payload
from venues.simulator.lighter.txlog import block_height
from venues.simulator.lighter.words import trade_type
from venues.simulator.model import TradeRow

BOOK_DEPTH = 100
"""Levels a side that the stream tells of."""
SNAPSHOT_TRADES = 50
"""How many past trades a snapshot brings."""
BOOK_KINDS = frozenset({Kind.ORDER_BOOK, Kind.TICKER})


class MarketFeed:
    """Makes the public frames. Remembers the books as last published, because a delta is against that."""

    def __init__(self, backend: Backend) -> None:
        """Speak of this backend."""
        self._backend = backend
        self._books: dict[int, WireBook] = {}
        self._offset = 0
        self._height = 0

    def snapshot(self, channel: Channel) -> Json:
        """Return the first frame of a subscription."""
        now = self._backend.now()
        if channel.kind is Kind.HEIGHT:
            body: Json = {"height": block_height(now), "timestamp": now}
        elif channel.market is None:
            rows = {str(market.index): self._stats(market) for market in self._backend.markets.all}
            body = {"market_stats": rows, "timestamp": now}
        else:
            market = self._backend.markets.by_index(channel.market)
            match channel.kind:
                case Kind.ORDER_BOOK:
                    return market_payloads.book_snapshot(self._published(market), market, self._offset, now)
                case Kind.TICKER:
                    return market_payloads.ticker_frame("subscribed", self._published(market), market, now)
                case Kind.TRADE:
                    rows_of = self._backend.exchange.trades(None, symbol=market.symbol)[-SNAPSHOT_TRADES:]
                    body = self._trades(market, rows_of)
                case _:
                    body = {"market_stats": self._stats(market), "timestamp": now}
        return {**body, "channel": channel.label, "type": f"subscribed/{channel.kind}"}

    def updates(self, followed: Collection[Channel], digest: Digest) -> list[tuple[Channel, Json]]:
        """Return a frame for each followed channel that has news."""
        frames = self._book_updates(followed, digest)
        for channel in followed:
            body = None if channel.kind in BOOK_KINDS else self._update(channel, digest)
            if body is not None:
                frames.append((channel, {**body, "channel": channel.label, "type": f"update/{channel.kind}"}))
        self._height = block_height(self._backend.now())
        return frames

    def _published(self, market: WireMarket) -> WireBook:
        """Return the book that the next delta will be against; read it now when nobody followed it yet."""
        book = self._books.get(market.index)
        if book is None:
            book = self._books[market.index] = self._read(market)
        return book

    def _read(self, market: WireMarket) -> WireBook:
        return WireBook.of(self._backend.exchange.book(market.symbol, BOOK_DEPTH), market)

    def _book_updates(self, followed: Collection[Channel], digest: Digest) -> list[tuple[Channel, Json]]:
        channels = [channel for channel in followed if channel.kind in BOOK_KINDS]
        wanted = {channel.market for channel in channels}
        self._books = {index: book for index, book in self._books.items() if index in wanted}
        now = self._backend.now()
        frames: list[tuple[Channel, Json]] = []
        for index, before in list(self._books.items()):
            market = self._backend.markets.by_index(index)
            if market.symbol not in digest.moved:
                continue
            after = self._read(market)
            if after.nonce == before.nonce:
                continue
            self._books[index] = after
            self._offset += 1
            for channel in channels:
                if channel.market != index:
                    continue
                if channel.kind is Kind.TICKER:
                    frames.append((channel, market_payloads.ticker_frame("update", after, market, now)))
                else:
                    frames.append((channel, market_payloads.book_update(before, after, market, self._offset, now)))
        return frames

    def _update(self, channel: Channel, digest: Digest) -> Json | None:
        now = self._backend.now()
        if channel.kind is Kind.HEIGHT:
            height = block_height(now)
            return {"height": height, "timestamp": now} if height != self._height else None
        if channel.market is None:
            moved = [market for market in self._backend.markets.all if market.symbol in digest.moved]
            rows = {str(market.index): self._stats(market) for market in moved}
            return {"market_stats": rows, "timestamp": now} if rows else None
        market = self._backend.markets.by_index(channel.market)
        if channel.kind is Kind.TRADE:
            rows_of = digest.trades.get(market.symbol)
            return self._trades(market, rows_of) if rows_of else None
        if market.symbol not in digest.moved:
            return None
        return {"market_stats": self._stats(market), "timestamp": now}

    def _stats(self, market: WireMarket) -> Json:
        exchange = self._backend.exchange
        tally = self._backend.tallies[market.symbol]
        return market_payloads.market_stats(
            market, exchange.market(market.symbol), exchange.book(market.symbol, 1), tally
        )

    def _trades(self, market: WireMarket, rows: list[TradeRow]) -> Json:
        payloads = [(row, trade_payload(row, market, self._backend.log)) for row in rows]
        return {
            "trades": [payload for row, payload in payloads if trade_type(row.cause) == "trade"],
            "liquidation_trades": [payload for row, payload in payloads if trade_type(row.cause) != "trade"],
            "nonce": self._backend.exchange.book(market.symbol, 1).nonce,
        }
