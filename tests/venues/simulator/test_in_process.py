"""The venue without a wire: time, lateness and loss as a network has them."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.simulation.loop import VirtualLoop
from actors.simulation.market import ETH, Market
from actors.simulation.scenario import draw_scenario
from strategies.domain.ids import ClientOrderId, OrderId, Timestamp
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from venues.errors import OutcomeUnknown
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.in_process import InProcessVenue
from venues.simulator.model import NewOrder
from venues.venue import Certainty, StreamGap, StreamUp

SKEW_AND_LIFE_S = 6.0
ID = ClientOrderId(77)


def _play(work):
    """Run `work(market, venue)` for account bp on virtual time."""
    loop = VirtualLoop()
    scenario = replace(draw_scenario(0), taker_delay_ms=300)
    market = Market(scenario, lambda: Timestamp(1_800_000_000_000 + int(loop.time() * 1000)), lambda _: None)

    async def main():
        venue = InProcessVenue(market.floor_of("bp"), "bp")
        await venue.open([ETH])
        return await work(market, venue)

    return loop.run(main())


async def _write(venue):
    request = OrderRequest(
        order_id=OrderId("g:1"),
        instrument_id=ETH,
        side=Side.BUY,
        quantity=Decimal("0.01"),
        order_type=OrderType.MARKET,
        price=Decimal(3010),
        reduce_only=False,
        lane=Lane.ENTRY,
    )
    return await venue.prepare_order(request, ID)


def test_a_late_order_is_unknown_then_executes():
    """Nobody waits for its answer any more; inside its window it still executes, and the look-up then says so."""

    async def work(market, venue):
        market.floor_of("bp").delay_order("bp", 3.0)
        write = await _write(venue)
        with pytest.raises(OutcomeUnknown):
            await (await venue.transmit(write))
        before = await venue.investigate(write.identity)
        await asyncio.sleep(3)
        return before.certainty, (await venue.investigate(write.identity)).certainty, market.held("bp")

    assert _play(work) == (Certainty.OPEN, Certainty.EXECUTED, Decimal("0.01"))


def test_an_order_later_than_its_window_is_refused_and_dead():
    """What arrives after its window does nothing, and is called dead only once window and skew have passed."""

    async def work(market, venue):
        market.floor_of("bp").delay_order("bp", 7.0)
        write = await _write(venue)
        with pytest.raises(OutcomeUnknown):
            await (await venue.transmit(write))
        await asyncio.sleep(SKEW_AND_LIFE_S)
        dead = await venue.investigate(write.identity)
        await asyncio.sleep(3)
        return dead.certainty, market.held("bp")

    assert _play(work) == (Certainty.DEAD, Decimal(0))


def test_an_answer_that_comes_late_speaks_of_when_it_was_asked():
    """A look-up answered after the order's window proves nothing: it was asked while the order could still come."""

    async def work(market, venue):
        fault = Fault(FaultKind.DELAY_ANSWER, "backpack", account="bp", action="order_lookup", delay_ms=8000)
        write = await _write(venue)
        market.floor_of("bp").faults.add(fault)
        return (await venue.investigate(write.identity)).certainty

    assert _play(work) is Certainty.OPEN


def test_a_cut_connection_loses_what_is_on_its_way():
    """A process that dies with an order in its socket: the exchange never sees it."""

    async def work(market, venue):
        await venue.transmit(await _write(venue))
        venue.cut()
        await asyncio.sleep(1)
        return market.floor_of("bp").arrivals, market.held("bp")

    assert _play(work) == ([], Decimal(0))


def test_a_delayed_order_executes_without_anybody_asking():
    """The floor wakes itself when a taker's delay is over."""

    async def work(market, _):
        floor = market.floor_of("l1")
        venue = InProcessVenue(floor, "l1")
        await venue.open([ETH])
        await (await venue.transmit(await _write(venue)))
        await asyncio.sleep(1)
        return market.held("l1")

    assert _play(work) == Decimal("0.01")


def test_a_liquidation_goes_on_without_anybody_asking():
    """The book is thin when the account is closed out and full again at once: the floor wakes itself for the rest."""

    async def work(market, _):
        floor = market.floor_of("l1")
        symbol = floor.symbols[ETH]
        floor.exchange.set_leverage("l1", symbol, Decimal(50), floor.now())
        short = NewOrder("l1", symbol, Side.SELL, OrderType.MARKET, TimeInForce.IOC, Decimal(11), None)
        floor.exchange.place(short, floor.now())
        await asyncio.sleep(1)
        floor.advance()
        floor.exchange.set_depth(symbol, Decimal("0.05"), floor.now())
        market.move(Decimal("0.02"))
        left = market.held("l1")
        floor.exchange.set_depth(symbol, Decimal(1), floor.now())
        await asyncio.sleep(1)
        return left, market.held("l1")

    left, held = _play(work)
    assert Decimal(-11) < left < Decimal(0)
    assert held == Decimal(0)


def test_what_is_due_sooner_wakes_the_floor_sooner():
    """A floor that waits for a liquidation's next look does not let a delayed order wait for it, too."""

    async def work(market, _):
        floor = market.floor_of("l1")
        floor.exchange.state.accounts["l2"].look_again_at = Timestamp(floor.now() + 5000)
        floor.pump()
        venue = InProcessVenue(floor, "l1")
        await venue.open([ETH])
        await (await venue.transmit(await _write(venue)))
        await asyncio.sleep(1)
        return market.held("l1")

    assert _play(work) == Decimal("0.01")


def test_a_closed_stream_says_so_and_comes_back():
    """The reader hears of the gap and of the return; what came between has to be fetched."""

    async def work(market, venue):
        floor = market.floor_of("bp")
        floor.faults.add(Fault(FaultKind.CLOSE_STREAM, "backpack", account="bp", action="stream:orders"))
        heard = []
        reading = asyncio.get_running_loop().create_task(_read(venue, heard))
        await (await venue.transmit(await _write(venue)))
        await asyncio.sleep(1)
        reading.cancel()
        return [type(event) for event in heard]

    assert _play(work) == [StreamUp, StreamGap, StreamUp]


async def _read(venue, heard):
    async for event in venue.events():
        heard.append(event)
