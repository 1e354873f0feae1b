"""Which code runs: a digest of every source file, so that an actor of an earlier version is never taken for ours."""

import hashlib
from pathlib import Path

PACKAGES = ("actors", "conf", "strategies", "venues")
_DIGITS = 12
"""Enough to tell two working trees apart."""


def code_root() -> Path:
    """Return the folder that holds the packages."""
    return Path(__file__).resolve().parents[2]


def build_digest(root: Path) -> str:
    """Digest the sources below `root`; the same files always give the same text."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:_DIGITS]
