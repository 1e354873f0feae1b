"""What an account leaves at its venue: there when it is asked for, moved with the position, never twice, taken back."""

from decimal import Decimal

from actors.account.protection import SWITCH_MIN_S, Protection
from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelAllOrders
from strategies.domain.events import Filled, OrderClosed, OrderOutcomeUnknown
from strategies.domain.ids import AccountId
from strategies.domain.order import Lane, Side
from tests.actors.account.conftest import ETH, SYMBOL, order, until
from venues.simulator.faults import Fault, FaultKind
from venues.venue import WriteKind

QUICK = {"guard_every_s": 0.02, "guard_settle_s": 0.1, "guard_retry_s": 0.3, "resolve_every_s": 0.02}
STOPS = Protection(stop_distance=Decimal("0.02"))
SWITCH = Protection(cancel_all_after_s=SWITCH_MIN_S)


def resting(bench) -> list[tuple[Side, Decimal, Decimal | None]]:
    """Return the stops that stand at the venue, by its own word."""
    return [(row.side, row.remaining, row.trigger_price) for row in bench.exchange.orders("1", active=True)]


def writes(bench, kind: WriteKind) -> int:
    """Return how many writes of a kind have reached the venue."""
    return sum(arrival.write.kind is kind for arrival in bench.floor.arrivals)


async def test_nothing_is_left_at_the_venue_unless_it_is_asked_for(bench):
    """The default: an account with a position has no order there, and no switch."""
    actor = await bench.start(**QUICK)
    await bench.send(actor, order(1))
    await bench.event(actor, OrderClosed)
    assert not actor._guard.is_needed
    assert resting(bench) == []
    assert bench.exchange.cancel_all_due_at("1") is None


async def test_a_position_gets_a_stop_that_moves_with_it(bench):
    """Long: below the entry, for all of it; twice as much: one stop for both; the group is told of none in flight."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    ((side, quantity, trigger),) = resting(bench)
    assert (side, quantity) == (Side.SELL, 1)
    assert Decimal(2930) < trigger < Decimal(2950)
    await bench.send(actor, order(2))
    await until(lambda: [each[1] for each in resting(bench)] == [2], "the stop for both")
    look = await actor.observe(ETH)
    assert (look.in_flight, look.position.quantity) == (0, 2)
    assert actor.book.settled(ETH)
    await until(lambda: "stop: SELL 2" in str(actor._guard.words()), "the words")


async def test_a_short_position_gets_its_stop_above(bench):
    """The losing side of a short position is up."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1, side=Side.SELL))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    ((side, quantity, trigger),) = resting(bench)
    assert (side, quantity) == (Side.BUY, 1)
    assert Decimal(3050) < trigger < Decimal(3070)


async def test_a_closed_position_takes_its_stop_along(bench):
    """Flat: the stop is cancelled, and no other one is put there."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    await bench.send(actor, order(2, side=Side.SELL, reduce_only=True, lane=Lane.EXIT))
    await until(lambda: resting(bench) == [] and not actor.book.stops(), "the stop's end")
    assert writes(bench, WriteKind.ORDER) == 3


async def test_a_stop_that_runs_is_told_as_a_fill_of_the_account(bench):
    """The price gets there: the position is closed, the fill is ours, nothing is frozen, nothing is put there anew."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: bool(actor.book.stops()) and len(resting(bench)) == 1, "the stop")
    bench.exchange.set_price(SYMBOL, Decimal(2900), bench.now())
    bench.floor.pump()
    fills = await bench.event(actor, Filled, 2)
    assert fills[-1].fill.side is Side.SELL
    assert fills[-1].fill.order_id.startswith("~")
    assert not fills[-1].fill.order_id.startswith("g:")
    await bench.event(actor, OrderClosed, 2)
    assert bench.bought() == 0
    assert actor.mode is AccountMode.ARMED


async def test_a_successor_adopts_the_stop(bench):
    """Killed and started again: the stop that stands there is known, none is added, and it still follows."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    await bench.kill(actor)
    successor = await bench.start(protection=STOPS, **QUICK)
    assert len(successor.book.stops()) == 1
    await bench.send(successor, order(2))
    await until(lambda: [each[1] for each in resting(bench)] == [2], "the moved stop")
    # Two entries, one stop for each size.
    assert writes(bench, WriteKind.ORDER) == 4


async def test_a_stop_decided_and_not_sent_leaves_in_the_next_life_once(bench):
    """Killed between the journal and the wire: the successor sends that one, and no second."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await bench.event(actor, OrderClosed)
    await actor.disarm("held back")
    await actor._ledger.commit(
        lambda book: book.decide_own_order(
            lambda order_id: order(9, side=Side.SELL, reduce_only=True, lane=Lane.EXIT, price=Decimal(2850)).model_copy(
                update={"order_id": order_id, "trigger_price": Decimal("2940.00")}
            ),
            bench.now(),
        )
    )
    await bench.kill(actor)
    successor = await bench.start(protection=STOPS, **QUICK)
    await until(lambda: len(resting(bench)) == 1, "the stop")
    await until(lambda: successor._guard.problem == "", "peace")
    assert len(resting(bench)) == 1
    assert writes(bench, WriteKind.ORDER) == 2


async def test_a_stop_whose_answer_is_lost_is_not_put_there_twice(bench):
    """In doubt it counts as being there, until it is proven."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await bench.event(actor, OrderClosed)
    bench.floor.faults.add(Fault(FaultKind.LOSE_ANSWER, "lighter", "1", "order"))
    bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:orders"))
    await bench.event(actor, OrderOutcomeUnknown)
    await until(lambda: [r.doubt_since for r in actor.book.stops()] == [None], "the proof")
    assert len(resting(bench)) == 1
    assert writes(bench, WriteKind.ORDER) == 2


async def test_a_price_beyond_the_stop_is_named(bench):
    """A stop that would run at once is not put there: what to do about the loss is the group's decision."""
    actor = await bench.start(protection=STOPS, **(QUICK | {"guard_settle_s": 60.0}))
    await bench.send(actor, order(1))
    await bench.event(actor, OrderClosed)
    bench.exchange.set_price(SYMBOL, Decimal(2900), bench.now())
    actor._guard._quiet_since = 0.0
    await until(lambda: "right side" in actor._guard.problem, "the problem")
    assert "right side" in str((await actor.status()).protection)
    assert resting(bench) == []


async def test_a_position_without_an_entry_price_keeps_what_it_has(bench):
    """Found by two statements, not bought: no stop can be reckoned; that is said, and one that stands there stays."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    held = actor.book.state.positions[ETH]
    actor.book.state.positions[ETH] = held.model_copy(update={"quantity": Decimal(2), "entry_price": Decimal(0)})
    await until(lambda: "entry price is not known" in actor._guard.problem, "the problem")
    assert len(resting(bench)) == 1


async def test_a_stop_that_is_no_longer_wished_for_is_taken_away(bench):
    """The settings changed: the next life cancels what the earlier one left."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    await bench.kill(actor)
    successor = await bench.start(**QUICK)
    await until(lambda: resting(bench) == [] and not successor.book.stops(), "the stop's end")
    assert bench.bought() == 1


async def test_cancel_all_takes_the_stop_and_it_comes_back_when_all_is_quiet(bench):
    """Whoever cancels everything gets that; a position that stays is protected again a little later."""
    actor = await bench.start(protection=STOPS, **(QUICK | {"guard_retry_s": 1.0}))
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    await bench.send(actor, CancelAllOrders(account=AccountId("l1"), instrument_id=ETH))
    await until(lambda: resting(bench) == [], "the cancel")
    await until(lambda: len(resting(bench)) == 1, "the new stop")


async def test_the_switch_is_kept_alive_and_taken_back_at_a_clean_end(bench):
    """Set at the start, set anew long before it is due, and gone when the account ends by itself."""
    actor = await bench.start(protection=SWITCH, **QUICK)
    await until(lambda: bench.exchange.cancel_all_due_at("1") is not None, "the switch")
    first = bench.exchange.cancel_all_due_at("1")
    assert first >= bench.now() + 350_000
    # A third of its time later.
    await until(lambda: actor.book.state.switch_due_at == first, "the answer")
    actor.book.state.switch_due_at = bench.now() + 239_000
    await until(lambda: bench.exchange.cancel_all_due_at("1") > first, "the renewal")
    assert any("unless it is renewed" in words for words in (await actor.status()).protection)
    await actor.stop()
    assert bench.exchange.cancel_all_due_at("1") is None


async def test_a_killed_account_leaves_the_switch_to_do_its_work(bench):
    """Nobody renews it: when it is due, the venue cancels what rests."""
    actor = await bench.start(protection=SWITCH, **QUICK)
    await until(lambda: actor.book.state.switch_due_at is not None, "the switch")
    await bench.kill(actor)
    due_at = bench.exchange.cancel_all_due_at("1")
    assert due_at is not None
    bench.exchange.advance(due_at)
    assert bench.exchange.cancel_all_due_at("1") is None


async def test_a_switch_that_is_refused_is_tried_again_and_named(bench):
    """A venue that does not take it is asked again, at a pace; meanwhile the status says that it is not set."""
    bench.floor.faults.add(Fault(FaultKind.LOSE_ANSWER, "lighter", "1", "switch"))
    actor = await bench.start(protection=SWITCH, **QUICK)
    assert "not set yet" in str((await actor.status()).protection)
    await until(lambda: actor.book.state.switch_due_at is not None, "the second attempt")
    assert writes(bench, WriteKind.SWITCH) == 2


async def test_a_clean_end_with_a_position_leaves_its_stop(bench):
    """A position that stays open stays protected."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    await actor.stop()
    assert len(resting(bench)) == 1


async def test_a_clean_end_without_a_position_leaves_nothing(bench):
    """Flat, and ended before the stop's cancel was decided: it is taken back all the same."""
    actor = await bench.start(protection=STOPS, **QUICK)
    await bench.send(actor, order(1))
    await until(lambda: len(resting(bench)) == 1, "the stop")
    actor._guard._mode = lambda: AccountMode.DISARMED  # the guard sleeps
    await bench.send(actor, order(2, side=Side.SELL, reduce_only=True, lane=Lane.EXIT))
    await bench.event(actor, OrderClosed)
    await until(lambda: actor.book.believed(ETH) == 0, "flat")
    assert len(resting(bench)) == 1
    await actor.stop()
    assert resting(bench) == []
