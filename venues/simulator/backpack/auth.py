"""Who signed a request: ED25519 over the fields as they were sent.

Where the sources are silent, this module decides: a header that is missing is 401 UNAUTHORIZED; an unknown or
unreadable key is 401 INVALID_SIGNATURE, the same as a wrong signature; a field sent as `null` is not part of the signed
string; a clock may be ahead of the venue's by `CLOCK_AHEAD_MS` and no more.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from strategies.domain.ids import Timestamp
from venues.simulator.backpack.errors import ApiError, bad_payload, bad_request

DEFAULT_WINDOW_MS = 5000
MAX_WINDOW_MS = 60_000
CLOCK_AHEAD_MS = 1000
"""How far in the future a timestamp may lie. The venue publishes no number; a second forgives ordinary drift."""
SIGNATURE_BYTES = 64

INSTRUCTIONS: Mapping[tuple[str, str], str] = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("PATCH", "/api/v1/account"): "accountUpdate",
    ("GET", "/api/v1/account/limits/order"): "maxOrderQuantity",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("POST", "/api/v1/order"): "orderExecute",
    ("GET", "/api/v1/order"): "orderQuery",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
    ("GET", "/wapi/v1/history/funding"): "fundingHistoryQueryAll",
    ("GET", "/wapi/v1/history/settlement"): "settlementHistoryQueryAll",
}
"""The name that is signed for each private call. A call that is not here is public."""

Fields = Sequence[tuple[str, object]]
"""Names and values as sent: from a query string or a JSON object."""


class NumberText(str):
    """A JSON number with a fraction, kept as the text that was sent: the signature covers the text."""

    __slots__ = ()


def parse_body(raw: bytes) -> object:
    """Read a JSON body, keeping fractions as they were written. An empty body is an empty object.

    Raises:
        TextError: it is not JSON.
    """
    if not raw.strip():
        return {}
    try:
        parsed: object = json.loads(raw, parse_float=NumberText)
    except ValueError as error:
        raise bad_payload("the body is not JSON") from error
    return parsed


def as_signed(value: object) -> str:
    """Return a value the way clients write it into the string they sign.

    A query carries `True` where a Python client handed over a bool, while the same client signs `true`.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.lower() if value in ("True", "False") else value
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, separators=(",", ":"))


def _one(instruction: str, fields: Fields) -> str:
    sent = sorted(((name, value) for name, value in fields if value is not None), key=lambda field: field[0])
    return "&".join([f"instruction={instruction}", *(f"{name}={as_signed(value)}" for name, value in sent)])


def signed_string(instruction: str, requests: Sequence[Fields], timestamp: str, window: str) -> str:
    """Return what the client must have signed. A batch of orders repeats the instruction before each order."""
    parts = [_one(instruction, fields) for fields in requests]
    return "&".join([*parts, f"timestamp={timestamp}", f"window={window}"])


class Authenticator:
    """Knows every account's public key and checks signatures and clocks."""

    def __init__(self, accounts: Mapping[str, str], now: Callable[[], Timestamp], *, verify: bool = True) -> None:
        """Take account name → base64 public key, and the venue's clock; without `verify` any signature will do.

        Raises:
            ValueError: a key is not 32 bytes in base64.
        """
        self._now = now
        self._verify = verify
        self._keys: dict[str, tuple[str, VerifyKey]] = {}
        for account, key in accounts.items():
            self._keys[key] = (account, VerifyKey(base64.b64decode(key, validate=True)))

    def account_of(self, headers: Mapping[str, str], instruction: str, requests: Sequence[Fields]) -> str:
        """Return the account whose key signed a REST request.

        Raises:
            ApiError: a header is missing, the clock is off, or key or signature is wrong.
        """
        for name in ("X-API-Key", "X-Signature", "X-Timestamp"):
            if not headers.get(name):
                raise ApiError(401, "UNAUTHORIZED", f"Missing header {name}")
        window = headers.get("X-Window") or str(DEFAULT_WINDOW_MS)
        return self._check(
            headers["X-API-Key"], headers["X-Signature"], headers["X-Timestamp"], window, instruction, requests
        )

    def subscriber(self, signature: Sequence[object]) -> str:
        """Return the account that signed a subscription: key, signature, timestamp and window, all strings.

        Raises:
            ApiError: the list is not of that form, the clock is off, or key or signature is wrong.
        """
        match signature:
            case [str(key), str(signed), str(timestamp), str(window)]:
                return self._check(key, signed, timestamp, window, "subscribe", [()])
            case _:
                raise bad_request("signature must be [key, signature, timestamp, window]")

    def _check(
        self, key: str, signature: str, timestamp: str, window: str, instruction: str, requests: Sequence[Fields]
    ) -> str:
        self._check_clock(timestamp, window)
        invalid = ApiError(401, "INVALID_SIGNATURE", "Invalid signature")
        known = self._keys.get(key)
        if known is None:
            raise invalid
        account, verify_key = known
        if not self._verify:
            return account
        try:
            signed = base64.b64decode(signature, validate=True)
        except binascii.Error as error:
            raise invalid from error
        if len(signed) != SIGNATURE_BYTES:
            raise invalid
        try:
            verify_key.verify(signed_string(instruction, requests, timestamp, window).encode(), signed)
        except BadSignatureError as error:
            raise invalid from error
        return account

    def _check_clock(self, timestamp: str, window: str) -> None:
        if not (window.isascii() and window.isdigit() and 0 < int(window) <= MAX_WINDOW_MS):
            raise bad_request(f"Invalid window: 1 to {MAX_WINDOW_MS} ms")
        if not (timestamp.isascii() and timestamp.isdigit()):
            raise bad_request("Invalid timestamp")
        now, sent_at = self._now(), int(timestamp)
        if sent_at > now + CLOCK_AHEAD_MS:
            raise bad_request("Invalid timestamp")
        if now > sent_at + int(window):
            raise bad_request("Request has expired")
