"""`check`, `schema` and `init` as a person calls them: output, exit codes, and that bad input writes nothing."""

import json
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from conf import commands
from conf.json_schema import settings_schema
from conf.load import load
from tests.conf.deployment import PAPER, changed

_CONF = Path(__file__).parents[2] / "conf"
_PAPER_ANSWERS = ["n", "triad-9", "btc", "10", "2"]
_LIVE_ANSWERS = ["y", "", "", "", "0", "env:BP", "7", "", "env:L1", "8", "5", "env:L2", "y", "", "-100"]


@pytest.fixture
def run():
    """Return a way to call a command: arguments and answers to exit code, output and errors."""
    app = typer.Typer()

    @app.callback(invoke_without_command=True)
    def main(groups: Path | None = None) -> None:
        """Stand for the program."""

    commands.mount(app)

    def call(*arguments: str, answers: list[str] | None = None):
        typed = None if answers is None else "\n".join(answers) + "\n"
        return CliRunner().invoke(app, list(arguments), input=typed)

    return call


# --- check -----------------------------------------------------------------------------------------------------------


def test_a_ready_deployment_exits_0(run):
    """One line a finding, the verdict last."""
    done = run("check", "--groups", str(_CONF / "paper.toml"))
    assert done.exit_code == 0
    assert done.stdout.rstrip().endswith("Ready; 0 warning(s); the venues were not asked (--online does).")


def test_what_is_in_the_way_exits_1_and_comes_first(run, monkeypatch):
    """Missing secrets of real accounts, each with its remedy; as JSON, too."""
    for name in ("BACKPACK_SECRET", "LIGHTER_1_KEY_4", "LIGHTER_1_KEY_5", "LIGHTER_2_KEY_4", "LIGHTER_2_KEY_5"):
        monkeypatch.delenv(name, raising=False)
    done = run("--groups", str(_CONF / "live.example.toml"), "check")
    assert done.exit_code == 1
    assert done.stdout.startswith(
        "FAIL  secret         accounts.bp.secret: environment variable BACKPACK_SECRET is not"
    )
    told = json.loads(run("check", "--json", "--groups", str(_CONF / "live.example.toml")).stdout)
    assert (told["ready"], told["online"], told["results"][0]["level"]) == (False, False, "FAIL")
    assert told["results"][0]["remedy"] == "set the variable, or create the file"


def test_a_file_with_mistakes_exits_1_and_shows_each(run, tmp_path):
    """The same findings as at the start, one a line."""
    file = tmp_path / "g.toml"
    file.write_text(changed(("leverage = 20", "levrage = 20"), ("account_index = 2", "account_index = 1")))
    done = run("check", "--groups", str(file))
    assert done.exit_code == 1
    assert "settings       groups.g.params.levrage: 20: unknown key; did you mean leverage?" in done.stdout
    assert "is the account_index of l1, too" in done.stdout


@pytest.mark.parametrize("arguments", [("check",), ("check", "--groups", "/nowhere.toml"), ("check", "--onlin")])
def test_what_cannot_be_checked_exits_2(run, arguments):
    """No file, no such file, no such option."""
    assert run(*arguments).exit_code == 2


def test_a_pasted_key_is_not_repeated(run, tmp_path):
    """A secret where its reference belongs: the error hides it."""
    file = tmp_path / "g.toml"
    file.write_text(changed(('secret = "file:state/test/keys/backpack-bp.key"', 'secret = "hunter2hunter2"')))
    for option in ((), ("--json",)):
        done = run("check", "--groups", str(file), *option)
        assert done.exit_code == 1
        assert "hunter2" not in done.output


# --- schema ----------------------------------------------------------------------------------------------------------


def _complaints(text: str) -> list[str]:
    written = tomllib.loads(text, parse_float=Decimal)
    return [error.json_path for error in Draft202012Validator(settings_schema()).iter_errors(written)]


def test_the_schema_is_one_and_takes_every_file_that_comes_with_the_program(run):
    """Editors must not complain about what runs."""
    printed = json.loads(run("schema").stdout)
    Draft202012Validator.check_schema(printed)
    for file in (*_CONF.glob("*.toml"), *_CONF.glob("examples/*.toml")):
        assert _complaints(file.read_text(encoding="utf-8")) == [], file


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("leverage = 20", "levrage = 20", "$.groups.g"),
        ("leverage = 20", 'leverage = "20"', "$.groups.g"),
        ("leverage = 20", "leverage = -1", "$.groups.g"),
        ('strategy = "liquidation_hedge"', 'strategy = "nope"', "$.groups.g"),
        ('lighter1 = "l1"', 'lighter7 = "l1"', "$.groups.g"),
        ('venue = "backpack"', 'venue = "binance"', "$.accounts.bp"),
        ("account_index = 1", 'account_index = "1"', "$.accounts.l1"),
        ("[general]", "[generall]", "$"),
        ("[general]", "[general]\ndebug = 1", "$.general.debug"),
        ('tier = "plus"\nkeys_dir', 'tier = "gold"\nkeys_dir', "$.simulator.tier"),
        ("[groups.g]", '[groups."a b"]', "$.groups"),
    ],
)
def test_the_schema_sees_what_the_program_would_refuse(old, new, place):
    """Typos, wrong types, unknown names: where an editor can underline them."""
    assert _complaints(PAPER) == []
    assert place in _complaints(changed((old, new)))


# --- init ------------------------------------------------------------------------------------------------------------


def test_a_paper_file_is_written_and_sound(run, tmp_path):
    """Five answers make a deployment that the program takes and calls ready."""
    out = tmp_path / "deep" / "my.toml"
    done = run("init", str(out), answers=_PAPER_ANSWERS)
    assert done.exit_code == 0
    settings = load(out, environment={})
    group = settings.groups["triad-9"]
    assert (group.instrument, group.params.leverage, group.params.max_cycles) == ("BTC-PERP", 10, 2)
    assert settings.simulated_venues() == ["backpack", "lighter"]
    assert run("check", "--groups", str(out)).exit_code == 0
    assert _complaints(out.read_text(encoding="utf-8")) == []


def test_a_live_file_holds_references_and_says_live(run, tmp_path):
    """Keys are asked for as references only; Telegram is asked for, too."""
    out = tmp_path / "my.toml"
    done = run("init", str(out), answers=_LIVE_ANSWERS)
    assert done.exit_code == 0, done.output
    settings = load(out, environment={})
    assert settings.live
    assert [each.config.model_dump().get("account_index") for each in settings.accounts.values()] == [None, 7, 8]
    assert settings.notifications.telegram.chat_ids == (-100,)
    assert "python supervisor.py --groups" in done.stdout
    assert "--live" in done.stdout


def test_a_wrong_answer_is_asked_again(run, tmp_path):
    """Every question says what is wrong and waits for another answer."""
    out = tmp_path / "my.toml"
    answers = ["n", "a b", "triad", "DOGE", "eth", "-3", "nan", "1e9", "20", "x", "-1", "1"]
    done = run("init", str(out), answers=answers)
    assert done.exit_code == 0, done.output
    for words in ("up to 63 letters", "one of ETH, BTC", "above 0, at most 200", "a whole number", "not below 0"):
        assert words in done.output


def test_the_same_lighter_account_twice_is_asked_again(run, tmp_path):
    """Two accounts of one hedge must be two."""
    answers = ["y", "", "", "", "", "", "7", "3", "4", "mykey", "env:A", "7", "8", "", "env:B", "n"]
    done = run("init", str(tmp_path / "my.toml"), answers=answers)
    assert done.exit_code == 0, done.output
    for words in ("must be different ones", "4 to 254", "never as the value itself"):
        assert words in done.output
    assert "mykey" not in (tmp_path / "my.toml").read_text()


@pytest.mark.parametrize("content", ["", "mine = 1"])
def test_a_file_that_is_there_stays(run, tmp_path, content):
    """Never overwritten, also not when it is empty: exit 2."""
    out = tmp_path / "my.toml"
    out.write_text(content)
    done = run("init", str(out), answers=_PAPER_ANSWERS)
    assert (done.exit_code, out.read_text()) == (2, content)
    assert "never overwritten" in done.stderr


def test_whoever_goes_away_leaves_nothing(run, tmp_path):
    """The input ends in the middle: exit 2, no file."""
    done = run("init", str(tmp_path / "my.toml"), answers=["y", "triad"])
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(run, tmp_path):
    """The folder is a file."""
    (tmp_path / "file").write_text("")
    done = run("init", str(tmp_path / "file" / "my.toml"), answers=_PAPER_ANSWERS)
    assert done.exit_code == 2
    assert "Nothing was written." in done.stderr
