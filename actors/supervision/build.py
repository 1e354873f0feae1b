"""Which code runs: a digest of every source file, so that an actor of an earlier version is never taken for ours."""

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from strategies.plugins import SOURCES

PACKAGES = ("actors", "conf", "strategies", "venues")
_DIGITS = 12
"""Enough to tell two working trees apart."""


def code_root() -> Path:
    """Return the folder that holds the packages."""
    return Path(__file__).resolve().parents[2]


def build_digest(root: Path) -> str:
    """Digest the sources below `root` and those of the installed plug-ins; the same files always give the same text."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        _add(digest, root, root / package)
    for name in sorted({module.partition(".")[0] for module in SOURCES.values()}):
        for place in _places(name):
            _add(digest, place.parent, place)
    return digest.hexdigest()[:_DIGITS]


def _add(digest: "hashlib._Hash", root: Path, place: Path) -> None:
    for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())


def _places(module: str) -> Iterator[Path]:
    """Yield the folders of a package, or the file of a module."""
    spec = find_spec(module)
    if spec is None:
        return
    if spec.submodule_search_locations is not None:
        yield from map(Path, spec.submodule_search_locations)
    elif spec.origin is not None:
        yield Path(spec.origin)
