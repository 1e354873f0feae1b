"""A heartbeat: what a bot may say of itself, and the one rule by which it counts as online. Pure."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from strategies.domain.ids import Timestamp

MISSED = 2
"""A bot that has missed so many of its own intervals is offline. The same rule everywhere: page, metrics, messages."""
BOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""A bot's name is part of a path and of what people read."""
_INTERVAL_S = Decimal(30)
"""Assumed of a bot that does not say how often it reports."""
_MAX_INTERVAL_S = Decimal(86_400)
_LARGEST = Decimal(10) ** 18
"""No position, price or balance is larger; a larger number would only be a burden to whoever shows it."""
_FINEST = 30
"""Digits behind the point, for the same reason."""
_MAX_KEYS = 64
_MAX_DEPTH = 6
_MS = 1000


def is_online(received_at: Timestamp, interval_s: Decimal, now: Timestamp) -> bool:
    """Say whether a bot that was last heard at `received_at`, by our clock, is online now."""
    return now - received_at <= interval_s * MISSED * _MS


def missed(received_at: Timestamp, interval_s: Decimal, now: Timestamp) -> int:
    """Return how many of its own intervals a bot has let pass in silence."""
    return max(0, int((now - received_at) // (interval_s * _MS)))


def _bounded(value: Any) -> Any:
    """Let through what is a number of a size that means something."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic wants ValueErrors
    if isinstance(value, str):
        try:
            value = Decimal(value)
        except ArithmeticError:
            raise ValueError("must be a number") from None
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        exponent = number.as_tuple().exponent
        if not number.is_finite() or abs(number) > _LARGEST or (isinstance(exponent, int) and exponent < -_FINEST):
            raise ValueError("is out of range")
    return value


Amount = Annotated[Decimal, BeforeValidator(_bounded)]
Word = Annotated[str, Field(max_length=100)]


class Heartbeat(BaseModel):
    """What is understood of a heartbeat. Other fields are kept as they came, and shown."""

    model_config = ConfigDict(frozen=True, extra="allow")

    timestamp: Amount | Word | None = Field(default=None, description="the bot's own clock; shown, never counted on")
    telemetry_interval_secs: Annotated[Amount, Field(gt=0, le=_MAX_INTERVAL_S)] = _INTERVAL_S
    group: Word | None = None
    role: Word | None = None
    symbol: Word | None = None
    direction: Word | None = None
    position_base: Amount | None = None
    max_position_base: Amount | None = None
    pnl_unrealized: Amount | None = None
    balance_total: Amount | None = None


def check_extent(payload: Mapping[str, object]) -> str:
    """Say why a payload cannot be kept; empty = it can."""
    if len(payload) > _MAX_KEYS:
        return f"has more than {_MAX_KEYS} fields"
    if _depth(payload) > _MAX_DEPTH:
        return f"is nested deeper than {_MAX_DEPTH}"
    return ""


def to_json(value: object) -> str:
    """Write what was read with exact numbers: a number stays the number that it was."""
    match value:
        case Decimal():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{json.dumps(str(key))}: {to_json(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(to_json, value)) + "]"
        case _:
            return json.dumps(value)


def _depth(value: object) -> int:
    # The body's size bounds the recursion's width, and the reader of JSON its depth.
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
