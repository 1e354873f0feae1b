"""The settings' models and the files that show them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from conf.load import load, missing_secrets, needs_live_flag
from conf.schema import Settings, venue_models
from conf.simulator import SimulatorSettings
from strategies.domain.ids import AccountId, GroupId
from strategies.registry import STRATEGIES
from venues.registry import VENUES
from venues.simulator.__main__ import _config, _parser

_CONF = Path(__file__).parents[2] / "conf"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation)
    for argument in get_args(annotation):
        yield from _models(argument)


_ROOTS = [
    Settings,
    *(model for venue in VENUES for model in venue_models(venue)),
    *(strategy.params_model for strategy in STRATEGIES.values()),
]
_ALL = sorted({model for root in _ROOTS for model in _models(root)}, key=lambda model: model.__qualname__)


@pytest.mark.parametrize("model", _ALL)
def test_every_field_is_described(model: type[BaseModel]):
    """Each field of each settings model has a sentence: it is the remedy in error messages."""
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("model", _ALL)
def test_models_are_frozen_and_know_no_other_key(model: type[BaseModel]):
    """Settings never change after they were read, and a typo never passes for a default."""
    if model is not BaseModel and model.model_fields:
        assert (model.model_config.get("frozen"), model.model_config.get("extra")) == (True, "forbid")


@pytest.mark.parametrize(
    ("name", "live"), [("paper.toml", False), ("live.example.toml", True), ("cluster.example.toml", True)]
)
def test_the_files_in_conf_are_sound(name: str, *, live: bool):
    """Each file that comes with the program can be used as it is, and only the examples are for real money."""
    settings = load(_CONF / name, environment={})
    assert needs_live_flag(settings) is live
    assert settings.live is live


def test_paper_needs_no_key():
    """The paper deployment's secrets are exactly the files that the simulator it starts writes."""
    settings = load(_CONF / "paper.toml", environment={})
    assert settings.simulated_venues() == ["backpack", "lighter"]
    assert list(settings.groups) == ["triad-1", "triad-2"]
    assert sorted(settings.used_accounts()) == ["bp-1", "bp-2", "l1a", "l1b", "l2a", "l2b"]
    assert settings.simulator is not None
    wanted = {finding.value.strip('"') for finding in missing_secrets(settings)}
    written = {
        *(f"file:{settings.simulator.backpack_key_file(AccountId(name))}" for name in ("bp-1", "bp-2")),
        *(f"file:{settings.simulator.lighter_key_file(index)}" for index in (1, 2, 3, 4)),
    }
    assert wanted <= written


def test_paper_ends_by_itself():
    """The paper deployment's groups have a last cycle and short ones, so that --until-done ends."""
    settings = load(_CONF / "paper.toml", environment={})
    for name in ("triad-1", "triad-2"):
        params = settings.groups[GroupId(name)].params.model_dump()
        assert params["max_cycles"] in {2, 3}
        assert params["timeout_s"] <= 60


def test_live_example_keeps_secrets_out_of_the_file():
    """The live example refers to the environment, each key once."""
    text = (_CONF / "live.example.toml").read_text(encoding="utf-8")
    references = [line.split('secret = "')[1].split('"')[0] for line in text.splitlines() if 'secret = "' in line]
    assert len(references) == len(set(references)) == 6
    assert all(reference.startswith("env:") for reference in references)


def test_the_simulator_understands_its_command_line():
    """Every option that the settings write is one that the simulator reads, with the same meaning."""
    settings = SimulatorSettings(
        seed=3, taker_delay_ms=1, start_prices={"ETH": 5}, tape=Path("t.csv"), state_file=Path("s")
    )
    words = settings.arguments([1, 2], [AccountId("bp-1")])
    config = _config(_parser().parse_args(words))
    assert (config.seed, config.speed, config.collateral) == (3, settings.speed, settings.collateral)
    assert config.start_prices == {"ETH": 5}
    assert (config.tape, config.state_file, config.keys_dir) == (Path("t.csv"), Path("s"), settings.keys_dir)
    assert (config.lighter_accounts, config.backpack_accounts) == ((1, 2), ("bp-1",))
    assert config.delays is not None
    assert config.delays.taker_ms == 1
    assert config.tier is settings.tier
