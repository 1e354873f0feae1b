"""Auth tokens: `{deadline, epoch s}:{account}:{api key}:{signature, 160 hex digits}`.

Sent as the bare `Authorization` header or as `?auth=`. A token counts for one account, for 8 hours at most: one that
is made for longer becomes valid when its end is within 8 hours.
"""

from dataclasses import dataclass

from strategies.domain.ids import Timestamp
from venues.simulator.lighter.errors import MISSING_AUTH_WORDS, ApiRefusal, Code
from venues.simulator.lighter.nonces import KeyBook
from venues.simulator.lighter.transactions import SIGNATURE_BYTES
from venues.simulator.lighter.verification import Verifier

MAX_LIFE_S = 8 * 3600
_MS = 1000
_PARTS = 4
REMEMBERED = 1_000
"""How many verified tokens are kept, so that polling does not verify the same one again and again."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says of itself."""

    deadline_s: int
    account_index: int
    api_key_index: int


class TokenGate:
    """Decides whose data a request may see."""

    def __init__(self, keys: KeyBook, verifier: Verifier) -> None:
        """Know the keys that tokens are signed with."""
        self._keys = keys
        self._verifier = verifier
        self._verified: dict[tuple[str, bytes], None] = {}

    async def account_of(self, raw: str | None, now: Timestamp, what: str) -> int:
        """Return the account a token authenticates.

        Args:
            raw: the token, or None when none came.
            now: the venue's clock.
            what: named in the refusal: a channel, or a path.

        Raises:
            ApiRefusal: 20001 without a token; 20013 when it is malformed, expired, too long or not signed.
        """
        if not raw:
            raise ApiRefusal(Code.INVALID_PARAMETER, what, words=MISSING_AUTH_WORDS)
        token = _parse(raw)
        if not now < token.deadline_s * _MS <= now + MAX_LIFE_S * _MS:
            raise ApiRefusal(Code.INVALID_AUTH, "expired, or ends more than 8 hours from now")
        try:
            key = self._keys.state(token.account_index, token.api_key_index).public_key
        except ApiRefusal:
            raise ApiRefusal(Code.INVALID_AUTH, "unknown key") from None
        await self._check_signature(raw, key)
        return token.account_index

    async def _check_signature(self, raw: str, key: bytes) -> None:
        if (raw, key) in self._verified:
            return
        if not await self._verifier.is_token(raw, key):
            raise ApiRefusal(Code.INVALID_AUTH, "wrong signature")
        if len(self._verified) >= REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[raw, key] = None


def _parse(raw: str) -> Token:
    parts = raw.split(":")
    if len(parts) != _PARTS:
        raise ApiRefusal(Code.INVALID_AUTH, "malformed")
    deadline, account, api_key, signature = parts
    try:
        if len(bytes.fromhex(signature)) != SIGNATURE_BYTES:
            raise ApiRefusal(Code.INVALID_AUTH, "malformed")
        return Token(deadline_s=int(deadline), account_index=int(account), api_key_index=int(api_key))
    except ValueError:
        raise ApiRefusal(Code.INVALID_AUTH, "malformed") from None
