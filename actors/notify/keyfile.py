"""What the token's reference leads to: the token itself, or a `tg_key.txt` with token and chat. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from venues.secrets import Secret

_TOKEN_NAMES = frozenset({"bot_token", "token", "telegram_token"})
_CHAT_NAMES = frozenset({"chat_id", "telegram_chat", "channel"})


class KeyFileError(Exception):
    """The file has no token in it. Names the reference, never the content."""


@dataclass(frozen=True)
class Keys:
    """A bot's token, and the chat that stands beside it."""

    token: Secret
    chat: int | None


def read_keys(secret: Secret, reference: str) -> Keys:
    """Read a bare token, lines of `name: value`, or the same as a JSON object.

    Raises:
        KeyFileError: there is no token in it, or the chat is not a number.
    """
    text = secret.reveal()
    named = _named(text)
    token = next((named[name] for name in _TOKEN_NAMES if named.get(name)), "")
    chat = next((named[name] for name in _CHAT_NAMES if named.get(name)), "")
    if not named:
        token = text
    if not _is_token(token):
        raise KeyFileError(
            f"{reference} holds no bot token: it is NUMBER:LETTERS as @BotFather gave it, alone or as `bot_token: …`"
        )
    try:
        return Keys(Secret(reference, token), int(chat) if chat else None)
    except ValueError:
        raise KeyFileError(f"the chat_id in {reference} is not a number: give the chat's numeric id") from None


def _named(text: str) -> dict[str, str]:
    """Return the values by lower-case name; empty when the text is not of that form."""
    if text.startswith("{"):
        try:
            found: Any = json.loads(text)
        except ValueError:
            return {"": ""}  # meant to be named, and unreadable: not a bare token
        return {str(name).lower(): str(value) for name, value in found.items()} if isinstance(found, dict) else {"": ""}
    pairs = (line.partition(":") for line in text.splitlines())
    named = {name.strip().lower(): value.strip().strip("\"'") for name, colon, value in pairs if colon}
    return named if named.keys() & (_TOKEN_NAMES | _CHAT_NAMES) else {}


def _is_token(text: str) -> bool:
    number, _, rest = text.partition(":")
    return (
        number.isdecimal()
        and number.isascii()
        and bool(rest)
        and text.isascii()
        and text.replace("_", "").replace("-", "").replace(":", "").isalnum()
    )
