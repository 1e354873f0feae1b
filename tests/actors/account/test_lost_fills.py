"""Fills that a stream has not told of are found, whatever it tells afterwards."""

import asyncio
from decimal import Decimal
from itertools import pairwise

from strategies.domain.events import Filled, OrderAccepted, OrderClosed
from strategies.domain.order import OrderType, Side, TimeInForce
from tests.actors.account.conftest import ETH, SYMBOL, order, until
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.model import NewOrder
from venues.venue import StreamGap, StreamUp

D = Decimal
CHANNELS = ("orders", "fills", "positions")


def freeze(bench, *channels: str) -> list[int]:
    """Silence channels; return what ends it."""
    faults = [Fault(FaultKind.FREEZE_CHANNEL, "lighter", action=f"stream:{channel}") for channel in channels]
    return [bench.floor.faults.add(fault).fault_id for fault in faults]


def rest_at_the_top(bench, quantity: str) -> dict[str, object]:
    """Return how an order rests at the best price, so that it is the first to be filled."""
    best = bench.exchange.book(SYMBOL, 1).bids[0].price
    changes = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "post_only": True}
    return {"quantity": D(quantity), "price": best + D("0.01"), **changes}


def sell_into_it(bench, quantity: str) -> None:
    """Let somebody else take a part of what rests."""
    bench.exchange.place(
        NewOrder(
            account="2",
            symbol=SYMBOL,
            side=Side.SELL,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=D(quantity),
            price=D(2900),
        ),
        bench.now(),
    )
    bench.floor.pump()


async def test_a_fill_of_a_lost_stream_is_found_though_a_newer_one_was_heard_first(bench):
    """The stream is back and tells of a new fill before anybody has read what it missed: that is read all the same."""
    bench.exchange.add_account("2", D(100_000), bench.now())
    actor = await bench.start(fills_overlap_s=0.05, reconcile_every_s=60, answer_look_after_s=60)
    await bench.send(actor, order(1))
    await bench.event(actor, OrderClosed)
    await asyncio.sleep(0.2)
    resting = order(2, **rest_at_the_top(bench, "3"))
    await bench.send(actor, resting)
    await bench.event(actor, OrderAccepted, count=2)
    frozen = freeze(bench, *CHANNELS)
    actor._venue._events.put_nowait(StreamGap(channel="account", at=bench.now(), reason="lost"))
    await until(lambda: actor._meter.counters.get("stream_gaps") == 1, "the gap")
    bench.floor.faults.add(Fault(FaultKind.STATUS_BEFORE, "lighter", action="fills", count=2))
    sell_into_it(bench, "3")
    await asyncio.sleep(0.3)
    for fault in frozen:
        bench.floor.faults.remove(fault)
    await bench.send(actor, order(3))
    await bench.event(actor, Filled, count=2)
    actor._venue._events.put_nowait(StreamUp(channel="account", at=bench.now()))
    await until(lambda: actor.book.believed(ETH) == D(5), "every fill in the book")
    assert bench.bought() == D(5)


async def test_a_partial_fill_that_the_venue_counts_is_fetched_while_its_order_rests(bench):
    """The order channel says 3 of 10, the fill itself was never told: it counts at once, not when the order ends."""
    bench.exchange.add_account("2", D(100_000), bench.now())
    actor = await bench.start(reconcile_every_s=60)
    resting = order(1, **rest_at_the_top(bench, "10"))
    await bench.send(actor, resting)
    await bench.event(actor, OrderAccepted)
    freeze(bench, "fills", "positions")
    sell_into_it(bench, "3")
    await until(lambda: actor.book.believed(ETH) == D(3), "the fill in the book")
    assert actor.book.order(resting.order_id).in_flight


async def test_fills_that_a_history_does_not_show_yet_are_asked_for_at_a_growing_distance(bench, monkeypatch):
    """An order has ended with more than its history shows: asked again and again, but not ten times a second."""
    actor = await bench.start(reconcile_every_s=60)
    asked = []
    real = type(actor._venue).fills

    async def trailing(venue, instrument_id, since):
        asked.append(asyncio.get_running_loop().time())
        return [] if len(asked) < 5 else await real(venue, instrument_id, since)

    monkeypatch.setattr(type(actor._venue), "fills", trailing)
    freeze(bench, "fills", "positions")
    await bench.send(actor, order(1))
    [closed] = await bench.event(actor, OrderClosed)
    assert closed.filled == D(1)
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert waits[3] > 3 * waits[0]
