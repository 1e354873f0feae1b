"""Reading a stream, with every checksum checked on the way. Works beside a running writer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from actors.journal.chain import GENESIS, record_checksum, snapshot_checksum
from actors.journal.database import reading_engine, translated
from actors.journal.protocol import JournalDamagedError, Record, Snapshot
from actors.journal.schema import OWNER, RECORD, SNAPSHOT, check_version, read_version
from strategies.domain.ids import Timestamp

_PAGE = 1_000
"""Records a read transaction takes at once: a slow reader must not keep the writer's log from being folded in."""


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
            row = connection.execute(select(SNAPSHOT).where(SNAPSHOT.c.stream == self._stream)).one_or_none()
        if row is None:
            return None
        seq, code_version, body = row.seq, str(row.code_version), str(row.body)
        expected = snapshot_checksum(stream=self._stream, seq=seq, code_version=code_version, body=body)
        if expected != row.checksum:
            raise JournalDamagedError(f"{self._where}, snapshot of seq {seq}: the checksum does not match")
        if seq > owner.head_seq:
            raise JournalDamagedError(f"{self._where}, snapshot of seq {seq}: the records end at {owner.head_seq}")
        return Snapshot(seq=seq, code_version=code_version, body=body)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translated(self._where), reading_engine(self._path).connect() as connection, connection.begin():
            check_version(read_version(connection), self._where)
            yield connection

    def _link(self, after: int) -> _Link:
        if after == 0:
            return _Link(0, GENESIS)
        with self._reading() as connection:
            owner = read_ownership(connection, self._stream, self._where)
            found = connection.execute(
                select(RECORD.c.checksum).where(RECORD.c.stream == self._stream, RECORD.c.seq == after)
            ).scalar_one_or_none()
        if found is None and after <= owner.head_seq:
            raise JournalDamagedError(f"{self._where}, seq {after}: the record is missing")
        return _Link(after, GENESIS if found is None else found)

    def _page(self, after: int) -> tuple[Ownership, Sequence[Row[Any]]]:
        with self._reading() as connection:
            owner = read_ownership(connection, self._stream, self._where)
            rows = connection.execute(
                select(RECORD)
                .where(RECORD.c.stream == self._stream, RECORD.c.seq > after)
                .order_by(RECORD.c.seq)
                .limit(_PAGE)
            ).all()
        return owner, rows

    def _follow(self, link: _Link, row: Row[Any], owner: Ownership) -> tuple[Record, _Link]:
        if row.seq != link.seq + 1:
            raise JournalDamagedError(f"{self._where}, seq {link.seq + 1}: the record is missing")
        # str(): a damaged cell may come back as another type; the checksum then tells.
        kind, body = str(row.kind), str(row.body)
        checksum = record_checksum(
            link.checksum, stream=self._stream, seq=row.seq, epoch=row.epoch, kind=kind, at=row.at, body=body
        )
        if checksum != row.checksum:
            raise JournalDamagedError(f"{self._where}, seq {row.seq}: the checksum does not match")
        if row.seq > owner.head_seq or row.epoch > owner.epoch:
            raise JournalDamagedError(
                f"{self._where}, seq {row.seq} of epoch {row.epoch}: beyond the head,"
                f" which is seq {owner.head_seq} of epoch {owner.epoch}"
            )
        record = Record(seq=row.seq, epoch=row.epoch, kind=kind, at=Timestamp(row.at), body=body)
        return record, _Link(row.seq, checksum)

    def _check_end(self, link: _Link, owner: Ownership) -> None:
        if link.seq == owner.head_seq and link.checksum != owner.head_checksum:
            raise JournalDamagedError(f"{self._where}, seq {link.seq}: not the record that the head names")


def read_ownership(connection: Connection, stream: str, where: str) -> Ownership:
    """Return the stream's owner as the open transaction sees it; epoch 0 when nobody has claimed it.

    Raises:
        JournalDamagedError: the file belongs to another stream.
    """
    row = connection.execute(
        select(OWNER.c.epoch, OWNER.c.holder, OWNER.c.head_seq, OWNER.c.head_checksum).where(OWNER.c.stream == stream)
    ).one_or_none()
    if row is not None:
        return Ownership(row.epoch, row.holder, row.head_seq, row.head_checksum)
    other = connection.execute(select(RECORD.c.stream).limit(1)).scalar_one_or_none()
    if other is not None:
        raise JournalDamagedError(f"{where}: has records of {other}, and no owner of this stream")
    return UNCLAIMED
