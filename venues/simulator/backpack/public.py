"""Public market data over REST."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from aiohttp import web

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from venues.simulator.backpack import payloads
from venues.simulator.backpack.account import MARKET_TYPES, PERPETUAL
from venues.simulator.backpack.context import VENUE, Call, Context
from venues.simulator.backpack.errors import MAINTENANCE, bad_parameter
from venues.simulator.backpack.payloads import Payload
from venues.simulator.backpack.words import iso, number
from venues.simulator.faults import FaultKind
from venues.simulator.model import TradeRow

SYMBOL_FORM = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)+")
DEPTH_LIMITS = frozenset({"5", "10", "20", "50", "100", "500", "1000"})
DEPTH_DEFAULT = "1000"
TRADES_DEFAULT = 100
TRADES_MAX = 1000
RATES_DEFAULT = 100
RATES_MAX = 10_000
DAY_MS = 86_400_000
MINUTE_MS = 60_000
MS_PER_SECOND = 1000
INTERVALS_MS: Mapping[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}


def _symbol(context: Context, call: Call) -> VenueSymbol:
    name = call.required("symbol")
    if SYMBOL_FORM.fullmatch(name) is None:
        raise bad_parameter("symbol", f'"{name}" is not a market symbol')
    return context.symbol(name)


def _symbols(context: Context, call: Call) -> list[VenueSymbol]:
    """Return the market that was asked for, or all of the kind that was asked for."""
    if "symbol" in call.query:
        return [_symbol(context, call)]
    if call.choice("marketType", MARKET_TYPES) not in (None, PERPETUAL):
        return []
    return list(context.exchange.markets)


def markets(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/markets`."""
    return web.json_response([payloads.market(context.exchange.market(symbol)) for symbol in _symbols(context, call)])


def market(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/market`."""
    return web.json_response(payloads.market(context.exchange.market(_symbol(context, call))))


def depth(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/depth`."""
    symbol = _symbol(context, call)
    limit = call.choice("limit", DEPTH_LIMITS) or DEPTH_DEFAULT
    book = context.exchange.book(symbol, int(limit))
    return web.json_response(payloads.depth(book, int(limit), context.at_us()))


def ticker(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/ticker`: over the last 24 hours."""
    return web.json_response(_ticker(context, _symbol(context, call)))


def tickers(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/tickers`."""
    return web.json_response([_ticker(context, symbol) for symbol in _symbols(context, call)])


def _ticker(context: Context, symbol: VenueSymbol) -> Payload:
    since = Timestamp(context.at() - DAY_MS)
    return payloads.ticker(context.exchange.market(symbol), context.exchange.trades(None, symbol=symbol, since=since))


def mark_prices(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/markPrices`."""
    return web.json_response(
        [payloads.mark_price(context.exchange.market(symbol)) for symbol in _symbols(context, call)]
    )


def open_interest(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/openInterest`."""
    at = context.at()
    return web.json_response(
        [
            {
                "symbol": symbol,
                "openInterest": number(context.exchange.market(symbol).open_interest),
                "timestamp": at,
            }
            for symbol in _symbols(context, call)
        ]
    )


def funding_rates(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/fundingRates`: the rates that were paid, newest first. Where nobody held anything there is none."""
    symbol = _symbol(context, call)
    limit, offset = call.whole("limit", RATES_DEFAULT, RATES_MAX), call.whole("offset", 0)
    paid = {
        row.at: row.rate
        for account in context.exchange.accounts()
        for row in context.exchange.funding(account)
        if row.symbol == symbol
    }
    rows = [
        {"symbol": symbol, "intervalEndTimestamp": iso(at), "fundingRate": number(rate)}
        for at, rate in sorted(paid.items(), reverse=True)
    ]
    return web.json_response(rows[offset : offset + limit])


def trades(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/trades` and `/api/v1/trades/history`: newest first."""
    symbol = _symbol(context, call)
    limit, offset = call.whole("limit", TRADES_DEFAULT, TRADES_MAX), call.whole("offset", 0)
    rows = context.exchange.trades(None, symbol=symbol)[::-1]
    return web.json_response([payloads.public_trade(row) for row in rows[offset : offset + limit]])


def klines(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/klines`: bars of what traded; `startTime` and `endTime` are seconds."""
    symbol = _symbol(context, call)
    width = INTERVALS_MS[call.choice("interval", frozenset(INTERVALS_MS)) or call.required("interval")]
    call.required("startTime")
    start, end = call.whole("startTime", 0) * MS_PER_SECOND, call.whole("endTime", 0) * MS_PER_SECOND
    rows = context.exchange.trades(None, symbol=symbol, since=Timestamp(start))
    inside = [row for row in rows if "endTime" not in call.query or row.at <= end]
    return web.json_response(
        [_bar(list(bar), begin * width, width) for begin, bar in groupby(inside, key=lambda row: row.at // width)]
    )


def _bar(rows: Sequence[TradeRow], begin: int, width: int) -> Payload:
    prices = [row.price for row in rows]
    return {
        "start": iso(Timestamp(begin)),
        "end": iso(Timestamp(begin + width)),
        "open": number(prices[0]),
        "high": number(max(prices)),
        "low": number(min(prices)),
        "close": number(prices[-1]),
        "volume": number(sum((row.quantity for row in rows), ZERO)),
        "quoteVolume": number(sum((row.price * row.quantity for row in rows), ZERO)),
        "trades": str(len(rows)),
    }


def status(context: Context, _call: Call) -> web.Response:
    """`GET /api/v1/status`: maintenance while a fault that answers with that code is waiting."""
    down = any(
        fault.kind is FaultKind.STATUS_BEFORE and fault.venue == VENUE and fault.body == MAINTENANCE
        for fault in context.faults.listing()
    )
    if down:
        return web.json_response({"status": "Maintenance", "message": "The exchange is under maintenance"})
    return web.json_response({"status": "Ok", "message": None})


def ping(_context: Context, _call: Call) -> web.Response:
    """`GET /api/v1/ping`."""
    return web.Response(text="pong")


def time(context: Context, _call: Call) -> web.Response:
    """`GET /api/v1/time`: the venue's own clock, which a fault may skew."""
    return web.Response(text=str(context.clock()))
