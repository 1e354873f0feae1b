"""Somebody else writes with the account's keys while nobody listens: seen by orders at rest, and by nonces."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelAllOrders
from strategies.domain.events import OrderAccepted, OrderOutcomeUnknown, OrderRejected
from strategies.domain.ids import AccountId
from strategies.domain.order import OrderType, Side, TimeInForce
from tests.actors.account.conftest import ETH, SYMBOL, order, until
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.in_process import InProcessVenue
from venues.simulator.model import NewOrder
from venues.venue import Certainty, StreamGap, StreamUp, Verdict, WriteKind

D = Decimal
RESTING = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "price": D(2990), "post_only": True}
TAKEN = Verdict(certainty=Certainty.DEAD, proof="nonce-taken", by_absence=True, nonce_taken=True)


def stranger_rests(bench) -> None:
    """Put an order on the account's book that no journal knows."""
    bench.exchange.place(
        NewOrder(
            account="1",
            symbol=SYMBOL,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            quantity=D(1),
            price=D(2950),
        ),
        bench.now(),
    )


async def test_an_order_that_came_while_nobody_lived_freezes_the_next_life(bench):
    """It rests, it has not filled: the account is not armed beside it, and says what was seen."""
    actor = await bench.start()
    await bench.kill(actor)
    stranger_rests(bench)
    actor = await bench.start()
    assert actor.mode is AccountMode.FROZEN
    assert "an order that is not ours: BUY 1" in (await actor.status()).reason


async def test_an_order_that_came_while_the_stream_was_lost_freezes(bench):
    """A venue that shows no open orders when a stream begins is asked for them."""
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:orders"))
    stranger_rests(bench)
    bench.floor.faults.add(Fault(FaultKind.STATUS_BEFORE, "lighter", action="orders", count=1))
    actor._venue._events.put_nowait(StreamGap(channel="account", at=bench.now(), reason="lost"))
    actor._venue._events.put_nowait(StreamUp(channel="account", at=bench.now()))
    await until(lambda: actor.mode is AccountMode.FROZEN, "the freeze")


async def test_our_own_orders_at_rest_are_no_strangers(bench):
    """A successor finds them where its predecessor has put them, and goes on."""
    actor = await bench.start()
    await bench.send(actor, order(1, **RESTING))
    await bench.event(actor, OrderAccepted)
    await bench.kill(actor)
    actor = await bench.start()
    assert actor.mode is AccountMode.ARMED


@pytest.fixture
def numbered(monkeypatch):
    """Give every write a nonce of its own, and let the venue say that other transactions took those of `taken`."""
    taken: set[WriteKind] = set()
    nonces: list[int | None] = []
    prepare, investigate = InProcessVenue._prepare, InProcessVenue.investigate

    def with_nonce(venue, *arguments):
        write = prepare(venue, *arguments)
        nonce = nonces.pop(0) if nonces else None
        numbers = {"api_key_index": 4, "nonce": nonce, "tx_hash": f"hash-{id(write)}"} if nonce is not None else {}
        return write.model_copy(update={"identity": write.identity.model_copy(update=numbers)})

    async def judged(venue, write):
        return TAKEN if write.kind in taken else await investigate(venue, write)

    monkeypatch.setattr(InProcessVenue, "_prepare", with_nonce)
    monkeypatch.setattr(InProcessVenue, "investigate", judged)
    return taken, nonces


async def test_a_nonce_of_an_order_that_never_ran_was_used_by_a_stranger(bench, numbered):
    """Signed with 7, never there, and the venue is past 7: only we sign with that key, and none of ours took it."""
    taken, nonces = numbered
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.RESET, "lighter", action="order"))
    nonces.append(7)
    taken.add(WriteKind.ORDER)
    await bench.send(actor, order(1))
    [rejected] = await bench.event(actor, OrderRejected)
    assert rejected.code == "proven-dead"
    await until(lambda: actor.mode is AccountMode.FROZEN, "the freeze")
    await until(lambda: actor.book.state.frozen != "", "the freeze in the book")
    assert actor.book.state.frozen == (
        f"key 4: nonce 7 was used, not by us: order {order(1).order_id} of ours was signed with it and never ran"
    )


async def test_a_nonce_that_another_write_of_ours_took_is_no_strangers(bench, numbered):
    """The order in doubt and the one after it carry the same nonce: ours, and nobody is alarmed."""
    taken, nonces = numbered
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.RESET, "lighter", action="order"))
    nonces += [7, 7]
    await bench.send(actor, order(1))
    await bench.event(actor, OrderOutcomeUnknown)
    await bench.send(actor, order(2))
    await bench.event(actor, OrderAccepted)
    taken.add(WriteKind.ORDER)
    await bench.event(actor, OrderRejected)
    assert actor.mode is AccountMode.ARMED


@pytest.mark.parametrize("killed", [False, True])
async def test_the_nonce_of_a_cancel_in_doubt_is_looked_after_too(bench, numbered, *, killed):
    """Its answer was lost, or its life ended: what it did shows elsewhere, who used its nonce does not."""
    taken, nonces = numbered
    actor = await bench.start()
    fault = FaultKind.DELAY_ANSWER if killed else FaultKind.RESET
    bench.floor.faults.add(Fault(fault, "lighter", action="cancel_all", delay_ms=60_000))
    nonces.append(9)
    await bench.send(actor, CancelAllOrders(account=AccountId("l1"), instrument_id=ETH))
    await until(lambda: not nonces, "the cancel, signed")
    if killed:
        await until(lambda: any(o.identity for o in actor.book.state.others.values()), "its identity")
        await bench.kill(actor)
        actor = await bench.start()
    taken.add(WriteKind.CANCEL_ALL)
    await until(lambda: actor.mode is AccountMode.FROZEN, "the freeze")
    await until(lambda: actor.book.state.frozen != "", "the freeze in the book")
    assert "nonce 9 was used, not by us: a cancel all of ours" in actor.book.state.frozen
