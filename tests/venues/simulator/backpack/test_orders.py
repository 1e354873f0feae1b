"""Orders over the wire: what is taken, what is refused, and how each ends."""

from dataclasses import replace
from decimal import Decimal

import pytest

from strategies.domain.ids import VenueSymbol
from venues.simulator.catalog import backpack_rules
from venues.simulator.model import CrowdRules

ETH = VenueSymbol("ETH_USDC_PERP")


async def test_a_market_order_is_finished_in_its_own_answer(bench):
    """The answer to a market order carries its terminal state and what it cost."""
    order = (await bench.order(clientId=7)).json
    assert (order["status"], order["executedQuantity"], order["orderType"]) == ("Filled", "1", "Market")
    assert (order["timeInForce"], order["clientId"], order["reduceOnly"]) == ("GTC", 7, None)
    assert "price" not in order
    assert "postOnly" not in order
    average = Decimal(order["executedQuoteQuantity"]) / Decimal(order["executedQuantity"])
    assert average == bench.exchange.trades("a")[0].price


async def test_a_limit_order_rests_and_is_found_until_it_ends(bench):
    """A resting order is found by either id and in the list; once canceled it is gone from all of them."""
    placed = (await bench.limit("2900", clientId=9, postOnly=True)).json
    assert (placed["status"], placed["price"], placed["postOnly"]) == ("New", "2900", True)
    assert (await bench.get("/api/v1/order", symbol=ETH, clientId="9")).json == placed
    assert (await bench.get("/api/v1/order", symbol=ETH, orderId=placed["id"])).json == placed
    assert (await bench.get("/api/v1/orders")).json == [placed]
    canceled = await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "orderId": placed["id"]})
    assert (canceled.status, canceled.json["status"]) == (200, "Cancelled")
    gone = await bench.get("/api/v1/order", symbol=ETH, clientId="9")
    assert (gone.status, gone.json) == (404, {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"})
    assert (await bench.get("/api/v1/orders")).json == []


@pytest.mark.parametrize("client_id", [7, "7"])
async def test_a_cancel_takes_the_client_id_as_number_and_as_text(bench, client_id):
    """Official clients send text, the documentation says number: both name the order."""
    await bench.limit("2900", clientId=7)
    canceled = await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "clientId": client_id})
    assert canceled.json["status"] == "Cancelled"


@pytest.mark.parametrize(
    "reference",
    [{"orderId": "1"}, {"orderId": "x"}, {"clientId": 8}, {"symbol": "SOL_USDC_PERP", "clientId": 7}],
)
async def test_an_order_that_is_not_there_cannot_be_canceled(bench, reference):
    """Unknown ids, ids that are no numbers, and the wrong market are all 404."""
    await bench.limit("2900", clientId=7)
    answer = await bench.do("DELETE", "/api/v1/order", {"symbol": ETH} | reference)
    assert (answer.status, answer.json["code"]) == (404, "RESOURCE_NOT_FOUND")


async def test_nobody_sees_another_accounts_order(bench):
    """Looking up or canceling somebody else's order finds nothing."""
    placed = (await bench.limit("2900", clientId=7)).json
    assert (await bench.get("/api/v1/order", "b", symbol=ETH, orderId=placed["id"])).status == 404
    assert (await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "orderId": placed["id"]}, "b")).status == 404
    assert (await bench.get("/api/v1/orders", "b")).json == []


@pytest.mark.parametrize("reference", [{}, {"orderId": "1", "clientId": 1}])
async def test_exactly_one_id_names_an_order(bench, reference):
    """None or both is a bad request."""
    answer = await bench.do("DELETE", "/api/v1/order", {"symbol": ETH} | reference)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_CLIENT_REQUEST")


async def test_cancel_all_ends_every_order_of_the_market(bench):
    """All resting orders come back canceled; with none left the list is empty; there are no conditional orders."""
    for price in ("2900", "2901"):
        await bench.limit(price)
    assert (await bench.do("DELETE", "/api/v1/orders", {"symbol": ETH, "orderType": "ConditionalOrder"})).json == []
    ended = (await bench.do("DELETE", "/api/v1/orders", {"symbol": ETH, "orderType": "RestingLimitOrder"})).json
    assert [order["status"] for order in ended] == ["Cancelled", "Cancelled"]
    assert (await bench.do("DELETE", "/api/v1/orders", {"symbol": ETH})).json == []


async def test_a_cancel_that_takes_time_is_answered_202(serve, slow_cancels):
    """202 without a body says accepted, not done: the order is still there, and ends later."""
    bench = await serve(rules=slow_cancels)
    await bench.limit("2900", clientId=1)
    one = await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "clientId": 1})
    everything = await bench.do("DELETE", "/api/v1/orders", {"symbol": ETH})
    assert [(answer.status, answer.text) for answer in (one, everything)] == [(202, ""), (202, "")]
    assert len((await bench.get("/api/v1/orders")).json) == 1
    bench.exchange.advance(bench.clock() + 1000)
    assert (await bench.get("/api/v1/orders")).json == []


REFUSALS = {
    "post only that crosses": ({"price": "3100", "postOnly": True}, "INVALID_ORDER"),
    "price off the grid": ({"price": "2900.001"}, "INVALID_PRICE"),
    "price too far": ({"price": "1000"}, "INVALID_PRICE"),
    "price of zero": ({"price": "0"}, "INVALID_PRICE"),
    "quantity off the grid": ({"price": "2900", "quantity": "0.0005"}, "INVALID_QUANTITY"),
    "negative quantity": ({"price": "2900", "quantity": "-1"}, "INVALID_QUANTITY"),
    "no price": ({}, "INVALID_CLIENT_REQUEST"),
    "no quantity": ({"price": "2900", "quantity": None}, "INVALID_CLIENT_REQUEST"),
    "two quantities": ({"price": "2900", "quoteQuantity": "10"}, "INVALID_CLIENT_REQUEST"),
    "unknown market": ({"price": "2900", "symbol": "DOGE_USDC_PERP"}, "INVALID_MARKET"),
    "post only and IOC": ({"price": "2900", "postOnly": True, "timeInForce": "IOC"}, "INVALID_ORDER"),
    "half a trigger": ({"price": "2900", "triggerPrice": "2800"}, "INVALID_CLIENT_REQUEST"),
    "a trigger": ({"price": "2900", "triggerPrice": "2800", "triggerQuantity": "1"}, "NOT_IMPLEMENTED"),
    "a stop loss": ({"price": "2900", "stopLossTriggerPrice": "2800"}, "NOT_IMPLEMENTED"),
    "another self trade rule": ({"price": "2900", "selfTradePrevention": "RejectMaker"}, "NOT_IMPLEMENTED"),
    "slippage on a limit": (
        {"price": "2900", "slippageTolerance": "1", "slippageToleranceType": "Percent"},
        "INVALID_CLIENT_REQUEST",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_an_order_that_makes_no_sense_is_refused(bench, name):
    """Each refusal is a 400 with its code, and nothing is placed."""
    fields, code = REFUSALS[name]
    answer = await bench.order(orderType="Limit", **fields)
    assert (answer.status, answer.json["code"]) == (400, code)
    assert bench.exchange.orders("a", active=None) == []


MALFORMED = {
    "number for a decimal": {"quantity": 1},
    "text that is no decimal": {"quantity": "one"},
    "not a number": {"quantity": "NaN"},
    "unknown side": {"side": "Buy"},
    "unknown type": {"orderType": "Stop"},
    "no side": {"side": None},
    "client id too large": {"clientId": 2**32},
    "client id negative": {"clientId": -1},
    "client id a bool": {"clientId": True},
    "flag as text": {"reduceOnly": "yes"},
    "unknown time in force": {"timeInForce": "DAY"},
    "unknown self trade rule": {"selfTradePrevention": "Hope"},
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_cannot_be_parsed_is_refused_in_plain_text(bench, name):
    """The venue's parser speaks before its API: 400, no JSON."""
    answer = await bench.order(**MALFORMED[name])
    assert answer.status == 400
    assert answer.text.startswith("parse request payload error: ")


async def test_a_list_sent_to_the_single_order_call_is_refused_in_plain_text(bench):
    """The batch has its own path."""
    answer = await bench.do("POST", "/api/v1/order", [{"symbol": ETH}])
    assert (answer.status, answer.text) == (400, "parse request payload error: expected an object")


async def test_unknown_fields_are_ignored(bench):
    """A misspelt optional field changes nothing, as on the venue."""
    assert (await bench.order(triggeredBy="MarkPrice", autoLend=True, brokerId=1)).json["status"] == "Filled"


async def test_an_ioc_order_ends_what_it_could_not_fill(bench):
    """What an IOC order leaves over expires at once, with that reason, and keeps what was filled."""
    best = bench.exchange.book(ETH, 1).asks[0]
    order = (await bench.limit(str(best.price), quantity=str(best.quantity + 1), timeInForce="IOC")).json
    assert (order["status"], Decimal(order["executedQuantity"])) == ("Expired", best.quantity)
    assert (await bench.get("/wapi/v1/history/orders")).json[0]["expiryReason"] == "ImmediateOrCancel"


async def test_a_fill_or_kill_order_fills_whole_or_not_at_all(bench):
    """An order that the book cannot fill whole expires unfilled."""
    best = bench.exchange.book(ETH, 1).asks[0]
    order = (await bench.limit(str(best.price), quantity=str(best.quantity + 1), timeInForce="FOK")).json
    assert (order["status"], order["executedQuantity"]) == ("Expired", "0")
    assert (await bench.get("/wapi/v1/history/orders")).json[0]["expiryReason"] == "FillOrKill"


async def test_an_order_never_trades_with_its_own_account(bench):
    """The taker's rest expires when it meets the account's own order, which stays."""
    price = str(bench.exchange.book(ETH, 1).asks[0].price - Decimal("0.05"))
    await bench.limit(price, side="Ask", clientId=1)
    order = (await bench.order(clientId=2)).json
    assert (order["status"], order["executedQuantity"]) == ("Expired", "0")
    assert (await bench.get("/wapi/v1/history/orders")).json[0]["expiryReason"] == "SelfTradePrevention"
    assert [row["clientId"] for row in (await bench.get("/api/v1/orders")).json] == [1]


async def test_two_accounts_trade_with_each_other_at_the_resting_price(bench):
    """Maker and taker pay their own fees, at the maker's price."""
    price = "3000.1"
    await bench.limit(price, "b", side="Ask", quantity="1")
    await bench.order()
    ours, theirs = [(await bench.get("/wapi/v1/history/fills", name)).json[0] for name in ("a", "b")]
    assert (ours["price"], ours["isMaker"], ours["side"]) == (price, False, "Bid")
    assert (theirs["price"], theirs["isMaker"], theirs["side"]) == (price, True, "Ask")
    assert ours["tradeId"] == theirs["tradeId"]
    assert Decimal(ours["fee"]).quantize(Decimal("0.001")) == (Decimal(price) * 5 / 10_000).quantize(Decimal("0.001"))
    assert Decimal(theirs["fee"]).quantize(Decimal("0.001")) == (Decimal(price) * 2 / 10_000).quantize(Decimal("0.001"))


async def test_a_client_id_is_unique_among_open_orders_only(bench):
    """While an order is open its client id is taken; afterwards it may be used again."""
    await bench.limit("2900", clientId=7)
    assert (await bench.limit("2901", clientId=7)).json["code"] == "INVALID_ORDER"
    await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "clientId": 7})
    assert (await bench.limit("2901", clientId=7)).json["status"] == "New"


async def test_a_market_order_by_notional_buys_what_that_is_worth(bench):
    """`quoteQuantity` spends that many USD at most, less than one lot short of it."""
    order = (await bench.order(quantity=None, quoteQuantity="600")).json
    spent = Decimal(order["executedQuoteQuantity"])
    assert order["status"] == "Filled"
    assert order["quoteQuantity"] == "600"
    assert 600 - 4 < spent <= 600


async def test_a_market_order_needs_one_quantity(bench):
    """Neither and both are bad requests."""
    for fields in ({"quantity": None}, {"quoteQuantity": "600"}):
        assert (await bench.order(**fields)).json["code"] == "INVALID_CLIENT_REQUEST"


async def test_a_market_order_stops_at_the_markets_impact_bound(serve):
    """Beyond 3 % of the mark nothing is bought: the rest expires for price impact."""
    bench = await serve(crowd=CrowdRules(level_notional=Decimal(100), step=Decimal("0.01")))
    order = (await bench.order()).json
    assert order["status"] == "Expired"
    assert 0 < Decimal(order["executedQuantity"]) < 1
    assert max(trade.price for trade in bench.exchange.trades("a")) <= Decimal(3000) * Decimal("1.03")
    assert (await bench.get("/wapi/v1/history/orders")).json[0]["expiryReason"] == "PriceImpact"


@pytest.mark.parametrize(
    ("tolerance", "kind", "highest"), [("0.5", "Percent", "3015.2"), ("2000", "TickSize", "3020.2")]
)
async def test_a_market_order_stops_at_the_clients_own_tolerance(serve, tolerance, kind, highest):
    """A tolerance in percent or in ticks counts from the best price; the rest expires with that reason."""
    bench = await serve(crowd=CrowdRules(level_notional=Decimal(100), step=Decimal("0.001")))
    order = (await bench.order(slippageTolerance=tolerance, slippageToleranceType=kind)).json
    assert order["status"] == "Expired"
    assert max(trade.price for trade in bench.exchange.trades("a")) <= Decimal(highest)
    assert (await bench.get("/wapi/v1/history/orders")).json[0]["expiryReason"] == "SlippageToleranceExceeded"


@pytest.mark.parametrize("fields", [{"slippageTolerance": "1"}, {"slippageToleranceType": "Percent"}])
async def test_half_a_tolerance_is_refused(bench, fields):
    """The number and its kind go together."""
    assert (await bench.order(**fields)).json["code"] == "INVALID_CLIENT_REQUEST"


TOO_MUCH = {"quantity": "40"}
NOTHING_TO_REDUCE = {"reduceOnly": True}


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        (TOO_MUCH, "INSUFFICIENT_MARGIN", "InsufficientMargin"),
        (NOTHING_TO_REDUCE, "INVALID_ORDER", "ReduceOnlyNotReduced"),
    ],
)
async def test_margin_and_reduce_only_fail_in_either_of_two_ways(serve, fields, code, reason):
    """By default an HTTP error and no order; with the engine deciding, an order that expired at once."""
    strict = await serve()
    refused = await strict.order(**fields)
    assert (refused.status, refused.json["code"]) == (400, code)
    assert (await strict.get("/wapi/v1/history/orders")).json == []
    lenient = await serve(ends_in_engine=True)
    taken = await lenient.order(**fields)
    assert (taken.status, taken.json["status"], taken.json["executedQuantity"]) == (200, "Expired", "0")
    assert (await lenient.get("/wapi/v1/history/orders")).json[0]["expiryReason"] == reason
    resting = await lenient.limit("2900", **fields)
    assert (resting.status, resting.json["status"]) == (200, "Expired")


async def test_a_reduce_only_order_never_turns_the_position_round(bench):
    """It closes what is held, and its rest expires."""
    await bench.order(quantity="0.5")
    order = (await bench.order(side="Ask", quantity="2", reduceOnly=True)).json
    assert (order["status"], order["executedQuantity"], order["reduceOnly"]) == ("Expired", "0.5", True)
    assert (await bench.get("/api/v1/position")).json == []


async def test_each_order_of_a_batch_stands_alone(bench):
    """Good and bad orders in one batch: each has its own outcome, in the order sent."""
    batch = [
        {"symbol": ETH, "side": "Bid", "orderType": "Limit", "quantity": "1", "price": "2900", "clientId": 1},
        {"symbol": ETH, "side": "Bid", "orderType": "Market", "quantity": "1000"},
        {"symbol": ETH, "side": "Bid", "orderType": "Market", "quantity": "0.1"},
    ]
    answers = (await bench.do("POST", "/api/v1/orders", batch)).json
    assert [answer["operation"] for answer in answers] == ["Ok", "Err", "Ok"]
    assert (answers[0]["status"], answers[2]["status"]) == ("New", "Filled")
    assert answers[1] == {"operation": "Err", "code": "INSUFFICIENT_MARGIN", "message": "Insufficient margin"}


async def test_a_batch_that_is_no_list_is_refused_in_plain_text(bench):
    """One malformed batch places nothing."""
    answer = await bench.do("POST", "/api/v1/orders", {"symbol": ETH})
    assert (answer.status, answer.text) == (400, "parse request payload error: expected a list of objects")


async def test_too_many_open_orders_are_refused(serve):
    """The limit on open orders has its own code."""
    bench = await serve(rules=replace(backpack_rules(), max_active_orders=1))
    await bench.limit("2900")
    assert (await bench.limit("2901")).json["code"] == "ORDER_LIMIT"


async def test_a_signature_over_other_fields_is_refused(bench):
    """Changing one digit after signing makes the signature invalid, and nothing is placed."""
    fields = {"symbol": ETH, "side": "Bid", "orderType": "Market", "quantity": "1"}
    headers = bench.headers("POST", "/api/v1/order", fields)
    body = '{"symbol": "ETH_USDC_PERP", "side": "Bid", "orderType": "Market", "quantity": "2"}'
    answer = await bench.send("POST", "/api/v1/order", data=body, headers=headers)
    assert (answer.status, answer.json["code"]) == (401, "INVALID_SIGNATURE")
    assert bench.exchange.trades("a") == []


SMALL_LEVELS = CrowdRules(level_notional=Decimal(3000))
"""About one ETH at each price of the crowd's."""


async def test_a_fill_or_kill_order_that_would_meet_its_own_account_trades_nothing(serve):
    """All or nothing holds here too: it does not fill in part and then stop before the account's own order."""
    bench = await serve(crowd=SMALL_LEVELS)
    best, second, third = bench.exchange.book(ETH, 3).asks
    between = (second.price + third.price) / 2
    await bench.limit(str(between), side="Ask", quantity="1", clientId=1)
    reachable = best.quantity + second.quantity
    for extra, expected in ((Decimal("0.001"), "0"), (Decimal(0), str(reachable.normalize()))):
        order = (await bench.limit(str(third.price), quantity=str(reachable + extra), timeInForce="FOK")).json
        assert order["executedQuantity"] == expected
    rows = (await bench.get("/wapi/v1/history/orders")).json
    assert [(row["status"], row["expiryReason"]) for row in rows] == [
        ("Filled", None),
        ("Expired", "SelfTradePrevention"),
        ("New", None),
    ]
