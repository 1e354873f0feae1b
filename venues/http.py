"""One HTTP client for every venue: reads that raise, writes whose outcome is never guessed, nothing sent twice.

The rule for a write that fails is one question: was a connection already handed to it? Before that, not one byte can
have left and the write did not happen; from then on only the venue can say.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from types import SimpleNamespace
from typing import Final
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from venues.errors import Malformed, OutcomeUnknown, Unreachable

_LOG = logging.getLogger(__name__)

_REDACTED: Final = "***"
_SHOWN_CHARS: Final = 2_000
"""How much of a body one debug line shows: enough for any order, never a whole book."""
_CHUNK_BYTES: Final = 64 * 1024
"""How much of an answer is read at a time."""
_IDLE_CONNECTION_S: Final = 25.0
"""Idle connections are dropped before common servers (60 s and more) drop them, so that few writes meet a dying one."""

Json = dict[str, "Json"] | list["Json"] | str | int | Decimal | bool | None
"""What JSON text can hold here: numbers with a point are `Decimal`, never float."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the venue answered, whatever the status."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    text: str

    @property
    def ok(self) -> bool:
        """Say whether the status is 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


_MAX_DEPTH = 100
"""Deepest nesting of an answer that is read; the venues' own go to about six."""
_NO_BRACKET = re.compile(r"[^\[\]{}]+")


class HttpClient:
    """Talks to one base URL over kept-alive connections. Makes no connection before the first request."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float,
        max_answer_bytes: int,
        connections: int,
        connect_timeout_s: float | None = None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        """Keep the settings; does no I/O.

        Args:
            base_url: scheme, host and port; a trailing slash is fine.
            timeout_s: for one request, from waiting for a connection to the last byte of the answer.
            max_answer_bytes: a longer answer is refused.
            connections: how many connections may be open at once; further requests wait for one.
            connect_timeout_s: of `timeout_s`, for a free connection, TCP and TLS together; None = all of it.
            secrets: names of headers and query fields (any case) whose values never reach a log.
        """
        self._base_url = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=connect_timeout_s)
        self._max_answer_bytes = max_answer_bytes
        self._connections = connections
        self._secrets = frozenset(name.lower() for name in secrets)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def read(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Answer:
        """Ask something that changes nothing.

        Raises:
            Unreachable: no complete answer came, whatever the cause. Asking again is the caller's decision.
        """
        request = _Request(method, path, query, headers or {}, body)
        try:
            return await self._exchange(request, _Departure(None))
        except _FAILURES as error:
            raise Unreachable(f"{request}: {_describe(error)}") from error

    async def write(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        on_leaving: Callable[[], None] | None = None,
    ) -> Answer:
        """Send something that may change the account. Sent at most once.

        Args:
            method: HTTP method.
            path: from the root, with a leading slash.
            query: fields of the query, in the order they are sent.
            headers: as sent.
            body: as sent.
            on_leaving: called once, when a connection has been handed to this request and its bytes go next.

        Raises:
            Unreachable: certain that no byte left (name not found, refused, TLS failed, no connection came free).
            OutcomeUnknown: anything else that is not a complete answer.
        """
        request = _Request(method, path, query, headers or {}, body)
        departure = _Departure(on_leaving)
        try:
            return await self._exchange(request, departure)
        except _FAILURES as error:
            words = f"{request}: {_describe(error)}"
            if departure.left:
                raise OutcomeUnknown(words) from error
            raise Unreachable(words) from error

    async def close(self) -> None:
        """Close every connection. May be called twice; later requests are `Unreachable`."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchange(self, request: "_Request", departure: "_Departure") -> Answer:
        self._log_request(request)
        async with self._open_session().request(
            request.method,
            request.url(self._base_url),
            headers=request.headers,
            data=None if request.body is None else request.body.encode(),
            # A redirect would carry a signed request to a host nobody configured.
            allow_redirects=False,
            trace_request_ctx=departure,
        ) as response:
            raw = await self._read_body(response)
            answer = Answer(
                status=response.status,
                headers={name.lower(): value for name, value in response.headers.items()},
                text=raw.decode("utf-8", errors="replace"),
            )
        _LOG.debug("%s answered %d: %s", request, answer.status, answer.text[:_SHOWN_CHARS])
        return answer

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_answer_bytes:
                response.close()
                raise _AnswerTooLongError(f"answer longer than {self._max_answer_bytes} bytes")
        return bytes(body)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise _ClosedError("this client is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_CONNECTION_S),
                timeout=self._timeout,
                trace_configs=[_departure_trace()],
                middlewares=(_never_twice,),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _log_request(self, request: "_Request") -> None:
        if not _LOG.isEnabledFor(logging.DEBUG):
            return
        query = {name: self._shown(name, value) for name, value in request.query}
        headers = {name: self._shown(name, value) for name, value in request.headers.items()}
        body = (request.body or "")[:_SHOWN_CHARS]
        _LOG.debug("%s query=%s headers=%s body=%s", request, query, headers, body)

    def _shown(self, name: str, value: str) -> str:
        return _REDACTED if name.lower() in self._secrets else value


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: str | None

    def url(self, base_url: str) -> URL:
        # `encoded`: the bytes on the wire are the ones that were signed.
        return URL(base_url + self.path + (f"?{urlencode(self.query)}" if self.query else ""), encoded=True)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def parse_json(text: str) -> Json:
    """Read JSON text; numbers with a point become `Decimal`, whole numbers stay `int`.

    Raises:
        Malformed: not JSON, or JSON with a number that is none (NaN, Infinity).
    """
    if _too_deep(text):
        raise Malformed(f"nested more than {_MAX_DEPTH} deep")
    try:
        value: Json = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {text[:120]!r}") from error
    return value


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a number")


class _Departure(SimpleNamespace):
    """Notes the moment from which bytes of one request may have left."""

    def __init__(self, on_leaving: Callable[[], None] | None) -> None:
        super().__init__()
        self.left = False
        self._on_leaving = on_leaving

    def leave(self) -> None:
        if self.left:
            return
        self.left = True
        if self._on_leaving is not None:
            self._on_leaving()


def _departure_trace() -> aiohttp.TraceConfig:
    async def on_connection(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        departure: _Departure = context.trace_request_ctx
        departure.leave()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(on_connection)
    trace.on_connection_reuseconn.append(on_connection)
    return trace


async def _never_twice(
    request: aiohttp.ClientRequest, handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
) -> aiohttp.ClientResponse:
    """Turn what makes aiohttp send a request again into an error that it passes on.

    When a kept-alive connection dies under a DELETE (or GET, PUT), aiohttp sends the request once more by itself. A
    cancel that went out twice, signed, is a write that nobody decided.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLostError(_describe(error)) from error


class _ConnectionLostError(Exception):
    """A connection ended while a request was on it."""


class _AnswerTooLongError(Exception):
    """The answer is longer than anything this venue should say."""


class _ClosedError(Exception):
    """The client was closed before the request."""


_FAILURES: Final = (
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    _ConnectionLostError,
    _AnswerTooLongError,
    _ClosedError,
)
"""Every way a request can end without a complete answer."""


def _describe(error: BaseException) -> str:
    text = str(error)
    return f"{error.__class__.__name__}: {text}" if text else error.__class__.__name__


def _too_deep(text: str) -> bool:
    """Say whether brackets open deeper than any venue's answer: the C parser may overflow the stack of the process."""
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return False
    depth = 0
    for bracket in _NO_BRACKET.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > _MAX_DEPTH:
            return True
    return False
