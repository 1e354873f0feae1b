"""Accounts over REST: money and positions, keys and nonces, orders, fills, transactions."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from strategies.domain.order import Side
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.limits import TIERS
from venues.simulator.lighter.payloads import (
    AccountView,
    Json,
    closed_by_force,
    funding_id,
    funding_payload,
    order_payload,
    trade_payload,
)
from venues.simulator.lighter.requests import Query, make_cursor
from venues.simulator.lighter.transactions import NO_MARKET
from venues.simulator.lighter.txlog import enriched_tx
from venues.simulator.lighter.words import account_of_l1_address, l1_address, trade_type
from venues.simulator.model import OrderRow, TradeRow

MAX_CLIENT_INDEXES = 20
_SORTS = frozenset({"block_height", "timestamp", "trade_id"})
_MS_PER_S = 1000
_Row = TypeVar("_Row")


def account(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/account`, by index or L1 address."""
    by, value = query.required_text("by"), query.required_text("value")
    index = query.required_number("value") if by == "index" else account_of_l1_address(value)
    if by not in ("index", "l1_address") or index is None:
        raise ApiRefusal(Code.INVALID_PARAMETER, "by is index or l1_address")
    row = backend.account(index).detailed(backend.now(), active_only=query.text("active_only") == "true")
    return {"total": 1, "accounts": [row]}


def accounts_by_l1_address(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/accountsByL1Address`: here every account has an address of its own."""
    index = account_of_l1_address(query.required_text("l1_address"))
    if index is None:
        raise ApiRefusal(Code.INVALID_PARAMETER, "l1_address")
    return {"l1_address": l1_address(index), "sub_accounts": [backend.account(index).summary(backend.now())]}


def api_keys(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/apikeys`: one key, or all with 255 or without an index."""
    owner = query.required_number("account_index")
    wanted = query.number("api_key_index")
    if wanted is None or wanted == NO_MARKET:
        rows = backend.keys.keys_of(owner)
    else:
        rows = [(wanted, backend.keys.state(owner, wanted))]
    now = backend.clock.true()
    return {
        "api_keys": [
            {
                "account_index": owner,
                "api_key_index": index,
                "nonce": backend.keys.next_nonce(owner, index, now),
                "public_key": state.public_key.hex(),
                "transaction_time": 0,
            }
            for index, state in rows
        ]
    }


def next_nonce(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/nextNonce`. It lags: a transaction counts from its execution on."""
    owner, key = query.required_number("account_index"), query.required_number("api_key_index")
    return {"nonce": backend.keys.next_nonce(owner, key, backend.clock.true())}


def active_orders(backend: Backend, query: Query, owner: int | None) -> Json:
    """Answer `/accountActiveOrders`."""
    view = _view(backend, owner)
    index = query.market()
    market = None if index is None else backend.markets.by_index(index)
    return {"orders": [_order(backend, row) for row in view.active_orders(market)]}


def inactive_orders(backend: Backend, query: Query, owner: int | None) -> Json:
    """Answer `/accountInactiveOrders`, newest first."""
    view = _view(backend, owner)
    limit, index = query.limit(), query.market()
    symbol = None if index is None else backend.markets.by_index(index).symbol
    rows = backend.exchange.orders(view.name, active=False, symbol=symbol)
    ask = query.number("ask_filter")
    if ask is not None:
        rows = [row for row in rows if (row.side is Side.SELL) == bool(ask)]
    rows = _between(rows, query.text("between_timestamps"))
    page, cursor = _page(rows, lambda row: (row.updated_at, row.order_index), limit, query.cursor())
    return {"next_cursor": cursor, "orders": [_order(backend, row) for row in page]}


def orders_by_client_index(backend: Backend, query: Query, owner: int | None) -> Json:
    """Answer `/accountOrders`: look-up by client order index, active or ended. An unknown one is just not there."""
    view = _view(backend, owner)
    wanted = query.numbers("client_order_indexes")
    if not 1 <= len(wanted) <= MAX_CLIENT_INDEXES:
        raise ApiRefusal(Code.INVALID_PARAMETER, f"client_order_indexes: 1..{MAX_CLIENT_INDEXES} are allowed")
    found = (backend.exchange.order_by_client_id(view.name, index) for index in dict.fromkeys(wanted))
    return {"orders": [_order(backend, row) for row in found if row is not None and not view.is_hidden(row)]}


def trades(backend: Backend, query: Query, owner: int | None) -> Json:
    """Answer `/trades`: everybody's, or one account's with its token; newest first."""
    if query.required_text("sort_by") not in _SORTS:
        raise ApiRefusal(Code.INVALID_PARAMETER, "sort_by")
    limit, index = query.limit(), query.market()
    symbol = None if index is None else backend.markets.by_index(index).symbol
    name = None if owner is None else _view(backend, owner).name
    rows = [row for row in backend.exchange.trades(name, symbol=symbol) if _wanted(row, query, name)]
    page, cursor = _page(rows, lambda row: (row.trade_id,), limit, query.cursor())
    payloads = [trade_payload(row, backend.markets.by_symbol(row.symbol), backend.log) for row in page]
    return {"next_cursor": cursor, "trades": payloads}


def position_funding(backend: Backend, query: Query, owner: int | None) -> Json:
    """Answer `/positionFunding`, newest first."""
    view = _view(backend, owner)
    limit = query.limit()
    markets = set(query.numbers("market_ids"))
    one = query.market()
    if one is not None:
        markets.add(one)
    side = query.text("side") or "all"
    start, end = query.number("start_timestamp"), query.number("end_timestamp")
    rows = [
        paid
        for paid in backend.exchange.funding(view.name)
        if (not markets or backend.markets.by_symbol(paid.symbol).index in markets)
        and (side == "all" or (side == "long") == (paid.position > 0))
        and (start is None or paid.at >= start)
        and (end is None or paid.at <= end)
    ]
    numbered = [(row, backend.markets.by_symbol(row.symbol)) for row in rows]
    page, cursor = _page(numbered, lambda pair: (funding_id(*pair),), limit, query.cursor())
    payloads = [funding_payload(row, market) for row, market in page]
    return {"next_cursor": cursor, "position_fundings": payloads}


def liquidations(backend: Backend, query: Query, owner: int | None) -> Json:
    """Answer `/liquidations`, newest first."""
    view = _view(backend, owner)
    limit, index = query.limit(), query.market()
    market = None if index is None else backend.markets.by_index(index)
    rows = [row for row in view.trades(market) if closed_by_force(view.name, row)]
    page, cursor = _page(rows, lambda row: (row.trade_id,), limit, query.cursor())
    return {"next_cursor": cursor, "liquidations": [view.liquidation(row) for row in page]}


def account_limits(backend: Backend, _query: Query, owner: int | None) -> Json:
    """Answer `/accountLimits`."""
    _view(backend, owner)
    rules = TIERS[backend.tier]
    return {
        "max_llp_percentage": 0,
        "max_llp_amount": "0.000000",
        "user_tier": str(backend.tier),
        "user_tier_name": backend.tier.title(),
        "can_create_public_pool": False,
        "current_maker_fee_tick": rules.maker_fee_ppm,
        "current_taker_fee_tick": rules.taker_fee_ppm,
        "leased_lit": "0.00000000",
        "effective_lit_stakes": "0.00000000",
        "user_tier_last_update": 0,
    }


def transaction(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/tx`, by hash or sequence index."""
    by = query.required_text("by")
    if by == "hash":
        row = backend.log.by_hash(query.required_text("value"))
    elif by == "sequence_index":
        row = backend.log.by_sequence(query.required_number("value"))
    else:
        raise ApiRefusal(Code.INVALID_PARAMETER, "by is hash or sequence_index")
    if row is None:
        raise ApiRefusal(Code.TX_NOT_FOUND)
    enriched = enriched_tx(row, backend.exchange, backend.markets, backend.clock.true())
    return {**enriched, "committed_at": 0, "verified_at": 0}


def account_transactions(backend: Backend, query: Query, owner: int | None) -> Json:
    """Answer `/accountTxs`, oldest first, after `index`."""
    view = _view(backend, owner)
    types = query.numbers("types")
    after = query.number("index") or 0
    rows = backend.log.of_account(view.index, after, query.limit(), frozenset(types) if types else None)
    return {"txs": [enriched_tx(row, backend.exchange, backend.markets, backend.clock.true()) for row in rows]}


def _view(backend: Backend, owner: int | None) -> AccountView:
    if owner is None:
        raise ApiRefusal(Code.INVALID_PARAMETER, "account_index is required")
    return backend.account(owner)


def _order(backend: Backend, row: OrderRow) -> Json:
    return order_payload(row, backend.markets.by_symbol(row.symbol))


def _between(rows: list[OrderRow], span: str | None) -> list[OrderRow]:
    if span is None:
        return rows
    try:
        start, end = (int(part) for part in span.split("-"))
    except ValueError:
        raise ApiRefusal(Code.INVALID_PARAMETER, 'between_timestamps is "start-end" in seconds') from None
    return [row for row in rows if start <= row.updated_at // _MS_PER_S <= end]


def _wanted(trade: TradeRow, query: Query, name: str | None) -> bool:
    order = query.number("order_index")
    if order is not None and order not in (trade.taker_order_index, trade.maker_order_index):
        return False
    kind = query.text("type") or "all"
    if kind not in ("all", trade_type(trade.cause)):
        return False
    if name is None:
        return True
    role, ask = query.text("role") or "all", query.number("ask_filter")
    is_taker = trade.taker_account == name
    if role != "all" and (role == "taker") != is_taker:
        return False
    return ask is None or bool(ask) == (is_taker == (trade.taker_side is Side.SELL))


def _page(
    rows: Sequence[_Row], place: Callable[[_Row], tuple[int, ...]], limit: int, after: tuple[int, ...] | None
) -> tuple[list[_Row], str]:
    """Return one page of rows, newest first, and the cursor of the next one ("" when this is the last)."""
    ordered = sorted(rows, key=place, reverse=True)
    if after is not None:
        ordered = [row for row in ordered if place(row) < after]
    page = ordered[:limit]
    return page, make_cursor(*place(page[-1])) if len(ordered) > limit else ""
