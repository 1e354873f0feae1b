"""The book of injected faults: matching, counting, lasting."""

from decimal import Decimal

import pytest

from tests.venues.simulator.venue_rules import START, buy, lighter_like
from venues.simulator.faults import STREAM_KINDS, Fault, FaultBook, FaultKind, place_under_faults
from venues.simulator.model import OrderState, RefusedError


def test_a_fault_is_used_up_by_its_count() -> None:
    """A fault for two requests is taken twice and then gone."""
    book = FaultBook()
    book.add(Fault(FaultKind.LOSE_ANSWER, "lighter", account="1", action="order", count=2))
    taken = [book.take("lighter", "1", "order") for _ in range(3)]
    assert [fault is not None for fault in taken] == [True, True, False]
    assert book.listing() == []


def test_a_fault_without_count_stays() -> None:
    """Count None lasts until it is removed."""
    book = FaultBook()
    kept = book.add(Fault(FaultKind.REFUSE, "backpack", count=None))
    assert book.take("backpack", "x", "order") is not None
    assert book.take("backpack", None, "markets") is not None
    assert book.remove(kept.fault_id)
    assert not book.remove(kept.fault_id)
    assert book.take("backpack", "x", "order") is None


@pytest.mark.parametrize(
    ("venue", "account", "action"), [("backpack", "1", "order"), ("lighter", "2", "order"), ("lighter", "1", "cancel")]
)
def test_a_fault_is_taken_only_by_whom_it_is_meant_for(venue: str, account: str, action: str) -> None:
    """Another venue, account or action passes untouched."""
    book = FaultBook()
    book.add(Fault(FaultKind.RESET, "lighter", account="1", action="order"))
    assert book.take(venue, account, action) is None
    assert len(book.listing()) == 1


def test_requests_do_not_take_stream_engine_or_lasting_faults() -> None:
    """Each kind waits for the place that can carry it out."""
    book = FaultBook()
    for kind in (FaultKind.DUPLICATE_EVENT, FaultKind.PARTIAL_FILL, FaultKind.FREEZE_CHANNEL):
        book.add(Fault(kind, "lighter"))
    assert book.take("lighter", "1", "order") is None
    assert book.take("lighter", "1", "stream:orders", kinds=STREAM_KINDS) is not None


def test_lasting_faults_hold_until_removed() -> None:
    """A frozen channel stays frozen however often one looks; skews add up."""
    book = FaultBook()
    book.add(Fault(FaultKind.FREEZE_CHANNEL, "lighter", action="stream:account_orders"))
    book.add(Fault(FaultKind.SKEW_CLOCK, "lighter", delay_ms=5000))
    book.add(Fault(FaultKind.SKEW_CLOCK, "lighter", delay_ms=-2000))
    assert book.frozen("lighter", "1", "account_orders")
    assert book.frozen("lighter", "1", "account_orders")
    assert not book.frozen("lighter", "1", "trade")
    assert (book.skew_ms("lighter"), book.skew_ms("backpack")) == (3000, 0)
    book.clear()
    assert not book.frozen("lighter", "1", "account_orders")


def test_partial_fill_limits_the_next_taker_only() -> None:
    """The fault waits while a resting order passes, and cuts the next taker order."""
    exchange, book = lighter_like(), FaultBook()
    book.add(Fault(FaultKind.PARTIAL_FILL, "lighter", account="a", fraction=Decimal("0.25")))
    assert place_under_faults(exchange, book, buy("1", "2990"), START).state is OrderState.OPEN
    cut = place_under_faults(exchange, book, buy("1"), START)
    assert (cut.state, cut.filled) == (OrderState.CANCELED, Decimal("0.250"))
    assert place_under_faults(exchange, book, buy("1"), START).state is OrderState.FILLED


def test_rejection_after_acceptance() -> None:
    """The order is taken in and ends unfilled."""
    exchange, book = lighter_like(), FaultBook()
    book.add(Fault(FaultKind.REJECT_AFTER_ACCEPT, "lighter", account="a"))
    assert place_under_faults(exchange, book, buy("1"), START).state is OrderState.REJECTED


def test_a_refused_order_uses_no_fault_up() -> None:
    """What the API refuses never reaches the engine, so its fault waits."""
    exchange, book = lighter_like(), FaultBook()
    book.add(Fault(FaultKind.REJECT_AFTER_ACCEPT, "lighter", account="a"))
    with pytest.raises(RefusedError):
        place_under_faults(exchange, book, buy("0.0001"), START)
    assert len(book.listing()) == 1
