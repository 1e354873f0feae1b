"""What is on disk is not what was written: the journal says so, names the place, and goes no further."""

# ruff: noqa: ASYNC240 - the loop has nothing else to do while a test spoils a file

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.journal.protocol import JournalDamagedError, JournalVersionError, Snapshot
from actors.journal.schema import SCHEMA_VERSION
from actors.journal.show import show
from actors.journal.store import open_store
from actors.journal.verify import verify
from tests.actors.journal.streams import STREAM, entries, spoil, write_stream

_ROWS = [
    ("UPDATE record SET body = '{\"n\":9}' WHERE seq = 2", "seq 2: the checksum does not match"),
    ("UPDATE record SET kind = 'stop' WHERE seq = 3", "seq 3: the checksum does not match"),
    ("UPDATE record SET at = at + 1 WHERE seq = 1", "seq 1: the checksum does not match"),
    ("UPDATE record SET epoch = 2 WHERE seq = 1", "seq 1: the checksum does not match"),
    ("UPDATE record SET checksum = zeroblob(32) WHERE seq = 2", "seq 2: the checksum does not match"),
    ("DELETE FROM record WHERE seq = 1", "seq 1: the record is missing"),
    ("DELETE FROM record WHERE seq = 2", "seq 2: the record is missing"),
    ("DELETE FROM record WHERE seq = 3", "seq 3: the record is missing"),
    ("DELETE FROM record", "seq 1: the record is missing"),
    ("DELETE FROM owner", "no owner of this stream"),
    ("UPDATE owner SET epoch = 0", "beyond the head"),
    ("UPDATE owner SET head_seq = 2", "beyond the head"),
    ("UPDATE owner SET head_checksum = zeroblob(32)", "not the record that the head names"),
    ("UPDATE record SET stream = 'group/other'", "seq 1: the record is missing"),
    ("DELETE FROM meta", "a row that every journal has is missing"),
    ("DROP TABLE meta", "no such table: meta"),
    ("DROP TABLE record", "no such table: record"),
    ("ALTER TABLE record RENAME COLUMN body TO text", "no such column"),
]


@pytest.mark.parametrize(("statement", "says"), _ROWS)
async def test_spoilt_rows(url: str, file: Path, statement: str, says: str):
    """A changed, missing or moved row is damage: reading names file, stream and seq, and verify finds it."""
    await write_stream(url, STREAM, '{"n":1}', '{"n":2}', '{"n":3}')
    assert verify(url) == []
    spoil(file, statement)
    store = open_store(url)
    with pytest.raises(JournalDamagedError, match=says) as damage:
        await (await store.open(STREAM, await store.claim(STREAM, "test"))).read()
    await store.close()
    assert str(file) in str(damage.value)
    assert any(says in str(finding) and finding.stream == STREAM for finding in verify(url))


async def test_spoilt_snapshot(url: str, file: Path):
    """A changed snapshot is damage."""
    store = open_store(url)
    journal = await store.open(STREAM, await store.claim(STREAM, "test"))
    await journal.append(entries("1"))
    await journal.save_snapshot(Snapshot(seq=1, code_version="1", body="{}"))
    spoil(file, "UPDATE snapshot SET body = '[]'")
    with pytest.raises(JournalDamagedError, match="snapshot of seq 1: the checksum does not match"):
        await journal.load_snapshot()
    spoil(file, "DELETE FROM record", "UPDATE owner SET head_seq = 0")
    await store.close()
    assert any("snapshot of seq 1" in str(finding) for finding in verify(url))


@pytest.mark.parametrize("after", [1, 2])
async def test_reading_the_tail_sees_a_hole(url: str, file: Path, after: int):
    """Reading after a snapshot notices that the record it would go on from, or the next, is gone."""
    await write_stream(url, STREAM, "1", "2", "3")
    spoil(file, "DELETE FROM record WHERE seq = 2")
    store = open_store(url)
    with pytest.raises(JournalDamagedError, match="seq 2: the record is missing"):
        await (await store.open(STREAM, await store.claim(STREAM, "test"))).read(after=after)
    await store.close()


@pytest.mark.parametrize("keep", [0, 1, 99, 4096, 5000])
async def test_a_file_that_was_cut_off(url: str, file: Path, keep: int):
    """A truncated file, and one of no length, is damage for whoever opens, reads or verifies it."""
    await write_stream(url, STREAM, *(f'"{"x" * 3000}{n}"' for n in range(20)))
    file.write_bytes(file.read_bytes()[:keep])
    store = open_store(url)
    with pytest.raises(JournalDamagedError, match=STREAM):
        await (await store.open(STREAM, await store.claim(STREAM, "test"))).read()
    await store.close()
    assert len(verify(url)) >= 1
    with pytest.raises(JournalDamagedError, match=STREAM):
        list(show(url))


@pytest.mark.parametrize("position", [0, 20, 100, 4096 + 3, -40])
async def test_flipped_bytes(url: str, file: Path, position: int):
    """Bytes flipped in the header, the table of tables or a page of records are found."""
    await write_stream(url, STREAM, *(f'"{"x" * 3000}{n}"' for n in range(20)))
    content = bytearray(file.read_bytes())
    for offset in range(8):
        content[(position + offset) % len(content)] ^= 0xFF
    file.write_bytes(content)
    assert len(verify(url)) >= 1


async def test_every_record_byte_counts(url: str, file: Path):
    """One flipped byte in the text of a record is found, whichever it is."""
    await write_stream(url, STREAM, '"abcdefgh"')
    whole = file.read_bytes()
    start = whole.index(b"abcdefgh")
    for offset in range(8):
        file.write_bytes(whole[: start + offset] + b"#" + whole[start + offset + 1 :])
        assert [finding for finding in verify(url) if "seq 1: the checksum" in str(finding)]
    file.write_bytes(whole)
    assert verify(url) == []


async def test_a_file_that_is_no_database(url: str, file: Path):
    """Some other file under a stream's name is damage."""
    await write_stream(url, STREAM, "1")
    file.write_text("shopping list\n" * 100)
    assert any("not a database" in str(finding) for finding in verify(url))


async def test_a_stream_under_the_wrong_name(url: str, file: Path):
    """A file that was renamed does not pass for another stream."""
    await write_stream(url, STREAM, "1")
    file.rename(file.with_name("triad-2.sqlite"))
    assert ["has records of group/triad-1" in str(finding) for finding in verify(url)] == [True]


async def test_a_newer_journal(url: str, file: Path):
    """A journal of a newer version is refused by everybody, and nothing in it is changed."""
    await write_stream(url, STREAM, "1")
    spoil(file, "UPDATE meta SET schema_version = schema_version + 1")
    store = open_store(url)
    newer = f"schema version {SCHEMA_VERSION + 1} is newer than version {SCHEMA_VERSION}"
    with pytest.raises(JournalVersionError, match=newer):
        await store.claim(STREAM, "test")
    with pytest.raises(JournalVersionError, match=newer):
        await store.open(STREAM, 1)
    with pytest.raises(JournalVersionError, match=newer):
        await store.owner(STREAM)
    with pytest.raises(JournalVersionError, match=newer):
        list(show(url))
    await store.close()
    assert [newer in str(finding) for finding in verify(url)] == [True]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT epoch FROM owner").fetchall() == [(1,)]


async def test_one_damaged_stream_leaves_the_others_alone(url: str, file: Path):
    """Damage stays in its file: the other streams read and verify as before."""
    await write_stream(url, STREAM, "1")
    await write_stream(url, "account/l1", "1", "2")
    file.write_bytes(b"")
    assert {finding.stream for finding in verify(url)} == {STREAM}
    assert len(list(show(url, "account/l1"))) == 2
