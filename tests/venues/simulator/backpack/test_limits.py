"""The request budget."""

import pytest

from venues.simulator.backpack.errors import ApiError
from venues.simulator.backpack.limits import RequestPool


def test_the_pool_empties_and_fills_again_as_the_minute_slides():
    """As many requests as allowed pass in any minute; the next one passes when the first is a minute old."""
    now = 0.0
    pool = RequestPool(2, lambda: now)
    pool.take()
    now = 30_000.0
    pool.take()
    with pytest.raises(ApiError) as caught:
        pool.take()
    assert (caught.value.status, caught.value.code) == (429, "TOO_MANY_REQUESTS")
    now = 60_000.0
    pool.take()
    with pytest.raises(ApiError):
        pool.take()


async def test_over_the_wire_the_budget_covers_public_and_private_calls(serve):
    """One pool for everything; beyond it stands 429, and nothing is executed."""
    bench = await serve(requests_per_minute=2)
    assert (await bench.public("/api/v1/ping")).status == 200
    assert (await bench.get("/api/v1/capital")).status == 200
    refused = await bench.order()
    assert (refused.status, refused.json["code"]) == (429, "TOO_MANY_REQUESTS")
    assert bench.exchange.trades("a") == []
