"""Strategies of other packages: found, refused by name, and never in anybody's way."""

from importlib.metadata import EntryPoint

import pytest

from conf.finding import SettingsError
from strategies import plugins
from strategies.plugins import discover
from strategies.registry import STRATEGIES
from tests.conf.deployment import changed, complaints, read


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Forget what a test discovers."""
    monkeypatch.setattr(plugins, "BROKEN", {})
    monkeypatch.setattr(plugins, "SOURCES", {})


def entry(value: str, name: str = "mine") -> EntryPoint:
    """Return an entry point without a package."""
    return EntryPoint(name=name, value=value, group=plugins.GROUP)


def test_a_strategy_or_a_function_that_returns_one_is_taken():
    """Both forms of an entry point lead to a strategy under its own name."""
    known = {name: each for name, each in STRATEGIES.items() if name != "simple_hedge"}
    found = discover(known, [entry("tests.strategies.plug_in:STRATEGY"), entry("tests.strategies.plug_in:make")])
    assert sorted(found) == ["made", "plugged"]
    assert plugins.SOURCES == {"plugged": "tests.strategies.plug_in", "made": "tests.strategies.plug_in"}
    assert plugins.BROKEN == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no_such_package:X", "package no_such_package brings it and does not load: ModuleNotFoundError"),
        ("tests.strategies.plug_in:NOPE", "AttributeError"),
        ("tests.strategies.plug_in:NUMBER", "leads to int, not to a strategies.strategy.Strategy"),
        ("tests.strategies.plug_in:raises", "ZeroDivisionError"),
        ("tests.strategies.plug_in:taken", "a strategy named flatten, and that name is taken"),
    ],
)
def test_a_broken_one_is_named_and_the_others_are_there(value, words):
    """Whatever a package does, the next one is loaded."""
    found = discover(STRATEGIES, [entry(value, "broken"), entry("tests.strategies.plug_in:STRATEGY")])
    assert list(found) == ["plugged"]
    assert words in plugins.BROKEN["broken"]


def test_a_group_that_wants_a_broken_strategy_says_why(tmp_path, monkeypatch):
    """The message about the settings names the package and its error, not only that there is no such strategy."""
    monkeypatch.setattr("conf.assemble.BROKEN", {"mine": "package my-carry brings it and does not load: KeyError: 'x'"})
    text = changed(('strategy = "liquidation_hedge"', 'strategy = "mine"'))
    found = complaints(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(
        'FILE: groups.g.strategy = "mine": package my-carry brings it and does not load: KeyError'
    )
    assert found[0].endswith("; repair that package")
    with pytest.raises(SettingsError):
        read(tmp_path, text)
