"""Injected trouble reaches requests, transactions and streams the way its words say."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from venues.simulator.faults import FaultKind

DROPPED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


def orders(bench: Any) -> int:
    """Count what the venue has."""
    return len(bench.exchange.orders("65", active=None))


async def test_lost_answer_executes(bench: Any):
    """The connection drops, and the order is there: only a look-up can tell."""
    signed = bench.trader().order(1)
    bench.fault(FaultKind.LOSE_ANSWER, "order")
    with pytest.raises(DROPPED):
        await bench.send(signed)
    assert orders(bench) == 1
    assert (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json["status"] == 2
    assert (await bench.send(bench.trader().order(2))).status == 200


async def test_lost_refusal_is_lost_too(bench: Any):
    """An order that the venue refuses under a lost answer has no answer either; its nonce is free."""
    bench.fault(FaultKind.LOSE_ANSWER, "order")
    with pytest.raises(DROPPED):
        await bench.send(bench.trader().order(1, price=1_000))
    bench.fault(FaultKind.LOSE_ANSWER, "order", body="silent")
    async with bench.stream() as stream:
        await stream.say(**bench.trader().order(1, price=1_000).frame("1"))
        await stream.silence()
        await stream.say(**bench.trader().order(1).frame("2"))
        assert (await stream.next())["code"] == 200


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.RESET])
async def test_refused_and_reset_do_not_execute(bench: Any, kind: FaultKind):
    """The connection drops, nothing happened, the nonce is free."""
    bench.fault(kind, "order")
    with pytest.raises(DROPPED):
        await bench.send(bench.trader().order(1))
    assert orders(bench) == 0
    assert (await bench.send(bench.trader().order(1))).status == 200


async def test_status_before_and_after(bench: Any):
    """The same 503: once nothing happened, once it did."""
    bench.fault(FaultKind.STATUS_BEFORE, "order", status=503, body="busy")
    answer = await bench.send(bench.trader().order(1))
    assert (answer.status, answer.text, orders(bench)) == (503, "busy", 0)
    bench.fault(FaultKind.STATUS_AFTER, "order", status=500)
    answer = await bench.send(bench.trader().order(1))
    assert (answer.status, answer.json["code"], orders(bench)) == (500, 500, 1)


async def test_delayed_answer_executes_at_once(bench: Any):
    """The order is there while its answer is still on the way."""
    bench.fault(FaultKind.DELAY_ANSWER, "order", delay_ms=1_500)
    sending = asyncio.create_task(bench.send(bench.trader().order(1)))
    async with bench.stream() as stream:
        await stream.subscribe("account_all_orders/65", bench.trader().token())
        while not orders(bench):
            await stream.next()
    assert not sending.done()
    assert (await sending).status == 200


@pytest.mark.parametrize(
    ("action", "path", "query"),
    [
        ("nonce", "/api/v1/nextNonce", {"account_index": 65, "api_key_index": 4}),
        ("position", "/api/v1/account", {"by": "index", "value": 65}),
        ("balance", "/api/v1/account", {"by": "index", "value": 65}),
        ("orders", "/api/v1/accountActiveOrders", {"account_index": 65}),
        ("orders", "/api/v1/accountInactiveOrders", {"account_index": 65, "limit": 5}),
        ("order_lookup", "/api/v1/accountOrders", {"client_order_indexes": 1}),
        ("fills", "/api/v1/trades", {"account_index": 65, "sort_by": "trade_id", "limit": 5}),
        ("tx", "/api/v1/accountTxs", {"value": 65, "by": "account_index", "limit": 5}),
    ],
)
async def test_reads_fail_by_their_action_and_account(bench: Any, action: str, path: str, query: dict[str, Any]):
    """A fault for one account's reads hits that account, once, and no other."""
    bench.fault(FaultKind.STATUS_BEFORE, action, status=500, account="66")
    token = bench.trader().token()
    assert (await bench.get(path, token=token, **query)).status == 200
    bench.faults.clear()
    bench.fault(FaultKind.STATUS_BEFORE, action, status=500, account="65")
    assert (await bench.get(path, token=token, **query)).status == 500
    assert (await bench.get(path, token=token, **query)).status == 200


async def test_market_reads_fail_too(bench: Any):
    """Public reads go by `markets`."""
    bench.fault(FaultKind.STATUS_BEFORE, "markets", status=502)
    assert (await bench.get("/api/v1/orderBooks")).status == 502


@pytest.mark.parametrize("action", ["order", "cancel", "cancel_all", "leverage"])
async def test_each_transaction_has_its_action(bench: Any, action: str):
    """Order, cancel, cancel-all and leverage are told apart."""
    trader = bench.trader()
    bench.fault(FaultKind.STATUS_BEFORE, action, status=500)
    signed = {
        "order": trader.order(1),
        "cancel": trader.cancel(1, 5),
        "cancel_all": trader.cancel_all(1),
        "leverage": trader.leverage(1, 500),
    }
    for name, transaction in signed.items():
        if name != action:
            assert (await bench.send(transaction)).status != 500
            trader = bench.trader()
    assert (await bench.send(signed[action])).status == 500


async def test_lost_ack_over_the_stream(bench: Any):
    """LOSE_ANSWER drops the socket after executing; with the body "silent" only the ack is missing."""
    trader = bench.trader()
    bench.fault(FaultKind.LOSE_ANSWER, "order", body="silent")
    async with bench.stream() as stream:
        await stream.say(**trader.order(1).frame("1"))
        await stream.silence()
        bench.fault(FaultKind.LOSE_ANSWER, "order")
        await stream.say(**trader.order(2).frame("2"))
        with pytest.raises(ConnectionClosed):
            await stream.next()
    assert orders(bench) == 2


async def test_other_faults_over_the_stream(bench: Any):
    """STATUS_BEFORE and STATUS_AFTER become error frames, DELAY_ANSWER a late ack, REFUSE a dropped socket."""
    trader = bench.trader()
    async with bench.stream() as stream:
        bench.fault(FaultKind.STATUS_BEFORE, "order", status=500)
        await stream.say(**trader.order(1).frame("1"))
        assert await stream.next() == {"error": {"code": 500, "message": "injected"}, "id": "1"}
        assert orders(bench) == 0
        bench.fault(FaultKind.STATUS_AFTER, "order", status=500)
        await stream.say(**trader.order(1).frame("1"))
        assert (await stream.next())["error"]["code"] == 500
        assert orders(bench) == 1
        bench.fault(FaultKind.DELAY_ANSWER, "order", delay_ms=100)
        sent_at = time.monotonic()
        await stream.say(**trader.order(2).frame("2"))
        assert (await stream.next())["code"] == 200
        assert time.monotonic() - sent_at >= 0.1
        bench.fault(FaultKind.REFUSE, "order")
        await stream.say(**trader.order(3).frame("3"))
        with pytest.raises(ConnectionClosed):
            await stream.next()
    assert orders(bench) == 2


async def test_frozen_channel_is_silent_and_its_socket_lives(bench: Any):
    """One account's channel says nothing, not even a snapshot; others go on, pings are answered."""
    trader, other = bench.trader(), bench.trader(66)
    async with bench.stream() as stream, bench.stream() as spared:
        await stream.subscribe("account_all_orders/65", trader.token())
        await spared.subscribe("account_all_orders/66", other.token())
        frozen = bench.fault(FaultKind.FREEZE_CHANNEL, "stream:account_all_orders", account="65", count=None)
        await bench.send(trader.order(1))
        await bench.send(other.order(1))
        await stream.silence()
        assert (await spared.next())["type"] == "update/account_all_orders"
        await stream.say(type="unsubscribe", channel="account_all_orders/65")
        await stream.next()
        await stream.say(type="subscribe", channel="account_all_orders/65", auth=trader.token())
        await stream.silence()
        bench.faults.remove(frozen.fault_id)
        await bench.send(trader.cancel(2, 1))
        assert (await stream.next())["orders"]["0"][0]["status"] == "canceled"


async def test_frozen_book_leaves_a_gap(bench: Any):
    """After a freeze the next delta does not continue the last nonce: the client must notice."""
    async with bench.stream() as stream:
        nonce = (await stream.subscribe("order_book/0"))["order_book"]["nonce"]
        frozen = bench.fault(FaultKind.FREEZE_CHANNEL, "stream:order_book", count=None)
        await bench.price("3001")
        bench.faults.remove(frozen.fault_id)
        await bench.price("3002")
        assert (await stream.next())["order_book"]["begin_nonce"] > nonce


async def follow_trades(stream: Any) -> None:
    """Subscribe to the account's trades."""
    await stream.subscribe("account_all_trades/65")


def client_index(frame: dict[str, Any]) -> int:
    """Return which order a trades frame tells of."""
    return int(frame["trades"]["0"][0]["bid_client_id"])


async def test_duplicated_reordered_and_late_frames(bench: Any):
    """A frame comes twice, after the next one, or late: always complete frames."""
    trader = bench.trader()
    async with bench.stream() as stream:
        await follow_trades(stream)
        bench.fault(FaultKind.DUPLICATE_EVENT, "stream:account_all_trades")
        await bench.send(trader.market(1))
        assert [client_index(await stream.next()) for _ in range(2)] == [1, 1]
        bench.fault(FaultKind.REORDER_EVENTS, "stream:account_all_trades")
        await bench.send(trader.market(2))
        await stream.silence()
        await bench.send(trader.market(3))
        assert [client_index(await stream.next()) for _ in range(2)] == [3, 2]
        bench.fault(FaultKind.DELAY_EVENTS, "stream:account_all_trades", delay_ms=100)
        await bench.send(trader.market(4))
        await bench.send(trader.market(5))
        assert [client_index(await stream.next()) for _ in range(2)] == [5, 4]


async def test_closed_stream(bench: Any):
    """The socket of the channel is closed instead of the frame; a new one works."""
    bench.fault(FaultKind.CLOSE_STREAM, "stream:account_all_trades")
    async with bench.stream() as stream:
        await follow_trades(stream)
        await bench.send(bench.trader().market(1))
        with pytest.raises(ConnectionClosed):
            await stream.next()
    async with bench.stream() as stream:
        snapshot = await stream.subscribe("account_all_trades/65")
        assert client_index(snapshot) == 1


async def test_connecting_can_fail(bench: Any):
    """A stream is refused with a status, or without a word."""
    bench.fault(FaultKind.STATUS_BEFORE, "connect", status=503)
    with pytest.raises(InvalidStatus):
        async with bench.stream():
            pass
    bench.fault(FaultKind.REFUSE, "connect")
    with pytest.raises((InvalidMessage, OSError)):
        async with bench.stream():
            pass
    async with bench.stream() as stream:
        await stream.silence()


async def test_skewed_clock_shows_and_judges_but_does_not_move_the_engine(
    build: Callable[..., Any], serve: Callable[[Any], Any]
):
    """A venue an hour ahead shows its time and refuses our expiries; orders still run when they are due."""
    async with serve(build(taker_delay_ms=300)) as bench:
        trader = bench.trader()
        early = trader.market(1)
        skew = bench.fault(FaultKind.SKEW_CLOCK, delay_ms=3_600_000, count=None)
        assert (await bench.get("/")).json["timestamp"] == (bench.clock() + 3_600_000) // 1000
        assert (await bench.send(early)).json["code"] == 21501
        assert (await bench.get("/api/v1/accountActiveOrders", token=trader.token())).status == 401
        bench.faults.remove(skew.fault_id)
        assert (await bench.send(early)).status == 200
        await bench.tick(300)
        assert len(bench.exchange.trades("65")) == 1
