"""ED25519 signatures the way Backpack reads them: sorted fields, raw values, one instruction in front."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NoReturn

from nacl.signing import SigningKey

from strategies.domain.ids import Timestamp
from venues.secrets import Secret

SEED_BYTES: Final = 32
_SEED_AND_PUBLIC_BYTES: Final = 64
"""Some tools export the seed followed by the public key."""

Scalar = str | int | bool
"""A field's value as JSON carries it. Decimals travel as strings, see `plain`."""
Fields = Mapping[str, Scalar]

KEY_HEADER: Final = "X-API-Key"
SIGNATURE_HEADER: Final = "X-Signature"


class BadKeyError(Exception):
    """The secret is no Backpack key, or not the one that was named. Never holds key material."""


class Signer:
    """Signs for one API key. Shows no secret in its repr."""

    __slots__ = ("_key", "api_key")

    def __init__(self, secret: Secret) -> None:
        """Read the key.

        Raises:
            BadKeyError: the secret is not base64 of a 32-byte seed.
        """
        try:
            raw = base64.b64decode(secret.reveal(), validate=True)
        except (binascii.Error, ValueError):
            raise BadKeyError(f"{secret!r} is not base64") from None
        if len(raw) not in (SEED_BYTES, _SEED_AND_PUBLIC_BYTES):
            raise BadKeyError(f"{secret!r} holds {len(raw)} bytes; a key's seed has {SEED_BYTES}")
        self._key = SigningKey(raw[:SEED_BYTES])
        public = bytes(self._key.verify_key)
        if len(raw) == _SEED_AND_PUBLIC_BYTES and raw[SEED_BYTES:] != public:
            raise BadKeyError(f"{secret!r}: the second half is not the public key of the first")
        self.api_key: Final = base64.b64encode(public).decode()

    def __repr__(self) -> str:
        """Show the public key only."""
        return f"<Backpack key {self.api_key}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to leave the process."""
        raise TypeError("a key does not leave its process")

    def sign(self, text: str) -> str:
        """Return the base64 signature of `text`."""
        return base64.b64encode(self._key.sign(text.encode()).signature).decode()

    def headers(self, instruction: str, fields: Fields, timestamp: Timestamp, window_ms: int) -> dict[str, str]:
        """Return the headers that make a REST request ours."""
        return {
            KEY_HEADER: self.api_key,
            SIGNATURE_HEADER: self.sign(string_to_sign(instruction, [fields], timestamp, window_ms)),
            "X-Timestamp": str(timestamp),
            "X-Window": str(window_ms),
        }

    def subscription(self, timestamp: Timestamp, window_ms: int) -> list[str]:
        """Return the `signature` list of a private SUBSCRIBE."""
        signature = self.sign(string_to_sign("subscribe", [{}], timestamp, window_ms))
        return [self.api_key, signature, str(timestamp), str(window_ms)]


def string_to_sign(instruction: str, requests: Sequence[Fields], timestamp: Timestamp, window_ms: int) -> str:
    """Return what is signed: per request the instruction and its fields sorted by name, then time and window once."""
    parts = []
    for fields in requests:
        parts.append(f"instruction={instruction}")
        parts.extend(f"{name}={as_text(fields[name])}" for name in sorted(fields))
    return "&".join([*parts, f"timestamp={timestamp}", f"window={window_ms}"])


def as_text(value: Scalar) -> str:
    """Write a value the way it is signed and put into a query: booleans in lower case, everything else as it stands."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def plain(value: Decimal) -> str:
    """Write a decimal without exponent and without idle zeros: 1E+3 is 1000, 0.10 is 0.1."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
