"""A bot at a local Bot API, and a notifier that uses it."""

import asyncio
import itertools
import logging
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from actors.clock import wall_now
from actors.explain.story import Cause, Cycle, CycleUnknownError, LegResult
from actors.journal.protocol import JournalError
from actors.notify.notifier import Notifier
from actors.notify.settings import NotificationSettings, TelegramSettings
from strategies.domain.ids import GroupId, Timestamp
from tests.actors.notify.bot_api import TOKEN, BotApi
from tests.actors.scene import group_row, scene


def short_cycle(number: int, causes: int = 2) -> Cycle:
    """Return a cycle that begins with an entry and ends with an exit, a second for each cause."""
    began = Timestamp(1_000_000)
    steps = tuple(
        Cause(
            stream="group/g",
            seq=place,
            at=Timestamp(began + place * 1000),
            what=f"event {place}",
            decided=(f"order {place}",),
            phase="EXITING" if place == causes - 1 else "ENTERING",
            left="IDLE" if place in {0, causes - 1} else "",
            why="timed out" if place == causes - 1 else "",
            net=Decimal("-1.5") if place == 0 else None,
        )
        for place in range(causes)
    )
    return Cycle(
        group=GroupId("g"),
        cycle=number,
        cycles=2,
        began_at=began,
        ended_at=Timestamp(began + 90_000),
        outcome="ended: out after timeout",
        causes=steps,
        quiet=0,
        orders=(),
        legs={"long": LegResult(account="a", held=Decimal(0), realized=Decimal(5), fees=Decimal(1))},
        problems=(),
    )


class Bench:
    """A notifier over a picture that a test may change."""

    def __init__(self, api: BotApi) -> None:
        self.api = api
        self.told: list[tuple[str, str, str, str]] = []
        self.rows = {GroupId("g"): group_row(), GroupId("h"): group_row()}
        self.changes: dict = {}
        self.cycles = {number: short_cycle(number) for number in (1, 2)}
        self.notifier: Notifier | None = None

    def look(self):
        at = wall_now()
        channels = () if self.notifier is None else self.notifier.health()
        fields = {"at": at, "beat_at": at, "accounts": {}, "groups": self.rows, "channels": channels}
        return scene(**(fields | self.changes))

    def explain(self, group, number):
        """Return a cycle out of the test's journal."""
        if self.cycles is None:
            raise JournalError("the file is damaged")
        if number not in {None, *self.cycles}:
            raise CycleUnknownError(f"Group {group} has had no cycle {number}: the last one is {max(self.cycles)}.")
        return self.cycles[number or max(self.cycles)]

    async def tell(self, group, state, by, reason) -> str:
        self.told.append((group, state, by, reason))
        return "passed on"

    @asynccontextmanager
    async def running(self, **changes):
        """Run a notifier for chats 100 and 200."""
        fields = {"token": "env:TG_TOKEN", "chat_ids": (100, 200), "base_url": self.api.url} | changes
        codes = (f"code{number}" for number in itertools.count(1))
        settings = NotificationSettings(telegram=TelegramSettings(**fields), recovered_after_s=0)
        self.notifier = Notifier(settings, wall_now, code=lambda: next(codes))
        self.notifier.start(self.look, self.tell, self.explain)
        try:
            yield self.notifier
        finally:
            await self.notifier.close(("Group g is flat.",))


@pytest.fixture
async def api():
    """Return a Bot API that listens."""
    api = BotApi()
    await api.start()
    yield api
    await api.stop()


@pytest.fixture
def bench(api, monkeypatch, caplog):
    """Return the bench; whatever the test does, the token must be in no log line."""
    monkeypatch.setenv("TG_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    yield Bench(api)
    asyncio.set_event_loop(None)
    assert TOKEN not in caplog.text
    assert TOKEN.partition(":")[2] not in caplog.text
