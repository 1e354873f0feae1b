"""Public market data over the wire."""

from decimal import Decimal

import pytest

from strategies.domain.ids import VenueSymbol
from venues.simulator.faults import FaultKind

ETH = VenueSymbol("ETH_USDC_PERP")


async def test_markets_carry_grid_margin_and_funding(bench):
    """What a client needs to know about a market is in its listing, and the same when asked for alone."""
    listing = (await bench.public("/api/v1/markets")).json
    assert [market["symbol"] for market in listing] == list(bench.exchange.markets)
    eth = next(market for market in listing if market["symbol"] == ETH)
    assert (eth["baseSymbol"], eth["quoteSymbol"], eth["marketType"]) == ("ETH", "USDC", "PERP")
    assert eth["filters"]["price"]["tickSize"] == "0.01"
    assert eth["filters"]["quantity"] == {"minQuantity": "0.001", "maxQuantity": None, "stepSize": "0.001"}
    assert (eth["imfFunction"]["base"], eth["mmfFunction"]["base"]) == ("0.02", "0.0125")
    assert (eth["fundingInterval"], eth["orderBookState"]) == (3_600_000, "Open")
    assert (await bench.public("/api/v1/market", symbol=ETH)).json == eth
    assert (await bench.public("/api/v1/markets", marketType="SPOT")).json == []


async def test_depth_is_the_book_at_an_update_id(bench):
    """Best ask first; bids come worst first, which is not promised; the id is text, the time microseconds."""
    depth = (await bench.public("/api/v1/depth", symbol=ETH, limit="5")).json
    book = bench.exchange.book(ETH, 5)
    assert depth["lastUpdateId"] == str(book.nonce)
    assert [Decimal(price) for price, _ in depth["asks"]] == [level.price for level in book.asks]
    assert [Decimal(price) for price, _ in depth["bids"]] == [level.price for level in book.bids[::-1]]
    assert abs(depth["timestamp"] // 1000 - bench.clock()) < 60_000


async def test_mark_prices_carry_funding(bench):
    """One entry a market; the next funding time is in milliseconds."""
    entry = (await bench.public("/api/v1/markPrices", symbol=ETH)).json[0]
    assert (entry["markPrice"], entry["indexPrice"]) == ("3000", "3000")
    assert 0 < entry["nextFundingTimestamp"] - bench.clock() <= 3_600_000
    assert len((await bench.public("/api/v1/markPrices")).json) == len(bench.exchange.markets)


async def test_what_traded_shows_in_trades_ticker_bars_and_open_interest(bench):
    """One trade appears everywhere the public can see it."""
    order = (await bench.order(quantity="0.5")).json
    price = str(bench.exchange.trades("a")[0].price)
    trade = (await bench.public("/api/v1/trades", symbol=ETH)).json[0]
    assert (Decimal(trade["price"]), trade["quantity"], trade["isBuyerMaker"]) == (Decimal(price), "0.5", False)
    assert (await bench.public("/api/v1/trades/history", symbol=ETH, offset="1")).json == []
    ticker = (await bench.public("/api/v1/ticker", symbol=ETH)).json
    assert (Decimal(ticker["lastPrice"]), ticker["volume"], ticker["trades"]) == (Decimal(price), "0.5", "1")
    assert ticker["quoteVolume"] == order["executedQuoteQuantity"]
    assert len((await bench.public("/api/v1/tickers")).json) == len(bench.exchange.markets)
    start = str(bench.clock() // 1000 - 3600)
    bar = (await bench.public("/api/v1/klines", symbol=ETH, interval="1h", startTime=start)).json[-1]
    assert (bar["open"], bar["close"], bar["volume"]) == (bar["high"], bar["low"], "0.5")
    assert (await bench.public("/api/v1/openInterest", symbol=ETH)).json[0]["openInterest"] == "0.5"


async def test_the_venue_tells_its_health_and_time(bench):
    """Status is JSON, ping and time are plain text."""
    assert (await bench.public("/api/v1/status")).json == {"status": "Ok", "message": None}
    assert (await bench.public("/api/v1/ping")).text == "pong"
    assert abs(int((await bench.public("/api/v1/time")).text) - bench.clock()) < 60_000


async def test_maintenance_shows_in_the_status_and_refuses_everything_else(bench):
    """While it lasts, every call is 503 MAINTENANCE, and the status says why."""
    fault = bench.fault(FaultKind.STATUS_BEFORE, body="MAINTENANCE", count=None)
    refused = await bench.order()
    assert (refused.status, refused.json["code"]) == (503, "MAINTENANCE")
    assert (await bench.public("/api/v1/status")).json["status"] == "Maintenance"
    bench.faults.remove(fault.fault_id)
    assert (await bench.order()).json["status"] == "Filled"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("depth", {"symbol": "nonsense"}),
        ("depth", {}),
        ("depth", {"symbol": ETH, "limit": "7"}),
        ("klines", {"symbol": ETH, "interval": "7m", "startTime": "0"}),
        ("klines", {"symbol": ETH, "startTime": "0"}),
        ("klines", {"symbol": ETH, "interval": "1m"}),
        ("trades", {"symbol": ETH, "limit": "1001"}),
        ("fundingRates", {"symbol": ETH, "limit": "10001"}),
    ],
)
async def test_a_parameter_that_cannot_be_parsed_is_refused_in_plain_text(bench, path, query):
    """400, no JSON, naming the parameter."""
    answer = await bench.public(f"/api/v1/{path}", **query)
    assert answer.status == 400
    assert answer.text.startswith("failed to parse parameter `")


async def test_an_unknown_market_has_its_code(bench):
    """A name of the right form without a market behind it."""
    answer = await bench.public("/api/v1/depth", symbol="DOGE_USDC_PERP")
    assert (answer.status, answer.json["code"]) == (400, "INVALID_MARKET")


async def test_an_unknown_path_is_not_found(bench):
    """Neither REST path nor stream: 404."""
    assert [(await bench.public(path)).status for path in ("/", "/api/v1/nothing")] == [404, 404]
