"""Histories over REST: fills, orders and funding, newest first unless asked otherwise, in pages."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from aiohttp import web

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.position import FillCause
from venues.simulator.backpack import payloads
from venues.simulator.backpack.account import MARKET_TYPES, PERPETUAL
from venues.simulator.backpack.context import Call, Context
from venues.simulator.backpack.payloads import Payload
from venues.simulator.model import TradeRow

Row = TypeVar("Row")
PAGE_SIZE = 100
PAGE_SIZE_MAX = 1000
DIRECTIONS = frozenset({"Asc", "Desc"})

LIQUIDATIONS = frozenset({FillCause.LIQUIDATION, FillCause.ADL})
FILL_TYPES: Mapping[str, frozenset[FillCause]] = {
    "User": frozenset({FillCause.ORDER, FillCause.FOREIGN}),
    "BookLiquidation": frozenset({FillCause.LIQUIDATION}),
    "Adl": frozenset({FillCause.ADL}),
    "Backstop": frozenset(),
    "Liquidation": LIQUIDATIONS,
    "AllLiquidation": LIQUIDATIONS,
    "Allliquidation": LIQUIDATIONS,  # as the official Python client spells it
    "CollateralConversion": frozenset(),
    "CollateralConversionAndSpotLiquidation": frozenset(),
}
"""Which causes each `fillType` shows. The simulation has no backstop provider and no spot collateral."""


def fills(context: Context, call: Call) -> web.Response:
    """`GET /wapi/v1/history/fills`: without a `fillType`, the venue's own fills are listed too."""
    kind = call.choice("fillType", frozenset(FILL_TYPES))
    order_id, start, last = call.query.get("orderId"), call.whole("from", 0), call.whole("to", 0)
    symbol = _symbol(context, call)
    known = context.exchange.trades(call.account, symbol=symbol, since=Timestamp(start)) if _asks_for_any(call) else []
    rows = [
        trade
        for trade in known
        if ("to" not in call.query or trade.at <= last)
        and order_id in {None, str(_own_order_index(trade, call.account))}
        and (kind is None or _cause_seen(context, trade, call.account) in FILL_TYPES[kind])
    ]

    def show(trade: TradeRow) -> Payload:
        return payloads.fill(trade, call.account, _cause_seen(context, trade, call.account))

    return _page(call, rows, show)


def _own_order_index(trade: TradeRow, account: str) -> int:
    return trade.taker_order_index if trade.taker_account == account else trade.maker_order_index


def _cause_seen(context: Context, trade: TradeRow, account: str) -> FillCause:
    """Return why the fill happened to this account: who only stood in a liquidation's way made an ordinary trade."""
    order = context.exchange.order(account, _own_order_index(trade, account))
    return FillCause.ORDER if order is None else order.cause


def orders(context: Context, call: Call) -> web.Response:
    """`GET /wapi/v1/history/orders`: ended orders and those still on the book."""
    order_id = call.query.get("orderId")
    symbol = _symbol(context, call)
    known = context.exchange.orders(call.account, active=None, symbol=symbol) if _asks_for_any(call) else []
    rows = [row for row in known if order_id in {None, str(row.order_index)}]
    return _page(call, rows, lambda row: payloads.history_order(row, context.memory.sent(row)))


def funding(context: Context, call: Call) -> web.Response:
    """`GET /wapi/v1/history/funding`: what funding paid (negative) or brought."""
    symbol, user_id = _symbol(context, call), context.memory.user_id(call.account)
    rows = [row for row in context.exchange.funding(call.account) if symbol in {None, row.symbol}]
    return _page(call, rows, lambda row: payloads.funding(row, user_id))


def _symbol(context: Context, call: Call) -> VenueSymbol | None:
    name = call.query.get("symbol")
    return None if name is None else context.symbol(name)


def _asks_for_any(call: Call) -> bool:
    """Say whether the call can have an answer: there are only perpetuals here, and no strategies."""
    return call.choice("marketType", MARKET_TYPES) in {None, PERPETUAL} and "strategyId" not in call.query


def _page(call: Call, oldest_first: Sequence[Row], show: Callable[[Row], Payload]) -> web.Response:
    """Cut one page out of a history and say in the headers where it stands."""
    size = call.whole("limit", PAGE_SIZE, PAGE_SIZE_MAX)
    offset = call.whole("offset", 0)
    ascending = call.choice("sortDirection", DIRECTIONS) == "Asc"
    rows = oldest_first if ascending else oldest_first[::-1]
    pages = -(-len(rows) // size) if size else 0
    headers = {
        "X-PAGE-COUNT": str(pages),
        "X-CURRENT-PAGE": str(offset // size + 1 if size else 1),
        "X-PAGE-SIZE": str(size),
        "X-TOTAL": str(len(rows)),
    }
    return web.json_response([show(row) for row in rows[offset : offset + size]], headers=headers)
