"""From settings to channels: secrets are read, nothing is connected yet."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from actors.notify.channel import Channel
from actors.notify.keyfile import KeyFileError, Keys, read_keys
from actors.notify.settings import NotificationSettings, TelegramSettings
from strategies.domain.commands import Severity
from venues.secrets import SecretMissingError, resolve

if TYPE_CHECKING:
    from actors.notify.telegram import TelegramBot

_TELEGRAM = "notifications.telegram"


class NotifierError(Exception):
    """The channels cannot be had as the settings want them; the text says which, and what to do."""


@dataclass(frozen=True)
class Opened:
    """What can be delivered to, and the bot that is listened to."""

    channels: tuple[tuple[Channel, Severity], ...]
    """Each with the least that it is told."""
    bot: "TelegramBot | None"
    chats: dict[int, str]
    """Telegram chats that may speak, and their channel's name."""


def open_channels(settings: NotificationSettings) -> Opened:
    """Read every secret and prepare every channel.

    Raises:
        NotifierError: a secret is missing or is not what it should be.
    """
    channels: list[tuple[Channel, Severity]] = []
    bot: TelegramBot | None = None
    chats: dict[int, str] = {}
    if settings.telegram is not None:
        bot, chats = _open_telegram(settings.telegram, channels)
    for name, chosen in settings.apprise.items():
        # Imported when it is used: both libraries take half a second.
        module = import_module("actors.notify.apprise_channel")
        try:
            channels.append((module.AppriseChannel(name, resolve(chosen.secret)), chosen.min_severity))
        except (SecretMissingError, module.AppriseUrlError) as error:
            raise NotifierError(f"notifications.apprise.{name}.secret: {error}") from None
    return Opened(tuple(channels), bot, chats)


def _open_telegram(
    settings: TelegramSettings, channels: list[tuple[Channel, Severity]]
) -> tuple["TelegramBot", dict[int, str]]:
    keys = _keys(settings)
    chat_ids = settings.chat_ids or (() if keys.chat is None else (keys.chat,))
    if not chat_ids:
        raise NotifierError(
            f"{_TELEGRAM}.chat_ids: no chat to tell; write the chat's number there. A bot tells a chat that is not "
            "allowed its number: set any number, start, and say /start to the bot"
        )
    module = import_module("actors.notify.telegram")
    bot: TelegramBot = module.TelegramBot(keys.token, settings.base_url)
    chats = {chat: f"telegram-{place}" for place, chat in enumerate(chat_ids, start=1)}
    channels += [(module.TelegramChat(name, bot, chat), settings.min_severity) for chat, name in chats.items()]
    return bot, chats


def _keys(settings: TelegramSettings) -> Keys:
    try:
        return read_keys(resolve(settings.token), settings.token)
    except (SecretMissingError, KeyFileError) as error:
        raise NotifierError(f"{_TELEGRAM}.token: {error}") from None
