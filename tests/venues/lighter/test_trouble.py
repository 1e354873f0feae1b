"""Lost, late, refused and doubtful writes over the wire: what is known is said, and nothing lands twice."""

import asyncio
from decimal import Decimal

import pytest

from strategies.domain.ids import ClientOrderId, Timestamp
from strategies.domain.order import Lane
from tests.venues.lighter.wire import ETH, PATIENCE_S, RESTING, Desk, account_config, desk, venue_config, wall_now
from venues.errors import Malformed, OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.lighter.config import LighterAccountConfig
from venues.lighter.venue import LighterVenue
from venues.simulator.catalog import Delays, LighterTier
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.testing import simulation
from venues.venue import Certainty, FillReport, ForeignWrite, Verdict, WriteIdentity

LINES = ("ws", "http")


async def proven(trader: Desk, write: WriteIdentity) -> Verdict:
    """Ask until the outcome is proven."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                verdict = await trader.venue.investigate(write)
            except Unreachable:
                continue  # nothing was proven; it may be asked again at once
            if verdict.certainty is not Certainty.OPEN:
                return verdict
            await asyncio.sleep(0.05)


def bought(sim) -> list[int | None]:
    """Return the client ids of what account 1 bought, by the simulator's own record."""
    return [trade.taker_client_order_id for trade in sim.exchange_lighter.trades("1")]


def fault(kind: FaultKind, action: str = "order", **fields) -> Fault:
    """Make a fault of account 1."""
    return Fault(kind, "lighter", account="1", action=action, **fields)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "trouble",
    [
        fault(FaultKind.LOSE_ANSWER),
        fault(FaultKind.STATUS_AFTER, status=500),
        fault(FaultKind.STATUS_AFTER, status=502, body="<html>bad gateway</html>"),
        fault(FaultKind.DELAY_ANSWER, delay_ms=3_000),
    ],
    ids=lambda trouble: f"{trouble.kind}-{trouble.status}",
)
async def test_an_order_whose_answer_is_lost_is_proven_to_have_happened(tmp_path, line, trouble):
    """The outcome is unknown, then proven; the next order has the right nonce, and nothing is bought twice."""
    async with (
        simulation() as sim,
        desk(sim, tmp_path, orders_over=line, ack_timeout_s=1.0, read_timeout_s=1.0) as trader,
    ):
        sim.faults.add(trouble)
        write = await trader.prepare(1)
        with pytest.raises(OutcomeUnknown):
            await (await trader.venue.transmit(write))
        assert (await proven(trader, write.identity)).certainty is Certainty.EXECUTED
        await placed_when_connected(trader, 2)
        assert bought(sim) == [1, 2]


async def placed_when_connected(trader: Desk, number: int) -> None:
    """Place an order; wait out a connection that is being made anew, and doubtful writes that arrive after all."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await trader.place(number)
            except Unreachable:
                await asyncio.sleep(0.02)
            except Rejected as refusal:
                if not refusal.stale_nonce:
                    raise
            else:
                return


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.RESET])
async def test_an_order_that_never_arrived_is_proven_dead_by_the_next_one(tmp_path, line, kind):
    """While its nonce is free it may still arrive; once another order has that nonce it never can."""
    async with simulation() as sim, desk(sim, tmp_path, orders_over=line) as trader:
        sim.faults.add(fault(kind))
        lost = await trader.prepare(1)
        with pytest.raises(OutcomeUnknown):
            await (await trader.venue.transmit(lost))
        assert (await trader.venue.investigate(lost.identity)).certainty is Certainty.OPEN
        await placed_when_connected(trader, 2)
        verdict = await proven(trader, lost.identity)
        assert verdict.certainty is Certainty.DEAD
        assert "nonce" in verdict.proof
        assert bought(sim) == [2]


async def test_a_silent_connection_is_a_doubt_after_the_time_out(tmp_path):
    """The socket lives and says nothing; a later answer is not taken for that of another order."""
    async with simulation() as sim, desk(sim, tmp_path, ack_timeout_s=1.0) as trader:
        sim.faults.add(fault(FaultKind.LOSE_ANSWER, body="silent"))
        write = await trader.prepare(1)
        with pytest.raises(OutcomeUnknown, match="no answer"):
            await (await trader.venue.transmit(write))
        await trader.place(2)
        assert (await proven(trader, write.identity)).certainty is Certainty.EXECUTED
        assert trader.venue.status().reconnects == 0


@pytest.mark.parametrize("line", LINES)
async def test_a_refused_order_keeps_its_nonce(tmp_path, line):
    """Not enough margin: nothing happened, and the next order needs no question to the venue."""
    async with simulation() as sim, desk(sim, tmp_path, orders_over=line) as trader:
        with pytest.raises(Rejected) as caught:
            await trader.place(1, **(RESTING | {"quantity": Decimal(5_000)}))
        assert caught.value.code.startswith("21")
        assert not caught.value.stale_nonce
        await trader.place(2)
        assert trader.venue.status().nonce_resyncs == 1
        assert bought(sim) == [2]


async def test_orders_behind_a_refused_one_are_stale_and_go_again(tmp_path):
    """The refusal leaves a hole that those behind it cannot pass; under fresh nonces they land, once."""
    async with simulation(latency_ms=30) as sim, desk(sim, tmp_path) as trader:
        writes = [
            await trader.prepare(1, **(RESTING | {"quantity": Decimal(5_000)})),
            await trader.prepare(2),
            await trader.prepare(3),
        ]
        answers = await asyncio.gather(
            *[await trader.venue.transmit(write) for write in writes], return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [Rejected, Rejected, Rejected]
        assert [answer.stale_nonce for answer in answers] == [False, True, True]
        await trader.place(2)
        await trader.place(3)
        assert bought(sim) == [2, 3]


async def test_a_doubt_drains_what_is_in_flight_before_the_next_write(tmp_path):
    """The connection breaks under three orders: what left is in doubt until proven, and the next writes fit."""
    async with simulation(latency_ms=50) as sim, desk(sim, tmp_path) as trader:
        sim.faults.add(fault(FaultKind.LOSE_ANSWER))
        writes = [await trader.prepare(number) for number in (1, 2, 3)]
        answers = await asyncio.gather(
            *[await trader.venue.transmit(write) for write in writes], return_exceptions=True
        )
        assert isinstance(answers[0], OutcomeUnknown)
        # On a slow machine the connection may break before the last one leaves; then it is known not to have.
        assert {type(answer) for answer in answers} <= {OutcomeUnknown, Unreachable, Rejected}
        for number in (4, 5, 6):
            await placed_when_connected(trader, number)
        executed = [
            write.identity.client_order_id
            for write, answer in zip(writes, answers, strict=True)
            if isinstance(answer, OutcomeUnknown)
            and (await proven(trader, write.identity)).certainty is Certainty.EXECUTED
        ]
        assert sorted(bought(sim)) == sorted([*executed, 4, 5, 6])
        assert trader.all(ForeignWrite) == []


async def test_somebody_elses_use_of_the_key_is_a_stale_nonce_and_is_told(tmp_path):
    """A second program signs with our key: our write is refused, the jump reported, and the next write fits."""
    async with simulation() as sim, desk(sim, tmp_path) as trader, desk(sim, tmp_path) as other:
        await trader.place(1)
        await other.venue.resync()
        other.venue._writes._nonces[other.venue._keys[0]].forget_sync()
        await other.place(2)
        with pytest.raises(Rejected) as caught:
            await trader.place(3)
        assert caught.value.stale_nonce
        await trader.place(3)
        assert (await trader.hear(ForeignWrite)).detail.startswith("key")
        assert bought(sim) == [1, 2, 3]


async def test_a_client_says_up_to_which_nonce_it_can_explain_every_use(tmp_path):
    """After the opening, after a write of its own, and after a stranger's: what a restart holds its journal against."""
    async with simulation() as sim:
        async with desk(sim, tmp_path) as trader:
            [(key, at_first)] = trader.venue.status().nonces.items()
            write = await trader.prepare(1)
            await (await trader.venue.transmit(write))
            assert trader.venue.status().nonces == {key: write.identity.nonce + 1}
        async with desk(sim, tmp_path) as other:
            await other.place(2)
        async with desk(sim, tmp_path) as trader:
            assert trader.venue.status().nonces == {key: at_first + 2}
            assert trader.all(ForeignWrite) == []


async def test_a_discarded_write_leaves_no_hole(tmp_path):
    """Its nonce goes to the next one, without a question; giving it back twice is harmless."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        dropped = await trader.prepare(1)
        trader.venue.discard(dropped)
        trader.venue.discard(dropped)
        await trader.place(2)
        assert trader.venue.status().nonce_resyncs == 1
        assert bought(sim) == [2]


async def test_a_write_above_a_discarded_one_is_not_sent(tmp_path):
    """It could not land; nothing leaves, and it may go again under a fresh nonce."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        first, second = await trader.prepare(1), await trader.prepare(2)
        trader.venue.discard(first)
        with pytest.raises(Rejected) as caught:
            await (await trader.venue.transmit(second))
        assert caught.value.stale_nonce
        await trader.place(3)
        assert bought(sim) == [3]


async def test_a_write_is_never_transmitted_twice(tmp_path):
    """The second call sends nothing."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        write = await trader.prepare(1)
        await (await trader.venue.transmit(write))
        with pytest.raises(Rejected):
            await (await trader.venue.transmit(write))
        assert bought(sim) == [1]


@pytest.mark.parametrize("line", LINES)
async def test_coming_too_often_is_told_and_counted(tmp_path, line):
    """429 did nothing; the nonce is kept, entries are held back, and an exit leaves at its pace."""
    async with simulation() as sim, desk(sim, tmp_path, orders_over=line) as trader:
        sim.faults.add(fault(FaultKind.STATUS_BEFORE, status=429, body='{"code":23000,"message":"Too Many Requests!"}'))
        with pytest.raises(RateLimited) as caught:
            await trader.place(1)
        assert caught.value.retry_after_s > 0
        assert trader.venue.status().rate_limited == 1
        with pytest.raises(RateLimited, match="our own budget"):
            await trader.place(1)
        await trader.place(1, lane=Lane.EXIT)
        assert bought(sim) == [1]


READS = [
    (fault(FaultKind.STATUS_BEFORE, "position", status=500), Unreachable),
    (fault(FaultKind.STATUS_BEFORE, "position", status=200, body="<html>"), Malformed),
    (fault(FaultKind.STATUS_BEFORE, "position", status=200, body='{"code":200,"accounts":[]}'), Malformed),
    (fault(FaultKind.STATUS_BEFORE, "position", status=400, body='{"code":21100,"message":"?"}'), Malformed),
    (fault(FaultKind.STATUS_BEFORE, "position", status=429, body='{"code":23000}'), RateLimited),
    (fault(FaultKind.LOSE_ANSWER, "position"), Unreachable),
]


@pytest.mark.parametrize(("trouble", "error"), READS)
async def test_no_answer_about_a_position_is_not_flat(tmp_path, trouble, error):
    """Every way of not answering raises; the next look is good again."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        await trader.place(1)
        sim.faults.add(trouble)
        with pytest.raises(error):
            await trader.venue.position(ETH)
        sim.faults.clear()
        assert (await trader.venue.position(ETH)).quantity == Decimal("0.1")


async def test_an_order_refused_inside_the_venue_after_its_ack(tmp_path):
    """The answer was good, the order ended at once: the look-up has its end and reason."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        sim.faults.add(fault(FaultKind.REJECT_AFTER_ACCEPT))
        write = await trader.prepare(1)
        await (await trader.venue.transmit(write))
        verdict = await proven(trader, write.identity)
        assert verdict.certainty is Certainty.EXECUTED
        report = await trader.venue.order(ETH, ClientOrderId(1))
        assert report is not None
        assert report.status.is_terminal
        assert report.reason.startswith("canceled-")
        assert report.filled == 0


async def test_a_restart_finds_out_about_the_writes_of_its_earlier_life(tmp_path):
    """One was sent, one only prepared: the first is proven executed, the second dead once its nonce is used."""
    async with simulation() as sim:
        async with desk(sim, tmp_path) as earlier:
            sent = await earlier.prepare(1)
            await (await earlier.venue.transmit(sent))
            never_sent = await earlier.prepare(2)
        venue = LighterVenue(venue_config(sim), account_config(sim, tmp_path), now=wall_now)
        venue.restore([sent.identity, never_sent.identity])
        await venue.open([ETH])
        later = Desk(venue)
        try:
            assert (await proven(later, sent.identity)).certainty is Certainty.EXECUTED
            assert (await venue.investigate(never_sent.identity)).certainty is Certainty.OPEN
            await later.place(3)
            assert (await proven(later, never_sent.identity)).certainty is Certainty.DEAD
            assert bought(sim) == [1, 3]
        finally:
            await later.close()


async def test_a_wrong_key_is_refused_at_the_opening(tmp_path):
    """The venue does not take its token; nothing stays open."""
    async with simulation() as sim:
        good = account_config(sim, tmp_path)
        _, other_key = sim.lighter_key(2)
        (tmp_path / "lighter-1.key").write_text(other_key)
        venue = LighterVenue(venue_config(sim), good, now=wall_now)
        with pytest.raises(Rejected):
            await venue.open([ETH])
        await venue.close()


async def test_a_missing_secret_is_refused_by_its_name(tmp_path):
    """The error names the reference."""
    async with simulation() as sim:
        account = LighterAccountConfig.model_validate(
            {"account_index": 1, "api_keys": [{"index": 4, "secret": f"file:{tmp_path}/none.key"}]}
        )
        venue = LighterVenue(venue_config(sim), account, now=wall_now)
        with pytest.raises(Rejected, match=r"none\.key"):
            await venue.open([ETH])
        await venue.close()


@pytest.mark.parametrize("symbols", [{}, {ETH: "NOPE"}])
async def test_an_instrument_that_lighter_does_not_have_is_refused(tmp_path, symbols):
    """Not in the config, or not in the listing."""
    async with simulation() as sim:
        venue = LighterVenue(venue_config(sim, symbols=symbols), account_config(sim, tmp_path), now=wall_now)
        with pytest.raises(Rejected, match="ETH-PERP"):
            await venue.open([ETH])
        await venue.close()


async def test_a_venue_that_is_down_can_be_opened_later(tmp_path):
    """Unreachable first, then it works; closing twice is fine, and a closed venue answers nothing."""
    async with simulation() as sim:
        venue = LighterVenue(venue_config(sim), account_config(sim, tmp_path), now=wall_now)
        with pytest.raises(Unreachable):
            await venue.position(ETH)
        sim.faults.add(Fault(FaultKind.STATUS_BEFORE, "lighter", action="markets", status=503))
        with pytest.raises(Unreachable):
            await venue.open([ETH])
        await venue.open([ETH])
        assert (await venue.position(ETH)).quantity == 0
        await venue.close()
        await venue.close()
        with pytest.raises(Unreachable):
            await venue.fills(ETH, Timestamp(0))


async def test_a_write_that_a_resync_made_void_does_not_leave(tmp_path):
    """Its nonce belongs to another write now; sending it or giving it back changes nothing."""
    async with simulation() as sim, desk(sim, tmp_path) as trader:
        void = await trader.prepare(1)
        trader.venue._writes._nonces[trader.venue._keys[0]].forget_sync()
        good = await trader.prepare(2)
        assert good.identity.nonce == void.identity.nonce
        with pytest.raises(Rejected) as caught:
            await (await trader.venue.transmit(void))
        assert caught.value.stale_nonce
        trader.venue.discard(void)
        await (await trader.venue.transmit(good))
        assert bought(sim) == [2]


async def test_with_the_venues_delays_the_trailing_nonce_is_not_believed(tmp_path):
    """NextNonce shows a taken transaction only once it ran; asked meanwhile, the answer is waited out."""
    delays = Delays(taker_ms=300, maker_ms=200)
    async with simulation(delays=delays) as sim, desk(sim, tmp_path, nonce_settle_s=0.02) as trader:
        await trader.place(1)
        trader.venue._writes._nonces[trader.venue._keys[0]].forget_sync()
        await trader.place(2)
        await trader.hear(FillReport, lambda fill: fill.client_order_id == 2)
        assert bought(sim) == [1, 2]


@pytest.mark.parametrize("line", LINES)
async def test_with_the_venues_delays_a_lost_answer_is_not_called_dead(tmp_path, line):
    """While the venue has the transaction and has not run it, nothing is proven; then it is executed."""
    delays = Delays(taker_ms=300, maker_ms=200)
    async with simulation(delays=delays) as sim, desk(sim, tmp_path, orders_over=line) as trader:
        sim.faults.add(fault(FaultKind.LOSE_ANSWER))
        write = await trader.prepare(1)
        with pytest.raises(OutcomeUnknown):
            await (await trader.venue.transmit(write))
        assert (await trader.venue.investigate(write.identity)).certainty is not Certainty.DEAD
        assert (await proven(trader, write.identity)).certainty is Certainty.EXECUTED


async def test_a_standard_account_stays_within_its_minute(tmp_path):
    """Sixty requests a minute, orders included: the budget runs out before the venue says so."""
    async with (
        simulation(tier=LighterTier.STANDARD, delays=Delays(taker_ms=0, maker_ms=0)) as sim,
        desk(sim, tmp_path, tier="standard") as trader,
    ):
        asked = 0
        while trader.venue.status().budget_left[Lane.READ] >= 1:
            await trader.venue.position(ETH)
            asked += 1
        assert asked > 15
        while trader.venue.status().budget_left[Lane.EXIT] >= 1:
            asked += 1
            await trader.place(asked, quantity=Decimal("0.01"), lane=Lane.EXIT)
        assert trader.venue.status().rate_limited == 0
        assert asked < 60
