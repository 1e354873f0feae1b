"""Why orders got nothing, told from both venues' own words."""

from decimal import Decimal

import pytest

from actors.exposure import HedgeClock
from actors.refusal import RefusalKind, kind_of, refusal_in
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OrderAccepted, OrderClosed, OrderDenied, OrderRejected, TimerFired
from strategies.domain.ids import AccountId, InstrumentId, OrderId, TimerName, Timestamp
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from venues.simulator.backpack.trading import REFUSALS as BACKPACK
from venues.simulator.lighter.errors import MESSAGES
from venues.simulator.lighter.errors import REFUSALS as LIGHTER
from venues.simulator.model import Refusal

A, ORDER, AT = AccountId("a"), OrderId("g:1:long:hedge:1"), Timestamp(1_000)

REFUSED = {
    Refusal.MINIMUM: RefusalKind.MINIMUM,
    Refusal.LOT: RefusalKind.MINIMUM,
    Refusal.MARGIN: RefusalKind.MARGIN,
    Refusal.PRICE_BAND: RefusalKind.PRICE,
    Refusal.TICK: RefusalKind.PRICE,
    Refusal.REDUCE_ONLY: RefusalKind.REDUCE_ONLY,
    Refusal.LIQUIDATING: RefusalKind.LIQUIDATING,
    Refusal.ORDER_LIMIT: RefusalKind.OTHER,
}
ENDED = {
    "canceled-margin-not-allowed": RefusalKind.MARGIN,
    "InsufficientMargin": RefusalKind.MARGIN,
    "canceled-not-enough-liquidity": RefusalKind.VOLUME,
    "InsufficientLiquidity": RefusalKind.VOLUME,
    "ImmediateOrCancel": RefusalKind.VOLUME,
    "canceled-too-much-slippage": RefusalKind.PRICE,
    "PriceImpact": RefusalKind.PRICE,
    "canceled-reduce-only": RefusalKind.REDUCE_ONLY,
    "ReduceOnlyNotReduced": RefusalKind.REDUCE_ONLY,
    "canceled-liquidation": RefusalKind.LIQUIDATING,
    "PositionLimit": RefusalKind.POSITION,
}
"""The words that both venues' streams end orders with."""


@pytest.mark.parametrize(("refusal", "kind"), REFUSED.items())
def test_both_venues_refusals_come_to_the_same(refusal, kind):
    """Codes and words as the wire carries them."""
    _, code, message = BACKPACK[refusal]
    assert kind_of(f"{code} {message}") is kind
    assert kind_of(f"{int(LIGHTER[refusal])} {MESSAGES[LIGHTER[refusal]]}") is kind


@pytest.mark.parametrize(("words", "kind"), ENDED.items())
def test_orders_that_the_venue_ended_count_by_its_reason(words, kind):
    """An answer was a success, and the engine ended the order unfilled."""
    event = OrderClosed(at=AT, account=A, order_id=ORDER, status="CANCELED", filled=Decimal(0), reason=words)
    assert refusal_in(event) == (A, kind)


def test_only_what_was_refused_counts():
    """Our own cancel, a whole fill and anything else say nothing of a refusal; our gate's word does."""
    denied = OrderDenied(at=AT, account=A, order_id=ORDER, code="leverage", detail="6 > 5")
    assert refusal_in(denied) == (A, RefusalKind.OURS)
    rejected = OrderRejected(at=AT, account=A, order_id=ORDER, code="99999", detail="new words")
    assert refusal_in(rejected) == (A, RefusalKind.OTHER)
    for reason, status in (("canceled", "CANCELED"), ("", "CANCELED"), ("", "FILLED")):
        closed = OrderClosed(at=AT, account=A, order_id=ORDER, status=status, filled=Decimal(0), reason=reason)
        assert refusal_in(closed) is None
    assert refusal_in(TimerFired(at=AT, timer=TimerName("t"))) is None


def order(order_id: OrderId, lane: Lane) -> SubmitOrder:
    """Return a command that sends an order."""
    request = OrderRequest(
        order_id=order_id,
        instrument_id=InstrumentId("ETH-PERP"),
        side=Side.SELL,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        price=Decimal(1),
        reduce_only=False,
        lane=lane,
    )
    return SubmitOrder(account=A, order=request)


def test_a_hedge_is_timed_from_its_cause_to_the_venues_word():
    """Once for each hedge; entries are not timed, and a refused hedge is none."""
    clock, cause = HedgeClock(), TimerFired(at=AT, timer=TimerName("t"))
    entry, refused = OrderId("g:1:long:entry:1"), OrderId("g:1:long:hedge:2")
    commands = [order(ORDER, Lane.HEDGE), order(entry, Lane.ENTRY), order(refused, Lane.HEDGE)]
    assert clock.update(cause, commands) is None
    assert clock.update(OrderAccepted(at=Timestamp(1_100), account=A, order_id=entry), ()) is None
    assert clock.update(OrderAccepted(at=Timestamp(1_250), account=A, order_id=ORDER), ()) == 0.25
    assert clock.update(OrderAccepted(at=Timestamp(1_300), account=A, order_id=ORDER), ()) is None
    clock.update(OrderRejected(at=AT, account=A, order_id=refused, code="1", detail=""), ())
    closed = OrderClosed(at=Timestamp(1_400), account=A, order_id=refused, status="FILLED", filled=Decimal(1))
    assert clock.update(closed, ()) is None
