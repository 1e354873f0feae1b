"""What a venue that says "too often" does to each lane of an account's queue."""

import asyncio
from decimal import Decimal

import pytest

from strategies.domain.events import Filled, OrderDenied
from strategies.domain.order import Lane, Side
from tests.actors.account.conftest import order
from venues.errors import RateLimited
from venues.rate_limit import EXIT_PACE_S
from venues.simulator.faults import Fault, FaultKind
from venues.venue import WriteKind

DAY_MS = 86_400_000


async def test_an_exit_goes_on_at_its_pace_while_the_venue_wants_us_gone(bench):
    """However long a 429 asks to wait, the exit is tried again a second later; the entry waits as it is told."""
    actor = await bench.start()
    await bench.send(actor, order(1))
    await bench.event(actor, Filled)
    refusal = Fault(FaultKind.STATUS_BEFORE, "lighter", "1", "order", count=2, status=429, delay_ms=DAY_MS)
    bench.floor.faults.add(refusal)
    loop, asked_at = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    await bench.send(actor, order(2, side=Side.SELL, lane=Lane.EXIT, reduce_only=True), order(3))
    await bench.event(actor, Filled, 2)
    assert bench.bought() == 0
    # Both were refused once; the exit came again at its own pace, the entry waits as the venue asked.
    assert EXIT_PACE_S <= loop.time() - asked_at < 3 * EXIT_PACE_S
    assert (await actor.status()).queue_length[Lane.ENTRY] == 1
    sent = [each for each in bench.floor.arrivals if each.write.kind is WriteKind.ORDER]
    assert len(sent) == 2


async def test_a_way_to_the_nonce_that_is_told_off_delays_an_exit_by_its_pace_only(bench, monkeypatch):
    """The question that must come before the write is answered 429: the exit asks again at its own pace."""
    actor = await bench.start()
    await bench.send(actor, order(1))
    await bench.event(actor, Filled)
    venue, refused = actor._venue, []
    ask = venue.resync

    async def told_off(lane: Lane) -> None:
        if not refused:
            refused.append(lane)
            raise RateLimited("too often", 3_600.0)
        await ask(lane)

    monkeypatch.setattr(venue, "resync", told_off)
    actor._submission.mark_doubt()
    await bench.send(actor, order(2, side=Side.SELL, lane=Lane.EXIT, reduce_only=True))
    await bench.event(actor, Filled, 2)
    assert refused == [Lane.EXIT]
    assert bench.bought() == Decimal(0)


@pytest.mark.parametrize("lane", [Lane.ENTRY, Lane.HEDGE, Lane.EXIT])
async def test_the_question_before_a_write_is_paid_by_its_lane(bench, monkeypatch, lane):
    """A resync is asked from the budget of the write that needs it, so that no entry spends what exits keep."""
    actor = await bench.start()
    await bench.send(actor, order(1))
    await bench.event(actor, Filled)
    asked = []

    async def note(paying: Lane) -> None:
        asked.append(paying)

    monkeypatch.setattr(actor._venue, "resync", note)
    actor._submission.mark_doubt()
    await bench.send(actor, order(2, quantity="0.5", side=Side.SELL, lane=lane, reduce_only=True))
    await bench.event(actor, Filled, 2)
    assert asked == [lane]


async def test_nothing_opens_risk_while_the_stream_is_down(bench, monkeypatch):
    """An entry waits for the private stream and is denied when its time is over; hedges and exits go."""
    monkeypatch.setattr("venues.simulator.in_process._RECONNECT_S", 60.0)
    actor = await bench.start(entry_deadline_s=1.0)
    await bench.send(actor, order(1))
    await bench.event(actor, Filled)
    actor._venue._stream_down()
    assert (await actor.status()).deaf == "the stream is down"
    out = order(4, quantity="0.5", side=Side.SELL, lane=Lane.EXIT, reduce_only=True)
    await bench.send(actor, order(2), order(3, lane=Lane.HEDGE), out)
    (denied,) = await bench.event(actor, OrderDenied)
    assert denied.order_id == order(2).order_id
    assert "the stream is down" in denied.detail
    assert bench.orders_at_venue() == 3


async def test_an_entry_outlasts_a_short_gap_of_the_stream(bench):
    """A stream that is back within the entry's time costs a delay, not the entry."""
    actor = await bench.start()
    actor._venue._stream_down()
    await bench.send(actor, order(1))
    await bench.event(actor, Filled)
    assert bench.bought() == 1


async def test_an_order_is_denied_in_time_though_its_lane_is_held_back(bench):
    """A 429 of an hour holds the entry back for longer than its price is good for: the group is told in time."""
    actor = await bench.start(entry_deadline_s=1.0)
    bench.floor.faults.add(
        Fault(FaultKind.STATUS_BEFORE, "lighter", "1", "order", status=429, delay_ms=DAY_MS, body="too often")
    )
    loop, asked_at = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    await bench.send(actor, order(1))
    await bench.event(actor, OrderDenied)
    assert loop.time() - asked_at < 3
    assert bench.orders_at_venue() == 0
