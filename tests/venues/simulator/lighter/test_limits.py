"""Rate limits by tier, and the stream's own."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from strategies.domain.ids import Timestamp
from venues.simulator.catalog import LighterTier
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.limits import MAX_SOCKET_MESSAGES_PER_MINUTE, RateLimiter, Tier, VolumeQuota

BOOKS = "/api/v1/orderBooks"
TRADES = "/api/v1/recentTrades"


def spend(limiter: RateLimiter, path: str, at: int, source: str = "a") -> int:
    """Call until refused; return how often it passed."""
    for passed in count():
        try:
            limiter.request(source, path, Timestamp(at))
        except ApiRefusal:
            return passed
    raise AssertionError("unreachable: count() has no end")


@pytest.mark.parametrize(
    ("tier", "path", "passes"),
    [
        (Tier.STANDARD, BOOKS, 60),
        (Tier.STANDARD, TRADES, 60),
        (Tier.PREMIUM, BOOKS, 80),
        (Tier.PREMIUM, TRADES, 40),
        (Tier.PREMIUM, "/api/v1/nextNonce", 4_000),
        (Tier.PREMIUM, "/api/v1/apikeys", 160),
        (Tier.PREMIUM, "/api/v1/accountInactiveOrders", 240),
        (Tier.PLUS, BOOKS, 400),
    ],
)
def test_what_a_minute_allows(tier: Tier, path: str, passes: int):
    """Standard counts calls, the others weights."""
    assert spend(RateLimiter(tier), path, 0) == passes


def test_the_minute_rolls():
    """What was spent is back a minute later, not at the next full minute."""
    limiter = RateLimiter(Tier.STANDARD)
    for second in range(60):
        limiter.request("a", BOOKS, Timestamp(second * 500))
    assert spend(limiter, BOOKS, 59_999) == 0
    assert spend(limiter, BOOKS, 60_000) == 1
    assert spend(limiter, BOOKS, 60_500) == 1


def test_sources_do_not_share():
    """One account's calls are not another's."""
    limiter = RateLimiter(Tier.STANDARD)
    assert spend(limiter, BOOKS, 0) == 60
    assert spend(limiter, BOOKS, 0, source="b") == 60


def test_transactions_share_the_standard_budget_and_have_their_own_elsewhere():
    """Standard: 60 of both together. Premium: 4,000 transactions beside the reads."""
    standard, premium = RateLimiter(Tier.STANDARD), RateLimiter(Tier.PREMIUM)
    standard.transactions("a", 50, Timestamp(0))
    assert spend(standard, BOOKS, 0) == 10
    premium.transactions("a", 4_000, Timestamp(0))
    with pytest.raises(ApiRefusal) as caught:
        premium.transactions("a", 1, Timestamp(0))
    assert caught.value.code is Code.TOO_MANY_REQUESTS
    assert spend(premium, BOOKS, 0) == 80


def test_unlimited_is_unlimited():
    """The simulator's own tier counts nothing."""
    limiter = RateLimiter(Tier.UNLIMITED)
    limiter.transactions("a", 10**9, Timestamp(0))
    for _ in range(1_000):
        limiter.request("a", BOOKS, Timestamp(0))


def test_volume_quota():
    """A thousand to start with, one free in fifteen seconds, one more for five traded dollars."""
    quota = VolumeQuota(remaining=1)
    assert quota.allows(2, Timestamp(0))
    quota.take(2, Timestamp(0))
    assert not quota.allows(1, Timestamp(14_999))
    assert quota.allows(1, Timestamp(15_000))
    quota.earn(14)
    assert quota.remaining == 2


async def test_sixty_first_call_is_429(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """HTTP 429, code 23000, and the order that was refused did nothing."""
    async with serve(build(tier=LighterTier.STANDARD)) as bench:
        trader = bench.trader()
        for nonce in range(1, 61):
            assert (await bench.send(trader.order(nonce, client_order_index=0))).status == 200
        refused = await bench.send(trader.order(61))
        assert (refused.status, refused.json) == (429, {"code": 23000, "message": "Too Many Requests!"})
        assert (await bench.get("/api/v1/account", by="index", value=65)).status == 429
        assert (await bench.get("/api/v1/account", by="index", value=66)).status == 200
        bench.clock.ms += 60_000
        assert (await bench.send(trader.order(61, client_order_index=0))).status == 200


async def test_socket_messages_are_counted_and_transactions_are_not(
    build: Callable[..., Any], serve: Callable[[Any], Any]
):
    """The 201st message of a minute is answered 30009; sendTx frames have their own budget."""
    async with serve(build(tier=LighterTier.PREMIUM)) as bench, bench.stream() as stream:
        for _ in range(MAX_SOCKET_MESSAGES_PER_MINUTE):
            await stream.say(type="ping")
            assert (await stream.next())["type"] == "pong"
        await stream.say(type="ping")
        assert (await stream.next())["error"]["code"] == 30009
        await stream.say(**bench.trader().order(1).frame("1"))
        assert (await stream.next())["code"] == 200


async def test_account_limits_name_the_tier(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Some clients decide about fees by it."""
    async with serve(build(tier=LighterTier.PREMIUM)) as bench:
        limits = (await bench.get("/api/v1/accountLimits", token=bench.trader().token(), account_index=65)).json
        assert (limits["user_tier"], limits["current_taker_fee_tick"], limits["current_maker_fee_tick"]) == (
            "premium",
            280,
            40,
        )
