"""Reading requests: query parameters with their ranges, cursors, tokens."""

import base64
import binascii

from aiohttp import web
from multidict import MultiMapping

from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.transactions import NO_MARKET

MAX_PAGE = 100


class Query:
    """The parameters of one GET request. Parameters nobody reads are ignored, as the venue does."""

    def __init__(self, parameters: MultiMapping[str]) -> None:
        """Read from these."""
        self._parameters = parameters

    def text(self, name: str) -> str | None:
        """Return a parameter, None when it is missing or empty."""
        return self._parameters.get(name) or None

    def required_text(self, name: str) -> str:
        """Return a parameter.

        Raises:
            ApiRefusal: it is missing.
        """
        value = self.text(name)
        if value is None:
            raise ApiRefusal(Code.INVALID_PARAMETER, f"{name} is required")
        return value

    def number(self, name: str) -> int | None:
        """Return an integer parameter, None when it is missing.

        Raises:
            ApiRefusal: it is not an integer.
        """
        value = self.text(name)
        return None if value is None else _integer(name, value)

    def required_number(self, name: str) -> int:
        """Return an integer parameter.

        Raises:
            ApiRefusal: it is missing or not an integer.
        """
        return _integer(name, self.required_text(name))

    def limit(self, most: int = MAX_PAGE) -> int:
        """Return the page size.

        Raises:
            ApiRefusal: it is missing, or not within 1..most.
        """
        value = self.required_number("limit")
        if not 1 <= value <= most:
            raise ApiRefusal(Code.INVALID_PARAMETER, f"limit must be within 1..{most}")
        return value

    def market(self) -> int | None:
        """Return the market number, None for "all"."""
        value = self.number("market_id")
        return None if value == NO_MARKET else value

    def numbers(self, name: str) -> list[int]:
        """Return a comma list of integers; empty when it is missing.

        Raises:
            ApiRefusal: an item is not an integer.
        """
        value = self.text(name)
        return [] if value is None else [_integer(name, item) for item in value.split(",")]

    def cursor(self) -> tuple[int, ...] | None:
        """Return where the previous page ended, None for the first page.

        Raises:
            ApiRefusal: 20009, not a cursor of ours.
        """
        value = self.text("cursor")
        if value is None:
            return None
        try:
            return tuple(int(part) for part in base64.urlsafe_b64decode(value).decode().split("."))
        except (binascii.Error, ValueError):
            raise ApiRefusal(Code.INVALID_CURSOR) from None


def make_cursor(*position: int) -> str:
    """Return the opaque cursor of a position in a listing."""
    return base64.urlsafe_b64encode(".".join(str(part) for part in position).encode()).decode()


def token_of(request: web.Request) -> str | None:
    """Return the auth token: the bare `Authorization` header, or `?auth=`."""
    return request.headers.get("Authorization") or request.query.get("auth") or None


def _integer(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ApiRefusal(Code.INVALID_PARAMETER, f"{name} is not an integer") from None
