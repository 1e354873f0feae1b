"""Believed against reported position: compared all the time, by two sources of the venue, both numbers shown."""

import asyncio
from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.events import OrderAccepted, OrderClosed, OrderDenied, PositionAdjusted
from strategies.domain.order import Lane, OrderType, Side, TimeInForce
from tests.actors.account.conftest import ETH, order, until
from venues.simulator.in_process import InProcessVenue

D = Decimal
RESTING = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "price": D(2990), "post_only": True}


@pytest.fixture
def asked_says(monkeypatch):
    """Return how to make the venue say something else when it is asked than what it says by itself."""
    real = InProcessVenue.position

    def say(quantity: str | None) -> None:
        async def position(venue, instrument_id):
            told = await real(venue, instrument_id)
            return told if quantity is None else told.model_copy(update={"quantity": D(quantity)})

        monkeypatch.setattr(InProcessVenue, "position", position)

    return say


async def test_a_zero_that_the_stream_does_not_confirm_is_no_zero(bench, asked_says):
    """Said as often as one likes, nobody acts on it: no belief follows, and who decides gets no answer, with words."""
    actor = await bench.start(adjust_confirm_s=0.05, differs_grace_s=0.3, entry_deadline_s=0.5)
    await bench.send(actor, order(1, "5"))
    await bench.event(actor, OrderClosed)
    asked_says("0")
    look = await actor.observe(ETH)
    assert look.position is None
    assert look.problems == ("position: Malformed the venue contradicts itself: asked it says 0, its stream says 5",)
    await until(lambda: actor._lookout.standing.differs != "", "the difference, named")
    reason = (await actor.status()).reason
    assert "our fills say 5 and the venue says 0" in reason
    assert "its stream says 5" in reason
    await bench.send(actor, order(2), order(3, "2", side=Side.SELL, lane=Lane.EXIT, reduce_only=True))
    [denied] = await bench.event(actor, OrderDenied)
    assert "our fills say" in denied.detail
    assert bench.bought() == D(3)
    assert not [event for event in await bench.events(actor) if isinstance(event, PositionAdjusted)]
    asked_says(None)
    await until(lambda: actor._lookout.standing.differs == "", "agreement")
    await bench.send(actor, order(4))
    await bench.event(actor, OrderClosed, count=3)


async def test_a_venue_that_goes_on_contradicting_itself_is_for_a_person(bench, asked_says):
    """It freezes the account with all three numbers; a person's word makes the answer count, stated twice."""
    actor = await bench.start(adjust_confirm_s=0.05, contradiction_s=0.3)
    await bench.send(actor, order(1, "5"))
    await bench.event(actor, OrderClosed)
    asked_says("0")
    await actor.observe(ETH)
    await until(lambda: actor.mode is AccountMode.FROZEN, "the freeze")
    assert (
        actor.book.state.frozen == "the venue contradicts itself: asked it says 0, its stream says 5, our fills say 5"
    )
    assert await actor.release("anna@desk")
    [adjusted] = await bench.event(actor, PositionAdjusted)
    assert (adjusted.before, adjusted.after) == (D(5), D(0))


async def test_a_difference_is_found_while_orders_rest(bench, asked_says):
    """A grid always has orders on the book: entries stop after the grace, belief follows after the longer time."""
    actor = await bench.start(
        adjust_confirm_s=0.05, adjust_resting_s=0.8, differs_grace_s=0.3, reconcile_every_s=0.1, entry_deadline_s=0.1
    )
    await bench.send(actor, order(1, **RESTING))
    await bench.event(actor, OrderAccepted)
    asked_says("7")
    began = asyncio.get_running_loop().time()
    await until(lambda: actor._lookout.standing.differs != "", "the difference, named")
    assert "our fills say 0 and the venue says 7" in (await actor.status()).reason
    await bench.send(actor, order(2))
    [denied] = await bench.event(actor, OrderDenied)
    assert "the venue says 7" in denied.detail
    [adjusted] = await bench.event(actor, PositionAdjusted)
    assert asyncio.get_running_loop().time() - began >= 0.8
    assert (adjusted.before, adjusted.after) == (D(0), D(7))
    assert actor._lookout.standing.differs == ""


async def test_a_statement_that_never_stays_the_same_stops_entries_too(bench, monkeypatch):
    """Five, six, five, six: no two agree, so nothing is believed; and nothing that opens risk leaves either."""
    actor = await bench.start(adjust_confirm_s=0.05, differs_grace_s=0.3, reconcile_every_s=0.05)
    real, asked = InProcessVenue.position, 0

    async def position(venue, instrument_id):
        nonlocal asked
        asked += 1
        return (await real(venue, instrument_id)).model_copy(update={"quantity": D(5 + asked % 2)})

    monkeypatch.setattr(InProcessVenue, "position", position)
    await until(lambda: actor._lookout.standing.differs != "", "the difference, named")
    assert actor.book.believed(ETH) == D(0)
