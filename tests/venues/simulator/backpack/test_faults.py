"""Injected trouble, met by a client over the wire."""

import asyncio
from decimal import Decimal

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from strategies.domain.ids import VenueSymbol
from venues.simulator.faults import FaultKind

ETH = VenueSymbol("ETH_USDC_PERP")
ORDERS = "account.orderUpdate"


def bought(bench) -> Decimal:
    """Return what account `a` holds, by the exchange's own word."""
    return bench.exchange.position("a", ETH).quantity


async def test_a_lost_answer_belongs_to_an_order_that_happened(bench):
    """The connection drops without an answer, and the order has traded: streams and histories know it."""
    bench.fault(FaultKind.LOSE_ANSWER, "order")
    async with bench.stream(ORDERS, account="a") as listener:
        with pytest.raises(aiohttp.ClientConnectionError):
            await bench.order(clientId=9)
        assert (await listener.until(ORDERS, lambda event: event["e"] == "orderFill"))["c"] == 9
    assert bought(bench) == 1
    assert (await bench.get("/wapi/v1/history/fills")).json[0]["clientId"] == "9"


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.RESET])
async def test_a_refused_connection_did_nothing(bench, kind):
    """Dropped or reset before executing: nothing was bought, and the next order goes through."""
    bench.fault(kind, "order")
    with pytest.raises(aiohttp.ClientConnectionError):
        await bench.order()
    assert bought(bench) == 0
    assert (await bench.order()).json["status"] == "Filled"


@pytest.mark.parametrize(("kind", "quantity"), [(FaultKind.STATUS_BEFORE, 0), (FaultKind.STATUS_AFTER, 1)])
async def test_a_503_says_nothing_about_what_happened(bench, kind, quantity):
    """Before or after executing, the client reads the same plain text."""
    bench.fault(kind, "order")
    answer = await bench.order()
    assert (answer.status, answer.text) == (503, "Unknown error, please check your request or try again later.")
    assert bought(bench) == quantity


async def test_any_status_and_body_can_be_answered(bench):
    """A named code becomes the venue's JSON; other bodies stand as they are."""
    bench.fault(FaultKind.STATUS_BEFORE, "order", status=400, body="INSUFFICIENT_MARGIN")
    bench.fault(FaultKind.STATUS_BEFORE, "order", status=500, body='{"x": 1}')
    bench.fault(FaultKind.STATUS_BEFORE, "order", status=502, body="bad gateway")
    assert (await bench.order()).json == {"code": "INSUFFICIENT_MARGIN", "message": "Insufficient margin"}
    assert (await bench.order()).json == {"x": 1}
    last = await bench.order()
    assert (last.status, last.text) == (502, "bad gateway")


async def test_a_cancel_can_be_answered_202_after_it_happened(bench):
    """The empty 202 of the venue, through a fault."""
    await bench.limit("2900", clientId=1)
    bench.fault(FaultKind.STATUS_AFTER, "cancel", status=202)
    answer = await bench.do("DELETE", "/api/v1/order", {"symbol": ETH, "clientId": 1})
    assert (answer.status, answer.text) == (202, "")
    assert (await bench.get("/api/v1/orders")).json == []


async def test_a_delayed_answer_belongs_to_an_order_that_happened_at_once(bench):
    """The fill is on the stream while the answer is still waiting."""
    bench.fault(FaultKind.DELAY_ANSWER, "order", delay_ms=60_000)
    async with bench.stream(ORDERS, account="a") as listener:
        waiting = asyncio.create_task(bench.order())
        await listener.until(ORDERS, lambda event: event["e"] == "orderFill")
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("position", "/api/v1/position"),
        ("balance", "/api/v1/capital/collateral"),
        ("orders", "/api/v1/orders"),
        ("fills", "/wapi/v1/history/fills"),
    ],
)
async def test_reads_have_their_own_faults(bench, action, path):
    """A fault meant for one kind of read touches only that, and only the named account."""
    bench.fault(FaultKind.STATUS_BEFORE, action, status=500, account="a")
    assert (await bench.order()).status == 200
    assert (await bench.get(path, "b")).status == 200
    assert (await bench.get(path)).status == 500
    assert (await bench.get(path)).status == 200


async def test_a_partial_fill_is_hedgeable_for_what_filled(bench):
    """The order ends with a part of its quantity executed."""
    bench.fault(FaultKind.PARTIAL_FILL, "order", fraction=Decimal("0.4"))
    order = (await bench.order()).json
    assert (order["status"], order["executedQuantity"]) == ("Expired", "0.4")
    bench.fault(FaultKind.PARTIAL_FILL, "order", fraction=Decimal("0.5"))
    by_notional = (await bench.order(quantity=None, quoteQuantity="600")).json
    assert 0 < Decimal(by_notional["executedQuoteQuantity"]) < 310


async def test_an_order_can_end_after_it_was_accepted(bench):
    """The answer is a success whose order expired unfilled."""
    bench.fault(FaultKind.REJECT_AFTER_ACCEPT, "order")
    answer = await bench.order()
    assert (answer.status, answer.json["status"], answer.json["executedQuantity"]) == (200, "Expired", "0")


async def test_a_skewed_clock_refuses_honest_requests(serve):
    """A venue a minute ahead finds requests expired and says its own time; its orders keep the true time."""
    bench = await serve(skewed=True)
    skew = bench.fault(FaultKind.SKEW_CLOCK, count=None, delay_ms=60_000)
    refused = await bench.order()
    assert (refused.status, refused.json["message"]) == (400, "Request has expired")
    venue_time = int((await bench.public("/api/v1/time")).text)
    assert venue_time - bench.clock() > 50_000
    fields = {"symbol": ETH, "side": "Bid", "orderType": "Market", "quantity": "1"}
    headers = bench.headers("POST", "/api/v1/order", fields, at=venue_time)
    placed = await bench.send("POST", "/api/v1/order", json=fields, headers=headers)
    assert abs(placed.json["createdAt"] - bench.clock()) < 50_000
    bench.faults.remove(skew.fault_id)
    bench.fault(FaultKind.SKEW_CLOCK, count=None, delay_ms=-60_000)
    assert (await bench.order()).json["message"] == "Invalid timestamp"


async def test_a_frozen_channel_is_silent_while_its_socket_lives(bench):
    """Only that channel; what happened meanwhile is never told; after thawing it speaks again."""
    frozen = bench.fault(FaultKind.FREEZE_CHANNEL, f"stream:{ORDERS}", count=None, account="a")
    async with bench.stream(ORDERS, f"trade.{ETH}", account="a") as listener:
        await bench.order(clientId=1)
        assert (await listener.next())["stream"] == f"trade.{ETH}"
        bench.faults.remove(frozen.fault_id)
        await bench.order(clientId=2)
        assert (await listener.next())["data"]["c"] == 2


async def test_an_event_can_come_twice(bench):
    """The same frame, byte for byte."""
    bench.fault(FaultKind.DUPLICATE_EVENT, f"stream:{ORDERS}")
    async with bench.stream(ORDERS, account="a") as listener:
        await bench.limit("2900")
        assert await listener.next() == await listener.next()


async def test_two_events_can_change_places(bench):
    """The fill is heard before the acceptance."""
    bench.fault(FaultKind.REORDER_EVENTS, f"stream:{ORDERS}")
    async with bench.stream(ORDERS, account="a") as listener:
        await bench.order()
        assert [(await listener.next())["data"]["e"] for _ in range(2)] == ["orderFill", "orderAccepted"]


async def test_an_event_can_come_late(bench):
    """It is heard after events of other orders that happened later."""
    bench.fault(FaultKind.DELAY_EVENTS, f"stream:{ORDERS}", delay_ms=1500)
    async with bench.stream(ORDERS, account="a") as listener:
        await bench.limit("2900", clientId=1)
        await bench.limit("2901", clientId=2)
        assert [(await listener.next())["data"]["c"] for _ in range(2)] == [2, 1]


async def test_a_stream_can_be_closed(bench):
    """The socket closes at the next event; a new one works."""
    bench.fault(FaultKind.CLOSE_STREAM, f"stream:{ORDERS}")
    async with bench.stream(ORDERS, account="a") as listener:
        await bench.order()
        with pytest.raises(ConnectionClosed):
            await listener.next()
    async with bench.stream(ORDERS, account="a") as listener:
        await bench.order(clientId=2)
        assert (await listener.next())["data"]["c"] == 2


async def test_opening_a_stream_can_fail(bench):
    """Refused with a status, or dropped."""
    bench.fault(FaultKind.STATUS_BEFORE, "connect")
    with pytest.raises(InvalidStatus):
        async with bench.stream():
            pass
    bench.fault(FaultKind.RESET, "connect")
    with pytest.raises(InvalidMessage):
        async with bench.stream():
            pass
    async with bench.stream(f"markPrice.{ETH}") as listener:
        assert (await listener.next())["data"]["p"] == "3000"


async def test_latency_is_added_to_every_round_trip(serve):
    """Half before acting and half before answering: a round trip takes at least both."""
    bench = await serve(latency_ms=100)
    started = asyncio.get_running_loop().time()
    assert (await bench.order()).json["status"] == "Filled"
    assert asyncio.get_running_loop().time() - started >= 0.1
