"""Reading over REST: ranges, filters, pages, and what is not there."""

from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.ids import VenueSymbol
from venues.simulator.catalog import LighterTier

ETH = VenueSymbol("ETH")


async def pages(bench: Any, path: str, rows: str, **parameters: Any) -> list[dict[str, Any]]:
    """Read a listing to its end."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        extra = {"cursor": cursor} if cursor else {}
        answer = (await bench.get(path, token=bench.trader().token(), **parameters, **extra)).json
        found += answer[rows]
        cursor = answer["next_cursor"]
        if not cursor:
            return found
        assert len(answer[rows]) == parameters["limit"]


async def test_inactive_orders_page_from_newest_to_oldest(bench: Any):
    """Every ended order comes exactly once, newest first, whatever the page size."""
    trader = bench.trader()
    for nonce in range(1, 8):
        await bench.send(trader.market(nonce, is_ask=nonce % 2))
        bench.clock.ms += 1_000
    for limit in (1, 3, 7, 100):
        rows = await pages(bench, "/api/v1/accountInactiveOrders", "orders", account_index=65, limit=limit)
        assert [row["client_order_index"] for row in rows] == [7, 6, 5, 4, 3, 2, 1]
    asks = await pages(bench, "/api/v1/accountInactiveOrders", "orders", account_index=65, limit=9, ask_filter=1)
    assert [row["client_order_index"] for row in asks] == [7, 5, 3, 1]
    created = [row["created_at"] for row in reversed(rows)]
    span = f"{created[2]}-{created[4]}"
    some = await pages(bench, "/api/v1/accountInactiveOrders", "orders", limit=9, between_timestamps=span)
    assert [row["client_order_index"] for row in some] == [5, 4, 3]
    other = await pages(bench, "/api/v1/accountInactiveOrders", "orders", limit=9, market_id=1)
    assert other == []


async def test_trades_page_and_filter(bench: Any):
    """Fills by account, order, role and type; each once."""
    trader = bench.trader()
    for nonce in range(1, 6):
        await bench.send(trader.market(nonce))
    query = {"sort_by": "trade_id", "account_index": 65}
    for limit in (2, 5):
        rows = await pages(bench, "/api/v1/trades", "trades", limit=limit, **query)
        assert [row["bid_client_id"] for row in rows] == [5, 4, 3, 2, 1]
    order = rows[2]["bid_id"]
    one = await pages(bench, "/api/v1/trades", "trades", limit=9, order_index=order, **query)
    assert [row["bid_client_id"] for row in one] == [3]
    filters = {
        "role": ("taker", "maker"),
        "type": ("trade", "liquidation"),
        "ask_filter": (1, 0),
        "market_id": (1, 255),
    }
    counts = [
        len(await pages(bench, "/api/v1/trades", "trades", limit=9, **query, **{name: value}))
        for name, values in filters.items()
        for value in values
    ]
    assert counts == [5, 0, 5, 0, 0, 5, 0, 5]


async def test_trade_tells_own_side_and_fees_in_ppm(build: Any, serve: Any):
    """The maker and the taker of one trade are told apart, fees are parts per million, hashes are the transaction's."""
    async with serve(build(tier=LighterTier.PREMIUM, taker_delay_ms=0)) as bench:
        maker, taker = bench.trader(65), bench.trader(66)
        await bench.send(maker.order(1, is_ask=1, price=300_001))
        signed = taker.market(1)
        await bench.send(signed)
        (row,) = (await bench.get("/api/v1/recentTrades", market_id=0, limit=1)).json["trades"]
        assert (row["ask_account_id"], row["bid_account_id"], row["is_maker_ask"]) == (65, 66, True)
        assert (row["taker_fee"], row["maker_fee"]) == (280, 40)
        assert row["tx_hash"] == signed.tx_hash
        assert (row["price"], row["size"], row["usd_amount"]) == ("3000.01", "0.0100", "30.000100")


async def test_no_fee_is_left_out(bench: Any):
    """On a tier without fees the keys are absent."""
    await bench.send(bench.trader().market(1))
    (row,) = (await bench.get("/api/v1/recentTrades", market_id=0, limit=1)).json["trades"]
    assert "taker_fee" not in row
    assert "maker_fee" not in row


async def test_units_of_time_are_mixed_as_the_venues_are(bench: Any):
    """Orders in seconds, expiries and trades in milliseconds, transaction times in microseconds."""
    trader = bench.trader()
    expiry = bench.clock() + 3_600_000
    await bench.send(trader.order(1, order_expiry=expiry))
    await bench.send(trader.market(2))
    (order,) = (await bench.get("/api/v1/accountActiveOrders", token=trader.token())).json["orders"]
    assert (order["created_at"], order["order_expiry"]) == (bench.clock() // 1000, expiry)
    assert order["transaction_time"] == bench.clock() * 1000
    (trade,) = (await bench.get("/api/v1/recentTrades", market_id=0, limit=1)).json["trades"]
    assert trade["timestamp"] == bench.clock()


async def test_positions_have_sign_and_unsigned_size(bench: Any):
    """A short is sign -1; a closed one stays listed as flat unless only active ones are wanted."""
    trader = bench.trader()

    async def rows(**query: Any) -> list[tuple[int, str]]:
        answer = await bench.get("/api/v1/account", by="index", value=65, **query)
        return [(row["sign"], row["position"]) for row in answer.json["accounts"][0]["positions"]]

    assert await rows() == []
    await bench.send(trader.market(1, is_ask=1))
    assert await rows() == [(-1, "0.0100")]
    await bench.send(trader.market(2))
    assert await rows() == [(1, "0.0000")]
    assert await rows(active_only="true") == []


async def test_look_up_of_many_and_of_unknown(bench: Any):
    """Up to twenty client indexes at once; what is unknown is just not in the answer."""
    trader = bench.trader()
    await bench.send(trader.order(1))
    token = trader.token()
    found = await bench.get("/api/v1/accountOrders", token=token, client_order_indexes=",".join(map(str, range(1, 21))))
    assert [row["client_order_index"] for row in found.json["orders"]] == [1]
    many = await bench.get("/api/v1/accountOrders", token=token, client_order_indexes=",".join(map(str, range(1, 22))))
    assert many.json["code"] == 20001


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/api/v1/orderBookOrders", {"market_id": 0, "limit": 251}, 400, 20001),
        ("/api/v1/orderBookOrders", {"market_id": 0, "limit": 0}, 400, 20001),
        ("/api/v1/orderBookOrders", {"limit": 5}, 400, 20001),
        ("/api/v1/orderBookOrders", {"market_id": "x", "limit": 5}, 400, 20001),
        ("/api/v1/orderBookOrders", {"market_id": 9, "limit": 5}, 400, 21602),
        ("/api/v1/recentTrades", {"market_id": 0, "limit": 101}, 400, 20001),
        ("/api/v1/account", {"by": "index", "value": 99}, 400, 21100),
        ("/api/v1/account", {"by": "index", "value": "x"}, 400, 20001),
        ("/api/v1/account", {"by": "name", "value": "x"}, 400, 20001),
        ("/api/v1/account", {"by": "l1_address", "value": "0xzz"}, 400, 20001),
        ("/api/v1/nextNonce", {"account_index": 99, "api_key_index": 4}, 400, 21100),
        ("/api/v1/nextNonce", {"account_index": 65, "api_key_index": 5}, 400, 21109),
        ("/api/v1/nextNonce", {"account_index": 65}, 400, 20001),
        ("/api/v1/apikeys", {"account_index": 65, "api_key_index": 9}, 400, 21109),
        ("/api/v1/tx", {"by": "hash", "value": "ab"}, 400, 21500),
        ("/api/v1/tx", {"by": "sequence_index", "value": 7}, 400, 21500),
        ("/api/v1/tx", {"by": "age", "value": 7}, 400, 20001),
        ("/api/v1/trades", {"sort_by": "size", "limit": 5}, 400, 20001),
        ("/api/v1/trades", {"sort_by": "trade_id", "limit": 5, "cursor": "%%%"}, 400, 20009),
        ("/api/v1/trades", {"sort_by": "trade_id", "limit": 5, "cursor": "YWJj"}, 400, 20009),
        ("/api/v1/fundings", {"market_id": 0, "resolution": "2h"}, 400, 20001),
        ("/api/v1/nowhere", {}, 404, 29404),
    ],
)
async def test_bad_queries_have_their_codes(bench: Any, path: str, query: dict[str, Any], status: int, code: int):
    """A parameter that is missing, out of range or of the wrong kind is refused by its code."""
    answer = await bench.get(path, **query)
    assert (answer.status, answer.json["code"]) == (status, code)


async def test_unknown_parameters_are_ignored(bench: Any):
    """Clients send more than the venue reads."""
    assert (await bench.get("/api/v1/orderBooks", readonly="true", whatever=1)).status == 200


async def test_metadata_matches_the_markets(bench: Any):
    """Ticks, lots, minimums and margins come out as decimals places and integers of 1e-4."""
    (eth,) = (await bench.get("/api/v1/orderBookDetails", market_id=0)).json["order_book_details"]
    assert (eth["supported_price_decimals"], eth["supported_size_decimals"]) == (2, 4)
    assert (eth["min_base_amount"], Decimal(eth["min_quote_amount"])) == ("0.0050", 10)
    assert (eth["min_initial_margin_fraction"], eth["maintenance_margin_fraction"]) == (200, 120)
    assert eth["mark_price"] == "3000.00"


async def test_funding_rates_are_for_eight_hours(bench: Any):
    """An hourly rate is shown eightfold."""
    bench.exchange.set_funding_rate(ETH, Decimal("0.0001"))
    rows = (await bench.get("/api/v1/funding-rates")).json["funding_rates"]
    assert rows[0]["rate"] == pytest.approx(0.0008)
