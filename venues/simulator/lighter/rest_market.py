"""Market data over REST: public, no token."""

from strategies.domain.ids import Timestamp
from venues.simulator.lighter import market_payloads
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.markets import WireMarket
from venues.simulator.lighter.payloads import Json, trade_payload
from venues.simulator.lighter.requests import Query

MAX_BOOK_ORDERS = 250
MAX_FUNDING_ROWS = 749
_MS_PER_S = 1000
_RESOLUTIONS = {"1h": 3_600_000, "1d": 86_400_000}
CONTRACT_ADDRESS = "0x0000000000000000000000000000000000000000"


def status(backend: Backend, _query: Query, _account: int | None) -> Json:
    """Answer `/`."""
    return {"status": 200, "network_id": 1, "timestamp": backend.now() // _MS_PER_S}


def info(_backend: Backend, _query: Query, _account: int | None) -> Json:
    """Answer `/info`."""
    return {"contract_address": CONTRACT_ADDRESS}


def order_books(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/orderBooks`."""
    return {"order_books": [market_payloads.order_book_meta(market) for market in _markets(backend, query)]}


def order_book_details(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/orderBookDetails`. The list of a kind that the filter leaves out is null."""
    wanted = query.text("filter")
    rows = [
        market_payloads.order_book_detail(
            market,
            backend.exchange.market(market.symbol),
            backend.tallies[market.symbol],
            backend.exchange.rules.default_leverage,
        )
        for market in _markets(backend, query)
    ]
    return {
        "order_book_details": None if wanted == "spot" else rows,
        "spot_order_book_details": None if wanted == "perp" else [],
    }


def order_book_orders(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/orderBookOrders`."""
    market = backend.markets.by_index(query.required_number("market_id"))
    limit = query.limit(MAX_BOOK_ORDERS)
    return market_payloads.book_orders(backend.exchange.book(market.symbol, limit), market)


def recent_trades(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/recentTrades`, newest first."""
    market = backend.markets.by_index(query.required_number("market_id"))
    rows = backend.exchange.trades(None, symbol=market.symbol)[-query.limit() :]
    return {"trades": [trade_payload(row, market, backend.log) for row in reversed(rows)]}


def funding_rates(backend: Backend, _query: Query, _account: int | None) -> Json:
    """Answer `/funding-rates`."""
    rows = [
        market_payloads.funding_rate_row(market, backend.exchange.market(market.symbol))
        for market in backend.markets.all
    ]
    return {"funding_rates": rows}


def fundings(backend: Backend, query: Query, _account: int | None) -> Json:
    """Answer `/fundings`: rounds in which somebody held a position, oldest first, the newest when there are many."""
    market = backend.markets.by_index(query.required_number("market_id"))
    resolution = query.required_text("resolution")
    if resolution not in _RESOLUTIONS:
        raise ApiRefusal(Code.INVALID_PARAMETER, "resolution is 1h or 1d")
    start, end = query.required_number("start_timestamp"), query.required_number("end_timestamp")
    count = min(query.required_number("count_back"), MAX_FUNDING_ROWS)
    rounds: dict[Timestamp, Json] = {}
    for name in backend.exchange.accounts():
        for paid in backend.exchange.funding(name):
            if paid.symbol == market.symbol and start < paid.at <= end:
                rounds[paid.at] = {
                    "timestamp": paid.at // _MS_PER_S,
                    "value": f"{abs(paid.amount / paid.position):.6f}",
                    "rate": f"{abs(paid.rate) * 100:.4f}",
                    "direction": "long" if paid.rate > 0 else "short",
                }
    return {"resolution": resolution, "fundings": [rounds[at] for at in sorted(rounds)[-count:]] if count > 0 else []}


def exchange_stats(backend: Backend, _query: Query, _account: int | None) -> Json:
    """Answer `/exchangeStats`."""
    return market_payloads.exchange_stats(
        (market, backend.exchange.market(market.symbol), backend.tallies[market.symbol])
        for market in backend.markets.all
    )


def _markets(backend: Backend, query: Query) -> list[WireMarket]:
    index = query.market()
    if query.text("filter") == "spot":
        return []
    return list(backend.markets.all) if index is None else [backend.markets.by_index(index)]
