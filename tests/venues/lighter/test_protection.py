"""What Lighter keeps for us when nobody is there: the dead-man switch, resting stops, and the nonce fence."""

from decimal import Decimal

import pytest

from strategies.domain.ids import ClientOrderId, Timestamp
from strategies.domain.order import Lane, OrderStatus, Side
from tests.venues.lighter.test_trouble import bought, fault, proven
from tests.venues.lighter.wire import ETH, PATIENCE_S, RESTING, desk, wall_now
from venues.errors import OutcomeUnknown, Rejected
from venues.simulator.faults import FaultKind
from venues.simulator.testing import simulation
from venues.venue import Certainty, FillReport, OrderReport

SIX_MINUTES_MS = 360_000
STOP = {
    "side": Side.SELL,
    "reduce_only": True,
    "lane": Lane.EXIT,
    "trigger_price": Decimal(2950),
    "price": Decimal(2900),
}
"""A stop under a long position of 0.1 at 3000."""


async def switch(trader, due_at: Timestamp | None) -> None:
    """Set the dead-man switch, or take it back."""
    write = await trader.venue.prepare_switch(ETH, due_at, Lane.EXIT)
    await (await trader.venue.transmit(write))


async def test_the_switch_is_set_moved_and_taken_back(tmp_path):
    """The venue shows the moment that was asked for, and none after it was taken back."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        due_at = Timestamp(wall_now() + SIX_MINUTES_MS)
        await switch(trader, due_at)
        stated = sim.exchange_lighter.cancel_all_due_at("1")
        # The venue's clock counts: what is set is our moment by its clock.
        assert stated == pytest.approx(due_at, abs=1_000)
        await switch(trader, Timestamp(due_at + 60_000))
        assert sim.exchange_lighter.cancel_all_due_at("1") == pytest.approx(due_at + 60_000, abs=1_000)
        await switch(trader, None)
        assert sim.exchange_lighter.cancel_all_due_at("1") is None


async def test_a_moment_that_is_too_near_is_refused(tmp_path):
    """Less than five minutes ahead: nothing is set, the nonce is kept, and the venue's words are handed on."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        with pytest.raises(Rejected) as caught:
            await switch(trader, Timestamp(wall_now() + 60_000))
        assert caught.value.code == "21714"
        assert not caught.value.stale_nonce
        await trader.place(1)


async def test_a_stop_rests_until_the_price_gets_there(tmp_path):
    """It is shown as an open order of ours that has traded nothing; at its price it closes the position, no more."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.place(1)
        await trader.place(2, **(STOP | {"quantity": Decimal("0.2")}))
        resting = await trader.venue.order(ETH, ClientOrderId(2))
        assert resting is not None
        assert (resting.status, resting.filled) == (OrderStatus.ACCEPTED, Decimal(0))
        assert [row.client_order_id for row in await trader.venue.open_orders(ETH)] == [2]
        await sim.set_price("ETH", Decimal(2960))
        assert (await trader.venue.position(ETH)).quantity == Decimal("0.1")
        await sim.set_price("ETH", Decimal(2949))
        fill = await trader.hear(FillReport, lambda report: report.client_order_id == 2)
        assert (fill.side, fill.quantity) == (Side.SELL, Decimal("0.1"))
        await trader.hear(OrderReport, lambda report: report.client_order_id == 2 and report.status.is_terminal)
        assert (await trader.venue.position(ETH)).quantity == 0


async def test_a_stop_is_cancelled_as_any_order(tmp_path):
    """By its client id; at its price nothing happens any more."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.place(1)
        await trader.place(2, **STOP)
        await (await trader.venue.transmit(await trader.venue.prepare_cancel(ETH, ClientOrderId(2))))
        await trader.hear(OrderReport, lambda report: report.client_order_id == 2 and report.status.is_terminal)
        await sim.set_price("ETH", Decimal(2940))
        assert (await trader.venue.position(ETH)).quantity == Decimal("0.1")


async def test_a_stop_whose_answer_is_lost_is_found(tmp_path):
    """The same proofs hold for it as for every order."""
    async with simulation() as sim, desk(sim, tmp_path, ack_timeout_s=1.0) as trader:
        await trader.place(1)
        sim.faults.add(fault(FaultKind.LOSE_ANSWER))
        write = await trader.prepare(2, **STOP)
        with pytest.raises(OutcomeUnknown):
            await (await trader.venue.transmit(write))
        verdict = await proven(trader, write.identity)
        assert verdict.certainty is Certainty.EXECUTED


async def test_a_fence_ends_a_doubt_at_once(tmp_path):
    """The order never arrived; another harmless write with its nonce is taken, so it never can: no waiting."""
    async with simulation() as sim, desk(sim, tmp_path, nonce_fence=True, lookup_lag_s=PATIENCE_S) as trader:
        sim.faults.add(fault(FaultKind.RESET))
        lost = await trader.prepare(1)
        with pytest.raises(OutcomeUnknown):
            await (await trader.venue.transmit(lost))
        assert (await trader.venue.investigate(lost.identity)).certainty is Certainty.OPEN
        await fence_when_connected(trader, lost.identity)
        verdict = await trader.venue.investigate(lost.identity)
        assert verdict.certainty is Certainty.DEAD
        assert verdict.proof.startswith("nonce-fenced")
        assert not verdict.by_absence
        await trader.place(2, **RESTING)
        assert bought(sim) == []


async def test_without_trust_the_same_fence_proves_nothing(tmp_path):
    """The default: what the venue is not known to do is not relied on, and the look-ups have to say it."""
    async with simulation() as sim, desk(sim, tmp_path, lookup_lag_s=PATIENCE_S) as trader:
        sim.faults.add(fault(FaultKind.RESET))
        lost = await trader.prepare(1)
        with pytest.raises(OutcomeUnknown):
            await (await trader.venue.transmit(lost))
        await fence_when_connected(trader, lost.identity)
        assert (await trader.venue.investigate(lost.identity)).certainty is Certainty.OPEN


async def test_a_nonce_that_is_used_needs_no_fence(tmp_path):
    """The order did happen and only its answer was lost: nothing is sent, and the look-up finds it."""
    async with simulation() as sim, desk(sim, tmp_path, nonce_fence=True, ack_timeout_s=1.0) as trader:
        sim.faults.add(fault(FaultKind.LOSE_ANSWER, body="silent"))
        write = await trader.prepare(1)
        with pytest.raises(OutcomeUnknown):
            await (await trader.venue.transmit(write))
        assert await trader.venue.prepare_fence(write.identity, None, Lane.EXIT) is None
        assert (await proven(trader, write.identity)).certainty is Certainty.EXECUTED


async def fence_when_connected(trader, doubtful) -> None:
    """Send a fence once the order connection, which the fault has cut, is there again."""
    await trader.venue._line._stream.wait_open(PATIENCE_S)
    write = await trader.venue.prepare_fence(doubtful, None, Lane.EXIT)
    assert write is not None
    assert write.identity.nonce == doubtful.nonce
    await (await trader.venue.transmit(write))
