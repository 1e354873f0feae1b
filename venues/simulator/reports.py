"""What a matching core's rows say, in the vocabulary of `venues.venue`: orders, fills, positions, money, rules."""

from decimal import Decimal

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, TradeId, VenueOrderId
from strategies.domain.instrument import Instrument
from strategies.domain.order import OrderStatus, Side
from strategies.domain.position import FillCause
from venues.simulator.model import EndReason, MarginRow, MarketRules, OrderRow, OrderState, PositionRow, TradeRow
from venues.venue import FillReport, OrderReport

_PARTIAL = OrderStatus.PARTIALLY_FILLED
_STATUS: dict[OrderState, OrderStatus] = {
    OrderState.PENDING: OrderStatus.ACCEPTED,
    OrderState.OPEN: OrderStatus.ACCEPTED,
    OrderState.FILLED: OrderStatus.FILLED,
    OrderState.CANCELED: OrderStatus.CANCELED,
    OrderState.EXPIRED: OrderStatus.EXPIRED,
    # The API had taken it, so at the venue the order existed and ended without a fill.
    OrderState.REJECTED: OrderStatus.CANCELED,
}


def order_report(row: OrderRow, instrument_id: InstrumentId) -> OrderReport:
    """Return what an order has come to."""
    return OrderReport(
        instrument_id=instrument_id,
        client_order_id=None if row.client_order_id is None else ClientOrderId(row.client_order_id),
        venue_order_id=VenueOrderId(str(row.order_index)),
        status=_STATUS[row.state] if row.filled == 0 or row.state is not OrderState.OPEN else _PARTIAL,
        side=Side(row.side),
        quantity=row.quantity,
        filled=row.filled,
        reason="" if row.end_reason is EndReason.NONE else row.end_reason.value,
        cause=row.cause,
        at=row.updated_at,
    )


def fill_report(trade: TradeRow, account: str, row: OrderRow | None, instrument_id: InstrumentId) -> FillReport:
    """Return a trade as the account sees it; `row` is its order where one trade may be both of its orders'."""
    taker = trade.taker_account == account and (row is None or row.order_index == trade.taker_order_index)
    side = trade.taker_side if taker else trade.taker_side.opposite
    index = trade.taker_order_index if taker else trade.maker_order_index
    client_id = trade.taker_client_order_id if taker else trade.maker_client_order_id
    return FillReport(
        trade_id=TradeId(f"{trade.trade_id}"),
        instrument_id=instrument_id,
        client_order_id=None if client_id is None else ClientOrderId(client_id),
        venue_order_id=VenueOrderId(str(index)),
        side=side,
        quantity=trade.quantity,
        price=trade.price,
        fee=trade.taker_fee if taker else trade.maker_fee,
        is_maker=not taker,
        cause=trade.cause if taker or trade.cause is FillCause.ADL else FillCause.ORDER,
        at=trade.at,
    )


def position_statement(row: PositionRow, at: Timestamp) -> ReportedPosition:
    """Return a position as the venue states it at `at`."""
    return ReportedPosition(
        quantity=row.quantity,
        entry_price=row.entry_price,
        liquidation_price=row.liquidation_price,
        unrealized=row.unrealized,
        funding=-row.funding_paid,
        at=at,
    )


def balance_statement(row: MarginRow, leverage: Decimal, at: Timestamp) -> Balance:
    """Return an account's money as the venue states it at `at`."""
    return Balance(
        equity=row.equity,
        available=row.available,
        leverage=leverage,
        maintenance_margin=row.maintenance_requirement,
        liquidating=row.liquidating,
        at=at,
    )


def instrument_of(rules: MarketRules, instrument_id: InstrumentId) -> Instrument:
    """Return a market's rules under our own name for it."""
    return Instrument(
        instrument_id=instrument_id,
        symbol=rules.symbol,
        tick=rules.tick,
        lot=rules.lot,
        min_quantity=rules.min_quantity,
        min_notional=rules.min_notional,
        max_leverage=1 / rules.initial_margin_min,
        maintenance_margin=rules.maintenance_margin,
        taker_fee=rules.taker_fee,
        maker_fee=rules.maker_fee,
    )
