"""The strategies beside the hedges, each one complete run on Ray against the wire simulators."""

import pytest

from strategies.machine import Outcome
from tests.end_to_end.deployment import Deployment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

MAKERS = ("ladder", "grid", "maker")
TAKERS = ("bp-1", "bp-2")


async def test_five_strategies_trade_to_their_end(tmp_path):
    """Each trades; exit 0; by the exchange flat, nothing resting, every order wanted, none twice."""
    base = "../tests/end_to_end/strategies.toml"
    lighter = dict(enumerate(MAKERS, start=1))
    deployment = Deployment(tmp_path, base=base, lighter=lighter, backpack=TAKERS)
    try:
        await deployment.start("--until-done")
        assert await deployment.wait(200) == 0, deployment.output[-6000:]
    finally:
        await deployment.stop()
    judged = await deployment.judge()
    assert all(judged.orders[account] >= 2 for account in (*MAKERS, *TAKERS)), judged.orders
    assert set(judged.cycles) == {"probe", "smoke", *MAKERS}
    assert judged.filled >= {"bp-1", "bp-2"}, "the diagnostics buy and sell, whatever the market does"
    assert judged.filled & set(MAKERS), "nobody was filled: the market did not move"
    assert Outcome.PARKED not in deployment.output, deployment.output[-6000:]
