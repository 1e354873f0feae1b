"""The stream: snapshots, deltas, acks, errors, transactions, pings."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from strategies.domain.ids import VenueSymbol
from venues.simulator.lighter import connection
from venues.simulator.lighter.connection import Keepalive

ETH = VenueSymbol("ETH")


def apply(side: dict[str, str], rows: list[dict[str, str]]) -> None:
    """Apply one side of a delta."""
    for row in rows:
        if Decimal(row["size"]) == 0:
            side.pop(row["price"], None)
        else:
            side[row["price"]] = row["size"]


async def test_book_deltas_chain_and_add_up(bench: Any):
    """Each delta begins at the nonce where the last one ended, and snapshot plus deltas is the venue's book."""
    async with bench.stream() as stream:
        frame = await stream.subscribe("order_book/0")
        assert (frame["type"], frame["channel"]) == ("subscribed/order_book", "order_book:0")
        book = frame["order_book"]
        assert book["begin_nonce"] == 0
        sides: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}
        nonce = book["nonce"]
        for side, levels in sides.items():
            apply(levels, book[side])
        await bench.send(bench.trader().order(1))
        for mark in ("3001", "2995", "3010"):
            await bench.price(mark)
        await bench.send(bench.trader().market(2))
        for _ in range(5):
            delta = (await stream.until("update/order_book"))["order_book"]
            assert delta["begin_nonce"] == nonce
            nonce = delta["nonce"]
            for side, levels in sides.items():
                apply(levels, delta[side])
        view = bench.exchange.book(ETH, 100)
        assert nonce == view.nonce
        assert sides["bids"] == {f"{level.price:.2f}": f"{level.quantity:.4f}" for level in view.bids}
        assert sides["asks"] == {f"{level.price:.2f}": f"{level.quantity:.4f}" for level in view.asks}


async def test_late_follower_joins_the_same_chain(bench: Any):
    """Somebody who subscribes later gets a snapshot that the next delta continues, for both."""
    async with bench.stream() as first, bench.stream() as second:
        await first.subscribe("order_book/0")
        await bench.price("3001")
        joined = (await second.subscribe("order_book/0"))["order_book"]["nonce"]
        assert (await first.until("update/order_book"))["order_book"]["nonce"] == joined
        await bench.price("3002")
        for stream in (first, second):
            assert (await stream.until("update/order_book"))["order_book"]["begin_nonce"] == joined


async def test_snapshot_after_nobody_followed_is_fresh(bench: Any):
    """A book that nobody followed for a while starts anew from what it is now."""
    async with bench.stream() as stream:
        await stream.subscribe("order_book/0")
        await stream.say(type="unsubscribe", channel="order_book/0")
        assert await stream.next() == {"channel": "order_book:0", "type": "unsubscribed"}
        await bench.price("3100")
        frame = await stream.subscribe("order_book/0")
        assert frame["order_book"]["nonce"] == bench.exchange.book(ETH, 1).nonce


async def test_orders_are_snapshot_then_changed_rows(bench: Any):
    """The snapshot has the open orders; updates have what changed, ended rows included."""
    trader = bench.trader()
    await bench.send(trader.order(1))
    await bench.send(trader.order(2))
    async with bench.stream() as stream:
        snapshot = await stream.subscribe("account_all_orders/65", trader.token())
        assert [row["client_order_index"] for row in snapshot["orders"]["0"]] == [1, 2]
        await bench.send(trader.cancel(3, 1))
        (row,) = (await stream.until("update/account_all_orders"))["orders"]["0"]
        assert (row["client_order_index"], row["status"]) == (1, "canceled")


async def test_account_orders_leaves_its_account_out_of_the_channel(bench: Any):
    """Its frames and its unsubscribe ack say `account_orders:0`; the account is in the body."""
    token = bench.trader().token()
    async with bench.stream() as stream:
        frame = await stream.subscribe("account_orders/0/65", token)
        assert (frame["channel"], frame["account"]) == ("account_orders:0", 65)
        assert frame["nonce"] == bench.exchange.book(ETH, 1).nonce
        await bench.send(bench.trader().order(1, market_index=2, price=149_000, base_amount=1_000))
        await bench.send(bench.trader().order(2))
        update = await stream.next()
        assert [row["client_order_index"] for row in update["orders"]["0"]] == [2]
        await stream.say(type="unsubscribe", channel="account_orders/0/65")
        assert await stream.next() == {"channel": "account_orders:0", "type": "unsubscribed"}


async def test_positions_are_snapshot_then_delta_and_zero_means_gone(bench: Any):
    """Only the market that moved is in an update; a closed position comes as size zero."""
    trader = bench.trader()
    await bench.send(trader.market(1, market_index=2, price=160_000, base_amount=1_000))
    await bench.send(trader.market(2))
    async with bench.stream() as stream:
        snapshot = await stream.subscribe("account_all_positions/65")
        assert sorted(snapshot["positions"]) == ["0", "2"]
        await bench.send(trader.market(3, is_ask=1))
        update = await stream.next()
        assert {market: row["position"] for market, row in update["positions"].items()} == {"0": "0.0000"}


async def test_fill_is_told_on_every_channel_that_has_it(bench: Any):
    """One market order: the account's order, trade, position, money, transaction; the public trade."""
    trader = bench.trader()
    async with bench.stream() as stream:
        for channel in ("trade/0", "account_all_trades/65", "account_all_positions/65", "user_stats/65"):
            await stream.subscribe(channel)
        for channel in ("account_all_orders/65", "account_tx/65", "account_market/0/65"):
            await stream.subscribe(channel, trader.token())
        signed = trader.market(1)
        await bench.send(signed)
        frames = {frame["type"]: frame for frame in [await stream.next() for _ in range(7)]}
        trade = frames["update/trade"]["trades"][0]
        assert (trade["bid_client_id"], trade["tx_hash"]) == (1, signed.tx_hash)
        assert frames["update/account_all_trades"]["trades"]["0"][0]["trade_id"] == trade["trade_id"]
        assert frames["update/account_all_orders"]["orders"]["0"][0]["status"] == "filled"
        assert frames["update/account_tx"]["txs"][0]["hash"] == signed.tx_hash
        assert frames["update/account_all_positions"]["positions"]["0"]["position"] == "0.0100"
        assert frames["update/user_stats"]["stats"]["leverage"] == "0.00"
        assert frames["update/account_market"]["position"]["sign"] == 1


async def test_other_accounts_hear_nothing(bench: Any):
    """One account's fill is not another's news."""
    async with bench.stream() as stream:
        await stream.subscribe("account_all/66")
        await stream.subscribe("account_all_orders/66", bench.trader(66).token())
        await bench.send(bench.trader(65).market(1))
        await stream.silence()


async def test_equity_is_told_while_the_mark_moves_but_not_at_every_tick(bench: Any):
    """user_stats follows the mark once a second while a position is held, never without one."""
    async with bench.stream() as stream:
        await stream.subscribe("user_stats/65")
        bench.clock.ms += 5_000
        await bench.price("3001")
        await stream.silence()
        await bench.send(bench.trader().market(1))
        await stream.until("update/user_stats")
        await bench.price("3002")
        await stream.silence()
        bench.clock.ms += 1_000
        await bench.price("3003")
        assert (await stream.next())["type"] == "update/user_stats"


async def test_account_tx_waits_for_execution(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """A transaction under way is not told before it has run."""
    async with serve(build(taker_delay_ms=300)) as bench, bench.stream() as stream:
        await stream.subscribe("account_tx/65", bench.trader().token())
        await bench.send(bench.trader().market(1))
        await bench.price("3001")
        await stream.silence()
        await bench.tick(300)
        assert (await stream.next())["txs"][0]["status"] == 2


SUBSCRIBE_ERRORS = [
    ("order_book/99", 30005, "Invalid Channel:  (marketId)"),
    ("order_book/x", 30005, "Invalid Channel:  (marketId)"),
    ("order_book/all", 30005, "Invalid Channel:  (marketId)"),
    ("order_book", 30005, "Invalid Channel: order_book"),
    ("order_book/0/1", 30005, "Invalid Channel: order_book/0/1"),
    ("weather/0", 30005, "Invalid Channel: weather/0"),
    ("account_all/x", 30005, "Invalid Channel:  (accountId)"),
    (None, 30005, "Invalid Channel:  (type)"),
    ("account_all/99", 21100, "account not found: 99"),
]


@pytest.mark.parametrize(("channel", "code", "message"), SUBSCRIBE_ERRORS)
async def test_subscribe_errors_are_frames_without_an_id(bench: Any, channel: str | None, code: int, message: str):
    """The error frame names code and words, and nothing else."""
    async with bench.stream() as stream:
        await stream.say(type="subscribe", channel=channel)
        assert await stream.next() == {"error": {"code": code, "message": message}}


async def test_double_and_missing_subscriptions(bench: Any):
    """Twice is 30003, off without on is 30002; account_all answers again with a snapshot."""
    async with bench.stream() as stream:
        await stream.subscribe("market_stats/all")
        assert await stream.subscribe("market_stats/all") == {
            "error": {"code": 30003, "message": "Already Subscribed to : market_stats:all"}
        }
        await stream.say(type="unsubscribe", channel="order_book/0")
        assert await stream.next() == {"error": {"code": 30002, "message": "Not Subscribed to : order_book:0"}}
        for _ in range(2):
            assert (await stream.subscribe("account_all/65"))["type"] == "subscribed/account_all"


@pytest.mark.parametrize(("text", "code"), [("{", 30000), ("[]", 30000), ('{"type":"dance"}', 30001), ("{}", 30001)])
async def test_nonsense_is_answered_not_fatal(bench: Any, text: str, code: int):
    """What cannot be read gets an error frame; the connection lives on."""
    async with bench.stream() as stream:
        await stream.socket.send(text)
        assert (await stream.next())["error"]["code"] == code
        await stream.silence()


async def test_transactions_over_the_stream_with_and_without_id(bench: Any):
    """The ack echoes the id if there was one, names its type, and has no message."""
    trader = bench.trader()
    async with bench.stream() as stream:
        signed = trader.order(1)
        await stream.say(**signed.frame("7"))
        assert await stream.next() == {
            "code": 200,
            "tx_hash": signed.tx_hash,
            "predicted_execution_time_ms": bench.clock(),
            "id": "7",
            "type": "jsonapi/sendtx",
        }
        await stream.say(**trader.order(2).frame())
        assert "id" not in await stream.next()


async def test_transaction_errors_over_the_stream(bench: Any):
    """Refusals come as error frames with the id; malformed data too."""
    trader = bench.trader()
    async with bench.stream() as stream:
        await stream.say(**trader.order(9).frame("1"))
        assert await stream.next() == {"error": {"code": 21104, "message": "invalid nonce"}, "id": "1"}
        await stream.say(**trader.order(9).frame())
        assert await stream.next() == {"error": {"code": 21104, "message": "invalid nonce"}}
        for data, code in (
            ({"id": "2"}, 30007),
            ({"id": "2", "tx_type": 14, "tx_info": 5}, 21501),
            ({"id": "2", "tx_type": 14, "tx_info": {}}, 21501),
            ({"id": "2", "tx_type": 77, "tx_info": {}}, 21505),
        ):
            await stream.say(type="jsonapi/sendtx", data=data)
            frame = await stream.next()
            assert (frame["error"]["code"], frame["id"]) == (code, "2")
        await stream.say(type="jsonapi/sendtx", data="x")
        assert (await stream.next())["error"]["code"] == 30007


async def test_pipelined_transactions_keep_their_order(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Twenty verified transactions sent without waiting are acknowledged in order, none refused for its nonce."""
    async with serve(build(verify=True)) as bench, bench.stream() as stream:
        trader = bench.trader()
        for nonce in range(1, 21):
            await stream.say(**trader.order(nonce).frame(str(nonce)))
        answers = [await stream.next() for _ in range(20)]
        assert [(answer["id"], answer["code"]) for answer in answers] == [(str(n), 200) for n in range(1, 21)]


async def test_batch_over_the_stream_takes_fifteen(bench: Any):
    """Both lists are JSON text; sixteen are too many here, though HTTP takes fifty."""
    trader = bench.trader()

    def frame(count: int) -> dict[str, Any]:
        signed = [trader.order(nonce) for nonce in range(1, count + 1)]
        data = {
            "id": "b",
            "tx_types": json.dumps([each.tx_type for each in signed]),
            "tx_infos": json.dumps([each.tx_info for each in signed]),
        }
        return {"type": "jsonapi/sendtxbatch", "data": data}

    async with bench.stream() as stream:
        await stream.say(**frame(16))
        assert (await stream.next())["error"]["code"] == 21514
        await stream.say(**frame(15))
        ack = await stream.next()
        assert (ack["type"], len(ack["tx_hash"])) == ("jsonapi/sendtxbatch", 15)


async def test_client_pings_are_answered(bench: Any):
    """`ping` gets `pong`."""
    async with bench.stream() as stream:
        await stream.silence()


async def speak_until_closed(stream: Any) -> None:
    """Go on pinging, and never answer a ping."""
    while True:
        await stream.say(type="ping")
        await stream.next()


async def test_unanswered_ping_closes_with_no_pong(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """The server pings; a client that never answers, though it speaks, is closed with 1008 and those words."""
    keepalive = Keepalive(ping_every_s=0.05, pong_within_s=0.2)
    async with serve(build(keepalive=keepalive)) as bench, bench.stream() as stream:
        assert await stream.next() == {"type": "ping"}
        with pytest.raises(ConnectionClosedError) as caught:
            await speak_until_closed(stream)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "no pong")


async def test_answered_pings_keep_the_connection(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Pongs keep it open well past both limits."""
    keepalive = Keepalive(ping_every_s=0.05, pong_within_s=5.0, idle_s=10.0)
    async with serve(build(keepalive=keepalive)) as bench, bench.stream() as stream:
        for _ in range(6):
            assert await stream.next() == {"type": "ping"}
            await stream.say(type="pong")
        await stream.say(type="subscribe", channel="height")
        assert (await stream.until("subscribed/height"))["height"] > 0


async def test_silent_client_is_closed(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """A client that says nothing for the idle time is closed, without any ping."""
    async with serve(build(keepalive=Keepalive(idle_s=0.1))) as bench, bench.stream() as stream:
        with pytest.raises(ConnectionClosedError) as caught:
            await stream.next()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


async def test_slow_reader_is_cut_off(bench: Any, monkeypatch: pytest.MonkeyPatch):
    """A client that lets frames pile up loses its connection; another one goes on."""
    async with bench.stream() as slow:
        await slow.subscribe("order_book/0")
        monkeypatch.setattr(connection, "MAX_QUEUED_FRAMES", 5)
        for step in range(20):  # without a pause, so that nothing can leave meanwhile
            await bench.price(str(3001 + step))
        with pytest.raises(ConnectionClosedError):
            await slow.until("never")
    async with bench.stream() as stream:
        await stream.silence()


async def test_stop_says_goodbye(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Stopping sends a shutdown frame, then closes; stopping twice is fine."""
    async with serve(build()) as bench, bench.stream() as stream:
        await bench.server.stop()
        assert await stream.next() == {"type": "shutdown", "close_in_ms": 0}
        with pytest.raises(ConnectionClosedOK):
            await stream.next()


async def test_nothing_is_computed_when_nobody_follows(bench: Any, monkeypatch: pytest.MonkeyPatch):
    """Without a subscription the books and accounts are not even read."""
    async with bench.stream():

        def unwanted(*_args: Any) -> None:
            raise AssertionError("somebody read")

        for name in ("book", "positions", "margin", "trades"):
            monkeypatch.setattr(bench.exchange, name, unwanted)
        await bench.price("3005")
