"""Stands before every endpoint: is the request meant for us, does it come from a page of ours, may it write.

A browser that visits a hostile page is on this machine, too: it can be made to post here (so a foreign `Origin` is
refused), and a name that resolves to us makes our pages readable to that page (so an unknown `Host` is refused).
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from actors.meter import Meter
from actors.web.refusal import Reason, RefusedError
from actors.web.tokens import Tokens

TOKEN_HEADER = "X-Auth-Token"  # noqa: S105 - a header's name
_READS = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
_OWN_NAMES = frozenset({"localhost"})
_SAME = frozenset({"same-origin", "none"})
"""What browsers call a request of our own page, and one that a person typed."""
_PATH_SHOWN = 100
"""Characters of a refused path in the log."""
_WHO = web.RequestKey("who", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger(__name__)


class Guard:
    """Looks at each request before its endpoint does."""

    def __init__(self, tokens: Tokens, *, names: Iterable[str] = (), meter: Meter | None = None) -> None:
        """Let `tokens` write. `names` are host names that we are reached by, besides IP addresses and localhost."""
        self._tokens = tokens
        self._names = _OWN_NAMES | {name.lower() for name in names}
        self.meter = meter or Meter()
        self._doors: dict[str, Callable[[web.Request], str]] = {}

    def open_door(self, route: str, check: Callable[[web.Request], str]) -> None:
        """Let `check` decide who may write to a route, in place of the operators' tokens.

        It returns who writes, or raises `RefusedError`.
        """
        self._doors[route] = check

    @web.middleware
    async def stand(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve as the application's middleware: let the request pass, or answer why not."""
        try:
            self._check_host(request)
            if request.method not in _READS:
                _check_origin(request)
                resource = request.match_info.route.resource
                door = self._doors.get("" if resource is None else resource.canonical, self.operator)
                request[_WHO] = door(request)
            return await handler(request)
        except RefusedError as error:
            self._note(request, error)
            return error.answer()
        except web.HTTPException as error:
            # The router's own: no such page, no such method; and a body that is too large.
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            refused = RefusedError(HTTPStatus(error.status), Reason.REQUEST, error.reason)
            self._note(request, refused)
            answer = refused.answer()
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
            return answer

    def operator(self, request: web.Request) -> str:
        """Return who writes, by the name of the token.

        Raises:
            RefusedError: nobody we know.
        """
        return self.owner(self._tokens, request)

    @staticmethod
    def owner(tokens: Tokens, request: web.Request) -> str:
        """Return whose token the request carries, and where from.

        Raises:
            RefusedError: none of `tokens`.
        """
        given = request.headers.get(TOKEN_HEADER, "")
        if not given:
            scheme, _, value = request.headers.get("Authorization", "").partition(" ")
            given = value.strip() if scheme.lower() == "bearer" else ""
        name = tokens.owner_of(given) if given else None
        if name is None:
            what = "is not one that may write here" if given else f"is missing: send it as {TOKEN_HEADER}"
            raise RefusedError(HTTPStatus.UNAUTHORIZED, Reason.TOKEN, f"The token {what}.")
        return f"{name}@{request.remote or 'unknown'}"

    def _check_host(self, request: web.Request) -> None:
        found = _HOST.fullmatch(request.headers.get("Host", ""))
        name = "" if found is None else found["name"].strip("[]").lower()
        # An IP address cannot be rebound: only a name can be made to lead here.
        if name not in self._names and not _is_ip(name):
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                Reason.HOST,
                "This host name is not known here: use an IP address, or add the name to supervisor.names.",
            )

    def _note(self, request: web.Request, refused: RefusedError) -> None:
        self.meter.count(f"http_refused_{refused.reason}")
        _log.warning(
            "request_refused",
            reason=refused.reason,
            status=int(refused.status),
            method=_shown(request.method),
            path=_shown(request.path),
            peer=request.remote,
            text=refused.text,
        )


def _shown(sent: str) -> str:
    """Return what was sent as a log can hold it: short, and without anything that is no text."""
    return sent[:_PATH_SHOWN].encode("ascii", "backslashreplace").decode()


def who(request: web.Request) -> str:
    """Return who writes, as the guard found it."""
    return request[_WHO]


def _check_origin(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    foreign = origin is not None and _authority(origin) != request.headers.get("Host", "").lower()
    if foreign or site.lower() not in _SAME:
        raise RefusedError(HTTPStatus.FORBIDDEN, Reason.ORIGIN, "Another page may not write here.")


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_ip(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
