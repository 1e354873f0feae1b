"""What the notifier can be told: section `[notifications]`."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from strategies.domain.commands import Severity
from strategies.domain.model import Value
from venues.secrets import SecretRef

_LOCAL = ("127.0.0.1", "localhost", "::1")


def _check_base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("an address carries no password here")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL):
        return url.rstrip("/")
    raise ValueError("must be https://…, or http:// on this machine: the bot's token travels with every request")


class TelegramSettings(Value):
    """Section `[notifications.telegram]`."""

    token: SecretRef = Field(
        description="reference to the bot's token, env:NAME or file:PATH; the file may also be a `tg_key.txt` with the "
        "lines `bot_token: …` and `chat_id: …`"
    )
    chat_ids: tuple[int, ...] = Field(
        default=(),
        max_length=20,
        description="chats that are told, and that may command; empty = the one that the token's file names",
    )
    user_ids: tuple[int, ...] = Field(
        default=(), description="people who may command in these chats; empty = everybody who is in them"
    )
    commands: bool = Field(
        default=True, description="listen to /status, /pause, /flatten and the others; false = only tell"
    )
    min_severity: Severity = Field(
        default=Severity.INFO, description="the least that is told here: INFO, WARNING or CRITICAL"
    )
    base_url: Annotated[str, AfterValidator(_check_base_url)] = Field(
        default="https://api.telegram.org", description="where the Bot API is; another one for an own Bot API server"
    )

    @model_validator(mode="after")
    def _chats_once(self) -> "TelegramSettings":
        if len(set(self.chat_ids)) != len(self.chat_ids):
            raise ValueError("a chat is named twice in chat_ids: it would be told everything twice")
        return self


class AppriseSettings(Value):
    """One of `[notifications.apprise.<name>]`: mail, Slack, ntfy and whatever else Apprise speaks."""

    secret: SecretRef = Field(
        description="reference to the Apprise URL of the channel, env:NAME or file:PATH: the URL holds its password"
    )
    min_severity: Severity = Field(default=Severity.WARNING, description="the least that is told here")


class NotificationSettings(Value):
    """Section `[notifications]`."""

    telegram: TelegramSettings | None = Field(default=None, description="the Telegram bot; absent = none")
    apprise: dict[str, AppriseSettings] = Field(
        default={}, max_length=20, description="other channels, each under a name of its own"
    )
    unknown_after_s: float = Field(
        default=60.0, gt=0, description="age of an order of unknown outcome from which on it is told, seconds"
    )
    naked_after_s: float = Field(
        default=30.0, gt=0, description="how long a group may be uncovered before it is told, seconds"
    )
    heartbeat_after_s: float = Field(
        default=5.0,
        gt=0,
        description="silence of an actor that is told, seconds; it reports once a second: the default is five misses",
    )
    recovered_after_s: float = Field(
        default=15.0,
        ge=0,
        description="how long a trouble must stay away before it is called recovered, seconds: one that comes and goes "
        "is told once",
    )
    remind_every_s: float = Field(
        default=3600.0, gt=0, description="how often a trouble that stays, or keeps coming back, is told again, seconds"
    )
    queue_limit: int = Field(
        default=200, ge=10, le=10_000, description="messages that wait for one channel; beyond it the oldest is dropped"
    )
