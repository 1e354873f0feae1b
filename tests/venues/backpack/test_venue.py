"""Opening, looking and listening against the wire server, in fair weather and foul."""

import asyncio
import base64
import inspect
import os
from decimal import Decimal

import pytest

from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp
from strategies.domain.order import OrderStatus, Side
from strategies.domain.position import FillCause
from tests.venues.backpack.trader import ETH, Trader, account_of, config_of, trading, wall_now
from venues.backpack.config import BackpackAccountConfig, BackpackVenueConfig
from venues.backpack.venue import BackpackVenue
from venues.errors import Malformed, RateLimited, Rejected, Unreachable
from venues.registry import build_venue
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.testing import simulation
from venues.venue import FillReport, LeverageScope, OrderReport, PositionReport, QuoteReport, StreamGap, StreamUp, Venue

LOOK_UPS = ("position", "balance", "open_orders", "fills", "order", "investigate")


async def look(trader: Trader, what: str) -> object:
    """Ask one of the look-ups of the contract."""
    venue = trader.venue
    match what:
        case "fills":
            return await venue.fills(ETH, Timestamp(0))
        case "order":
            return await venue.order(ETH, ClientOrderId(5))
        case "investigate":
            return await venue.investigate((await trader.prepare(trader.request())).identity)
        case _:
            return await getattr(venue, what)(ETH)


# --- the contract -------------------------------------------------------------------------------------------------


def test_the_client_has_the_contracts_methods():
    """Every method of the protocol is there with the same parameters."""
    for name, member in inspect.getmembers(Venue, inspect.isfunction):
        if not name.startswith("_"):
            mine = inspect.signature(getattr(BackpackVenue, name))
            assert list(mine.parameters) == list(inspect.signature(member).parameters), name


def test_it_is_built_by_name_without_io():
    """The registry builds it from plain config; what is wrong with its secret shows only when it opens."""
    venue = build_venue("backpack", {"symbols": {"ETH-PERP": "ETH_USDC_PERP"}}, {"secret": "env:NOT_SET"}, wall_now)
    capabilities = venue.capabilities
    assert (capabilities.venue, capabilities.client_id_bits, capabilities.leverage_scope, capabilities.nonce_fence) == (
        "backpack",
        32,
        LeverageScope.ACCOUNT,
        False,
    )
    assert (capabilities.write_life_s, capabilities.pipeline_depth > 1) == (2.0, True)


# --- opening ------------------------------------------------------------------------------------------------------


async def test_open_learns_the_instrument(trader: Trader):
    """Grid, leverage and fees come from the venue; the clock is measured; an unknown instrument is a KeyError."""
    instrument = trader.venue.instrument(ETH)
    assert (instrument.symbol, instrument.tick, instrument.lot) == ("ETH_USDC_PERP", Decimal("0.01"), Decimal("0.001"))
    assert (instrument.max_leverage, instrument.taker_fee) == (Decimal(50), Decimal("0.0005"))
    assert trader.venue.status().clock_offset_s == pytest.approx(0, abs=0.5)
    with pytest.raises(KeyError):
        trader.venue.instrument(InstrumentId("BTC-PERP"))


@pytest.mark.parametrize(
    ("environment", "account", "code"),
    [
        ({}, {"secret": "env:BP_NOT_SET"}, "BAD_SECRET"),
        ({"BP_BAD": "garbage"}, {"secret": "env:BP_BAD"}, "BAD_SECRET"),
        (
            {"BP_OTHER": base64.b64encode(bytes(32)).decode()},
            {"secret": "env:BP_OTHER", "api_key": "AAAA"},
            "BAD_SECRET",
        ),
    ],
)
async def test_a_key_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], account: dict[str, str], code: str
):
    """No secret, no key, or another key than named: refused before anything is sent, without showing the secret."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    venue = BackpackVenue(BackpackVenueConfig(), BackpackAccountConfig(**account), now=wall_now)
    with pytest.raises(Rejected) as raised:
        await venue.open([ETH])
    assert raised.value.code == code
    assert not any(value in str(raised.value) for value in environment.values())
    await venue.close()


async def test_a_key_that_the_venue_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A well-formed key of nobody: the venue's 401 is a refusal."""
    async with simulation(seed=7) as sim:
        monkeypatch.setenv("BP_STRANGER", base64.b64encode(os.urandom(32)).decode())
        venue = BackpackVenue(config_of(sim), BackpackAccountConfig(secret="env:BP_STRANGER"), now=wall_now)
        with pytest.raises(Rejected, match="INVALID_SIGNATURE"):
            await venue.open([ETH])
        await venue.close()


@pytest.mark.parametrize(("symbols", "code"), [({}, "UNKNOWN_INSTRUMENT"), ({ETH: "ETH_PERP"}, "UNKNOWN_SYMBOL")])
async def test_an_instrument_that_the_venue_has_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, symbols: dict[InstrumentId, str], code: str
):
    """No entry in the settings, or a symbol the venue does not list: refused by name."""
    async with simulation(seed=7) as sim:
        venue = BackpackVenue(config_of(sim, symbols=symbols), account_of(sim, monkeypatch), now=wall_now)
        with pytest.raises(Rejected) as raised:
            await venue.open([ETH])
        assert raised.value.code == code
        await venue.close()


async def test_open_may_be_tried_again(monkeypatch: pytest.MonkeyPatch):
    """Nobody answers at first; once the venue is there, the same client opens."""
    async with simulation(seed=7) as sim:
        config, account = config_of(sim), account_of(sim, monkeypatch)
        await sim.stop()
        venue = BackpackVenue(config, account, now=wall_now)
        with pytest.raises(Unreachable):
            await venue.open([ETH])
        await venue.close()
    async with simulation(seed=7) as sim:
        venue = BackpackVenue(config_of(sim), account_of(sim, monkeypatch), now=wall_now)
        sim.faults.add(Fault(FaultKind.STATUS_BEFORE, "backpack", action="balance", status=503))
        with pytest.raises(Unreachable):
            await venue.open([ETH])
        await venue.open([ETH])
        assert venue.instrument(ETH).instrument_id == ETH
        await venue.close()


async def test_a_clock_that_is_off_from_the_start_does_not_matter(monkeypatch: pytest.MonkeyPatch):
    """Our clock a minute behind: requests carry the venue's time, so they are taken."""

    def slow_clock() -> Timestamp:
        return Timestamp(wall_now() - 60_000)

    async with simulation(seed=7) as sim:
        venue = BackpackVenue(config_of(sim), account_of(sim, monkeypatch), now=slow_clock)
        await venue.open([ETH])
        assert venue.status().clock_offset_s == pytest.approx(60, abs=0.5)
        assert (await venue.position(ETH)).quantity == 0
        await venue.close()


async def test_closing_twice_and_without_opening_is_fine(monkeypatch: pytest.MonkeyPatch):
    """Close never raises, and ends the events."""
    async with simulation(seed=7) as sim:
        venue = BackpackVenue(config_of(sim), account_of(sim, monkeypatch), now=wall_now)
        await venue.close()
        await venue.close()
        assert [event async for event in venue.events()] == []


# --- looking ------------------------------------------------------------------------------------------------------


async def test_the_position_has_the_sign_of_what_is_held(trader: Trader):
    """Flat, long, short, flat again: each said by the venue."""
    assert (await trader.venue.position(ETH)).quantity == 0
    await trader.place(trader.request())
    long = await trader.venue.position(ETH)
    assert (long.quantity, long.entry_price) == (Decimal("0.1"), Decimal("3000.15"))
    await trader.place(trader.request(side=Side.SELL, price="2900", quantity="0.3"))
    short = await trader.venue.position(ETH)
    assert (short.quantity, short.entry_price) == (Decimal("-0.2"), Decimal("2999.85"))
    await trader.place(trader.request(quantity="0.2"))
    flat = await trader.venue.position(ETH)
    assert (flat.quantity, flat.entry_price) == (0, 0)


@pytest.mark.parametrize("what", LOOK_UPS)
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, '{"code":"SERVER_ERROR","message":"?"}', Unreachable),
        (503, "Unknown error, please check your request or try again later.", Unreachable),
        (404, "<html>not here</html>", Malformed),
        (200, "<html>hello</html>", Malformed),
        (200, '"surprise"', Malformed),
        (200, '[{"id": 1}]', Malformed),
        (400, '{"code":"INVALID_CLIENT_REQUEST","message":"no"}', Malformed),
        (429, '{"code":"TOO_MANY_REQUESTS","message":"Too many requests"}', RateLimited),
    ],
)
async def test_no_answer_is_not_zero(trader: Trader, what: str, status: int, body: str, error: type[Exception]):
    """A failing server, a stranger's page or nonsense never reads as flat, empty or absent."""
    await trader.place(trader.request())
    trader.sim.faults.add(Fault(FaultKind.STATUS_BEFORE, "backpack", account="bp", status=status, body=body))
    with pytest.raises(error):
        await look(trader, what)


@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.REFUSE, FaultKind.RESET])
async def test_a_look_up_without_an_answer_is_unreachable(trader: Trader, kind: FaultKind):
    """A dropped connection raises; the next question is answered."""
    trader.fault(kind, "position")
    with pytest.raises(Unreachable):
        await trader.venue.position(ETH)
    assert (await trader.venue.position(ETH)).quantity == 0


async def test_the_balance_tells_money_margin_and_leverage(trader: Trader):
    """Equity, what is available, the maintenance requirement of what is held, and the leverage in force."""
    before = await trader.venue.balance(ETH)
    assert (before.equity, before.maintenance_margin, before.liquidating) == (Decimal(10_000), 0, False)
    await trader.place(trader.request(quantity="1"))
    after = await trader.venue.balance(ETH)
    margin = trader.sim.exchange_backpack.margin("bp")
    assert after.maintenance_margin == margin.maintenance_requirement == Decimal("37.5")
    assert after.available < before.available
    assert after.leverage is not None


async def test_fills_are_complete_over_pages(monkeypatch: pytest.MonkeyPatch):
    """Seven fills in pages of three: all of them, oldest first, and only those since the moment asked for."""
    async with trading(monkeypatch, history_page=3) as trader:
        for _ in range(7):
            await trader.place(trader.request())
        fills = await trader.venue.fills(ETH, Timestamp(0))
        assert [fill.trade_id for fill in fills] == [
            str(row.trade_id) for row in trader.sim.exchange_backpack.trades("bp")
        ]
        assert sum(fill.quantity for fill in fills) == trader.bought()
        assert await trader.venue.fills(ETH, fills[-1].at) == [fill for fill in fills if fill.at >= fills[-1].at]
        assert await trader.venue.fills(ETH, Timestamp(fills[-1].at + 1)) == []


async def test_more_fills_than_can_be_read_are_no_answer(monkeypatch: pytest.MonkeyPatch):
    """Rather no fills than an incomplete list that passes for complete."""
    async with trading(monkeypatch, history_page=2, fills_pages=2) as trader:
        for _ in range(4):
            await trader.place(trader.request())
        with pytest.raises(Malformed, match="not all"):
            await trader.venue.fills(ETH, Timestamp(0))


async def test_an_unknown_order_is_none(trader: Trader):
    """The venue does not know the client id: None, which proves nothing by itself."""
    assert await trader.venue.order(ETH, ClientOrderId(4_000_000_000)) is None


async def test_a_finished_order_is_found_behind_others(monkeypatch: pytest.MonkeyPatch):
    """An order that ended is found on a later page of the history; beyond the bound it is not."""
    async with trading(monkeypatch, history_page=2, lookup_pages=3) as trader:
        writes = [await trader.prepare(trader.request()) for _ in range(8)]
        for write in writes:
            await (await trader.venue.transmit(write))
        found = await trader.venue.order(ETH, ClientOrderId(writes[2].identity.client_order_id or 0))
        assert found is not None
        assert (found.status, found.filled) == (OrderStatus.FILLED, Decimal("0.1"))
        assert await trader.venue.order(ETH, ClientOrderId(writes[0].identity.client_order_id or 0)) is None


async def test_the_quote_comes_from_the_stream(trader: Trader):
    """Once the stream has spoken, a quote costs no request."""
    await trader.heard(StreamUp)
    await trader.until(lambda: any(isinstance(event, QuoteReport) and event.quote.mark for event in trader.events))
    await trader.sim.set_price("ETH", Decimal(3300))
    await trader.until(
        lambda: any(isinstance(event, QuoteReport) and event.quote.mark == 3300 for event in trader.events)
    )
    trader.fault(FaultKind.STATUS_BEFORE, "markets", count=None)
    quote = await trader.venue.quote(ETH)
    assert quote.mark == Decimal(3300)
    assert quote.bid is not None
    assert quote.ask is not None
    assert Decimal(3290) < quote.bid < quote.ask < Decimal(3310)
    assert abs(wall_now() - quote.at) < 5_000


async def test_an_old_quote_is_fetched_anew(monkeypatch: pytest.MonkeyPatch):
    """A frozen book stream: the quote is asked for, and shows the moved price."""
    async with trading(monkeypatch, quote_max_age_s=0.2) as trader:
        await trader.heard(StreamUp)
        for channel in ("bookTicker", "markPrice"):
            trader.sim.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "backpack", action=f"stream:{channel}", count=None))
        await trader.sim.set_price("ETH", Decimal(3300))
        async with asyncio.timeout(5):
            while (await trader.venue.quote(ETH)).mark != 3300:  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.02)
        quote = await trader.venue.quote(ETH)
        assert quote.bid is not None
        assert quote.bid > 3200


async def test_an_old_quote_that_cannot_be_fetched_raises(monkeypatch: pytest.MonkeyPatch):
    """Old and no answer: no quote at all."""
    async with trading(monkeypatch, quote_max_age_s=0.05) as trader:
        for channel in ("bookTicker", "markPrice"):
            trader.sim.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "backpack", action=f"stream:{channel}", count=None))
        trader.sim.faults.add(Fault(FaultKind.STATUS_BEFORE, "backpack", action="markets", count=None))
        await asyncio.sleep(0.1)  # the age itself
        with pytest.raises(Unreachable):
            await trader.venue.quote(ETH)


# --- listening ----------------------------------------------------------------------------------------------------


async def test_the_stream_tells_orders_fills_and_positions(trader: Trader):
    """A market order: the fill comes before the order's end, and the position follows."""
    await trader.heard(StreamUp)
    write = await trader.prepare(trader.request())
    client_id = write.identity.client_order_id
    await (await trader.venue.transmit(write))
    fill = await trader.heard(FillReport, client_order_id=client_id)
    order = await trader.heard(OrderReport, client_order_id=client_id, status=OrderStatus.FILLED)
    position = await trader.heard(PositionReport)
    assert (fill.quantity, fill.price, fill.is_maker, fill.cause) == (
        Decimal("0.1"),
        Decimal("3000.15"),
        False,
        FillCause.ORDER,
    )
    assert trader.events.index(fill) < trader.events.index(order)
    assert position.position.quantity == Decimal("0.1")
    assert await trader.venue.fills(ETH, Timestamp(0)) == [fill]


async def test_a_resting_order_that_fills_later_is_told(trader: Trader):
    """The market comes to the order: a maker fill by the stream, long after the answer."""
    await trader.heard(StreamUp)
    await trader.place(trader.resting("2950"))
    await trader.sim.set_price("ETH", Decimal(2900))
    fill = await trader.heard(FillReport)
    assert (fill.is_maker, fill.price) == (True, Decimal(2950))


async def test_a_lost_stream_is_told_and_comes_back(trader: Trader):
    """The socket closes: gap, reconnect, up; the fill of the meantime is in the history, the next one in the stream."""
    await trader.heard(StreamUp)
    trader.fault(FaultKind.CLOSE_STREAM, "stream:account.orderUpdate")
    await trader.place(trader.request())
    gap = await trader.heard(StreamGap)
    await trader.until(lambda: sum(isinstance(event, StreamUp) for event in trader.events) == 2)
    assert "closed by the venue" in gap.reason
    assert len(await trader.venue.fills(ETH, Timestamp(0))) == 1
    write = await trader.prepare(trader.request())
    await (await trader.venue.transmit(write))
    await trader.heard(FillReport, client_order_id=write.identity.client_order_id)
    assert trader.venue.status().reconnects == 1


async def test_a_private_stream_that_owes_an_order_is_replaced(monkeypatch: pytest.MonkeyPatch):
    """Answers come, marks come, but the order stream is frozen: after `echo_s` it counts as lost."""
    async with trading(monkeypatch, echo_s=0.3) as trader:
        await trader.heard(StreamUp)
        frozen = trader.sim.faults.add(
            Fault(FaultKind.FREEZE_CHANNEL, "backpack", action="stream:account.orderUpdate", count=None)
        )
        await trader.place(trader.request())
        gap = await trader.heard(StreamGap)
        assert "silent about 1 confirmed order" in gap.reason
        trader.sim.faults.remove(frozen.fault_id)
        await trader.until(lambda: sum(isinstance(event, StreamUp) for event in trader.events) == 2)
        assert len(await trader.venue.fills(ETH, Timestamp(0))) == 1


async def test_a_quiet_private_stream_is_not_old(trader: Trader):
    """Nothing happens on the account for a while: its age stays that of the connection."""
    await trader.heard(StreamUp)
    await trader.place(trader.request())
    await trader.heard(OrderReport, status=OrderStatus.FILLED)
    await asyncio.sleep(1.2)  # time in which nothing happens
    assert trader.venue.status().stream_ages_s["account"] < 1.2


async def test_a_silent_market_stream_is_replaced(monkeypatch: pytest.MonkeyPatch):
    """No book for longer than its bound although the socket answers pings: a new connection."""
    async with trading(monkeypatch, market_stale_s=1.5) as trader:
        await trader.heard(StreamUp)
        frozen = trader.sim.faults.add(
            Fault(FaultKind.FREEZE_CHANNEL, "backpack", action="stream:bookTicker", count=None)
        )
        gap = await trader.heard(StreamGap)
        assert gap.reason == "silent: bookTicker.ETH_USDC_PERP"
        trader.sim.faults.remove(frozen.fault_id)


@pytest.mark.parametrize("kind", [FaultKind.DUPLICATE_EVENT, FaultKind.REORDER_EVENTS])
async def test_doubled_and_swapped_events_lose_nothing(trader: Trader, kind: FaultKind):
    """Whatever the order of frames, every trade id of the venue's books is heard."""
    await trader.heard(StreamUp)
    trader.fault(kind, "stream:account.orderUpdate", count=2)
    for _ in range(4):
        await trader.place(trader.request())
    true = {str(row.trade_id) for row in trader.sim.exchange_backpack.trades("bp")}

    def heard() -> set[str]:
        return {event.trade_id for event in trader.events if isinstance(event, FillReport)}

    await trader.until(lambda: heard() == true)


async def test_a_late_fill_is_still_told(trader: Trader):
    """A fill that the stream delays comes after the answer, whole."""
    await trader.heard(StreamUp)
    trader.fault(FaultKind.DELAY_EVENTS, "stream:account.orderUpdate", delay_ms=700, count=3)
    ack = await trader.place(trader.request())
    assert ack.order is not None
    assert ack.order.filled == Decimal("0.1")
    assert not any(isinstance(event, FillReport) for event in trader.events)
    assert (await trader.heard(FillReport)).quantity == Decimal("0.1")


@pytest.mark.parametrize(("price", "cause"), [("2935", FillCause.LIQUIDATION), ("2880", FillCause.ADL)])
async def test_what_the_venue_closes_is_named_everywhere(trader: Trader, price: str, cause: FillCause):
    """Below the requirement it liquidates, below nothing it deleverages: stream and history name it, money is gone."""
    await trader.heard(StreamUp)
    await (await trader.venue.transmit(await trader.venue.prepare_leverage(ETH, Decimal(50))))
    await trader.place(trader.request(quantity="100", price="3200"))
    await trader.sim.set_price("ETH", Decimal(price))
    fill = await trader.heard(FillReport, cause=cause)
    assert (fill.side, fill.client_order_id) == (Side.SELL, None)
    await trader.heard(OrderReport, cause=cause)
    history = await trader.venue.fills(ETH, Timestamp(0))
    assert {each.cause for each in history} == {FillCause.ORDER, cause}
    assert (await trader.venue.position(ETH)).quantity == trader.bought() < 100


async def test_a_stranger_on_the_account_is_heard(trader: Trader, monkeypatch: pytest.MonkeyPatch):
    """An order from another client of the same account comes by the stream, with its client id."""
    await trader.heard(StreamUp)
    other = BackpackVenue(config_of(trader.sim), account_of(trader.sim, monkeypatch), now=wall_now)
    await other.open([ETH])
    write = await other.prepare_order(trader.resting(), ClientOrderId(42))
    await (await other.transmit(write))
    await other.close()
    assert (await trader.heard(OrderReport, client_order_id=42)).status is OrderStatus.ACCEPTED
