"""Streams over the wire: gaps are told, silence is noticed, repetition is not news."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from strategies.domain.order import Lane, OrderStatus, Side
from tests.venues.lighter.wire import ETH, PATIENCE_S, RESTING, desk
from venues.errors import Unreachable
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.testing import simulation
from venues.venue import FillReport, OrderReport, PositionReport, QuoteReport, StreamGap, StreamUp

PRIVATE_CHANNELS = ("account_all_orders", "account_all_trades", "account_all_positions")


def stream_fault(kind: FaultKind, channel: str, account: str | None = "1", **fields) -> Fault:
    """Make a fault of one channel."""
    return Fault(kind, "lighter", account=account, action=f"stream:{channel}", **fields)


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - a number that is read, not an event
            await asyncio.sleep(0.02)


async def test_a_new_connection_says_that_it_delivers_and_what_is_held(tmp_path):
    """The account starts flat, and that is said; history is not told as news."""
    async with simulation() as sim:
        async with desk(sim, tmp_path) as first:
            await first.place(1)
            await first.place(2, **RESTING)
        async with desk(sim, tmp_path) as second:
            await second.hear(StreamUp)
            assert (await second.hear(PositionReport)).position.quantity == Decimal("0.1")
            assert (await second.hear(OrderReport)).client_order_id == 2
            assert second.all(FillReport) == []
            assert second.all(StreamGap) == []


async def test_a_closed_stream_is_a_gap_and_comes_back(tmp_path):
    """What was missed must be fetched; what follows is heard again."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.hear(StreamUp)
        sim.faults.add(stream_fault(FaultKind.CLOSE_STREAM, "account_all_orders"))
        await trader.place(1, **RESTING)
        gap = await trader.hear(StreamGap)
        here = trader.heard.index(gap)
        await trader.hear(StreamUp, after=here)
        await trader.hear(OrderReport, lambda report: report.client_order_id == 1, after=here)
        await trader.place(2)
        await trader.hear(FillReport, lambda fill: fill.client_order_id == 2, after=here)
        assert trader.venue.status().reconnects >= 1


async def test_a_frame_that_comes_twice_is_told_once(tmp_path):
    """Fills by their trade id, orders by what they say."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        for channel in PRIVATE_CHANNELS:
            sim.faults.add(stream_fault(FaultKind.DUPLICATE_EVENT, channel, count=5))
        await trader.place(1)
        await trader.place(2)
        await trader.hear(FillReport, lambda fill: fill.client_order_id == 2)
        await trader.hear(OrderReport, lambda report: report.client_order_id == 2 and report.status.is_terminal)
        assert [fill.client_order_id for fill in trader.all(FillReport)] == [1, 2]
        ends = [report for report in trader.all(OrderReport) if report.status is OrderStatus.FILLED]
        assert [report.client_order_id for report in ends] == [1, 2]


@pytest.mark.parametrize("channel", [*PRIVATE_CHANNELS, "order_book", "market_stats"])
async def test_a_channel_that_falls_silent_ends_the_connection(tmp_path, channel):
    """The socket lives and pongs; the channel says nothing, not even when asked, and that is noticed."""
    bounds = {"private_confirm_s": 0.3, "market_stale_s": 0.3, "confirm_timeout_s": 0.5}
    async with simulation() as sim, desk(sim, tmp_path, **bounds) as trader:
        await trader.hear(StreamUp)
        account = "1" if channel in PRIVATE_CHANNELS else None
        frozen = sim.faults.add(stream_fault(FaultKind.FREEZE_CHANNEL, channel, account=account, count=None))
        gap = await trader.hear(StreamGap, lambda event: channel in event.reason)
        assert "silent" in gap.reason
        sim.faults.remove(frozen.fault_id)
        here = len(trader.heard)
        await trader.hear(StreamUp, after=here)
        await trader.place(1)
        await trader.hear(FillReport, after=here)


async def test_a_quiet_account_is_not_a_lost_one(tmp_path):
    """Nothing happens for many times the bound; channels are asked, answer, and no gap is told."""
    bounds = {"private_confirm_s": 0.2, "market_stale_s": 0.2, "confirm_timeout_s": 5.0}
    async with simulation() as sim, desk(sim, tmp_path, **bounds) as trader:
        await trader.place(1, **RESTING)
        await trader.place(2)
        await trader.hear(FillReport)
        positions = len(trader.all(PositionReport))
        await until(lambda: len(trader.all(PositionReport)) >= positions + 3)
        assert trader.all(StreamGap) == []
        assert [fill.client_order_id for fill in trader.all(FillReport)] == [2]
        await trader.place(3, side=Side.SELL, price=Decimal(2900))
        await trader.hear(FillReport, lambda fill: fill.client_order_id == 3)
        assert trader.venue.status().reconnects == 0


async def test_a_book_frame_out_of_order_makes_a_new_book(tmp_path):
    """The gap is seen by its continuity marks, and the quote is right again."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.hear(QuoteReport, lambda report: report.quote.bid is not None)
        sim.faults.add(stream_fault(FaultKind.REORDER_EVENTS, "order_book", account=None))
        for price in (3010, 3020, 3030):
            await sim.set_price("ETH", Decimal(price))
        quote = (await trader.hear(QuoteReport, lambda report: (report.quote.bid or 0) > 3025)).quote
        assert quote.ask is not None
        assert quote.ask < 3040
        assert trader.all(StreamGap) == []


async def test_the_mark_price_follows(tmp_path):
    """Mark and book have their own ages."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await sim.set_price("ETH", Decimal(3100))
        report = await trader.hear(QuoteReport, lambda event: event.quote.mark == 3100)
        assert report.instrument_id == ETH
        assert report.quote.mark_at > 0
        assert (await trader.venue.quote(ETH)).mark == 3100


async def test_the_clocks_offset_is_measured(tmp_path):
    """A venue whose clock is ahead is seen to be."""
    async with simulation() as sim:
        sim.faults.add(Fault(FaultKind.SKEW_CLOCK, "lighter", delay_ms=4_000, count=None))
        async with desk(sim, tmp_path) as trader:
            await until(lambda: trader.venue.status().clock_offset_s is not None)
            offset = trader.venue.status().clock_offset_s
            assert offset is not None
            assert 3.0 < offset < 5.0


async def test_a_frame_that_was_long_on_its_way_shows_its_age(tmp_path):
    """A quote is as old as the frame was made, by the venue's clock, not as young as its arrival."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await until(lambda: trader.venue.status().clock_offset_s is not None)
        stream = trader.venue._stream
        late = {
            "type": "update/market_stats",
            "channel": "market_stats:0",
            "market_stats": {"market_id": 0, "mark_price": "3000.00"},
            "timestamp": trader.venue._now() - 20_000,
        }
        stream._dispatch(late)
        assert stream.quote(0).mark_at <= trader.venue._now() - 19_000


async def test_private_subscriptions_are_renewed_before_their_token_ends(tmp_path):
    """At four fifths of a token's life each private channel is asked for again, with a fresh one, and tells no gap."""
    async with simulation() as sim, desk(sim, tmp_path, token_life_s=60.0) as trader:
        await trader.hear(StreamUp)
        stream, loop = trader.venue._stream, asyncio.get_running_loop()
        before = dict(stream._subscribed_at)
        stream._subscribed_at = {name: at - 49.0 for name, at in before.items()}
        await until(lambda: all(stream._subscribed_at[name] >= before[name] for name in stream._private))
        assert all(loop.time() - stream._subscribed_at[name] < 5 for name in stream._private)
        await trader.place(1)
        await trader.hear(FillReport)
        assert trader.all(StreamGap) == []


async def test_a_stream_that_cannot_be_relied_on_says_so(tmp_path):
    """Down, or not yet shown everything after a reconnect: deaf, with the reason; afterwards it hears again."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.hear(StreamUp)
        assert trader.venue.status().deaf == ""
        trader.venue._stream._stream.reconnect("test")
        async with asyncio.timeout(PATIENCE_S):
            while not trader.venue.status().deaf:  # noqa: ASYNC110 - gone within milliseconds: looked at in every turn
                await asyncio.sleep(0)
        await until(lambda: trader.venue.status().deaf == "")


async def test_a_venue_that_goes_away_is_a_gap(tmp_path):
    """The shutdown frame ends the connection at once."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.hear(StreamUp)
        await sim.stop()
        await trader.hear(StreamGap)


async def test_a_position_is_told_over_the_stream_when_reads_are_spent(tmp_path):
    """No request is left for reads: the venue's statement comes as a fresh snapshot, at once, and nothing is spent."""
    async with simulation() as sim, desk(sim, tmp_path, tier="standard") as trader:
        await trader.hear(StreamUp)
        await trader.place(1)
        while trader.venue.status().budget_left[Lane.READ] >= 1:
            await trader.venue.position(ETH)
        left = trader.venue.status().budget_left[Lane.EXIT]
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        first, second = await asyncio.gather(trader.venue.position(ETH), trader.venue.position(ETH))
        assert (first.quantity, second.quantity) == (Decimal("0.1"), Decimal("0.1"))
        await trader.place(2, side=Side.SELL, reduce_only=True, lane=Lane.EXIT, price=Decimal(2900))
        await trader.hear(FillReport, lambda fill: fill.client_order_id == 2)
        assert (await trader.venue.position(ETH)).quantity == 0
        assert loop.time() - asked_at < 10
        assert trader.venue.status().budget_left[Lane.EXIT] == left - 1
        assert trader.all(StreamGap) == []


async def test_a_statement_over_a_stream_that_is_down_is_no_answer(tmp_path):
    """Neither budget nor stream: nothing is taken for flat."""
    async with simulation() as sim, desk(sim, tmp_path, tier="standard", read_timeout_s=0.5) as trader:
        await trader.hear(StreamUp)
        sim.faults.add(stream_fault(FaultKind.FREEZE_CHANNEL, "account_all_positions", count=None))
        with pytest.raises(Unreachable):
            await trader.venue._stream.positions(0.3)
