"""Executions counted once: what an order's end told ahead of its fills, until the fills explain it."""

from decimal import Decimal

import pytest

from strategies.domain.ids import OrderId, Timestamp, derive_order_id, purpose_of, read_order_id
from strategies.execution import (
    OwedFill,
    find,
    less_owed,
    overlap,
    owed_part,
    owing,
    replace,
    total_owed,
    untold,
    without,
)
from strategies.flatten.state import SentOrder

D = Decimal
OWED = (OwedFill(order_id="a", signed=D(3)), OwedFill(order_id="b", signed=D(-2)))


@pytest.mark.parametrize(
    ("known", "signed", "part"),
    [
        ("3", "2", "2"),
        ("3", "5", "3"),
        ("-3", "-2", "-2"),
        ("-3", "-5", "-3"),
        ("3", "-2", "0"),
        ("-3", "2", "0"),
        ("0", "2", "0"),
        ("3", "0", "0"),
        ("0.5", "0.4", "0.4"),
    ],
)
def test_only_what_goes_the_same_way_overlaps_and_no_more_than_is_known(known, signed, part):
    """The smaller of the two, with their common sign; nothing when they go against each other."""
    assert overlap(D(known), D(signed)) == D(part)


@pytest.mark.parametrize(
    ("order_id", "signed", "part"),
    [("a", "2", "2"), ("a", "5", "3"), ("b", "-1", "-1"), ("c", "1", "0"), (None, "1", "0")],
)
def test_a_fill_is_owed_by_its_own_order_only(order_id, signed, part):
    """What another order owes explains nothing."""
    assert owed_part(OWED, order_id, D(signed)) == D(part)


def test_a_debt_shrinks_by_what_a_fill_explained_and_ends_at_nothing():
    """Only the order's own debt; the others stay as they are."""
    assert less_owed(OWED, "a", D(1)) == (OwedFill(order_id="a", signed=D(2)), OWED[1])
    assert less_owed(OWED, "a", D(3)) == (OWED[1],)
    assert less_owed(OWED, "c", D(3)) == OWED


def test_debts_add_up_with_their_signs():
    """+3 and -2."""
    assert total_owed(OWED) == 1
    assert total_owed(()) == 0


def sent(order_id, signed="2", filled="0"):
    """Return an order whose end has not been told."""
    return SentOrder(order_id=OrderId(order_id), signed=D(signed), filled=D(filled), sent_at=Timestamp(1))


def test_an_order_is_found_changed_and_taken_out_among_others():
    """Its neighbours and their order stay as they are; an id that is not there finds nothing."""
    first, second, third = orders = (sent("a"), sent("b"), sent("c"))
    known = sent("b", filled="1")
    assert find(orders, "b") is second
    assert find(orders, "d") is None
    assert find(orders, None) is None
    assert replace(orders, second, known) == (first, known, third)
    assert without(orders, second) == (first, third)


@pytest.mark.parametrize(
    ("signed", "seen", "told", "missing"),
    [("2", "0.5", "1.5", "1"), ("-2", "0.5", "1.5", "-1"), ("2", "1.5", "1.5", "0")],
)
def test_an_end_tells_only_what_no_fill_has_told(signed, seen, told, missing):
    """With the order's sign."""
    assert untold(sent("a", signed, seen), D(told)) == D(missing)


def test_what_an_end_tells_ahead_is_owed_and_nothing_is_not():
    """The debt of an order stands behind the others."""
    assert owing(OWED, "c", D(-1)) == (*OWED, OwedFill(order_id="c", signed=D(-1)))
    assert owing(OWED, "c", D(0)) is OWED


@pytest.mark.parametrize("group", ["grid", "a:b"])
def test_an_order_id_says_what_it_was_made_from(group):
    """Reading turns deriving round, whatever the group is called."""
    order_id = derive_order_id(group, 3, "main", "tp12", 7)
    assert read_order_id(order_id) == (group, 3, "main", "tp12", 7)
    assert purpose_of(order_id) == "tp12"


@pytest.mark.parametrize(
    "order_id", ["", "grid", "grid:3:main:tp12", "grid:x:main:tp12:7", "grid:3:main:tp12:", "g::m:t:7"]
)
def test_an_id_that_was_not_derived_says_nothing(order_id):
    """Too few parts, or a number that is none."""
    assert read_order_id(order_id) is None


def test_what_an_order_is_for_shows_in_its_shape():
    """A cycle that is no number does not hide it; too few parts do."""
    assert purpose_of(OrderId("grid:x:main:tp12:7")) == "tp12"
    assert purpose_of(OrderId("grid:3:main:tp12")) is None
