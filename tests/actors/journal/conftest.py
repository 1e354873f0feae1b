"""Journals to try things on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.journal.memory import MemoryJournalStore
from actors.journal.protocol import JournalStore
from actors.journal.store import open_store
from tests.actors.journal.streams import STREAM


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a journal that does not exist yet."""
    return f"sqlite:{tmp_path}/journal"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the stream `STREAM` of `url` lives."""
    return tmp_path / "journal" / f"{STREAM}.sqlite"


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, url: str) -> AsyncIterator[JournalStore]:
    """Return a store of each kind: both keep the same promises."""
    made: JournalStore = open_store(url) if request.param == "sqlite" else MemoryJournalStore()
    yield made
    await made.close()
