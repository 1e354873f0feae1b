"""Writing a stream: synchronous, and confined to the one thread that calls it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from actors.journal.chain import GENESIS, record_checksum, snapshot_checksum
from actors.journal.database import check_size, open_for_writing, translated, writing
from actors.journal.protocol import (
    Entry,
    JournalDamagedError,
    JournalError,
    JournalWriteError,
    Snapshot,
    StaleEpochError,
)
from actors.journal.read import read_ownership
from actors.journal.schema import MissingRowError, new_identity, upgrade
from strategies.domain.ids import Timestamp

_FIRST_CLAIM = """
INSERT INTO owner (stream, epoch, holder, claimed_at, head_seq, head_checksum, identity)
VALUES (:stream, :epoch, :holder, :claimed_at, 0, :genesis, :identity)"""
_CLAIM = "UPDATE owner SET epoch = :epoch, holder = :holder, claimed_at = :claimed_at WHERE stream = :stream"
_HEAD = "SELECT epoch, head_seq, head_checksum FROM owner WHERE stream = ?"
_ADVANCE = "UPDATE owner SET head_seq = ?, head_checksum = ? WHERE stream = ?"
_RECORD = """
INSERT INTO record (stream, seq, epoch, kind, at, body, checksum)
VALUES (:stream, :seq, :epoch, :kind, :at, :body, :checksum)"""
_SNAPSHOT = """
INSERT INTO snapshot (stream, seq, code_version, body, checksum)
VALUES (:stream, :seq, :code_version, :body, :checksum)"""


def claim_stream(path: Path, stream: str, holder: str, at: Timestamp) -> int:
    """Raise the stream's epoch by one in one transaction; take an older file up to this program's version first.

    Raises:
        JournalWriteError | JournalDamagedError | JournalVersionError
    """
    where = f"{path}, stream {stream}"
    check_size(path)
    with translated(where), closing(open_for_writing(path)) as connection, writing(connection):
        upgrade(connection, where)
        owner = read_ownership(connection, stream, where)
        last = "SELECT epoch FROM record WHERE stream = ? AND seq = ?"
        row = connection.execute(last, (stream, owner.head_seq)).fetchone()
        if row is not None and row[0] > owner.epoch:
            # Claiming on would let a ghost of a later epoch write again.
            raise JournalDamagedError(f"{where}: the last record is of an epoch beyond the head, {owner.epoch}")
        epoch = owner.epoch + 1
        claim = {"stream": stream, "epoch": epoch, "holder": holder, "claimed_at": at}
        if epoch == 1:
            connection.execute(_FIRST_CLAIM, claim | {"genesis": GENESIS, "identity": new_identity()})
        else:
            connection.execute(_CLAIM, claim)
    return epoch


class StreamWriter:
    """One stream under one epoch, with one connection for life."""

    def __init__(self, path: Path, stream: str, epoch: int) -> None:
        """Name the stream; `connect` opens it."""
        self._path = path
        self._stream = stream
        self._epoch = epoch
        self._where = f"{path}, stream {stream}"
        self._connection: sqlite3.Connection | None = None
        self._file_id = 0
        self.identity = ""
        """Known once connected."""

    def connect(self) -> None:
        """Open the file and check that the epoch still owns the stream.

        Raises:
            StaleEpochError | JournalDamagedError | JournalVersionError | JournalWriteError
        """
        check_size(self._path)
        with translated(self._where):
            self._connection = open_for_writing(self._path)
            self._file_id = self._current_file_id()
            with writing(self._connection):
                upgrade(self._connection, self._where)
                self._check_epoch(read_ownership(self._connection, self._stream, self._where).epoch)
                told = "SELECT identity FROM owner WHERE stream = ?"
                (self.identity,) = self._connection.execute(told, (self._stream,)).fetchone()

    def append(self, entries: Sequence[Entry]) -> int:
        """Write all entries in one durable transaction; see `Journal.append`.

        The head is read inside the transaction, not remembered: after a failed write there is nothing to forget.
        """
        connection = self._connected()
        with translated(self._where), writing(connection):
            found = connection.execute(_HEAD, (self._stream,)).fetchone()
            if found is None:
                raise MissingRowError
            epoch, seq, checksum = found
            self._check_epoch(epoch)
            rows = []
            for entry in entries:
                seq += 1
                checksum = record_checksum(
                    checksum,
                    stream=self._stream,
                    seq=seq,
                    epoch=epoch,
                    kind=entry.kind,
                    at=entry.at,
                    body=entry.body,
                )
                fields = {"kind": entry.kind, "at": entry.at, "body": entry.body, "checksum": checksum}
                rows.append({"stream": self._stream, "seq": seq, "epoch": epoch} | fields)
            if rows:
                connection.executemany(_RECORD, rows)
                connection.execute(_ADVANCE, (seq, checksum, self._stream))
        return int(seq)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Replace the stream's snapshot; see `Journal.save_snapshot`.

        Raises:
            ValueError: the snapshot folds records that have not been written.
        """
        connection = self._connected()
        checksum = snapshot_checksum(
            stream=self._stream, seq=snapshot.seq, code_version=snapshot.code_version, body=snapshot.body
        )
        with translated(self._where), writing(connection):
            owner = read_ownership(connection, self._stream, self._where)
            self._check_epoch(owner.epoch)
            if snapshot.seq > owner.head_seq:
                raise ValueError(f"a snapshot of seq {snapshot.seq} of a stream that ends at {owner.head_seq}")
            connection.execute("DELETE FROM snapshot WHERE stream = ?", (self._stream,))
            row = {"stream": self._stream, "checksum": checksum} | snapshot.model_dump()
            connection.execute(_SNAPSHOT, row)

    def close(self) -> None:
        """Release the file. May be called twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalError(f"{self._where}: is closed")
        # SQLite goes on writing to a file that was deleted or replaced, where nobody would ever find it again.
        if self._current_file_id() != self._file_id:
            raise JournalWriteError(f"{self._where}: the file was replaced while it was open")
        return self._connection

    def _current_file_id(self) -> int:
        try:
            return self._path.stat().st_ino
        except OSError as error:
            raise JournalWriteError(f"{self._where}: the file is gone: {error.strerror}") from error

    def _check_epoch(self, current: int) -> None:
        if current != self._epoch:
            raise StaleEpochError(self._stream, self._epoch, current)
