"""Liquidation and auto-deleverage: the marks they leave in orders, fills, channels and listings."""

from decimal import Decimal
from typing import Any

from strategies.domain.ids import VenueSymbol
from strategies.domain.position import FillCause

ETH = VenueSymbol("ETH")


async def long_of(bench: Any, lots: int) -> None:
    """Buy for account 65."""
    assert (await bench.send(bench.trader().market(1, base_amount=lots))).json["code"] == 200


async def test_liquidation_shows_everywhere(bench: Any):
    """A liquidated long: trade, order of type liquidation, canceled resting orders, notice, listing, position."""
    await long_of(bench, 600_000)
    trader = bench.trader()
    await bench.send(trader.order(2, price=280_000))
    token = trader.token()
    async with bench.stream() as stream:
        await stream.subscribe("trade/0")
        await stream.subscribe("account_all_positions/65")
        await stream.subscribe("account_all_orders/65", token)
        await stream.subscribe("notification/65", token)
        bench.exchange.set_price(ETH, Decimal(2864), bench.clock())
        await bench.pump()
        frames: dict[str, dict[str, Any]] = {}
        for _ in range(4):
            frame = await stream.next()
            frames[frame["type"]] = frame
    trades = frames["update/trade"]["liquidation_trades"]
    assert {trade["type"] for trade in trades} == {"liquidation"}
    assert {trade["ask_account_id"] for trade in trades} == {65}
    orders = frames["update/account_all_orders"]["orders"]["0"]
    assert "liquidation" in {order["type"] for order in orders}
    assert {order["status"] for order in orders if order["client_order_index"] == 2} == {"canceled-liquidation"}
    note = frames["update/notification"]["notifs"][0]
    assert (note["kind"], note["content"]["is_ask"]) == ("liquidation", True)
    assert Decimal(frames["update/account_all_positions"]["positions"]["0"]["position"]) < 60
    rows = (await bench.get("/api/v1/liquidations", token=token, limit=100)).json["liquidations"]
    assert {row["type"] for row in rows} == {"partial"}
    fills = await bench.get(
        "/api/v1/trades", token=token, sort_by="trade_id", limit=100, account_index=65, type="liquidation"
    )
    assert len(fills.json["trades"]) == len(rows) > 0


async def test_adl_shows_as_deleverage(bench: Any):
    """A position that is taken to settle somebody else's loss: deleverage in trades, notice and listing."""
    await long_of(bench, 100)
    token = bench.trader().token()
    async with bench.stream() as stream:
        await stream.subscribe("notification/65", token)
        await stream.subscribe("trade/0")
        bench.exchange.liquidate("65", ETH, cause=FillCause.ADL, at=bench.clock())
        await bench.pump()
        frames = {frame["type"]: frame for frame in [await stream.next() for _ in range(2)]}
    assert frames["update/trade"]["liquidation_trades"][0]["type"] == "deleverage"
    note = frames["update/notification"]["notifs"][0]
    assert (note["kind"], note["content"]["settlement_price"]) == ("deleverage", "3000.00")
    rows = (await bench.get("/api/v1/liquidations", token=token, limit=10)).json["liquidations"]
    assert [row["type"] for row in rows] == ["deleverage"]


async def test_meeting_a_liquidation_is_no_liquidation_of_the_maker(bench: Any):
    """Whose resting order buys from a liquidation has a liquidation trade, but no notice and no listing."""
    await long_of(bench, 100)
    maker = bench.trader(66)
    await bench.send(maker.order(1, price=299_999))
    bench.exchange.liquidate("65", ETH, cause=FillCause.LIQUIDATION, at=bench.clock())
    await bench.pump()
    token = maker.token()
    fills = await bench.get("/api/v1/trades", token=token, sort_by="trade_id", limit=10, account_index=66)
    assert [row["type"] for row in fills.json["trades"]] == ["liquidation"]
    assert (await bench.get("/api/v1/liquidations", token=token, limit=10)).json["liquidations"] == []
    async with bench.stream() as stream:
        assert (await stream.subscribe("notification/66", token))["notifs"] == []


async def test_account_in_liquidation_takes_no_orders(bench: Any):
    """While an account is being liquidated its orders are refused with 21112."""
    bench.exchange.state.accounts["65"].liquidating = True
    assert (await bench.send(bench.trader().order(1))).json["code"] == 21112
