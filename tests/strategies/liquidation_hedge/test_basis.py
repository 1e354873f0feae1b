"""What a decision may stand on: every number it needs, fresh, or what is lacking, in words."""

from decimal import Decimal

import pytest

from strategies.domain.account import AccountMode
from strategies.domain.position import Position
from strategies.liquidation_hedge.basis import lack, not_flat, numbers, side_of, size_rules, wanted_leverage
from strategies.liquidation_hedge.sizing import LegNumbers, SizeRules
from strategies.liquidation_hedge.state import LiveOrder, Purpose, Surprise, evolve
from strategies.liquidation_hedge.turn import Turn
from strategies.risk import Limits
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    OperatorState,
    balance,
    hedge,
    instrument,
    looked,
    machine,
    operator,
    started,
)

D = Decimal


@pytest.fixture(scope="module")
def seen():
    """Return a state in which every leg has been looked at and nothing is held."""
    play = hedge(min_collateral_usd=1000, start_failures_max=9) >> started() >> operator(OperatorState.RUN) << ALL
    return (play >> looked()).played().state


def turn(state, *, limits=None, **params):
    """Return a turn on a state, at its own moment."""
    return Turn(machine(limits=limits, **params)._setting, state, state.now)


def with_leg(state, name, **changes):
    """Return the state with a leg changed."""
    return evolve(state, legs={**state.legs, name: evolve(state.legs[name], **changes)})


def with_look(state, name, **changes):
    """Return the state with a leg's look changed."""
    return with_leg(state, name, look=evolve(state.legs[name].look, **changes))


def test_every_bound_reaches_the_sizing(seen):
    """Parameters and limits, the limits cut by the share that leaves room for a moving price."""
    limits = Limits(max_leg_notional_usd=D(1000), max_notional_usd=D(3000), max_leverage=D(5))
    found = size_rules(
        turn(
            seen,
            limits=limits,
            leverage=10,
            usable_fraction="0.9",
            max_quantity=3,
            limit_share="0.5",
            liquidation_tolerance="0.2",
            test_mode=True,
        )
    )
    assert found == SizeRules(
        leverage=D(5),
        usable_fraction=D("0.9"),
        max_quantity=D(3),
        max_leg_notional_usd=D(500),
        max_notional_usd=D(1500),
        larger_than=D("0.2"),
        test_mode=True,
    )


def test_an_absent_limit_bounds_nothing(seen):
    """Nor does one that is wider than the parameter."""
    found = size_rules(turn(seen, leverage=10))
    assert (found.leverage, found.max_quantity) == (10, None)
    assert (found.max_leg_notional_usd, found.max_notional_usd) == (None, None)
    assert size_rules(turn(seen, limits=Limits(max_leverage=D(20)), leverage=10)).leverage == 10


@pytest.mark.parametrize(
    ("ours", "venues", "limit", "wanted"),
    [("10", "50", None, "10"), ("50", "20", None, "20"), ("50", "50", "5", "5"), ("10", "20", "15", "10")],
)
def test_the_leverage_wanted_is_the_smallest_of_three(seen, ours, venues, limit, wanted):
    """Of the parameter, the instrument and the group's limit."""
    state = with_look(seen, "lighter1", instrument=instrument("lighter1", max_leverage=venues))
    limits = Limits(max_leverage=None if limit is None else D(limit))
    assert wanted_leverage(turn(state, limits=limits, leverage=ours), "lighter1") == D(wanted)


def test_the_leverage_of_an_unseen_instrument_is_bounded_by_ourselves(seen):
    """Nothing is taken from what nobody has seen."""
    unseen = with_leg(seen, "lighter1", look=None)
    assert wanted_leverage(turn(unseen, limits=Limits(max_leverage=D(5))), "lighter1") == 5
    assert wanted_leverage(turn(unseen, leverage=30), "lighter1") == 30


def test_the_first_leg_stands_against_the_others(seen):
    """Long on Backpack: the first leg sells, the third buys; in the other direction all of it turns around."""
    for direction, sides in (("long_backpack", "BUY SELL BUY"), ("short_backpack", "SELL BUY SELL")):
        state = machine(direction=direction).start()
        found = [side_of(turn(state), name) for name in ("backpack", "lighter1", "lighter2")]
        assert " ".join(found) == sides


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ({"problems": ("stream down", "no key")}, "lighter1: stream down; no key"),
        ({"balance": None}, "lighter1 did not state its balance"),
        ({"balance": balance(liquidating=True)}, "lighter1 is being liquidated"),
        ({"balance": balance(equity=D("99.99"))}, "lighter1 has 99.99 USD of equity, less than 100"),
        ({"instrument": None}, "lighter1 did not state instrument and position"),
        ({"position": None}, "lighter1 did not state instrument and position"),
        ({"in_flight": 1}, "lighter1 has orders in flight"),
        ({"quote": None}, "lighter1 has no fresh quote"),
        ({"balance": balance(equity=D(100))}, None),
        ({}, None),
    ],
)
def test_what_a_look_lacks_is_said(seen, look, words):
    """The first thing that is missing; an account with exactly the least equity lacks nothing."""
    assert lack(turn(with_look(seen, "lighter1", **look), min_collateral_usd=100), "lighter1") == words


@pytest.mark.parametrize(
    ("leg", "words"),
    [
        ({"look": None}, "lighter1 has not been seen"),
        ({"mode": AccountMode.FROZEN}, "account of lighter1 is FROZEN"),
        ({"surprise": Surprise(quantity=D(4), at=0)}, "lighter1 is said to hold 4, our fills say 0"),
        (
            {"live": (LiveOrder(order_id="o", purpose=Purpose.HEDGE, signed=D(1), reduce_only=False, sent_at=0),)},
            "lighter1 has orders in flight",
        ),
    ],
)
def test_what_a_leg_lacks_is_said(seen, leg, words):
    """Of the account before the market."""
    assert lack(turn(with_leg(seen, "lighter1", **leg)), "lighter1") == words


def test_the_side_that_we_would_take_has_to_be_quoted(seen):
    """The first leg sells, so it needs a bid; an ask alone is no price for it."""
    quote = seen.legs["lighter1"].look.quote
    bidless = with_look(seen, "lighter1", quote=evolve(quote, bid=None))
    assert lack(turn(bidless), "lighter1") == "lighter1 has no fresh quote"
    assert lack(turn(with_look(seen, "lighter1", quote=evolve(quote, ask=None))), "lighter1") is None


def test_a_quote_is_fresh_up_to_its_bound(seen):
    """Five seconds, to the millisecond."""
    for age_ms, words in ((5000, None), (5001, "lighter1 has no fresh quote")):
        quote = evolve(seen.legs["lighter1"].look.quote, at=seen.now - age_ms)
        assert lack(turn(with_look(seen, "lighter1", quote=quote), max_quote_age_s=5), "lighter1") == words


@pytest.mark.parametrize(
    ("held", "changes", "words"),
    [
        ("0", {}, None),
        ("0.099", {}, None),
        ("-0.099", {}, None),
        ("0.1", {}, "lighter1 already holds 0.1"),
        ("-0.1", {}, "lighter1 already holds -0.1"),
        ("3", {"dust": D(3)}, None),
        ("3", {"dust": D(2)}, "lighter1 already holds 3"),
        ("0.05", {"price": None}, "lighter1 already holds 0.05"),
        ("0.05", {"look": None}, "lighter1 already holds 0.05"),
    ],
)
def test_a_leg_is_flat_when_it_holds_nothing_that_could_be_traded(seen, held, changes, words):
    """Less than the smallest order is dust; without instrument or price nobody knows what that is."""
    state = with_leg(seen, "lighter1", ledger=Position(quantity=D(held)), **changes)
    assert not_flat(turn(state), "lighter1") == words


def test_the_numbers_are_of_the_side_that_would_be_taken(seen):
    """A seller meets the bid, a buyer the ask; margin and leverage are the account's own."""
    expected = LegNumbers(instrument("lighter1"), D(999), D("100.1"), D(50))
    assert numbers(turn(seen), "lighter1") == expected
    assert numbers(turn(seen), "lighter2") == LegNumbers(instrument("lighter2"), D(1001), D("100.1"), D(50))


@pytest.mark.parametrize("lost", ["quote", "balance", "instrument"])
def test_numbers_with_a_hole_are_none(seen, lost):
    """Whatever is missing, it is not made up."""
    assert numbers(turn(with_look(seen, "lighter1", **{lost: None})), "lighter1") == "lighter1 has no fresh numbers"


def test_an_unknown_leverage_is_no_number(seen):
    """What is in force decides how much the margin carries."""
    unknown = with_leg(seen, "lighter1", leverage=None)
    assert numbers(turn(unknown), "lighter1") == "the leverage in force on lighter1 is not known"
