"""What a trade does to everybody it concerns: order rows, positions, money, history, and the telling of it."""

from collections.abc import Callable
from copy import copy
from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from strategies.domain.position import FillCause
from venues.simulator import ledger
from venues.simulator.book import BookKeeper
from venues.simulator.margin import MarginBook
from venues.simulator.model import (
    AccountLiquidated,
    EndReason,
    ExchangeEvent,
    MarketRules,
    OrderChanged,
    OrderRow,
    OrderState,
    PositionChanged,
    Traded,
    TradeRow,
)
from venues.simulator.state import CROWD, ExchangeState


class Settlement:
    """Registers, fills and ends orders, and books trades."""

    def __init__(
        self,
        markets: dict[VenueSymbol, MarketRules],
        state: ExchangeState,
        books: BookKeeper,
        margins: MarginBook,
        emit: Callable[[ExchangeEvent], None],
    ) -> None:
        """Work on this state; `emit` hears of everything that happens."""
        self._markets = markets
        self._state = state
        self._books = books
        self._margins = margins
        self._emit = emit
        self.touched: dict[str, None] = {}
        """Accounts whose position changed since somebody looked, in order."""

    def register(self, row: OrderRow) -> None:
        """Make a row part of the state, under the next index."""
        row.order_index = self._state.next_order_index
        self._state.next_order_index += 1
        self._state.orders[row.order_index] = row
        account = self._state.accounts[row.account]
        account.active[row.order_index] = None
        if row.client_order_id is not None:
            account.client_active[row.client_order_id] = row.order_index

    def end(self, row: OrderRow, state: OrderState, reason: EndReason, at: Timestamp) -> None:
        """End an active order and say so."""
        self._close(row, state, reason, at)
        self._emit(OrderChanged(copy(row)))

    def reducible(self, row: OrderRow) -> Decimal:
        """Return how much of the order would make the position smaller."""
        held = self._state.accounts[row.account].held.get(row.symbol)
        if held is None or held.quantity * row.side.sign >= ZERO:
            return ZERO
        return min(row.remaining, abs(held.quantity))

    def trade(
        self,
        taker: OrderRow | None,
        maker: OrderRow | None,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        at: Timestamp,
        cause: FillCause,
    ) -> TradeRow:
        """Execute; None stands for the crowd. Forced trades pay no trading fee (liquidations pay their own)."""
        known = taker or maker
        if known is None:
            raise ValueError("the crowd does not trade with itself")
        symbol = known.symbol
        rules = self._markets[symbol]
        taker_name = taker.account if taker else CROWD
        maker_name = maker.account if maker else CROWD
        notional = price * quantity
        trade = TradeRow(
            trade_id=self._state.next_trade_id,
            symbol=symbol,
            price=price,
            quantity=quantity,
            at=at,
            taker_side=side,
            taker_account=taker_name,
            taker_order_index=taker.order_index if taker else self._crowd_index(),
            taker_client_order_id=taker.client_order_id if taker else None,
            taker_fee=self._taker_fee(taker, rules, notional),
            maker_account=maker_name,
            maker_order_index=maker.order_index if maker else self._crowd_index(),
            maker_client_order_id=maker.client_order_id if maker else None,
            maker_fee=ledger.fee_of(notional, rules.maker_fee) if maker and maker.cause is FillCause.ORDER else ZERO,
            cause=cause,
            taker_position_before=ledger.account_of(self._state, taker_name).position(symbol).quantity,
            maker_position_before=ledger.account_of(self._state, maker_name).position(symbol).quantity,
        )
        self._state.next_trade_id += 1
        self._book_trade(trade, taker, maker)
        return trade

    def _book_trade(self, trade: TradeRow, taker: OrderRow | None, maker: OrderRow | None) -> None:
        place = len(self._state.trades)
        self._state.trades.append(trade)
        self._state.markets[trade.symbol].last = trade.price
        signed = trade.quantity * trade.taker_side.sign
        ledger.execute(self._state, trade.taker_account, trade.symbol, signed, trade.price)
        ledger.execute(self._state, trade.maker_account, trade.symbol, -signed, trade.price)
        if taker is not None and trade.cause is FillCause.LIQUIDATION:
            ledger.charge_liquidation_fee(self._state, trade.taker_account, trade.taker_fee)
        else:
            ledger.charge_fee(self._state, trade.taker_account, trade.taker_fee)
        ledger.charge_fee(self._state, trade.maker_account, trade.maker_fee)
        rows = [row for row in (taker, maker) if row is not None]
        for row in rows:
            self._state.accounts[row.account].trades.append(place)
            self._fill(row, trade)
        for row in rows:
            self._emit(OrderChanged(copy(row), trade))
        self._emit(Traded(trade))
        for row in rows:
            self._tell_position(row, trade)
        for row in rows:
            self._trim_reduce_only(row.account, trade.symbol, trade.at)

    def _taker_fee(self, taker: OrderRow | None, rules: MarketRules, notional: Decimal) -> Decimal:
        if taker is None:
            return ZERO
        if taker.cause is FillCause.ORDER:
            return ledger.fee_of(notional, rules.taker_fee)
        if taker.cause is not FillCause.LIQUIDATION:
            return ZERO
        equity = self._margins.equity(self._state.accounts[taker.account])
        return min(ledger.fee_of(notional, rules.liquidation_fee), max(equity.quantize(ledger.CENT), ZERO))

    def _fill(self, row: OrderRow, trade: TradeRow) -> None:
        row.filled += trade.quantity
        row.filled_quote += trade.quantity * trade.price
        row.updated_at = trade.at
        slot = self._state.markets[row.symbol]
        if row.remaining == ZERO:
            self._close(row, OrderState.FILLED, EndReason.NONE, trade.at)
        elif row.order_index in slot.book(row.side).resting:
            slot.nonce += 1

    def _tell_position(self, row: OrderRow, trade: TradeRow) -> None:
        account = self._state.accounts[row.account]
        self.touched[row.account] = None
        if row.cause is not FillCause.ORDER:
            self._emit(AccountLiquidated(row.account, trade.symbol, trade))
        self._emit(PositionChanged(row.account, self._margins.position(account, trade.symbol), row.cause))

    def _trim_reduce_only(self, name: str, symbol: VenueSymbol, at: Timestamp) -> None:
        slot = self._state.markets[symbol]
        for index in [*slot.bids.resting, *slot.asks.resting]:
            row = self._state.orders[index]
            if row.account == name and row.reduce_only and self.reducible(row) == ZERO:
                self.end(row, OrderState.CANCELED, EndReason.REDUCE_ONLY, at)

    def _close(self, row: OrderRow, state: OrderState, reason: EndReason, at: Timestamp) -> None:
        self._books.remove(self._state.markets[row.symbol], row)
        row.state = state
        row.end_reason = reason
        row.updated_at = at
        account = self._state.accounts[row.account]
        account.active.pop(row.order_index, None)
        account.ended.append(row.order_index)
        if row.client_order_id is not None and account.client_active.get(row.client_order_id) == row.order_index:
            del account.client_active[row.client_order_id]
            account.client_ended[row.client_order_id] = row.order_index

    def _crowd_index(self) -> int:
        index = self._state.next_order_index
        self._state.next_order_index += 1
        return index
