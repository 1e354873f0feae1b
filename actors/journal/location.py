"""Where a journal lives: `sqlite:DIRECTORY`, one file a stream below it."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

FILE_SUFFIX = ".sqlite"

_STREAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
"""A stream's name is also a path, so nothing in it may climb out of the journal's directory or hide in it."""


@dataclass(frozen=True, slots=True)
class JournalLocation:
    """A directory of SQLite files."""

    directory: Path

    def file_of(self, stream: str) -> Path:
        """Return the file that holds `stream`.

        Raises:
            ValueError: the name cannot be a stream's.
        """
        if not _STREAM.fullmatch(stream):
            raise ValueError(
                f"{stream!r} cannot name a stream: letters, digits, '.', '_' and '-' in parts divided by '/'"
            )
        return self.directory / f"{stream}{FILE_SUFFIX}"

    def stream_of(self, path: Path) -> str:
        """Return the stream that the file `path` holds."""
        return path.relative_to(self.directory).as_posix().removesuffix(FILE_SUFFIX)

    def files(self) -> list[Path]:
        """Return every stream's file, sorted by the stream's name; empty when the directory does not exist."""
        found = (path for path in self.directory.rglob(f"*{FILE_SUFFIX}") if not path.name.startswith("."))
        return sorted(found, key=self.stream_of)


def parse_location(url: str) -> JournalLocation:
    """Read a journal URL. A relative directory counts from the working directory.

    Raises:
        ValueError: not a journal URL, or of a kind that is not supported yet. The message never repeats the URL,
            because a database URL may hold a password.
    """
    scheme, _, rest = url.partition(":")
    if scheme.startswith("postgresql"):
        raise ValueError(
            "a PostgreSQL journal is prepared (the schema carries the stream's name) but not supported yet:"
            ' use "sqlite:DIRECTORY"'
        )
    if scheme != "sqlite" or not rest:
        raise ValueError('a journal is given as "sqlite:DIRECTORY", for instance "sqlite:state/journal"')
    if rest.startswith("//"):
        raise ValueError('write "sqlite:DIRECTORY" without "//": it names a directory with one file a stream')
    return JournalLocation(Path(rest).expanduser())


@lru_cache(maxsize=1024)
def place_of(url: str, stream: str) -> str:
    """Say where a stream's journal lies, for people: its file, or its name where there is none."""
    try:
        return str(parse_location(url).file_of(stream))
    except ValueError:  # a journal without files
        return stream


def _check(url: str) -> str:
    parse_location(url)
    return url


JournalUrl = Annotated[str, AfterValidator(_check)]
"""A checked journal URL, for settings."""
