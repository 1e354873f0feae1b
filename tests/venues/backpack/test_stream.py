"""Frames of recorded shape through a real socket: what the client asks for, and what it makes of what it hears."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from strategies.domain.ids import ClientOrderId
from strategies.domain.order import OrderStatus
from tests.venues.backpack.trader import PATIENCE_S
from venues.backpack.config import BackpackVenueConfig
from venues.backpack.stream import BackpackStream
from venues.stream import Feed
from venues.venue import FillReport, OrderReport, PositionReport, QuoteReport, StreamGap, StreamUp, VenueEvent

RECORDED = Path(__file__).parents[2] / "recorded" / "backpack"
SOL, SYMBOL = "SOL-PERP", "SOL_USDC_PERP"
NOW = 1_694_687_966_000
"""Our clock in these tests: 59 ms after the recorded market events."""


def recorded(name: str, **data: Any) -> dict[str, Any]:
    """Return a recorded frame, with some of its data changed."""
    frame: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return {**frame, "data": {**frame.get("data", {}), **data}} if data else frame


class Wire:
    """The venue's end of the socket, and what came out at ours."""

    def __init__(self, feed_limit: int = 100) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.connections: list[ServerConnection] = []
        self.feed: Feed[VenueEvent] = Feed(
            feed_limit, lambda dropped: StreamGap(channel="account", at=NOW, reason=str(dropped))
        )
        self.stream: BackpackStream | None = None

    async def serve(self, connection: ServerConnection) -> None:
        """Note what is asked for."""
        self.connections.append(connection)
        async for text in connection:
            self.asked.append(json.loads(text))

    async def say(self, *frames: object) -> None:
        """Send frames on the latest connection, once its subscriptions are there."""
        await self.until(lambda: len(self.asked) == 2 * len(self.connections) > 0)
        for frame in frames:
            await self.connections[-1].send(frame if isinstance(frame, str) else json.dumps(frame))

    async def until(self, condition: Any) -> None:
        """Wait for a condition, with a bound."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.005)

    async def heard(self, count: int) -> list[VenueEvent]:
        """Return what came out, once there are that many events."""
        await self.until(lambda: len(self.feed) >= count)
        events = self.feed.read()
        return [await anext(events) for _ in range(count)]


@asynccontextmanager
async def wire(feed_limit: int = 100, **options: Any) -> AsyncIterator[tuple[Wire, BackpackStream]]:
    """Run the venue's end and a started stream."""
    end = Wire(feed_limit)
    async with serve(end.serve, "127.0.0.1", 0, close_timeout=0.2) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        config = BackpackVenueConfig(ws_url=url, reconnect_first_s=0.01, reconnect_max_s=0.05, **options)
        stream = end.stream = BackpackStream(
            config,
            {SYMBOL: SOL},
            now=lambda: NOW,
            offset_ms=lambda: 0,
            subscription=lambda: ["key", "signature", "1", "5000"],
            on_refused=end.refusals.append,
            feed=end.feed,
        )
        await stream.start()
        try:
            yield end, stream
        finally:
            await stream.close()


async def test_private_streams_are_asked_for_first():
    """The signed subscription goes out before the public one, anew on each connection."""
    async with wire() as (end, stream):
        await end.until(lambda: len(end.asked) == 2)
        stream.reconnect("a test wants it")
        await end.until(lambda: len(end.asked) == 4)
        private = {
            "method": "SUBSCRIBE",
            "params": ["account.orderUpdate", "account.positionUpdate"],
            "signature": ["key", "signature", "1", "5000"],
        }
        public = {"method": "SUBSCRIBE", "params": [f"bookTicker.{SYMBOL}", f"markPrice.{SYMBOL}"]}
        assert end.asked == [private, public] * 2


async def test_the_first_market_event_proves_the_subscription():
    """No acknowledgement exists; the first public event after ours says that the private streams deliver."""
    async with wire() as (end, stream):
        assert stream.in_force == 0
        await end.say(recorded("stream_mark_price"), recorded("stream_book_ticker"))
        first, second = await end.heard(2)
        assert isinstance(first, QuoteReport)
        assert isinstance(second, StreamUp)
        assert stream.in_force == 1
        assert not len(end.feed)


async def test_private_frames_become_events():
    """A fill comes out as fill and order, a snapshot of a position as position; other markets stay outside."""
    async with wire() as (end, _):
        await end.say(
            recorded("stream_order_accepted", s="BTC_USDC_PERP"),
            recorded("stream_order_fill"),
            recorded("stream_position", s=SYMBOL),
            recorded("stream_order_expired"),
        )
        fill, order, position, expired = await end.heard(4)
        assert isinstance(fill, FillReport)
        assert isinstance(order, OrderReport)
        assert isinstance(position, PositionReport)
        assert isinstance(expired, OrderReport)
        assert (fill.trade_id, order.status, expired.reason) == ("1", OrderStatus.PARTIALLY_FILLED, "Liquidation")


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        {"stream": "account.orderUpdate", "data": None},
        recorded("stream_order_fill", X="Frozen"),
        recorded("stream_order_fill", L=None),
        recorded("stream_order_fill", N="BONK"),
        recorded("stream_position", s=SYMBOL, q=None),
    ],
)
async def test_an_unreadable_private_frame_is_a_gap(frame: object):
    """What it said must be fetched: a gap and an up, and the connection goes on."""
    async with wire() as (end, _):
        await end.say(frame, recorded("stream_order_fill"))
        gap, up, fill, _ = await end.heard(4)
        assert isinstance(gap, StreamGap)
        assert isinstance(up, StreamUp)
        assert isinstance(fill, FillReport)
        assert len(end.connections) == 1


async def test_an_unreadable_market_frame_is_passed_over():
    """A bad book makes no gap on the account; the next one counts."""
    async with wire() as (end, _):
        await end.say(recorded("stream_book_ticker", b="much"), recorded("stream_book_ticker"))
        quote, up = await end.heard(2)
        assert isinstance(quote, QuoteReport)
        assert isinstance(up, StreamUp)


async def test_a_refused_subscription_starts_over():
    """An error frame: the clock is looked at, and a new connection subscribes anew."""
    async with wire() as (end, _):
        await end.say(recorded("stream_error"))
        (gap,) = await end.heard(1)
        assert isinstance(gap, StreamGap)
        assert "Invalid stream" in gap.reason
        assert "Invalid stream" in end.refusals[0]
        await end.until(lambda: len(end.connections) == 2)


async def test_a_quote_is_as_old_as_its_event():
    """An event that was long on its way shows its own age; one from the future shows now."""
    async with wire() as (end, stream):
        await end.say(recorded("stream_book_ticker"), recorded("stream_mark_price", E=(NOW + 5_000) * 1_000))
        await end.until(lambda: (quote := stream.quote(SOL)) is not None and quote.mark is not None)
        quote = stream.quote(SOL)
        assert quote is not None
        assert (quote.at, quote.mark_at) == (1_694_687_965_941, NOW)


async def test_an_overtaken_market_event_changes_nothing():
    """An older event that arrives later does not bring old prices back."""
    async with wire() as (end, stream):
        older = recorded("stream_book_ticker", E=1_694_687_965_900_000, b="10.00")
        await end.say(recorded("stream_book_ticker"), older, recorded("stream_mark_price"))
        await end.until(lambda: (quote := stream.quote(SOL)) is not None and quote.mark is not None)
        quote = stream.quote(SOL)
        assert quote is not None
        assert str(quote.bid) == "18.67"


async def test_only_the_connection_that_was_in_force_owes_word_of_an_order():
    """An order that left before the streams were up, or over another connection's time, is not waited for."""
    async with wire(echo_s=0.01) as (end, stream):
        stream.expect(ClientOrderId(1), stream.in_force)
        await end.say(recorded("stream_mark_price"))
        await end.heard(2)
        stream.expect(ClientOrderId(2), 7)
        await asyncio.sleep(0.05)  # the echo's own time
        stream.judge_silence()
        assert stream.in_force == 1
        stream.expect(ClientOrderId(3), stream.in_force)
        await asyncio.sleep(0.05)  # the echo's own time
        assert stream.ages()["account"] >= 0.04
        stream.judge_silence()
        (gap,) = await end.heard(1)
        assert isinstance(gap, StreamGap)
        assert "silent about 1 confirmed order" in gap.reason


async def test_word_that_came_before_the_answer_counts():
    """The stream may be faster than the answer: then nothing is owed."""
    async with wire(echo_s=0.01) as (end, stream):
        await end.say(recorded("stream_mark_price"), recorded("stream_order_fill"))
        await end.heard(4)
        stream.expect(ClientOrderId(7), stream.in_force)
        await asyncio.sleep(0.05)  # the echo's own time
        stream.judge_silence()
        assert stream.in_force == 1


async def test_a_reader_that_is_too_slow_is_told_and_the_stream_starts_over():
    """More events than may wait: the reader learns how many were dropped, and a new connection subscribes anew."""
    async with wire(feed_limit=3) as (end, _):
        await end.say(*[recorded("stream_order_fill")] * 2)
        await end.until(lambda: len(end.connections) == 2)
        overflow, lost = await end.heard(2)
        assert isinstance(overflow, StreamGap)
        assert isinstance(lost, StreamGap)
        assert (overflow.reason, lost.reason) == ("4", "events came faster than they were read")
