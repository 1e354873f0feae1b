"""Who may write: tokens by name. Only their digests are kept, so no picture of this process shows one."""

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import structlog

from venues.secrets import resolve

OWN_NAME = "local"
"""Name of the token that the supervisor makes for itself when the settings name none."""
_FILE = "operator.token"
_TOKEN_BYTES = 32
"""As many as a key has: nobody guesses it, at any rate of tries."""
_LEAST_CHARS = 16
"""A shorter token is a password that somebody thought of."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_log = structlog.get_logger(__name__)


class WeakTokenError(Exception):
    """A token that could be guessed. Names it, never shows it."""


class Tokens:
    """The tokens that open one door, by the name of whoever has them."""

    def __init__(self, named: Mapping[str, str]) -> None:
        """Take the values and keep their digests.

        Raises:
            WeakTokenError: a value is too short.
        """
        for name, value in named.items():
            if len(value) < _LEAST_CHARS:
                raise WeakTokenError(f"token {name} has fewer than {_LEAST_CHARS} characters: make a random one")
        self._digests = {name: _digest(value) for name, value in named.items()}

    def __len__(self) -> int:
        return len(self._digests)

    def owner_of(self, given: str) -> str | None:
        """Return the name of the token that was given; None = nobody's.

        Digests of one length are compared in constant time, and all of them: how long it takes tells nothing.
        """
        digest, found = _digest(given), None
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = name
        return found


def resolved(references: Mapping[str, str]) -> Tokens:
    """Read the tokens that `references` point to.

    Raises:
        SecretMissingError: a reference leads to nothing.
        WeakTokenError: a token is too short.
    """
    return Tokens({name: resolve(reference).reveal() for name, reference in references.items()})


def operator_tokens(state_dir: Path, reference: str | None, named: Mapping[str, str]) -> Tokens:
    """Return the tokens that open the operator's doors; make one when the settings name none.

    Raises:
        SecretMissingError: a reference leads to nothing.
        WeakTokenError: a token is too short.
        OSError: the token cannot be written.
    """
    return resolved({**named, OWN_NAME: reference or f"file:{own_token(state_dir)}"})


def token_file(state_dir: Path) -> Path:
    """Return where the supervisor keeps the token that it makes for itself."""
    return state_dir / _FILE


def own_token(state_dir: Path) -> Path:
    """Make sure that there is a token which only this user can read; return its file.

    One that others could read is replaced: they may have read it.

    Raises:
        OSError: the file cannot be written.
    """
    path = token_file(state_dir)
    try:
        if not path.stat().st_mode & _OTHERS and path.read_text(encoding="utf-8").strip():
            return path
        _log.warning("token_replaced", file=str(path), why="others could read it, or it was empty")
    except FileNotFoundError:
        pass  # the first start
    state_dir.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
    fresh.replace(path)
    return path


def _digest(value: str) -> bytes:
    # Bytes of a header that are no UTF-8 arrive as surrogates: they are a wrong token, not an error.
    return sha256(value.encode(errors="surrogatepass")).digest()
