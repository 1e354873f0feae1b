"""Single fields of Backpack's JSON, read strictly: what is missing or of the wrong form is `Malformed`, never zero."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from strategies.domain.ids import ClientOrderId, Timestamp
from strategies.domain.money import ZERO
from venues.errors import Malformed
from venues.http import Json

JsonObject = Mapping[str, Json]

_MICROSECONDS: Final = 1_000
_LARGEST: Final = Decimal(10) ** 18
"""No price, quantity or amount of money is larger; what is would only overflow somewhere else."""


def as_object(value: Json) -> JsonObject:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise Malformed(f"expected an object, got {shown(value)}")
    return value


def as_list(value: Json) -> list[Json]:
    """Return a JSON list."""
    if not isinstance(value, list):
        raise Malformed(f"expected a list, got {shown(value)}")
    return value


def text(fields: JsonObject, name: str) -> str:
    """Return text that must be there."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} should be text, got {shown(value)}")
    return value


def identifier(fields: JsonObject, name: str) -> str:
    """Return an id, whether it came as text or as a number."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise Malformed(f"{name} should be an id, got {shown(value)}")
    return str(value)


def decimal(fields: JsonObject, name: str) -> Decimal:
    """Return a finite decimal: text by rule, a number where docs and captures disagree."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Malformed(f"{name} should be a decimal, got {shown(value)}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Malformed(f"{name} should be a decimal, got {shown(value)}") from error
    if not number.is_finite() or abs(number) > _LARGEST:
        raise Malformed(f"{name} is beyond reason: {shown(value)}")
    return number


def amount(fields: JsonObject, name: str) -> Decimal:
    """Return a decimal that is not negative."""
    number = decimal(fields, name)
    if number < ZERO:
        raise Malformed(f"{name} is negative: {number}")
    return number


def positive(fields: JsonObject, name: str) -> Decimal:
    """Return a decimal above zero."""
    number = decimal(fields, name)
    if number <= ZERO:
        raise Malformed(f"{name} should be above zero: {number}")
    return number


def optional(fields: JsonObject, name: str) -> Decimal | None:
    """Return a decimal, or None where the field is absent or null."""
    return None if fields.get(name) is None else decimal(fields, name)


def shown_only(fields: JsonObject, name: str) -> Decimal | None:
    """Return a decimal that is only shown to people; one that cannot be read is None, and spoils nothing else."""
    try:
        return optional(fields, name)
    except Malformed:
        return None


def flag(fields: JsonObject, name: str) -> bool:
    """Return true or false; nothing else passes for either."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise Malformed(f"{name} should be true or false, got {shown(value)}")
    return value


def words(value: Json) -> str:
    """Return words for people; none are an empty text."""
    return "" if value is None else str(value)


def client_id(value: Json) -> ClientOrderId | None:
    """Return a client id, a number or text with one; None where there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return ClientOrderId(int(value))
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return ClientOrderId(value)
    raise Malformed(f"client id {shown(value)}")


def micros(fields: JsonObject, name: str) -> Timestamp:
    """Return a moment that is given in microseconds."""
    value = fields.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise Malformed(f"{name} should be microseconds, got {shown(value)}")
    return Timestamp(value // _MICROSECONDS)


def moment(value: Json) -> Timestamp:
    """Read milliseconds, or an ISO time without a zone, which is UTC."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Timestamp(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return Timestamp(int(value))
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise Malformed(f"not a time: {shown(value)}") from error
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return Timestamp(int(aware.timestamp()) * 1000 + aware.microsecond // 1000)
    raise Malformed(f"not a time: {shown(value)}")


def shown(value: Json) -> str:
    """Return a value for an error message, cut short."""
    return repr(value)[:80]
