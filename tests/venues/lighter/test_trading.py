"""What an account does on a good day, over the wire."""

import asyncio
from decimal import Decimal

import pytest

from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp
from strategies.domain.order import OrderStatus, OrderType, Side, TimeInForce
from strategies.domain.position import FillCause
from tests.venues.lighter.wire import ETH, RESTING, desk, wall_now
from venues.errors import Rejected
from venues.lighter import rest
from venues.simulator.testing import simulation
from venues.venue import Certainty, FillReport, OrderReport, PositionReport, StreamUp, Venue


async def test_an_opened_venue_knows_its_instrument(tmp_path):
    """Grid, minimums and capabilities, from the venue's own listing."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        venue: Venue = trader.venue
        instrument = venue.instrument(ETH)
        assert (instrument.tick, instrument.lot, instrument.min_quantity) == (
            Decimal("0.01"),
            Decimal("0.0001"),
            Decimal("0.005"),
        )
        assert (instrument.max_leverage, instrument.maker_minimums_only) == (50, True)
        assert (venue.capabilities.client_id_bits, venue.capabilities.write_life_s) == (48, 600)
        with pytest.raises(KeyError):
            venue.instrument(InstrumentId("DOGE-PERP"))
        await trader.hear(StreamUp)


async def test_a_market_order_fills_and_every_source_says_the_same(tmp_path):
    """Answer, streams, look-ups, position, balance and the simulator's own record agree."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        before = wall_now()
        await trader.place(1)
        fill = await trader.hear(FillReport)
        order = await trader.hear(OrderReport, lambda report: report.status is OrderStatus.FILLED)
        held = await trader.hear(PositionReport, lambda report: report.position.quantity > 0)
        (truth,) = sim.exchange_lighter.trades("1")
        assert (fill.quantity, fill.price, fill.side) == (truth.quantity, truth.price, Side.BUY)
        assert (fill.client_order_id, fill.cause, order.filled) == (1, FillCause.ORDER, Decimal("0.1"))
        assert held.position.quantity == (await trader.venue.position(ETH)).quantity == Decimal("0.1")
        assert await trader.venue.fills(ETH, Timestamp(before - 1000)) == [fill]
        assert await trader.venue.order(ETH, ClientOrderId(1)) == order
        balance = await trader.venue.balance(ETH)
        assert balance.equity < 10_000
        assert not balance.liquidating
        assert trader.all(FillReport) == [fill]


async def test_a_sell_that_reduces_only(tmp_path):
    """A long position is closed, and no more than that."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.place(1)
        await trader.place(2, side=Side.SELL, price=Decimal(2900), reduce_only=True, quantity=Decimal("0.1"))
        await trader.hear(FillReport, lambda fill: fill.side is Side.SELL)
        assert (await trader.venue.position(ETH)).quantity == 0


async def test_a_limit_order_rests_until_it_is_cancelled(tmp_path):
    """Among the open orders, then not; the end has the venue's reason."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.place(1, **RESTING)
        (resting,) = await trader.venue.open_orders(ETH)
        assert (resting.client_order_id, resting.status) == (1, OrderStatus.ACCEPTED)
        await (await trader.venue.transmit(await trader.venue.prepare_cancel(ETH, ClientOrderId(1))))
        ended = await trader.hear(OrderReport, lambda report: report.status is OrderStatus.CANCELED)
        assert (ended.client_order_id, ended.reason) == (1, "canceled")
        assert await trader.venue.open_orders(ETH) == []


async def test_cancel_all_ends_everything_of_the_market(tmp_path):
    """One transaction, every order."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        for number in (1, 2, 3):
            await trader.place(number, **RESTING)
        assert len(await trader.venue.open_orders(ETH)) == 3
        await (await trader.venue.transmit(await trader.venue.prepare_cancel_all(ETH)))
        assert await trader.venue.open_orders(ETH) == []


async def test_a_limit_ioc_does_not_rest(tmp_path):
    """Away from the market it ends unfilled."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.place(1, **(RESTING | {"time_in_force": TimeInForce.IOC}))
        ended = await trader.hear(OrderReport, lambda report: report.status.is_terminal)
        assert (ended.status, ended.filled) == (OrderStatus.CANCELED, 0)


async def test_a_post_only_order_that_would_trade_does_nothing(tmp_path):
    """The venue takes it and ends it, or refuses it; either way nothing is held."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        crossing = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "post_only": True}
        await trader.place(1, **crossing)
        ended = await trader.hear(OrderReport, lambda report: report.status.is_terminal)
        assert (ended.status, ended.reason) == (OrderStatus.CANCELED, "canceled-post-only")
        assert (await trader.venue.position(ETH)).quantity == 0


async def test_leverage_is_set_and_read_back(tmp_path):
    """The balance tells the leverage of the market."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        write = await trader.venue.prepare_leverage(ETH, Decimal(10))
        await (await trader.venue.transmit(write))
        assert (await trader.venue.balance(ETH)).leverage == 10
        assert (await trader.venue.investigate(write.identity)).certainty is Certainty.EXECUTED
        with pytest.raises(Rejected, match="leverage"):
            await trader.venue.prepare_leverage(ETH, Decimal(51))


async def test_several_writes_are_in_flight_in_order(tmp_path):
    """Eight orders leave before the first answer is waited for; each lands once, under rising nonces."""
    async with simulation(latency_ms=50) as sim, desk(sim, tmp_path) as trader:
        writes = [await trader.prepare(number, quantity=Decimal("0.01")) for number in range(1, 9)]
        answers = [await trader.venue.transmit(write) for write in writes]
        assert not any(answer.done() for answer in answers)
        await asyncio.gather(*answers)
        nonces = [write.identity.nonce for write in writes]
        assert nonces == list(range(nonces[0], nonces[0] + 8))
        assert {trade.taker_client_order_id for trade in sim.exchange_lighter.trades("1")} == set(range(1, 9))
        assert trader.venue.status().nonce_resyncs == 1, "only the one at the start"


async def test_fills_come_complete_from_many_pages(tmp_path, monkeypatch):
    """Every trade once, oldest first, however small the pages are."""
    monkeypatch.setattr(rest, "TRADES_PAGE", 3)
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        for number in range(1, 9):
            await trader.place(number, quantity=Decimal("0.01"))
        fills = await trader.venue.fills(ETH, Timestamp(0))
        assert [fill.client_order_id for fill in fills] == list(range(1, 9))
        late = [fill for fill in fills if fill.at >= fills[5].at]
        assert await trader.venue.fills(ETH, fills[5].at) == late


async def test_questions_of_one_moment_share_an_answer(tmp_path):
    """Position and balance are one request; a later look asks again."""
    async with simulation() as sim, desk(sim, tmp_path, tier="standard") as trader:
        left = trader.venue.status().budget_left
        await asyncio.gather(trader.venue.position(ETH), trader.venue.balance(ETH))
        spent = {lane: left[lane] - now for lane, now in trader.venue.status().budget_left.items()}
        assert set(spent.values()) == {1}
        await trader.venue.position(ETH)
        assert set(trader.venue.status().budget_left.values()) < set(left.values()) or left != {}


async def test_an_account_that_is_liquidated_hears_why(tmp_path):
    """The fill that closes the position is the venue's, not ours."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await (await trader.venue.transmit(await trader.venue.prepare_leverage(ETH, Decimal(50))))
        for number in range(1, 9):
            await trader.place(number, quantity=Decimal(10))
        await sim.set_price("ETH", Decimal(2906))
        fill = await trader.hear(FillReport, lambda report: report.cause is not FillCause.ORDER)
        assert (fill.side, fill.client_order_id, fill.cause) == (Side.SELL, None, FillCause.LIQUIDATION)
        assert fill in await trader.venue.fills(ETH, Timestamp(0))


async def test_a_quote_without_a_fresh_stream_is_fetched(tmp_path):
    """What the stream showed is too old; book and mark are asked for."""
    async with simulation() as sim, desk(sim, tmp_path, quote_max_age_s=0.001) as trader:
        quote = await trader.venue.quote(ETH)
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.ask
        assert quote.mark == 3000


async def test_over_http_one_order_is_in_flight(tmp_path):
    """The other way out: one request at a time, in order."""
    async with simulation() as sim, desk(sim, tmp_path, orders_over="http") as trader:
        assert trader.venue.capabilities.pipeline_depth == 1
        writes = [await trader.prepare(number, quantity=Decimal("0.01")) for number in range(1, 5)]
        await asyncio.gather(*[await trader.venue.transmit(write) for write in writes])
        assert [fill.client_order_id for fill in await trader.venue.fills(ETH, Timestamp(0))] == [1, 2, 3, 4]
