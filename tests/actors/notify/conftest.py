"""A bot at a local Bot API, and a notifier that uses it."""

import asyncio
import itertools
import logging
from contextlib import asynccontextmanager

import pytest

from actors.clock import wall_now
from actors.notify.notifier import Notifier
from actors.notify.settings import NotificationSettings, TelegramSettings
from strategies.domain.ids import GroupId
from tests.actors.notify.bot_api import TOKEN, BotApi
from tests.actors.scene import group_row, scene


class Bench:
    """A notifier over a picture that a test may change."""

    def __init__(self, api: BotApi) -> None:
        self.api = api
        self.told: list[tuple[str, str, str, str]] = []
        self.rows = {GroupId("g"): group_row(), GroupId("h"): group_row()}
        self.changes: dict = {}
        self.notifier: Notifier | None = None

    def look(self):
        at = wall_now()
        channels = () if self.notifier is None else self.notifier.health()
        fields = {"at": at, "beat_at": at, "accounts": {}, "groups": self.rows, "channels": channels}
        return scene(**(fields | self.changes))

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
        self.notifier.start(self.look, self.tell)
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
