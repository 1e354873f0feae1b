"""The venues' memory on disk: a snapshot line, then one line for every change since, written before any answer leaves.

The lines are flushed to the operating system, not synced: they survive the death of this process, not of the machine.
A file whose last line was cut off by a kill is read up to that line: the answer it belonged to never left.
"""

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
_OWNER_ONLY = 0o600


class StateFileError(Exception):
    """The state file cannot be read or written, or is not what we wrote. Names file and line."""


class StateLog:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        """Prepare; nothing is opened."""
        self._path = path
        self._file: int | None = None
        self.lines = 0
        """Changes written since the last snapshot."""

    def read(self) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return the snapshot and the changes after it; None when there is no file.

        Raises:
            StateFileError: the file is damaged, or of another version.
        """
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateFileError(f"cannot read {self._path}: {error.strerror}") from error
        whole, _, _ = raw.rpartition(b"\n")  # what follows the last line break was never finished
        rows = [self._parse(number, line) for number, line in enumerate(whole.splitlines(), start=1)]
        if not rows or "snapshot" not in rows[0]:
            raise StateFileError(f"{self._path}, line 1: not a state file of the simulator")
        if rows[0].get("version") != FORMAT_VERSION:
            raise StateFileError(
                f"{self._path}: written in format {rows[0].get('version')}, this program reads {FORMAT_VERSION}"
            )
        return rows[0]["snapshot"], rows[1:]

    def start(self, snapshot: Mapping[str, Any]) -> None:
        """Replace the file by a snapshot, in one step, and go on after it.

        Raises:
            StateFileError: the file cannot be written.
        """
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, _OWNER_ONLY)
            _write(file, {"version": FORMAT_VERSION, "snapshot": snapshot})
            fresh.replace(self._path)
        except OSError as error:
            raise StateFileError(f"cannot write {self._path}: {error.strerror}") from error
        self.close()
        self._file = file
        self.lines = 0

    def append(self, change: Mapping[str, Any]) -> None:
        """Add one change.

        Raises:
            StateFileError: it cannot be written; the caller must not answer.
        """
        if self._file is None:
            raise StateFileError(f"{self._path} is not open")
        try:
            _write(self._file, change)
        except OSError as error:
            raise StateFileError(f"cannot write {self._path}: {error.strerror}") from error
        self.lines += 1

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            raise StateFileError(f"{self._path}, line {number}: not JSON") from error
        if not isinstance(row, dict):
            raise StateFileError(f"{self._path}, line {number}: not an object")
        return row


def _write(file: int, row: Mapping[str, Any]) -> None:
    left = memoryview(json.dumps(row, separators=(",", ":"), default=str).encode() + b"\n")
    while left:
        left = left[os.write(file, left) :]
