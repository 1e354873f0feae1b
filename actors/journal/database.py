"""SQLite files: how they are made, opened, and what their errors mean."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.pool import NullPool

from actors.journal.location import JournalLocation
from actors.journal.protocol import JournalDamagedError, JournalError, JournalWriteError
from actors.journal.schema import create_tables

BUSY_TIMEOUT_MS = 5_000
"""How long a writer waits for another process that holds the file: claims and appends take about a millisecond."""

_SQLITE_HEADER_BYTES = 100
"""A database is never shorter than its header."""

_PRIMARY_CODE = 0xFF
"""The low byte of an SQLite error code is its kind; the rest says where it happened."""

_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CONSTRAINT,  # a record beyond the head
        sqlite3.SQLITE_ERROR,  # a table or a column is missing
        sqlite3.SQLITE_MISMATCH,
    }
)
"""Kinds that tell of content. Every other kind (FULL, IOERR, READONLY, CANTOPEN, BUSY …) tells of the place."""


def create_file(location: JournalLocation, stream: str) -> Path:
    """Make the file of `stream` unless it exists, whole at its first appearance, and return its path.

    It is laid out under another name and then linked to its own: a file that is empty or has no tables is therefore
    always damage, never a creation that was interrupted.

    Raises:
        JournalWriteError: the directory or the file cannot be made.
    """
    path = location.file_of(stream)
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft_name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".draft", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise JournalWriteError(f"{path}: cannot be made: {error.strerror}") from error
    draft = Path(draft_name)
    try:
        _lay_out(draft, path)
        with suppress(FileExistsError):  # another process made it in the meantime: theirs is as good
            os.link(draft, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise JournalWriteError(f"{path}: cannot be made: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return path


def _lay_out(draft: Path, path: Path) -> None:
    engine = _engine(draft, "rw", "BEGIN IMMEDIATE", "DELETE")
    with translated(str(path)), engine.connect() as connection, connection.begin():
        create_tables(connection)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def writing_engine(path: Path) -> Engine:
    """Return an engine whose transactions take the write lock at once and are on disk when they end."""
    return _engine(path, "rw", "BEGIN IMMEDIATE", "WAL")


def check_size(path: Path) -> None:
    """Refuse a file that SQLite would take for a new, empty database.

    Raises:
        JournalDamagedError: the file is missing or too short to be a journal.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise JournalDamagedError(f"{path}: cannot be read: {error.strerror}") from error
    if size < _SQLITE_HEADER_BYTES:
        raise JournalDamagedError(f"{path}: the file is {size} bytes long and cannot hold a journal: it was cut off")


def reading_engine(path: Path) -> Engine:
    """Return an engine that cannot write, and works while another process does.

    Raises:
        JournalDamagedError: the file is missing or too short to be a journal.
    """
    check_size(path)
    # Without a -wal file nobody has it open and nothing waits to be folded in; reading it as immutable then needs
    # no -shm file, so that a journal on a read-only disk can be read.
    quiet = not path.with_name(path.name + "-wal").exists() and not os.access(path.parent, os.W_OK)
    return _engine(path, "ro&immutable=1" if quiet else "ro", "BEGIN", None)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the database's errors into the journal's, naming `where`.

    Raises:
        JournalDamagedError: what is in the file is not what was written.
        JournalWriteError: the place does not take it (full, read-only, gone, locked).
    """
    try:
        yield
    except NoResultFound as error:
        raise JournalDamagedError(f"{where}: a row that every journal has is missing") from error
    except DBAPIError as error:
        raise _journal_error(where, error.orig) from error
    except sqlite3.Error as error:
        raise _journal_error(where, error) from error


@contextmanager
def written(connection: Connection) -> Iterator[sqlite3.Cursor]:
    """Give a cursor inside one transaction, past the library: its part of an append was longer than the disk's.

    Raises:
        sqlite3.Error: nothing of the transaction counts.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError(f"a journal file is opened by sqlite3, not by {type(driver).__name__}")
    cursor = driver.cursor()
    try:
        cursor.execute("BEGIN IMMEDIATE")
        yield cursor
        cursor.execute("COMMIT")
    except BaseException:  # cancelled or failed: either way nothing of the transaction may count
        driver.rollback()
        raise
    finally:
        cursor.close()


def _journal_error(where: str, error: BaseException | None) -> JournalError:
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", "no SQLite code")
    text = f"{where}: {error} ({name})"
    if code is None or code & _PRIMARY_CODE in _DAMAGE:
        return JournalDamagedError(text)
    return JournalWriteError(text)


def _engine(path: Path, mode: str, begin: str, journal_mode: str | None) -> Engine:
    def connect() -> sqlite3.Connection:
        # mode=rw, not rwc: a file that has gone is an error, never a new empty journal.
        uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
        # One thread uses a connection; without the check, a connection left to the garbage collector may be closed
        # by whichever thread that runs in.
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA foreign_keys = ON")
            if journal_mode is not None:
                connection.execute(f"PRAGMA journal_mode = {journal_mode}")
                connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    # Named parameters in both dialects keep the compiled statements of schema.py free of the dialect.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, paramstyle="named")

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "begin", begin_transaction)
    return engine
