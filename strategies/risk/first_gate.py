"""The gate's first rules, kept as they were: what they judged is replayed by them, and nothing new is.

Its faults are part of it: open orders are netted, partial fills counted twice, reduce-only hedges denied by their rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.commands import SubmitOrder
from strategies.domain.ids import AccountId
from strategies.domain.money import ZERO
from strategies.domain.order import Lane
from strategies.risk.limits import Limits
from strategies.risk.verdict import Approved, Denied


@dataclass(frozen=True, slots=True)
class FirstExposure:
    """What the gate weighs an order against. Quantities in base units, signed; prices and money in USD."""

    held: Mapping[AccountId, Decimal]
    open_orders: Mapping[AccountId, Decimal]  # sum per account of open orders that enlarge, worst case
    mark: Mapping[AccountId, Decimal]
    equity: Mapping[AccountId, Decimal]
    orders_last_minute: int


def first_check(command: SubmitOrder, exposure: FirstExposure, limits: Limits) -> Approved | Denied:
    """Judge one order."""
    order = command.order
    if order.reduce_only and order.lane is Lane.EXIT:
        return Approved(command)
    if exposure.orders_last_minute >= limits.max_orders_per_minute:
        return Denied("ORDER_RATE", f"{exposure.orders_last_minute} orders in a minute reach the limit")
    mark = exposure.mark.get(command.account)
    if mark is None:
        return Denied("NO_MARK", f"no price of {order.instrument_id} is known on {command.account}")
    slippage = (order.price - mark) / mark * order.side.sign
    if slippage > limits.max_slippage:
        return Denied("SLIPPAGE", f"price {order.price} is {slippage:.4%} beyond the mark {mark}")
    if order.reduce_only:
        return Approved(command)
    return _check_size(command, exposure, limits, mark)


def _check_size(command: SubmitOrder, exposure: FirstExposure, limits: Limits, mark: Decimal) -> Approved | Denied:
    held = exposure.held.get(command.account, ZERO)
    after = abs(held + exposure.open_orders.get(command.account, ZERO) + command.order.signed_quantity)
    if after <= abs(held):
        return Approved(command)
    notional = after * mark
    if limits.max_leg_notional_usd is not None and notional > limits.max_leg_notional_usd:
        return Denied("LEG_NOTIONAL", f"{notional:.2f} USD on {command.account} > {limits.max_leg_notional_usd}")
    others = sum(
        (
            abs(quantity) * exposure.mark.get(account, mark)
            for account, quantity in exposure.held.items()
            if account != command.account
        ),
        start=ZERO,
    )
    if limits.max_notional_usd is not None and notional + others > limits.max_notional_usd:
        return Denied("GROUP_NOTIONAL", f"{notional + others:.2f} USD in the group > {limits.max_notional_usd}")
    if limits.max_leverage is not None:
        equity = exposure.equity.get(command.account)
        if equity is None or equity <= ZERO:
            return Denied("NO_EQUITY", f"equity of {command.account} is not known or gone: {equity}")
        if notional > limits.max_leverage * equity:
            return Denied("LEVERAGE", f"{notional / equity:.2f}x on {command.account} > {limits.max_leverage}x")
    return Approved(command)
