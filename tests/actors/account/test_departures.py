"""How orders leave: signed while the disk works, sent when it has, each once, in order."""

import pytest

from strategies.domain.commands import CancelAllOrders
from strategies.domain.events import OrderClosed
from strategies.domain.ids import AccountId
from strategies.domain.order import Lane, OrderStatus, Side
from tests.actors.account.conftest import ETH, Gated, order, until


def gated(actor) -> Gated:
    """Put a gate before the disk of an account that lives."""
    actor._ledger._journal = Gated(actor._ledger._journal)
    return actor._ledger._journal


async def appends(actor) -> int:
    """Count what the disk was asked for."""
    return sum((await actor.status()).histograms["journal_append"].counts)


async def warm(bench, actor) -> None:
    """Trade once, so that nothing is in doubt any more."""
    await bench.send(actor, order(1, "0.1"))
    await bench.event(actor, OrderClosed)


async def test_a_lone_order_is_taken_and_leaves_by_one_append(bench):
    """Taking it and who it is at the venue are one write to the disk; before it, no byte goes out."""
    actor = await bench.start()
    await warm(bench, actor)
    gate, before = gated(actor), await appends(actor)
    gate.gate.clear()
    sending = bench.begin(actor, order(2, "0.1"))
    await until(gate.at_the_gate.is_set, "the append")
    record = actor.book.order(order(2).order_id)
    assert record.prepared is not None, "it was not signed before the disk was asked"
    assert bench.orders_at_venue() == 1
    gate.gate.set()
    await sending
    await until(lambda: bench.orders_at_venue() == 2, "the order at the venue")
    await bench.event(actor, OrderClosed, 2)
    assert await appends(actor) - before <= 3, "taken and signed, accepted, filled"
    assert bench.bought() == order(1, "0.1").quantity * 2


async def test_orders_that_come_while_the_disk_is_slow_leave_once_and_in_order(bench):
    """Signing ahead of the disk neither doubles nor overtakes anything."""
    actor = await bench.start()
    await warm(bench, actor)
    gate = gated(actor)
    gate.gate.clear()
    first = bench.begin(actor, order(2, "0.1"))
    await until(gate.at_the_gate.is_set, "the append")
    others = [bench.begin(actor, order(number, "0.1")) for number in range(3, 30)]
    assert bench.orders_at_venue() == 1
    gate.gate.set()
    for sending in (first, *others):
        await sending
    await bench.event(actor, OrderClosed, 29)
    sent = [each.client_order_id for each in bench.exchange.orders("1", active=None)]
    assert sent == sorted(set(sent))
    assert len(sent) == 29


async def test_a_cancel_of_everything_goes_before_the_exit_behind_it(bench):
    """What was taken together with something that is no order does not leave ahead of it."""
    actor = await bench.start()
    await warm(bench, actor)
    gate = gated(actor)
    gate.gate.clear()
    cancel = CancelAllOrders(account=AccountId("l1"), instrument_id=ETH)
    sending = bench.begin(actor, cancel, order(2, "0.1", Side.SELL, lane=Lane.EXIT, reduce_only=True))
    await until(gate.at_the_gate.is_set, "the append")
    assert actor.book.order(order(2).order_id).prepared is None
    gate.gate.set()
    await sending
    await bench.event(actor, OrderClosed, 2)


async def test_a_venue_that_must_be_asked_first_does_not_hold_the_ledger_up(bench):
    """No signature in time: the order is taken alone, and signed when its turn comes."""
    actor = await bench.start()
    await warm(bench, actor)
    asked = []

    async def dawdle(request, client_order_id):
        asked.append(request.order_id)
        if len(asked) == 1:
            await until(lambda: False, "something that never comes")
        return await type(actor._venue).prepare_order(actor._venue, request, client_order_id)

    actor._venue.prepare_order = dawdle
    await bench.send(actor, order(2, "0.1"))
    closed = await bench.event(actor, OrderClosed, 2)
    assert closed[-1].status == OrderStatus.FILLED
    assert asked == [order(2).order_id] * 2
    assert bench.orders_at_venue() == 2


async def test_an_order_is_never_signed_twice(bench):
    """The book itself refuses a second identity while the first may be on its way."""
    actor = await bench.start()
    await warm(bench, actor)
    key = order(1).order_id
    identity = actor.book.order(key).prepared
    assert identity is not None
    with pytest.raises(AssertionError, match="signed a second time"):
        actor.book.decide_prepared(key, identity, bench.now())
