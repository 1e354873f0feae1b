"""typed-lighter, with its strict validation of every answer and frame on: the best judge of field sets there is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from typed_core.exceptions import BadRequest
from typed_lighter import Lighter

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.position import FillCause

ETH = VenueSymbol("ETH")
HOUR_MS = 3_600_000
ORDER = {"order_type": "limit", "market_index": 0, "base_amount": 100, "is_ask": False}


@pytest.fixture
async def venue(build: Callable[..., Any], serve: Callable[[Any], Any]) -> AsyncIterator[Any]:
    """Serve a verifying venue whose other account has some history too."""
    async with serve(build(verify=True)) as bench:
        yield bench


@pytest.fixture
async def client(venue: Any) -> AsyncIterator[Any]:
    """Open a client with one API key."""
    key = venue.keys[65]
    lighter = Lighter.new(
        account_index=65, api_keys={4: key.private_key}, api_url=venue.url, ws_url=venue.ws_url, validate=True
    )
    async with lighter:
        yield lighter


@asynccontextmanager
async def following(manager: Any) -> AsyncIterator[Any]:
    """Subscribe; the first frame that the iterator gives is the snapshot."""
    async with manager as stream:
        yield aiter(stream)


async def trade(client: Any, index: int, *, is_ask: bool = False, transport: str = "http") -> dict[str, Any]:
    """Send a market order."""
    order = {
        "order_type": "market",
        "market_index": 0,
        "client_order_index": index,
        "base_amount": 100,
        "is_ask": is_ask,
        "price": 280_000 if is_ask else 320_000,
    }
    return dict(await client.tx.create_order(order, transport=transport))


async def test_orders_over_both_transports(client: Any):
    """Create, look up, list, cancel: over HTTP and over the stream."""
    for index, transport in ((1, "http"), (2, "ws")):
        answer = await client.tx.create_order(
            {**ORDER, "client_order_index": index, "price": 299_000, "time_in_force": "post-only"},
            transport=transport,
        )
        assert answer["code"] == 200
    active = await client.api.account.orders.active(account_index=65)
    assert [order["client_order_index"] for order in active["orders"]] == [1, 2]
    await client.tx.cancel_order(market_index=0, order_index=1, transport="ws")
    await client.tx.cancel_all_orders({"mode": "immediate"})
    found = await client.api.account.orders.by_client_index([1, 2, 3], account_index=65)
    assert [order["status"] for order in found["orders"]] == ["canceled", "canceled"]
    inactive = await client.api.account.orders.inactive(account_index=65, limit=10)
    assert len(inactive["orders"]) == 2


async def test_refusal_over_the_stream_carries_its_id_and_code(client: Any):
    """An error frame is matched to its request, and the nonce is reused."""
    with pytest.raises(BadRequest) as caught:
        await client.tx.create_order(
            {**ORDER, "client_order_index": 1, "price": 1_000, "time_in_force": "post-only"}, transport="ws"
        )
    assert caught.value.args[0] == 21734
    assert (await trade(client, 1, transport="ws"))["code"] == 200


async def test_batch_over_both_transports(client: Any):
    """Signed apart, sent together."""
    for transport, first in (("http", 1), ("ws", 3)):
        signed = [
            client.signer.cancel_all_orders({"mode": "immediate"}, api_key_index=4, nonce=nonce)
            for nonce in (first, first + 1)
        ]
        answer = await client.tx.batch(signed, transport=transport)
        assert answer["tx_hash"] == [each.tx_hash for each in signed]


async def test_market_data_validates(client: Any):
    """Every public call has the field set the library demands."""
    markets = client.api.markets
    await trade(client, 1)
    assert [row["symbol"] for row in (await markets.order_books())["order_books"]] == ["ETH", "BTC", "SOL"]
    details = await markets.order_book_details()
    assert details["order_book_details"][0]["default_initial_margin_fraction"] == 500
    assert (await markets.order_book_details(filter="perp"))["spot_order_book_details"] is None
    assert (await markets.order_book_details(filter="spot"))["order_book_details"] is None
    book = await markets.order_book_orders(market_id=0, limit=5)
    assert (book["total_asks"], book["total_bids"]) == (5, 5)
    assert len((await markets.recent_trades(market_id=0, limit=10))["trades"]) == 1
    assert len((await markets.funding_rates())["funding_rates"]) == 3
    assert (await markets.exchange_stats())["daily_trades_count"] == 1
    now = datetime.now(UTC)
    rows = await markets.fundings(
        market_id=0, resolution="1h", start_timestamp=now - timedelta(days=1), end_timestamp=now, count_back=5
    )
    assert rows["fundings"] == []
    assert (await client.api.system.status())["status"] == 200
    await client.api.system.info()


async def history(client: Any, venue: Any) -> None:
    """Give the account a fill, funding, and a liquidation."""
    await trade(client, 1)
    venue.exchange.set_funding_rate(ETH, Decimal("0.0001"))
    for hour in (1, 2):
        venue.exchange.advance(venue.clock(), Timestamp(venue.clock() + hour * HOUR_MS))
    venue.exchange.liquidate("65", ETH, cause=FillCause.LIQUIDATION, fraction=Decimal("0.5"), at=venue.clock())
    venue.exchange.liquidate("65", ETH, cause=FillCause.ADL, fraction=Decimal("0.5"), at=venue.clock())
    await venue.pump()


async def test_account_calls_validate(client: Any, venue: Any):
    """Every account call has the field set the library demands, with positions, fills, funding and liquidations."""
    await history(client, venue)
    account = client.api.account
    detailed = (await account.get({"by": "index", "value": 65}))["accounts"][0]
    assert detailed["positions"][0]["sign"] == 1
    address = detailed["l1_address"]
    assert (await account.get({"by": "l1_address", "value": address}))["accounts"][0]["index"] == 65
    assert (await account.by_l1_address(l1_address=address))["sub_accounts"][0]["index"] == 65
    assert (await account.keys.list(account_index=65))["api_keys"][0]["public_key"] == venue.keys[65].public_key
    assert (await account.keys.next_nonce(account_index=65, api_key_index=4))["nonce"] == 2
    assert (await account.limits(65))["user_tier"] == "unlimited"
    fills = (await account.orders.trades("trade_id", limit=10, account_index=65))["trades"]
    assert [fill["type"] for fill in fills] == ["deleverage", "liquidation", "trade"]
    paid = (await account.position_funding(account_index=65, limit=10))["position_fundings"]
    assert [row["position_side"] for row in paid] == ["long"] * len(paid)
    assert paid
    assert paid[0]["change"] < 0
    liquidations = (await account.liquidations(account_index=65, limit=10))["liquidations"]
    assert [row["type"] for row in liquidations] == ["deleverage", "partial"]
    rounds = await client.api.markets.fundings(
        market_id=0,
        resolution="1h",
        start_timestamp=datetime.now(UTC) - timedelta(days=1),
        end_timestamp=datetime.now(UTC) + timedelta(days=1),
        count_back=5,
    )
    assert [row["direction"] for row in rounds["fundings"]] == ["long"] * len(paid)


async def test_transactions_validate(client: Any):
    """`tx` by hash and by sequence, and the account's list."""
    sent = await trade(client, 1)
    found = await client.api.chain.tx({"by": "hash", "value": sent["tx_hash"]})
    assert (found["status"], found["nonce"]) == (2, 1)
    again = await client.api.chain.tx({"by": "sequence_index", "value": found["sequence_index"]})
    assert again["hash"] == sent["tx_hash"]
    listed = await client.api.chain.account_txs(value=65, limit=10, types=[14])
    assert [row["hash"] for row in listed["txs"]] == [sent["tx_hash"]]


async def test_leverage(client: Any, venue: Any):
    """`update_leverage` sets what the venue then shows."""
    await client.tx.update_leverage(market_index=0, initial_margin_fraction=1000, margin_mode="cross")
    assert venue.exchange.leverage("65", ETH) == 10


PUBLIC = ["order_book", "ticker", "trades", "market_stats"]


@pytest.mark.parametrize("name", PUBLIC)
async def test_public_streams_validate(client: Any, name: str):
    """Snapshot and update of each market channel."""
    async with following(getattr(client.streams, name)(0)) as stream:
        assert (await anext(stream))["type"].startswith("subscribed/")
        await trade(client, 1)
        assert (await anext(stream))["type"].startswith("update/")


async def test_market_stats_of_all_and_height_validate(client: Any, venue: Any):
    """The map of all markets comes whole, then by market that moved; heights rise."""
    async with (
        following(client.streams.market_stats("all")) as stats,
        following(client.streams.height()) as heights,
    ):
        assert sorted((await anext(stats))["market_stats"]) == ["0", "1", "2"]
        first = (await anext(heights))["height"]
        venue.clock.ms += 1000
        await venue.price("3001")
        assert list((await anext(stats))["market_stats"]) == ["0"]
        assert (await anext(heights))["height"] > first


ACCOUNT = [
    "user_stats",
    "account_all",
    "account_all_positions",
    "account_all_trades",
    "account_all_orders",
    "account_tx",
]


@pytest.mark.parametrize("name", ACCOUNT)
async def test_account_streams_validate(client: Any, venue: Any, name: str):
    """Snapshot and update of each account channel, before anything was traded and after."""
    async with following(getattr(client.streams, name)(65)) as stream:
        assert (await anext(stream))["type"] == f"subscribed/{name}"
        await trade(client, 1)
        assert (await anext(stream))["type"] == f"update/{name}"
    await history_after(venue)
    async with following(getattr(client.streams, name)(65)) as stream:
        assert (await anext(stream))["type"] == f"subscribed/{name}"


async def history_after(venue: Any) -> None:
    """Add funding and a liquidation to the account's fill."""
    venue.exchange.set_funding_rate(ETH, Decimal("-0.0001"))
    for hour in (1, 2):
        venue.exchange.advance(venue.clock(), Timestamp(venue.clock() + hour * HOUR_MS))
    venue.exchange.liquidate("65", ETH, cause=FillCause.LIQUIDATION, fraction=Decimal(1), at=venue.clock())
    await venue.pump()


@pytest.mark.parametrize("name", ["account_orders", "account_market"])
async def test_streams_of_one_market_validate(client: Any, name: str):
    """The channels of one account in one market."""
    async with following(getattr(client.streams, name)(market_id=0, account_index=65)) as stream:
        assert (await anext(stream))["account"] == 65
        await trade(client, 1)
        assert (await anext(stream))["type"] == f"update/{name}"


async def test_notifications_validate(client: Any, venue: Any):
    """A liquidation and a deleverage are told, and told again in the next snapshot."""
    await trade(client, 1)
    async with following(client.streams.notifications(65)) as stream:
        assert (await anext(stream))["notifs"] == []
        for cause in (FillCause.LIQUIDATION, FillCause.ADL):
            venue.exchange.liquidate("65", ETH, cause=cause, fraction=Decimal("0.5"), at=venue.clock())
        await venue.pump()
        assert [note["kind"] for note in (await anext(stream))["notifs"]] == ["liquidation", "deleverage"]
    async with following(client.streams.notifications(65)) as stream:
        assert len((await anext(stream))["notifs"]) == 2
