"""What becomes of an order that the venue does not show for longer than any write lives."""

from decimal import Decimal

from strategies.domain.account import AccountMode
from strategies.domain.events import AccountModeChanged, Filled, OrderClosed, OrderOutcomeUnknown, OrderRejected
from strategies.domain.order import OrderType, TimeInForce
from tests.actors.account.conftest import ETH, order, until
from venues.simulator.faults import Fault, FaultKind
from venues.venue import Certainty, Verdict

SOON = {
    "resting_look_s": 0.2,
    "too_old_margin_s": 0.1,
    "too_old_look_s": 0.2,
    "conclude_after_s": 0.2,
    "look_backoff_max_s": 0.2,
}


def _blind(bench, monkeypatch, verdict: Verdict) -> None:
    """Let the venue execute orders and say of them nothing but this verdict; no stream speaks."""
    monkeypatch.setattr("venues.simulator.in_process._WRITE_LIFE_MS", 600)
    for channel in ("orders", "fills", "positions"):
        bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action=f"stream:{channel}"))
    bench.floor.faults.add(Fault(FaultKind.LOSE_ANSWER, "lighter", "1", "order"))
    monkeypatch.setattr(bench.exchange, "order_by_client_id", lambda *_: None)

    async def say(_venue, _write) -> Verdict:
        return verdict

    monkeypatch.setattr("venues.simulator.in_process.InProcessVenue.investigate", say)


async def test_an_executed_order_that_shows_nowhere_ends_with_its_fills(bench, monkeypatch):
    """The venue says executed, has no row, and nothing rests: it ends, with every fill that the history has."""
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.EXECUTED, proof="tx-executed"))
    actor = await bench.start(reconcile_every_s=60, **SOON)
    await bench.send(actor, order(1))
    (end,) = await bench.event(actor, OrderClosed)
    assert (end.status, end.filled) == ("FILLED", Decimal(1))
    assert len(await bench.event(actor, Filled)) == 1
    assert (await actor.status()).too_old == {}
    assert actor.mode is AccountMode.ARMED


async def test_an_executed_order_without_any_fill_ends_without_one(bench, monkeypatch):
    """It ran and traded nothing, and its row is gone: that is an end, too, and says what proves it."""
    bench.floor.faults.add(Fault(FaultKind.REJECT_AFTER_ACCEPT, "lighter", "1", "order"))
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.EXECUTED, proof="tx-executed"))
    actor = await bench.start(reconcile_every_s=60, **SOON)
    await bench.send(actor, order(1))
    (end,) = await bench.event(actor, OrderClosed)
    assert (end.status, end.filled) == ("CANCELED", Decimal(0))
    assert "does not rest" in end.proof
    assert bench.bought() == 0


async def test_an_executed_order_that_rests_goes_on_resting(bench, monkeypatch):
    """Without a row of its own it is still among the open ones: it is not ended, and nobody is called."""
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.EXECUTED, proof="tx-executed"))
    actor = await bench.start(reconcile_every_s=60, **SOON)
    resting = order(1, order_type=OrderType.LIMIT, price=Decimal(2900), time_in_force=TimeInForce.GTC)
    await bench.send(actor, resting)
    await until(lambda: actor._meter.counters.get("order_lookups", 0) > 8, "looks beyond the bound")
    assert actor.book.order(resting.order_id).in_flight
    assert (await actor.status()).too_old == {}


async def test_an_order_that_nothing_proves_gets_a_name_and_stops_entries(bench, monkeypatch):
    """Neither executed nor dead for longer than a write lives: named once, with what was seen; exits stay free."""
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.OPEN, proof="tx-pending"))
    actor = await bench.start(reconcile_every_s=60, **SOON)
    await bench.send(actor, order(1))
    changes = await bench.event(actor, AccountModeChanged, 3)
    assert changes[-1].mode is AccountMode.FROZEN
    assert "too old" in changes[-1].reason
    assert "tx-pending" in changes[-1].reason
    looks = actor._meter.counters["order_lookups"]
    await until(lambda: actor._meter.counters["order_lookups"] > looks + 1, "further looks")
    status = await actor.status()
    assert status.too_old == {order(1).order_id: "tx-pending"}
    assert status.counters["orders_too_old"] == 1
    assert actor.book.order(order(1).order_id).in_flight
    assert not [e for e in await bench.events(actor) if isinstance(e, OrderRejected | OrderClosed)]


async def test_an_order_that_shows_itself_at_last_loses_the_name(bench, monkeypatch):
    """The name is no end: a row that comes after all ends the order as any other."""
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.OPEN, proof="tx-pending"))
    actor = await bench.start(reconcile_every_s=60, **SOON)
    await bench.send(actor, order(1))
    await until(lambda: actor._meter.counters.get("orders_too_old", 0) == 1, "the name")
    monkeypatch.undo()
    await bench.event(actor, OrderClosed)
    await until(lambda: not actor._lookout.old.named, "the name to go")
    assert (await actor.status()).too_old == {}
    assert bench.bought() == Decimal(1)


async def test_a_person_may_end_an_order_that_has_a_name(bench, monkeypatch):
    """Who has looked says so; the order ends with the fills that are known, and a late one is folded all the same."""
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.OPEN, proof="tx-pending"))
    actor = await bench.start(reconcile_every_s=60, **SOON)
    await bench.send(actor, order(1))
    await until(lambda: actor._meter.counters.get("orders_too_old", 0) == 1, "the name")
    await actor._lookout.old.settle("operator:somebody")
    (end,) = await bench.event(actor, OrderClosed)
    assert (end.status, end.filled) == ("CANCELED", Decimal(0))
    assert "operator:somebody has looked" in end.proof
    assert (await actor.status()).too_old == {}
    assert not actor.book.in_flight()
    await actor._lookout.history.catch_up()
    assert actor.book.believed(ETH) == Decimal(1)
    await actor._lookout.old.settle("operator:somebody")
    assert len(await bench.event(actor, OrderClosed)) == 1


async def test_a_release_ends_what_the_account_was_frozen_for(bench, monkeypatch):
    """Released in the next life, before that has looked: the order ends, and it freezes the account no more."""
    bench.floor.faults.add(Fault(FaultKind.REJECT_AFTER_ACCEPT, "lighter", "1", "order"))
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.OPEN, proof="tx-pending"))
    actor = await bench.start(reconcile_every_s=60, **SOON)
    await bench.send(actor, order(1))
    await until(lambda: actor.book.state.frozen != "", "the freeze")
    await until(lambda: actor._ledger.published == actor.book.state.fact_seq, "the freeze on the disk")
    await bench.kill(actor)
    successor = await bench.start(reconcile_every_s=60, **SOON)
    assert successor.mode is AccountMode.FROZEN
    assert await successor.release("operator:somebody")
    (end,) = await bench.event(successor, OrderClosed)
    assert "operator:somebody has looked" in end.proof
    assert successor.mode is AccountMode.ARMED
    assert "orders_too_old" not in successor._meter.counters


async def test_a_young_order_is_asked_about_in_peace(bench, monkeypatch):
    """Within the life of a write nothing is named and nothing is concluded."""
    _blind(bench, monkeypatch, Verdict(certainty=Certainty.EXECUTED, proof="tx-executed"))
    actor = await bench.start(reconcile_every_s=60, **(SOON | {"too_old_margin_s": 60.0}))
    await bench.send(actor, order(1))
    await until(lambda: actor._meter.counters.get("order_lookups", 0) > 8, "looks within the bound")
    assert actor.book.order(order(1).order_id).in_flight
    assert (await actor.status()).too_old == {}


async def test_certainty_is_measured_for_every_order_and_for_doubts(bench):
    """Each order is measured once, whether its answer came or its fill did; a doubt is measured besides."""
    actor = await bench.start()
    await bench.send(actor, order(1))
    await bench.event(actor, OrderClosed)
    histograms = (await actor.status()).histograms
    assert sum(histograms["order_certainty"].counts) == 1
    assert "certainty" not in histograms
    bench.floor.faults.add(Fault(FaultKind.LOSE_ANSWER, "lighter", "1", "order"))
    await bench.send(actor, order(2))
    await bench.event(actor, OrderClosed, 2)
    histograms = (await actor.status()).histograms
    assert sum(histograms["order_certainty"].counts) == 2
    doubts = [event for event in await bench.events(actor) if isinstance(event, OrderOutcomeUnknown)]
    # The stream may have told of the order before its answer was lost: then there was no doubt left.
    assert sum(histograms["certainty"].counts if "certainty" in histograms else ()) == len(doubts)


async def test_the_clock_of_an_order_runs_on_through_a_restart(bench, monkeypatch):
    """A doubt that outlives a process is measured from where it began."""
    with monkeypatch.context() as blinded:
        _blind(bench, blinded, Verdict(certainty=Certainty.OPEN, proof="not seen"))
        actor = await bench.start(reconcile_every_s=60)
        await bench.send(actor, order(1))
        await bench.event(actor, OrderOutcomeUnknown)
        await until(lambda: actor._meter.counters.get("order_lookups", 0) > 2, "the first looks")
        await bench.kill(actor)
    successor = await bench.start()
    await bench.event(successor, OrderClosed)
    histogram = (await successor.status()).histograms["certainty"]
    assert sum(histogram.counts) == 1
    assert histogram.total > 0.1


async def test_a_lost_order_is_looked_at_in_the_moment_it_expires(bench, monkeypatch):
    """However far apart the looks have become, the one that can prove it dead comes when its window has closed."""
    monkeypatch.setattr("venues.simulator.in_process._WRITE_LIFE_MS", 1_000)
    actor = await bench.start(look_backoff_s=10.0, look_backoff_max_s=60.0)
    bench.floor.faults.add(Fault(FaultKind.RESET, "lighter", "1", "order"))
    await bench.send(actor, order(1))
    (dead,) = await bench.event(actor, OrderRejected)
    assert dead.code == "proven-dead"
    # Window and allowance of 1.5 s, and the look just after it.
    assert (await actor.status()).histograms["certainty"].total < 3
