"""The journal's tables, their version, and the way up from older versions.

Every table carries the stream's name: one file holds one stream today, and one PostgreSQL database could hold all.
"""

import secrets
from collections.abc import Callable, Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from actors.journal.protocol import JournalVersionError

SCHEMA_VERSION = 2
_READABLE_FROM = 1
"""Oldest version that is read as it is: what came later is not needed to read owner, records and snapshot."""
_IDENTITY_BYTES = 8
"""Sixteen hexadecimal digits: no two journals of one deployment will ever draw the same."""

METADATA = MetaData()

META = Table("meta", METADATA, Column("schema_version", Integer, nullable=False))

OWNER = Table(
    "owner",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("claimed_at", BigInteger, nullable=False, comment="milliseconds since 1970-01-01 UTC"),
    # The head says where the chain ends: without it a chain that lost its last records would look whole.
    Column("head_seq", BigInteger, nullable=False),
    Column("head_checksum", LargeBinary, nullable=False),
    Column("identity", Text, nullable=False, server_default="", comment="drawn once, with the first owner"),
)

RECORD = Table(
    "record",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False, comment="milliseconds since 1970-01-01 UTC"),
    Column("body", Text, nullable=False),
    Column("checksum", LargeBinary, nullable=False),
)

SNAPSHOT = Table(
    "snapshot",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("checksum", LargeBinary, nullable=False),
)

Migration = Callable[[Connection], None]
"""Takes the tables from one version to the next, inside the caller's transaction."""


def new_identity() -> str:
    """Draw the identity of a journal."""
    return secrets.token_hex(_IDENTITY_BYTES)


def _add_identity(connection: Connection) -> None:
    """Version 1 had no identities: what lies there now gets one."""
    connection.exec_driver_sql("ALTER TABLE owner ADD COLUMN identity TEXT NOT NULL DEFAULT ''")
    for stream in connection.execute(select(OWNER.c.stream)).scalars().all():
        connection.execute(update(OWNER).where(OWNER.c.stream == stream).values(identity=new_identity()))


MIGRATIONS: Mapping[int, Migration] = {1: _add_identity}
"""Version → the migration that leaves it."""


class HotStatements:
    """The statements of an append as SQL text, compiled once: composing them anew costs a third of the whole append."""

    def __init__(self, engine: Engine) -> None:
        """Compile for the engine's dialect."""
        of_stream = OWNER.c.stream == bindparam("of_stream")
        self.head = str(select(OWNER.c.epoch, OWNER.c.head_seq, OWNER.c.head_checksum).where(of_stream).compile(engine))
        self.insert = str(insert(RECORD).compile(engine))
        self.advance = str(
            update(OWNER)
            .where(of_stream)
            .values(head_seq=bindparam("new_seq"), head_checksum=bindparam("new_checksum"))
            .compile(engine)
        )


def create_tables(connection: Connection) -> None:
    """Lay out an empty journal of the current version."""
    METADATA.create_all(connection)
    connection.execute(insert(META), {"schema_version": SCHEMA_VERSION})


def read_version(connection: Connection) -> int:
    """Return the version of the tables.

    Raises:
        sqlalchemy.exc.DBAPIError | sqlalchemy.exc.NoResultFound: there is no version, so this is no journal.
    """
    version: int = connection.execute(select(META.c.schema_version)).scalar_one()
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
    connection: Connection,
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
        connection.execute(update(META).values(schema_version=version))
