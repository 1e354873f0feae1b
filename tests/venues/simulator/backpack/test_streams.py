"""Streams, heard by a plain WebSocket client."""

import asyncio
import json
from decimal import Decimal

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed

from strategies.domain.ids import VenueSymbol
from strategies.domain.position import FillCause
from venues.simulator.backpack.server import BackpackServer
from venues.simulator.model import CrowdRules

ETH = VenueSymbol("ETH_USDC_PERP")
ORDERS = "account.orderUpdate"
POSITIONS = "account.positionUpdate"
INVALID = {"id": None, "error": {"code": 4006, "message": "Invalid stream"}}


async def test_a_subscription_is_not_acknowledged(bench):
    """The first thing heard after subscribing is the stream itself."""
    async with bench.stream(f"bookTicker.{ETH}") as listener:
        assert (await listener.next())["stream"] == f"bookTicker.{ETH}"


@pytest.mark.parametrize("path", ["", "ws"])
async def test_the_socket_opens_at_the_root_and_beside_it(bench, path):
    """Both addresses serve the same streams."""
    async with bench.stream(f"markPrice.{ETH}", path=path) as listener:
        assert (await listener.data(f"markPrice.{ETH}"))["p"] == "3000"


@pytest.mark.parametrize(
    "name",
    [
        "nope",
        "bookTicker.DOGE_USDC_PERP",
        f"depth.300ms.{ETH}",
        f"trade.200ms.{ETH}",
        "account.secrets",
        "bookTicker",
        "",
    ],
)
async def test_an_unknown_stream_is_an_error(bench, name):
    """Code 4006, and nothing of the request is followed."""
    async with bench.stream() as listener:
        await listener.ask("SUBSCRIBE", f"trade.{ETH}", name)
        assert await listener.next() == INVALID
        assert [len(connection.subscriptions) for connection in bench.server._streams._connections] == [0]


@pytest.mark.parametrize(
    ("message", "answer_id"),
    [("{", None), ("[]", None), ('{"method": "SUBSCRIBE"}', None), ('{"method": "X", "params": ["y"], "id": 3}', 3)],
)
async def test_a_request_that_cannot_be_read_is_an_error(bench, message, answer_id):
    """Anything unreadable gets an error frame; the id of the request comes back if there was one."""
    async with bench.stream() as listener:
        await listener.socket.send(message)
        answer = await listener.next()
        assert (answer["id"], answer["error"]["code"]) == (answer_id, 4006)


async def test_private_streams_need_a_valid_signature(bench):
    """None, a stale one and somebody else's are all refused with words."""
    stale = bench.subscription_signature(at=bench.clock() - 6000)
    foreign = bench.subscription_signature("b")
    mixed = [bench.keys["a"].api_key, *foreign[1:]]
    async with bench.stream() as listener:
        for signature, words in (
            (None, "A signature is required"),
            (stale, "Request has expired"),
            (mixed, "Invalid signature"),
        ):
            await listener.ask("SUBSCRIBE", ORDERS, signature=signature)
            assert (await listener.next())["error"]["message"] == words


async def test_a_market_order_is_heard_as_accepted_and_filled(bench):
    """Types follow the captures: microseconds as int, decimals as text, `o` in upper case, `t` null before a fill."""
    async with bench.stream(ORDERS, account="a") as listener:
        order = (await bench.order(clientId=7)).json
        accepted, filled = await listener.data(ORDERS), await listener.data(ORDERS)
    assert (accepted["e"], accepted["X"], accepted["t"], accepted["z"]) == ("orderAccepted", "New", None, "0")
    assert (filled["e"], filled["X"], filled["z"], filled["Z"]) == (
        "orderFill",
        "Filled",
        "1",
        order["executedQuoteQuantity"],
    )
    assert (filled["l"], filled["m"], filled["N"], filled["O"]) == ("1", False, "USDC", "USER")
    assert Decimal(filled["n"]) == bench.exchange.trades("a")[0].taker_fee
    assert (filled["t"], Decimal(filled["L"])) == (
        bench.exchange.trades("a")[0].trade_id,
        bench.exchange.trades("a")[0].price,
    )
    for event in (accepted, filled):
        assert (event["i"], event["c"], event["s"], event["S"]) == (order["id"], 7, ETH, "Bid")
        assert (event["o"], event["f"], event["q"], event["V"]) == ("MARKET", "GTC", "1", "RejectTaker")
        assert abs(event["E"] // 1000 - bench.clock()) < 60_000
        assert isinstance(event["T"], int)
        assert "p" not in event
        assert "R" not in event


async def test_a_limit_order_is_heard_until_its_end(bench):
    """Accepted with its price, canceled by its owner; an expiry names its reason; `c` only with a client id."""
    stream = f"{ORDERS}.{ETH}"
    async with bench.stream(stream, account="a") as listener:
        order = (await bench.limit("2900")).json
        await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "orderId": order["id"]})
        await bench.limit("2900", timeInForce="IOC")
        accepted, canceled, _, expired = [await listener.data(stream) for _ in range(4)]
    assert (accepted["e"], accepted["p"], accepted["o"], accepted["y"]) == ("orderAccepted", "2900", "LIMIT", False)
    assert (canceled["e"], canceled["X"], canceled["t"]) == ("orderCancelled", "Cancelled", None)
    assert (expired["e"], expired["X"], expired["R"], expired["f"]) == (
        "orderExpired",
        "Expired",
        "ImmediateOrCancel",
        "IOC",
    )
    assert "c" not in accepted
    assert "R" not in canceled


async def test_private_streams_tell_only_the_own_account_and_the_asked_market(bench):
    """Another account's orders, and orders in other markets, are not heard."""
    sol = "SOL_USDC_PERP"
    bench.exchange.set_price(VenueSymbol(sol), Decimal(150), bench.clock())
    async with bench.stream(f"{ORDERS}.{sol}", account="a") as listener:
        await bench.order("b", symbol=sol)
        await bench.order(symbol=ETH)
        await bench.order(symbol=sol, clientId=3)
        assert (await listener.next())["data"]["c"] == 3


async def test_the_position_stream_starts_with_what_is_open(bench):
    """The snapshot has no event; the same position then is adjusted and closed, under one integer id."""
    await bench.order(side="Ask")
    async with bench.stream(POSITIONS, account="a") as listener:
        snapshot = await listener.data(POSITIONS)
        await bench.order(side="Ask", quantity="0.5")
        adjusted = await listener.data(POSITIONS)
        await bench.order(quantity="1.5")
        closed = await listener.data(POSITIONS)
        await bench.order(quantity="0.2")
        opened = await listener.data(POSITIONS)
    assert "e" not in snapshot
    assert (snapshot["q"], snapshot["Q"], snapshot["l"]) == ("-1", "1", "0")
    assert (snapshot["f"], snapshot["m"], snapshot["M"], snapshot["n"]) == ("0.1", "0.0125", "3000", "3000")
    entry, break_even = Decimal(snapshot["B"]), Decimal(snapshot["b"])
    assert break_even == entry * Decimal("0.9995")
    assert Decimal(snapshot["P"]) == (Decimal(3000) - entry) * -1
    assert (adjusted["e"], adjusted["q"], adjusted["i"]) == ("positionAdjusted", "-1.5", snapshot["i"])
    assert (closed["e"], closed["q"], closed["i"]) == ("positionClosed", "0", snapshot["i"])
    assert (opened["e"], opened["q"]) == ("positionOpened", "0.2")
    assert opened["i"] != snapshot["i"]
    assert isinstance(snapshot["i"], int)


async def test_nothing_open_means_no_snapshot(bench):
    """A flat account hears nothing until it trades."""
    async with bench.stream(POSITIONS, account="a") as listener:
        await bench.order()
        assert (await listener.next())["data"]["e"] == "positionOpened"


@pytest.mark.parametrize(
    ("cause", "origin"),
    [(FillCause.LIQUIDATION, "LIQUIDATION_AUTOCLOSE"), (FillCause.ADL, "ADL_AUTOCLOSE")],
)
async def test_a_forced_close_shows_its_origin(bench, cause, origin):
    """The venue's own order has its origin; resting orders expire for a liquidation; the position closes silently."""
    await bench.order()
    await bench.limit("2900", clientId=5)
    async with bench.stream(ORDERS, POSITIONS, account="a") as listener:
        bench.exchange.liquidate("a", ETH, cause=cause, at=bench.clock())
        await bench.pump()
        fill = await listener.until(ORDERS, lambda event: event["e"] == "orderFill")
        assert (await listener.until(POSITIONS, lambda event: "e" in event))["e"] == "positionClosed"
    assert (fill["O"], fill["S"], fill["r"]) == (origin, "Ask", True)
    assert "c" not in fill


async def test_resting_orders_expire_in_a_liquidation(bench):
    """Their end names the liquidation."""
    await bench.order()
    await bench.limit("2900", clientId=5)
    async with bench.stream(ORDERS, account="a") as listener:
        bench.exchange.liquidate("a", ETH, cause=FillCause.LIQUIDATION, at=bench.clock())
        await bench.pump()
        first = await listener.data(ORDERS)
    assert (first["c"], first["e"], first["X"], first["R"]) == (5, "orderExpired", "Expired", "Liquidation")


async def test_depth_changes_are_contiguous_and_make_the_book(bench):
    """From a REST snapshot on, applying every change in order gives the server's book."""
    stream = f"depth.{ETH}"
    async with bench.stream(stream) as listener:
        snapshot = (await bench.public("/api/v1/depth", symbol=ETH)).json
        for mark in ("3001", "2999.5", "3003"):
            await bench.price(mark)
        await bench.limit("2950", quantity="2")
        bids, asks = ({Decimal(p): Decimal(q) for p, q in snapshot[side]} for side in ("bids", "asks"))
        last = int(snapshot["lastUpdateId"])
        while last < bench.exchange.book(ETH, 1).nonce:
            change = await listener.data(stream)
            assert change["U"] == last + 1
            last = change["u"]
            for side, levels in ((bids, change["b"]), (asks, change["a"])):
                for price, quantity in levels:
                    side[Decimal(price)] = Decimal(quantity)
    book = bench.exchange.book(ETH, 1000)
    assert {p: q for p, q in bids.items() if q} == {level.price: level.quantity for level in book.bids}
    assert {p: q for p, q in asks.items() if q} == {level.price: level.quantity for level in book.asks}


@pytest.mark.parametrize("cadence", ["200ms", "600ms", "1000ms"])
async def test_aggregated_depth_says_several_changes_at_once(bench, cadence):
    """One message covers all update ids since the stream began."""
    stream = f"depth.{cadence}.{ETH}"
    async with bench.stream(stream) as listener:
        before = bench.exchange.book(ETH, 1).nonce
        for mark in ("3001", "3002"):
            await bench.price(mark)
        change = await listener.data(stream)
    assert (change["U"], change["u"], change["e"]) == (before + 1, bench.exchange.book(ETH, 1).nonce, "depth")


async def test_best_prices_follow_the_book(bench):
    """A change of the best price is told at once, with text for decimals."""
    stream = f"bookTicker.{ETH}"
    async with bench.stream(stream) as listener:
        await bench.price("3010")
        ticker = await listener.until(stream, lambda data: Decimal(data["a"]) > 3010)
    book = bench.exchange.book(ETH, 1)
    assert (Decimal(ticker["a"]), Decimal(ticker["A"])) == (book.asks[0].price, book.asks[0].quantity)
    assert (Decimal(ticker["b"]), Decimal(ticker["B"])) == (book.bids[0].price, book.bids[0].quantity)
    assert ticker["u"] == str(book.nonce)


async def test_an_empty_side_has_no_quantity(serve):
    """With nobody offering, price and quantity are zero."""
    bench = await serve(crowd=CrowdRules(levels=0))
    async with bench.stream(f"bookTicker.{ETH}") as listener:
        ticker = await listener.data(f"bookTicker.{ETH}")
    assert (ticker["a"], ticker["A"], ticker["b"], ticker["B"]) == ("0", "0", "0", "0")


async def test_marks_are_said_again_while_nothing_moves(bench):
    """A quiet market is not a dead stream; the next funding time is in milliseconds."""
    stream = f"markPrice.{ETH}"
    async with bench.stream(stream) as listener:
        first, second = await listener.data(stream), await listener.data(stream)
    assert (first["p"], second["p"], first["i"]) == ("3000", "3000", "3000")
    assert second["E"] > first["E"]
    assert first["n"] > bench.clock() > first["n"] - 3_700_000


async def test_trades_are_public(bench):
    """Buyer, seller and who was the maker."""
    stream = f"trade.{ETH}"
    async with bench.stream(stream) as listener:
        order = (await bench.order(side="Ask", quantity="0.5")).json
        trade = await listener.data(stream)
    assert (trade["a"], trade["q"], trade["m"]) == (order["id"], "0.5", True)
    assert trade["t"] == bench.exchange.trades(None)[0].trade_id


async def test_after_unsubscribing_there_is_silence(bench):
    """Only what is still followed is heard."""
    async with bench.stream(ORDERS, f"trade.{ETH}", account="a") as listener:
        await listener.ask("UNSUBSCRIBE", ORDERS)
        await listener.ask("SUBSCRIBE", "nope")  # its error says that the message before it was read
        assert await listener.next() == INVALID
        await bench.order()
        assert (await listener.next())["stream"] == f"trade.{ETH}"


async def test_the_server_pings_and_a_client_that_answers_stays(serve):
    """Pings are protocol frames; answering them keeps the socket open past the time-out."""
    bench = await serve(ping_interval_s=0.02, pong_timeout_s=1)
    async with aiohttp.ClientSession() as session, session.ws_connect(bench.url, autoping=False) as socket:
        started = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < started + 1.3:
            message = await socket.receive(timeout=10)
            assert message.type is aiohttp.WSMsgType.PING
            await socket.pong(message.data)


async def test_a_client_that_does_not_answer_pings_is_closed(serve):
    """Silence for longer than the time-out closes the socket."""
    bench = await serve(ping_interval_s=0.02, pong_timeout_s=0.1)
    async with aiohttp.ClientSession() as session, session.ws_connect(bench.url, autoping=False) as socket:
        while (message := await socket.receive(timeout=10)).type is aiohttp.WSMsgType.PING:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == 1008


async def test_a_client_may_ping_too(bench):
    """The server answers protocol pings."""
    async with bench.stream() as listener:
        async with asyncio.timeout(10):
            await (await listener.socket.ping())


async def test_stopping_sends_a_close_frame(bench):
    """Every socket hears that the server goes away; stopping twice is fine."""
    async with bench.stream(f"trade.{ETH}") as listener:
        await bench.server.stop()
        await bench.server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await listener.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert bench.server._streams._tasks == set()


async def test_a_client_that_leaves_without_a_word_leaves_nothing_behind(bench):
    """Its tasks and subscriptions are gone."""
    async with bench.stream(f"depth.{ETH}") as listener:
        listener.socket.transport.abort()
        async with asyncio.timeout(10):
            while bench.server._streams._connections:  # noqa: ASYNC110 - the fact itself is what is tested
                await asyncio.sleep(0.005)
    assert bench.server._streams._feed._said == {}


async def test_messages_are_compact_json_with_stream_and_data(bench):
    """The envelope has exactly these two keys."""
    async with bench.stream(f"trade.{ETH}") as listener:
        await bench.order()
        async with asyncio.timeout(10):
            raw = await listener.socket.recv()
    assert list(json.loads(raw)) == ["stream", "data"]


def test_the_defaults_are_the_venues():
    """Pings every minute, patience of two."""
    assert BackpackServer.__init__.__kwdefaults__["ping_interval_s"] == 60
    assert BackpackServer.__init__.__kwdefaults__["pong_timeout_s"] == 120
