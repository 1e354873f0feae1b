"""lighter-sdk's own clients, unchanged but for the URL. They block their event loop, so the server has a thread."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from strategies.domain.ids import Timestamp
from venues.simulator.catalog import LighterTier

pytestmark = [
    # The SDK's stream client uses websockets' old client, and importing it says so.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:lighter"),
]
PATIENCE_S = 10.0


def wall_now() -> Timestamp:
    """Return the machine's time: the official signer reads no other."""
    return Timestamp(time.time_ns() // 1_000_000)


@pytest.fixture
def venue(build: Callable[..., Any], serve_in_a_thread: Callable[[Any], Any]) -> Any:
    """Serve a verifying venue in real time, without delays."""
    with serve_in_a_thread(build(tier=LighterTier.UNLIMITED, verify=True, clock=wall_now)) as bench:
        yield bench


@pytest.fixture
async def client(venue: Any) -> AsyncIterator[Any]:
    """Open a SignerClient for the test's account."""
    import lighter  # noqa: PLC0415 - heavy, and only these tests need it

    key = venue.keys[65]
    client = lighter.SignerClient(url=venue.url, account_index=65, api_private_keys={4: key.private_key})
    yield client
    await client.close()


async def token(client: Any) -> str:
    """Return an auth token of the SDK's own making."""
    text, error = client.create_auth_token_with_expiry(api_key_index=4)
    assert error is None
    return str(text)


async def test_check_client_finds_its_key(client: Any):
    """The signer's own check of the registered key passes; it is Go HTTP that blocks the loop."""
    assert client.check_client() is None


async def test_orders_cancels_and_leverage(client: Any):
    """Limit, market, cancel by client index, cancel all, leverage: each is taken under the nonces the SDK counts."""
    created, answer, error = await client.create_order(
        market_index=0,
        client_order_index=11,
        base_amount=100,
        price=299_000,
        is_ask=False,
        order_type=client.ORDER_TYPE_LIMIT,
        time_in_force=client.ORDER_TIME_IN_FORCE_GOOD_TILL_TIME,
    )
    assert (error, answer.code) == (None, 200)
    assert created is not None
    assert len(answer.tx_hash) == 80
    _, answer, error = await client.create_market_order(0, 12, 100, 320_000, is_ask=False)
    assert (error, answer.code) == (None, 200)
    _, answer, error = await client.cancel_order(market_index=0, order_index=11)
    assert (error, answer.code) == (None, 200)
    _, answer, error = await client.cancel_all_orders(client.CANCEL_ALL_TIF_IMMEDIATE, 0)
    assert (error, answer.code) == (None, 200)
    _, answer, error = await client.update_leverage(0, client.CROSS_MARGIN_MODE, 10)
    assert (error, answer.code) == (None, 200)
    orders = await client.order_api.account_orders(
        client_order_indexes="11,12", account_index=65, authorization=await token(client)
    )
    assert {order.client_order_index: order.status for order in orders.orders} == {11: "canceled", 12: "filled"}


async def test_best_price_and_slippage_orders(client: Any):
    """The helpers that read the book first work: they take prices off orderBookOrders."""
    assert await client.get_best_price(0, is_ask=False) == 300_015
    _, answer, error = await client.create_market_order_limited_slippage(
        market_index=0, client_order_index=13, base_amount=100, max_slippage=0.01, is_ask=True
    )
    assert (error, answer.code) == (None, 200)


async def test_refusals_come_back_as_text_and_the_nonce_is_kept(client: Any):
    """A business error is returned, not raised; the SDK then reuses the nonce, and it is good."""
    arguments = {
        "market_index": 0,
        "client_order_index": 14,
        "base_amount": 100,
        "is_ask": False,
        "order_type": client.ORDER_TYPE_LIMIT,
        "time_in_force": client.ORDER_TIME_IN_FORCE_POST_ONLY,
    }
    _, _, error = await client.create_order(price=1_000, **arguments)
    assert "21734" in error
    _, answer, error = await client.create_order(price=299_000, **arguments)
    assert (error, answer.code) == (None, 200)


async def test_wrong_nonce_is_refetched(client: Any):
    """The SDK reads "invalid nonce", asks for the right one, and its next order passes."""
    await client.create_market_order(0, 15, 100, 320_000, is_ask=False)
    client.nonce_manager.nonce[4] += 5
    _, _, error = await client.create_market_order(0, 16, 100, 320_000, is_ask=False)
    assert "invalid nonce" in error
    _, answer, error = await client.create_market_order(0, 16, 100, 320_000, is_ask=False)
    assert (error, answer.code) == (None, 200)


async def test_explicit_and_skipped_nonces(client: Any):
    """A given nonce bypasses the SDK's counting; SkipNonce jumps."""
    _, answer, error = await client.create_market_order(0, 17, 100, 320_000, is_ask=False, nonce=1, api_key_index=4)
    assert (error, answer.code) == (None, 200)
    _, answer, error = await client.create_market_order(
        0, 18, 100, 320_000, is_ask=False, nonce=1_766_000_000_000, api_key_index=4, skip_nonce=1
    )
    assert (error, answer.code) == (None, 200)


async def test_batch(client: Any):
    """`send_tx_batch` with transactions signed apart."""
    signed = []
    for nonce in (1, 2):
        kind, info, tx_hash, error = client.sign_create_order(
            0, 20 + nonce, 100, 299_000, 0, 0, 1, 0, 0, -1, nonce=nonce, api_key_index=4
        )
        assert error is None
        signed.append((kind, info, tx_hash))
    answer = await client.send_tx_batch([kind for kind, _, _ in signed], [info for _, info, _ in signed])
    assert answer.tx_hash == [tx_hash for _, _, tx_hash in signed]


async def test_read_apis(client: Any):
    """The generated read clients parse what is served."""
    import lighter  # noqa: PLC0415

    await client.create_market_order(0, 31, 100, 320_000, is_ask=False)
    account = (await lighter.AccountApi(client.api_client).account(by="index", value="65")).accounts[0]
    assert [(row.symbol, row.sign, row.position) for row in account.positions] == [("ETH", 1, "0.0100")]
    details = await client.order_api.order_book_details(market_id=0)
    assert details.order_book_details[0].supported_price_decimals == 2
    trades = await client.order_api.trades(
        sort_by="trade_id", limit=10, account_index=65, authorization=await token(client)
    )
    assert [trade.bid_client_id for trade in trades.trades] == [31]
    nonce = await lighter.TransactionApi(client.api_client).next_nonce(account_index=65, api_key_index=4)
    assert nonce.nonce == 2


async def test_ws_client_follows_book_and_account(client: Any, venue: Any):
    """`WsClient` takes the snapshots, applies deltas, and its own book equals the venue's."""
    import lighter  # noqa: PLC0415

    books: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    accounts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    stream = lighter.WsClient(
        ws_url=venue.ws_url,
        order_book_ids=[0],
        account_ids=[65],
        on_order_book_update=lambda _market, book: books.put_nowait(json.loads(json.dumps(book))),
        on_account_update=lambda _account, state: accounts.put_nowait(state),
    )
    follower = asyncio.create_task(stream.run_async())
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert (await accounts.get())["type"] == "subscribed/account_all"
            await books.get()
            await client.create_market_order(0, 41, 100, 320_000, is_ask=False)
            assert (await accounts.get())["positions"]["0"]["position"] == "0.0100"
            book = await books.get()
        view = venue.exchange.book("ETH", 100)
        kept = {level["price"]: level["size"] for level in book["asks"]}
        assert kept == {f"{level.price:.2f}": f"{level.quantity:.4f}" for level in view.asks}
    finally:
        await stream.ws.close()
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
