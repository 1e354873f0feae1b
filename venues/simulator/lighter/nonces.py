"""API keys and their nonces. Each key counts for itself, strictly by one, unless a transaction skips ahead."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from strategies.domain.ids import Timestamp
from venues.simulator.lighter.errors import ApiRefusal, Code

REGISTRATION_NONCE = 0
"""Registering a key took its first nonce, so a fresh key continues with 1."""
MAX_SKIPPED_NONCE = 2**47 - 1
"""SkipNonce may jump to any larger nonce up to here."""

KeyId = tuple[int, int]
"""(account index, API key index)."""


@dataclass(slots=True)
class KeyState:
    """One API key: its public key, the last nonce it used, and what the read API shows of that."""

    public_key: bytes
    last_nonce: int = REGISTRATION_NONCE
    shown_nonce: int = REGISTRATION_NONCE
    pending: deque[tuple[Timestamp, int]] = field(default_factory=deque)  # (executes at, nonce), oldest first


class KeyBook:
    """Every registered API key."""

    def __init__(self, keys: Mapping[int, Mapping[int, str]]) -> None:
        """Register `keys`: account index → API key index → public key, 80 hex digits."""
        self._keys: dict[KeyId, KeyState] = {
            (account, index): KeyState(bytes.fromhex(public_key))
            for account, by_index in keys.items()
            for index, public_key in by_index.items()
        }
        self._accounts = frozenset(keys)

    def state(self, account: int, api_key: int) -> KeyState:
        """Return one key.

        Raises:
            ApiRefusal: no such account, or no such key on it.
        """
        if account not in self._accounts:
            raise ApiRefusal(Code.ACCOUNT_NOT_FOUND, str(account))
        try:
            return self._keys[account, api_key]
        except KeyError:
            raise ApiRefusal(Code.API_KEY_NOT_FOUND, str(api_key)) from None

    def keys_of(self, account: int) -> list[tuple[int, KeyState]]:
        """Return the keys of an account, by index.

        Raises:
            ApiRefusal: no such account.
        """
        if account not in self._accounts:
            raise ApiRefusal(Code.ACCOUNT_NOT_FOUND, str(account))
        return [(index, state) for (owner, index), state in sorted(self._keys.items()) if owner == account]

    def check(self, account: int, api_key: int, nonce: int, *, skip: bool) -> None:
        """Refuse a nonce that is not the next one (or, with `skip`, not a later one).

        Raises:
            ApiRefusal: 21104.
        """
        last = self.state(account, api_key).last_nonce
        fits = last < nonce <= MAX_SKIPPED_NONCE if skip else nonce == last + 1
        if not fits:
            raise ApiRefusal(Code.INVALID_NONCE)

    def consume(self, account: int, api_key: int, nonce: int, executes_at: Timestamp) -> None:
        """Take `nonce`; the read API shows it taken from `executes_at` on, because the real one lags until then."""
        state = self.state(account, api_key)
        state.last_nonce = nonce
        state.pending.append((executes_at, nonce))

    def next_nonce(self, account: int, api_key: int, now: Timestamp) -> int:
        """Return what `nextNonce` answers: one more than the last *executed* nonce, which lags behind a fresh send."""
        state = self.state(account, api_key)
        while state.pending and state.pending[0][0] <= now:
            state.shown_nonce = state.pending.popleft()[1]
        return state.shown_nonce + 1

    def dump(self) -> list[dict[str, int]]:
        """Return the nonces as JSON-able rows (public keys come from the configuration)."""
        return [
            {"account": account, "api_key": index, "last_nonce": state.last_nonce}
            for (account, index), state in sorted(self._keys.items())
        ]

    def load(self, rows: list[dict[str, int]]) -> None:
        """Restore what `dump` returned; rows of keys that are no longer registered are dropped."""
        for row in rows:
            self.restore(row["account"], row["api_key"], row["last_nonce"])

    def restore(self, account: int, api_key: int, nonce: int) -> None:
        """Set the last nonce of a key, if it is (still) registered."""
        state = self._keys.get((account, api_key))
        if state is not None:
            state.last_nonce = state.shown_nonce = nonce
            state.pending.clear()
