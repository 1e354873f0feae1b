"""Account, money, positions and limits over REST."""

from dataclasses import replace
from decimal import Decimal, InvalidOperation

from aiohttp import web

from strategies.domain.money import ZERO
from strategies.domain.order import OrderType, TimeInForce
from venues.simulator.backpack import payloads
from venues.simulator.backpack.context import Call, Context
from venues.simulator.backpack.errors import bad_parameter, bad_payload, not_found
from venues.simulator.backpack.fields import SIDES, decimal, flag
from venues.simulator.backpack.memory import SETTINGS
from venues.simulator.backpack.payloads import Payload
from venues.simulator.backpack.trading import refused
from venues.simulator.backpack.words import number
from venues.simulator.model import NewOrder, Refusal, RefusedError

PERPETUAL = "PERP"
MARKET_TYPES = frozenset({"SPOT", PERPETUAL, "IPERP", "DATED", "PREDICTION", "RFQ"})


def show(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/account`."""
    symbol = next(iter(context.exchange.markets))
    return web.json_response(
        payloads.account(
            context.memory.settings(call.account),
            context.exchange.margin(call.account),
            context.exchange.markets[symbol],
            context.exchange.leverage(call.account, symbol),
            len(context.exchange.orders(call.account, active=True)),
        )
    )


def update(context: Context, call: Call) -> web.Response:
    """`PATCH /api/v1/account`: 200 without a body."""
    if not isinstance(call.body, dict):
        raise bad_payload("expected an object")
    leverage = decimal(call.body, "leverageLimit")
    settings = {name: flag(call.body, name) for name in SETTINGS if call.body.get(name) is not None}
    if leverage is not None:
        try:
            context.exchange.set_leverage(call.account, None, leverage, context.at())
        except RefusedError as error:
            raise refused(error) from error
    context.memory.change_settings(call.account, settings)
    return web.Response(status=200)


def capital(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/capital`."""
    return web.json_response(payloads.capital(context.exchange.margin(call.account)))


def collateral(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/capital/collateral`."""
    exchange = context.exchange
    margin = exchange.margin(call.account)
    rows = exchange.positions(call.account)
    exposure = sum((abs(row.quantity) * exchange.market(row.symbol).mark for row in rows), ZERO)
    rules = next(iter(exchange.markets.values()))
    smallest = payloads.effective_margin(rules, exchange.leverage(call.account, rules.symbol))
    held_initial = sum((row.initial_margin for row in rows), ZERO)
    held_maintenance = sum((row.maintenance_margin for row in rows), ZERO)
    return web.json_response(
        payloads.collateral(
            margin,
            exposure,
            payloads.weighted_fraction(held_initial, exposure, smallest),
            payloads.weighted_fraction(held_maintenance, exposure, rules.maintenance_margin),
        )
    )


def positions(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/position`: every open position; asked for one market without a position, 404."""
    name = call.query.get("symbol")
    kind = call.choice("marketType", MARKET_TYPES)
    symbol = None if name is None else context.symbol(name)
    rows = [
        row
        for row in context.exchange.positions(call.account)
        if row.quantity != ZERO and symbol in (None, row.symbol) and kind in (None, PERPETUAL)
    ]
    if symbol is not None and not rows:
        raise not_found()
    return web.json_response(
        [
            payloads.position(
                row,
                context.exchange.market(row.symbol),
                position_id=context.memory.position_id(call.account, row.symbol),
                user_id=context.memory.user_id(call.account),
                exposure=context.exposure(call.account, row.symbol),
            )
            for row in rows
        ]
    )


def max_order_quantity(context: Context, call: Call) -> web.Response:
    """`GET /api/v1/account/limits/order`: the largest order the exchange would take now, in whole lots."""
    symbol = context.symbol(call.required("symbol"))
    side_name = call.required("side")
    if side_name not in SIDES:
        raise bad_parameter("side", f'unknown value "{side_name}"')
    price = _price(call)
    reduce_only = call.query.get("reduceOnly", "").lower() == "true"
    order = NewOrder(
        account=call.account,
        symbol=symbol,
        side=SIDES[side_name],
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        time_in_force=TimeInForce.IOC if price is None else TimeInForce.GTC,
        quantity=ZERO,
        price=price,
        reduce_only=reduce_only,
    )
    answer: Payload = {
        "autoBorrow": None,
        "autoBorrowRepay": None,
        "autoLendRedeem": None,
        "maxOrderQuantity": number(_largest(context, order)),
        "price": None if price is None else number(price),
        "side": side_name,
        "symbol": symbol,
        "reduceOnly": reduce_only if "reduceOnly" in call.query else None,
    }
    return web.json_response(answer)


def _price(call: Call) -> Decimal | None:
    value = call.query.get("price")
    if value is None:
        return None
    try:
        price = Decimal(value)
    except InvalidOperation as error:
        raise bad_parameter("price", f'"{value}" is not a decimal') from error
    if not price.is_finite() or price <= ZERO:
        raise bad_parameter("price", f'"{value}" is not a positive decimal')
    return price


def _largest(context: Context, order: NewOrder) -> Decimal:
    """Find the largest quantity that margin and reduce-only allow, by asking the exchange itself."""
    rules = context.exchange.markets[order.symbol]
    price = order.price or context.exchange.market(order.symbol).mark
    held = abs(context.exchange.position(order.account, order.symbol).quantity)
    if order.reduce_only:
        return ZERO if _too_large(context, replace(order, quantity=rules.lot)) else held
    margin = context.exchange.margin(order.account)
    leverage = context.exchange.leverage(order.account, order.symbol)
    # More than this cannot be: everything the account is worth at full leverage, on top of turning its position round.
    most = max(margin.equity, ZERO) * leverage / price + 2 * held
    fits, too_many = 0, int(most / rules.lot) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _too_large(context, replace(order, quantity=middle * rules.lot)):
            too_many = middle
        else:
            fits = middle
    quantity = fits * rules.lot
    return quantity if quantity >= rules.min_quantity else ZERO


def _too_large(context: Context, order: NewOrder) -> bool:
    try:
        context.exchange.check(order, context.at())
    except RefusedError as error:
        return error.refusal in (Refusal.MARGIN, Refusal.REDUCE_ONLY)
    return False
