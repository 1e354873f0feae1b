"""From a file to settings."""

from decimal import Decimal
from pathlib import Path

import pytest

from conf.load import load, missing_secrets, needs_live_flag
from conf.schema import WantedState
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from tests.conf.deployment import PAPER, changed, complaints, read
from venues.backpack.config import BackpackAccountConfig
from venues.lighter.config import LighterAccountConfig, LighterVenueConfig

_LIVE = changed(
    ("[general]", "live = true\n[general]"),
    ('[simulator]\ntier = "plus"\nkeys_dir = "state/test/keys"\n', ""),
    ('base_url = "simulator"\n', ""),
)


def test_every_part_is_its_own_model(tmp_path: Path):
    """Sections become the models of their users, with the values of the file and the defaults for the rest."""
    settings = read(tmp_path, PAPER)
    group = settings.groups[GroupId("g")]
    assert isinstance(group.params, LiquidationHedgeParams)
    assert group.params.leverage == Decimal(20)
    assert group.state is WantedState.RUN
    assert group.legs == {"backpack": "bp", "lighter1": "l1", "lighter2": "l2"}
    assert isinstance(settings.venues["lighter"].config, LighterVenueConfig)
    assert isinstance(settings.accounts[AccountId("bp")].config, BackpackAccountConfig)
    account = settings.accounts[AccountId("l2")].config
    assert isinstance(account, LighterAccountConfig)
    assert account.account_index == 2
    assert settings.supervisor.host == "127.0.0.1"
    assert settings.used_accounts() == {"bp": "g", "l1": "g", "l2": "g"}


def test_a_fraction_keeps_its_digits(tmp_path: Path):
    """Numbers are read from their text: 0.0150 stays 0.0150, and a long one is not rounded."""
    text = changed(("leverage = 20", "max_quantity = 0.10000000000000000000000001"))
    group = read(tmp_path, text).groups[GroupId("g")]
    assert str(group.limits.max_slippage) == "0.0150"
    assert isinstance(group.params, LiquidationHedgeParams)
    assert str(group.params.max_quantity) == "0.10000000000000000000000001"


def test_relative_paths_count_from_the_directory(tmp_path: Path):
    """Folders and references to secret files become absolute, because workers may run somewhere else."""
    settings = read(tmp_path, changed(("[simulator]", '[simulator]\nstate_file = "state/test/venues"')))
    assert settings.general.state_dir == tmp_path / "state/test"
    assert settings.general.journal_url == f"sqlite:{tmp_path}/state/test/journal"
    assert settings.simulator is not None
    assert settings.simulator.state_file == tmp_path / "state/test/venues"
    account = settings.accounts[AccountId("bp")].config
    assert isinstance(account, BackpackAccountConfig)
    assert account.secret == f"file:{tmp_path}/state/test/keys/backpack-bp.key"


def test_the_last_word_counts(tmp_path: Path):
    """The environment replaces the file, and an override the environment."""
    variables = {"HEDGEVISOR__SUPERVISOR__PORT": "1", "HEDGEVISOR__GENERAL__LANGUAGE": "zh", "PATH": "/bin"}
    text = changed(("[general]", "[supervisor]\nport = 3\nspares = 2\n[general]"))
    settings = read(tmp_path, text, ["supervisor.port=2", "groups.g.state=pause"], variables)
    assert (settings.supervisor.port, settings.supervisor.spares) == (2, 2)
    assert settings.general.language == "zh"
    assert settings.groups[GroupId("g")].state.operator_state is OperatorState.PAUSE


@pytest.mark.parametrize(
    ("override", "leverage"), [("groups.g.params.leverage=7.50", "7.50"), ("groups.g.params.leverage = 7", "7")]
)
def test_an_override_is_a_toml_value(tmp_path: Path, override: str, leverage: str):
    """A value on the command line is read as in the file, digit by digit."""
    params = read(tmp_path, PAPER, [override]).groups[GroupId("g")].params
    assert isinstance(params, LiquidationHedgeParams)
    assert str(params.leverage) == leverage


def test_a_variable_finds_a_name_with_a_dash(tmp_path: Path):
    """An environment variable cannot hold a dash: its underscore finds the key that has one."""
    text = PAPER.replace("groups.g", "groups.triad-1")
    settings = read(tmp_path, text, environment={"HEDGEVISOR__GROUPS__TRIAD_1__STATE": "flatten"})
    assert settings.groups[GroupId("triad-1")].state is WantedState.FLATTEN


@pytest.mark.parametrize(("value", "debug"), [("1", True), ("true", True), ("0", False), ("", True)])
def test_the_debug_variable(tmp_path: Path, value: str, *, debug: bool):
    """XTB_DEBUG turns wire detail on or off, whatever the file says; empty, the file counts."""
    text = changed(("[general]", "[general]\ndebug = true"))
    assert read(tmp_path, text, environment={"XTB_DEBUG": value}).general.debug is debug


def test_simulated_accounts_on_the_simulators_command_line(tmp_path: Path):
    """The simulator is told of the accounts that the file names, and of everything in its section."""
    text = changed(("[simulator]", "[simulator]\nseed = 7\ntaker_delay_ms = 5\nstart_prices = { ETH = 2000.50 }"))
    words = read(tmp_path, text).simulator_arguments()
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    assert pairs["--lighter-accounts"] == "1,2"
    assert pairs["--backpack-accounts"] == "bp"
    assert pairs["--seed"] == "7"
    assert pairs["--taker-delay-ms"] == "5"
    assert pairs["--start-price"] == "ETH=2000.50"
    assert pairs["--keys-dir"] == str(tmp_path / "state/test/keys")
    assert "--tape" not in pairs


def test_the_simulators_addresses_are_filled_in(tmp_path: Path):
    """Once the simulator has said where it listens, its venues have addresses, and are still not real."""
    settings = read(tmp_path, PAPER).with_simulator_at(
        {"lighter": "http://127.0.0.1:4001", "backpack": "http://127.0.0.1:4002"}
    )
    lighter = settings.venues["lighter"].config
    assert isinstance(lighter, LighterVenueConfig)
    assert (lighter.base_url, lighter.stream_url) == ("http://127.0.0.1:4001", "ws://127.0.0.1:4001/stream")
    assert settings.venues["backpack"].config.model_dump()["base_url"] == "http://127.0.0.1:4002"
    assert settings.simulated_venues() == ["backpack", "lighter"]
    assert not needs_live_flag(settings)


def test_a_simulated_venue_without_an_address(tmp_path: Path):
    """An address that is not given is an error, never the placeholder."""
    with pytest.raises(KeyError, match="lighter"):
        read(tmp_path, PAPER).with_simulator_at({"backpack": "http://127.0.0.1:4002"})


def test_real_venues_need_the_flag(tmp_path: Path):
    """Venues without an address are the real ones: the file must say live, and the flag is needed as well."""
    settings = read(tmp_path, _LIVE)
    assert needs_live_flag(settings)
    assert settings.simulated_venues() == []
    with pytest.raises(ValueError, match="simulated"):
        settings.simulator_arguments()
    for name in ("lighter", "backpack"):
        assert [line for line in complaints(tmp_path, _LIVE.replace("live = true\n", "")) if f"venues.{name}" in line]


@pytest.mark.parametrize("host", ["127.0.0.1:5", "localhost:5", "[::1]:5"])
def test_an_address_of_this_machine_is_not_real(tmp_path: Path, host: str):
    """A venue on loopback, somebody's simulator, needs neither live nor the flag."""
    text = _LIVE.replace("live = true\n", "")
    for name in ("lighter", "backpack"):
        text = text.replace(f"[venues.{name}]\n", f'[venues.{name}]\nbase_url = "http://{host}"\n')
    assert not needs_live_flag(read(tmp_path, text))


@pytest.mark.parametrize("host", ["10.0.0.1", "0.0.0.0", "localhost.example.com", "127.0.0.1.example.com"])  # noqa: S104
def test_any_other_address_is_real(tmp_path: Path, host: str):
    """A host that is not certainly this machine counts as real, its stream's address included."""
    text = _LIVE.replace("live = true\n", "").replace(
        "[venues.lighter]\n", '[venues.lighter]\nbase_url = "http://[::1]"\n'
    )
    bp = f'[venues.backpack]\nbase_url = "http://127.0.0.1"\nws_url = "ws://{host}"\n'
    found = complaints(tmp_path, text.replace("[venues.backpack]\n", bp))
    assert len(found) == 1
    assert f"{host} may trade with real money" in found[0]


def test_a_simulator_that_nobody_uses(tmp_path: Path):
    """A [simulator] section without a simulated venue is a mistake: the venues would be the real ones."""
    assert complaints(tmp_path, _LIVE + "\n[simulator]\nseed = 1\n") == [
        'FILE: simulator = {…}: no venue uses it; write base_url = "simulator" in [venues.*], or remove it'
    ]


def test_missing_secrets_are_found_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loading reads no secret; each reference that leads nowhere is then a finding, and a good one is not."""
    text = _LIVE.replace("file:state/test/keys/lighter-1.key", "env:HEDGE_TEST_KEY")
    settings = read(tmp_path, text)
    keys = tmp_path / "state/test/keys"
    keys.mkdir(parents=True)
    (keys / "backpack-bp.key").write_text("s3cr3t")
    (keys / "lighter-2.key").write_text("\n")
    monkeypatch.delenv("HEDGE_TEST_KEY", raising=False)
    first, second = missing_secrets(settings)
    assert first.key == "accounts.l1.api_keys[0].secret"
    assert "environment variable HEDGE_TEST_KEY is not set" in str(first)
    assert second.key == "accounts.l2.api_keys[0].secret"
    assert f"{keys}/lighter-2.key is empty" in str(second)
    monkeypatch.setenv("HEDGE_TEST_KEY", "s3cr3t")
    (keys / "lighter-2.key").write_text("s3cr3t")
    assert missing_secrets(settings) == []
    assert "s3cr3t" not in repr(settings)


def test_the_working_directory_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a directory, relative paths count from the working directory."""
    (tmp_path / "groups.toml").write_text(PAPER)
    monkeypatch.chdir(tmp_path)
    assert load(Path("groups.toml"), environment={}).general.state_dir == tmp_path / "state/test"
