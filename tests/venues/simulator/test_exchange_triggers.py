"""Stops in the matching core: outside the book until the mark price gets there, then an order like any other."""

from dataclasses import replace
from decimal import Decimal

import pytest

from strategies.domain.order import Side
from tests.venues.simulator.venue_rules import ETH, START, buy, lighter_like, sell
from venues.simulator.model import EndReason, NewOrder, OrderChanged, OrderState


def stop(order: NewOrder, trigger: str) -> NewOrder:
    """Return the order as a reduce-only stop."""
    return replace(order, trigger_price=Decimal(trigger), price=None, reduce_only=True)


@pytest.mark.parametrize(
    ("entry", "exit_", "trigger", "harmless", "fatal"),
    [(buy, sell, "0.98", "0.985", "0.979"), (sell, buy, "1.02", "1.015", "1.021")],
)
def test_a_stop_waits_for_the_losing_side(entry, exit_, trigger, harmless, fatal) -> None:
    """Long: below; short: above. Until then it stands outside the book and no price of the book meets it."""
    exchange = lighter_like()
    mark = exchange.market(ETH).mark
    exchange.place(entry("1"), START)
    before = exchange.book(ETH, 5)
    row = exchange.place(stop(exit_("1"), str(mark * Decimal(trigger))), START)
    assert (row.state, row.waits_for_trigger) == (OrderState.OPEN, True)
    assert exchange.book(ETH, 5).bids == before.bids
    exchange.set_price(ETH, mark * Decimal(harmless), START)
    assert exchange.order("a", row.order_index).waits_for_trigger
    assert exchange.position("a", ETH).quantity != 0
    exchange.set_price(ETH, mark * Decimal(fatal), START)
    ended = exchange.order("a", row.order_index)
    assert (ended.state, ended.filled) == (OrderState.FILLED, Decimal(1))
    assert exchange.position("a", ETH).quantity == 0


def test_a_stop_never_turns_a_position() -> None:
    """Larger than what is held: it closes what is held, and the rest ends for want of anything to reduce."""
    exchange = lighter_like()
    mark = exchange.market(ETH).mark
    exchange.place(buy("1"), START)
    row = exchange.place(stop(sell("3"), str(mark * Decimal("0.98"))), START)
    exchange.set_price(ETH, mark * Decimal("0.97"), START)
    ended = exchange.order("a", row.order_index)
    assert (ended.state, ended.end_reason, ended.filled) == (OrderState.CANCELED, EndReason.REDUCE_ONLY, Decimal(1))
    assert exchange.position("a", ETH).quantity == 0


def test_a_stop_without_a_position_ends_when_it_runs() -> None:
    """It may be placed; when its price comes there is nothing to reduce, and nothing trades."""
    exchange = lighter_like()
    mark = exchange.market(ETH).mark
    row = exchange.place(stop(sell("1"), str(mark * Decimal("0.98"))), START)
    exchange.set_price(ETH, mark * Decimal("0.97"), START)
    assert exchange.order("a", row.order_index).state is OrderState.REJECTED
    assert exchange.trades("a") == []


def test_a_stop_whose_price_has_passed_runs_at_once() -> None:
    """Placed beyond the mark price, it does not wait for another move."""
    exchange = lighter_like()
    mark = exchange.market(ETH).mark
    exchange.place(buy("1"), START)
    row = exchange.place(stop(sell("1"), str(mark * Decimal("1.01"))), START)
    assert row.state is OrderState.FILLED


def test_a_stop_is_canceled_like_any_order() -> None:
    """By itself, with everything else, and by the dead-man switch; then no price wakes it."""
    exchange = lighter_like()
    mark = exchange.market(ETH).mark
    exchange.place(buy("1"), START)
    order = stop(sell("1"), str(mark * Decimal("0.98")))
    first = exchange.place(order, START)
    exchange.cancel("a", order_index=first.order_index, at=START)
    second = exchange.place(order, START)
    exchange.cancel_all("a", None, START)
    third = exchange.place(order, START)
    exchange.schedule_cancel_all("a", START)
    exchange.advance(START)
    exchange.set_price(ETH, mark * Decimal("0.97"), START)
    states = [exchange.order("a", row.order_index).state for row in (first, second, third)]
    assert states == [OrderState.CANCELED] * 3
    assert exchange.position("a", ETH).quantity == 1


def test_a_jump_passes_the_stop_before_the_liquidation() -> None:
    """One price that is beyond both: the stop closes the position, and no liquidation follows."""
    exchange = lighter_like()
    mark = exchange.market(ETH).mark
    exchange.place(buy("1"), START)
    exchange.place(stop(sell("1"), str(mark * Decimal("0.98"))), START)
    exchange.drain_events()
    exchange.set_price(ETH, mark * Decimal("0.90"), START)
    fills = [e.trade for e in exchange.drain_events() if isinstance(e, OrderChanged) and e.trade is not None]
    assert [(trade.taker_side, trade.cause.value) for trade in fills] == [(Side.SELL, "ORDER")]
