"""Transactions through HTTP: what the API refuses, what it takes and the engine then cancels, what it does."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from typed_lighter.core.signer.txs.base import Attributes

from strategies.domain.ids import VenueSymbol
from venues.simulator.catalog import LighterTier
from venues.simulator.faults import FaultKind

ETH = VenueSymbol("ETH")
FIVE_MINUTES_MS = 300_000


async def lookup(bench: Any, index: int, account: int = 65) -> dict[str, Any]:
    """Return the only order with this client index."""
    answer = await bench.get(
        "/api/v1/accountOrders", token=bench.trader(account).token(), client_order_indexes=index, account_index=account
    )
    (order,) = answer.json["orders"]
    return dict(order)


MAKER_REFUSALS: list[tuple[dict[str, int], int]] = [
    ({"base_amount": 10}, 21706),  # 0.001 ETH: below the minimum quantity
    ({"base_amount": 50, "price": 270_000, "client_order_index": 0}, 0),  # 13.5 USD: enough
    ({"price": 1_000}, 21734),
    ({"base_amount": 2_000_000}, 21739),  # 598,000 USD on 10,000 at 20x
    ({"reduce_only": 1}, 21732),
    ({"order_expiry": 1}, 21711),
    ({"type": 4, "time_in_force": 0, "trigger_price": 299_000}, 21710),
    ({"base_amount": 0, "reduce_only": 1}, 21701),
]


@pytest.mark.parametrize(("fields", "code"), MAKER_REFUSALS)
async def test_maker_checks_are_the_apis(bench: Any, fields: dict[str, int], code: int):
    """An order that would rest is refused by the API, with the code of what is wrong, and nothing happens."""
    answer = await bench.send(bench.trader().order(1, **fields))
    assert answer.json["code"] == (code or 200)
    assert answer.status == (400 if code else 200)
    assert len(bench.exchange.orders("65", active=None)) == (0 if code else 1)


async def test_minimums_do_not_bind_takers(bench: Any):
    """A market order below the minimum is taken and filled."""
    assert (await bench.send(bench.trader().market(1, base_amount=1))).status == 200
    assert (await lookup(bench, 1))["status"] == "filled"


ENGINE_ENDS: list[tuple[dict[str, int], str]] = [
    ({"reduce_only": 1}, "canceled-reduce-only"),
    ({"base_amount": 10_000_000}, "canceled-margin-not-allowed"),
    ({"price": 290_000}, "canceled-too-much-slippage"),
]


@pytest.mark.parametrize(("fields", "status"), ENGINE_ENDS)
async def test_takers_end_in_the_engine(bench: Any, fields: dict[str, int], status: str):
    """A market order gets its 200 whatever the engine then thinks of it; only the order and the transaction tell."""
    signed = bench.trader().market(1, **fields)
    assert (await bench.send(signed)).json["code"] == 200
    order = await lookup(bench, 1)
    assert (order["status"], order["filled_base_amount"]) == (status, "0.0000")
    assert order["remaining_base_amount"] == "0.0000"
    transaction = (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json
    assert transaction["status"] in (0, 2)
    assert json.loads(transaction["event_info"])["to"]["st"] >= 4


async def test_a_rejected_taker_is_a_failed_transaction_with_its_reason(bench: Any):
    """The sequencer's refusal is status 0 and an `ae`, and the nonce is gone."""
    signed = bench.trader().market(1, base_amount=10_000_000)
    await bench.send(signed)
    transaction = (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json
    assert transaction["status"] == 0
    assert json.loads(json.loads(transaction["event_info"])["ae"])["code"] == 21739


async def test_partly_filled_taker_is_canceled_with_what_it_got(bench: Any):
    """A taker that runs out of book keeps its fills and ends canceled-not-enough-liquidity."""
    bench.exchange.deposit("65", Decimal(10_000_000), bench.clock())
    bench.exchange.set_depth(ETH, Decimal("0.001"), bench.clock())
    assert (await bench.send(bench.trader().market(1, base_amount=100_000))).status == 200
    order = await lookup(bench, 1)
    assert order["status"] == "canceled-not-enough-liquidity"
    assert Decimal(0) < Decimal(order["filled_base_amount"]) < Decimal(10)


async def test_post_only_that_would_cross_ends_canceled_post_only(bench: Any):
    """The API takes a crossing post-only order; the engine cancels it."""
    assert (await bench.send(bench.trader().order(1, time_in_force=2, price=310_000))).json["code"] == 200
    assert (await lookup(bench, 1))["status"] == "canceled-post-only"


async def test_client_index_is_unique_among_open_orders_and_free_again_afterwards(bench: Any):
    """A second open order under the same index is 21728, in any market; once the first has ended it is free."""
    trader = bench.trader()
    assert (await bench.send(trader.order(1, client_order_index=9))).status == 200
    refused = await bench.send(trader.order(2, client_order_index=9, market_index=2, price=149_000, base_amount=1_000))
    assert refused.json["code"] == 21728
    assert (await bench.send(trader.cancel(2, 9))).status == 200
    assert (await bench.send(trader.order(3, client_order_index=9))).status == 200


async def test_client_index_zero_means_none(bench: Any):
    """Orders without a client index do not collide."""
    trader = bench.trader()
    for nonce in (1, 2):
        assert (await bench.send(trader.order(nonce, client_order_index=0))).status == 200
    assert [row.client_order_id for row in bench.exchange.orders("65", active=True)] == [None, None]


async def test_widest_client_index_works(bench: Any):
    """All 48 bits are usable."""
    widest = 2**48 - 1
    await bench.send(bench.trader().order(1, client_order_index=widest))
    assert (await lookup(bench, widest))["client_order_id"] == str(widest)


async def test_cancel_by_either_index(bench: Any):
    """A cancel names the order by client index or by order index."""
    trader = bench.trader()
    await bench.send(trader.order(1))
    await bench.send(trader.order(2))
    index = (await lookup(bench, 2))["order_index"]
    assert index >= 2**48
    assert (await bench.send(trader.cancel(3, 1))).status == 200
    assert (await bench.send(trader.cancel(4, index))).status == 200
    assert [(await lookup(bench, client))["status"] for client in (1, 2)] == ["canceled", "canceled"]


async def test_cancel_of_what_is_not_there(bench: Any):
    """An unknown order is 21700, an ended one 21709, another market's 21700; no nonce is lost."""
    trader = bench.trader()
    await bench.send(trader.market(1))
    ended = (await lookup(bench, 1))["order_index"]
    for index, market, code in ((777, 0, 21700), (ended, 0, 21709), (ended, 1, 21700), (ended, 99, 21602)):
        assert (await bench.send(trader.cancel(2, index, market_index=market))).json["code"] == code


async def test_another_accounts_order_cannot_be_canceled(bench: Any):
    """An order index of somebody else is unknown."""
    await bench.send(bench.trader(66).order(1))
    index = (await lookup(bench, 1, 66))["order_index"]
    assert (await bench.send(bench.trader().cancel(1, index))).json["code"] == 21700


async def test_a_cancel_that_comes_too_late_fails_in_the_sequencer(
    build: Callable[..., Any], serve: Callable[[Any], Any]
):
    """Within the cancel's delay the order fills: the cancel had its 200, its transaction ends failed with 21709."""
    async with serve(build(cancel_delay_ms=200)) as bench:
        trader = bench.trader()
        await bench.send(trader.order(1))
        signed = trader.cancel(2, 1)
        assert (await bench.send(signed)).status == 200
        assert (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json["status"] == 1
        await bench.price("2900")
        await bench.tick(200)
        assert (await lookup(bench, 1))["status"] == "filled"
        transaction = (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json
        assert transaction["status"] == 0
        assert json.loads(json.loads(transaction["event_info"])["ae"])["code"] == 21709


async def test_cancel_all_now_and_in_one_market(bench: Any):
    """Cancel-all takes everything, or one market's orders with attribute 5; an unknown market is 21619."""
    trader = bench.trader()
    await bench.send(trader.order(1))
    await bench.send(trader.order(2, market_index=2, price=149_000, base_amount=1_000))
    assert (await bench.send(trader.cancel_all(3, market=99))).json["code"] == 21619
    assert (await bench.send(trader.cancel_all(3, market=2))).status == 200
    assert [row.symbol for row in bench.exchange.orders("65", active=True)] == ["ETH"]
    assert (await bench.send(trader.cancel_all(4))).status == 200
    assert bench.exchange.orders("65", active=True) == []


async def test_dead_mans_switch_is_set_shown_taken_back_and_fires(bench: Any):
    """A schedule shows as cancel_all_time, can be aborted, and cancels everything when it is due."""
    trader = bench.trader()

    async def shown() -> int:
        return int((await bench.get("/api/v1/account", by="index", value=65)).json["accounts"][0]["cancel_all_time"])

    assert (await bench.send(trader.cancel_all(1, mode=1, at=bench.clock() + 1_000))).json["code"] == 21714
    due = bench.clock() + FIVE_MINUTES_MS
    assert (await bench.send(trader.cancel_all(1, mode=1, at=due))).status == 200
    assert await shown() == due
    assert (await bench.send(trader.cancel_all(2, mode=2))).status == 200
    assert await shown() == 0
    await bench.send(trader.cancel_all(3, mode=1, at=due))
    await bench.send(trader.order(4))
    await bench.tick(FIVE_MINUTES_MS)
    assert (await lookup(bench, 4))["status"] == "canceled"
    assert await shown() == 0


async def test_leverage_shows_in_percent(bench: Any):
    """500 is 5 percent, 20x; the account shows it before anything was traded; bad ones have their codes."""
    trader = bench.trader()
    assert (await bench.send(trader.leverage(1, 1000))).status == 200
    positions = (await bench.get("/api/v1/account", by="index", value=65)).json["accounts"][0]["positions"]
    assert [(row["symbol"], row["initial_margin_fraction"]) for row in positions] == [("ETH", "10.00")]
    assert bench.exchange.leverage("65", ETH) == 10
    for fraction, mode, market, code in ((100, 0, 0, 21113), (500, 1, 0, 21613), (500, 0, 99, 21602)):
        answer = await bench.send(trader.leverage(2, fraction, mode=mode, market_index=market))
        assert answer.json["code"] == code


async def test_delay_hides_an_order_until_it_runs(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Between the 200 and the taker delay the order is nowhere to be seen, and its transaction is pending."""
    async with serve(build(taker_delay_ms=300)) as bench:
        trader = bench.trader()
        signed = trader.market(1)
        answer = (await bench.send(signed)).json
        assert answer["predicted_execution_time_ms"] == bench.clock() + 300
        found = await bench.get("/api/v1/accountOrders", token=trader.token(), client_order_indexes=1)
        assert found.json["orders"] == []
        assert (await bench.get("/api/v1/accountActiveOrders", token=trader.token())).json["orders"] == []
        assert (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json["status"] == 1
        await bench.tick(300)
        assert (await lookup(bench, 1))["status"] == "filled"
        assert (await bench.get("/api/v1/tx", by="hash", value=signed.tx_hash)).json["status"] == 2


async def test_multipart_is_read_like_urlencoded(bench: Any):
    """Some clients send the form as multipart."""
    signed = bench.trader().order(1)
    answer = await bench.post("/api/v1/sendTx", signed.form, multipart=True)
    assert answer.json["tx_hash"] == signed.tx_hash


@pytest.mark.parametrize("form", [{}, {"tx_type": "14"}, {"tx_info": "{}"}, {"tx_type": "x", "tx_info": "{}"}])
async def test_incomplete_form_is_an_invalid_parameter(bench: Any, form: dict[str, str]):
    """A missing or unreadable field is 20001."""
    assert (await bench.post("/api/v1/sendTx", form)).json["code"] == 20001


async def test_wrong_signatures_are_refused(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """Another key's signature, another chain's and a changed field are 21120; the right one passes."""
    async with serve(build(verify=True)) as bench:
        trader = bench.trader()
        good = trader.order(1)
        stranger = bench.trader(66)
        stranger.key, stranger.signer = trader.key, stranger.signer
        tampered = type(good)(14, good.tx_info.replace('"Price":299000', '"Price":299100'), good.tx_hash)
        elsewhere = bench.trader()
        elsewhere.chain_id = 300
        for signed in (stranger.order(1), tampered, elsewhere.order(1)):
            answer = await bench.send(signed)
            assert (answer.status, answer.json["code"]) == (400, 21120)
        assert (await bench.send(good)).json["code"] == 200


async def test_unknown_account_key_and_hash(bench: Any):
    """An account or key that is not there, and a hash nobody sent, have their codes."""
    trader = bench.trader()
    trader.key = type(trader.key)(99, 4, trader.key.public_key, trader.key.private_key)
    assert (await bench.send(trader.order(1))).json["code"] == 21100
    trader.key = type(trader.key)(65, 5, trader.key.public_key, trader.key.private_key)
    assert (await bench.send(trader.order(1))).json["code"] == 21109
    assert (await bench.get("/api/v1/tx", by="hash", value="00")).json == {
        "code": 21500,
        "message": "transaction not found",
    }


async def batch(bench: Any, *signed: Any, types: list[int] | None = None) -> Any:
    """Send a batch."""
    form = {
        "tx_types": json.dumps(types if types is not None else [each.tx_type for each in signed]),
        "tx_infos": json.dumps([each.tx_info for each in signed]),
    }
    return await bench.post("/api/v1/sendTxBatch", form)


async def test_batch_runs_back_to_back(bench: Any):
    """A batch answers a list of hashes, and each transaction has its row."""
    trader = bench.trader()
    signed = [trader.order(1), trader.order(2), trader.cancel(3, 1)]
    answer = await batch(bench, *signed)
    assert answer.json["tx_hash"] == [each.tx_hash for each in signed]
    assert [row.client_order_id for row in bench.exchange.orders("65", active=True)] == [2]
    listed = await bench.get("/api/v1/accountTxs", token=trader.token(), by="account_index", value=65, limit=10)
    assert [row["hash"] for row in listed.json["txs"]] == [each.tx_hash for each in signed]


async def test_batch_refusals(bench: Any):
    """Mixed accounts, nonces that do not rise, gaps, uneven lists and too many are refused whole."""
    one, two = bench.trader(), bench.trader(66)
    orders = [one.order(nonce) for nonce in range(1, 52)]
    assert (await batch(bench, one.order(1), two.order(1))).json["code"] == 21121
    assert (await batch(bench, one.order(1), one.order(1))).json["code"] == 21105
    assert (await batch(bench, one.order(1), one.order(3))).json["code"] == 21104
    assert (await batch(bench, one.order(2))).json["code"] == 21104
    assert (await batch(bench, one.order(1), types=[14, 14])).json["code"] == 21513
    assert (await batch(bench)).json["code"] == 21513
    assert (await batch(bench, *orders)).json["code"] == 21514
    assert (await batch(bench, one.order(1), one.order(2, price=1_000))).json["code"] == 21734
    assert bench.exchange.orders("65", active=None) == []
    skipped = one.order(9, attributes=Attributes(skip_nonce=1))
    assert (await batch(bench, one.order(1), skipped)).status == 200


async def test_later_failure_in_a_batch_is_the_sequencers(bench: Any):
    """What only fails because of an earlier one of the batch consumes its nonce and tells its reason."""
    trader = bench.trader()
    signed = [trader.order(1, client_order_index=5), trader.order(2, client_order_index=5)]
    assert (await batch(bench, *signed)).status == 200
    transaction = (await bench.get("/api/v1/tx", by="hash", value=signed[1].tx_hash)).json
    assert transaction["status"] == 0
    assert json.loads(json.loads(transaction["event_info"])["ae"])["code"] == 21728
    assert (await bench.send(trader.order(3))).status == 200


async def test_premium_tells_its_volume_quota(build: Callable[..., Any], serve: Callable[[Any], Any]):
    """A premium answer names what is left: one transaction in fifteen seconds is free, single cancels always are."""
    async with serve(build(tier=LighterTier.PREMIUM)) as bench:
        trader = bench.trader()
        answers = [
            (await bench.send(signed)).json for signed in (trader.order(1), trader.order(2), trader.cancel(3, 1))
        ]
        assert [answer["volume_quota_remaining"] for answer in answers] == [1000, 999, 999]
        assert json.loads(answers[1]["message"]) == {"ratelimit": "999 volume quota remaining."}
        assert json.loads(answers[2]["message"]) == {"ratelimit": "didn't use volume quota"}


async def test_injected_partial_fill_and_late_rejection(bench: Any):
    """The engine's faults reach orders that come over the wire."""
    trader = bench.trader()
    bench.fault(FaultKind.PARTIAL_FILL, "order", fraction=Decimal("0.3"))
    await bench.send(trader.market(1))
    assert (await lookup(bench, 1))["filled_base_amount"] == "0.0030"
    bench.fault(FaultKind.REJECT_AFTER_ACCEPT, "order")
    assert (await bench.send(trader.market(2))).json["code"] == 200
    assert (await lookup(bench, 2))["status"] == "canceled-not-enough-liquidity"
