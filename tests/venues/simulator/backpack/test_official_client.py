"""The official Python client, unchanged but for its base URL."""

import asyncio

import pytest
from bpx.account import Account as BlockingAccount
from bpx.async_.account import Account
from bpx.async_.public import Public
from bpx.constants.enums import FillTypeEnum, MarketTypeEnum, OrderTypeEnum, TimeInForceEnum

from strategies.domain.ids import VenueSymbol

ETH = VenueSymbol("ETH_USDC_PERP")


@pytest.fixture
def account(bench, monkeypatch):
    """Return the client for account `a`."""
    monkeypatch.setattr("bpx.base.base_account.BaseAccount.BPX_API_URL", bench.url)
    return Account(bench.keys["a"].api_key, bench.keys["a"].secret)


@pytest.fixture
def public(bench, monkeypatch):
    """Return the public client."""
    monkeypatch.setattr("bpx.base.base_public.BasePublic.BASE_URL", bench.url)
    return Public()


async def test_it_trades_from_entry_to_exit(account):
    """Market in, look, market out: each call is understood, and in the end there is nothing left."""
    assert await account.update_account(leverage_limit="20", auto_lend=True) == ""
    assert (await account.get_account())["leverageLimit"] == "20"
    entry = await account.execute_order(ETH, "Bid", OrderTypeEnum.MARKET, quantity="0.5", client_id=7)
    assert entry["status"] == "Filled"
    assert [position["netQuantity"] for position in await account.get_open_positions()] == ["0.5"]
    fills = await account.get_fill_history(ETH, fill_type=FillTypeEnum.USER, market_type=MarketTypeEnum.PERP)
    assert [(fill["clientId"], fill["orderId"]) for fill in fills] == [("7", entry["id"])]
    out = await account.execute_order(ETH, "Ask", OrderTypeEnum.MARKET, quantity="0.5", reduce_only=True)
    assert out["status"] == "Filled"
    assert await account.get_open_positions() == []
    assert len(await account.get_order_history(ETH)) == 2
    assert await account.get_funding_payments(symbol=ETH) == []
    assert (await account.get_collateral())["netEquityLocked"] == "0"
    assert (await account.get_balances())["USDC"]["staked"] == "0"


async def test_it_finds_and_cancels_by_client_id(account):
    """Its lookups and cancels send the client id as text."""
    placed = await account.execute_order(
        ETH,
        "Bid",
        OrderTypeEnum.LIMIT,
        TimeInForceEnum.GTC,
        quantity="0.1",
        price="2900",
        client_id=7,
        post_only=True,
    )
    assert placed["status"] == "New"
    assert await account.get_open_order(ETH, client_id=7) == placed
    assert await account.get_open_orders(symbol=ETH) == [placed]
    assert (await account.cancel_order(ETH, client_id=7))["status"] == "Cancelled"
    assert await account.get_open_order(ETH, client_id=7) == {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"}
    assert await account.cancel_all_orders(ETH) == []


async def test_it_asks_for_limits_and_hears_refusals(account):
    """The largest order, and what one lot more is answered."""
    most = await account.get_max_order_quantity(ETH, "Bid", price="2900")
    refused = await account.execute_order(ETH, "Bid", OrderTypeEnum.MARKET, quantity="1000")
    assert most["maxOrderQuantity"] != "0"
    assert refused == {"code": "INSUFFICIENT_MARGIN", "message": "Insufficient margin"}


async def test_a_wrong_secret_is_refused(bench, account):
    """Signed by another key than it names."""
    stranger = Account(bench.keys["a"].api_key, bench.keys["b"].secret)
    assert (await stranger.get_account())["code"] == "INVALID_SIGNATURE"
    assert "leverageLimit" in await account.get_account()


async def test_it_reads_the_market(public):
    """Every public call that it has and the simulation serves."""
    assert (await public.get_markets())[0]["symbol"] == ETH
    assert (await public.get_depth(ETH))["asks"]
    assert (await public.get_all_mark_prices(ETH))[0]["markPrice"] == "3000"
    assert (await public.get_ticker(ETH))["symbol"] == ETH
    assert await public.get_recent_trades(ETH) == []
    assert (await public.get_status())["status"] == "Ok"
    assert await public.get_ping() == "pong"


async def test_the_blocking_client_works_the_same(bench, account):
    """The same calls through its other transport, which also sends Python's bools in queries."""
    blocking = BlockingAccount(bench.keys["a"].api_key, bench.keys["a"].secret)
    order = await asyncio.to_thread(blocking.execute_order, ETH, "Bid", OrderTypeEnum.MARKET, quantity="0.5")
    most = await asyncio.to_thread(blocking.get_max_order_quantity, ETH, "Ask", reduce_only=True)
    assert order["status"] == "Filled"
    assert (most["maxOrderQuantity"], most["reduceOnly"]) == ("0.5", True)
    assert len(await account.get_fill_history(ETH)) == 1
