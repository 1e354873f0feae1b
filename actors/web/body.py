"""Reading a request's body: bounded in size and time, JSON with exact numbers, one model."""

import asyncio
import json
from decimal import Decimal
from http import HTTPStatus
from typing import NoReturn, TypeVar

from aiohttp import ClientError, web
from pydantic import BaseModel, ValidationError

from actors.web.refusal import Reason, RefusedError, bad_request

BODY_LIMIT = 16 * 1024
"""Bytes. The largest body is a bot's heartbeat with fields of its own; a page of text has a fifth of it."""
_READ_TIMEOUT_S = 5.0
"""A body of this size on loopback takes milliseconds; whoever takes longer holds a connection for nothing."""
_JSON = "application/json"
_ERRORS_SHOWN = 3
"""Mistakes of a body that are named; more of them say nothing more."""

M = TypeVar("M", bound=BaseModel)


async def read_json(request: web.Request) -> dict[str, object]:
    """Return the body as a JSON object, its fractions as Decimal; no body is an empty object.

    Raises:
        RefusedError: too large, too slow, not JSON, or no object.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.REQUEST, "Send the body as it is, not packed.")
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            raw = await request.read()
    except TimeoutError:
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, Reason.REQUEST, "The body took too long.") from None
    except (ClientError, ConnectionError, ValueError, web.RequestPayloadError):
        raise bad_request("The body cannot be read.") from None
    if not raw.strip():
        return {}
    if request.content_type != _JSON:
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.REQUEST, f"Send the body as {_JSON}.")
    try:
        found = json.loads(raw.decode(), parse_float=_decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise bad_request("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise bad_request("The body must be a JSON object.")
    return found


async def read_model(request: web.Request, model: type[M]) -> M:
    """Return the body as a model.

    Raises:
        RefusedError: as `read_json`, and for a body that does not fit the model.
    """
    return fitted(model, await read_json(request))


def fitted(model: type[M], found: object) -> M:
    """Return `found` as a model.

    Raises:
        RefusedError: it does not fit; the text names the fields and repeats no value.
    """
    try:
        return model.model_validate(found)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)[:_ERRORS_SHOWN]
        # A key that is not of the model is the sender's own text: it is not repeated either.
        wrong = [
            "an unknown field" if each["type"] == "extra_forbidden" else f"{_place(each['loc'])}: {each['msg']}"
            for each in errors
        ]
        raise bad_request("The body does not fit: " + "; ".join(wrong) + ".") from None


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc)) or "the body"


def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _no_number(_text: str) -> NoReturn:
    raise ValueError("not a number")
