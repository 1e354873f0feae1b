"""The account actor keeps its promises over a venue that loses, delays, repeats and refuses."""

import asyncio
from decimal import Decimal

import pytest

from actors.actor import Envelope, Message, StaleSenderError
from actors.hostlock import LockHeldError
from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelAllOrders, CancelOrder, SetLeverage, SubmitOrder
from strategies.domain.events import (
    AccountModeChanged,
    Filled,
    LeverageSet,
    OrderAccepted,
    OrderClosed,
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    PositionAdjusted,
)
from strategies.domain.ids import AccountId, OrderId
from strategies.domain.order import Lane, OrderType, Side, TimeInForce
from strategies.domain.position import FillCause
from tests.actors.account.conftest import ETH, SYMBOL, order, until
from venues.simulator import reports
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.in_process import InProcessVenue
from venues.simulator.model import NewOrder
from venues.venue import VenueStatus

D = Decimal
ME = AccountId("l1")


async def test_a_market_order_ends_filled_and_the_fill_comes_before_the_end(bench):
    """An order's facts come in the order a strategy needs: leaves, accepted, fills, end with the whole quantity."""
    actor = await bench.start()
    await bench.send(actor, order(1, "2"))
    [closed] = await bench.event(actor, OrderClosed)
    kinds = [e.kind for e in await bench.events(actor) if e.kind != "AccountModeChanged"]
    assert kinds[0] == "OrderSubmitted"
    assert kinds[-1] == "OrderClosed"
    assert kinds.index("OrderAccepted") < kinds.index("Filled")
    assert (closed.status, closed.filled) == ("FILLED", D(2))
    assert bench.bought() == D(2)
    assert (await actor.status()).believed == {ETH: D(2)}


async def test_nothing_is_sent_before_the_account_is_armed(bench):
    """A disarmed account takes commands and keeps them; armed, it sends them."""
    actor = await bench.start(arm=False)
    await until(lambda: actor._ready, "ready")
    await bench.send(actor, order(1))
    await asyncio.sleep(0.1)
    assert bench.orders_at_venue() == 0
    await bench.arm(actor)
    await bench.event(actor, OrderClosed)
    assert bench.orders_at_venue() == 1


@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.STATUS_AFTER])
async def test_a_lost_answer_never_buys_twice(bench, kind):
    """An order whose answer is lost is in doubt, then proven executed; the venue saw it once."""
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:orders"))
    bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:fills"))
    bench.floor.faults.add(Fault(kind, "lighter", action="order"))
    await bench.send(actor, order(1))
    [closed] = await bench.event(actor, OrderClosed)
    assert closed.proof == "the venue knows the client order id"
    assert [type(e) for e in await bench.events(actor)].count(OrderOutcomeUnknown) == 1
    assert bench.orders_at_venue() == 1
    assert bench.bought() == D(1)


async def test_an_order_that_never_arrived_is_dead_only_after_its_window_closed(bench):
    """A reset before execution stays in doubt until the venue can no longer execute it, then ends as refused."""
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.RESET, "lighter", action="order"))
    started = bench.now()
    await bench.send(actor, order(1))
    await bench.event(actor, OrderOutcomeUnknown)
    assert (await actor.status()).unknown.keys() == {order(1).order_id}
    [rejected] = await bench.event(actor, OrderRejected)
    assert rejected.code == "proven-dead"
    assert rejected.at - started >= 5_000
    assert bench.orders_at_venue() == 0


async def test_a_refused_connection_is_tried_again_under_the_same_client_id(bench):
    """When nothing left, the same order goes again; the venue sees one order."""
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.REFUSE, "lighter", action="order", count=2))
    await bench.send(actor, order(1))
    [closed] = await bench.event(actor, OrderClosed)
    assert closed.filled == D(1)
    assert bench.orders_at_venue() == 1


async def test_a_duplicate_and_a_late_fill_count_once(bench):
    """Fills are folded by trade id: twice is once, and one that comes after the end still counts."""
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.DUPLICATE_EVENT, "lighter", action="stream:fills", count=None))
    bench.floor.faults.add(Fault(FaultKind.DELAY_EVENTS, "lighter", action="stream:fills", delay_ms=300))
    await bench.send(actor, order(1), order(2))
    await bench.event(actor, OrderClosed, count=2)
    await asyncio.sleep(0.5)
    filled = [e.fill.trade_id for e in await bench.events(actor) if isinstance(e, Filled)]
    assert len(filled) == len(set(filled))
    assert (await actor.status()).believed == {ETH: D(2)}


async def test_the_end_waits_for_every_fill(bench):
    """The venue's word that an order ended is held back until the fills behind it are known, by asking for them."""
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:fills"))
    await bench.send(actor, order(1, "3"))
    [closed] = await bench.event(actor, OrderClosed)
    assert closed.filled == D(3)
    assert sum(e.fill.quantity for e in await bench.events(actor) if isinstance(e, Filled)) == D(3)


async def test_a_partial_fill_ends_with_what_was_filled(bench):
    """The wished quantity is never taken for the filled one."""
    actor = await bench.start()
    bench.floor.faults.add(Fault(FaultKind.PARTIAL_FILL, "lighter", action="order", fraction=D("0.3")))
    await bench.send(actor, order(1, "10"))
    [closed] = await bench.event(actor, OrderClosed)
    assert closed.status == "CANCELED"
    assert closed.filled == D(3)
    assert bench.bought() == D(3)


async def test_the_same_order_id_is_the_same_order(bench):
    """A command that comes again, under its number or under a new one, does nothing."""
    actor = await bench.start()
    await bench.send(actor, order(1))
    again = Message(seq=1, command=SubmitOrder(account=ME, order=order(1)))
    receipt = await actor.submit(Envelope(sender="group/g", sender_epoch=1, messages=(again,)))
    assert receipt.taken == 1
    await bench.send(actor, order(1), order(2))
    await bench.event(actor, OrderClosed, count=2)
    assert bench.orders_at_venue() == 2


async def test_messages_behind_a_gap_are_left_for_the_sender(bench):
    """An account takes numbers without a gap only, and refuses a sender that has been overtaken."""
    actor = await bench.start()
    message = Message(seq=2, command=SubmitOrder(account=ME, order=order(1)))
    receipt = await actor.submit(Envelope(sender="group/g", sender_epoch=2, messages=(message,)))
    assert receipt.taken == 0
    bench.sent = 0
    first = Message(seq=1, command=SubmitOrder(account=ME, order=order(2)))
    await actor.submit(Envelope(sender="group/g", sender_epoch=2, messages=(first,)))
    with pytest.raises(StaleSenderError):
        await actor.submit(Envelope(sender="group/g", sender_epoch=1, messages=(message,)))


async def test_a_killed_account_comes_back_and_answers_the_same(bench):
    """Kill after every kind of moment: nothing is lost, nothing is doubled, the feed goes on where it was."""
    actor = await bench.start()
    await bench.send(actor, order(1))
    await bench.event(actor, OrderClosed)
    before = await bench.events(actor)
    bench.floor.faults.add(Fault(FaultKind.DELAY_ANSWER, "lighter", action="order", delay_ms=60_000))
    await bench.send(actor, order(2))
    await until(lambda: bench.orders_at_venue() == 2, "the second order at the venue")
    await bench.kill(actor)
    await bench.send(actor := await bench.start(), order(3))
    closed = await bench.event(actor, OrderClosed, count=3)
    assert [c.filled for c in closed] == [D(1), D(1), D(1)]
    assert (await bench.events(actor))[: len(before)] == before
    assert bench.orders_at_venue() == 3
    assert bench.bought() == D(3)


async def test_an_order_taken_and_not_sent_leaves_in_the_next_life(bench):
    """What was taken before the kill and never signed is sent by the successor, once."""
    actor = await bench.start(arm=False)
    await until(lambda: actor._ready, "ready")
    await bench.send(actor, order(1))
    await bench.kill(actor)
    actor = await bench.start()
    await bench.event(actor, OrderClosed)
    assert bench.orders_at_venue() == 1


async def test_an_order_that_waited_too_long_is_denied(bench):
    """A price from another market is not traded: the group decides anew."""
    actor = await bench.start(arm=False, entry_deadline_s=0.05)
    await until(lambda: actor._ready, "ready")
    await bench.send(actor, order(1))
    await asyncio.sleep(0.1)
    await bench.arm(actor)
    [denied] = await bench.event(actor, OrderDenied)
    assert denied.code == "stale"
    assert bench.orders_at_venue() == 0


async def test_two_lives_never_run_on_one_host(bench, monkeypatch):
    """A second process of the same account waits for the lock, and gives up naming the holder."""
    await bench.start()
    monkeypatch.setattr("actors.account.account._LOCK_WAIT_S", 0.1)
    with pytest.raises(LockHeldError, match="is held by process"):
        await bench.start(arm=False)


async def test_an_overtaken_life_stops_itself(bench):
    """When a later epoch owns the journal, the ghost's next write fails and nothing leaves."""
    ghost = await bench.start()
    ghost._lock.release()
    await bench.start(arm=False)
    bench.sent = 0
    with pytest.raises(Exception, match="overtaken"):
        await bench.send(ghost, order(1))
    assert bench.orders_at_venue() == 0
    assert "overtaken" in ghost.ended.result(), "it ends, though nobody but its caller has heard"


async def test_a_fill_by_somebody_else_freezes_entries_and_leaves_exits_free(bench):
    """A foreign fill is a fact of the account: it is counted, the account freezes, exits still leave."""
    actor = await bench.start()
    bench.exchange.place(
        NewOrder(
            account="1",
            symbol=SYMBOL,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=D(1),
            price=D(3100),
        ),
        bench.now(),
    )
    bench.floor.pump()
    await until(lambda: actor._mode is AccountMode.FROZEN, "frozen")
    fills = await bench.event(actor, Filled)
    assert fills[0].fill.cause is FillCause.FOREIGN
    await bench.send(actor, order(1), order(2, side=Side.SELL, lane=Lane.EXIT, reduce_only=True))
    [closed] = await bench.event(actor, OrderClosed)
    assert closed.order_id == order(2).order_id
    assert bench.bought() == D(0)
    modes = await bench.event(actor, AccountModeChanged, count=3)
    assert modes[-1].mode is AccountMode.FROZEN


def _with_nonces(told: dict[int, int]) -> VenueStatus:
    return VenueStatus(stream_ages_s={}, clock_offset_s=None, budget_left={}, nonces=told)


def _stranger_buys(bench) -> None:
    bench.exchange.place(
        NewOrder(
            account="1",
            symbol=SYMBOL,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=D(1),
            price=D(3100),
        ),
        bench.now(),
    )
    bench.floor.pump()


async def test_a_freeze_outlives_the_life_that_saw_it(bench):
    """The successor may be armed as often as one likes: exits only, with the same reason, until a person says so."""
    actor = await bench.start()
    _stranger_buys(bench)
    await until(lambda: actor._mode is AccountMode.FROZEN, "frozen")
    await bench.kill(actor)
    actor = await bench.start()
    status = await actor.status()
    assert status.mode is AccountMode.FROZEN
    assert "a fill that none of our orders explains" in status.reason
    await bench.send(actor, order(1), order(2, side=Side.SELL, lane=Lane.EXIT, reduce_only=True))
    await bench.event(actor, OrderClosed)
    assert bench.bought() == D(0)
    assert await actor.release("anna@desk")
    assert actor.mode is AccountMode.ARMED
    said = [event.reason for event in await bench.event(actor, AccountModeChanged, count=5)]
    assert said[-1] == "released by anna@desk"
    await bench.kill(actor)
    actor = await bench.start()
    assert actor.mode is AccountMode.ARMED


async def test_a_fill_by_somebody_else_while_nobody_watched_freezes_the_next_life(bench):
    """What was traded in between is found at the start: the account is not armed beside a stranger."""
    actor = await bench.start()
    await bench.kill(actor)
    _stranger_buys(bench)
    actor = await bench.start()
    assert actor.mode is AccountMode.FROZEN


async def test_nonces_used_by_somebody_else_while_nobody_watched_freeze_the_next_life(bench, monkeypatch):
    """The key's nonce has moved by more than this journal has signed: said with key and numbers, once."""
    told = {4: 10}
    monkeypatch.setattr(InProcessVenue, "status", lambda _: _with_nonces(told))
    actor = await bench.start()
    assert actor.mode is AccountMode.ARMED
    await bench.kill(actor)
    told[4] = 13
    actor = await bench.start()
    status = await actor.status()
    assert status.mode is AccountMode.FROZEN
    assert "key 4: 3 nonces up to 13" in status.reason
    await actor.release("anna@desk")
    await bench.kill(actor)
    assert (await bench.start()).mode is AccountMode.ARMED


async def test_what_was_told_of_a_stranger_is_told_once(bench, monkeypatch):
    """A nonce jump that a life has seen itself does not freeze the one after the release again."""
    told = {4: 10}
    monkeypatch.setattr(InProcessVenue, "status", lambda _: _with_nonces(told))
    actor = await bench.start()
    told[4] = 12
    actor._freeze("key 4: 2 nonces up to 12 were used, not by us")
    await until(lambda: actor.book.state.nonces == {4: 12}, "the nonces")
    assert actor.mode is AccountMode.FROZEN
    await actor.release("anna@desk")
    await bench.kill(actor)
    assert (await bench.start()).mode is AccountMode.ARMED


async def test_a_stranger_seen_before_the_account_was_armed_is_not_forgotten(bench):
    """Between the first look and the arming somebody trades: arming lets out exits, nothing else."""
    actor = await bench.start(arm=False)
    await until(lambda: actor._ready, "ready")
    _stranger_buys(bench)
    await until(lambda: actor.book.state.frozen != "", "the freeze in the book")
    await bench.arm(actor)
    assert actor.mode is AccountMode.FROZEN


async def test_a_liquidation_is_a_fill_with_its_cause(bench):
    """What the venue closes arrives as a fill named LIQUIDATION, and belief follows."""
    actor = await bench.start()
    await bench.send(actor, order(1, "2"))
    await bench.event(actor, OrderClosed)
    bench.exchange.liquidate("1", SYMBOL, cause=FillCause.LIQUIDATION, at=bench.now())
    bench.floor.pump()
    await until(lambda: actor.book.believed(ETH) == 0, "belief at zero")
    fills = await bench.event(actor, Filled, count=2)
    assert FillCause.LIQUIDATION in {event.fill.cause for event in fills}
    assert (await actor.status()).mode is AccountMode.ARMED


async def test_no_answer_is_not_zero(bench):
    """HTTP 500 on positions leaves the position unknown and says why; belief stays."""
    actor = await bench.start(reconcile_every_s=60)
    await bench.send(actor, order(1, "2"))
    await bench.event(actor, OrderClosed)
    bench.floor.faults.add(Fault(FaultKind.STATUS_BEFORE, "lighter", action="position", status=500, count=None))
    look = await actor.observe(ETH)
    assert look.position is None
    assert look.believed == D(2)
    assert look.problems[0].startswith("position: Unreachable")
    assert look.balance is not None


async def test_an_acknowledged_order_is_never_dead_because_it_cannot_be_found(bench, monkeypatch):
    """The venue took it and shows it nowhere, for longer than its window: it stays in flight and is not sent again."""
    monkeypatch.setattr("venues.simulator.in_process._WRITE_LIFE_MS", 100)
    actor = await bench.start()
    for channel in ("orders", "fills", "positions"):
        bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action=f"stream:{channel}"))
    monkeypatch.setattr(bench.exchange, "order_by_client_id", lambda *_: None)
    monkeypatch.setattr(bench.exchange, "trades", lambda *_, **__: [])
    monkeypatch.setattr(reports, "order_report", lambda *_: None)
    await bench.send(actor, order(1))
    await bench.event(actor, OrderAccepted)
    await until(lambda: actor._meter.counters.get("contradictions", 0) > 0, "the look-up that finds nothing")
    assert actor.book.order(order(1).order_id).in_flight
    assert not [e for e in await bench.events(actor) if isinstance(e, OrderRejected)]


async def test_a_history_without_an_answer_does_not_hide_the_position(bench):
    """The venue's statement of the position is passed on though its fills cannot be read."""
    actor = await bench.start(reconcile_every_s=60)
    bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:fills"))
    bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:orders"))
    bench.floor.faults.add(Fault(FaultKind.STATUS_BEFORE, "lighter", action="fills", status=500, count=None))
    bench.exchange.place(
        NewOrder(
            account="1",
            symbol=SYMBOL,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=D(2),
            price=D(3100),
        ),
        bench.now(),
    )
    look = await actor.observe(ETH)
    assert look.position is not None
    assert look.position.quantity == D(2)
    assert look.believed == D(0)


async def test_a_position_that_no_fill_explains_needs_two_statements(bench, monkeypatch):
    """Belief follows the venue only after a second statement, far enough from the first, says the same."""
    actor = await bench.start()
    wrong = {"quantity": D(5), "entry_price": D(3000)}
    real = reports.position_statement
    monkeypatch.setattr(reports, "position_statement", lambda *row_at: real(*row_at).model_copy(update=wrong))
    await actor.observe(ETH)
    assert (await actor.observe(ETH)).believed == D(0)
    [adjusted] = await bench.event(actor, PositionAdjusted)
    assert (adjusted.before, adjusted.after) == (D(0), D(5))


async def test_what_was_on_the_account_before_is_told_first(bench):
    """A position found at the first start is a fact of its own, and its old fills are not counted again."""
    bench.exchange.place(
        NewOrder(
            account="1",
            symbol=SYMBOL,
            side=Side.SELL,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=D(4),
            price=D(2900),
        ),
        bench.now(),
    )
    actor = await bench.start()
    [adjusted] = await bench.event(actor, PositionAdjusted)
    assert adjusted.after == D(-4)
    assert (await actor.status()).believed == {ETH: D(-4)}
    assert (await actor.status()).mode is AccountMode.ARMED


async def test_a_resting_order_is_canceled_and_ends_once(bench):
    """Cancel one, cancel all: the orders end by their own word."""
    actor = await bench.start()
    rest = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "price": D(2990), "post_only": True}
    await bench.send(actor, order(1, **rest), order(2, **rest), order(3, **rest))
    await bench.event(actor, OrderAccepted, count=3)
    await bench.send(actor, CancelOrder(account=ME, order_id=OrderId(order(1).order_id)))
    await bench.event(actor, OrderClosed)
    await bench.send(actor, CancelAllOrders(account=ME, instrument_id=ETH))
    closed = await bench.event(actor, OrderClosed, count=3)
    assert {c.status for c in closed} == {"CANCELED"}
    assert bench.exchange.orders("1", active=True) == []


async def test_leverage_is_set_and_confirmed(bench):
    """A change of leverage is answered by the venue's word."""
    actor = await bench.start()
    await bench.send(actor, SetLeverage(account=ME, instrument_id=ETH, leverage=D(25)))
    [answer] = await bench.event(actor, LeverageSet)
    assert answer.leverage == D(25)
    assert bench.exchange.leverage("1", SYMBOL) == D(25)


async def test_an_order_that_the_venue_cannot_express_is_rejected_with_its_words(bench):
    """Off the grid: refused positively, nothing filled."""
    actor = await bench.start()
    await bench.send(actor, order(1, "1.00001"))
    [rejected] = await bench.event(actor, OrderRejected)
    assert rejected.code == "lot"


async def test_exits_overtake_entries_in_the_queue(bench):
    """What waits is sent by urgency, not by arrival."""
    actor = await bench.start(arm=False)
    await until(lambda: actor._ready, "ready")
    await bench.send(actor, order(1), order(2, lane=Lane.HEDGE), order(3, lane=Lane.EXIT))
    await bench.arm(actor)
    await bench.event(actor, OrderClosed, count=3)
    sequence = [e.order_id for e in await bench.events(actor) if e.kind == "OrderSubmitted"]
    assert sequence == [order(3).order_id, order(2).order_id, order(1).order_id]


async def test_an_order_is_sent_though_its_sender_died_while_it_was_written(bench):
    """The caller is cancelled in the middle of the append: what became durable leaves all the same, once."""
    actor = await bench.start()
    message = Message(seq=1, command=SubmitOrder(account=ME, order=order(1)))
    call = asyncio.ensure_future(actor.submit(Envelope(sender="group/g", sender_epoch=1, messages=(message,))))
    await until(lambda: actor.book.order(order(1).order_id) is not None, "the order in the book")
    call.cancel()
    await bench.event(actor, OrderClosed)
    assert bench.orders_at_venue() == 1
