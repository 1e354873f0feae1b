"""The journal's tables, their version, and the way up from older versions.

Every table carries the stream's name: one file holds one stream today, and one database could hold all.
"""

import secrets
import sqlite3
from collections.abc import Callable, Mapping

from actors.journal.protocol import JournalVersionError

SCHEMA_VERSION = 2
_READABLE_FROM = 1
"""Oldest version that is read as it is: what came later is not needed to read owner, records and snapshot."""
_IDENTITY_BYTES = 8
"""Sixteen hexadecimal digits: no two journals of one deployment will ever draw the same."""

_TABLES = (
    """
CREATE TABLE meta (
    schema_version INTEGER NOT NULL
)""",
    # Times are milliseconds since 1970-01-01 UTC. The head says where the chain ends: without it a chain that lost its
    # last records would look whole. The identity is drawn once, with the first owner.
    """
CREATE TABLE owner (
    stream TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    holder TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    head_seq BIGINT NOT NULL,
    head_checksum BLOB NOT NULL,
    identity TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (stream)
)""",
    """
CREATE TABLE record (
    stream TEXT NOT NULL,
    seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (stream, seq)
)""",
    """
CREATE TABLE snapshot (
    stream TEXT NOT NULL,
    seq BIGINT NOT NULL,
    code_version TEXT NOT NULL,
    body TEXT NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (stream)
)""",
)

Migration = Callable[[sqlite3.Connection], None]
"""Takes the tables from one version to the next, inside the caller's transaction."""


class MissingRowError(Exception):
    """A row that every journal has is not there."""


def new_identity() -> str:
    """Draw the identity of a journal."""
    return secrets.token_hex(_IDENTITY_BYTES)


def _add_identity(connection: sqlite3.Connection) -> None:
    """Version 1 had no identities: what lies there now gets one."""
    connection.execute("ALTER TABLE owner ADD COLUMN identity TEXT NOT NULL DEFAULT ''")
    for (stream,) in connection.execute("SELECT stream FROM owner").fetchall():
        connection.execute("UPDATE owner SET identity = ? WHERE stream = ?", (new_identity(), stream))


MIGRATIONS: Mapping[int, Migration] = {1: _add_identity}
"""Version → the migration that leaves it."""


def create_tables(connection: sqlite3.Connection) -> None:
    """Lay out an empty journal of the current version."""
    for table in _TABLES:
        connection.execute(table)
    connection.execute("INSERT INTO meta (schema_version) VALUES (?)", (SCHEMA_VERSION,))


def read_version(connection: sqlite3.Connection) -> int:
    """Return the version of the tables.

    Raises:
        sqlite3.Error | MissingRowError: there is no version, so this is no journal.
    """
    row = connection.execute("SELECT schema_version FROM meta").fetchone()
    if row is None:
        raise MissingRowError
    version: int = row[0]
    return version


def check_version(version: int, where: str) -> None:
    """Refuse to read tables of a version that this program does not know how to read.

    Raises:
        JournalVersionError: newer than this program, or too old and not taken up yet.
    """
    if version < _READABLE_FROM:
        raise JournalVersionError(
            f"{where}: schema version {version} is older than version {SCHEMA_VERSION} of this program:"
            " the next start of its owner takes it up"
        )
    _refuse_newer(version, where, SCHEMA_VERSION)


def _refuse_newer(version: int, where: str, known: int) -> None:
    if version > known:
        raise JournalVersionError(
            f"{where}: schema version {version} is newer than version {known} of this program:"
            " run the program that wrote it, or a newer one"
        )


def upgrade(
    connection: sqlite3.Connection,
    where: str,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    target: int = SCHEMA_VERSION,
) -> None:
    """Take the tables to `target`, one version at a time. The caller holds the transaction: all of it or nothing.

    Raises:
        JournalVersionError: no way leads from the version found to `target`.
    """
    version = read_version(connection)
    _refuse_newer(version, where, target)
    while version < target:
        step = migrations.get(version)
        if step is None:
            raise JournalVersionError(
                f"{where}: schema version {version} is too old: no migration leads to version {target}"
            )
        step(connection)
        version += 1
        connection.execute("UPDATE meta SET schema_version = ?", (version,))
