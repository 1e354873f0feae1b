"""A supervision over hosts without processes, on virtual time."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from actors.journal.memory import MemoryJournalStore
from actors.supervision.settings import SupervisorConfig
from actors.supervision.supervision import Supervision
from tests.actors.supervision.local import World, desired, loop_now


class Bench:
    """One world, one journal, and supervisions over them."""

    def __init__(self, log_dir) -> None:
        self.world = World()
        self.store = MemoryJournalStore()
        self.log_dir = log_dir

    def supervision(self, wanted_groups, *, build="b1", release=frozenset(), wanted=None, **config) -> Supervision:
        return Supervision(
            wanted or desired(wanted_groups),
            SupervisorConfig(**({"spares": 0} | config)),
            hosts=self.world,
            store=self.store,
            holder="the test",
            build=build,
            log_file=lambda stream: str(self.log_dir / f"{stream.replace('/', '-')}.jsonl"),
            debug=False,
            now=loop_now,
            chance=lambda: 0.5,
            release=release,
            released_by="anna@desk",
        )

    @asynccontextmanager
    async def running(self, wanted_groups, **options):
        """Run a supervision that has armed everything; end it in order."""
        supervision = self.supervision(wanted_groups, **options)
        await supervision.start()
        try:
            yield supervision
        finally:
            await supervision.stop()


@pytest.fixture
def bench(tmp_path):
    """Return a fresh world and journal."""
    return Bench(tmp_path)


async def until(condition, within_s: float = 120.0) -> None:
    """Wait, on whatever time the loop has, until `condition` holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the condition spans many objects
            await asyncio.sleep(0.01)
