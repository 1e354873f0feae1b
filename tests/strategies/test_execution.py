"""Executions counted once: what an order's end told ahead of its fills, until the fills explain it."""

from decimal import Decimal

import pytest

from strategies.execution import OwedFill, less_owed, overlap, owed_part, total_owed

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
