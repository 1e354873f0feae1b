"""Looking into the journals of a running deployment without disturbing it: read-only, a few records at a time."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from tests.chaos.cells import Step, read_step

_POLL_S = 0.005
"""How soon after a record a blow falls; a record itself takes as long to be synced."""


class Journals:
    """The journal folder of one deployment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def epoch(self, stream: str) -> int:
        """Return the current owner's epoch; 0 = none yet."""
        rows = self._rows(stream, "SELECT epoch FROM owner")
        return int(rows[0][0]) if rows else 0

    def head(self, stream: str) -> int:
        """Return the number of the last record; 0 = none yet."""
        rows = self._rows(stream, "SELECT max(seq) FROM record")
        return int(rows[0][0] or 0) if rows else 0

    def steps(self, group: str, after: int) -> list[tuple[int, int, Step]]:
        """Return (number, epoch, step) of every record of a group after number `after`."""
        rows = self._rows(f"group/{group}", "SELECT seq, epoch, body FROM record WHERE seq > ? ORDER BY seq", after)
        return [(seq, epoch, read_step(body)) for seq, epoch, body in rows]

    async def follow(self, group: str) -> AsyncIterator[Step]:
        """Yield every further step as it is written."""
        seq = self.head(f"group/{group}")
        while True:
            for number, _, step in self.steps(group, seq):
                seq = number
                yield step
            await asyncio.sleep(_POLL_S)

    def armed_at(self, account: str, after_epoch: int) -> int | None:
        """Return when an incarnation after `after_epoch` was armed, milliseconds; None = not yet."""
        rows = self._rows(
            f"account/{account}",
            "SELECT body FROM record WHERE epoch > ? AND kind = 'fact' ORDER BY seq",
            after_epoch,
        )
        for (body,) in rows:
            event = json.loads(body)["event"]
            if event["kind"] == "AccountModeChanged" and event["mode"] == "ARMED":
                return int(event["at"])
        return None

    def decided_at(self, group: str, after_epoch: int) -> int | None:
        """Return when an incarnation of the group after `after_epoch` took its first decision; None = not yet."""
        rows = self._rows(f"group/{group}", "SELECT at FROM record WHERE epoch > ? ORDER BY seq LIMIT 1", after_epoch)
        return int(rows[0][0]) if rows else None

    def seen_at(self, group: str, since_ms: int) -> int | None:
        """Return when, after `since_ms`, the group saw all its legs again; None = not yet."""
        rows = self._rows(
            f"group/{group}",
            "SELECT body FROM record WHERE at > ? AND body LIKE '%\"Observed\"%' ORDER BY seq",
            since_ms,
        )
        for (body,) in rows:
            event = json.loads(body)["event"]
            if event["kind"] == "Observed" and not any(leg["problems"] for leg in event["legs"].values()):
                return int(event["at"])
        return None

    def _rows(self, stream: str, query: str, *values: object) -> list[tuple]:
        file = self._folder / f"{stream}.sqlite"
        if not file.exists():
            return []
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1.0)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []  # being created, or its owner is being replaced: asked again
