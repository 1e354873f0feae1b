"""Writes against the wire server: every kind of order, and every way in which an answer can fail."""

import asyncio
import json
import logging
from decimal import Decimal

import pytest

from strategies.domain.ids import ClientOrderId
from strategies.domain.order import Lane, OrderStatus, OrderType, Side, TimeInForce
from tests.venues.backpack.trader import ETH, SYMBOL, Trader, trading
from venues.errors import OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.simulator.faults import Fault, FaultKind
from venues.venue import Ack, Certainty, OrderReport, Verdict, WriteIdentity, WriteKind


def order_of(ack: Ack) -> OrderReport:
    """Return the order that an answer tells of."""
    assert ack.order is not None
    return ack.order


async def proven(trader: Trader, write: WriteIdentity) -> Verdict:
    """Ask until the outcome of a write is proven; return the proof."""
    async with asyncio.timeout(15):
        while True:
            verdict = await trader.venue.investigate(write)
            if verdict.certainty is not Certainty.OPEN:
                return verdict
            await asyncio.sleep(0.05)


# --- kinds of orders ----------------------------------------------------------------------------------------------


async def test_a_market_order_is_terminal_in_its_answer(trader: Trader):
    """The answer to a market order tells that it filled, and the venue's books agree."""
    report = order_of(await trader.place(trader.request(quantity="0.5")))
    assert (report.status, report.filled) == (OrderStatus.FILLED, Decimal("0.5"))
    assert trader.bought() == Decimal("0.5")


async def test_a_market_order_never_trades_beyond_its_worst_price(trader: Trader):
    """With a worst price that the market does not reach, nothing is bought and the order has expired."""
    report = order_of(await trader.place(trader.request(price="2999.90")))
    assert (report.status, report.filled) == (OrderStatus.EXPIRED, Decimal(0))
    assert trader.bought() == 0


async def test_a_partial_fill_says_how_much(trader: Trader):
    """An order that meets too little ends as expired, with what it did execute."""
    trader.fault(FaultKind.PARTIAL_FILL, "order", fraction=Decimal("0.25"))
    report = order_of(await trader.place(trader.request(quantity="0.4")))
    assert (report.status, report.filled, trader.bought()) == (OrderStatus.EXPIRED, Decimal("0.1"), Decimal("0.1"))


async def test_a_fill_or_kill_order_fills_whole_or_not_at_all(trader: Trader):
    """More than the book offers at the price: nothing happens."""
    whole = trader.request(quantity="0.1", time_in_force=TimeInForce.FOK)
    assert order_of(await trader.place(whole)).status is OrderStatus.FILLED
    too_much = trader.request(quantity="1", price="2999.90", time_in_force=TimeInForce.FOK)
    assert order_of(await trader.place(too_much)).filled == 0
    assert trader.bought() == Decimal("0.1")


async def test_a_limit_order_rests_and_is_canceled(trader: Trader):
    """It shows among the open orders until its cancel, and in the history after it."""
    write = await trader.prepare(trader.resting())
    client_id = ClientOrderId(write.identity.client_order_id or 0)
    assert order_of(await (await trader.venue.transmit(write))).status is OrderStatus.ACCEPTED
    assert [each.client_order_id for each in await trader.venue.open_orders(ETH)] == [client_id]
    cancel = await trader.venue.prepare_cancel(ETH, client_id)
    assert cancel.lane is Lane.EXIT
    assert order_of(await (await trader.venue.transmit(cancel))).status is OrderStatus.CANCELED
    assert await trader.venue.open_orders(ETH) == []
    found = await trader.venue.order(ETH, client_id)
    assert found is not None
    assert (found.status, found.client_order_id) == (OrderStatus.CANCELED, client_id)


async def test_a_cancel_that_is_only_taken_is_an_answer(trader: Trader):
    """202 without a body: the cancel was taken; the order's end comes by the stream."""
    write = await trader.prepare(trader.resting())
    await (await trader.venue.transmit(write))
    trader.fault(FaultKind.STATUS_AFTER, "cancel", status=202)
    cancel = await trader.venue.prepare_cancel(ETH, ClientOrderId(write.identity.client_order_id or 0))
    assert await (await trader.venue.transmit(cancel)) == Ack()
    await trader.heard(OrderReport, status=OrderStatus.CANCELED)


async def test_a_cancel_of_nothing_is_refused(trader: Trader):
    """The venue does not know the order: nothing was canceled, and that is certain."""
    cancel = await trader.venue.prepare_cancel(ETH, ClientOrderId(77))
    with pytest.raises(Rejected, match="RESOURCE_NOT_FOUND"):
        await (await trader.venue.transmit(cancel))


async def test_cancel_all_takes_everything_off_the_book(trader: Trader):
    """Two orders rest, one call takes both away."""
    for price in ("2900", "2901"):
        await trader.place(trader.resting(price))
    write = await trader.venue.prepare_cancel_all(ETH)
    assert await (await trader.venue.transmit(write)) == Ack()
    assert await trader.venue.open_orders(ETH) == []
    assert (await proven(trader, write.identity)).certainty is Certainty.EXECUTED


async def test_a_post_only_order_rests_or_is_refused(trader: Trader):
    """Below the market it rests; where it would take it is refused and nothing is bought."""
    assert order_of(await trader.place(trader.resting(post_only=True))).status is OrderStatus.ACCEPTED
    with pytest.raises(Rejected, match="INVALID_ORDER"):
        await trader.place(trader.resting("3100", post_only=True))
    assert trader.bought() == 0


async def test_a_reduce_only_order_only_reduces(trader: Trader):
    """Without a position it is refused; with one it closes it."""
    closing = trader.request(side=Side.SELL, price="2900", reduce_only=True)
    with pytest.raises(Rejected):
        await trader.place(closing)
    await trader.place(trader.request())
    assert order_of(await trader.place(closing)).status is OrderStatus.FILLED
    assert trader.bought() == 0


async def test_leverage_is_set_for_the_account(trader: Trader):
    """A change of leverage shows in the balance; one that the market does not allow is refused before it is sent."""
    write = await trader.venue.prepare_leverage(ETH, Decimal(7))
    assert await (await trader.venue.transmit(write)) == Ack()
    assert (await trader.venue.balance(ETH)).leverage == Decimal(7)
    with pytest.raises(Rejected, match="LEVERAGE"):
        await trader.venue.prepare_leverage(ETH, Decimal(51))
    assert (await trader.venue.investigate(write.identity)).certainty is Certainty.OPEN


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": "0.0005"}, "LOT"),
        ({"quantity": "0.1005"}, "LOT"),
        ({"price": "3000.005"}, "TICK"),
    ],
)
async def test_what_is_off_the_grid_is_refused_before_it_is_sent(trader: Trader, fields: dict[str, str], code: str):
    """Nothing is signed that the venue cannot express."""
    with pytest.raises(Rejected) as raised:
        await trader.prepare(trader.request(**fields))
    assert raised.value.code == code


@pytest.mark.parametrize("client_id", [0, -1, 2**32])
async def test_a_client_id_must_fit_32_bits(trader: Trader, client_id: int):
    """The venue's client ids are 32 bits wide."""
    with pytest.raises(Rejected, match="CLIENT_ID"):
        await trader.venue.prepare_order(trader.request(), ClientOrderId(client_id))


async def test_too_large_an_order_is_refused_with_the_venues_word(trader: Trader):
    """Margin that is not there: a positive refusal, with code and words."""
    with pytest.raises(Rejected) as raised:
        await trader.place(trader.request(quantity="1000"))
    assert (raised.value.code, raised.value.detail) == ("INSUFFICIENT_MARGIN", "Insufficient margin")


# --- identity and order of leaving --------------------------------------------------------------------------------


async def test_the_identity_is_complete_and_holds_no_secret(trader: Trader):
    """What is journaled tells kind, ids and the last moment; the payload is not shown."""
    request = trader.request(lane=Lane.HEDGE)
    write = await trader.prepare(request)
    headers = json.loads(write.payload)[2]
    identity = write.identity
    assert (identity.kind, identity.order_id, write.lane) == (WriteKind.ORDER, request.order_id, Lane.HEDGE)
    assert identity.expires_at == int(headers["X-Timestamp"]) + int(headers["X-Window"])
    assert headers["X-Signature"] not in repr(write)
    assert trader.sim.backpack_secret("bp") not in write.payload


async def test_debug_lines_show_neither_key_nor_signature(trader: Trader, caplog: pytest.LogCaptureFixture):
    """Wire detail at debug level keeps secret what identifies and what signs."""
    caplog.set_level(logging.DEBUG)
    write = await trader.prepare(trader.request())
    await (await trader.venue.transmit(write))
    trader.fault(FaultKind.CLOSE_STREAM, "stream:bookTicker")
    await trader.until(lambda: trader.venue.status().reconnects > 0)
    assert "POST /api/v1/order" in caplog.text
    for secret in (json.loads(write.payload)[2]["X-Signature"], trader.sim.backpack_secret("bp")):
        assert secret not in caplog.text
    assert '"signature"' not in caplog.text


async def test_writes_leave_in_the_order_of_the_calls(trader: Trader):
    """Twenty orders in flight at once reach the venue in the order in which they were transmitted."""
    writes = [await trader.prepare(trader.resting(str(2900 + number))) for number in range(20)]
    answers = [await trader.venue.transmit(write) for write in writes]
    await asyncio.gather(*answers)
    arrived = sorted(trader.sim.exchange_backpack.orders("bp", active=True), key=lambda row: row.order_index)
    assert [row.client_order_id for row in arrived] == [write.identity.client_order_id for write in writes]


# --- doubt and proof ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (FaultKind.LOSE_ANSWER, {}),
        (FaultKind.STATUS_AFTER, {"status": 503, "body": "Unknown error, please check your request"}),
        (FaultKind.STATUS_AFTER, {"status": 500, "body": '{"code":"SERVER_ERROR","message":"?"}'}),
        (FaultKind.STATUS_AFTER, {"status": 400, "body": '{"code":"TIMEOUT","message":"?"}'}),
        (FaultKind.STATUS_AFTER, {"status": 403, "body": "<html>from somebody in between</html>"}),
        (FaultKind.STATUS_AFTER, {"status": 200, "body": "<html>"}),
        (FaultKind.STATUS_AFTER, {"status": 200, "body": '{"status":"Filled"}'}),
    ],
)
async def test_an_order_whose_answer_is_lost_is_found(trader: Trader, kind: FaultKind, more: dict[str, object]):
    """Executed, and no usable answer: in doubt, then proven executed, and bought exactly once."""
    trader.fault(kind, "order", **more)
    write = await trader.prepare(trader.request())
    answer = await trader.venue.transmit(write)
    with pytest.raises(OutcomeUnknown):
        await answer
    verdict = await proven(trader, write.identity)
    assert verdict.certainty is Certainty.EXECUTED
    assert verdict.order is not None
    assert (verdict.order.status, verdict.order.filled) == (OrderStatus.FILLED, Decimal("0.1"))
    assert trader.bought() == Decimal("0.1")


async def test_a_resting_order_whose_answer_is_lost_is_found_on_the_book(trader: Trader):
    """The look-up by client id finds what rests."""
    trader.fault(FaultKind.LOSE_ANSWER, "order")
    write = await trader.prepare(trader.resting())
    answer = await trader.venue.transmit(write)
    with pytest.raises(OutcomeUnknown):
        await answer
    verdict = await proven(trader, write.identity)
    assert (verdict.certainty, verdict.order and verdict.order.status) == (Certainty.EXECUTED, OrderStatus.ACCEPTED)


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.RESET, FaultKind.STATUS_BEFORE])
async def test_an_order_that_never_executed_is_dead_only_after_its_window(trader: Trader, kind: FaultKind):
    """Lost on its way in: open while its signature is valid, dead after that, and nothing was bought."""
    trader.fault(kind, "order")
    write = await trader.prepare(trader.request())
    answer = await trader.venue.transmit(write)
    with pytest.raises(OutcomeUnknown):
        await answer
    first = await trader.venue.investigate(write.identity)
    assert (first.certainty, "window" in first.proof) == (Certainty.OPEN, True)
    assert (await proven(trader, write.identity)).certainty is Certainty.DEAD
    assert trader.bought() == 0


async def test_a_history_that_was_not_read_to_its_end_proves_no_death(monkeypatch: pytest.MonkeyPatch):
    """With more orders in the window than are searched, absence proves nothing."""
    async with trading(monkeypatch, history_page=2, lookup_pages=1, window_ms=500) as trader:
        trader.fault(FaultKind.REFUSE, "order")
        write = await trader.prepare(trader.request())
        answer = await trader.venue.transmit(write)
        with pytest.raises(OutcomeUnknown):
            await answer
        for _ in range(3):
            await trader.place(trader.request())
        await asyncio.sleep(0.9)  # the window itself, in the venue's own time
        verdict = await trader.venue.investigate(write.identity)
        assert (verdict.certainty, "longer" in verdict.proof) == (Certainty.OPEN, True)


async def test_a_slow_answer_is_doubt_and_then_proof(monkeypatch: pytest.MonkeyPatch):
    """An answer later than the patience for it: in doubt, although the order executed."""
    async with trading(monkeypatch, ack_timeout_s=0.3) as trader:
        trader.fault(FaultKind.DELAY_ANSWER, "order", delay_ms=1_000)
        write = await trader.prepare(trader.request())
        answer = await trader.venue.transmit(write)
        with pytest.raises(OutcomeUnknown):
            await answer
        assert (await proven(trader, write.identity)).certainty is Certainty.EXECUTED


async def test_a_lost_cancel_is_judged_by_what_rests(trader: Trader):
    """Refused on its way in: open, then dead, while the order rests; executed with a lost answer: proven."""
    write = await trader.prepare(trader.resting())
    await (await trader.venue.transmit(write))
    client_id = ClientOrderId(write.identity.client_order_id or 0)
    for kind, certainty in ((FaultKind.REFUSE, Certainty.DEAD), (FaultKind.LOSE_ANSWER, Certainty.EXECUTED)):
        trader.fault(kind, "cancel")
        cancel = await trader.venue.prepare_cancel(ETH, client_id)
        answer = await trader.venue.transmit(cancel)
        with pytest.raises(OutcomeUnknown):
            await answer
        assert (await proven(trader, cancel.identity)).certainty is certainty


async def test_an_identity_from_an_earlier_life_can_be_investigated(trader: Trader):
    """All that is needed is in the identity: a write of a dead process is proven like one's own."""
    write = await trader.prepare(trader.request())
    await (await trader.venue.transmit(write))
    identity = WriteIdentity.model_validate_json(write.identity.model_dump_json())
    trader.venue.restore([identity])
    assert (await trader.venue.investigate(identity)).certainty is Certainty.EXECUTED


# --- refusals -----------------------------------------------------------------------------------------------------


async def test_a_write_that_comes_too_late_is_refused_by_the_venue(monkeypatch: pytest.MonkeyPatch):
    """After its window a signed write does nothing, and the venue says so: a positive refusal."""
    async with trading(monkeypatch, window_ms=500) as trader:
        write = await trader.prepare(trader.request())
        await asyncio.sleep(0.6)  # the window itself, in the venue's own time
        answer = await trader.venue.transmit(write)
        with pytest.raises(Rejected, match="expired"):
            await answer
        assert trader.bought() == 0


async def test_a_clock_that_drifts_is_measured_anew(trader: Trader):
    """Refused for its time, the client compares clocks on the next resync, and the next order passes."""
    trader.sim.faults.add(Fault(FaultKind.SKEW_CLOCK, "backpack", delay_ms=60_000, count=None))
    with pytest.raises(Rejected, match="expired"):
        await trader.place(trader.request())
    await trader.venue.resync()
    offset = trader.venue.status().clock_offset_s
    assert offset == pytest.approx(60, abs=1)
    assert order_of(await trader.place(trader.request())).status is OrderStatus.FILLED


async def test_too_many_requests_hold_everybody_back_for_a_while(monkeypatch: pytest.MonkeyPatch):
    """429 is a refusal that names how long to wait; nothing happened, and nothing but exits is sent meanwhile."""
    async with trading(monkeypatch, rate_pause_s=0.5) as trader:
        trader.fault(
            FaultKind.STATUS_BEFORE, "order", status=429, body='{"code":"TOO_MANY_REQUESTS","message":"Too many"}'
        )
        with pytest.raises(RateLimited) as raised:
            await trader.place(trader.request())
        assert raised.value.retry_after_s == 0.5
        status = trader.venue.status()
        assert (status.rate_limited, set(status.budget_left.values())) == (1, {0.0})
        asked_at = asyncio.get_running_loop().time()
        await trader.place(trader.request(lane=Lane.EXIT))
        assert asyncio.get_running_loop().time() - asked_at >= 0.2
        assert trader.bought() == Decimal("0.1")


async def test_an_order_to_a_venue_that_is_gone_did_not_leave(trader: Trader):
    """Once nobody listens any more, a write certainly did not happen."""
    await trader.sim.stop()
    write = await trader.prepare(trader.request())
    answer = await trader.venue.transmit(write)
    with pytest.raises((Unreachable, OutcomeUnknown)):
        await answer
    answer = await trader.venue.transmit(await trader.prepare(trader.request()))
    with pytest.raises(Unreachable):
        await answer


async def test_closing_leaves_a_pending_write_in_doubt(trader: Trader):
    """A write that awaits its answer when the client closes is not called failed."""
    trader.fault(FaultKind.DELAY_ANSWER, "order", delay_ms=5_000)
    answer = await trader.venue.transmit(await trader.prepare(trader.request()))
    await trader.until(lambda: trader.bought() > 0)
    await trader.venue.close()
    with pytest.raises(OutcomeUnknown, match="closed"):
        await answer
    with pytest.raises(Unreachable, match="closed"):
        await trader.venue.transmit(await trader.prepare(trader.request()))


async def test_a_bad_wire_symbol_is_refused_in_plain_text(trader: Trader):
    """The venue's parser answers in plain text, before anything could execute: that is a refusal, too."""
    trader.fault(
        FaultKind.STATUS_BEFORE, "order", status=400, body="parse request payload error: failed to parse field"
    )
    with pytest.raises(Rejected, match="UNREADABLE"):
        await trader.place(trader.request(order_type=OrderType.LIMIT))
    assert SYMBOL not in {row.symbol for row in trader.sim.exchange_backpack.orders("bp", active=None)}
