"""The first gate's rules one by one: a journal from then is replayed by exactly these, bounds and words included."""

from decimal import Decimal

import pytest

from strategies.domain.commands import SubmitOrder
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from strategies.risk.first_gate import FirstExposure, first_check
from strategies.risk.limits import Limits
from strategies.risk.verdict import Approved, Denied
from tests.strategies.risk.toy import ETH

D = Decimal


def order(side=Side.BUY, quantity="5", price="1001", **changes):
    """Return an order on account a."""
    request = OrderRequest(
        order_id="o",
        instrument_id=ETH,
        side=side,
        quantity=D(quantity),
        order_type=OrderType.MARKET,
        price=D(price),
        **changes,
    )
    return SubmitOrder(account="a", order=request)


def exposure(held=None, opened=None, mark=None, equity=None, recent=0):
    """Return an exposure: nothing held, mark 1000, 100 USD of equity."""
    return FirstExposure(
        held=held or {},
        open_orders=opened or {},
        mark={"a": D(1000), "b": D(2000)} if mark is None else mark,
        equity={"a": D(100)} if equity is None else equity,
        orders_last_minute=recent,
    )


@pytest.mark.parametrize(
    ("code", "detail", "command", "found", "limits"),
    [
        ("LEG_NOTIONAL", "5000.00 USD on a > 4999", order(), exposure(), {"max_leg_notional_usd": 4999}),
        ("LEG_NOTIONAL", "6000.00 USD on a > 5999", order(), exposure({"a": D(1)}), {"max_leg_notional_usd": 5999}),
        (
            "LEG_NOTIONAL",
            "6000.00 USD on a > 5999",
            order(),
            exposure(opened={"a": D(1)}),
            {"max_leg_notional_usd": 5999},
        ),
        (
            "GROUP_NOTIONAL",
            "13000.00 USD in the group > 12999",
            order(),
            exposure({"a": D(1), "b": D("-3.5")}),
            {"max_notional_usd": 12999},
        ),
        ("LEVERAGE", "50.00x on a > 49.9x", order(), exposure(), {"max_leverage": "49.9"}),
        ("NO_EQUITY", "equity of a is not known or gone: None", order(), exposure(equity={}), {"max_leverage": 50}),
        (
            "NO_EQUITY",
            "equity of a is not known or gone: 0",
            order(),
            exposure(equity={"a": D(0)}),
            {"max_leverage": 50},
        ),
        ("NO_MARK", "no price of ETH-PERP is known on a", order(), exposure(mark={}), {}),
        ("SLIPPAGE", "price 1021 is 2.1000% beyond the mark 1000", order(price="1021"), exposure(), {}),
        ("SLIPPAGE", "price 979 is 2.1000% beyond the mark 1000", order(Side.SELL, price="979"), exposure(), {}),
        ("ORDER_RATE", "120 orders in a minute reach the limit", order(), exposure(recent=120), {}),
        (
            "ORDER_RATE",
            "120 orders in a minute reach the limit",
            order(reduce_only=True, lane=Lane.HEDGE),
            exposure(recent=120),
            {},
        ),
    ],
)
def test_what_passed_a_limit_was_denied_in_these_words(code, detail, command, found, limits):
    """The words stand in journals."""
    assert first_check(command, found, Limits.model_validate(limits)) == Denied(code, detail)


@pytest.mark.parametrize(
    ("command", "found", "limits"),
    [
        (order(), exposure(), {"max_leg_notional_usd": 5000, "max_notional_usd": 5000, "max_leverage": 50}),
        (order(), exposure({"b": D(1)}), {"max_notional_usd": 7000}),
        (order(), exposure({"a": D(1), "b": D(1)}), {"max_notional_usd": 8000}),
        (order(Side.SELL, "10", "999"), exposure({"a": D(5)}), {"max_leg_notional_usd": 1}),
        (order(price="1020"), exposure(), {}),
        (order(), exposure(recent=119), {}),
        (order(reduce_only=True, lane=Lane.HEDGE), exposure({"a": D(-9)}), {"max_leg_notional_usd": 1}),
        (order(reduce_only=True, lane=Lane.EXIT, price="9999"), exposure(mark={}, recent=999), {}),
    ],
)
def test_what_stayed_within_them_was_approved(command, found, limits):
    """Also at the very bound."""
    assert first_check(command, found, Limits.model_validate(limits)) == Approved(command)
