"""Recorded payloads by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from venues.http import parse_json

_FOLDER = Path(__file__).parents[2] / "recorded" / "lighter"


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    """Return the payload of a file, read as the client reads answers."""
    return lambda name: parse_json((_FOLDER / f"{name}.json").read_text())
