"""Limits in a settings file: what is refused, what `check` says of limits that nobody can live under."""

import pytest

from actors.operator.preflight.result import Check, Level
from conf.finding import SettingsError
from conf.json_schema import settings_schema
from conf.preflight import check
from conf.wishes import desired
from strategies.risk import LimitName, Limits, Word
from tests.conf.deployment import changed, read

OLD = "max_slippage = 0.0150"
HEDGE = 'strategy = "liquidation_hedge"'


def with_limits(folder, text):
    """Return the settings with these limits."""
    return read(folder, changed((OLD, text)))


async def found(folder, text, level):
    """Return what `check` says of these limits at a level."""
    report = await check(with_limits(folder, text), ask_venues=False)
    return [
        f"{each.where}: {each.said}" for each in report.results if (each.check, each.level) == (Check.LIMITS, level)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_loss_usd_per_day = -1", "must be greater than 0"),
        ('at_loss_usd_per_day = "panic"', "groups.g.limits.at_loss_usd_per_day"),
        ("max_los_usd_per_day = 1", "max_loss_usd_per_day"),
        ("gate = 1", "groups.g.limits.gate"),
        ("accounts = { bq = { max_notional_usd = 1 } }", "groups.g.limits.accounts.bq"),
        ("accounts = { bp = { max_naked_seconds_per_day = 1 } }", "max_naked_seconds_per_day"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_place(tmp_path, text, words):
    """A typo, a wrong word, an account of nobody's: named, before anything starts."""
    with pytest.raises(SettingsError) as refused:
        with_limits(tmp_path, text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "level", "words"),
    [
        ("max_slippage = 0.0009", Level.FAIL, "max_slippage = 0.0009 is tighter than the strategy's own max_slippage"),
        ("max_slippage = 0.002", Level.WARN, "hedge_slippage_max = 0.005: hedges that have widened so far are denied"),
        ("max_orders_per_minute = 5", Level.WARN, "5 orders a minute; a cycle over 3 legs makes 6"),
        ("max_naked_seconds_per_day = 5", Level.WARN, "bears 15 s at once (unhedged_max_s)"),
        ("max_loss_usd_per_day = 5\nmax_cycle_loss_usd = 6", Level.WARN, "the day's limit is reached first"),
        ("max_loss_usd_per_day = 5\nmax_drawdown_usd = 4", Level.WARN, "the draw-down is reached first"),
        ('at_drawdown_usd = "pause"', Level.FAIL, "at_drawdown_usd: max_drawdown_usd is not set"),
        (
            "max_notional_usd = 5\naccounts = { bp = { max_notional_usd = 6 } }",
            Level.WARN,
            "accounts.bp.max_notional_usd: more than the group's",
        ),
        (
            'accounts = { bp = { at_leverage = "pause" } }',
            Level.FAIL,
            "accounts.bp.at_leverage: max_leverage of this account is not set",
        ),
    ],
)
async def test_limits_that_keep_the_group_from_its_own_aim_are_found(tmp_path, text, level, words):
    """One line with the place and both numbers."""
    lines = await found(tmp_path, text, level)
    assert any(words in line for line in lines), lines


async def test_limits_that_fit_are_listed_with_their_words(tmp_path):
    """What is in force, and what happens at each."""
    lines = await found(tmp_path, 'max_loss_usd_per_day = 50\nmax_leverage = 20\nat_leverage = "reduce"', Level.OK)
    assert "max_loss_usd_per_day = 50 (flatten)" in lines[0]
    assert "max_leverage = 20 (reduce)" in lines[0]


async def test_a_loss_of_a_cycle_that_nobody_watches_is_found(tmp_path):
    """Only the liquidation hedge leaves a cycle by its loss."""
    legs = ('backpack = "bp"\nlighter1 = "l1"\nlighter2 = "l2"', 'lead = "bp"\nfollow = "l1"')
    changes = (HEDGE, 'strategy = "simple_hedge"'), legs, ("leverage = 20", "quantity = 1")
    text = changed(*changes, (OLD, "max_cycle_loss_usd = 5"))
    report = await check(read(tmp_path, text), ask_venues=False)
    assert any("simple_hedge does not watch it" in each.said for each in report.results if each.level is Level.FAIL)


def test_every_limit_travels_to_the_group_and_back(tmp_path):
    """Through the wish's JSON: accounts, words and decimals."""
    text = 'max_drawdown_usd = 7.5\naccounts = { l1 = { max_leverage = 3, at_leverage = "pause" } }'
    spec = desired(with_limits(tmp_path, text)).groups["g"].spec
    assert '"max_drawdown_usd":"7.5"' in spec.replace(" ", "")
    assert '"max_leverage":"3"' in spec.replace(" ", "")


def test_every_limit_is_in_the_schema_with_its_unit_and_its_word():
    """An editor knows every name, and the four words."""
    definitions = settings_schema()["$defs"]
    assert set(definitions["Word"]["enum"]) == {word.value for word in Word}
    for name in LimitName:
        assert f"max_{name}" in definitions["Limits"]["properties"]
        assert f"at_{name}" in definitions["Limits"]["properties"]
    assert "max_loss_usd_per_day" in definitions["AccountLimits"]["properties"]
    assert all(field.description for field in Limits.model_fields.values())
