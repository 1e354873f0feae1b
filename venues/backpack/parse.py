"""Backpack's payloads as our types. Pure; strict about money and status, lenient where docs and captures disagree.

Every function raises `Malformed` for what it does not understand: a missing amount is no zero.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import InstrumentId, Timestamp, TradeId, VenueOrderId, VenueSymbol
from strategies.domain.instrument import Instrument
from strategies.domain.money import ZERO
from strategies.domain.order import OrderStatus, Side
from strategies.domain.position import FillCause
from venues.backpack import fields as read
from venues.backpack.fields import JsonObject
from venues.errors import Malformed
from venues.http import Json
from venues.venue import FillReport, OrderReport

_BPS: Final = Decimal(10_000)
_DOLLAR: Final = "USDC"
"""The one symbol whose amounts count as USD: collateral and settlement of every perpetual."""
_PERPETUAL: Final = "PERP"

SIDES: Final[Mapping[str, Side]] = {"Bid": Side.BUY, "Ask": Side.SELL}

STATUSES: Final[Mapping[str, OrderStatus]] = {
    "New": OrderStatus.ACCEPTED,
    "PartiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
    "Expired": OrderStatus.EXPIRED,
    "TriggerPending": OrderStatus.ACCEPTED,
    "Triggered": OrderStatus.ACCEPTED,
    "TriggerFailed": OrderStatus.REJECTED,
}
"""Every status the venue documents (`Triggered` is in its Rust client only)."""

ORIGINS: Final[Mapping[str, FillCause]] = {
    "USER": FillCause.ORDER,
    "LIQUIDATION_AUTOCLOSE": FillCause.LIQUIDATION,
    "BACKSTOP_LIQUIDITY_PROVIDER": FillCause.LIQUIDATION,
    "ADL_AUTOCLOSE": FillCause.ADL,
    "SETTLEMENT_AUTOCLOSE": FillCause.SETTLEMENT,
    "COLLATERAL_CONVERSION": FillCause.FOREIGN,
}
"""`O` of an order update. An origin that is not here is FOREIGN: the fill is kept, and somebody looks."""

SYSTEM_ORDERS: Final[Mapping[str, FillCause]] = {
    "LiquidatePositionOnBook": FillCause.LIQUIDATION,
    "LiquidatePositionOnBackstop": FillCause.LIQUIDATION,
    "LiquidatePositionOnAdl": FillCause.ADL,
    "FutureExpiry": FillCause.SETTLEMENT,
    "OrderBookClosed": FillCause.SETTLEMENT,
    "CollateralConversion": FillCause.FOREIGN,
}
"""`systemOrderType` of fills and orders; null is a user's order, an unknown one FOREIGN."""


def instrument(row: Json, instrument_id: InstrumentId, *, taker_bps: Decimal, maker_bps: Decimal) -> Instrument:
    """Read one entry of `/markets`; fees come from the account, in basis points."""
    market = read.as_object(row)
    if read.text(market, "marketType") != _PERPETUAL:
        raise Malformed(f"{read.text(market, 'symbol')} is not a perpetual: {market.get('marketType')}")
    filters = read.as_object(market.get("filters"))
    price, quantity = read.as_object(filters.get("price")), read.as_object(filters.get("quantity"))
    initial = read.decimal(read.as_object(market.get("imfFunction")), "base")
    if initial <= ZERO:
        raise Malformed(f"initial margin fraction {initial} of {read.text(market, 'symbol')}")
    return Instrument(
        instrument_id=instrument_id,
        symbol=VenueSymbol(read.text(market, "symbol")),
        tick=read.positive(price, "tickSize"),
        lot=read.positive(quantity, "stepSize"),
        min_quantity=read.decimal(quantity, "minQuantity"),
        min_notional=ZERO,
        max_leverage=1 / initial,
        maintenance_margin=read.decimal(read.as_object(market.get("mmfFunction")), "base"),
        taker_fee=taker_bps / _BPS,
        maker_fee=maker_bps / _BPS,
    )


def futures_fees_bps(account: Json) -> tuple[Decimal, Decimal]:
    """Return taker and maker fee of `/account`, basis points."""
    row = read.as_object(account)
    return read.decimal(row, "futuresTakerFee"), read.decimal(row, "futuresMakerFee")


def order(row: Json, instrument_id: InstrumentId) -> OrderReport:
    """Read an order object of `/order`, `/orders` or `/history/orders`."""
    fields = read.as_object(row)
    created = fields.get("createdAt")
    return OrderReport(
        instrument_id=instrument_id,
        client_order_id=read.client_id(fields.get("clientId")),
        venue_order_id=VenueOrderId(read.identifier(fields, "id")),
        status=_status(read.text(fields, "status")),
        side=_side(read.text(fields, "side")),
        quantity=_order_quantity(fields),
        filled=read.amount(fields, "executedQuantity"),
        reason=read.words(fields.get("expiryReason")),
        cause=_system_cause(fields.get("systemOrderType")),
        at=read.moment(created),
    )


def order_update(data: Json, instrument_id: InstrumentId) -> tuple[OrderReport, FillReport | None]:
    """Read the data of `account.orderUpdate`: the order's new state, and the fill if this tells of one."""
    fields = read.as_object(data)
    client_order_id = read.client_id(fields.get("c"))
    venue_order_id = VenueOrderId(read.identifier(fields, "i"))
    side = _side(read.text(fields, "S"))
    origin = fields.get("O")
    cause = FillCause.ORDER if origin is None else ORIGINS.get(str(origin), FillCause.FOREIGN)
    at = read.micros(fields, "T")
    event = read.text(fields, "e")
    report = OrderReport(
        instrument_id=instrument_id,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        status=_status(read.text(fields, "X")),
        side=side,
        quantity=_update_quantity(fields),
        filled=read.amount(fields, "z"),
        reason=read.words(fields.get("R")),
        cause=cause,
        at=at,
    )
    if event != "orderFill":
        return report, None
    price = read.positive(fields, "L")
    fill = FillReport(
        trade_id=TradeId(read.identifier(fields, "t")),
        instrument_id=instrument_id,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        side=side,
        quantity=read.positive(fields, "l"),
        price=price,
        fee=fee_usd(read.decimal(fields, "n"), read.text(fields, "N"), read.text(fields, "s"), price),
        is_maker=read.flag(fields, "m"),
        cause=cause,
        at=at,
    )
    return report, fill


def fill(row: Json, instrument_id: InstrumentId) -> FillReport:
    """Read one entry of `/history/fills`. Its client id is a string there."""
    fields = read.as_object(row)
    price = read.positive(fields, "price")
    return FillReport(
        trade_id=TradeId(read.identifier(fields, "tradeId")),
        instrument_id=instrument_id,
        client_order_id=read.client_id(fields.get("clientId")),
        venue_order_id=VenueOrderId(read.identifier(fields, "orderId")),
        side=_side(read.text(fields, "side")),
        quantity=read.positive(fields, "quantity"),
        price=price,
        fee=fee_usd(read.decimal(fields, "fee"), read.text(fields, "feeSymbol"), read.text(fields, "symbol"), price),
        is_maker=read.flag(fields, "isMaker"),
        cause=_system_cause(fields.get("systemOrderType")),
        at=read.moment(fields.get("timestamp")),
    )


def fee_usd(fee: Decimal, fee_symbol: str, symbol: str, price: Decimal) -> Decimal:
    """Return a fee in USD. One in the market's base asset is worth the fill's price; any other cannot be valued."""
    if fee_symbol == _DOLLAR or fee == ZERO:
        return fee
    if fee_symbol == symbol.split("_", 1)[0]:
        return fee * price
    raise Malformed(f"a fee of {fee} {fee_symbol} on {symbol}: no price for {fee_symbol}")


def position(row: Json, at: Timestamp) -> ReportedPosition:
    """Read one entry of `/position`."""
    fields = read.as_object(row)
    quantity = read.decimal(fields, "netQuantity")
    return _reported(
        quantity,
        entry=read.amount(fields, "entryPrice") if quantity else ZERO,
        liquidation=read.optional(fields, "estLiquidationPrice"),
        unrealized=read.optional(fields, "pnlUnrealized"),
        funding=read.shown_only(fields, "cumulativeFundingPayment"),
        at=at,
    )


def position_update(data: Json) -> ReportedPosition:
    """Read the data of `account.positionUpdate`: `q` is the net quantity, `B` the entry; `b` and `Q` are neither."""
    fields = read.as_object(data)
    quantity = read.decimal(fields, "q")
    return _reported(
        quantity,
        entry=read.amount(fields, "B") if quantity else ZERO,
        liquidation=None,
        unrealized=read.optional(fields, "P"),
        funding=None,
        at=read.micros(fields, "T"),
    )


def flat(at: Timestamp) -> ReportedPosition:
    """Return the statement that nothing is held: what the venue means by 404 for a symbol."""
    return ReportedPosition(quantity=ZERO, entry_price=ZERO, at=at)


def maintenance_requirement(positions: Json) -> Decimal:
    """Return the USD below which equity must not fall: summed over positions: quantity, mark and its own fraction."""
    return sum(
        (
            abs(read.decimal(row, "netQuantity")) * read.amount(row, "markPrice") * read.amount(row, "mmf")
            for row in map(read.as_object, read.as_list(positions))
        ),
        start=ZERO,
    )


def balance(collateral: Json, account: Json, positions: Json, at: Timestamp) -> Balance:
    """Read `/capital/collateral`, `/account` and `/position` (all symbols) as one statement."""
    money, settings = read.as_object(collateral), read.as_object(account)
    return Balance(
        equity=read.decimal(money, "netEquity"),
        available=read.decimal(money, "netEquityAvailable"),
        leverage=read.positive(settings, "leverageLimit"),
        maintenance_margin=maintenance_requirement(positions),
        liquidating=read.flag(settings, "liquidating"),
        at=at,
    )


def book_top(data: Json) -> tuple[Decimal | None, Decimal | None]:
    """Return best bid and ask of a `bookTicker`; a side without quantity has no price."""
    fields = read.as_object(data)
    return _side_price(fields, "b", "B"), _side_price(fields, "a", "A")


def depth_top(answer: Json) -> tuple[Decimal | None, Decimal | None]:
    """Return best bid and ask of `/depth`, whatever way its sides are sorted."""
    fields = read.as_object(answer)
    bids, asks = _prices(fields, "bids"), _prices(fields, "asks")
    return max(bids, default=None), min(asks, default=None)


def mark_of(data: Json) -> Decimal:
    """Return the price of a `markPrice` event."""
    return read.positive(read.as_object(data), "p")


def mark_of_answer(answer: Json, symbol: VenueSymbol) -> Decimal:
    """Return the mark price of a symbol from `/markPrices`."""
    for row in map(read.as_object, read.as_list(answer)):
        if row.get("symbol") == symbol:
            return read.positive(row, "markPrice")
    raise Malformed(f"no mark price of {symbol}")


def event_at(data: Json) -> Timestamp:
    """Return when the venue made a stream event; its times are microseconds."""
    return read.micros(read.as_object(data), "E")


def symbol_of_update(data: Json) -> str:
    """Return the market that a stream event is about."""
    return read.text(read.as_object(data), "s")


def server_time(text: str) -> Timestamp:
    """Read `/time`: text with milliseconds."""
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit()):
        raise Malformed(f"not a time: {text[:40]!r}")
    return Timestamp(int(stripped))


def _reported(
    quantity: Decimal,
    *,
    entry: Decimal,
    liquidation: Decimal | None,
    unrealized: Decimal | None,
    funding: Decimal | None,
    at: Timestamp,
) -> ReportedPosition:
    return ReportedPosition(
        quantity=quantity,
        entry_price=entry,
        # The venue writes 0 for a price that it does not give.
        liquidation_price=liquidation or None,
        unrealized=unrealized,
        funding=funding,
        at=at,
    )


def _status(word: str) -> OrderStatus:
    status = STATUSES.get(word)
    if status is None:
        raise Malformed(f"unknown order status {word!r}")
    return status


def _side(word: str) -> Side:
    side = SIDES.get(word)
    if side is None:
        raise Malformed(f"unknown side {word!r}")
    return side


def _system_cause(value: Json) -> FillCause:
    return FillCause.ORDER if value is None else SYSTEM_ORDERS.get(str(value), FillCause.FOREIGN)


def _order_quantity(fields: JsonObject) -> Decimal:
    # An order by quote quantity (never ours) has none of its own: what it executed is all that is known of its size.
    name = "executedQuantity" if fields.get("quantity") is None else "quantity"
    return read.amount(fields, name)


def _update_quantity(fields: JsonObject) -> Decimal:
    return read.amount(fields, "z" if fields.get("q") is None else "q")


def _side_price(fields: JsonObject, price: str, quantity: str) -> Decimal | None:
    if fields.get(price) is None or not read.amount(fields, quantity):
        return None
    return read.positive(fields, price)


def _prices(fields: JsonObject, name: str) -> list[Decimal]:
    prices = []
    for level in read.as_list(fields.get(name)):
        match level:
            case [price, quantity]:
                pair: JsonObject = {"price": price, "quantity": quantity}
                if read.amount(pair, "quantity"):
                    prices.append(read.positive(pair, "price"))
            case _:
                raise Malformed(f"a level of {name}: {read.shown(level)}")
    return prices
