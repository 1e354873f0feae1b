"""Before anything starts: journals that do not belong together, or not to the settings, are named."""

import pytest

from actors.group import GroupActorSpec
from actors.hosting.protocol import ActorKind
from actors.journal.store import open_store
from actors.supervision.belonging import StrangersError, check_belonging
from actors.supervision.desired import Desired, GroupWish
from strategies.domain.events import OperatorState
from tests.actors.account.conftest import until
from tests.actors.test_group import finished
from tests.actors.test_lost_journals import Files, files  # noqa: F401 - pytest finds a fixture by its name
from tests.actors.toy import toy_spec


def wanted(url: str, **legs: str) -> Desired:
    """Return the settings of one toy group; `legs` replaces its legs."""
    group = toy_spec().model_copy(update={"legs": legs} if legs else {})
    spec = GroupActorSpec(group=group, strategy="toy", params={}, journal=url, lock_dir="").model_dump_json()
    wish = GroupWish(
        kind=ActorKind.GROUP,
        name="g",
        spec=spec,
        settings_hash="1",
        accounts=tuple(group.legs.values()),
        operator_state=OperatorState.RUN,
        flatten_spec=spec,
        flatten_hash="1",
    )
    return Desired(accounts={}, groups={"g": wish})


async def check(files: Files, **legs: str) -> str:  # noqa: F811 - the fixture
    """Return what is said; empty = all belongs together."""
    url = f"sqlite:{files.folder}/journal"
    store = open_store(url)
    try:
        await check_belonging(store, wanted(url, **legs), url, "groups.toml")
    except StrangersError as error:
        return str(error)
    finally:
        await store.close()
    return ""


async def test_a_deployment_that_ran_before_belongs_together(files):  # noqa: F811 - the fixture
    """Before the first start, and after one, there is nothing to be said."""
    assert await check(files) == ""
    await files.first_life(goal=2)
    assert await check(files) == ""


async def test_living_actors_do_not_disturb_the_check(files):  # noqa: F811 - the fixture
    """Another supervisor's actors may live on while a new one looks: they write meanwhile."""
    account = await files.accounts.start()
    group = await files.start(account, goal=6)
    while not finished(group):
        assert await check(files) == ""
    await until(lambda: not group._log.outbox("l1"), "the last receipt")


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("account/l1", "the journal of account l1 ("),
        ("group/g", "and account l1 has taken 2 messages from it"),
    ],
)
async def test_a_lost_journal_is_named_before_anything_starts(files, lost, words):  # noqa: F811 - the fixture
    """Whichever file is gone, the other one tells; the remedy is said, too."""
    await files.first_life(goal=2)
    files.lose(lost)
    said = await check(files)
    assert words in said
    assert f"{files.file(lost)}) is gone" in said
    assert "Put the right file back" in said


async def test_a_journal_put_back_from_an_earlier_day_is_named_before_anything_starts(files):  # noqa: F811 - the fixture
    """The account's copy has fewer facts than the group has read."""
    await files.first_life(goal=1)
    files.keep("account/l1")
    await files.first_life(goal=1)
    files.put_back("account/l1")
    said = await check(files)
    assert "was put back from an earlier day" in said
    assert str(files.file("account/l1")) in said


async def test_settings_that_change_a_leg_are_refused_with_file_group_and_leg(files):  # noqa: F811 - the fixture
    """A leg that moved, went, or came: what it was, what it is, where that is written, what to do."""
    await files.first_life(goal=1)
    said = await check(files, only="l2", more="l3")
    assert said.startswith("groups.toml: group g has changed (leg more was none, is l3; leg only was l1, is l2)")
    assert str(files.file("group/g")) in said
    assert "give the changed group another name" in said
