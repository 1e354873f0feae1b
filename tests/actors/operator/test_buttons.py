"""The command line against a running supervisor: what is printed, what is done, and how it exits."""

import io
import json
import os
import stat

import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner

from actors.actor import Liveness
from actors.operator.buttons import DONE, NOBODY, NOT_ASKED, NOT_SO, confirmed, press_buttons, read_again, show_status
from actors.operator.running import Front, NoSupervisorError, RunningSupervisor, remove_paper, write_paper
from actors.supervision.change import Proposal
from actors.supervision.overview import overview
from actors.supervision.presses import Action
from actors.supervision.reload import Reload
from actors.web.reload import Reloading
from actors.web.tokens import OWN_NAME, WeakTokenError, operator_tokens, own_token, resolved, token_file
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId
from supervisor import app
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import desired, loop_now
from tests.actors.web.conftest import TOKEN, front_of
from tests.test_supervisor import FILE
from venues.secrets import SecretMissingError

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound here
G, H = GroupId("g"), GroupId("h")


@pytest.fixture
async def served(tmp_path, monkeypatch):
    """A supervision with its pages, and the way to it as the command line finds it."""
    monkeypatch.setenv("A_TOKEN", TOKEN)
    async with front_of(tmp_path, groups={"g": ("a", "b"), "h": ("c",)}) as front:
        await until(lambda: all(each.life.liveness is Liveness.ALIVE for each in front.supervision.groups.values()))
        write_paper(tmp_path, "127.0.0.1", front.server.url)
        yield front, Front(tmp_path, "env:A_TOKEN")


def window() -> Console:
    """Return a terminal that remembers."""
    return Console(record=True, width=150, file=io.StringIO())


async def test_status_shows_groups_and_accounts(served):
    """Both tables, red where something does not live; 0 when all is well, 1 when something needs a look."""
    front, way = served
    await until(lambda: not overview(front.supervision, loop_now()).not_ready())
    console = window()
    assert await show_status(way, frozenset(), console, as_json=False) == DONE
    text = console.export_text()
    assert all(word in text for word in ("IDLE", "ARMED", "lighter", "g", "h"))
    front.world.broken |= {"account/c"}
    front.world.links["account/c@1"].die()
    await until(lambda: front.supervision.accounts[AccountId("c")].life.liveness is not Liveness.ALIVE)
    assert await show_status(way, frozenset(), console, as_json=False) == NOT_SO
    assert "account/c is" in console.export_text()
    assert await show_status(way, frozenset({G}), console, as_json=True) == DONE
    assert set(json.loads(console.export_text())["accounts"]) == {"a", "b"}


async def test_buttons_press_each_group_and_say_what_happens(served):
    """One answer a group; the press is journaled under the token's name with the user's own beside it."""
    front, way = served
    console = window()
    assert await press_buttons(way, Action.PAUSE, (G, H), "lunch", console, as_json=True) == DONE
    assert [(each["group"], each["done"]) for each in json.loads(console.export_text())] == [("g", True), ("h", True)]
    assert [told[:2] for told in front.world.told] == [("g", OperatorState.PAUSE), ("h", OperatorState.PAUSE)]
    assert front.world.told[0][2].endswith(":anna@127.0.0.1")
    assert await press_buttons(way, Action.FLATTEN, (G,), "", console, as_json=False) == DONE
    assert "closes every leg now" in " ".join(console.export_text().split())


async def test_what_is_refused_is_told_apart_from_what_was_never_asked(served, monkeypatch):
    """1 = not as things are, 2 = not with this token or this name; the others are pressed all the same."""
    front, way = served
    front.supervision.groups[G].take_way_out("it died too often")
    console = window()
    assert await press_buttons(way, Action.PAUSE, (G, H), "", console, as_json=False) == NOT_SO
    assert "--release g" in " ".join(console.export_text().split())
    assert ("h", OperatorState.PAUSE) in [told[:2] for told in front.world.told]
    assert await press_buttons(way, Action.PAUSE, (GroupId("x"),), "", console, as_json=False) == NOT_ASKED
    monkeypatch.setenv("A_TOKEN", "another-token-of-nobody")
    assert await press_buttons(way, Action.PAUSE, (H,), "", console, as_json=False) == NOT_ASKED
    assert "not one that may write" in " ".join(console.export_text().split())
    monkeypatch.delenv("A_TOKEN")
    with pytest.raises(SecretMissingError):
        await press_buttons(way, Action.PAUSE, (H,), "", console, as_json=False)


async def test_a_reload_tells_its_plan_and_does_it(tmp_path, monkeypatch):
    """`--dry-run` tells, without it the plan is applied; a refused file changes nothing and says why."""
    monkeypatch.setenv("A_TOKEN", TOKEN)
    says = [Proposal(desired=desired({"g": ("a", "b"), "n": ("d",)}))]

    async def agreed(_wanted) -> None:
        pass

    def reloading(supervision, _guard):
        return Reloading(Reload(supervision, lambda: says[0], agreed))

    async with front_of(tmp_path, reloading) as front:
        await until(lambda: not overview(front.supervision, loop_now()).not_ready())
        write_paper(tmp_path, "127.0.0.1", front.server.url)
        way, console = Front(tmp_path, "env:A_TOKEN"), window()
        assert await read_again(way, console, dry_run=True, as_json=False) == DONE
        text = console.export_text()
        assert "+ group n is started" in text
        assert "Nothing was applied." in text
        assert "n" not in front.supervision.groups
        assert await read_again(way, console, dry_run=False, as_json=True) == DONE
        assert json.loads(console.export_text())["applied"] is True
        assert "n" in front.supervision.groups
        says[0] = Proposal(desired=None, refused=("FILE: groups.g.params.leverage = -1: too small",))
        assert await read_again(way, console, dry_run=False, as_json=False) == NOT_SO
        assert "! FILE: groups.g.params.leverage = -1" in console.export_text()
        status, _ = await front.ask("POST", "/api/reload", {"dry_run": "no"})
        assert status == 400
        assert (await front.ask("POST", "/api/reload", {}, headers={}))[0] == 401


async def test_nobody_there_is_said_in_words(tmp_path, served):
    """No paper, a paper of a process that has ended, one that is damaged, a server that does not answer."""
    front, way = served
    await front.server.close()
    with pytest.raises(NoSupervisorError, match="does not answer"):
        await way.read("/api/groups")
    remove_paper(tmp_path)
    remove_paper(tmp_path)
    with pytest.raises(NoSupervisorError, match="No supervisor runs on"):
        way.find()
    (tmp_path / "supervisor.json").write_text("{}")
    with pytest.raises(NoSupervisorError):
        way.find()
    gone = RunningSupervisor(pid=os.getpid(), created_at=psutil.Process().create_time() - 5, url="http://127.0.0.1:1")
    (tmp_path / "supervisor.json").write_text(gone.model_dump_json())
    with pytest.raises(NoSupervisorError):
        way.find()


def test_a_server_for_everybody_is_asked_on_this_machine(tmp_path):
    """0.0.0.0 is no address to ask."""
    write_paper(tmp_path, EVERYWHERE, f"http://{EVERYWHERE}:9464")
    assert Front(tmp_path, None).find().url == "http://127.0.0.1:9464"
    write_paper(tmp_path, "::", "http://[::]:9464")
    assert Front(tmp_path, None).find().url == "http://[::1]:9464"


def test_only_what_costs_something_is_confirmed_and_by_name():
    """A wrong name stops everything; where nobody can be asked, --yes is named."""
    assert confirmed(Action.PAUSE, (G,), None) == ""
    assert "--yes" in confirmed(Action.FLATTEN, (G,), None)
    assert confirmed(Action.FLATTEN, (G, H), lambda text: text.split()[1]) == ""
    assert "Not confirmed: h" in confirmed(Action.RESTART, (G, H), lambda _: "g")


@pytest.fixture
def deployment(tmp_path):
    """Return the path of a paper deployment that nobody runs."""
    path = tmp_path / "groups.toml"
    path.write_text(FILE.format(state=tmp_path / "state"))
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["status"], NOBODY, "No supervisor runs on"),
        (["pause", "--group", "triad"], NOBODY, "No supervisor runs on"),
        (["flatten", "--all", "--yes"], NOBODY, "No supervisor runs on"),
        (["flatten", "--all"], NOT_ASKED, "add --yes"),
        (["pause"], NOT_ASKED, "Name the group with --group"),
        (["pause", "--all", "--group", "triad"], NOT_ASKED, "Name the group with --group"),
        (["restart", "--group", "triat", "--yes"], NOT_ASKED, "has no group triat"),
        (["status", "--group", "triat"], NOT_ASKED, "has no group triat"),
        (["explain", "1"], NOT_ASKED, "has no group triad"),
        (["explain", "x"], NOT_ASKED, "A cycle is a number"),
        (["explain", "-5"], NOT_ASKED, ""),
        (["status", "--groups", "nowhere.toml"], NOT_ASKED, "nowhere.toml: cannot be read"),
    ],
)
def test_the_command_line_says_what_is_wrong(deployment, arguments, code, said):
    """Nothing is created, and the exit code tells the kinds apart."""
    options = [] if "--groups" in arguments else ["--groups", str(deployment)]
    result = CliRunner().invoke(app, [*options, *arguments])
    assert result.exit_code == code, result.output
    assert said in result.output
    assert not (deployment.parent / "state").exists()


def test_a_token_is_made_once_and_only_its_user_can_read_it(tmp_path):
    """0600 whatever the umask; another start keeps it; one that others could read is replaced."""
    path = own_token(tmp_path / "state")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    value = path.read_text()
    assert own_token(tmp_path / "state").read_text() == value
    assert operator_tokens(tmp_path / "state", None, {}).owner_of(value.strip()) == OWN_NAME
    path.chmod(0o640)
    assert own_token(tmp_path / "state").read_text() != value
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("")
    assert own_token(tmp_path / "state").read_text().strip()


def test_tokens_are_named_and_shown_nowhere(tmp_path, monkeypatch):
    """Each person's own; a weak one is refused by name; no picture of the object shows a value."""
    monkeypatch.setenv("ANNA", "annas-long-enough-token")
    monkeypatch.setenv("MAIN", "the-main-token-of-all")
    tokens = operator_tokens(tmp_path, "env:MAIN", {"anna": "env:ANNA"})
    assert not token_file(tmp_path).exists()
    assert (tokens.owner_of("annas-long-enough-token"), tokens.owner_of("the-main-token-of-all")) == ("anna", OWN_NAME)
    assert tokens.owner_of("") is None
    assert "long-enough" not in repr(vars(tokens))
    monkeypatch.setenv("ANNA", "short")
    with pytest.raises(WeakTokenError, match="token anna has fewer than 16") as error:
        resolved({"anna": "env:ANNA"})
    assert "short" not in str(error.value)
