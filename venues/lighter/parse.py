"""Lighter's payloads as our types. Pure and strict: what is missing, of another type or a new word is `Malformed`."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, TradeId, VenueOrderId, VenueSymbol
from strategies.domain.instrument import Instrument
from strategies.domain.money import ZERO
from strategies.domain.order import OrderStatus, Side
from strategies.domain.position import FillCause
from venues.errors import Malformed
from venues.lighter.proof import TxStatus
from venues.lighter.rows import (
    AccountRow,
    BookRow,
    MarketRow,
    OfferRow,
    OrderRow,
    PositionRow,
    StatsRow,
    TradeRow,
    TxRow,
    read_row,
)
from venues.lighter.signing import MarketScale
from venues.venue import FillReport, OrderReport

_MS_PER_S = 1000
_US_PER_MS = 1000
_PERCENT = Decimal(100)
_PARTS_PER_MILLION = Decimal(1_000_000)
_FRACTION_UNITS = Decimal(10_000)
"""Margin fractions of a market are in 1e-4: 200 = 2 %."""

_LIVE = None
"""Marks words of a live order: accepted or partially filled, by what has been executed."""
ORDER_STATUS: Mapping[str, OrderStatus | None] = {
    "in-progress": _LIVE,
    "pending": _LIVE,
    "open": _LIVE,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "canceled-post-only": OrderStatus.CANCELED,
    "canceled-reduce-only": OrderStatus.CANCELED,
    "canceled-position-not-allowed": OrderStatus.CANCELED,
    "canceled-margin-not-allowed": OrderStatus.CANCELED,
    "canceled-too-much-slippage": OrderStatus.CANCELED,
    "canceled-not-enough-liquidity": OrderStatus.CANCELED,
    "canceled-self-trade": OrderStatus.CANCELED,
    "canceled-expired": OrderStatus.EXPIRED,
    "canceled-oco": OrderStatus.CANCELED,
    "canceled-child": OrderStatus.CANCELED,
    "canceled-liquidation": OrderStatus.CANCELED,
    "canceled-invalid-balance": OrderStatus.CANCELED,
}
"""Every word for where an order stands. What ended inside the venue was taken first: CANCELED, never REJECTED."""

ORDER_CAUSE: Mapping[str, FillCause] = {
    "limit": FillCause.ORDER,
    "market": FillCause.ORDER,
    "stop-loss": FillCause.ORDER,
    "stop-loss-limit": FillCause.ORDER,
    "take-profit": FillCause.ORDER,
    "take-profit-limit": FillCause.ORDER,
    "twap": FillCause.ORDER,
    "twap-sub": FillCause.ORDER,
    "liquidation": FillCause.LIQUIDATION,
}
"""Every word for what kind an order is, and who made it."""

TRADE_CAUSE: Mapping[str, FillCause] = {
    "trade": FillCause.ORDER,
    "liquidation": FillCause.LIQUIDATION,
    "deleverage": FillCause.ADL,
    "market-settlement": FillCause.SETTLEMENT,
}
"""Every word for why a trade happened."""


class Market(NamedTuple):
    """A market we trade: our description, the venue's scale, and its mark price when the listing had one."""

    instrument: Instrument
    scale: MarketScale
    mark: Decimal | None


class BookFrame(NamedTuple):
    """A book snapshot (`begin_nonce` 0) or the levels that changed. A size of 0 removes a level."""

    bids: Sequence[tuple[Decimal, Decimal]]
    asks: Sequence[tuple[Decimal, Decimal]]
    nonce: int
    begin_nonce: int


class TxRecord(NamedTuple):
    """What the venue tells of a transaction it knows; `error` is why it did nothing, empty when it was fine."""

    status: TxStatus
    error: str


def flat(at: Timestamp) -> ReportedPosition:
    """Return the statement that nothing is held, made by a complete answer without a row."""
    return ReportedPosition(quantity=ZERO, entry_price=ZERO, at=at)


class AccountStatement(NamedTuple):
    """An account as the venue states it; markets by index. A market without a row was never traded: flat."""

    collateral: Decimal
    available: Decimal
    maintenance: Decimal
    unrealized: Decimal
    positions: Mapping[int, ReportedPosition]
    leverages: Mapping[int, Decimal]

    def position(self, market_index: int, at: Timestamp) -> ReportedPosition:
        """Return the position in one market; no row in a complete statement is a positive statement of flat."""
        return self.positions.get(market_index) or flat(at)

    def balance(self, market_index: int, at: Timestamp) -> Balance:
        """Return money and margin. The venue has no word for being liquidated: equity below maintenance says it."""
        equity = self.collateral + self.unrealized
        return Balance(
            equity=equity,
            available=self.available,
            leverage=self.leverages.get(market_index),
            maintenance_margin=self.maintenance,
            liquidating=self.maintenance > ZERO and equity < self.maintenance,
            at=at,
        )


def field(body: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    """Return one field of a payload.

    Raises:
        Malformed: it is missing or of another type.
    """
    value = body.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"{name} is missing or not {kind.__name__}")
    return value


def parse_markets(body: Mapping[str, Any], wanted: Mapping[InstrumentId, VenueSymbol]) -> dict[InstrumentId, Market]:
    """Read `orderBookDetails`: the perpetual markets behind our instruments. One that is not listed is left out."""
    listed = {row.get("symbol"): row for row in field(body, "order_book_details", list) if isinstance(row, dict)}
    return {
        instrument_id: _market(instrument_id, read_row(MarketRow, listed[symbol]))
        for instrument_id, symbol in wanted.items()
        if symbol in listed
    }


def parse_orders(rows: Iterable[Any], markets: Mapping[int, InstrumentId]) -> list[OrderReport]:
    """Read order rows; those of markets we do not trade are left out."""
    parsed = (read_row(OrderRow, row) for row in rows)
    return [_order(row, markets[row.market_index]) for row in parsed if row.market_index in markets]


def parse_trades(rows: Iterable[Any], account: int, markets: Mapping[int, InstrumentId]) -> list[FillReport]:
    """Read trade rows as executions of `account`, in the order given; other markets are left out."""
    reports: list[FillReport] = []
    for raw in rows:
        row = read_row(TradeRow, raw)
        if row.market_id in markets:
            reports.extend(_fills(row, account, markets[row.market_id]))
    return reports


def parse_account(body: Mapping[str, Any], account: int, at: Timestamp) -> AccountStatement:
    """Read `account?by=index`."""
    rows = [
        row for row in field(body, "accounts", list) if isinstance(row, dict) and row.get("account_index") == account
    ]
    if len(rows) != 1:
        raise Malformed(f"the answer describes account {account} {len(rows)} times")
    row = read_row(AccountRow, rows[0])
    return AccountStatement(
        collateral=row.collateral,
        available=row.available_balance,
        maintenance=row.cross_maintenance_margin_requirement,
        unrealized=sum((position.unrealized_pnl for position in row.positions), start=ZERO),
        positions={position.market_id: _position(position, at) for position in row.positions},
        leverages={
            position.market_id: _PERCENT / position.initial_margin_fraction
            for position in row.positions
            if position.initial_margin_fraction > ZERO
        },
    )


def parse_positions(rows: Mapping[str, Any], at: Timestamp) -> dict[int, ReportedPosition]:
    """Read the positions of a stream frame, by market index."""
    parsed = [read_row(PositionRow, row) for row in rows.values()]
    return {row.market_id: _position(row, at) for row in parsed}


def parse_next_nonce(body: Mapping[str, Any]) -> int:
    """Read `nextNonce`."""
    nonce: int = field(body, "nonce", int)
    if nonce < 0:
        raise Malformed(f"next nonce {nonce}")
    return nonce


def parse_tx(body: Mapping[str, Any], event_error: str) -> TxRecord:
    """Read `tx?by=hash`; `event_error` is the `ae` of its event, already taken out of the inner JSON text."""
    row = read_row(TxRow, body)
    try:
        status = TxStatus(row.status)
    except ValueError as error:
        raise Malformed(f"unknown transaction status {row.status}") from error
    if status is TxStatus.UNKNOWN:
        raise Malformed(f"unknown transaction status {row.status}")
    return TxRecord(status, event_error)


def parse_book(body: Mapping[str, Any]) -> BookFrame:
    """Read an `order_book` frame."""
    row = read_row(BookRow, field(body, "order_book", dict))
    return BookFrame(
        bids=[(level.price, level.size) for level in row.bids],
        asks=[(level.price, level.size) for level in row.asks],
        nonce=row.nonce,
        begin_nonce=row.begin_nonce,
    )


def parse_touch(body: Mapping[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """Read best bid and ask from `orderBookOrders`."""
    bids = [read_row(OfferRow, row).price for row in field(body, "bids", list)]
    asks = [read_row(OfferRow, row).price for row in field(body, "asks", list)]
    return max(bids, default=None), min(asks, default=None)


def parse_mark(body: Mapping[str, Any]) -> tuple[int, Decimal]:
    """Read market index and mark price from a `market_stats` frame."""
    row = read_row(StatsRow, field(body, "market_stats", dict))
    return row.market_id, row.mark_price


def _market(instrument_id: InstrumentId, row: MarketRow) -> Market:
    if row.min_initial_margin_fraction <= 0:
        raise Malformed(f"{row.symbol} is {row.status} and states no margin")
    instrument = Instrument(
        instrument_id=instrument_id,
        symbol=VenueSymbol(row.symbol),
        tick=Decimal(1).scaleb(-row.supported_price_decimals),
        lot=Decimal(1).scaleb(-row.supported_size_decimals),
        min_quantity=row.min_base_amount,
        min_notional=row.min_quote_amount,
        max_leverage=_FRACTION_UNITS / row.min_initial_margin_fraction,
        maintenance_margin=row.maintenance_margin_fraction / _FRACTION_UNITS,
        taker_fee=row.taker_fee / _PERCENT,
        maker_fee=row.maker_fee / _PERCENT,
        maker_minimums_only=True,
    )
    scale = MarketScale(row.market_id, row.supported_price_decimals, row.supported_size_decimals)
    return Market(instrument, scale, row.mark_price or None)


def _order(row: OrderRow, instrument_id: InstrumentId) -> OrderReport:
    if row.status not in ORDER_STATUS:
        raise Malformed(f"unknown order status {row.status!r}")
    if row.type not in ORDER_CAUSE:
        raise Malformed(f"unknown order type {row.type!r}")
    status = ORDER_STATUS[row.status]
    reason = "" if status in {_LIVE, OrderStatus.FILLED} else row.status
    if status is _LIVE:
        status = OrderStatus.PARTIALLY_FILLED if row.filled_base_amount > ZERO else OrderStatus.ACCEPTED
    return OrderReport(
        instrument_id=instrument_id,
        client_order_id=ClientOrderId(row.client_order_index) if row.client_order_index else None,
        venue_order_id=VenueOrderId(str(row.order_index)),
        status=status,
        side=Side.SELL if row.is_ask else Side.BUY,
        quantity=row.initial_base_amount,
        filled=row.filled_base_amount,
        reason=reason,
        cause=ORDER_CAUSE[row.type],
        # Microseconds where stated; rows that never ran state only seconds.
        at=Timestamp(row.transaction_time // _US_PER_MS if row.transaction_time > 0 else row.updated_at * _MS_PER_S),
    )


def _fills(row: TradeRow, account: int, instrument_id: InstrumentId) -> list[FillReport]:
    sides = [
        side for side, owner in ((Side.SELL, row.ask_account_id), (Side.BUY, row.bid_account_id)) if owner == account
    ]
    if not sides:
        raise Malformed(f"trade {row.trade_id} is not of account {account}")
    if row.type not in TRADE_CAUSE:
        raise Malformed(f"unknown trade type {row.type!r}")
    return [_fill(row, side, instrument_id, with_self=len(sides) > 1) for side in sides]


def _fill(row: TradeRow, side: Side, instrument_id: InstrumentId, *, with_self: bool) -> FillReport:
    is_ask = side is Side.SELL
    is_maker = is_ask == row.is_maker_ask
    client_id = row.ask_client_id if is_ask else row.bid_client_id
    fee = row.maker_fee if is_maker else row.taker_fee
    # An account that trades with itself has two executions under one trade id.
    trade_id = f"{row.trade_id}:{side}" if with_self else str(row.trade_id)
    return FillReport(
        trade_id=TradeId(trade_id),
        instrument_id=instrument_id,
        client_order_id=ClientOrderId(client_id) if client_id else None,
        venue_order_id=VenueOrderId(str(row.ask_id if is_ask else row.bid_id)),
        side=side,
        quantity=row.size,
        price=row.price,
        fee=row.usd_amount * fee / _PARTS_PER_MILLION,
        is_maker=is_maker,
        # A client id says that an order of ours traded, also when it was the other side that was liquidated.
        cause=FillCause.ORDER if client_id else TRADE_CAUSE[row.type],
        at=Timestamp(row.timestamp),
    )


def _position(row: PositionRow, at: Timestamp) -> ReportedPosition:
    if row.position == ZERO:
        return ReportedPosition(quantity=ZERO, entry_price=ZERO, unrealized=ZERO, at=at)
    if row.sign == 0:
        raise Malformed(f"position {row.position} without a sign")
    return ReportedPosition(
        quantity=row.position * row.sign,
        entry_price=row.avg_entry_price,
        liquidation_price=row.liquidation_price if row.liquidation_price > ZERO else None,
        unrealized=row.unrealized_pnl,
        funding=None if row.total_funding_paid_out is None else -row.total_funding_paid_out,
        at=at,
    )
