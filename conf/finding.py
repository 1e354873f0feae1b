"""What is wrong with the settings: one finding a mistake, each saying where, what, and how to put it right."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The way to a value: table names, keys, and positions in lists."""

HIDDEN = "<hidden>"
"""Stands for a value that may be a secret."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_WORDS = ("secret", "token", "password", "private", "key")
_SHOWN_CHARS = 80
"""A longer value is cut: the key path already says which one it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake."""

    source: str
    """Where it was written: the file, `--set …`, or the environment variable."""
    key: str
    """Dotted path of the value; empty when the file itself is the matter."""
    value: str
    """The value as written; empty when there is none, `<hidden>` when it may be a secret."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Say it on one line."""
        place = self.source
        if self.key:
            place += f": {self.key}"
        if self.value:
            place += f" = {self.value}"
        return f"{place}: {self.problem}; {self.remedy}" if self.remedy else f"{place}: {self.problem}"


class SettingsError(Exception):
    """The settings cannot be used. Nothing has been started."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep every finding."""
        super().__init__(tuple(findings))
        self.findings = tuple(findings)

    def __str__(self) -> str:
        """Say all of them, one a line."""
        return "\n".join(str(finding) for finding in self.findings)


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as it would be written in TOML, with list positions in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        name = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
        text += f".{name}" if text else name
    return text


def shown(path: Path, value: object, *, known: bool = True) -> str:
    """Return a value fit to be printed. What may be a secret is hidden; `known` says that the key is a known one.

    A reference to a secret (`env:NAME`) is hidden like a value, because it may be the value, put there by mistake.
    """
    suspicious = _names_a_secret(path)
    text = str(value)
    match value:
        case None:
            text = ""
        case bool():
            text = "true" if value else "false"
        case dict():
            text = "{…}"
        case list():
            text = "[…]"
        case str():
            suspicious = suspicious or "@" in value or (not known and path[:1] == ("accounts",))
            text = f'"{value}"' if len(value) <= _SHOWN_CHARS else f'"{value[:_SHOWN_CHARS]}…"'
        case _:
            suspicious = suspicious and not known
    return HIDDEN if suspicious and text else text


def _names_a_secret(path: Path) -> bool:
    if path[:2] == ("supervisor", "tokens"):
        return True  # the key is somebody's name
    last = next((part for part in reversed(path) if isinstance(part, str)), "")
    return any(word in last.lower() for word in _SECRET_WORDS)
