"""Where settings are written: a TOML file, over it the environment, over that `--set KEY=VALUE`."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

from conf.finding import Finding, Path, dotted

ENVIRONMENT_PREFIX = "HEDGEVISOR__"
"""`HEDGEVISOR__SUPERVISOR__PORT=9000` is `supervisor.port = 9000`: two underscores stand for the dot."""
DEBUG_VARIABLE = "XTB_DEBUG"
"""Turns wire detail on (`1`) or off (`0`), whatever the file says."""

_MAX_FILE_BYTES = 1_000_000
"""A deployment of hundreds of accounts takes a tenth of it; a larger file is not a settings file."""


@dataclass
class Written:
    """Everything that was written, as one tree, and where each value that is not from the file comes from."""

    file: str
    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def source_of(self, path: Path) -> str:
        """Return where the value at `path` was written."""
        for length in range(len(path), 0, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return origin
        return self.file

    def value_at(self, path: Path) -> Any:
        """Return the value at `path`, or None."""
        found: Any = self.tree
        for part in path:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return None
        return found


def read(file: FilePath, environment: Mapping[str, str], overrides: Iterable[str]) -> Written:
    """Read file, environment and overrides into one tree. What cannot be read is in the findings."""
    written = Written(str(file))
    _read_file(file, written)
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX):
            path = _known_path(written.tree, name.removeprefix(ENVIRONMENT_PREFIX).split("__"))
            _put(written, path, _value(environment[name]), f"environment variable {name}")
    debug = environment.get(DEBUG_VARIABLE, "")
    if debug:
        _put(written, ("general", "debug"), _switch(debug), f"environment variable {DEBUG_VARIABLE}")
    for override in overrides:
        _override(written, override)
    return written


def _read_file(file: FilePath, written: Written) -> None:
    def report(problem: str, remedy: str) -> None:
        written.findings.append(Finding(str(file), "", "", problem, remedy))

    try:
        data = file.read_bytes()
    except OSError as error:
        report(f"cannot be read: {error.strerror}", "give the path of a TOML file")
        return
    if len(data) > _MAX_FILE_BYTES:
        report(f"has {len(data)} bytes, more than {_MAX_FILE_BYTES}", "give the path of a TOML file")
        return
    try:
        # Decimal from the text: 0.1 must stay 0.1 and 1.10 must keep its digits.
        written.tree = tomllib.loads(data.decode(), parse_float=Decimal)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report(f"is not UTF-8 (line {line}, byte {error.start})", "save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        report(f"is not TOML: {error}", "correct the line that is named")
    except (ArithmeticError, ValueError):
        report("holds a number that cannot be read", "write it as 1.5 or 1e-5")
    except RecursionError:
        report("is nested too deeply", "give the path of a TOML file")


def _override(written: Written, override: str) -> None:
    key, equals, value = override.partition("=")
    path = _dotted_path(key.strip())
    if not equals or path is None:
        written.findings.append(
            Finding("--set", "", "", "not of the form KEY=VALUE", "write --set groups.triad-1.state=pause")
        )
        return
    _put(written, path, _value(value), "--set")


def _dotted_path(key: str) -> Path | None:
    """Read a dotted TOML key; None when it is none."""
    if "\n" in key or "=" in key:
        return None
    try:
        found: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(found, dict):
        (part,) = found
        path.append(part)
        found = found[part]
    return tuple(path)


def _value(text: str) -> Any:
    """Read a TOML value; what is none is a plain text, so that nobody has to quote quotes."""
    if "\n" not in text:
        try:
            return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
        except (ArithmeticError, ValueError):  # TOMLDecodeError is a ValueError
            pass
    return text


def _switch(text: str) -> Any:
    return {"1": True, "0": False}.get(text, _value(text))


def _known_path(tree: Mapping[str, Any], parts: Iterable[str]) -> Path:
    """Find the keys that the upper-case parts of a variable stand for; an unknown one is taken in lower case."""
    path: list[str] = []
    here: Any = tree
    for part in parts:
        wanted = part.lower()
        known = here if isinstance(here, Mapping) else {}
        key = next((key for key in known if key.lower().replace("-", "_") == wanted), wanted)
        path.append(key)
        here = known.get(key)
    return tuple(path)


def _put(written: Written, path: Path, value: Any, origin: str) -> None:
    here: Any = written.tree
    for part in path[:-1]:
        here = here.setdefault(part, {})
        if not isinstance(here, dict):
            written.findings.append(Finding(origin, dotted(path), "", "leads into a value", "name a table"))
            return
    here[path[-1]] = value
    written.origins[path] = origin
