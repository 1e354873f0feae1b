"""The notifier as a whole: looks, tells, listens. Lives in the supervisor's process, and nobody waits for it."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import structlog

from actors.explain.story import Explainer
from actors.notify import wording
from actors.notify.channel import ChannelHealth
from actors.notify.conversation import Conversation, Tell
from actors.notify.explaining import Explaining
from actors.notify.heard import Pressed, Said
from actors.notify.message import Message
from actors.notify.opening import open_channels
from actors.notify.outbox import Outbox
from actors.notify.settings import NotificationSettings
from actors.notify.throttle import Throttle
from actors.notify.watch import Memory, Trouble, events, remember, troubles
from actors.supervision.overview import Overview
from actors.tasks import Tasks
from strategies.domain.commands import Severity
from strategies.domain.ids import Timestamp

if TYPE_CHECKING:
    from actors.notify.telegram import Listener

_LOOK_EVERY_S = 1.0
"""Actors report once a second."""
_LAST_WORDS_S = 5.0
"""How long the end waits for messages to go out: a supervisor that ends must not hang on a chat."""
_LISTENER_TROUBLE = "listener/telegram"

_log = structlog.get_logger(__name__)


def _failed(task: str, error: BaseException) -> None:
    """A notifier that breaks ends no trading; its silence is seen at its channels' metrics."""
    _log.critical("notifier_failed", task=task, error=type(error).__name__)


class Notifier:
    """Tells what happens by every channel, and hears what is said to the bot."""

    def __init__(
        self,
        settings: NotificationSettings,
        now: Callable[[], Timestamp],
        code: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """Prepare every channel; nothing is connected before `start`.

        Raises:
            NotifierError: a secret is missing or is not what it should be.
        """
        self._settings = settings
        self._now = now
        self._code = code
        opened = open_channels(settings)
        self._channels = [channel for channel, _ in opened.channels]
        self._boxes = {
            channel.name: Outbox(channel, least, settings.queue_limit, now) for channel, least in opened.channels
        }
        self._bot, self._chats = opened.bot, opened.chats
        self._throttle = Throttle(settings.remind_every_s, settings.recovered_after_s)
        self._tasks = Tasks("notifier", _failed)
        self._watch = Tasks("notifier-watch", _failed)
        self._look: Callable[[], Overview] | None = None
        self._before: Memory | None = None
        self._listener: Listener | None = None
        self._conversation: Conversation | None = None

    def health(self) -> tuple[ChannelHealth, ...]:
        """Say how every channel stands."""
        return tuple(box.health() for box in self._boxes.values())

    @property
    def refused(self) -> int:
        """Return how often somebody spoke to the bot who may not."""
        return 0 if self._conversation is None else self._conversation.refused

    def start(self, look: Callable[[], Overview], tell: Tell, explain: Explainer) -> None:
        """Say that it begins, and go on from there in the background; `explain` reads the journal for whoever asks."""
        if not self._boxes:
            return
        for name, box in self._boxes.items():
            self._tasks.start(name, box.run())
        seen = look()
        self._put(Message(at=seen.at, severity=Severity.INFO, text=wording.started(seen)))
        self._look, self._before = look, remember(seen, seen.at)
        self._watch.start("watch", self._keep_watching())
        if self._bot is not None and self._settings.telegram is not None and self._settings.telegram.commands:
            self._conversation = Conversation(
                chats=self._chats,
                users=frozenset(self._settings.telegram.user_ids),
                look=look,
                tell=tell,
                say=self._say,
                code=self._code,
                now=self._now,
                explain=Explaining(explain).told,
                begin=lambda work: self._watch.start("explain", work),
            )
            self._listener = import_module("actors.notify.telegram").Listener(self._bot, self._hear)
            self._watch.start("listen", self._listener.run())

    async def hush(self) -> None:
        """Look once more, then look and listen no more: what ends in order from now on is no trouble."""
        await self._watch.close()
        self._watch_once()  # what has happened since the last look, and is the reason for the end, perhaps
        self._look = None

    async def close(self, last_words: Sequence[str] = ()) -> None:
        """Say how it ended, wait a little until that has gone out, and end. May be called twice."""
        await self.hush()
        if self._boxes and len(self._tasks):
            self._put(Message(at=self._now(), severity=Severity.INFO, text=wording.ended(last_words)))
            waits = asyncio.gather(*(box.drained() for box in self._boxes.values()))
            try:
                async with asyncio.timeout(_LAST_WORDS_S):
                    await waits
            except TimeoutError:
                left = {box.name: box.health().waiting for box in self._boxes.values() if box.health().waiting}
                _log.warning("messages_left", waiting=left)
        await self._tasks.close()
        for channel in self._channels:
            await channel.close()
        if self._bot is not None:
            await self._bot.close()

    def _put(self, message: Message) -> None:
        for box in self._boxes.values():
            box.put(message)

    def _say(self, chat: int, message: Message) -> None:
        """Answer in one chat; a stranger's is not among ours and is answered directly."""
        name = self._chats.get(chat)
        if name is not None:
            self._boxes[name].put(message)
        elif self._bot is not None:
            self._tasks.start("stranger", self._tell_stranger(chat, message.text))

    async def _tell_stranger(self, chat: int, text: str) -> None:
        channel = import_module("actors.notify.telegram").TelegramChat("stranger", self._bot, chat)
        try:
            await channel.deliver(text, ())
        except Exception as error:  # noqa: BLE001 - nobody waits for it, and a stranger must not break anything
            _log.info("stranger_not_told", chat=chat, error=type(error).__name__)

    async def _hear(self, news: Said | Pressed) -> None:
        if self._conversation is None or self._bot is None:
            return
        try:
            if isinstance(news, Pressed):
                shown = await self._conversation.press(news)
                self._tasks.start("press", self._bot.answer_press(news.press, shown))
            else:
                await self._conversation.hear(news, self._bot.name)
        except Exception:  # noqa: BLE001 - what one person says must not make the bot deaf to the next
            _log.exception("not_digested")

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._watch_once()

    def _watch_once(self) -> None:
        if self._look is None or self._before is None:
            return
        try:
            seen = self._look()
            before, self._before = self._before, remember(seen, self._before.began_at)
            self._tell(before, seen)
        except Exception:  # noqa: BLE001 - a picture that cannot be told must not end the telling of the next
            _log.exception("not_told")

    def _tell(self, before: Memory, seen: Overview) -> None:
        for event in events(before, seen):
            message = self._throttle.event(event)
            if message is not None:
                self._put(message)
        wrong = troubles(before, seen, self._settings) | self._own_troubles()
        for message in self._throttle.look(seen.at, wrong):
            self._put(message)

    def _own_troubles(self) -> dict[str, Trouble]:
        if self._listener is None or not self._listener.problem:
            return {}
        text = f"Telegram commands are not heard: {self._listener.problem}."
        return {_LISTENER_TROUBLE: Trouble(Severity.WARNING, text, "Telegram commands are heard again")}
