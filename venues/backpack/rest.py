"""Backpack's REST calls: which path carries which instruction, and what each kind of answer means to the caller."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from strategies.domain.ids import Timestamp
from strategies.domain.order import Lane
from venues.backpack import parse
from venues.backpack.config import BackpackVenueConfig
from venues.backpack.signing import KEY_HEADER, SIGNATURE_HEADER, Fields, Signer, as_text
from venues.errors import Malformed, OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.http import Answer, HttpClient, Json, parse_json
from venues.rate_limit import LaneBudget, named_wait_s
from venues.venue import Now

_READ_CONNECTIONS: Final = 4
"""A look at one leg asks for four things at once."""
_MINUTE_S: Final = 60.0
_LANE_SHARE: Final = 0.1
"""Part of the budget that each of EXIT, HEDGE and ENTRY keeps from the lanes behind it."""
_SHOWN_CHARS: Final = 200
_CLOCK_WORDS: Final = ("timestamp", "expired")
"""How the venue names a request whose clock does not fit its own."""
_DOUBTFUL_CODES: Final = frozenset({"SERVER_ERROR", "TIMEOUT", "TOO_EARLY"})
"""Codes that do not say that nothing happened, whatever HTTP status carries them."""
_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Statuses with which the venue's API refuses a request before doing anything."""
_PARSER_REFUSALS: Final = ("parse request payload error", "failed to parse parameter")
"""Plain-text answers of the venue's parser, which stands before everything that could execute."""
NOT_FOUND: Final = "RESOURCE_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A private call and the instruction its signature names."""

    method: str
    path: str
    instruction: str


ACCOUNT: Final = Endpoint("GET", "/api/v1/account", "accountQuery")
ACCOUNT_UPDATE: Final = Endpoint("PATCH", "/api/v1/account", "accountUpdate")
COLLATERAL: Final = Endpoint("GET", "/api/v1/capital/collateral", "collateralQuery")
POSITIONS: Final = Endpoint("GET", "/api/v1/position", "positionQuery")
ORDER_EXECUTE: Final = Endpoint("POST", "/api/v1/order", "orderExecute")
ORDER_QUERY: Final = Endpoint("GET", "/api/v1/order", "orderQuery")
ORDER_CANCEL: Final = Endpoint("DELETE", "/api/v1/order", "orderCancel")
ORDERS_QUERY: Final = Endpoint("GET", "/api/v1/orders", "orderQueryAll")
ORDERS_CANCEL: Final = Endpoint("DELETE", "/api/v1/orders", "orderCancelAll")
FILL_HISTORY: Final = Endpoint("GET", "/wapi/v1/history/fills", "fillHistoryQueryAll")
ORDER_HISTORY: Final = Endpoint("GET", "/wapi/v1/history/orders", "orderHistoryQueryAll")


@dataclass(frozen=True, slots=True)
class SignedWrite:
    """A write ready to leave: exactly these bytes."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    def to_payload(self) -> str:
        """Return it as text, for `PreparedWrite.payload`."""
        return json.dumps([self.method, self.path, self.headers, self.body])

    @classmethod
    def from_payload(cls, payload: str) -> "SignedWrite":
        """Read what `to_payload` wrote."""
        method, path, headers, body = json.loads(payload)
        return cls(method, path, headers, body)


class BackpackRest:
    """Signs, sends and classifies. Keeps the offset to the venue's clock and the request budget."""

    def __init__(self, config: BackpackVenueConfig, *, now: Now, on_clock_doubt: Callable[[], None]) -> None:
        """Keep the settings; does no I/O.

        Args:
            config: the venue's settings.
            now: our wall clock, ms.
            on_clock_doubt: called when the venue refuses a request for its time.
        """
        self._config = config
        self._now = now
        self._on_clock_doubt = on_clock_doubt
        self._signer: Signer | None = None
        self._offset_ms: int | None = None
        share = config.requests_per_minute * _LANE_SHARE
        self.budget: Final = LaneBudget(
            config.requests_per_minute,
            _MINUTE_S,
            reserves={Lane.EXIT: share, Lane.HEDGE: share, Lane.ENTRY: share},
        )
        self.rate_limited = 0
        redacted = frozenset({KEY_HEADER, SIGNATURE_HEADER})
        self._reads = HttpClient(
            config.base_url,
            timeout_s=config.read_timeout_s,
            max_answer_bytes=config.max_answer_bytes,
            connections=_READ_CONNECTIONS,
            secrets=redacted,
        )
        # Writes have connections of their own: a slow history never stands before an exit.
        self._writes = HttpClient(
            config.base_url,
            timeout_s=config.ack_timeout_s,
            max_answer_bytes=config.max_answer_bytes,
            connections=config.pipeline_depth,
            secrets=redacted,
        )

    @property
    def offset_ms(self) -> int | None:
        """Return the venue's clock minus ours, ms; None = never measured."""
        return self._offset_ms

    def use(self, signer: Signer) -> None:
        """Sign with this key from now on."""
        self._signer = signer

    def venue_now(self) -> Timestamp:
        """Return the venue's time by our clock and the last measured offset."""
        return Timestamp(self._now() + (self._offset_ms or 0))

    async def close(self) -> None:
        """Close all connections."""
        await self._reads.close()
        await self._writes.close()

    # --- clock ---------------------------------------------------------------------------------------------------

    async def measure_clock(self, lane: Lane = Lane.READ) -> None:
        """Compare clocks, on a connection for writes, which this keeps warm; on the lane of the write that needs it.

        Raises as a read.
        """
        before = self._now()
        at = await self._server_time(self._writes, lane)
        after = self._now()
        self._offset_ms = at - (before + after) // 2

    async def server_time(self) -> Timestamp:
        """Ask the venue's clock. Raises as a read."""
        return await self._server_time(self._reads, Lane.READ)

    async def _server_time(self, http: HttpClient, lane: Lane) -> Timestamp:
        await self.budget.acquire(lane)
        answer = await http.read("GET", "/api/v1/time")
        self._check_read("GET /api/v1/time", answer)
        return parse.server_time(answer.text)

    # --- reads ---------------------------------------------------------------------------------------------------

    async def public(self, path: str, fields: Fields | None = None) -> Json:
        """Ask a public question.

        Raises:
            Unreachable: no answer, or the server failed.
            RateLimited: too often.
            Malformed: anything else than a JSON answer.
        """
        await self.budget.acquire(Lane.READ)
        query = [(name, as_text(value)) for name, value in (fields or {}).items()]
        answer = await self._reads.read("GET", path, query=query)
        self._check_read(f"GET {path}", answer)
        return parse_json(answer.text)

    async def private(self, endpoint: Endpoint, fields: Fields | None = None) -> Json:
        """Ask about the account. Raises as `public`; a refusal is `Malformed`, for it answers nothing."""
        answer = await self._ask(endpoint, fields or {})
        self._check_read(f"GET {endpoint.path}", answer)
        return parse_json(answer.text)

    async def private_or_none(self, endpoint: Endpoint, fields: Fields) -> Json:
        """Ask about one thing; None when the venue says, in its own words, that there is no such thing."""
        answer = await self._ask(endpoint, fields)
        if answer.status == HTTPStatus.NOT_FOUND and _code(answer)[0] == NOT_FOUND:
            return None
        self._check_read(f"GET {endpoint.path}", answer)
        return parse_json(answer.text)

    async def check_key(self) -> Json:
        """Return `/account`.

        Raises:
            Rejected: the venue does not know the key, or forbids it.
            Unreachable | RateLimited | Malformed: as `public`.
        """
        answer = await self._ask(ACCOUNT, {})
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise Rejected(*_refusal(answer))
        self._check_read("GET /api/v1/account", answer)
        return parse_json(answer.text)

    async def _ask(self, endpoint: Endpoint, fields: Fields) -> Answer:
        await self.budget.acquire(Lane.READ)
        headers = self._headers(endpoint.instruction, fields, self.venue_now())
        query = [(name, as_text(fields[name])) for name in sorted(fields)]
        return await self._reads.read(endpoint.method, endpoint.path, query=query, headers=headers)

    def _check_read(self, what: str, answer: Answer) -> None:
        if answer.ok:
            return
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise self._rate_limited(what, answer)
        code, message = _refusal(answer)
        words = f"{what}: {answer.status} {code} {message}"
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unreachable(words)
        self.doubt_clock(message)
        raise Malformed(words)

    # --- writes --------------------------------------------------------------------------------------------------

    def signed(self, endpoint: Endpoint, fields: Fields, at: Timestamp) -> SignedWrite:
        """Sign a write at the venue's time `at`."""
        headers = self._headers(endpoint.instruction, fields, at)
        headers["Content-Type"] = "application/json; charset=utf-8"
        return SignedWrite(endpoint.method, endpoint.path, headers, json.dumps(fields, separators=(",", ":")))

    async def send(self, write: SignedWrite, on_leaving: Callable[[], None]) -> Answer:
        """Send a write whose budget has been granted; return the answer that says it was taken.

        Raises:
            Rejected: refused by the venue's API; nothing happened.
            RateLimited: refused for coming too often; nothing happened.
            Unreachable: nothing left.
            OutcomeUnknown: anything else.
        """
        answer = await self._writes.write(
            write.method, write.path, headers=write.headers, body=write.body, on_leaving=on_leaving
        )
        if answer.ok:
            return answer
        what = f"{write.method} {write.path}"
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise self._rate_limited(what, answer)
        code, message = _code(answer)
        if answer.status in _REFUSALS and code is not None and code not in _DOUBTFUL_CODES:
            self.doubt_clock(message)
            raise Rejected(code, message)
        if answer.status == HTTPStatus.BAD_REQUEST and answer.text.startswith(_PARSER_REFUSALS):
            raise Rejected("UNREADABLE", answer.text[:_SHOWN_CHARS])
        raise OutcomeUnknown(f"{what}: {answer.status} {answer.text[:_SHOWN_CHARS]!r}")

    # --- parts ---------------------------------------------------------------------------------------------------

    def subscription(self) -> list[str]:
        """Return the signature of a private subscription."""
        return self._key().subscription(self.venue_now(), self._config.window_ms)

    def _headers(self, instruction: str, fields: Fields, at: Timestamp) -> dict[str, str]:
        return self._key().headers(instruction, fields, at, self._config.window_ms)

    def _key(self) -> Signer:
        if self._signer is None:
            raise Unreachable("the venue is not open: no key yet")
        return self._signer

    def _rate_limited(self, what: str, answer: Answer) -> RateLimited:
        self.rate_limited += 1
        wait_s = named_wait_s(answer.headers.get("retry-after", ""), self._config.rate_pause_s)
        self.budget.penalise(wait_s)
        return RateLimited(f"{what}: {answer.text[:_SHOWN_CHARS]}", wait_s)

    def doubt_clock(self, message: str) -> None:
        """Call for a comparison of clocks when a refusal names the time."""
        if any(word in message.lower() for word in _CLOCK_WORDS):
            self._on_clock_doubt()


async def all_of(*reads: Coroutine[None, None, Json]) -> list[Json]:
    """Await reads together; when one fails the others still end before its error is raised."""
    results = await asyncio.gather(*reads, return_exceptions=True)
    answers: list[Json] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        answers.append(result)
    return answers


def _code(answer: Answer) -> tuple[str | None, str]:
    """Return the venue's code and words; no code when the body is not the venue's envelope."""
    try:
        body = parse_json(answer.text)
    except Malformed:
        return None, answer.text[:_SHOWN_CHARS]
    if not isinstance(body, dict):
        return None, answer.text[:_SHOWN_CHARS]
    code, message = body.get("code"), body.get("message")
    return (code if isinstance(code, str) and code else None), str(message or "")[:_SHOWN_CHARS]


def _refusal(answer: Answer) -> tuple[str, str]:
    code, message = _code(answer)
    return code or f"HTTP_{answer.status}", message
