"""Belief against a venue's statement: a surprise counts when it is said twice, far enough apart."""

from decimal import Decimal

import pytest

from strategies.domain.ids import Timestamp
from strategies.reconcile import Agreement, Comparison, Difference, compare

D = Decimal
CONFIRM_MS = 2000
FIRST = Difference(reported=D(4), believed=D(5), since=Timestamp(1000))


def held_against(reported="4", *, believed="5", settled=True, seen=None, at=1000):
    """Compare one statement with a belief of 5."""
    return compare(D(believed), D(reported), settled=settled, seen=seen, confirm_ms=CONFIRM_MS, at=Timestamp(at))


def test_the_same_number_is_agreement_whatever_was_seen_before():
    """An earlier difference is forgotten, settled or not."""
    agreed = Comparison(agreement=Agreement.AGREED, difference=None)
    assert held_against("5", seen=FIRST) == agreed
    assert held_against("5", settled=False) == agreed


def test_while_something_is_under_way_nothing_is_compared():
    """An earlier difference counts from anew afterwards."""
    unsettled = Comparison(agreement=Agreement.UNSETTLED, difference=None)
    assert held_against(settled=False, seen=FIRST, at=9000) == unsettled


def test_a_difference_is_remembered_with_both_numbers_and_its_time():
    """It is a question, not yet an answer."""
    assert held_against() == Comparison(agreement=Agreement.UNEXPLAINED, difference=FIRST)


@pytest.mark.parametrize(("at", "agreement"), [(2999, Agreement.UNEXPLAINED), (3000, Agreement.CONFIRMED)])
def test_the_same_difference_is_confirmed_after_its_time_and_not_before(at, agreement):
    """Two seconds after the first statement, to the millisecond."""
    assert held_against(seen=FIRST, at=at) == Comparison(agreement=agreement, difference=FIRST)


@pytest.mark.parametrize(("reported", "believed"), [("3", "5"), ("4", "6"), ("0", "5")])
def test_another_difference_begins_anew(reported, believed):
    """Another statement, or a belief that has moved since, is another question, however late it comes."""
    found = held_against(reported, believed=believed, seen=FIRST, at=9000)
    fresh = Difference(reported=D(reported), believed=D(believed), since=Timestamp(9000))
    assert found == Comparison(agreement=Agreement.UNEXPLAINED, difference=fresh)
