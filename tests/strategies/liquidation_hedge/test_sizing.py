"""How much: whole lots of every venue, within every limit, at least every minimum, or a reason."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.ids import LegName
from strategies.domain.money import is_multiple
from strategies.liquidation_hedge.sizing import (
    LegNumbers,
    NoEntry,
    Sized,
    SizeRules,
    capacity,
    common_lot,
    size_entry,
    size_second,
    smallest_common,
    tradable,
)
from tests.strategies.liquidation_hedge.scene import instrument

D = Decimal
RULES = SizeRules(leverage=D(50), usable_fraction=D(1))


def numbers(available="100", price="1000", leverage="50", **changes):
    """Return a leg's numbers."""
    return LegNumbers(instrument(**changes), D(price), D(available), D(leverage))


@pytest.mark.parametrize(
    ("lots", "grid"),
    [
        (["0.01", "0.001"], "0.01"),
        (["0.5", "0.2"], "1"),
        (["0.003", "0.002"], "0.006"),
        (["1", "10"], "10"),
        (["0.10", "0.1"], "0.1"),
        (["1E+2", "30"], "300"),
        (["0.25"], "0.25"),
    ],
)
def test_the_common_lot_is_the_smallest_that_all_share(lots, grid):
    """Least common multiple, exact."""
    assert common_lot(map(D, lots)) == D(grid)


def test_capacity_is_margin_times_the_smallest_leverage_over_price():
    """100 USD x min(50, 20, 30) / 1000."""
    assert capacity(numbers(leverage="30", max_leverage="20"), RULES) == 2


def test_capacity_is_cut_by_the_usable_fraction_and_the_limits():
    """Each bound binds when it is the smallest."""
    rules = SizeRules(leverage=D(50), usable_fraction=D("0.9"))
    assert capacity(numbers(), rules) == D("4.5")
    assert capacity(numbers(), SizeRules(D(50), D(1), max_leg_notional_usd=D(3000))) == 3
    assert capacity(numbers(), SizeRules(D(50), D(1), max_quantity=D(2))) == 2


def test_no_margin_is_no_capacity():
    """A negative available margin is not a negative size."""
    assert capacity(numbers(available="-5"), RULES) == 0


def test_the_poorest_leg_decides_and_is_named():
    """Two legs could carry 5, one carries 3.2."""
    sized = size_entry({"backpack": numbers(), "lighter1": numbers(available="64.9")}, RULES)
    assert sized == Sized(D("3.245"), "the margin of lighter1")


def test_the_groups_notional_is_shared_by_all_legs():
    """9000 USD over three legs at 1000 is 3."""
    rules = SizeRules(D(50), D(1), max_notional_usd=D(9000))
    sized = size_entry({"a": numbers(), "b": numbers(), "c": numbers()}, rules)
    assert sized == Sized(D(3), "the group's notional limit")


def test_the_smallest_common_size_is_on_every_grid_and_above_every_minimum():
    """0.12 in lots of 0.03, and 12 USD at 100 in lots of 0.05: 0.15 is the first on both grids."""
    legs = {
        "a": numbers(price="100", lot="0.03", min_quantity="0.1"),
        "b": numbers(price="100", lot="0.05", min_quantity="0", min_notional="12"),
    }
    assert smallest_common(legs) == D("0.15")


def test_test_mode_takes_the_smallest_common_size():
    """Not more, however much there is."""
    rules = SizeRules(D(50), D(1), test_mode=True)
    assert size_entry({"a": numbers()}, rules) == Sized(D("0.1"), "test mode")


def test_an_entry_is_larger_than_what_counts_as_zero():
    """A size that the watch would take for a vanished leg is none."""
    rules = SizeRules(D(50), D(1), larger_than=D("0.3"), test_mode=True)
    assert size_entry({"a": numbers()}, rules) == Sized(D("0.301"), "test mode")


def test_too_little_is_no_entry_with_the_reason():
    """The reason has the bound, what it allows and what is needed."""
    found = size_entry({"a": numbers(available="1.9")}, RULES)
    assert isinstance(found, NoEntry)
    assert "the margin of a allows 0.09" in found.reason
    assert "smallest entry is 0.1" in found.reason


def test_the_third_leg_is_cut_to_its_own_lots():
    """Room for 2.3456 in lots of 0.001."""
    assert size_second(D(5), numbers(available="46.9129"), RULES) == Sized(D("2.345"), "its margin")
    assert size_second(D(2), numbers(), RULES) == Sized(D(2), "what the balancer filled")
    assert isinstance(size_second(D(5), numbers(available="1"), RULES), NoEntry)


@pytest.mark.parametrize(
    ("missing", "order"), [("0.1", "0.1"), ("-0.1239", "-0.123"), ("0.0999", "0"), ("0", "0"), ("-0.05", "0")]
)
def test_what_is_missing_becomes_an_order_only_from_the_minimum(missing, order):
    """Whole lots, never more than missing, nothing below the minimum of 0.1."""
    assert tradable(D(missing), instrument(), D(1000)) == D(order)


def test_without_a_binding_minimum_the_lot_is_the_smallest_order():
    """Closing a whole position, and takers that are free of minimums, go down to the lot."""
    assert tradable(D("0.0519"), instrument(), D(1000), minimum_binds=False) == D("0.051")
    assert tradable(D("0.0519"), instrument(maker_minimums_only=True), D(1000)) == D("0.051")
    assert tradable(D("0.0009"), instrument(maker_minimums_only=True), D(1000)) == 0


lots = st.sampled_from(["0.001", "0.01", "0.05", "0.3", "1"])
money = st.decimals("0", "5000", places=2)


@given(first=lots, second=lots, available=money, poorer=money, price=st.decimals("1", "90000", places=1))
def test_an_entry_fits_every_leg(first, second, available, poorer, price):
    """Whatever the numbers: whole lots of both, within both margins, at least both minimums; or a reason."""
    legs = {
        "a": numbers(available=available, price=price, lot=first, min_quantity="0.1"),
        "b": numbers(available=poorer, price=price, lot=second, min_quantity="0", min_notional="10"),
    }
    found = size_entry(legs, RULES)
    if isinstance(found, NoEntry):
        assert found.reason
        return
    for leg in legs.values():
        assert is_multiple(found.quantity, leg.instrument.lot)
        assert found.quantity >= leg.instrument.smallest_order(leg.price)
        assert found.quantity * leg.price <= leg.available * 50


def test_what_bounds_an_entry_is_named():
    """A limit is called a limit, margin is called margin."""
    legs = {LegName("a"): numbers(), LegName("b"): numbers()}
    assert size_entry(legs, SizeRules(D(50), D(1), max_leg_notional_usd=D(3000))).bound_by == "the limit of a"
    assert size_entry(legs, SizeRules(D(50), D(1))).bound_by == "the margin of a"
