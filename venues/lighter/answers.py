"""What an answer of Lighter means for the one who asked. Pure; the words of a read differ from those of a write."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from venues.errors import Malformed, OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.rate_limit import named_wait_s

CODE_OK = 200
INVALID_NONCE = 21104
TX_NOT_FOUND = 21500
INVALID_AUTH = 20013
_INVALID_NONCE_WORDS = "invalid nonce"
"""Older servers said it in words only, under code 400."""
_TOO_OFTEN = frozenset({429, 21506, 23000, 23001, 23002, 23003, 23004, 30009, 30010})
"""Codes that refuse for the number of requests, transactions or frames, before doing anything."""
_THROTTLED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.METHOD_NOT_ALLOWED})
"""405 is how the firewall in front of the venue slows a caller down."""
_VENUE_IN_DOUBT = frozenset({29500, 29501})
"""The venue's own "internal error" and "timed out": it does not know either."""
_SHOWN_CHARS = 200
_RETRY_AFTER_S = 1.0
"""Wait after a refusal that names no time: the window is a rolling minute, so room comes back bit by bit."""


def code_of(body: Mapping[str, Any]) -> int | None:
    """Return the business code, or None when there is none that is a number."""
    code = body.get("code")
    if isinstance(code, bool):
        return None
    if isinstance(code, str) and code.isdigit():
        return int(code)
    return code if isinstance(code, int) else None


def words_of(body: Mapping[str, Any]) -> str:
    """Return the venue's words beside a code."""
    return str(body.get("message", ""))[:_SHOWN_CHARS]


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how long a refusal for coming too often asks to wait, seconds, at most a minute."""
    return named_wait_s(headers.get("retry-after", ""), _RETRY_AFTER_S)


def quota_of(body: object) -> int | None:
    """Return the volume quota that an answer to a write states; None when it states none."""
    left = body.get("volume_quota_remaining") if isinstance(body, Mapping) else None
    return left if isinstance(left, int) and not isinstance(left, bool) and left >= 0 else None


def judge_read(status: int, body: Any, *, wait_s: float = _RETRY_AFTER_S) -> Mapping[str, Any]:
    """Return the body of a read that was answered well. `body` is None when it was not JSON.

    Raises:
        RateLimited: refused for coming too often.
        Unreachable: the venue failed (5xx): that is no answer.
        Rejected: a business code, with the venue's words.
        Malformed: anything else.
    """
    code = code_of(body) if isinstance(body, dict) else None
    if status in _THROTTLED or code in _TOO_OFTEN:
        raise RateLimited(f"HTTP {status}, code {code}", wait_s)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _VENUE_IN_DOUBT:
        raise Unreachable(f"the venue failed: HTTP {status}, code {code}")
    if not isinstance(body, dict):
        raise Malformed(f"HTTP {status} without a JSON object")
    if code is not None and code != CODE_OK:
        raise Rejected(str(code), words_of(body))
    if status != HTTPStatus.OK:
        raise Malformed(f"HTTP {status} without a code")
    return body


def judge_write(status: int | None, body: Any, *, wait_s: float = _RETRY_AFTER_S) -> None:
    """Return when the venue took a write. `status` is None for an answer over the WebSocket.

    Only a number that the venue gives for a refusal is one; whatever cannot be read leaves the outcome open.

    Raises:
        RateLimited: refused for coming too often; it did nothing.
        Rejected: refused; `stale_nonce` when only the nonce was wrong.
        OutcomeUnknown: everything else.
    """
    code = code_of(body) if isinstance(body, dict) else None
    if status in _THROTTLED or code in _TOO_OFTEN:
        raise RateLimited(f"HTTP {status or '-'}, code {code}", wait_s)
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise OutcomeUnknown(f"the venue failed: HTTP {status}")
    if code is None:
        raise OutcomeUnknown(f"an answer that cannot be read: HTTP {status or '-'}")
    if code == CODE_OK:
        return
    if code in _VENUE_IN_DOUBT or HTTPStatus.INTERNAL_SERVER_ERROR <= code < _FIRST_BUSINESS_CODE:
        raise OutcomeUnknown(f"the venue failed: code {code} {words_of(body)}")
    stale = code == INVALID_NONCE or _INVALID_NONCE_WORDS in words_of(body).lower()
    raise Rejected(str(code), words_of(body), stale_nonce=stale)


_FIRST_BUSINESS_CODE = 1000
"""Codes below are HTTP statuses in the body."""
