"""How a request is turned down: a status, a sentence, and a word to count it by."""

from enum import StrEnum
from http import HTTPStatus

from aiohttp import web


class Reason(StrEnum):
    """What is counted. Each is a metric of its own, so the list is closed."""

    HOST = "host"
    """The request names a host that is not us: DNS rebinding, or a name missing in the settings."""
    ORIGIN = "origin"
    """A page of somebody else wants to write."""
    TOKEN = "token"  # noqa: S105 - a word, no secret
    """No token, or a wrong one."""
    REQUEST = "request"
    """Not what the endpoint takes: path, method, body or name."""
    STATE = "state"
    """Understood, and not possible now."""


class RefusedError(Exception):
    """A request that is turned down. The text is for the caller and repeats nothing that was sent."""

    def __init__(self, status: HTTPStatus, reason: Reason, text: str) -> None:
        """Keep what is answered."""
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.text = text

    def answer(self) -> web.Response:
        """Return the answer."""
        return web.json_response({"error": self.text}, status=self.status)


def bad_request(text: str) -> RefusedError:
    """Return the refusal of something that cannot be understood."""
    return RefusedError(HTTPStatus.BAD_REQUEST, Reason.REQUEST, text)
