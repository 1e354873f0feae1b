"""Every example is a deployment that loads, of the strategy that it is named after."""

from pathlib import Path

import pytest

from conf.load import load, needs_live_flag

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "conf" / "examples").glob("*.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_loads_and_needs_no_money(file: Path):
    """It names its strategy, its page exists, and nothing real is in it."""
    settings = load(file, environment={})
    assert {group.strategy for group in settings.groups.values()} == {file.stem}
    assert not needs_live_flag(settings)
    assert (ROOT / "docs" / "strategies" / f"{file.stem}.md").exists()


def test_there_are_examples():
    """The folder is where the test looks for it."""
    assert EXAMPLES
