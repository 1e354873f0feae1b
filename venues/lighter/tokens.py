"""Auth tokens for private reads and streams: made here, short-lived, renewed before they end."""

from strategies.domain.ids import Timestamp
from venues.lighter.signing import Signer
from venues.venue import Now

_MS_PER_S = 1000
_RENEW_BEFORE = 0.5
"""A token is handed out while at least this part of its life is left, so that none ends on its way."""


class AuthTokens:
    """The current token of each key."""

    def __init__(self, signer: Signer, now: Now, life_s: float) -> None:
        """Make no token yet."""
        self._signer = signer
        self._now = now
        self._life_s = life_s
        self._tokens: dict[int, tuple[str, Timestamp]] = {}

    def token(self, key: int) -> str:
        """Return a token of `key` that is good for a while.

        Raises:
            SignerError: the signer does not know the key.
        """
        now = self._now()
        text, made_at = self._tokens.get(key, ("", Timestamp(0)))
        # A clock that was set back must not keep a token that the venue has long forgotten.
        if not text or not 0 <= now - made_at <= self._life_s * _RENEW_BEFORE * _MS_PER_S:
            text = self._signer.auth_token(key, now=now, life_s=self._life_s)
            self._tokens[key] = (text, now)
        return text

    def forget(self, key: int) -> None:
        """Make a new token next time: the venue did not take this one."""
        self._tokens.pop(key, None)
