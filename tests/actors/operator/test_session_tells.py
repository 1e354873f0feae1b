"""A run of the supervisor with a bot: who is told when it begins, when a group has finished, and how it ended."""

from asyncio import TaskGroup
from io import StringIO

from rich.console import Console

from actors.clock import wall_now
from actors.journal.memory import MemoryJournalStore
from actors.notify.notifier import Notifier
from actors.notify.settings import NotificationSettings, TelegramSettings
from actors.operator.desk import Desk
from actors.operator.session import OK, Interrupts, Session
from actors.operator.terminal import Terminal
from actors.supervision.hostwatch import HostWatch
from actors.supervision.settings import SupervisorConfig
from actors.supervision.supervision import Supervision
from actors.telemetry.settings import TelemetryConfig
from actors.web.server import StatusServer
from strategies.domain.events import OperatorState
from strategies.machine import Outcome
from tests.actors.notify.bot_api import TOKEN, BotApi
from tests.actors.supervision.local import World, desired


async def test_a_run_is_told_from_its_first_word_to_its_last(tmp_path, monkeypatch):
    """Start, a word from the chat that reaches the group, the group's end, the end of the run; no token anywhere."""
    monkeypatch.setenv("TG_TOKEN", TOKEN)
    api, world, store, output = BotApi(), World(), MemoryJournalStore(), StringIO()
    await api.start()
    config = SupervisorConfig(spares=0, port=0)
    supervision = Supervision(
        desired({"g": ("a",)}),
        config,
        hosts=world,
        store=store,
        holder="the test",
        build="b1",
        log_file=lambda stream: str(tmp_path / stream.replace("/", "-")),
        debug=False,
        now=wall_now,
        chance=lambda: 0.5,
    )
    telegram = TelegramSettings(token="env:TG_TOKEN", chat_ids=(100,), base_url=api.url)
    server = StatusServer(config.host, config.port)
    server.bind()
    session = Session(
        supervision,
        config,
        server=server,
        terminal=Terminal(Console(file=output)),
        notifier=Notifier(NotificationSettings(telegram=telegram), wall_now),
        simulator=None,
        until_done=True,
        interrupts=Interrupts(),
        host=HostWatch(tmp_path, wall_now),
        desk=Desk(config, TelemetryConfig(), tmp_path, "memory:"),
    )

    async def people() -> None:
        await api.until(lambda: any("Hedgevisor runs: 1 group(s), 1 account(s)." in text for text in api.said()))
        await api.until(lambda: supervision.groups["g"].status is not None)
        await api.say("/pause g")
        await api.until(lambda: world.told)
        await api.until(lambda: any("Group g ends its running cycle as planned" in text for text in api.said()))
        world.outcomes["g"] = Outcome.FINISHED

    async with TaskGroup() as both:
        both.create_task(people())
        run = both.create_task(session.run())
    assert run.result() == OK
    assert [each[:3] for each in world.told] == [("g", OperatorState.PAUSE, "operator:telegram:100/7")]
    assert any("g: finished" in text for text in api.said())
    assert "Hedgevisor ends.\nEvery group has finished." in api.said()[-1]
    assert TOKEN not in output.getvalue()
    await api.stop()
