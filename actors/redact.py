"""What must never be read in a log: keys, tokens, signatures. Taken out of every line, whoever wrote it."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

REDACTED = "<redacted>"

_NAME = (
    r"(?:x-)?(?:authorization|api[-_]?key(?!s?[-_]?index)|private[-_]?key|exit[-_]?key|secret|signature|sig|token|"
    r"auth(?:[-_]?token)?|password|passphrase|mnemonic|cookie)"
)
_SECRET_NAME = re.compile(rf"(?:^|[-_.]){_NAME}s?$", re.IGNORECASE)
_NAMED_IN_TEXT = re.compile(
    rf"(?P<name>\b{_NAME}s?[\"']?\s*[:=]\s*[\"']?)(?P<value>(?:(?:bearer|basic)\s+)?[^\s\"',;&}})\]]+)", re.IGNORECASE
)
_BEARER = re.compile(r"\b(?P<name>bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# 32 bytes or more in hexadecimal: an Ed25519 or Lighter key, a signature, and also a transaction hash (see _HASH).
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{64,}(?![0-9A-Za-z])")
# 32 bytes or more in padded base 64: a Backpack key, an Ed25519 signature.
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{42,}={1,2}(?![A-Za-z0-9+/=])")
# A Telegram bot's token; it stands in every address of its API.
_BOT_TOKEN = re.compile(r"(?<![0-9])\d{6,}:[A-Za-z0-9_-]{30,}(?![A-Za-z0-9_-])")
_HASH = re.compile(r"hash[\"']?\s*[:=]\s*[\"']?$", re.IGNORECASE)
_LOOK_BACK = 16
"""Characters before a hexadecimal string in which the word `hash` and its quotes fit."""
_HASH_NAME = re.compile(r"hash$", re.IGNORECASE)
_MAX_DEPTH = 8
"""Deeper than any payload of a venue; what lies below is shown as text."""


def redact_text(text: str) -> str:
    """Return `text` without anything that looks like a secret. Transaction hashes stay: they are public."""
    text = _NAMED_IN_TEXT.sub(lambda match: match["name"] + REDACTED, text)
    text = _BEARER.sub(lambda match: f"{match['name']} {REDACTED}", text)
    text = _JWT.sub(REDACTED, text)
    text = _BOT_TOKEN.sub(REDACTED, text)
    text = _HEX.sub(_unless_hash, text)
    return _BASE64.sub(REDACTED, text)


def redact(name: str, value: object, depth: int = 0) -> object:
    """Return `value` as it may be shown under `name`; containers are looked through."""
    if value is None or isinstance(value, bool):
        return value
    if _SECRET_NAME.search(name):
        return REDACTED
    if isinstance(value, int | float):
        return value
    return _redact_contents(name, value, depth)


def _redact_contents(name: str, value: object, depth: int) -> object:
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        return {str(key): redact(str(key), each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _MAX_DEPTH:
        return [redact(name, each, depth + 1) for each in value]
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    text = value if isinstance(value, str) else str(value)
    if _HASH_NAME.search(name) and _HEX.fullmatch(text):
        return text
    return redact_text(text)


def redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Serve as structlog's processor: everything of one line, its traceback included."""
    for key in list(event):
        if not key.startswith("_"):
            event[key] = redact(key, event[key])
    return event


def _unless_hash(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - _LOOK_BACK) : match.start()]
    return match[0] if _HASH.search(before) else REDACTED
