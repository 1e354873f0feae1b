"""Placing, finding and canceling orders over REST."""

from collections.abc import Mapping
from decimal import Decimal

from aiohttp import web

from strategies.domain.ids import VenueSymbol
from strategies.domain.money import ceil_to, floor_to
from strategies.domain.order import Side
from venues.simulator.backpack import payloads
from venues.simulator.backpack.context import Call, Context
from venues.simulator.backpack.errors import ApiError, bad_payload, not_found
from venues.simulator.backpack.fields import (
    Body,
    OrderFields,
    Slippage,
    order_reference,
    parse_order,
    required,
    text,
)
from venues.simulator.backpack.payloads import Payload
from venues.simulator.faults import place_under_faults
from venues.simulator.model import EndReason, NewOrder, OrderRow, OrderState, Refusal, RefusedError

ACTIVE = frozenset({OrderState.PENDING, OrderState.OPEN})
PERCENT = Decimal(100)
CANCELABLE_TYPES = frozenset({"RestingLimitOrder", "ConditionalOrder"})

REFUSALS: Mapping[Refusal, tuple[int, str, str]] = {
    Refusal.UNKNOWN_ACCOUNT: (401, "UNAUTHORIZED", "Unknown account"),
    Refusal.UNKNOWN_MARKET: (400, "INVALID_MARKET", "Invalid market"),
    Refusal.TICK: (400, "INVALID_PRICE", "Price is not a multiple of the tick size"),
    Refusal.LOT: (400, "INVALID_QUANTITY", "Quantity is not a multiple of the step size"),
    Refusal.MINIMUM: (400, "INVALID_QUANTITY", "Quantity is below the minimum"),
    Refusal.PRICE_BAND: (400, "INVALID_PRICE", "Price is too far from the last active price"),
    Refusal.DUPLICATE_CLIENT_ID: (400, "INVALID_ORDER", "An open order with this client id exists"),
    Refusal.BAD_CLIENT_ID: (400, "INVALID_CLIENT_REQUEST", "Invalid client id"),
    Refusal.MARGIN: (400, "INSUFFICIENT_MARGIN", "Insufficient margin"),
    Refusal.REDUCE_ONLY: (400, "INVALID_ORDER", "Reduce only order does not reduce the position"),
    Refusal.POST_ONLY: (400, "INVALID_ORDER", "Order would immediately match and take liquidity"),
    Refusal.LIQUIDATING: (400, "ACCOUNT_LIQUIDATING", "Account is being liquidated"),
    Refusal.UNKNOWN_ORDER: (404, "RESOURCE_NOT_FOUND", "Not Found"),
    Refusal.NOT_ACTIVE: (404, "RESOURCE_NOT_FOUND", "Not Found"),
    Refusal.BAD_EXPIRY: (400, "INVALID_ORDER", "Invalid expiry"),
    Refusal.LEVERAGE: (400, "MAX_LEVERAGE_REACHED", "Leverage is out of range"),
    Refusal.ORDER_LIMIT: (400, "ORDER_LIMIT", "Too many open orders"),
}

ENGINE_ENDS: Mapping[Refusal, EndReason] = {
    Refusal.MARGIN: EndReason.MARGIN,
    Refusal.REDUCE_ONLY: EndReason.REDUCE_ONLY,
}
"""Refusals that may instead show as an order that expires at once: `Options.ends_in_engine`."""


def refused(error: RefusedError) -> ApiError:
    """Translate the exchange's refusal."""
    status, code, message = REFUSALS[error.refusal]
    return ApiError(status, code, message)


def execute(context: Context, call: Call) -> web.Response:
    """`POST /api/v1/order`."""
    if not isinstance(call.body, dict):
        raise bad_payload("expected an object")
    return web.json_response(_place(context, call.account, call.body))


def execute_batch(context: Context, call: Call) -> web.Response:
    """`POST /api/v1/orders`: each order stands or falls alone."""
    if not isinstance(call.body, list) or not all(isinstance(item, dict) for item in call.body):
        raise bad_payload("expected a list of objects")
    answers: list[Payload] = []
    for item in call.body:
        try:
            answers.append({"operation": "Ok", **_place(context, call.account, item)})
        except ApiError as error:
            answers.append({"operation": "Err", **error.body()})
    return web.json_response(answers)


def _place(context: Context, account: str, body: Body) -> Payload:
    fields = parse_order(body)
    context.symbol(fields.symbol)
    order = context.exchange.resolve(_new_order(context, account, fields))
    at = context.at()
    try:
        row = place_under_faults(context.exchange, context.faults, order, at)
    except RefusedError as error:
        reason = ENGINE_ENDS.get(error.refusal) if context.options.ends_in_engine else None
        if reason is None:
            raise refused(error) from error
        row = context.exchange.place(order, at, reject=reason)
    context.memory.remember_order(row, fields.sent)
    return payloads.order(row, fields.sent)


def _new_order(context: Context, account: str, fields: OrderFields) -> NewOrder:
    price = fields.price
    if fields.slippage is not None:
        price = _worst_price(context, fields.symbol, fields.side, fields.slippage)
    return NewOrder(
        account=account,
        symbol=fields.symbol,
        side=fields.side,
        order_type=fields.order_type,
        time_in_force=fields.time_in_force,
        quantity=fields.quantity if fields.quantity is not None else Decimal(0),
        price=price,
        client_order_id=fields.client_id,
        post_only=fields.post_only,
        reduce_only=fields.reduce_only,
        quote_quantity=fields.quote_quantity,
    )


def _worst_price(context: Context, symbol: VenueSymbol, side: Side, slippage: Slippage) -> Decimal:
    """Return the client's own bound of a market order, counted from the best price; never past the market's."""
    rules, mark = context.exchange.markets[symbol], context.exchange.market(symbol).mark
    book = context.exchange.book(symbol, 1)
    levels = book.asks if side is Side.BUY else book.bids
    best = levels[0].price if levels else mark
    room = slippage.tolerance * rules.tick if slippage.in_ticks else best * slippage.tolerance / PERCENT
    if side is Side.BUY:
        worst = floor_to(min(best + room, mark * (1 + rules.impact_band)), rules.tick)
    else:
        worst = ceil_to(max(best - room, mark * (1 - rules.impact_band)), rules.tick)
    return max(worst, rules.tick)


def lookup(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/order`: an order on the book; one that has ended is not found."""
    symbol = context.symbol(call.required("symbol"))
    row = _find(context, call.account, symbol, call.query)
    return web.json_response(payloads.order(row, context.memory.sent(row)))


def open_orders(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/orders`: every order on the book."""
    name = call.query.get("symbol")
    symbol = None if name is None else context.symbol(name)
    rows = context.exchange.orders(call.account, active=True, symbol=symbol)
    return web.json_response([payloads.order(row, context.memory.sent(row)) for row in rows])


def cancel(context: Context, call: Call) -> web.Response:
    """`DELETE /api/v1/order`: the order as it ended, or 202 when the cancel will only happen later."""
    body = _object(call)
    symbol = context.symbol(required(body, "symbol"))
    row = _find(context, call.account, symbol, body)
    try:
        row = context.exchange.cancel(call.account, order_index=row.order_index, symbol=symbol, at=context.at())
    except RefusedError as error:
        raise refused(error) from error
    if row.state in ACTIVE:
        return web.Response(status=202)
    return web.json_response(payloads.order(row, context.memory.sent(row)))


def cancel_all(context: Context, call: Call) -> web.Response:
    """`DELETE /api/v1/orders`: the orders as they ended, or 202 when that will only happen later."""
    body = _object(call)
    symbol = context.symbol(required(body, "symbol"))
    kind = text(body, "orderType")
    if kind is not None and kind not in CANCELABLE_TYPES:
        raise bad_payload(f'failed to parse "orderType": unknown value "{kind}"')
    if kind == "ConditionalOrder":
        return web.json_response([])
    rows = context.exchange.cancel_all(call.account, symbol, context.at())
    if any(row.state in ACTIVE for row in rows):
        return web.Response(status=202)
    return web.json_response([payloads.order(row, context.memory.sent(row)) for row in rows])


def _object(call: Call) -> Body:
    if not isinstance(call.body, dict):
        raise bad_payload("expected an object")
    return call.body


def _find(context: Context, account: str, symbol: VenueSymbol, body: Body) -> OrderRow:
    """Return the open order that a lookup or a cancel names.

    Raises:
        ApiError: 404, there is none (any more).
    """
    order_id, by_client = order_reference(body)
    if by_client is not None:
        row = context.exchange.order_by_client_id(account, by_client, symbol)
    elif order_id is not None and order_id.isascii() and order_id.isdigit():
        row = context.exchange.order(account, int(order_id))
    else:
        row = None
    if row is None or row.state not in ACTIVE or row.symbol != symbol:
        raise not_found()
    return row
