"""What an account reports for people: what was stated when, and nothing that was not."""

from decimal import Decimal

import pytest

from actors.account.standing import Standing
from strategies.domain.account import ReportedPosition
from strategies.domain.events import OrderClosed
from strategies.domain.ids import Timestamp
from tests.actors.account.conftest import ETH, order

D = Decimal


async def test_profit_fees_and_funding_are_reported_once_they_are_known(bench):
    """Before the first look there is no balance; a fill has its fee; the venue states profit and funding."""
    actor = await bench.start()
    before = await actor.status()
    assert (before.balance_at, before.equity, before.liquidating) == (None, None, None)
    assert (before.unrealized, before.funding, before.realized, before.fees) == (0, 0, 0, 0)  # flat, by the venue
    await bench.send(actor, order(1, "2"))
    await bench.event(actor, OrderClosed)
    await actor.observe(ETH)
    after = await actor.status()
    assert after.fees > 0
    assert after.realized == 0
    assert after.unrealized is not None
    assert (after.funding, after.liquidating) == (0, False)
    assert after.balance_at is not None


def position(quantity="2", entry="3000", **changes):
    """Return a statement of a position."""
    return ReportedPosition(quantity=D(quantity), entry_price=D(entry), at=Timestamp(5), **changes)


@pytest.mark.parametrize(
    ("latest", "liquidation", "unrealized"),
    [
        (position(unrealized=D(7)), D(2500), D(7)),  # a stream's word, completed by what was asked for
        (position(), D(2500), D(3)),
        (position("1", unrealized=D(7)), None, D(7)),  # another position: what was asked for is of the past
    ],
)
async def test_what_a_stream_leaves_out_comes_from_the_last_question(latest, liquidation, unrealized):
    """As long as it is the same position."""
    standing = Standing.__new__(Standing)
    standing._asked = position(liquidation_price=D(2500), unrealized=D(3), funding=D("-0.5"))
    standing.reported = latest
    details = standing.details
    assert (details.quantity, details.liquidation_price, details.unrealized) == (
        latest.quantity,
        liquidation,
        unrealized,
    )
    assert details.at == latest.at
