"""The exchange's states in Lighter's words and numbers."""

from typing import Any

from strategies.domain.order import OrderType, Side, TimeInForce
from strategies.domain.position import FillCause
from venues.simulator.lighter.markets import WireMarket
from venues.simulator.lighter.transactions import OrderKind, WireTimeInForce
from venues.simulator.model import EndReason, OrderRow, OrderState

INSURANCE_ACCOUNT_INDEX = 281_474_976_710_655
"""The venue's insurance fund, as market configurations name it."""
CROWD_ACCOUNT_INDEX = INSURANCE_ACCOUNT_INDEX - 1
"""The account number that the simulated rest of the world trades under."""

STATUS_NUMBERS = {
    "in-progress": 0,
    "pending": 1,
    "open": 2,
    "filled": 3,
    "canceled": 4,
    "canceled-post-only": 5,
    "canceled-reduce-only": 6,
    "canceled-position-not-allowed": 7,
    "canceled-margin-not-allowed": 8,
    "canceled-too-much-slippage": 9,
    "canceled-not-enough-liquidity": 10,
    "canceled-self-trade": 11,
    "canceled-expired": 12,
    "canceled-oco": 13,
    "canceled-child": 14,
    "canceled-liquidation": 15,
    "canceled-invalid-balance": 16,
}
"""The numbers that `event_info` uses for the words of orders."""

_ENDED = {
    EndReason.NONE: "canceled",
    EndReason.USER: "canceled",
    EndReason.POST_ONLY: "canceled-post-only",
    EndReason.REDUCE_ONLY: "canceled-reduce-only",
    EndReason.MARGIN: "canceled-margin-not-allowed",
    EndReason.SLIPPAGE: "canceled-too-much-slippage",
    EndReason.LIQUIDITY: "canceled-not-enough-liquidity",
    EndReason.SELF_TRADE: "canceled-self-trade",
    EndReason.EXPIRED: "canceled-expired",
    EndReason.LIQUIDATION: "canceled-liquidation",
    EndReason.FILL_OR_KILL: "canceled-not-enough-liquidity",
    EndReason.IMMEDIATE_OR_CANCEL: "canceled-not-enough-liquidity",
    EndReason.POSITION: "canceled-position-not-allowed",
}

_TRADE_TYPES = {
    FillCause.LIQUIDATION: "liquidation",
    FillCause.ADL: "deleverage",
    FillCause.SETTLEMENT: "market-settlement",
}


def account_index(name: str) -> int:
    """Return the number of an exchange account; the crowd has one of its own."""
    return int(name) if name.isdigit() else CROWD_ACCOUNT_INDEX


def l1_address(account: int) -> str:
    """Return a made-up Ethereum address that tells the account."""
    return f"0x{account:040x}"


def account_of_l1_address(address: str) -> int | None:
    """Return the account an address of `l1_address` tells; None for any other text."""
    try:
        return int(address.removeprefix("0x"), 16)
    except ValueError:
        return None


def order_status(order: OrderRow) -> str:
    """Return the status word of an order."""
    match order.state:
        case OrderState.PENDING:
            return "in-progress"
        case OrderState.OPEN:
            return "pending" if order.waits_for_trigger else "open"
        case OrderState.FILLED:
            return "filled"
        case OrderState.EXPIRED:
            return "canceled-expired"
        case OrderState.CANCELED | OrderState.REJECTED:
            return _ENDED[order.end_reason]


def order_type(order: OrderRow) -> str:
    """Return the type word: an order the venue made to close a position is a "liquidation"."""
    if order.cause is not FillCause.ORDER:
        return "liquidation"
    if order.trigger_price is not None:
        return "stop-loss"
    return "market" if order.order_type is OrderType.MARKET else "limit"


def trigger_status(order: OrderRow) -> str:
    """Return the word for what an order waits for before it runs."""
    if order.trigger_price is None:
        return "na"
    return "mark-price" if order.waits_for_trigger else "ready"


def time_in_force(order: OrderRow) -> str:
    """Return the time-in-force word."""
    if order.post_only:
        return "post-only"
    return "good-till-time" if order.time_in_force is TimeInForce.GTC else "immediate-or-cancel"


def trade_type(cause: FillCause) -> str:
    """Return the type word of a trade."""
    return _TRADE_TYPES.get(cause, "trade")


def tx_order_fields(order: OrderRow, market: WireMarket, status: str) -> dict[str, Any]:
    """Return an order in the short keys of `event_info`."""
    if order.post_only:
        in_force = WireTimeInForce.POST_ONLY
    elif order.time_in_force is TimeInForce.GTC:
        in_force = WireTimeInForce.GTT
    else:
        in_force = WireTimeInForce.IOC
    return {
        "i": order.order_index,
        "u": order.client_order_id or 0,
        "a": account_index(order.account),
        "is": market.lots(order.quantity),
        "p": 0 if order.price is None else market.ticks(order.price),
        "rs": market.lots(order.remaining),
        "ia": int(order.side is Side.SELL),
        "ot": int(OrderKind.MARKET if order.order_type is OrderType.MARKET else OrderKind.LIMIT),
        "f": int(in_force),
        "ro": int(order.reduce_only),
        "tp": 0,
        "e": order.expires_at or 0,
        "st": STATUS_NUMBERS[status],
        "ts": 0,
        "t0": 0,
        "t1": 0,
        "c0": 0,
    }
