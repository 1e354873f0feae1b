"""What a venue that says "too often" does to each lane of an account's queue."""

import asyncio
from decimal import Decimal

import pytest

from strategies.domain.events import Filled
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
