"""Histories over the wire: filters, pages and headers."""

from decimal import Decimal
from itertools import pairwise

import pytest

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.position import FillCause
from venues.simulator.backpack.words import iso

ETH = VenueSymbol("ETH_USDC_PERP")
FILLS = "/wapi/v1/history/fills"
ORDERS = "/wapi/v1/history/orders"
FUNDING = "/wapi/v1/history/funding"


async def test_a_fill_tells_everything_with_the_client_id_as_text(bench):
    """Client ids are text here though numbers elsewhere; times are naive UTC with milliseconds."""
    order = (await bench.order(clientId=7)).json
    fill = (await bench.get(FILLS, symbol=ETH, limit="100", offset="0")).json[0]
    trade = bench.exchange.trades("a")[0]
    assert fill == {
        "clientId": "7",
        "fee": str((trade.price * Decimal("0.0005")).quantize(Decimal("0.000001")).normalize()),
        "feeSymbol": "USDC",
        "isMaker": False,
        "orderId": order["id"],
        "price": str(trade.price.normalize()),
        "quantity": "1",
        "side": "Bid",
        "symbol": ETH,
        "systemOrderType": None,
        "timestamp": iso(trade.at),
        "tradeId": trade.trade_id,
    }


def test_times_have_milliseconds_and_no_zone():
    """Even a whole second is written with three digits."""
    assert iso(Timestamp(1_750_000_000_000)) == "2025-06-15T15:06:40.000"
    assert iso(Timestamp(1_750_000_000_007)) == "2025-06-15T15:06:40.007"


async def test_pages_cover_a_history_once_and_headers_say_where_they_stand(bench):
    """Reading page by page gives every fill once, newest first."""
    for client_id in range(5):
        await bench.order(quantity="0.1", clientId=client_id)
    seen = []
    for page in range(3):
        answer = await bench.get(FILLS, limit="2", offset=str(2 * page))
        assert answer.headers["X-PAGE-COUNT"] == "3"
        assert answer.headers["X-CURRENT-PAGE"] == str(page + 1)
        assert answer.headers["X-PAGE-SIZE"] == "2"
        assert answer.headers["X-TOTAL"] == "5"
        seen += [row["clientId"] for row in answer.json]
    assert seen == ["4", "3", "2", "1", "0"]
    assert (await bench.get(FILLS, limit="2", offset="6")).json == []
    oldest = await bench.get(FILLS, limit="1", sortDirection="Asc")
    assert [row["clientId"] for row in oldest.json] == ["0"]


@pytest.mark.parametrize(
    "query",
    [{"limit": "1001"}, {"limit": "-1"}, {"offset": "x"}, {"sortDirection": "Up"}, {"fillType": "Mine"}, {"from": "x"}],
)
async def test_a_question_that_cannot_be_parsed_is_refused_in_plain_text(bench, query):
    """A parameter out of range or of the wrong form is named in plain text."""
    answer = await bench.get(FILLS, **query)
    assert answer.status == 400
    assert f"`{next(iter(query))}`" in answer.text


async def test_fills_are_filtered_by_order_time_and_market(bench):
    """Each filter leaves what it names."""
    orders = [(await bench.order(quantity="0.1", clientId=n)).json["id"] for n in range(3)]
    at = bench.exchange.trades("a")[1].at
    assert [row["orderId"] for row in (await bench.get(FILLS, orderId=orders[1])).json] == [orders[1]]
    inside = (await bench.get(FILLS, **{"from": str(at), "to": str(at)})).json
    assert orders[1] in [row["orderId"] for row in inside]
    assert {row["timestamp"] for row in inside} == {iso(at)}
    assert (await bench.get(FILLS, to=str(bench.exchange.trades("a")[0].at - 1))).json == []
    assert (await bench.get(FILLS, symbol="SOL_USDC_PERP")).json == []
    assert (await bench.get(FILLS, marketType="SPOT")).json == []
    assert len((await bench.get(FILLS, marketType="PERP")).json) == 3


async def test_the_venues_own_fills_are_marked_and_can_be_told_apart(bench):
    """Liquidation and ADL fills have their system order type, no client id, and their own filters."""
    await bench.order(quantity="1", clientId=1)
    for cause, fraction in ((FillCause.LIQUIDATION, "0.5"), (FillCause.ADL, "1")):
        bench.exchange.liquidate("a", ETH, cause=cause, fraction=Decimal(fraction), at=bench.clock())
    rows = (await bench.get(FILLS)).json
    kinds = ["LiquidatePositionOnAdl", "LiquidatePositionOnBook", None]
    assert [(row["systemOrderType"], row["clientId"]) for row in rows] == list(
        zip(kinds, [None, None, "1"], strict=True)
    )

    async def shown(fill_type):
        return [row["systemOrderType"] for row in (await bench.get(FILLS, fillType=fill_type)).json]

    assert await shown("User") == [None]
    assert await shown("BookLiquidation") == ["LiquidatePositionOnBook"]
    assert await shown("Adl") == ["LiquidatePositionOnAdl"]
    assert await shown("AllLiquidation") == kinds[:2]
    assert await shown("Backstop") == []
    orders = (await bench.get(ORDERS)).json
    assert [row["systemOrderType"] for row in orders] == kinds


async def test_who_stands_in_a_liquidations_way_made_an_ordinary_trade(bench):
    """Only the liquidated account's fill is a system fill."""
    await bench.order(quantity="1")
    await bench.limit("3000.1", "b", quantity="1", clientId=5)
    bench.exchange.liquidate("a", ETH, cause=FillCause.LIQUIDATION, at=bench.clock())
    assert (await bench.get(FILLS)).json[0]["systemOrderType"] == "LiquidatePositionOnBook"
    theirs = (await bench.get(FILLS, "b")).json[0]
    assert (theirs["systemOrderType"], theirs["clientId"], theirs["isMaker"]) == (None, "5", True)


async def test_both_sides_of_a_deleveraging_have_system_fills(bench):
    """A price gap ruins one account; the other, which profits, is closed against it."""
    await bench.order(quantity="30")
    await bench.order("b", side="Ask", quantity="30")
    async with bench.stream("account.orderUpdate", account="b") as listener:
        await bench.price("2680")
        event = await listener.data("account.orderUpdate")
    assert (event["e"], event["O"], event["S"]) == ("orderFill", "ADL_AUTOCLOSE", "Bid")
    ruined, deleveraged = [(await bench.get(FILLS, name)).json[0] for name in ("a", "b")]
    for fill in (ruined, deleveraged):
        assert (fill["systemOrderType"], fill["quantity"]) == ("LiquidatePositionOnAdl", "30")
    assert ruined["tradeId"] == deleveraged["tradeId"]
    assert [(await bench.get("/api/v1/position", name)).json for name in ("a", "b")] == [[], []]


async def test_orders_stay_in_the_history_with_the_reason_of_their_end(bench):
    """Filled, canceled, expired and resting orders are all there, newest first, with naive times."""
    await bench.order(quantity="0.1")
    await bench.limit("2900", clientId=1)
    await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "clientId": 1})
    await bench.limit("2900", timeInForce="IOC")
    last = (await bench.limit("2901")).json
    rows = (await bench.get(ORDERS)).json
    assert [(row["status"], row["expiryReason"]) for row in rows] == [
        ("New", None),
        ("Expired", "ImmediateOrCancel"),
        ("Cancelled", None),
        ("Filled", None),
    ]
    assert rows[0]["createdAt"] == iso(bench.exchange.orders("a", active=True)[0].created_at)
    assert [row["id"] for row in (await bench.get(ORDERS, orderId=last["id"])).json] == [last["id"]]


async def test_funding_is_listed_with_the_sign_of_what_it_did(bench):
    """At a positive rate the long pays and the short receives, and the position sums it up."""
    bench.exchange.set_funding_rate(ETH, Decimal("0.0001"))
    await bench.order(quantity="1")
    await bench.order("b", side="Ask", quantity="1")
    hour_ms = 3_600_000
    bench.exchange.advance(Timestamp(bench.clock() + hour_ms))
    paid, received = [(await bench.get(FUNDING, name, symbol=ETH)).json for name in ("a", "b")]
    assert (paid[0]["quantity"], paid[0]["fundingRate"]) == ("-0.3", "0.0001")
    assert received[0]["quantity"] == "0.3"
    assert paid[0]["userId"] != received[0]["userId"]
    position = (await bench.get("/api/v1/position")).json[0]
    assert position["cumulativeFundingPayment"] == "-0.3"
    assert (await bench.get(FUNDING, symbol="SOL_USDC_PERP")).json == []
    rates = (await bench.public("/api/v1/fundingRates", symbol=ETH)).json
    assert [row["fundingRate"] for row in rates] == ["0.0001"]
    assert all(before["intervalEndTimestamp"] >= after["intervalEndTimestamp"] for before, after in pairwise(rates))
