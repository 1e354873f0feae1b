"""Streams to write, and ways to spoil them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from actors.journal.protocol import Entry
from actors.journal.store import open_store
from strategies.domain.ids import Timestamp

STREAM = "group/triad-1"


def entries(*bodies: str) -> list[Entry]:
    """Return steps with these bodies."""
    return [Entry(kind="step", at=Timestamp(1_700_000_000_000 + n), body=body) for n, body in enumerate(bodies)]


async def write_stream(url: str, stream: str, *bodies: str) -> None:
    """Claim `stream`, write one record a body, each in its own transaction, and close."""
    store = open_store(url)
    journal = await store.open(stream, await store.claim(stream, "test"))
    for body in bodies:
        await journal.append(entries(body))
    await store.close()


def spoil(path: Path, *statements: str) -> None:
    """Change a journal's file behind its back."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
