"""The way up from an older version."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from actors.journal.database import writing_engine
from actors.journal.protocol import JournalVersionError
from actors.journal.schema import MIGRATIONS, SCHEMA_VERSION, read_version, upgrade


def _add_holder(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE owner ADD COLUMN holder TEXT NOT NULL DEFAULT 'unknown'")


def _add_claimed_at(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE owner ADD COLUMN claimed_at INTEGER NOT NULL DEFAULT 0")


def _fail(connection: Connection) -> None:
    connection.exec_driver_sql("DROP TABLE owner")
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
    with writing_engine(old).connect() as connection:
        for _ in range(2):
            with connection.begin():
                upgrade(connection, "here", {-1: _add_holder, 0: _add_claimed_at}, target=1)
        with connection.begin():
            assert read_version(connection) == 1
            assert connection.exec_driver_sql("SELECT * FROM owner").all() == [("group/a", 7, "unknown", 0)]


def test_a_failed_step_changes_nothing(old: Path):
    """When a step fails, the whole way up is undone."""
    with writing_engine(old).connect() as connection:
        with pytest.raises(RuntimeError, match="half way"), connection.begin():
            upgrade(connection, "here", {-1: _add_holder, 0: _fail}, target=1)
        with connection.begin():
            assert read_version(connection) == -1
            assert connection.exec_driver_sql("SELECT * FROM owner").all() == [("group/a", 7)]


def test_no_way_up(old: Path):
    """A version that nothing leads from is refused by number."""
    with (
        writing_engine(old).connect() as connection,
        pytest.raises(JournalVersionError, match="here: schema version 0 is too old"),
        connection.begin(),
    ):
        upgrade(connection, "here", {-1: _add_holder}, target=1)


def test_every_step_to_this_version_exists():
    """From version 1 on there is a migration for every version before this one."""
    assert set(MIGRATIONS) == set(range(1, SCHEMA_VERSION))
