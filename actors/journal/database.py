"""SQLite files: how they are made, opened, and what their errors mean."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from actors.journal.location import JournalLocation
from actors.journal.protocol import JournalDamagedError, JournalError, JournalWriteError
from actors.journal.schema import MissingRowError, create_tables

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
    with translated(str(path)), closing(_connect(draft, "rw", "DELETE")) as connection, writing(connection):
        create_tables(connection)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Return a connection for `writing`: what a transaction of it holds is on disk when it ends.

    Raises:
        sqlite3.Error: the file cannot be opened.
    """
    return _connect(path, "rw", "WAL")


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


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write, and works while another process does.

    Raises:
        JournalDamagedError: the file is missing or too short to be a journal.
        sqlite3.Error: it cannot be opened.
    """
    check_size(path)
    # Without a -wal file nobody has it open and nothing waits to be folded in; reading it as immutable then needs
    # no -shm file, so that a journal on a read-only disk can be read.
    quiet = not path.with_name(path.name + "-wal").exists() and not os.access(path.parent, os.W_OK)
    return _connect(path, "ro&immutable=1" if quiet else "ro", None)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the database's errors into the journal's, naming `where`.

    Raises:
        JournalDamagedError: what is in the file is not what was written.
        JournalWriteError: the place does not take it (full, read-only, gone, locked).
    """
    try:
        yield
    except MissingRowError as error:
        raise JournalDamagedError(f"{where}: a row that every journal has is missing") from error
    except sqlite3.Error as error:
        raise _journal_error(where, error) from error


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """See one state of the file throughout the block.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with _transaction(connection, "BEGIN"):
        yield


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once, and let everything in the block count, or nothing of it.

    Raises:
        sqlite3.Error: nothing of the transaction counts.
    """
    with _transaction(connection, "BEGIN IMMEDIATE"):
        yield


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    try:
        connection.execute(begin)
        yield
        connection.execute("COMMIT")
    except BaseException:  # cancelled or failed: either way nothing of the transaction may count
        connection.rollback()
        raise


def _journal_error(where: str, error: sqlite3.Error) -> JournalError:
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", "no SQLite code")
    text = f"{where}: {error} ({name})"
    if code is None or code & _PRIMARY_CODE in _DAMAGE:
        return JournalDamagedError(text)
    return JournalWriteError(text)


def _connect(path: Path, mode: str, journal_mode: str | None) -> sqlite3.Connection:
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
