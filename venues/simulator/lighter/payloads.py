"""Orders, trades, positions and accounts as Lighter's REST and WebSocket write them: complete field sets, mixed units.

Amounts are decimal strings; orders carry seconds, expiries and trades milliseconds, `transaction_time` microseconds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from strategies.domain.position import FillCause
from venues.simulator.exchange import Exchange
from venues.simulator.lighter.markets import Markets, WireMarket, usd_text
from venues.simulator.lighter.txlog import TxLog, block_height
from venues.simulator.lighter.words import (
    account_index,
    l1_address,
    order_status,
    order_type,
    time_in_force,
    trade_type,
    trigger_status,
)
from venues.simulator.model import FundingPaid, MarginRow, OrderRow, OrderState, PositionRow, TradeRow

Json = dict[str, Any]
_MS_PER_S = 1000
_US_PER_MS = 1000
_PPM = 1_000_000
USDC_ASSET_ID = 3
FRACTION_GRAIN = Decimal("0.01")
MARGIN_FRACTION_TICK = 10_000
"""Margin fractions are integers of 1e-4 in market data and transactions, percent in positions."""


def order_payload(order: OrderRow, market: WireMarket) -> Json:
    """Return an order. What an ended order did not fill is shown as zero remaining, as the venue does."""
    ended = order.state not in (OrderState.OPEN, OrderState.PENDING)
    remaining = ZERO if ended else order.remaining
    price = ZERO if order.price is None else order.price
    client = order.client_order_id or 0
    return {
        "order_index": order.order_index,
        "client_order_index": client,
        "order_id": str(order.order_index),
        "client_order_id": str(client),
        "market_index": market.index,
        "owner_account_index": account_index(order.account),
        "initial_base_amount": market.size_text(order.quantity),
        "price": market.price_text(price),
        "nonce": order.book_nonce,
        "remaining_base_amount": market.size_text(remaining),
        "is_ask": order.side is Side.SELL,
        "base_size": market.lots(remaining),
        "base_price": market.ticks(price),
        "filled_base_amount": market.size_text(order.filled),
        "filled_quote_amount": usd_text(order.filled_quote),
        "side": "",
        "type": order_type(order),
        "time_in_force": time_in_force(order),
        "reduce_only": order.reduce_only,
        "trigger_price": market.price_text(order.trigger_price or ZERO),
        "order_expiry": order.expires_at or 0,
        "status": order_status(order),
        "trigger_status": trigger_status(order),
        "trigger_time": 0,
        "parent_order_index": 0,
        "parent_order_id": "0",
        "to_trigger_order_id_0": "0",
        "to_trigger_order_id_1": "0",
        "to_cancel_order_id_0": "0",
        "integrator_fee_collector_index": "0" if ended else "",
        "integrator_taker_fee": "0" if ended else "",
        "integrator_maker_fee": "0" if ended else "",
        "order_flags": 0,
        "order_version": 0,
        "block_height": block_height(order.updated_at),
        "timestamp": order.updated_at // _MS_PER_S,
        "created_at": order.created_at // _MS_PER_S,
        "updated_at": order.updated_at // _MS_PER_S,
        "transaction_time": order.updated_at * _US_PER_MS,
    }


def trade_payload(trade: TradeRow, market: WireMarket, log: TxLog) -> Json:
    """Return a trade. Fees are in parts per million of notional, and left out when zero."""
    taker_sells = trade.taker_side is Side.SELL
    taker_id, maker_id = trade.taker_order_index, trade.maker_order_index
    taker_client, maker_client = trade.taker_client_order_id or 0, trade.maker_client_order_id or 0
    taker_account, maker_account = account_index(trade.taker_account), account_index(trade.maker_account)
    ask_id, bid_id = (taker_id, maker_id) if taker_sells else (maker_id, taker_id)
    ask_client, bid_client = (taker_client, maker_client) if taker_sells else (maker_client, taker_client)
    ask_account, bid_account = (taker_account, maker_account) if taker_sells else (maker_account, taker_account)
    notional = trade.price * trade.quantity
    payload: Json = {
        "trade_id": trade.trade_id,
        "trade_id_str": str(trade.trade_id),
        "tx_hash": log.hash_of_order(trade.taker_order_index) or f"{trade.trade_id:080x}",
        "type": trade_type(trade.cause),
        "market_id": market.index,
        "size": market.size_text(trade.quantity),
        "price": market.price_text(trade.price),
        "usd_amount": usd_text(notional),
        "ask_id": ask_id,
        "ask_id_str": str(ask_id),
        "bid_id": bid_id,
        "bid_id_str": str(bid_id),
        "ask_client_id": ask_client,
        "ask_client_id_str": str(ask_client),
        "bid_client_id": bid_client,
        "bid_client_id_str": str(bid_client),
        "ask_account_id": ask_account,
        "bid_account_id": bid_account,
        "is_maker_ask": not taker_sells,
        "block_height": block_height(trade.at),
        "timestamp": trade.at,
        "taker_position_size_before": market.size_text(trade.taker_position_before),
        "taker_entry_quote_before": usd_text(abs(trade.taker_position_before) * trade.price),
        "maker_position_size_before": market.size_text(trade.maker_position_before),
        "maker_entry_quote_before": usd_text(abs(trade.maker_position_before) * trade.price),
        "transaction_time": trade.at * _US_PER_MS,
        "ask_order_version": 0,
        "bid_order_version": 0,
    }
    for key, fee in (("taker_fee", trade.taker_fee), ("maker_fee", trade.maker_fee)):
        ppm = int((fee / notional * _PPM).to_integral_value())
        if ppm:
            payload[key] = ppm
    return payload


def closed_by_force(account: str, trade: TradeRow) -> bool:
    """Say whether the venue made this trade to close that account's position (not: it met its resting order)."""
    return trade.cause is FillCause.ADL or (trade.cause is FillCause.LIQUIDATION and trade.taker_account == account)


def funding_payload(paid: FundingPaid, market: WireMarket) -> Json:
    """Return one funding payment of an account."""
    return {
        "timestamp": paid.at // _MS_PER_S,
        "market_id": market.index,
        "funding_id": funding_id(paid, market),
        "change": usd_text(paid.amount),
        "rate": str(paid.rate),
        "position_size": market.size_text(abs(paid.position)),
        "position_side": "long" if paid.position > ZERO else "short",
        "discount": usd_text(ZERO),
    }


def funding_id(paid: FundingPaid, market: WireMarket) -> int:
    """Return the number of a funding payment: it rises with time and differs between markets."""
    return paid.at // _MS_PER_S * _MS_PER_S + market.index


def position_payload(row: PositionRow, market: WireMarket, mark: Decimal, open_orders: int) -> Json:
    """Return a position: unsigned size and a sign, which is 1 when flat. The margin fraction is in percent."""
    return {
        "market_id": market.index,
        "symbol": market.symbol,
        "initial_margin_fraction": f"{(100 / row.leverage).quantize(FRACTION_GRAIN)}",
        "open_order_count": open_orders,
        "pending_order_count": 0,
        "position_tied_order_count": 0,
        "sign": -1 if row.quantity < ZERO else 1,
        "position": market.size_text(abs(row.quantity)),
        "avg_entry_price": market.price_text(row.entry_price),
        "position_value": usd_text(abs(row.quantity) * mark),
        "unrealized_pnl": usd_text(row.unrealized),
        "realized_pnl": usd_text(row.realized),
        "liquidation_price": "0" if row.liquidation_price is None else market.price_text(row.liquidation_price),
        "total_funding_paid_out": usd_text(row.funding_paid),
        "margin_mode": 0,
        "margin_set_flag": 1,
        "allocated_margin": usd_text(ZERO),
    }


@dataclass(frozen=True, slots=True)
class AccountView:
    """Reads one account of the exchange in wire form."""

    exchange: Exchange
    markets: Markets
    log: TxLog
    name: str

    @property
    def index(self) -> int:
        """Return the account's number."""
        return account_index(self.name)

    def active_orders(self, market: WireMarket | None = None) -> list[OrderRow]:
        """Return what rests in the book."""
        symbol = None if market is None else market.symbol
        rows = self.exchange.orders(self.name, active=True, symbol=symbol)
        return [row for row in rows if not self.is_hidden(row)]

    @staticmethod
    def is_hidden(row: OrderRow) -> bool:
        """Say whether the order still waits for its delay: the sequencer has not seen it, so no reader has."""
        return row.state is OrderState.PENDING

    def orders_by_market(self) -> dict[str, list[Json]]:
        """Return the open orders, by market number."""
        grouped: dict[str, list[Json]] = {}
        for row in self.active_orders():
            market = self.markets.by_symbol(row.symbol)
            grouped.setdefault(str(market.index), []).append(order_payload(row, market))
        return grouped

    def position(self, market: WireMarket) -> Json:
        """Return the position in one market."""
        row = self.exchange.position(self.name, market.symbol)
        count = len(self.active_orders(market))
        return position_payload(row, market, self.exchange.market(market.symbol).mark, count)

    def positions(self) -> list[Json]:
        """Return a row for every market that was ever held, has an open order, or another leverage than the default."""
        default = self.exchange.rules.default_leverage
        shown: set[VenueSymbol] = {row.symbol for row in self.exchange.positions(self.name)}
        shown |= {row.symbol for row in self.active_orders()}
        for market in self.markets.all:
            limit = 1 / market.rules.initial_margin_min
            if self.exchange.leverage(self.name, market.symbol) != min(default, limit):
                shown.add(market.symbol)
        return [self.position(market) for market in self.markets.all if market.symbol in shown]

    def trades(self, market: WireMarket | None = None) -> list[TradeRow]:
        """Return the account's executions, oldest first."""
        return self.exchange.trades(self.name, symbol=None if market is None else market.symbol)

    def trade(self, row: TradeRow) -> Json:
        """Return one execution in wire form."""
        return trade_payload(row, self.markets.by_symbol(row.symbol), self.log)

    def detailed(self, now: Timestamp, *, active_only: bool) -> Json:
        """Return the row of `/account`."""
        margin = self.exchange.margin(self.name)
        positions = self.positions()
        if active_only:
            positions = [row for row in positions if Decimal(row["position"])]
        return {
            **self._head(margin, now),
            "name": "",
            "description": "",
            "can_invite": True,
            "referral_points_percentage": "",
            "can_rfq": False,
            "can_rfq_market_ids": [],
            "agent_enabled": False,
            "created_at": 0,
            "metadata": {"color": ""},
            "positions": positions,
            "assets": [usdc_asset(margin)],
            "total_asset_value": usd_text(margin.equity),
            "cross_asset_value": usd_text(margin.equity),
            "cross_initial_margin_requirement": usd_text(margin.initial_requirement),
            "cross_maintenance_margin_requirement": usd_text(margin.maintenance_requirement),
            "shares": [],
            "pending_unlocks": [],
        }

    def summary(self, now: Timestamp) -> Json:
        """Return the row of `/accountsByL1Address`."""
        return self._head(self.exchange.margin(self.name), now)

    def _head(self, margin: MarginRow, now: Timestamp) -> Json:
        return {
            "code": 0,
            "account_type": 0,
            "account_trading_mode": 0,
            "index": self.index,
            "account_index": self.index,
            "l1_address": l1_address(self.index),
            "cancel_all_time": self.exchange.cancel_all_due_at(self.name) or 0,
            "total_order_count": len(self.active_orders()),
            "total_isolated_order_count": 0,
            "pending_order_count": 0,
            "available_balance": usd_text(margin.available),
            "status": 1,
            "collateral": usd_text(margin.collateral),
            "transaction_time": now * _US_PER_MS,
        }

    def user_stats(self) -> Json:
        """Return the `stats` of the `user_stats` channel."""
        margin = self.exchange.margin(self.name)
        rows = self.exchange.positions(self.name)
        notional = sum((abs(row.quantity) * self.exchange.market(row.symbol).mark for row in rows), start=ZERO)
        leverage = notional / margin.equity if margin.equity > ZERO else ZERO
        usage = margin.initial_requirement / margin.equity * 100 if margin.equity > ZERO else ZERO
        widest = max((1 / market.rules.initial_margin_min for market in self.markets.all), default=ZERO)
        figures = {
            "collateral": usd_text(margin.collateral),
            "portfolio_value": usd_text(margin.equity),
            "leverage": f"{leverage:.2f}",
            "available_balance": usd_text(margin.available),
            "margin_usage": f"{usage:.2f}",
            "buying_power": usd_text(margin.available * widest),
        }
        return {**figures, "account_trading_mode": 0, "cross_stats": figures, "total_stats": figures}

    def liquidation(self, trade: TradeRow) -> Json:
        """Return the row of `/liquidations` for a trade that closed this account's position by force."""
        margin = self.exchange.margin(self.name)
        market = self.markets.by_symbol(trade.symbol)
        risk = {
            "cross_risk_parameters": {
                "collateral": usd_text(margin.collateral),
                "total_account_value": usd_text(margin.equity),
                "initial_margin_req": usd_text(margin.initial_requirement),
                "maintenance_margin_req": usd_text(margin.maintenance_requirement),
            }
        }
        return {
            "id": trade.trade_id,
            "market_id": market.index,
            "type": "deleverage" if trade.cause is FillCause.ADL else "partial",
            "trade": {
                "price": market.price_text(trade.price),
                "size": market.size_text(trade.quantity),
                "taker_fee": usd_text(trade.taker_fee),
                "maker_fee": usd_text(trade.maker_fee),
                "transaction_time": trade.at * _US_PER_MS,
            },
            "info": {
                "positions": self.positions(),
                "risk_info_before": {},
                "risk_info_after": risk,
                "mark_prices": {str(market.index): float(self.exchange.market(trade.symbol).mark)},
                "assets": [usdc_asset(margin)],
            },
            "executed_at": trade.at,
        }

    def notification(self, trade: TradeRow) -> Json:
        """Return the notification about a trade that closed this account's position by force."""
        market = self.markets.by_symbol(trade.symbol)
        adl = trade.cause is FillCause.ADL
        moment = datetime.fromtimestamp(trade.at / _MS_PER_S, UTC).isoformat(timespec="milliseconds")
        price = market.price_text(trade.price)
        content: Json = {
            "id": str(trade.trade_id),
            "usdc_amount": usd_text(trade.price * trade.quantity),
            "size": market.size_text(trade.quantity),
            "market_index": market.index,
            "timestamp": trade.at // _MS_PER_S,
        }
        if adl:
            content["settlement_price"] = price
        else:
            content |= {"is_ask": self.sold(trade), "price": price, "avg_price": price}
        return {
            "id": str(trade.trade_id),
            "created_at": moment,
            "updated_at": moment,
            "kind": "deleverage" if adl else "liquidation",
            "account_index": self.index,
            "content": content,
            "ack": False,
            "acked_at": None,
        }

    def sold(self, trade: TradeRow) -> bool:
        """Say whether this account was the seller."""
        return (trade.taker_account == self.name) == (trade.taker_side is Side.SELL)


def usdc_asset(margin: MarginRow) -> Json:
    """Return the account's only asset: all of it is margin."""
    return {
        "symbol": "USDC",
        "asset_id": USDC_ASSET_ID,
        "balance": usd_text(ZERO),
        "locked_balance": usd_text(ZERO),
        "margin_mode": "enabled",
        "margin_balance": usd_text(margin.collateral),
        "multiplier": "1",
    }
