"""What the market streams last said, and so what they have to say next. Synchronous; told the time in seconds."""

from dataclasses import dataclass, field
from decimal import Decimal

from venues.simulator.backpack import frames
from venues.simulator.backpack.channels import Channel
from venues.simulator.backpack.context import Context
from venues.simulator.backpack.frames import Frame, Levels

DEPTH_LEVELS = 1000
BEAT_S = 0.2
"""How often aggregated depth and marks are looked at: the fastest of the venue's cadences."""
SILENCE_S = 1.0
"""After this long, mark and best prices are said again although nothing moved: real markets are never that still."""
MS_PER_SECOND = 1000


@dataclass(slots=True)
class _Said:
    """What one stream's last message stood for."""

    at_s: float
    nonce: int
    asks: Levels = field(default_factory=dict)
    bids: Levels = field(default_factory=dict)
    values: tuple[Decimal, ...] | None = None


class MarketFeed:
    """Makes the frames of the public market streams that somebody follows."""

    def __init__(self, context: Context) -> None:
        """Follow nothing."""
        self._context = context
        self._said: dict[str, _Said] = {}

    def follow(self, channel: Channel, at_s: float) -> None:
        """Start a stream: depth speaks of changes from here on."""
        if channel.symbol is None or channel.name in self._said:
            return
        book = self._context.exchange.book(channel.symbol, DEPTH_LEVELS)
        said = _Said(at_s, book.nonce)
        if channel.kind == "depth":
            said.asks, said.bids = frames.levels_of(book.asks), frames.levels_of(book.bids)
        self._said[channel.name] = said

    def keep(self, names: set[str]) -> None:
        """Forget streams that nobody follows any more."""
        self._said = {name: said for name, said in self._said.items() if name in names}

    def frame(self, channel: Channel, at_s: float) -> Frame | None:
        """Return what the stream has to say now; None for nothing."""
        match channel.kind:
            case "depth":
                return self._depth(channel, at_s)
            case "bookTicker":
                return self._book_ticker(channel, at_s)
            case "markPrice":
                return self._mark_price(channel, at_s)
            case _:
                return None

    def _depth(self, channel: Channel, at_s: float) -> Frame | None:
        said = self._said[channel.name]
        if channel.symbol is None or at_s - said.at_s < channel.cadence_ms / MS_PER_SECOND:
            return None
        book = self._context.exchange.book(channel.symbol, DEPTH_LEVELS)
        if book.nonce == said.nonce:
            return None
        after_asks, after_bids = frames.levels_of(book.asks), frames.levels_of(book.bids)
        asks = frames.level_changes(said.asks, after_asks)
        bids = frames.level_changes(said.bids, after_bids)
        if not asks and not bids:
            return None
        frame = frames.depth_update(book, asks, bids, said.nonce + 1, self._context.at_us())
        self._said[channel.name] = _Said(at_s, book.nonce, after_asks, after_bids)
        return frame

    def _book_ticker(self, channel: Channel, at_s: float) -> Frame | None:
        if channel.symbol is None:
            return None
        book = self._context.exchange.book(channel.symbol, 1)
        values = tuple(value for level in (*book.asks, *book.bids) for value in (level.price, level.quantity))
        if not self._is_news(channel, values, book.nonce, at_s):
            return None
        return frames.book_ticker(book, self._context.at_us())

    def _mark_price(self, channel: Channel, at_s: float) -> Frame | None:
        if channel.symbol is None:
            return None
        state = self._context.exchange.market(channel.symbol)
        values = (state.mark, state.index, state.funding_rate, Decimal(state.next_funding_at))
        if not self._is_news(channel, values, 0, at_s):
            return None
        return frames.mark_price(state, self._context.at_us())

    def _is_news(self, channel: Channel, values: tuple[Decimal, ...], nonce: int, at_s: float) -> bool:
        said = self._said[channel.name]
        if said.values == values and at_s - said.at_s < SILENCE_S:
            return False
        self._said[channel.name] = _Said(at_s, nonce, values=values)
        return True
