"""Backpack's words for what the exchange knows: enumerations, numbers and times as they stand in its payloads."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderType, Side
from strategies.domain.position import FillCause
from venues.simulator.model import EndReason, OrderRow, OrderState

MICROSECONDS_PER_MS = 1000
BPS_PER_ONE = 10_000

SIDES: Mapping[Side, str] = {Side.BUY: "Bid", Side.SELL: "Ask"}
ORDER_TYPES: Mapping[OrderType, str] = {OrderType.MARKET: "Market", OrderType.LIMIT: "Limit"}

EXPIRY_REASONS: Mapping[EndReason, str] = {
    EndReason.POST_ONLY: "PostOnlyTaker",
    EndReason.REDUCE_ONLY: "ReduceOnlyNotReduced",
    EndReason.MARGIN: "InsufficientMargin",
    EndReason.SLIPPAGE: "PriceImpact",
    EndReason.LIQUIDITY: "InsufficientLiquidity",
    EndReason.SELF_TRADE: "SelfTradePrevention",
    EndReason.EXPIRED: "Unknown",
    EndReason.LIQUIDATION: "Liquidation",
    EndReason.FILL_OR_KILL: "FillOrKill",
    EndReason.IMMEDIATE_OR_CANCEL: "ImmediateOrCancel",
    EndReason.POSITION: "PositionLimit",
}
"""Why an order ended without its owner's doing; an end that is not here is the owner's cancel."""

ORIGINS: Mapping[FillCause, str] = {
    FillCause.LIQUIDATION: "LIQUIDATION_AUTOCLOSE",
    FillCause.ADL: "ADL_AUTOCLOSE",
    FillCause.SETTLEMENT: "SETTLEMENT_AUTOCLOSE",
}
"""The `O` of an order update when the venue made the order; everything else is USER."""

SYSTEM_ORDER_TYPES: Mapping[FillCause, str] = {
    FillCause.LIQUIDATION: "LiquidatePositionOnBook",
    FillCause.ADL: "LiquidatePositionOnAdl",
    FillCause.SETTLEMENT: "FutureExpiry",
}
"""The `systemOrderType` of fills and orders that the venue made."""


def number(value: Decimal) -> str:
    """Write a decimal as Backpack does: a plain string without exponent or idle zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def iso(at: Timestamp) -> str:
    """Write a moment as Backpack's histories do: UTC, with milliseconds, without a zone."""
    moment = datetime.fromtimestamp(at // 1000, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{at % 1000:03d}"


def micros(at: Timestamp) -> int:
    """Return a moment in the microseconds of stream events."""
    return at * MICROSECONDS_PER_MS


def status(order: OrderRow) -> str:
    """Return the order's status in Backpack's words."""
    match order.state:
        case OrderState.PENDING | OrderState.OPEN:
            return "PartiallyFilled" if order.filled else "New"
        case OrderState.FILLED:
            return "Filled"
        case OrderState.CANCELED | OrderState.EXPIRED | OrderState.REJECTED:
            return "Expired" if expiry_reason(order) else "Cancelled"


def expiry_reason(order: OrderRow, *, bounded_by_client: bool = False) -> str | None:
    """Return why the engine ended the order, or None when it lives, is filled, or its owner canceled it.

    A price that ran away is the client's own `slippageTolerance` where it gave one, else the market's impact bound.
    """
    if order.state is OrderState.FILLED:
        return None
    if bounded_by_client and order.end_reason is EndReason.SLIPPAGE:
        return "SlippageToleranceExceeded"
    known = EXPIRY_REASONS.get(order.end_reason)
    if known is None and order.state in (OrderState.EXPIRED, OrderState.REJECTED):
        return "Unknown"
    return known


def origin(cause: FillCause) -> str:
    """Return who made the order."""
    return ORIGINS.get(cause, "USER")


def system_order_type(cause: FillCause) -> str | None:
    """Return which system order this was, or None for a user's order."""
    return SYSTEM_ORDER_TYPES.get(cause)
