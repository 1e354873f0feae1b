"""Orders' lives: run, match, rest, end. Price-time priority; the crowd and the accounts share one book."""

from collections.abc import Callable
from copy import copy
from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import OrderType, Side, TimeInForce
from strategies.domain.position import FillCause
from venues.simulator import ledger
from venues.simulator.book import BookKeeper, crosses
from venues.simulator.margin import Extra, MarginBook
from venues.simulator.model import (
    EndReason,
    ExchangeEvent,
    MarketMoved,
    MarketRules,
    NewOrder,
    OrderChanged,
    OrderRow,
    OrderState,
    SelfTrade,
    TradeRow,
    VenueRules,
)
from venues.simulator.settlement import Settlement
from venues.simulator.state import CROWD, CrowdLevel, ExchangeState, MarketSlot


class Matching:
    """Decides who trades with whom; the settlement carries it out."""

    def __init__(
        self,
        rules: VenueRules,
        markets: dict[VenueSymbol, MarketRules],
        state: ExchangeState,
        books: BookKeeper,
        margins: MarginBook,
        settlement: Settlement,
        emit: Callable[[ExchangeEvent], None],
    ) -> None:
        """Work on this state; `emit` hears of everything that happens."""
        self._rules = rules
        self._markets = markets
        self._state = state
        self._books = books
        self._margins = margins
        self._settlement = settlement
        self._emit = emit

    def draft(self, order: NewOrder, at: Timestamp) -> OrderRow:
        """Return the order as a row without an index, not part of the state."""
        return OrderRow(
            order_index=0,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            quantity=order.quantity,
            price=order.price,
            client_order_id=order.client_order_id,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            expires_at=order.expires_at,
            created_at=at,
            updated_at=at,
            trigger_price=order.trigger_price,
        )

    def objection(self, row: OrderRow) -> EndReason | None:
        """Return why the engine would not let this order in now, None when it would."""
        slot = self._state.markets[row.symbol]
        if row.reduce_only and self._settlement.reducible(row) == ZERO:
            return EndReason.REDUCE_ONLY
        if row.post_only:
            best = self._books.best(slot, row.side)
            if best is not None and best.price is not None and crosses(row.side, best.price, row.price):
                return EndReason.POST_ONLY
        return None if row.reduce_only or self._affords(row, slot) else EndReason.MARGIN

    def run(self, row: OrderRow, at: Timestamp, fill_limit: Decimal | None, reject: EndReason | None) -> None:
        """Let an order into the engine: match it, rest what may rest, end the rest."""
        slot = self._state.markets[row.symbol]
        account = self._state.accounts[row.account]
        refused = reject or (EndReason.LIQUIDATION if account.liquidating else self.objection(row))
        if refused is not None:
            # Injected reasons and the engine's own refusals look alike: nothing was filled.
            self._settlement.end(row, OrderState.REJECTED, refused, at)
            return
        nonce = slot.nonce
        row.state = OrderState.OPEN
        row.updated_at = at
        self._emit(OrderChanged(copy(row)))
        reason = self._killed(row, slot) or self._match(row, slot, at, self._limit_of(row, fill_limit))
        if row.state is OrderState.OPEN:
            rests = row.order_type is OrderType.LIMIT and row.time_in_force is TimeInForce.GTC
            if rests and reason is None:
                self._books.rest(slot, row)
            else:
                self._settlement.end(row, OrderState.CANCELED, reason or self._leftover_reason(row, slot), at)
        if slot.nonce != nonce:
            self._emit(MarketMoved(slot.symbol))

    def requote(self, slot: MarketSlot, at: Timestamp) -> None:
        """Let the crowd quote anew: it first trades with what its new prices cross, then rests."""
        slot.bids.crowd, slot.asks.crowd = [], []
        bids, asks = self._books.quote(slot)
        for side, levels in ((Side.SELL, asks), (Side.BUY, bids)):
            for level in levels:
                self._crowd_takes(slot, side, level, at)
            slot.book(side).crowd = [level for level in levels if level.quantity > ZERO]
        slot.quoted_at = at
        slot.taken = False
        self._emit(MarketMoved(slot.symbol))

    def can_close(self, account: str, symbol: VenueSymbol, bound: Decimal | None) -> bool:
        """Say whether anybody offers anything that would close the position no worse than `bound`."""
        side = Side.of(-self._state.accounts[account].held[symbol].quantity)
        best = self._books.best(self._state.markets[symbol], side)
        return best is not None and best.price is not None and crosses(side, best.price, bound)

    def force(
        self,
        account: str,
        symbol: VenueSymbol,
        quantity: Decimal,
        bound: Decimal | None,
        cause: FillCause,
        at: Timestamp,
    ) -> list[TradeRow]:
        """Close part of a position at the book by an order of the venue's own, no worse than `bound`."""
        row = self._forced_row(account, symbol, quantity, bound, cause, at)
        slot = self._state.markets[symbol]
        self._emit(OrderChanged(copy(row)))
        first = len(self._state.trades)
        reason = self._match(row, slot, at, quantity)
        if row.state is OrderState.OPEN:
            self._settlement.end(row, OrderState.CANCELED, reason or self._leftover_reason(row, slot), at)
        self._emit(MarketMoved(symbol))
        return self._state.trades[first:]

    def take_over(
        self,
        account: str,
        counterparty: str,
        symbol: VenueSymbol,
        quantity: Decimal,
        price: Decimal,
        cause: FillCause,
        at: Timestamp,
    ) -> TradeRow:
        """Move part of a position to a counterparty (or the crowd) at a set price, outside the book."""
        row = self._forced_row(account, symbol, quantity, price, cause, at)
        other = None
        if counterparty != CROWD:
            other = self._forced_row(counterparty, symbol, quantity, price, cause, at)
        return self._settlement.trade(row, other, row.side, price, quantity, at, cause)

    def _forced_row(
        self,
        account: str,
        symbol: VenueSymbol,
        quantity: Decimal,
        price: Decimal | None,
        cause: FillCause,
        at: Timestamp,
    ) -> OrderRow:
        held = self._state.accounts[account].held[symbol].quantity
        side = Side.of(-held)
        order = NewOrder(account, symbol, side, OrderType.MARKET, TimeInForce.IOC, quantity, price, reduce_only=True)
        row = self.draft(order, at)
        row.cause = cause
        row.state = OrderState.OPEN
        self._settlement.register(row)
        return row

    def _limit_of(self, row: OrderRow, fill_limit: Decimal | None) -> Decimal:
        limit = row.quantity if fill_limit is None else min(row.quantity, fill_limit)
        lot = self._markets[row.symbol].lot
        return limit - limit % lot

    def _bound(self, row: OrderRow, slot: MarketSlot) -> Decimal | None:
        if row.price is not None or row.cause is not FillCause.ORDER:
            return row.price
        return slot.mark * (1 + row.side.sign * self._markets[row.symbol].impact_band)

    def _affords(self, row: OrderRow, slot: MarketSlot) -> bool:
        extra = Extra(row.symbol, row.side, row.quantity)
        account = self._state.accounts[row.account]
        if row.post_only:  # takes nothing, so loses nothing at once
            return self._margins.affords(account, extra, ZERO)
        sweep = self._books.sweep(slot, row.side, row.quantity, self._bound(row, slot), without=row.account)
        loss = (sweep.quote - sweep.quantity * slot.mark) * row.side.sign
        fee = ledger.fee_of(sweep.quote, self._markets[row.symbol].taker_fee)
        return self._margins.affords(account, extra, max(loss, ZERO) + max(fee, ZERO))

    def _killed(self, row: OrderRow, slot: MarketSlot) -> EndReason | None:
        if row.time_in_force is not TimeInForce.FOK:
            return None
        want = self._settlement.reducible(row) if row.reduce_only else row.quantity
        sweep = self._books.sweep(slot, row.side, want, self._bound(row, slot), without=row.account)
        if sweep.quantity != row.quantity:
            return EndReason.FILL_OR_KILL
        if self._rules.self_trade is SelfTrade.REJECT_TAKER:
            reached = self._books.ahead_of_own(slot, row.side, self._bound(row, slot), row.account)
            if reached is not None and reached < row.quantity:
                return EndReason.SELF_TRADE
        return None

    def _match(self, row: OrderRow, slot: MarketSlot, at: Timestamp, limit: Decimal) -> EndReason | None:
        """Trade until nothing fits; return a reason that forbids resting, None when there is none."""
        bound = self._bound(row, slot)
        left = limit
        while row.remaining > ZERO and left > ZERO:
            best = self._books.best(slot, row.side)
            if best is None or best.price is None or not crosses(row.side, best.price, bound):
                return None
            quantity = min(row.remaining, left)
            if row.reduce_only:
                quantity = min(quantity, self._settlement.reducible(row))
                if quantity == ZERO:
                    return EndReason.REDUCE_ONLY
            if isinstance(best, CrowdLevel):
                quantity = min(quantity, best.quantity)
                self._books.take_level(slot, best, quantity)
                self._settlement.trade(row, None, row.side, best.price, quantity, at, row.cause)
            elif best.account == row.account:
                if self._rules.self_trade is SelfTrade.REJECT_TAKER and row.cause is FillCause.ORDER:
                    return EndReason.SELF_TRADE
                self._settlement.end(best, OrderState.CANCELED, EndReason.SELF_TRADE, at)
                continue
            else:
                quantity = min(quantity, self._takeable(best, at))
                if quantity == ZERO:
                    continue
                self._settlement.trade(row, best, row.side, best.price, quantity, at, row.cause)
            left -= quantity
        return self._leftover_reason(row, slot) if row.remaining > ZERO and limit < row.quantity else None

    def _takeable(self, maker: OrderRow, at: Timestamp) -> Decimal:
        """Return what a resting order may trade; one that may no longer reduce anything ends."""
        if not maker.reduce_only:
            return maker.remaining
        quantity = self._settlement.reducible(maker)
        if quantity == ZERO:
            self._settlement.end(maker, OrderState.CANCELED, EndReason.REDUCE_ONLY, at)
        return quantity

    def _leftover_reason(self, row: OrderRow, slot: MarketSlot) -> EndReason:
        if row.reduce_only and self._settlement.reducible(row) == ZERO:
            return EndReason.REDUCE_ONLY
        if row.order_type is OrderType.MARKET:
            best = self._books.best(slot, row.side)
            if best is None or best.price is None or crosses(row.side, best.price, self._bound(row, slot)):
                return EndReason.LIQUIDITY
            return EndReason.SLIPPAGE
        if row.time_in_force is TimeInForce.FOK:
            return EndReason.FILL_OR_KILL
        return EndReason.IMMEDIATE_OR_CANCEL

    def _crowd_takes(self, slot: MarketSlot, side: Side, level: CrowdLevel, at: Timestamp) -> None:
        book = slot.book(side.opposite)
        while level.quantity > ZERO and book.resting:
            maker = self._state.orders[book.resting[0]]
            if maker.price is None or not crosses(side, maker.price, level.price):
                return
            quantity = min(level.quantity, self._takeable(maker, at))
            if quantity > ZERO:
                level.quantity -= quantity
                self._settlement.trade(None, maker, side, maker.price, quantity, at, FillCause.ORDER)
