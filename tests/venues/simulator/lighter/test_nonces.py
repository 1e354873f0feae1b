"""Nonces: strict by one for each key, skips where asked for, consumed by a 200 and by nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from typed_lighter.core.signer.txs.base import Attributes

from strategies.domain.ids import Timestamp
from venues.simulator.catalog import LighterTier
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.nonces import MAX_SKIPPED_NONCE, KeyBook

ACCOUNT, API_KEY = 65, 4
SKIP = Attributes(skip_nonce=1)
AT = Timestamp(1000)


def book(last: int = 7) -> KeyBook:
    """Return a book whose only key has used `last`."""
    keys = KeyBook({ACCOUNT: {API_KEY: "00" * 40}})
    keys.consume(ACCOUNT, API_KEY, last, AT)
    return keys


@pytest.mark.parametrize(
    ("nonce", "skip", "fits"),
    [
        (8, False, True),
        (7, False, False),
        (9, False, False),
        (0, False, False),
        (8, True, True),
        (9, True, True),
        (1_766_000_000_000, True, True),
        (7, True, False),
        (6, True, False),
        (MAX_SKIPPED_NONCE, True, True),
        (MAX_SKIPPED_NONCE + 1, True, False),
    ],
)
def test_which_nonces_fit_after_seven(*, nonce: int, skip: bool, fits: bool):
    """Without a skip only the next one fits; with it any later one up to 2^47 - 1."""
    keys = book()
    if fits:
        keys.check(ACCOUNT, API_KEY, nonce, skip=skip)
    else:
        with pytest.raises(ApiRefusal) as caught:
            keys.check(ACCOUNT, API_KEY, nonce, skip=skip)
        assert caught.value.code is Code.INVALID_NONCE


def test_a_skip_moves_the_baseline():
    """After a skip, plain transactions continue one above the used value."""
    keys = book()
    keys.consume(ACCOUNT, API_KEY, 1_000, AT)
    keys.check(ACCOUNT, API_KEY, 1_001, skip=False)


def test_next_nonce_lags_until_execution():
    """The read API counts a transaction from its execution on, although the next one may be sent before."""
    keys = book()
    keys.consume(ACCOUNT, API_KEY, 8, Timestamp(1300))
    assert keys.next_nonce(ACCOUNT, API_KEY, Timestamp(1299)) == 8
    keys.check(ACCOUNT, API_KEY, 9, skip=False)
    assert keys.next_nonce(ACCOUNT, API_KEY, Timestamp(1300)) == 9


def test_unknown_account_and_key_have_their_codes():
    """No account is 21100, no key on it is 21109."""
    for account, api_key, code in ((99, 4, Code.ACCOUNT_NOT_FOUND), (ACCOUNT, 5, Code.API_KEY_NOT_FOUND)):
        with pytest.raises(ApiRefusal) as caught:
            book().state(account, api_key)
        assert caught.value.code is code


async def shown_nonce(bench: Any) -> int:
    """Ask `nextNonce`."""
    answer = await bench.get("/api/v1/nextNonce", account_index=ACCOUNT, api_key_index=API_KEY)
    return int(answer.json["nonce"])


async def test_a_fresh_key_continues_with_one(bench: Any):
    """Registering the key took nonce 0."""
    assert await shown_nonce(bench) == 1
    keys = await bench.get("/api/v1/apikeys", account_index=ACCOUNT, api_key_index=255)
    assert [row["nonce"] for row in keys.json["api_keys"]] == [1]


CASES: list[tuple[str, Callable[[Any], Any], int, int, bool]] = [
    ("a good order", lambda trader: trader.order(1), 200, 200, True),
    ("a business error", lambda trader: trader.order(1, price=290_000_0), 400, 21734, False),
    ("a wrong nonce", lambda trader: trader.order(5), 400, 21104, False),
    ("an old nonce", lambda trader: trader.order(0), 400, 21104, False),
    ("a taker that the engine cancels", lambda trader: trader.market(1, reduce_only=1), 200, 200, True),
    ("a taker with no margin", lambda trader: trader.market(1, base_amount=10_000_000), 200, 200, True),
    ("an unknown market", lambda trader: trader.order(1, market_index=77), 400, 21602, False),
    ("a skipped nonce", lambda trader: trader.order(500, attributes=SKIP), 200, 200, True),
    ("one that has expired", lambda trader: trader.order(1, expired_at=trader.now() - 1), 400, 21501, False),
]


@pytest.mark.parametrize(("name", "make", "status", "code", "consumed"), CASES, ids=[case[0] for case in CASES])
async def test_what_consumes_a_nonce(
    bench: Any, name: str, make: Callable[[Any], Any], status: int, code: int, *, consumed: bool
):
    """A 200 consumes the nonce, even when the engine then cancels; a refusal leaves it free to be used again."""
    trader = bench.trader()
    signed = make(trader)
    answer = await bench.send(signed)
    assert (answer.status, answer.json["code"]) == (status, code), name
    assert (await shown_nonce(bench) != 1) == consumed
    if not consumed:
        assert (await bench.send(trader.order(1))).status == 200


async def test_expired_before_execution_leaves_no_trace(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Code 200, then ExpiredAt passes inside the delay: nothing is made, the hash is unknown, the nonce stays free."""
    async with serve(build(taker_delay_ms=300)) as bench:
        trader = bench.trader()
        signed = trader.market(1, expired_at=trader.now() + 200)
        assert (await bench.send(signed)).json["code"] == 200
        await bench.tick(400)
        assert (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json["code"] == 21500
        assert await shown_nonce(bench) == 1
        assert bench.exchange.orders("65", active=None) == []
        assert (await bench.send(trader.market(1))).json["code"] == 200


async def test_pipelined_orders_go_through_while_the_shown_nonce_lags(
    build: Callable[..., Any], serve: Callable[[Any], Any]
):
    """On a standard account ten orders may be under way, and `nextNonce` tells of them only when they have run."""
    async with serve(build(taker_delay_ms=300)) as bench:
        trader = bench.trader()
        for nonce in range(1, 11):
            assert (await bench.send(trader.market(nonce))).status == 200
        assert await shown_nonce(bench) == 1
        await bench.tick(300)
        assert await shown_nonce(bench) == 11
        assert len(bench.exchange.trades("65")) == 10


async def test_keys_count_for_themselves(bench: Any):
    """Another account's transactions do not move this one's nonce."""
    assert (await bench.send(bench.trader(66).order(1))).status == 200
    assert await shown_nonce(bench) == 1


async def test_premium_lag_is_none_for_makers(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Without a delay the shown nonce moves at once."""
    async with serve(build(tier=LighterTier.PREMIUM)) as bench:
        assert (await bench.send(bench.trader().order(1))).status == 200
        assert await shown_nonce(bench) == 2
