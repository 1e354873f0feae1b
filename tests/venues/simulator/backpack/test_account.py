"""Account, money, positions and limits over the wire."""

from decimal import Decimal

import pytest

from strategies.domain.ids import VenueSymbol
from venues.simulator.model import AccountLiquidated

ETH = VenueSymbol("ETH_USDC_PERP")


async def test_the_account_shows_settings_fees_and_open_orders(bench):
    """Fees are in basis points, counts are numbers, decimals are text."""
    await bench.limit("2900")
    account = (await bench.get("/api/v1/account")).json
    assert (account["futuresMakerFee"], account["futuresTakerFee"], account["leverageLimit"]) == ("2", "5", "10")
    assert (account["limitOrders"], account["triggerOrders"], account["liquidating"]) == (1, 0, False)


async def test_settings_change_with_an_empty_answer(bench):
    """PATCH answers 200 without a body; leverage and flags are then in force."""
    answer = await bench.do("PATCH", "/api/v1/account", {"leverageLimit": "20", "autoLend": True})
    assert (answer.status, answer.text) == (200, "")
    account = (await bench.get("/api/v1/account")).json
    assert (account["leverageLimit"], account["autoLend"], account["autoRepayBorrows"]) == ("20", True, False)
    other = (await bench.get("/api/v1/account", "b")).json
    assert (other["leverageLimit"], other["autoLend"]) == ("10", False)


@pytest.mark.parametrize("leverage", ["51", "0.5"])
async def test_leverage_out_of_range_is_refused(bench, leverage):
    """The markets' smallest margin fraction bounds the account's leverage."""
    answer = await bench.do("PATCH", "/api/v1/account", {"leverageLimit": leverage, "autoLend": True})
    assert (answer.status, answer.json["code"]) == (400, "MAX_LEVERAGE_REACHED")
    account = (await bench.get("/api/v1/account")).json
    assert (account["leverageLimit"], account["autoLend"]) == ("10", False)


async def test_leverage_holds_for_every_market_of_the_account(bench):
    """One leverage: after lowering it, the same order needs more margin in any market."""
    bench.exchange.set_price(VenueSymbol("SOL_USDC_PERP"), Decimal(150), bench.clock())
    await bench.do("PATCH", "/api/v1/account", {"leverageLimit": "1"})
    for symbol, quantity in ((ETH, "4"), ("SOL_USDC_PERP", "80")):
        assert (await bench.order(symbol=symbol, quantity=quantity)).json["code"] == "INSUFFICIENT_MARGIN"


async def test_money_is_split_into_available_and_locked(bench):
    """What backs a position is locked; equity is both together."""
    await bench.order(side="Ask")
    money = (await bench.get("/api/v1/capital/collateral")).json
    net, available, locked = (Decimal(money[f"netEquity{part}"]) for part in ("", "Available", "Locked"))
    assert net == available + locked
    assert locked == 300  # 3000 USD at tenfold leverage
    assert Decimal(money["netExposureFutures"]) == 3000
    assert (money["imf"], money["mmf"]) == ("0.1", "0.0125")
    assert Decimal(money["marginFraction"]) == (net / 3000).quantize(Decimal("1e-8"))
    item = money["collateral"][0]
    assert (item["symbol"], item["collateralWeight"]) == ("USDC", "1")
    assert item["totalQuantity"] == money["assetsValue"]
    balance = (await bench.get("/api/v1/capital")).json["USDC"]
    assert Decimal(balance["available"]) + Decimal(balance["locked"]) == Decimal(item["totalQuantity"])


async def test_without_exposure_there_is_no_margin_fraction(bench):
    """A fraction of nothing is not zero: it is absent."""
    assert (await bench.get("/api/v1/capital/collateral")).json["marginFraction"] is None


async def test_a_position_is_signed_and_complete(bench):
    """A short position is negative; every decimal is text; its id stays while it is open."""
    await bench.order(side="Ask", quantity="0.5")
    await bench.limit("3100", side="Ask", quantity="1")
    position = (await bench.get("/api/v1/position", symbol=ETH)).json[0]
    assert position["netQuantity"] == "-0.5"
    assert position["netExposureQuantity"] == "1.5"
    assert Decimal(position["netCost"]) == Decimal("-0.5") * Decimal(position["entryPrice"])
    assert Decimal(position["breakEvenPrice"]) == Decimal(position["entryPrice"]) * Decimal("0.9995")
    assert (position["imf"], position["mmf"], position["markPrice"]) == ("0.1", "0.0125", "3000")
    assert position["imfFunction"] == {"type": "sqrt", "base": "0.02", "factor": "0"}
    await bench.order(side="Ask", quantity="0.1")
    assert (await bench.get("/api/v1/position")).json[0]["positionId"] == position["positionId"]


async def test_no_position_in_a_market_is_not_found(bench):
    """Asked for one market, 404; asked for all, an empty list; closed is the same as never held."""
    for _ in range(2):
        missing = await bench.get("/api/v1/position", symbol=ETH)
        assert (missing.status, missing.json["code"]) == (404, "RESOURCE_NOT_FOUND")
        assert (await bench.get("/api/v1/position")).json == []
        await bench.order()
        await bench.order(side="Ask")


async def test_a_position_opened_again_has_a_new_id(bench):
    """A closed position's id does not return."""
    ids = []
    for _ in range(2):
        await bench.order()
        ids.append((await bench.get("/api/v1/position")).json[0]["positionId"])
        await bench.order(side="Ask")
    assert ids[0] != ids[1]


@pytest.mark.parametrize("side", ["Bid", "Ask"])
async def test_the_largest_order_is_taken_and_one_lot_more_is_not(bench, side):
    """The limit is exact: also against a position, which the order would turn round."""
    await bench.order(quantity="2")
    most = (await bench.get("/api/v1/account/limits/order", symbol=ETH, side=side)).json
    more = Decimal(most["maxOrderQuantity"]) + Decimal("0.001")
    assert (await bench.order(side=side, quantity=str(more))).json["code"] == "INSUFFICIENT_MARGIN"
    assert (await bench.order(side=side, quantity=most["maxOrderQuantity"])).json["status"] == "Filled"


async def test_the_largest_limit_and_reduce_only_orders(bench):
    """A price makes it a limit order; reduce-only allows what is held, and nothing when nothing is."""
    path = "/api/v1/account/limits/order"
    assert (await bench.get(path, symbol=ETH, side="Ask", reduceOnly="true")).json["maxOrderQuantity"] == "0"
    limit = (await bench.get(path, symbol=ETH, side="Bid", price="2900")).json
    assert limit["price"] == "2900"
    assert (await bench.limit("2900", quantity=limit["maxOrderQuantity"])).json["status"] == "New"


@pytest.mark.parametrize("query", [{"side": "Buy"}, {"side": "Bid", "price": "x"}, {"side": "Bid", "price": "-1"}, {}])
async def test_a_limits_question_that_cannot_be_parsed_is_refused_in_plain_text(bench, query):
    """A parameter of the wrong form is 400 in plain text that names it."""
    answer = await bench.get("/api/v1/account/limits/order", symbol=ETH, **query)
    assert answer.status == 400
    assert answer.text.startswith("failed to parse parameter `")


async def test_an_account_that_is_being_liquidated_takes_no_orders(serve):
    """While the venue closes positions, the account says so and new orders are refused with that code."""
    bench = await serve()
    await bench.order(quantity="30")
    bench.exchange.set_depth(ETH, Decimal("0.00001"), bench.clock())
    bench.exchange.drain_events()
    bench.exchange.set_price(ETH, Decimal(2700), bench.clock())
    liquidated = [event for event in bench.exchange.drain_events() if isinstance(event, AccountLiquidated)]
    assert {event.account for event in liquidated} == {"a"}
    account = (await bench.get("/api/v1/account")).json
    refused = await bench.order()
    assert account["liquidating"] is True
    assert (refused.status, refused.json["code"]) == (400, "ACCOUNT_LIQUIDATING")
