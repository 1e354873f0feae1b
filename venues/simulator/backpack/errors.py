"""How Backpack refuses: a JSON body with a code, or plain text where the real venue's parser answers before its API."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web


class ApiError(Exception):
    """A refusal with Backpack's `{"code", "message"}` body."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep the HTTP status, the code and the words."""
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, str]:
        """Return the JSON body."""
        return {"code": self.code, "message": self.message}

    def response(self) -> web.Response:
        """Return the HTTP answer."""
        return web.Response(status=self.status, text=json.dumps(self.body()), content_type="application/json")


class TextError(Exception):
    """A refusal in plain text: a body or a parameter that could not be parsed."""

    def __init__(self, status: int, text: str) -> None:
        """Keep the HTTP status and the text."""
        super().__init__(status, text)
        self.status = status
        self.text = text

    def response(self) -> web.Response:
        """Return the HTTP answer."""
        return web.Response(status=self.status, text=self.text)


def bad_request(message: str) -> ApiError:
    """Return the refusal of a request that is understood but wrong."""
    return ApiError(400, "INVALID_CLIENT_REQUEST", message)


def invalid_order(message: str) -> ApiError:
    """Return the refusal of an order that makes no sense."""
    return ApiError(400, "INVALID_ORDER", message)


def not_found() -> ApiError:
    """Return what Backpack says about an order or a position that is not there (any more)."""
    return ApiError(404, "RESOURCE_NOT_FOUND", "Not Found")


def bad_payload(detail: str) -> TextError:
    """Return the plain-text answer to a body that cannot be parsed."""
    return TextError(400, f"parse request payload error: {detail}")


def bad_parameter(name: str, detail: str) -> TextError:
    """Return the plain-text answer to a query parameter that cannot be parsed."""
    return TextError(400, f"failed to parse parameter `{name}`: {detail}")


OVERLOAD_TEXT = "Unknown error, please check your request or try again later."
"""The body of Backpack's 503. It says nothing about whether the request was executed."""
MAINTENANCE = "MAINTENANCE"
"""The code while the venue is down on purpose."""
SPOKEN: Mapping[str, str] = {
    MAINTENANCE: "The exchange is under maintenance",
    "ACCOUNT_LIQUIDATING": "Account is being liquidated",
    "INSUFFICIENT_MARGIN": "Insufficient margin",
    "SERVER_ERROR": "Server error",
    "TIMEOUT": "Timeout",
    "TOO_MANY_REQUESTS": "Too many requests",
    "TRADING_PAUSED": "Trading is paused",
}
"""Codes that a fault may name as its body, and the words that go with them."""


def injected(status: int, body: str) -> web.Response:
    """Return what a fault wants answered: a code by its name, or a body as it stands; 503 has its own text."""
    if body in SPOKEN:
        return ApiError(status, body, SPOKEN[body]).response()
    if not body and status == HTTPStatus.SERVICE_UNAVAILABLE:
        return web.Response(status=status, text=OVERLOAD_TEXT)
    kind = "application/json" if body.startswith(("{", "[")) else "text/plain"
    return web.Response(status=status, text=body, content_type=kind)
