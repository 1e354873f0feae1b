"""What a client sent: single fields, and the body of a new order. Pure; what is wrong becomes a Backpack error."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from strategies.domain.ids import VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import OrderType, Side, TimeInForce
from venues.simulator.backpack.errors import ApiError, bad_payload, bad_request, invalid_order
from venues.simulator.backpack.payloads import AsSent

Body = Mapping[str, object]
Chosen = TypeVar("Chosen")

CLIENT_ID_MAX = 2**32 - 1
SIDES: Mapping[str, Side] = {"Bid": Side.BUY, "Ask": Side.SELL}
ORDER_TYPES: Mapping[str, OrderType] = {"Market": OrderType.MARKET, "Limit": OrderType.LIMIT}
TIMES_IN_FORCE: Mapping[str, TimeInForce] = {force.value: force for force in TimeInForce}
SELF_TRADE_DEFAULT = "RejectTaker"
SELF_TRADE_MODES = frozenset({SELF_TRADE_DEFAULT, "RejectMaker", "RejectBoth", "Allow"})
CONDITIONAL_FIELDS = (
    "stopLossLimitPrice",
    "stopLossTriggerPrice",
    "takeProfitLimitPrice",
    "takeProfitTriggerPrice",
)


@dataclass(frozen=True, slots=True)
class Slippage:
    """How far a market order may move from the best price: a fraction of it, or a number of ticks."""

    tolerance: Decimal
    in_ticks: bool


@dataclass(frozen=True, slots=True)
class OrderFields:
    """A new order as its client described it."""

    symbol: VenueSymbol
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None
    quote_quantity: Decimal | None
    price: Decimal | None
    client_id: int | None
    post_only: bool
    reduce_only: bool
    slippage: Slippage | None
    sent: AsSent


def text(body: Body, name: str) -> str | None:
    """Return a text field; None when absent.

    Raises:
        TextError: it is not text.
    """
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise bad_payload(f'failed to parse "{name}": expected a string')
    return value


def required(body: Body, name: str) -> str:
    """Return a text field that must be there.

    Raises:
        TextError: it is absent or not text.
    """
    value = text(body, name)
    if value is None:
        raise bad_payload(f'missing field "{name}"')
    return value


def flag(body: Body, name: str) -> bool:
    """Return a yes-or-no field; absent is no.

    Raises:
        TextError: it is neither.
    """
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise bad_payload(f'failed to parse "{name}": expected a boolean')
    return value


def decimal(body: Body, name: str) -> Decimal | None:
    """Return a positive decimal field, sent as a string; None when absent.

    Raises:
        TextError: it is not a string with a finite decimal in it.
        ApiError: it is not above zero.
    """
    value = text(body, name)
    if value is None:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise bad_payload(f'failed to parse "{name}": not a decimal') from error
    if not number.is_finite():
        raise bad_payload(f'failed to parse "{name}": not a decimal')
    if number <= ZERO:
        code = "INVALID_QUANTITY" if "uantity" in name else "INVALID_PRICE"
        raise ApiError(400, code, f"{name} must be above zero")
    return number


def client_id(body: Body) -> int | None:
    """Return the client's id of an order, sent as a number or, as the official client does in lookups, as text.

    Raises:
        TextError: it is not a whole number of 32 bits.
    """
    value = body.get("clientId")
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= CLIENT_ID_MAX:
        raise bad_payload('failed to parse "clientId": expected an unsigned 32-bit number')
    return number


def order_reference(body: Body) -> tuple[str | None, int | None]:
    """Return the order id and the client id of a lookup or a cancel: exactly one of them is there.

    Raises:
        ApiError: both or neither.
    """
    order_id, by_client = text(body, "orderId"), client_id(body)
    if (order_id is None) == (by_client is None):
        raise bad_request("Exactly one of orderId and clientId must be given")
    return order_id, by_client


def _choice(choices: Mapping[str, Chosen], name: str, value: str) -> Chosen:
    if value not in choices:
        raise bad_payload(f'failed to parse "{name}": unknown value "{value}"')
    return choices[value]


def parse_order(body: Body) -> OrderFields:
    """Read the body of a new order. Fields that it does not know are ignored, as the venue does.

    Raises:
        TextError: a field is missing or cannot be parsed.
        ApiError: the fields contradict each other, or ask for what this venue does not simulate.
    """
    symbol = VenueSymbol(required(body, "symbol"))
    side = _choice(SIDES, "side", required(body, "side"))
    order_type = _choice(ORDER_TYPES, "orderType", required(body, "orderType"))
    force = text(body, "timeInForce")
    time_in_force = TimeInForce.GTC if force is None else _choice(TIMES_IN_FORCE, "timeInForce", force)
    _refuse_conditional(body)
    quote = decimal(body, "quoteQuantity")
    slippage = _slippage(body)
    fields = OrderFields(
        symbol=symbol,
        side=side,
        order_type=order_type,
        # A market order never rests, whatever it says; the venue still reports GTC for it by default.
        time_in_force=(
            TimeInForce.IOC if order_type is OrderType.MARKET and time_in_force is TimeInForce.GTC else time_in_force
        ),
        quantity=decimal(body, "quantity"),
        quote_quantity=quote,
        price=decimal(body, "price") if order_type is OrderType.LIMIT else None,
        client_id=client_id(body),
        post_only=flag(body, "postOnly"),
        reduce_only=flag(body, "reduceOnly"),
        slippage=slippage,
        sent=AsSent(
            time_in_force=force or "GTC",
            self_trade_prevention=_self_trade(body),
            quote_quantity=text(body, "quoteQuantity"),
            slippage_tolerance=slippage is not None,
        ),
    )
    _check_consistent(fields)
    return fields


def _check_consistent(fields: OrderFields) -> None:
    if fields.order_type is OrderType.MARKET:
        if (fields.quantity is None) == (fields.quote_quantity is None):
            raise bad_request("A market order needs exactly one of quantity and quoteQuantity")
        if fields.post_only:
            raise invalid_order("A market order cannot be post only")
        return
    if fields.quantity is None or fields.quote_quantity is not None:
        raise bad_request("A limit order needs quantity and takes no quoteQuantity")
    if fields.price is None:
        raise bad_request("A limit order needs a price")
    if fields.slippage is not None:
        raise bad_request("slippageTolerance belongs to market orders")
    if fields.post_only and fields.time_in_force is not TimeInForce.GTC:
        raise invalid_order("A post only order must be GTC")


def _self_trade(body: Body) -> str:
    mode = text(body, "selfTradePrevention") or SELF_TRADE_DEFAULT
    if mode not in SELF_TRADE_MODES:
        raise bad_payload(f'failed to parse "selfTradePrevention": unknown value "{mode}"')
    if mode != SELF_TRADE_DEFAULT:
        raise ApiError(400, "NOT_IMPLEMENTED", f"selfTradePrevention {mode} is not simulated")
    return mode


def _refuse_conditional(body: Body) -> None:
    """Refuse trigger orders aloud: to place them as ordinary orders would trade what nobody asked for."""
    price, quantity = text(body, "triggerPrice"), text(body, "triggerQuantity")
    if (price is None) != (quantity is None):
        missing = "triggerPrice" if price is None else "triggerQuantity"
        raise bad_request(f"triggerPrice and triggerQuantity go together: {missing} is missing")
    if price is not None or any(body.get(name) is not None for name in CONDITIONAL_FIELDS):
        raise ApiError(400, "NOT_IMPLEMENTED", "Conditional orders are not simulated")


def _slippage(body: Body) -> Slippage | None:
    tolerance, kind = decimal(body, "slippageTolerance"), text(body, "slippageToleranceType")
    if tolerance is None and kind is None:
        return None
    if tolerance is None or kind not in ("TickSize", "Percent"):
        raise bad_request("slippageTolerance and slippageToleranceType (TickSize or Percent) go together")
    return Slippage(tolerance=tolerance, in_ticks=kind == "TickSize")
