"""Reading a stream, with every checksum checked on the way. Works beside a running writer."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.journal.chain import GENESIS, record_checksum, snapshot_checksum
from actors.journal.database import open_for_reading, reading, translated
from actors.journal.protocol import JournalDamagedError, Record, Snapshot
from actors.journal.schema import check_version, read_version
from strategies.domain.ids import Timestamp

_PAGE = 1_000
"""Records a read transaction takes at once: a slow reader must not keep the writer's log from being folded in."""
_OWNER = "SELECT epoch, holder, head_seq, head_checksum FROM owner WHERE stream = ?"
_SNAPSHOT = "SELECT seq, code_version, body, checksum FROM snapshot WHERE stream = ?"
_CHECKSUM = "SELECT checksum FROM record WHERE stream = ? AND seq = ?"
_RECORDS = "SELECT seq, epoch, kind, at, body, checksum FROM record WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who may write a stream, and where its chain ends."""

    epoch: int
    holder: str
    head_seq: int
    head_checksum: bytes


UNCLAIMED = Ownership(epoch=0, holder="", head_seq=0, head_checksum=GENESIS)


@dataclass(frozen=True, slots=True)
class _Link:
    seq: int
    checksum: bytes


class StreamReader:
    """Reads one stream from its file. Opens the file anew for each page; holds nothing in between."""

    def __init__(self, path: Path, stream: str) -> None:
        """Name the file and the stream in it."""
        self._path = path
        self._stream = stream
        self._where = f"{path}, stream {stream}"

    def ownership(self) -> Ownership:
        """Return who owns the stream; epoch 0 when nobody has claimed it.

        Raises:
            JournalDamagedError | JournalVersionError
        """
        with self._reading() as connection:
            return read_ownership(connection, self._stream, self._where)

    def records(self, after: int = 0) -> Iterator[Record]:
        """Yield every record with seq > `after`, in order, up to the head as it is when the reading gets there.

        Raises:
            JournalDamagedError: a checksum or the sequence is broken; what was yielded before is whole.
            JournalVersionError: not of this program's version.
        """
        link = self._link(after)
        while True:
            owner, rows = self._page(link.seq)
            for row in rows:
                record, link = self._follow(link, row, owner)
                yield record
            if link.seq >= owner.head_seq:
                self._check_end(link, owner)
                return
            if not rows:
                raise JournalDamagedError(f"{self._where}, seq {link.seq + 1}: the record is missing")

    def snapshot(self) -> Snapshot | None:
        """Return the snapshot, or None.

        Raises:
            JournalDamagedError | JournalVersionError
        """
        with self._reading() as connection:
            owner = read_ownership(connection, self._stream, self._where)
            row = connection.execute(_SNAPSHOT, (self._stream,)).fetchone()
        if row is None:
            return None
        seq, code_version, body, stored = row[0], str(row[1]), str(row[2]), row[3]
        expected = snapshot_checksum(stream=self._stream, seq=seq, code_version=code_version, body=body)
        if expected != stored:
            raise JournalDamagedError(f"{self._where}, snapshot of seq {seq}: the checksum does not match")
        if seq > owner.head_seq:
            raise JournalDamagedError(f"{self._where}, snapshot of seq {seq}: the records end at {owner.head_seq}")
        return Snapshot(seq=seq, code_version=code_version, body=body)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with translated(self._where), closing(open_for_reading(self._path)) as connection, reading(connection):
            check_version(read_version(connection), self._where)
            yield connection

    def _link(self, after: int) -> _Link:
        if after == 0:
            return _Link(0, GENESIS)
        with self._reading() as connection:
            owner = read_ownership(connection, self._stream, self._where)
            found = connection.execute(_CHECKSUM, (self._stream, after)).fetchone()
        if found is None and after <= owner.head_seq:
            raise JournalDamagedError(f"{self._where}, seq {after}: the record is missing")
        return _Link(after, GENESIS if found is None else found[0])

    def _page(self, after: int) -> tuple[Ownership, list[Any]]:
        with self._reading() as connection:
            owner = read_ownership(connection, self._stream, self._where)
            rows = connection.execute(_RECORDS, (self._stream, after, _PAGE)).fetchall()
        return owner, rows

    def _follow(self, link: _Link, row: Any, owner: Ownership) -> tuple[Record, _Link]:
        seq, epoch, kind, at, body, stored = row
        if seq != link.seq + 1:
            raise JournalDamagedError(f"{self._where}, seq {link.seq + 1}: the record is missing")
        # str(): a damaged cell may come back as another type; the checksum then tells.
        kind, body = str(kind), str(body)
        checksum = record_checksum(
            link.checksum, stream=self._stream, seq=seq, epoch=epoch, kind=kind, at=at, body=body
        )
        if checksum != stored:
            raise JournalDamagedError(f"{self._where}, seq {seq}: the checksum does not match")
        if seq > owner.head_seq or epoch > owner.epoch:
            raise JournalDamagedError(
                f"{self._where}, seq {seq} of epoch {epoch}: beyond the head,"
                f" which is seq {owner.head_seq} of epoch {owner.epoch}"
            )
        record = Record(seq=seq, epoch=epoch, kind=kind, at=Timestamp(at), body=body)
        return record, _Link(seq, checksum)

    def _check_end(self, link: _Link, owner: Ownership) -> None:
        if link.seq == owner.head_seq and link.checksum != owner.head_checksum:
            raise JournalDamagedError(f"{self._where}, seq {link.seq}: not the record that the head names")


def read_ownership(connection: sqlite3.Connection, stream: str, where: str) -> Ownership:
    """Return the stream's owner as the open transaction sees it; epoch 0 when nobody has claimed it.

    Raises:
        JournalDamagedError: the file belongs to another stream.
    """
    row = connection.execute(_OWNER, (stream,)).fetchone()
    if row is not None:
        return Ownership(*row)
    other = connection.execute("SELECT stream FROM record LIMIT 1").fetchone()
    if other is not None:
        raise JournalDamagedError(f"{where}: has records of {other[0]}, and no owner of this stream")
    return UNCLAIMED
