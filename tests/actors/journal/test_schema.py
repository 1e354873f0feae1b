"""The way up from an older version."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.journal.database import open_for_writing, writing
from actors.journal.protocol import Entry, JournalVersionError
from actors.journal.schema import MIGRATIONS, SCHEMA_VERSION, read_version, upgrade
from actors.journal.store import open_store
from actors.journal.verify import verify
from strategies.domain.ids import Timestamp


def _add_holder(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE owner ADD COLUMN holder TEXT NOT NULL DEFAULT 'unknown'")


def _add_claimed_at(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE owner ADD COLUMN claimed_at INTEGER NOT NULL DEFAULT 0")


def _fail(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE owner")
    raise RuntimeError("half way")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a journal of a made-up version -1, which had neither holder nor time in its owner table."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (schema_version INTEGER NOT NULL)")
        connection.execute("INSERT INTO meta VALUES (-1)")
        connection.execute("CREATE TABLE owner (stream TEXT PRIMARY KEY, epoch INTEGER NOT NULL)")
        connection.execute("INSERT INTO owner VALUES ('group/a', 7)")
        connection.commit()
    return path


def test_each_step_is_taken_once(old: Path):
    """The tables go up one version at a time to the target, and what was in them stays."""
    with closing(open_for_writing(old)) as connection:
        for _ in range(2):
            with writing(connection):
                upgrade(connection, "here", {-1: _add_holder, 0: _add_claimed_at}, target=1)
        with writing(connection):
            assert read_version(connection) == 1
            assert connection.execute("SELECT * FROM owner").fetchall() == [("group/a", 7, "unknown", 0)]


def test_a_failed_step_changes_nothing(old: Path):
    """When a step fails, the whole way up is undone."""
    with closing(open_for_writing(old)) as connection:
        with pytest.raises(RuntimeError, match="half way"), writing(connection):
            upgrade(connection, "here", {-1: _add_holder, 0: _fail}, target=1)
        with writing(connection):
            assert read_version(connection) == -1
            assert connection.execute("SELECT * FROM owner").fetchall() == [("group/a", 7)]


def test_no_way_up(old: Path):
    """A version that nothing leads from is refused by number."""
    with (
        closing(open_for_writing(old)) as connection,
        pytest.raises(JournalVersionError, match="here: schema version 0 is too old"),
        writing(connection),
    ):
        upgrade(connection, "here", {-1: _add_holder}, target=1)


def test_every_step_to_this_version_exists():
    """From version 1 on there is a migration for every version before this one."""
    assert set(MIGRATIONS) == set(range(1, SCHEMA_VERSION))


def _as_version_1(path: Path) -> None:
    """Take a journal back to the tables of version 1, which had no identities."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE owner DROP COLUMN identity")
        connection.execute("UPDATE meta SET schema_version = 1")
        connection.commit()


async def test_a_journal_of_version_1_is_read_as_it_is_and_gets_an_identity_with_its_next_owner(tmp_path: Path):
    """Nothing in it changes but that: its owner is known before, its records are whole after."""
    url = f"sqlite:{tmp_path}"
    store = open_store(url)
    first = await store.open("group/a", await store.claim("group/a", "one"))
    await first.append([Entry(kind="step", at=Timestamp(1), body="{}")])
    await first.close()
    _as_version_1(tmp_path / "group" / "a.sqlite")
    assert await store.owner("group/a") == (1, "one")
    assert verify(url) == []
    second = await store.open("group/a", await store.claim("group/a", "two"))
    drawn = second.identity
    assert len(drawn) == 16
    assert [record.body for record in await second.read()] == ["{}"]
    await second.close()
    third = await store.open("group/a", await store.claim("group/a", "three"))
    assert third.identity == drawn
    await store.close()


async def test_a_journal_begun_anew_has_another_identity(tmp_path: Path):
    """Two journals in the same place are told apart; the same one keeps its identity over its owners."""
    store = open_store(f"sqlite:{tmp_path}")
    identities = []
    for _ in range(2):
        journal = await store.open("group/a", await store.claim("group/a", "one"))
        identities.append(journal.identity)
        await journal.close()
        (tmp_path / "group" / "a.sqlite").unlink()
    assert identities[0] != identities[1]
    await store.close()
