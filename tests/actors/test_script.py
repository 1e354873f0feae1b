"""Orders as awaitables: over a real account actor and a matching core."""

import asyncio
from decimal import Decimal

import pytest

from actors.clock import wall_now
from actors.script import NoPriceError, Trader
from strategies.domain.order import Side
from strategies.tracking import TrackingParams
from tests.actors.test_simple_hedge_in_process import Pair
from tests.actors.triad import ETH, START
from venues.simulator.faults import FaultKind

QUICK = TrackingParams(requote_interval_s=Decimal("0.1"), timeout_s=Decimal(10))


@pytest.fixture
async def pair(tmp_path):
    """Two accounts, no group."""
    pair = Pair(tmp_path)
    await pair.open_venues()
    pair._pump = asyncio.get_running_loop().create_task(pair._advance())
    await pair.start_account("bp")
    yield pair
    await pair.stop()


def trader(pair: Pair, name: str = "test") -> Trader:
    """Return a script's hand on the Backpack account."""
    return Trader(pair.lines["bp"], "bp", ETH, name=name, now=wall_now)


async def test_a_market_order_there_and_back(pair):
    """Buy, see the position, sell reduce-only: each awaited to its end, with price and fee."""
    hand = trader(pair)
    bought = await hand.market(Side.BUY, Decimal("0.5"))
    assert (bought.signed, bought.reason) == (Decimal("0.5"), "")
    assert START < bought.average_price < START * Decimal("1.001")
    assert bought.fees > 0
    assert (await hand.look()).position.quantity == Decimal("0.5")
    sold = await hand.market(Side.SELL, Decimal("0.5"), reduce_only=True)
    assert sold.signed == Decimal("-0.5")
    assert pair.held("bp") == 0
    pair.check_truth()


async def test_a_limit_that_nobody_takes_is_taken_back(pair):
    """A far bid rests, its time is up, it is canceled; nothing rests and nothing was bought."""
    result = await trader(pair).limit(Side.BUY, Decimal("0.5"), START * Decimal("0.98"), wait_s=Decimal("0.2"))
    assert (result.signed, result.reason) == (0, "not filled in time")
    assert pair.resting == 0


async def test_a_tracking_limit_follows_the_book_and_counts_partial_fills_once(pair):
    """The market rises, falls through the bid, and only part of it fills at first: exactly the quantity is bought."""
    work = asyncio.ensure_future(trader(pair).tracking_limit(Decimal("0.5"), QUICK))
    for factor in ("1.001", "1.0015", "1.0005", "0.999", "0.998"):
        await asyncio.sleep(0.25)
        pair.set_price(START * Decimal(factor))
    result = await work
    assert (result.signed, result.reason) == (Decimal("0.5"), "")
    assert len(result.order_ids) > 1
    assert pair.held("bp") == Decimal("0.5")
    assert pair.resting == 0


async def test_a_tracking_limit_gives_up_when_its_time_is_up(pair):
    """Nobody comes: canceled, nothing rests."""
    result = await trader(pair).tracking_limit(Decimal("0.5"), QUICK.model_copy(update={"timeout_s": Decimal("0.3")}))
    assert (result.signed, result.reason) == (0, "not filled in time")
    assert pair.resting == 0


async def test_a_lost_answer_is_awaited_to_its_proof(pair):
    """The answer to the order never comes: the account proves it by the venue, the script buys once."""
    pair.fault_book("bp").add(pair.fault("bp", FaultKind.LOSE_ANSWER, "order", {}))
    result = await trader(pair).market(Side.BUY, Decimal("0.5"))
    assert result.signed == Decimal("0.5")
    assert pair.held("bp") == Decimal("0.5")


async def test_two_lives_of_a_script_never_share_an_id(pair):
    """The second life goes on counting where the account has come: its order is another one."""
    first = await trader(pair).market(Side.BUY, Decimal("0.1"))
    await asyncio.sleep(0.005)
    second = await trader(pair).market(Side.BUY, Decimal("0.1"))
    assert first.order_ids != second.order_ids
    assert pair.held("bp") == Decimal("0.2")


async def test_a_refusal_is_the_result_and_nothing_to_price_by_is_an_error(pair):
    """Less than the minimum is refused with the venue's word; without a quote nothing is ordered."""
    refused = await trader(pair).market(Side.BUY, Decimal("0.0001"))
    assert refused.signed == 0
    assert refused.reason
    pair.fault_book("bp").add(pair.fault("bp", FaultKind.STATUS_BEFORE, "quote", {"status": 500, "count": 20}))
    with pytest.raises(NoPriceError):
        await trader(pair, "other").market(Side.BUY, Decimal("0.1"))
