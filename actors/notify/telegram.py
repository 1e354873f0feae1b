"""The Bot API, through aiogram. The token is in every address, so no error text leaves here as it came."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
)
from aiogram.types import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, Update

from actors.notify.channel import DeliveryError
from actors.notify.heard import Person, Pressed, Said
from actors.notify.message import Message
from actors.notify.operator_words import MENU
from actors.redact import REDACTED, redact_text
from strategies.domain.ids import Timestamp
from venues.secrets import Secret

_TEXT_LIMIT = 4096
"""Characters of one message, by the Bot API."""
_REQUEST_S = 20
"""Longest ordinary request."""
_POLL_S = 25
"""How long Telegram holds a question for news open; it allows 50."""
_POLL_GRACE_S = 15
"""… and how much longer its answer may take."""
_ERROR_SHOWN = 300
_CHAT_GONE = ("chat not found", "chat_id is empty", "bot was kicked")
"""Refusals that are about the chat, not about the text: it may be put right."""
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 60.0
_CONFLICT_PAUSE_S = 10.0
"""Two listeners who both insist take the news from each other: whoever sees it steps back."""
_MS = 1000
_TROUBLE = (AiogramError, OSError, ValueError)
"""What a request can raise: aiogram's own errors, and what an answer of bytes that are no text makes of it."""

_log = structlog.get_logger(__name__)


class TelegramBot:
    """One bot: what it can send, and what it hears."""

    def __init__(self, token: Secret, base_url: str) -> None:
        """Prepare; nothing is connected before the first request."""
        self._token = token
        session = AiohttpSession(api=TelegramAPIServer.from_base(base_url), timeout=_REQUEST_S)
        self._bot = Bot(token.reveal(), session=session)
        self.name = ""
        """The bot's user name; empty until `introduce`."""

    def __repr__(self) -> str:
        """Show the reference only."""
        return f"<telegram bot {self._token!r}>"

    def said(self, error: BaseException) -> str:
        """Return an error in words, without the token."""
        if isinstance(error, ClientDecodeError | ValueError):
            text = "the answer is not one of the Bot API"
        elif isinstance(error, TelegramNetworkError):
            text = "Telegram cannot be reached"
            cause = error.__cause__
            text += f" ({type(cause).__name__})" if cause is not None else ""
        elif isinstance(error, TelegramAPIError):
            text = error.message.split("\n", 1)[0]
        else:
            text = type(error).__name__
        return redact_text(text.replace(self._token.reveal(), REDACTED))[:_ERROR_SHOWN]

    async def introduce(self) -> None:
        """Learn the bot's name and show its commands in the menu. Raises `AiogramError`."""
        me = await self._bot.get_me()
        self.name = me.username or ""
        await self._bot.set_my_commands([BotCommand(command=name, description=text) for name, text in MENU])

    async def send(self, chat: int, text: str, buttons: Sequence[tuple[str, str]]) -> None:
        """Send a text with buttons (label, answer) below it.

        Raises:
            DeliveryError: it did not, or may not have, gone out.
        """
        row = [InlineKeyboardButton(text=label, callback_data=answer) for label, answer in buttons]
        markup = InlineKeyboardMarkup(inline_keyboard=[row]) if row else None
        try:
            await self._bot.send_message(chat, text, reply_markup=markup)
        except _TROUBLE as error:
            # `from None`: the chain of causes holds addresses, and with them the token.
            raise self._delivery_error(error) from None

    def _delivery_error(self, error: Exception) -> DeliveryError:
        words = self.said(error)
        if isinstance(error, TelegramRetryAfter):
            return DeliveryError(f"asked to wait {error.retry_after} s", retry_after_s=float(error.retry_after))
        if isinstance(error, TelegramMigrateToChat):
            return DeliveryError(f"the chat is now {error.migrate_to_chat_id}: write that id into chat_ids")
        about_chat = any(word in words.lower() for word in _CHAT_GONE)
        return DeliveryError(words, hopeless=isinstance(error, TelegramBadRequest) and not about_chat)

    async def answer_press(self, press: str, text: str) -> None:
        """Tell Telegram that a pressed button was heard; `text` is shown for a moment. Never raises for Telegram."""
        try:
            await self._bot.answer_callback_query(press, text=text)
        except _TROUBLE as error:
            _log.info("press_not_answered", error=self.said(error))

    async def updates(self, after: int | None, wait_s: int) -> Sequence[Update]:
        """Wait for what was said to the bot. Raises `AiogramError`; `TelegramConflictError` = somebody else listens."""
        try:
            return await self._bot.get_updates(
                offset=after,
                timeout=wait_s,
                allowed_updates=["message", "callback_query"],
                request_timeout=wait_s + _POLL_GRACE_S,
            )
        except ClientDecodeError as error:
            found = _one_by_one(error.data)
            if not found:
                raise
            return found

    async def close(self) -> None:
        """Close every connection. May be called twice."""
        await self._bot.session.close()


class TelegramChat:
    """One chat as a channel; see `Channel`."""

    limit = _TEXT_LIMIT

    def __init__(self, name: str, bot: TelegramBot, chat: int) -> None:
        """Deliver to `chat`."""
        self.name = name
        self.chat = chat
        self._bot = bot

    async def deliver(self, text: str, messages: Sequence[Message]) -> None:
        """See `Channel.deliver`."""
        buttons = [(button.text, button.answer) for message in messages for button in message.buttons]
        await self._bot.send(self.chat, text, buttons)

    async def close(self) -> None:
        """See `Channel.close`: the bot is shared, and closed by its owner."""


def _one_by_one(answer: object) -> list[Update]:
    """Read updates of which at least one is unreadable: that one must not come back for ever, nor hide the others."""
    found = []
    for raw in answer.get("result") or () if isinstance(answer, dict) else ():
        try:
            found.append(Update.model_validate(raw))
        except ValueError:
            if isinstance(raw, dict) and isinstance(raw.get("update_id"), int):
                _log.warning("update_unreadable", update=raw["update_id"])
                found.append(Update(update_id=raw["update_id"]))
    return found


Hear = Callable[[Said | Pressed], Awaitable[None]]


def heard(update: Update) -> Said | Pressed | None:
    """Return what was said or pressed; None = nothing that is for us."""
    message, query = update.message, update.callback_query
    if message is not None and message.text and message.from_user is not None:
        person = Person(chat=message.chat.id, user=message.from_user.id)
        return Said(person, message.text, Timestamp(int(message.date.timestamp() * _MS)))
    if query is not None and query.message is not None:
        person = Person(chat=query.message.chat.id, user=query.from_user.id)
        return Pressed(person, query.id, query.data or "")
    return None


class Listener:
    """Asks one bot for news, for ever: the only one who may."""

    def __init__(self, bot: TelegramBot, hear: Hear) -> None:
        """Hand everything that is heard to `hear`, in order, each once."""
        self._bot = bot
        self._hear = hear
        self._after: int | None = None
        self.problem = ""
        """Why commands are not heard now; empty = they are."""
        self.failures = 0
        self.conflicts = 0

    async def run(self) -> None:
        """Listen. A failure is said and tried again; nothing but a cancellation ends this."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                if not self._bot.name:
                    await self._bot.introduce()
                # After a failure without waiting: whether it works again is known at once.
                updates = await self._bot.updates(self._after, 0 if self.problem else _POLL_S)
            except _TROUBLE as error:
                wait_s = self._failed(error, pause_s)
                pause_s = min(pause_s * 2, _MAX_PAUSE_S)
                await asyncio.sleep(wait_s)
                continue
            if self.problem:
                _log.info("listener_recovered")
            self.problem, pause_s = "", _FIRST_PAUSE_S
            for update in updates:
                # Remembered first: an update that cannot be digested must not come for ever.
                self._after = update.update_id + 1
                news = heard(update)
                if news is not None:
                    await self._hear(news)

    def _failed(self, error: Exception, pause_s: float) -> float:
        self.failures += 1
        words = self._bot.said(error)
        if isinstance(error, TelegramConflictError):
            self.conflicts += 1
            words = f"another program listens to this bot ({words}): end it, or give this deployment a bot of its own"
            pause_s = max(pause_s, _CONFLICT_PAUSE_S)
        if words != self.problem:
            _log.warning("listener_failed", error=words)
        self.problem = words
        return float(error.retry_after) if isinstance(error, TelegramRetryAfter) else pause_s
