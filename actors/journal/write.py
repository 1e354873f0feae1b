"""Writing a stream: synchronous, and confined to the one thread that calls it."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import NoResultFound

from actors.journal.chain import GENESIS, record_checksum, snapshot_checksum
from actors.journal.database import check_size, translated, writing_engine, written
from actors.journal.protocol import (
    Entry,
    JournalDamagedError,
    JournalError,
    JournalWriteError,
    Snapshot,
    StaleEpochError,
)
from actors.journal.read import read_ownership
from actors.journal.schema import OWNER, RECORD, SNAPSHOT, HotStatements, new_identity, upgrade
from strategies.domain.ids import Timestamp


def claim_stream(path: Path, stream: str, holder: str, at: Timestamp) -> int:
    """Raise the stream's epoch by one in one transaction; take an older file up to this program's version first.

    Raises:
        JournalWriteError | JournalDamagedError | JournalVersionError
    """
    where = f"{path}, stream {stream}"
    check_size(path)
    with translated(where), writing_engine(path).connect() as connection, connection.begin():
        upgrade(connection, where)
        owner = read_ownership(connection, stream, where)
        last = select(RECORD.c.epoch).where(RECORD.c.stream == stream, RECORD.c.seq == owner.head_seq)
        if (connection.execute(last).scalar_one_or_none() or 0) > owner.epoch:
            # Claiming on would let a ghost of a later epoch write again.
            raise JournalDamagedError(f"{where}: the last record is of an epoch beyond the head, {owner.epoch}")
        epoch = owner.epoch + 1
        claim = {"epoch": epoch, "holder": holder, "claimed_at": at}
        if epoch == 1:
            blank = {"stream": stream, "head_seq": 0, "head_checksum": GENESIS, "identity": new_identity()}
            connection.execute(insert(OWNER), blank | claim)
        else:
            connection.execute(update(OWNER).where(OWNER.c.stream == stream).values(claim))
    return epoch


class StreamWriter:
    """One stream under one epoch, with one connection for life."""

    def __init__(self, path: Path, stream: str, epoch: int) -> None:
        """Name the stream; `connect` opens it."""
        self._path = path
        self._stream = stream
        self._epoch = epoch
        self._where = f"{path}, stream {stream}"
        self._connection: Connection | None = None
        self._file_id = 0
        self.identity = ""
        """Known once connected."""
        engine = writing_engine(path)
        self._engine = engine
        self._hot = HotStatements(engine)

    def connect(self) -> None:
        """Open the file and check that the epoch still owns the stream.

        Raises:
            StaleEpochError | JournalDamagedError | JournalVersionError | JournalWriteError
        """
        check_size(self._path)
        with translated(self._where):
            self._connection = self._engine.connect()
            self._file_id = self._current_file_id()
            with self._connection.begin():
                upgrade(self._connection, self._where)
                self._check_epoch(read_ownership(self._connection, self._stream, self._where).epoch)
                told = select(OWNER.c.identity).where(OWNER.c.stream == self._stream)
                self.identity = self._connection.execute(told).scalar_one()

    def append(self, entries: Sequence[Entry]) -> int:
        """Write all entries in one durable transaction; see `Journal.append`.

        The head is read inside the transaction, not remembered: after a failed write there is nothing to forget.
        """
        connection = self._connected()
        with translated(self._where), written(connection) as cursor:
            found = cursor.execute(self._hot.head, {"of_stream": self._stream}).fetchone()
            if found is None:
                raise NoResultFound
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
                cursor.executemany(self._hot.insert, rows)
                new_head = {"of_stream": self._stream, "new_seq": seq, "new_checksum": checksum}
                cursor.execute(self._hot.advance, new_head)
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
        with translated(self._where), connection.begin():
            owner = read_ownership(connection, self._stream, self._where)
            self._check_epoch(owner.epoch)
            if snapshot.seq > owner.head_seq:
                raise ValueError(f"a snapshot of seq {snapshot.seq} of a stream that ends at {owner.head_seq}")
            connection.execute(delete(SNAPSHOT).where(SNAPSHOT.c.stream == self._stream))
            row = {"stream": self._stream, "checksum": checksum} | snapshot.model_dump()
            connection.execute(insert(SNAPSHOT), row)

    def close(self) -> None:
        """Release the file. May be called twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
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
