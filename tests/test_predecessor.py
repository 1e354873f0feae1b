"""What the predecessor did wrong, below its strategy; and the whole table of its defects, each with its test by name.

Those of the strategy are in `tests/strategies/liquidation_hedge/test_predecessor.py`.
"""

from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from actors.account.entries import ClientIds
from actors.meter import Meter
from actors.telemetry.client import HeartbeatClient, UndeliveredError
from strategies.domain.events import OrderAccepted, OrderClosed
from strategies.domain.order import OrderType, Side, TimeInForce
from tests.actors.account.conftest import ETH, Bench, order
from tests.strategies.liquidation_hedge import test_predecessor as strategy
from venues.lighter.signing import MarketScale
from venues.simulator.faults import Fault, FaultKind

D = Decimal


@pytest.fixture
async def bench(tmp_path):
    """A floor and one account, ended with the test."""
    bench = Bench(tmp_path)
    yield bench
    for actor in bench.lives:
        await actor.stop()


async def test_a_silent_stream_that_bought_three_times(bench):
    """No channel of the account says a word, and the answer is lost too: one order, found by asking for it."""
    actor = await bench.start()
    for channel in ("orders", "fills", "positions"):
        bench.floor.faults.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action=f"stream:{channel}"))
    bench.floor.faults.add(Fault(FaultKind.LOSE_ANSWER, "lighter", action="order"))
    await bench.send(actor, order(1))
    [closed] = await bench.event(actor, OrderClosed)
    assert (closed.filled, bench.bought(), bench.orders_at_venue()) == (D(1), D(1), 1)


async def test_nothing_kept_across_a_restart(bench):
    """Killed with a position and an order at rest: the next life knows both, and neither is bought again."""
    actor = await bench.start()
    rest = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "price": D(2990), "post_only": True}
    await bench.send(actor, order(1), order(2, side=Side.BUY, **rest))
    await bench.event(actor, OrderClosed)
    await bench.event(actor, OrderAccepted, count=2)
    await bench.kill(actor)
    actor = await bench.start()
    assert actor.book.believed(ETH) == D(1)
    assert [record.request.order_id for record in actor.book.in_flight()] == [order(2).order_id]
    assert (bench.bought(), bench.orders_at_venue()) == (D(1), 2)


@pytest.mark.parametrize("bits", [32, 48])
def test_ids_that_wrapped_every_49_days(bits):
    """Client ids are counted in the journal, not read from a clock: around the wrap none comes twice, none is zero."""
    ids = ClientIds(first=(1 << bits) - 3, bits=bits, count=1_000)
    used = [ids.at(index) for index in range(1_000)]
    assert len(set(used)) == len(used)
    assert 0 not in used
    assert max(used) < 1 << bits
    assert all(ids.owns(each) for each in used)
    assert not ids.owns(ids.at(1_000))


def test_a_price_scale_guessed_from_text():
    """4000.50 and 4000.5 are one price: the scale is the market's, whatever the text looks like."""
    scale = MarketScale(market_index=0, price_decimals=2, size_decimals=4)
    assert scale.price_units(D("4000.50")) == scale.price_units(D("4000.5")) == scale.price_units(D("4000.5000"))
    assert scale.price_units(D("4000.50")) == 400_050
    assert scale.size_units(D("0.10")) == scale.size_units(D("0.1")) == 1_000


class DeadListener:
    """Takes nothing."""

    async def deliver(self, _beats) -> None:
        """Fail."""
        raise UndeliveredError("nobody listens")

    async def close(self) -> None:
        """Have nothing to close."""


async def test_telemetry_failures_at_debug_level():
    """The first failure is a warning and is counted; nobody has to turn debugging on to learn of it."""
    meter = Meter()
    client = HeartbeatClient(DeadListener(), list, 60.0, meter)
    with capture_logs() as lines:
        await client.send()
    assert [(line["event"], line["log_level"]) for line in lines] == [("telemetry_failed", "warning")]
    assert meter.counters["telemetry_failures"] == 1


TABLE = {
    "one lost answer bought twice": strategy.test_one_lost_answer_bought_twice,
    "a silent stream bought three times": test_a_silent_stream_that_bought_three_times,
    "a time-out read as a failure": strategy.test_a_time_out_read_as_a_failure,
    "an unknown fill replaced by the wished quantity": strategy.test_the_wished_quantity_taken_for_the_filled_one,
    "HTTP 500 read as zero, zero as liquidated": strategy.test_an_http_500_read_as_zero_and_zero_read_as_liquidated,
    "a rebalance below the minimum for ever": strategy.test_a_rebalance_below_the_minimum_that_traded_for_ever,
    "a late fill left naked": strategy.test_a_first_leg_flattened_while_the_late_fill_of_the_second_stayed_naked,
    "venues unwound one after another": strategy.test_venues_unwound_one_after_another,
    "nothing kept across a restart": test_nothing_kept_across_a_restart,
    "ids that wrap every 49.7 days": test_ids_that_wrapped_every_49_days,
    "price scale guessed from text": test_a_price_scale_guessed_from_text,
    "max_cycles = 5 that runs one cycle": strategy.test_five_cycles_that_were_one,
    "telemetry failures at debug level": test_telemetry_failures_at_debug_level,
}
"""The predecessor's defects, in the order in which they were found; a name that is gone fails the import."""


def test_every_defect_of_the_table_has_its_own_test():
    """Thirteen defects, thirteen tests, and each says in a sentence what holds now."""
    assert len(set(TABLE.values())) == len(TABLE) == 13
    assert all(test.__doc__ for test in TABLE.values())
