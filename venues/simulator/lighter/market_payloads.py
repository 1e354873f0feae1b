"""Market data as Lighter writes it: metadata, statistics, books, funding."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.domain.ids import Timestamp
from strategies.domain.money import ZERO
from venues.simulator.lighter.markets import WireMarket
from venues.simulator.lighter.transactions import FIRST_ORDER_INDEX
from venues.simulator.lighter.words import CROWD_ACCOUNT_INDEX, INSURANCE_ACCOUNT_INDEX
from venues.simulator.model import BookLevel, BookView, MarketState, TradeRow

Json = dict[str, Any]
_DAY_MS = 86_400_000
_EIGHT_HOURS_MS = 8 * 3_600_000
_US_PER_MS = 1000
_BASIS = 10_000
NO_QUOTE_LIMIT = "281474976.710655"
NO_INTEREST_LIMIT = "72057594037927936.000000"
FUNDING_CLAMP_SMALL, FUNDING_CLAMP_BIG, BASE_INTEREST = "0.0500", "4.0000", "0.0100"
"""Percent. Shown only: the simulated funding rate is set by the simulation."""


@dataclass(slots=True)
class Tally:
    """What a market traded since midnight UTC."""

    day: int = -1
    count: int = 0
    base: Decimal = ZERO
    quote: Decimal = ZERO
    low: Decimal = ZERO
    high: Decimal = ZERO
    first: Decimal = ZERO
    last: Decimal = ZERO
    funding_rate: Decimal = ZERO  # last paid, a fraction
    funding_at: Timestamp = Timestamp(0)

    def add(self, trade: TradeRow) -> None:
        """Count one trade."""
        day = trade.at // _DAY_MS
        if day != self.day:
            self.day = day
            self.count = 0
            self.base = self.quote = ZERO
            self.low = self.high = self.first = trade.price
        self.count += 1
        self.base += trade.quantity
        self.quote += trade.quantity * trade.price
        self.low = min(self.low, trade.price)
        self.high = max(self.high, trade.price)
        self.last = trade.price

    def daily(self) -> Json:
        """Return the `daily_*` numbers that every statistic shares."""
        change = (self.last / self.first - 1) * 100 if self.first else ZERO
        return {
            "daily_base_token_volume": float(self.base),
            "daily_quote_token_volume": float(self.quote),
            "daily_price_low": float(self.low),
            "daily_price_high": float(self.high),
            "daily_price_change": float(change),
        }


def order_book_meta(market: WireMarket) -> Json:
    """Return the row of `/orderBooks`."""
    rules = market.rules
    return {
        "symbol": rules.symbol,
        "market_id": market.index,
        "market_type": "perp",
        "base_asset_id": 0,
        "quote_asset_id": 0,
        "status": "active",
        "taker_fee": _percent(rules.taker_fee),
        "is_taker_fee_enabled": rules.taker_fee != ZERO,
        "maker_fee": _percent(rules.maker_fee),
        "is_maker_fee_enabled": rules.maker_fee != ZERO,
        "liquidation_fee": _percent(rules.liquidation_fee),
        "min_base_amount": market.size_text(rules.min_quantity),
        "min_quote_amount": f"{rules.min_notional:.{market.size_decimals + market.price_decimals}f}",
        "order_quote_limit": NO_QUOTE_LIMIT,
        "supported_size_decimals": market.size_decimals,
        "supported_price_decimals": market.price_decimals,
        "supported_quote_decimals": market.size_decimals + market.price_decimals,
        "created_at": "0",
        "multiplier": "1",
    }


def order_book_detail(market: WireMarket, state: MarketState, tally: Tally, default_leverage: Decimal) -> Json:
    """Return the row of `/orderBookDetails`: margin fractions in 1e-4, prices as strings, the day as numbers."""
    rules = market.rules
    return {
        **order_book_meta(market),
        "size_decimals": market.size_decimals,
        "price_decimals": market.price_decimals,
        "quote_multiplier": 1,
        "default_initial_margin_fraction": int(max(rules.initial_margin_min, 1 / default_leverage) * _BASIS),
        "min_initial_margin_fraction": int(rules.initial_margin_min * _BASIS),
        "maintenance_margin_fraction": int(rules.maintenance_margin * _BASIS),
        "closeout_margin_fraction": int(rules.closeout_margin * _BASIS),
        "mark_price": market.price_text(state.mark),
        "index_price": market.price_text(state.index),
        "last_trade_price": float(state.last),
        "daily_trades_count": tally.count,
        **tally.daily(),
        "open_interest": float(state.open_interest),
        "daily_chart": {},
        "market_config": {
            "market_margin_mode": 0,
            "insurance_fund_account_index": INSURANCE_ACCOUNT_INDEX,
            "liquidation_mode": 0,
            "force_reduce_only": False,
            "trading_hours": "",
            "funding_fee_discounts_enabled": False,
            "hidden": False,
            "rfq_enabled": False,
        },
        "funding_clamp_small": FUNDING_CLAMP_SMALL,
        "funding_clamp_big": FUNDING_CLAMP_BIG,
        "base_interest_rate": BASE_INTEREST,
        "funding_premium_multiplier": 100,
        "strategy_index": 0,
        "market_flags": 0,
    }


def market_stats(market: WireMarket, state: MarketState, top: BookView, tally: Tally) -> Json:
    """Return one market of the `market_stats` channel. Rates are in percent, open interest in USD."""
    ask = top.asks[0].price if top.asks else None
    bid = top.bids[0].price if top.bids else None
    return {
        "symbol": market.symbol,
        "market_id": market.index,
        "index_price": market.price_text(state.index),
        "mark_price": market.price_text(state.mark),
        "mid_price": "" if ask is None or bid is None else f"{(ask + bid) / 2:.{market.price_decimals + 1}f}",
        "best_ask_price": "" if ask is None else market.price_text(ask),
        "best_bid_price": "" if bid is None else market.price_text(bid),
        "open_interest": f"{state.open_interest * state.mark:.6f}",
        "open_interest_limit": NO_INTEREST_LIMIT,
        "funding_clamp_small": FUNDING_CLAMP_SMALL,
        "funding_clamp_big": FUNDING_CLAMP_BIG,
        "last_trade_price": market.price_text(state.last),
        "current_funding_rate": _percent(state.funding_rate),
        "funding_rate": _percent(tally.funding_rate),
        "funding_timestamp": tally.funding_at,
        **tally.daily(),
        "base_interest_rate": BASE_INTEREST,
        "premium": _percent(state.mark / state.index - 1 if state.index else ZERO),
    }


def exchange_stats(rows: Iterable[tuple[WireMarket, MarketState, Tally]]) -> Json:
    """Return the body of `/exchangeStats`."""
    stats = [
        {
            "symbol": market.symbol,
            "last_trade_price": float(state.last),
            "daily_trades_count": tally.count,
            "daily_base_token_volume": float(tally.base),
            "daily_quote_token_volume": float(tally.quote),
            "daily_price_change": tally.daily()["daily_price_change"],
        }
        for market, state, tally in rows
    ]
    return {
        "total": len(stats),
        "order_book_stats": stats,
        "daily_usd_volume": sum(row["daily_quote_token_volume"] for row in stats),
        "daily_trades_count": sum(row["daily_trades_count"] for row in stats),
    }


def funding_rate_row(market: WireMarket, state: MarketState) -> Json:
    """Return the row of `/funding-rates`: a fraction over eight hours, whatever the market's own interval."""
    scale = Decimal(_EIGHT_HOURS_MS) / market.rules.funding_interval_ms
    return {
        "market_id": market.index,
        "exchange": "lighter",
        "symbol": market.symbol,
        "rate": float(state.funding_rate * scale),
    }


def book_orders(view: BookView, market: WireMarket) -> Json:
    """Return the body of `/orderBookOrders`. A level of the simulated book stands for one order of the crowd."""
    asks = [_simple_order(level, market, FIRST_ORDER_INDEX + place) for place, level in enumerate(view.asks, start=1)]
    bids = [
        _simple_order(level, market, FIRST_ORDER_INDEX + len(asks) + place)
        for place, level in enumerate(view.bids, start=1)
    ]
    return {"total_asks": len(asks), "asks": asks, "total_bids": len(bids), "bids": bids}


def _simple_order(level: BookLevel, market: WireMarket, index: int) -> Json:
    size = market.size_text(level.quantity)
    return {
        "order_index": index,
        "order_id": str(index),
        "owner_account_index": CROWD_ACCOUNT_INDEX,
        "initial_base_amount": size,
        "remaining_base_amount": size,
        "price": market.price_text(level.price),
        "order_expiry": 0,
        "transaction_time": 0,
    }


Levels = dict[str, str]
"""One side of a book as the wire writes it: price text → size text, best first."""


@dataclass(frozen=True, slots=True)
class WireBook:
    """A book as it was last published."""

    asks: Levels
    bids: Levels
    nonce: int
    at: Timestamp

    @classmethod
    def of(cls, view: BookView, market: WireMarket) -> "WireBook":
        """Write a view."""
        return cls(
            asks={market.price_text(level.price): market.size_text(level.quantity) for level in view.asks},
            bids={market.price_text(level.price): market.size_text(level.quantity) for level in view.bids},
            nonce=view.nonce,
            at=view.at,
        )


def book_snapshot(book: WireBook, market: WireMarket, offset: int, now: Timestamp) -> Json:
    """Return the frame that a subscription to `order_book` starts with."""
    return _book_frame("subscribed", market, _level_rows(book.asks), _level_rows(book.bids), (0, book), offset, now)


def book_update(before: WireBook, after: WireBook, market: WireMarket, offset: int, now: Timestamp) -> Json:
    """Return the frame with what changed between two books; size zero deletes a level."""
    zero = market.size_text(ZERO)
    asks = _level_rows(_changes(before.asks, after.asks, zero))
    bids = _level_rows(_changes(before.bids, after.bids, zero))
    return _book_frame("update", market, asks, bids, (before.nonce, after), offset, now)


def _book_frame(
    kind: str,
    market: WireMarket,
    asks: list[Json],
    bids: list[Json],
    step: tuple[int, WireBook],
    offset: int,
    now: Timestamp,
) -> Json:
    begin_nonce, book = step
    updated_at = book.at * _US_PER_MS
    return {
        "channel": f"order_book:{market.index}",
        "offset": offset,
        "order_book": {
            "code": 0,
            "asks": asks,
            "bids": bids,
            "offset": offset,
            "nonce": book.nonce,
            "begin_nonce": begin_nonce,
            "last_updated_at": updated_at,
        },
        "last_updated_at": updated_at,
        "timestamp": now,
        "type": f"{kind}/order_book",
    }


def _changes(before: Levels, after: Levels, zero: str) -> Levels:
    changed = {price: size for price, size in after.items() if before.get(price) != size}
    gone = {price: zero for price in before if price not in after}
    return {**changed, **gone}


def _level_rows(levels: Levels) -> list[Json]:
    return [{"price": price, "size": size} for price, size in levels.items()]


def ticker_frame(kind: str, book: WireBook, market: WireMarket, now: Timestamp) -> Json:
    """Return a frame of the `ticker` channel."""
    updated_at = book.at * _US_PER_MS
    return {
        "channel": f"ticker:{market.index}",
        "last_updated_at": updated_at,
        "nonce": book.nonce,
        "ticker": {
            "s": market.symbol,
            "a": _best(book.asks, market),
            "b": _best(book.bids, market),
            "last_updated_at": updated_at,
        },
        "timestamp": now,
        "type": f"{kind}/ticker",
    }


def _best(levels: Levels, market: WireMarket) -> Json:
    price, size = next(iter(levels.items()), (market.price_text(ZERO), market.size_text(ZERO)))
    return {"price": price, "size": size}


def _percent(fraction: Decimal) -> str:
    return f"{fraction * 100:.4f}"
