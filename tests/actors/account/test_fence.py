"""An order in doubt over the real wire: how long until it is certain, with a nonce fence and without."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

from actors.account import AccountActor, AccountSpec, AccountTuning
from actors.actor import Envelope, Message
from actors.journal.store import open_store
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OrderClosed, OrderRejected
from strategies.domain.ids import AccountId
from tests.actors.account.conftest import BOUND_S, until
from tests.venues.lighter.test_trouble import bought, fault
from tests.venues.lighter.wire import ETH, account_config, order, venue_config, wall_now
from venues.lighter.venue import LighterVenue
from venues.simulator.faults import FaultKind
from venues.simulator.testing import simulation

TRAILING_S = 3_600.0
"""Look-ups may trail by an hour: nothing but a fence can prove a death within the test."""


@asynccontextmanager
async def account(sim, folder, **config):
    """Run an account actor over the production client."""
    journal = f"sqlite:{folder}/journal"
    store = open_store(journal)
    epoch = await store.claim("account/l1", "test")
    await store.close()
    spec = AccountSpec(
        account=AccountId("l1"),
        venue="lighter",
        venue_config={},
        account_config={},
        instruments=(ETH,),
        journal=journal,
        lock_dir=str(folder / "locks"),
        tuning=AccountTuning(answer_look_after_s=0.3, look_backoff_s=0.1, look_backoff_max_s=0.5),
    )
    settings = venue_config(sim, ack_timeout_s=0.5, **config)
    actor = AccountActor(
        spec, epoch, build=lambda *_: LighterVenue(settings, account_config(sim, folder), now=wall_now)
    )
    await actor.start()
    try:
        await until(lambda: actor._ready, "the look at the venue")
        await actor.arm()
        yield actor
    finally:
        await actor.stop()


async def send(actor, number: int) -> None:
    """Submit a market order to buy 0.1."""
    command = SubmitOrder(account=AccountId("l1"), order=order(number))
    await actor.submit(Envelope(sender="group/g", sender_epoch=1, messages=(Message(seq=number, command=command),)))


async def facts(actor, kind: type) -> list:
    """Return what the account has told of a kind, once there is something."""
    found: list = []

    async with asyncio.timeout(BOUND_S):
        cursor = 0
        while not found:
            for fact in (await actor.facts(cursor, 1.0)).facts:
                cursor = fact.seq
                found += [fact.event] if isinstance(fact.event, kind) else []
    return found


async def test_an_order_that_never_arrived_is_dead_within_seconds(tmp_path):
    """No further write comes by itself, look-ups trail: the account fences the nonce and knows; nothing was bought."""
    async with (
        simulation() as sim,
        account(sim, tmp_path, nonce_fence=True, lookup_lag_s=TRAILING_S) as actor,
    ):
        sim.faults.add(fault(FaultKind.RESET))
        await send(actor, 1)
        (dead,) = await facts(actor, OrderRejected)
        assert dead.code == "proven-dead"
        assert "nonce-fenced" in dead.detail
        assert bought(sim) == []
        assert actor._meter.counters["fences"] >= 1
        # The key goes on: what is sent next lands.
        await send(actor, 2)
        await until(lambda: actor.book.believed(ETH) == Decimal("0.1"), "the next order")


async def test_an_order_that_did_arrive_is_never_fenced_off(tmp_path):
    """Its nonce is used, so no fence can take it: the fill is found, and nothing is bought twice."""
    async with (
        simulation() as sim,
        account(sim, tmp_path, nonce_fence=True, lookup_lag_s=TRAILING_S) as actor,
    ):
        sim.faults.add(fault(FaultKind.LOSE_ANSWER, body="silent"))
        await send(actor, 1)
        await until(lambda: actor.book.believed(ETH) == Decimal("0.1"), "the fill")
        (end,) = await facts(actor, OrderClosed)
        assert end.status == "FILLED"
        assert bought(sim) == [actor.book.order(order(1).order_id).client_order_id]


async def test_without_trust_no_fence_is_sent(tmp_path):
    """The default: the order stays in flight, and the account writes nothing to hurry it."""
    async with (
        simulation() as sim,
        account(sim, tmp_path, lookup_lag_s=TRAILING_S) as actor,
    ):
        sim.faults.add(fault(FaultKind.RESET))
        await send(actor, 1)
        await until(lambda: actor._meter.counters.get("order_lookups", 0) >= 4, "looks in vain")
        assert actor.book.in_flight()
        assert "fences" not in actor._meter.counters
