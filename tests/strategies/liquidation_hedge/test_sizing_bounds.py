"""How much, at the very bound: what is just enough is an entry, what is just too little is none."""

from decimal import Decimal

import pytest

from strategies.liquidation_hedge.sizing import LegNumbers, NoEntry, Sized, SizeRules, capacity, size_entry, size_second
from tests.strategies.liquidation_hedge.scene import instrument

D = Decimal


def numbers(available="100", leverage="50", **changes):
    """Return a leg's numbers at a price of 1000: 20 USD at 50x carry 1."""
    return LegNumbers(instrument(**changes), D(1000), D(available), D(leverage))


def rules(**changes):
    """Return rules that leave everything to the venue, but for `changes`."""
    return SizeRules(**{"leverage": D(50), "usable_fraction": D(1), **changes})


@pytest.mark.parametrize(
    ("ours", "venues", "in_force", "quantity"),
    [("10", "50", "50", "1"), ("50", "20", "50", "2"), ("50", "50", "30", "3")],
)
def test_the_smallest_of_three_leverages_counts(ours, venues, in_force, quantity):
    """The one in the settings, the instrument's, and the one in force: none of them is passed."""
    leg = numbers(leverage=in_force, max_leverage=venues)
    assert capacity(leg, rules(leverage=D(ours))) == D(quantity)


def test_just_enough_for_the_smallest_entry_is_an_entry():
    """2 USD at 50x are 0.1 at 1000, the smallest order."""
    assert size_entry({"a": numbers("2")}, rules()) == Sized(D("0.1"), "the margin of a")
    assert isinstance(size_entry({"a": numbers("1.9999")}, rules()), NoEntry)


def test_an_entry_of_exactly_what_counts_as_zero_is_none():
    """The watch takes 0.1 for a vanished leg here, so the smallest entry is a lot more."""
    watched = rules(larger_than=D("0.1"), test_mode=True)
    assert size_entry({"a": numbers()}, watched) == Sized(D("0.101"), "test mode")


def test_just_enough_for_the_third_leg_is_its_size():
    """The smallest order itself is one; a size that the watch takes for nothing is none."""
    assert size_second(D("0.1"), numbers(), rules()) == Sized(D("0.1"), "what the balancer filled")
    assert isinstance(size_second(D("0.2"), numbers(), rules(larger_than=D("0.2"))), NoEntry)
    assert size_second(D("0.2"), numbers(), rules(larger_than=D("0.199"))) == Sized(
        D("0.2"), "what the balancer filled"
    )


def test_room_for_exactly_what_is_wanted_is_not_a_cut():
    """The margin is named only when it took something away."""
    assert size_second(D(5), numbers("100"), rules()) == Sized(D(5), "what the balancer filled")
    assert size_second(D(5), numbers("99.98"), rules()) == Sized(D("4.999"), "its margin")
