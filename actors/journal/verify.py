"""Is the journal whole? Reads every stream, beside a running writer if need be, and changes nothing."""

from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from actors.journal.database import open_for_reading, translated
from actors.journal.location import JournalLocation, parse_location
from actors.journal.protocol import JournalDamagedError, JournalError
from actors.journal.read import StreamReader


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one stream."""

    stream: str
    problem: str

    def __str__(self) -> str:
        """Say it on one line."""
        return self.problem


def verify(url: str) -> list[Finding]:
    """Check every record, snapshot and file; an empty list means that all is whole.

    Raises:
        ValueError: not a journal URL.
    """
    location = parse_location(url)
    if not location.directory.is_dir():
        return [Finding("", f"{location.directory}: there is no journal in this directory")]
    return [finding for path in location.files() for finding in _verify_file(location, path)]


def _verify_file(location: JournalLocation, path: Path) -> list[Finding]:
    stream = location.stream_of(path)
    reader = StreamReader(path, stream)
    checks: tuple[Callable[[], object], ...] = (
        lambda: deque(reader.records(), maxlen=0),
        reader.snapshot,
        lambda: _check_pages(path),
    )
    findings = []
    for check in checks:
        try:
            check()
        except JournalError as error:
            findings.append(Finding(stream, str(error)))
    return list(dict.fromkeys(findings))  # one cut-off file fails every check in the same words


def _check_pages(path: Path) -> None:
    """Let SQLite look at its own pages: damage in free space or an index touches no record yet."""
    with translated(str(path)), closing(open_for_reading(path)) as connection:
        report = [line for (line,) in connection.execute("PRAGMA integrity_check")]
    if report != ["ok"]:
        raise JournalDamagedError(f"{path}: {'; '.join(line.replace(chr(10), ' ') for line in report)}")
