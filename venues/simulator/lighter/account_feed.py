"""Frames of the account channels: positions, orders, trades, money, transactions, notifications."""

from collections.abc import Collection, Iterable

from strategies.domain.ids import Timestamp
from strategies.domain.money import ZERO
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.channels import Channel, Kind
from venues.simulator.lighter.digest import AccountNews, Digest
from venues.simulator.lighter.markets import WireMarket
from venues.simulator.lighter.payloads import (
    AccountView,
    Json,
    closed_by_force,
    funding_payload,
    order_payload,
    trade_payload,
    usdc_asset,
)
from venues.simulator.lighter.txlog import TxRow, enriched_tx
from venues.simulator.model import FundingPaid, OrderRow, OrderState, TradeRow

SNAPSHOT_TRADES = 50
"""How many past trades a snapshot brings."""
USER_STATS_EVERY_MS = 1000
"""A moving mark changes every account's equity all the time; that is told this often, account events at once."""


class AccountFeed:
    """Makes the account frames."""

    def __init__(self, backend: Backend) -> None:
        """Speak of this backend."""
        self._backend = backend
        self._stats_told_at: dict[int, Timestamp] = {}
        self._waiting: list[TxRow] = []

    def queued(self, row: TxRow) -> None:
        """Remember a transaction: its account hears of it once it has executed."""
        self._waiting.append(row)

    def snapshot(self, channel: Channel, account: int) -> Json:
        """Return the first frame of a subscription.

        Raises:
            ApiRefusal: there is no such account.
        """
        view = self._backend.account(account)
        match channel.kind:
            case Kind.USER_STATS:
                body = self._stats(view)
            case Kind.ACCOUNT_ALL:
                body = {**self._all(view, self._whole(view)), **self._trade_counts(view)}
            case Kind.ACCOUNT_ALL_POSITIONS:
                body = {"positions": {str(row["market_id"]): row for row in view.positions()}, "shares": []}
            case Kind.ACCOUNT_ALL_TRADES:
                trades = self._by_market(view.trades()[-SNAPSHOT_TRADES:])
                body = {"trades": trades, **_volumes(view)}
            case Kind.ACCOUNT_ALL_ORDERS:
                body = {"orders": view.orders_by_market()}
            case Kind.ACCOUNT_ORDERS:
                market = self._market(channel)
                body = self._orders_of_market(view, market, view.active_orders(market))
            case Kind.ACCOUNT_MARKET:
                body = self._market_snapshot(view, self._market(channel))
            case Kind.NOTIFICATION:
                body = self._notifications(view, [row for row in view.trades() if closed_by_force(view.name, row)])
            case _:  # account_tx: its snapshot brings nothing
                body = {}
        return {**body, "channel": channel.label, "type": f"subscribed/{channel.kind}"}

    def updates(self, followed: Collection[Channel], digest: Digest) -> list[tuple[Channel, Json]]:
        """Return a frame for each followed channel that has news."""
        executed = self._executed({channel.account for channel in followed if channel.kind is Kind.ACCOUNT_TX})
        frames: list[tuple[Channel, Json]] = []
        for channel in followed:
            if channel.account is None:
                continue
            name = str(channel.account)
            if channel.kind is Kind.USER_STATS:
                body = self._stats_update(channel.account, digest)
            elif channel.kind is Kind.ACCOUNT_TX:
                rows = executed.get(channel.account)
                body = {"txs": rows} if rows else None
            elif name in digest.accounts:
                body = self._update(channel, self._backend.account(channel.account), digest.accounts[name])
            else:
                body = None
            if body is not None:
                frames.append((channel, {**body, "channel": channel.label, "type": f"update/{channel.kind}"}))
        return frames

    def _update(self, channel: Channel, view: AccountView, news: AccountNews) -> Json | None:
        body: Json | None = None
        match channel.kind:
            case Kind.ACCOUNT_ALL if news.positions or news.trades:
                body = self._all(view, news)
            case Kind.ACCOUNT_ALL_POSITIONS if news.positions:
                body = {"positions": self._positions(view, news), "shares": []}
            case Kind.ACCOUNT_ALL_TRADES if news.trades:
                body = {"trades": self._by_market(news.trades.values())}
            case Kind.ACCOUNT_ALL_ORDERS if news.orders:
                body = {"orders": self._orders_by_market(news.orders.values())}
            case Kind.ACCOUNT_ORDERS:
                market = self._market(channel)
                rows = [row for row in news.orders.values() if row.symbol == market.symbol]
                body = self._orders_of_market(view, market, rows) if rows else None
            case Kind.ACCOUNT_MARKET:
                body = self._market_update(view, self._market(channel), news)
            case Kind.NOTIFICATION if news.forced:
                body = self._notifications(view, news.forced)
        return body

    # --- parts of frames ---

    def _market(self, channel: Channel) -> WireMarket:
        return self._backend.markets.by_index(channel.market or 0)

    def _trade(self, row: TradeRow) -> Json:
        return trade_payload(row, self._backend.markets.by_symbol(row.symbol), self._backend.log)

    def _by_market(self, rows: Iterable[TradeRow]) -> dict[str, list[Json]]:
        grouped: dict[str, list[Json]] = {}
        for row in rows:
            grouped.setdefault(str(self._backend.markets.by_symbol(row.symbol).index), []).append(self._trade(row))
        return grouped

    def _orders_by_market(self, rows: Iterable[OrderRow]) -> dict[str, list[Json]]:
        grouped: dict[str, list[Json]] = {}
        for row in rows:
            market = self._backend.markets.by_symbol(row.symbol)
            grouped.setdefault(str(market.index), []).append(order_payload(row, market))
        return grouped

    def _positions(self, view: AccountView, news: AccountNews) -> dict[str, Json]:
        markets = [self._backend.markets.by_symbol(symbol) for symbol in news.positions]
        return {str(market.index): view.position(market) for market in markets}

    def _fundings(self, rows: Iterable[FundingPaid]) -> dict[str, list[Json]]:
        grouped: dict[str, list[Json]] = {}
        for row in rows:
            market = self._backend.markets.by_symbol(row.symbol)
            grouped.setdefault(str(market.index), []).append(funding_payload(row, market))
        return grouped

    def _whole(self, view: AccountView) -> AccountNews:
        """Return the account as it is, as if all of it were news."""
        trades = {row.trade_id: row for row in view.trades()[-SNAPSHOT_TRADES:]}
        held = {row.symbol: None for row in self._backend.exchange.positions(view.name)}
        return AccountNews(trades=trades, positions=held)

    def _all(self, view: AccountView, news: AccountNews) -> Json:
        asset = usdc_asset(self._backend.exchange.margin(view.name))
        return {
            "account": view.index,
            "positions": self._positions(view, news),
            "assets": {str(asset["asset_id"]): asset},
            "trades": self._by_market(news.trades.values()),
            "funding_histories": self._fundings(news.funding),
            "shares": [],
        }

    def _trade_counts(self, view: AccountView) -> Json:
        count = len(view.trades())
        names = ("daily_trades_count", "weekly_trades_count", "monthly_trades_count", "total_trades_count")
        return {**dict.fromkeys(names, count), **_volumes(view)}

    def _orders_of_market(self, view: AccountView, market: WireMarket, rows: Iterable[OrderRow]) -> Json:
        return {
            "account": view.index,
            "orders": {str(market.index): [order_payload(row, market) for row in rows]},
            "nonce": self._backend.exchange.book(market.symbol, 1).nonce,
        }

    def _market_snapshot(self, view: AccountView, market: WireMarket) -> Json:
        held = {row.symbol for row in self._backend.exchange.positions(view.name)}
        return {
            "account": view.index,
            "orders": [order_payload(row, market) for row in view.active_orders(market)],
            "trades": [self._trade(row) for row in view.trades(market)[-SNAPSHOT_TRADES:]],
            "position": view.position(market) if market.symbol in held else None,
            "assets": None,
            "funding_history": None,
        }

    def _market_update(self, view: AccountView, market: WireMarket, news: AccountNews) -> Json | None:
        orders = [order_payload(row, market) for row in news.orders.values() if row.symbol == market.symbol]
        trades = [self._trade(row) for row in news.trades.values() if row.symbol == market.symbol]
        moved = market.symbol in news.positions
        if not orders and not trades and not moved:
            return None
        return {
            "account": view.index,
            "orders": orders,
            "trades": trades,
            "position": view.position(market) if moved else None,
            "assets": {},
            "funding_history": [funding_payload(row, market) for row in news.funding if row.symbol == market.symbol],
        }

    @staticmethod
    def _notifications(view: AccountView, rows: Iterable[TradeRow]) -> Json:
        return {"notifs": [view.notification(row) for row in rows]}

    def _stats(self, view: AccountView) -> Json:
        self._stats_told_at[view.index] = self._backend.clock.true()
        return {"stats": view.user_stats(), "timestamp": self._backend.now()}

    def _stats_update(self, account: int, digest: Digest) -> Json | None:
        view = self._backend.account(account)
        if view.name not in digest.accounts:
            if self._backend.clock.true() - self._stats_told_at.get(account, 0) < USER_STATS_EVERY_MS:
                return None
            held = self._backend.exchange.positions(view.name)
            if not any(row.quantity and row.symbol in digest.moved for row in held):
                return None
        return self._stats(view)

    def _executed(self, followed: Collection[int | None]) -> dict[int, list[Json]]:
        """Return what followed accounts executed since the last call; what has not executed stays on the list."""
        now = self._backend.clock.true()
        exchange, markets = self._backend.exchange, self._backend.markets
        executed: dict[int, list[Json]] = {}
        waiting: list[TxRow] = []
        for row in self._waiting:
            if row.account_index not in followed:
                continue
            order = None if row.order_index is None else exchange.order(str(row.account_index), row.order_index)
            if row.executes_at > now or (order is not None and order.state is OrderState.PENDING):
                waiting.append(row)
            else:
                executed.setdefault(row.account_index, []).append(enriched_tx(row, exchange, markets, now))
        self._waiting = waiting
        return executed


def _volumes(view: AccountView) -> Json:
    volume = float(sum((row.price * row.quantity for row in view.trades()), start=ZERO))
    return dict.fromkeys(("daily_volume", "weekly_volume", "monthly_volume", "total_volume"), volume)
