"""The journal between processes: killed in the middle, claimed by two, fenced off, out of space."""

# ruff: noqa: ASYNC240 - the loop has nothing else to do while a test looks at a file

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from actors.journal.database import open_for_writing, writing
from actors.journal.protocol import JournalWriteError
from actors.journal.store import SqliteJournal, open_store
from actors.journal.verify import verify
from tests.actors.journal.streams import STREAM, entries, write_stream

_ROOT = Path(__file__).parents[3]
_PATIENCE_S = 60
_KILLS = 20


@contextmanager
def _child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.actors.journal.child", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _answer(*arguments: str) -> list[str]:
    with _child(*arguments) as process:
        output, errors = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, errors
    return output.splitlines()


def _kill_while_writing(url: str, delay_s: float) -> int:
    """Run a writer, kill it `delay_s` after it is ready, and return the last seq that it saw acknowledged."""
    with _child("write", url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay_s)  # the moment of the kill is the input of this test, not something to wait for
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=_PATIENCE_S)
    acknowledged = [line for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return int(acknowledged[-1]) if acknowledged else 0


@pytest.mark.timeout(300)
async def test_kill_nine_loses_nothing_that_was_acknowledged(url: str):
    """Killed at any moment: every acknowledged append is there, each is whole or absent, and the chain holds."""
    chance = random.Random(20261123)
    store = open_store(url)
    last = 0
    for round_ in range(1, _KILLS + 1):
        last = max(last, _kill_while_writing(url, chance.uniform(0.0, 0.05)))
        assert verify(url) == []
        epoch, _holder = await store.owner(STREAM)
        assert epoch == 2 * round_ - 1
        journal = await store.open(STREAM, await store.claim(STREAM, "heir"))
        records = await journal.read()
        assert len(records) >= last
        assert len(records) % 3 == 0
        last = len(records)
        await journal.close()
    await store.close()
    assert last > _KILLS


async def test_a_ghost_in_another_process_is_fenced_off(url: str):
    """A process that held the stream cannot append once another has claimed it; the successor can."""
    store = open_store(url)
    with _child("append_under", url, str(await store.claim(STREAM, "ghost"))) as ghost:
        assert ghost.stdout is not None
        assert ghost.stdout.readline() == "open\n"
        heir = await store.open(STREAM, await store.claim(STREAM, "heir"))
        output, _ = ghost.communicate("go\n", timeout=_PATIENCE_S)
    assert output == "StaleEpochError stream group/triad-1: epoch 1 was overtaken by epoch 2\n"
    assert await heir.append(entries("1")) == 1
    await store.close()


def test_claimers_in_several_processes(url: str):
    """Processes that claim at once, the first time included, each get epochs of their own."""
    with ThreadPoolExecutor(3) as pool:
        epochs = [int(line) for lines in pool.map(lambda _: _answer("claim", url), range(3)) for line in lines]
    assert sorted(epochs) == list(range(1, 76))


def test_a_disk_that_fills_up(url: str):
    """When the file cannot grow the append fails whole; with space again the same handle goes on without a gap."""
    error, written, read, after = _answer("fill", url)
    assert error.startswith("JournalWriteError")
    assert STREAM in error
    assert int(written) > 0
    assert read == written
    assert int(after) == int(written) + 1
    assert verify(url) == []


async def test_a_full_database_file(url: str):
    """SQLite's own word for a full disk is a write error, and the handle is good again afterwards."""
    store = open_store(url)
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    assert isinstance(journal, SqliteJournal)
    await journal.append(entries("1"))
    connection = journal._writer._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(JournalWriteError, match=r"full.*SQLITE_FULL"):
        await journal.append(entries(*(f'"{"x" * 3000}"' for _ in range(10))))
    assert len(await journal.read()) == 1
    connection.execute("PRAGMA max_page_count = 100000")
    assert await journal.append(entries("2")) == 2
    await store.close()
    assert verify(url) == []


async def test_a_file_that_somebody_holds(url: str, file: Path, monkeypatch: pytest.MonkeyPatch):
    """A writer that another process keeps waiting too long gets a write error, and can try again."""
    monkeypatch.setattr("actors.journal.database.BUSY_TIMEOUT_MS", 50)
    store = open_store(url)
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    with closing(open_for_writing(file)) as other:
        with writing(other), pytest.raises(JournalWriteError, match="SQLITE_BUSY"):
            await journal.append(entries("1"))
        assert await journal.append(entries("1")) == 1
    await store.close()


async def test_a_file_is_its_owners_alone(url: str, file: Path):
    """A new journal file can be read by its owner only: it says what is traded."""
    await write_stream(url, STREAM, "1")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_was_removed(url: str, file: Path):
    """Records are never written to a file that nobody can find any more."""
    store = open_store(url)
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    file.rename(file.with_suffix(".aside"))
    with pytest.raises(JournalWriteError, match="the file is gone"):
        await journal.append(entries("1"))
    await write_stream(url, STREAM)
    with pytest.raises(JournalWriteError, match="the file was replaced"):
        await journal.append(entries("1"))
    await store.close()


def test_a_directory_that_is_not_writable():
    """A directory we may not write is named, and reading what is there still works."""
    # Not tmp_path: its parents are closed to the user that the child becomes.
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        folder.chmod(0o755)
        closed = folder / "journal"
        closed.mkdir()
        closed.chmod(0o555)
        assert _answer("as_nobody", f"sqlite:{closed}") == [
            f"JournalWriteError {closed}/{STREAM}.sqlite: cannot be made: Permission denied",
            "(0, '')",
        ]


async def test_a_journal_we_may_only_read():
    """A stream in a directory that we may not write can be looked at, but not claimed."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        await write_stream(f"sqlite:{folder}", STREAM, "1")
        (folder / f"{STREAM}.sqlite").chmod(0o444)  # a journal is its owner's alone unless somebody opens it up
        for path in (folder, folder / "group"):
            path.chmod(0o555)
        try:
            refusal, owner = _answer("as_nobody", f"sqlite:{folder}")
        finally:
            for path in (folder, folder / "group"):
                path.chmod(0o755)
    assert refusal.startswith("JournalWriteError")
    assert "SQLITE_" in refusal
    assert owner == "(1, 'test')"


async def test_a_directory_that_is_a_file(tmp_path: Path):
    """A journal below something that is no directory is named."""
    (tmp_path / "journal").write_text("not a directory")
    store = open_store(f"sqlite:{tmp_path}/journal")
    with pytest.raises(JournalWriteError, match="cannot be made"):
        await store.claim(STREAM, "me")
    await store.close()
