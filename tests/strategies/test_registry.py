"""Strategies by name."""

import pytest

from strategies.registry import STRATEGIES, build_machine
from strategies.risk import Limits
from tests.strategies.liquidation_hedge.scene import spec


def test_the_liquidation_hedge_is_registered_with_its_legs():
    """Two legs are required, the third may be absent."""
    strategy = STRATEGIES["liquidation_hedge"]
    assert strategy.required_legs == ("backpack", "lighter1")
    assert strategy.optional_legs == ("lighter2",)


@pytest.mark.parametrize("legs", [(), ("backpack", "lighter1")])
def test_a_machine_is_built_from_what_a_file_says(legs):
    """Three legs or two, with parameters and limits as plain values."""
    machine = build_machine("liquidation_hedge", spec(*legs), {"leverage": 20}, {"max_leverage": 10})
    state = machine.start()
    assert machine.view(state).phase == "IDLE"
    assert machine.code_version == "liquidation_hedge/3+gate/2"
    assert machine.state_from_json(machine.state_to_json(state)) == state


def test_the_invariants_read_the_state_that_the_shell_holds():
    """A fresh state breaks none; one with a FLATTEN that nobody follows breaks one."""
    strategy = STRATEGIES["liquidation_hedge"]
    params = strategy.params_model()
    state = strategy.build(spec(), params, Limits()).start()
    assert strategy.violations(state, params) == ()
    wrong = state.model_copy(update={"inner": state.inner.model_copy(update={"flatten": True})})
    assert [violation.name for violation in strategy.violations(wrong, params)] == ["flatten_latched"]


@pytest.mark.parametrize(
    ("name", "group", "params", "limits", "message"),
    [
        ("martingale", spec(), {}, {}, "martingale"),
        ("liquidation_hedge", spec(), {"leverage": -1}, {}, "leverage"),
        ("liquidation_hedge", spec(), {}, {"max_levrage": 1}, "max_levrage"),
        ("liquidation_hedge", spec("backpack", "lighter2"), {}, {}, "lighter1"),
    ],
)
def test_what_does_not_fit_is_a_value_error_that_names_it(name, group, params, limits, message):
    """Unknown strategy, wrong value, typo, missing leg."""
    with pytest.raises(ValueError, match=message):
        build_machine(name, group, params, limits)


def test_one_account_cannot_play_two_legs():
    """Two legs on one account would hedge themselves away."""
    same = spec().model_copy(update={"legs": {"backpack": "a", "lighter1": "a"}})
    with pytest.raises(ValueError, match="own account"):
        build_machine("liquidation_hedge", same, {}, {})


def test_a_snapshot_of_another_version_is_a_value_error():
    """What is not a state of this version is refused, not guessed."""
    machine = build_machine("liquidation_hedge", spec(), {}, {})
    with pytest.raises(ValueError, match="inner"):
        machine.state_from_json('{"legs": {}}')


def test_a_target_on_a_leg_that_is_not_there_is_refused_before_anything_starts():
    """The diagnostic's targets name the group's legs: a typo is a mistake of the file, not five failed starts."""
    assert build_machine("min_order", spec("one"), {"targets": [{"leg": "one"}]}, {}).start()
    with pytest.raises(ValueError, match="targets name two, and the group has only one"):
        build_machine("min_order", spec("one"), {"targets": [{"leg": "one"}, {"leg": "two"}]}, {})
