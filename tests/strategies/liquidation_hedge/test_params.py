"""Parameters: every one has a reason, bounds hold, and a typo is an error."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from strategies.liquidation_hedge.params import Direction, LiquidationHedgeParams
from strategies.unwind import milliseconds


def test_every_parameter_has_a_default_and_says_why():
    """A group can be configured with nothing; each field's description is more than its name."""
    params = LiquidationHedgeParams()
    assert params.max_cycles == 1
    for name, field in LiquidationHedgeParams.model_fields.items():
        assert field.description, name
        assert len(field.description) > len(name), name


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"wait_min_s": 6}, "wait_max_s"),
        ({"max_slippage": "0.01"}, "hedge_slippage_max"),
        ({"exit_slippage": "0.05"}, "exit_slippage_max"),
        ({"exit_delay_s": 11}, "exit_delay_max_s"),
        ({"start_retry_s": 61}, "start_retry_max_s"),
    ],
)
def test_a_lower_bound_above_its_upper_one_is_refused(low, high):
    """The message names both and their values."""
    with pytest.raises(ValidationError, match=high):
        LiquidationHedgeParams.model_validate(low)


@pytest.mark.parametrize(
    "wrong",
    [
        {"leverage": -1},
        {"leverage": 0},
        {"wait_mim_s": 2},
        {"max_cycles": -1},
        {"direction": "sideways"},
        {"usable_fraction": "1.1"},
        {"timeout_s": 0},
        {"test_mode": "perhaps"},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong):
    """Out of bounds, of the wrong kind, or misspelt."""
    with pytest.raises(ValidationError):
        LiquidationHedgeParams.model_validate(wrong)


def test_parameters_read_as_toml_gives_them():
    """Strings and numbers, as a TOML file has them."""
    params = LiquidationHedgeParams.model_validate(
        {"direction": "short_backpack", "leverage": 20, "wait_min_s": "0.5", "test_mode": True}
    )
    assert params.direction is Direction.SHORT_BACKPACK
    assert params.wait_min_s == Decimal("0.5")


def test_durations_are_milliseconds_inside():
    """0.25 s is 250 ms."""
    assert milliseconds(Decimal("0.25")) == 250
