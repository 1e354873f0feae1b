"""Throw-away keys of the simulated accounts: made at the start, or kept as files that only their owner may read."""

import base64
import binascii
import os
from pathlib import Path

from nacl.signing import SigningKey
from typed_lighter.core.exc import AuthError
from typed_lighter.core.signer.key import PythonSigner, generate_api_key

from venues.simulator.wire import BackpackKey, LighterKey

LIGHTER_API_KEY_INDEX = 4
"""The first key index that is free for programs: the venue's own pages use the ones below."""
_OWNER_ONLY = 0o600


class KeyFileError(Exception):
    """A key file cannot be read, written or understood. Names the file, never its content."""


def lighter_key(account_index: int, keys_dir: Path | None) -> LighterKey:
    """Make a key, or take the one in the folder; a new one is kept there.

    Raises:
        KeyFileError: the file cannot be used.
    """
    path = lighter_key_path(account_index, keys_dir)
    private_key = _kept(path) if path is not None else None
    if private_key is None:
        private_key = generate_api_key().private_key
        if path is not None:
            _keep(path, private_key)
    try:
        public_key = PythonSigner.from_hex(private_key).public_key.hex()
    except AuthError as error:
        raise KeyFileError(f"{path} does not hold a Lighter private key") from error
    return LighterKey(account_index, LIGHTER_API_KEY_INDEX, public_key, private_key)


def backpack_key(name: str, keys_dir: Path | None) -> BackpackKey:
    """Make a key, or take the one in the folder; a new one is kept there.

    Raises:
        KeyFileError: the file cannot be used.
    """
    path = backpack_key_path(name, keys_dir)
    secret = _kept(path) if path is not None else None
    if secret is None:
        secret = base64.b64encode(bytes(SigningKey.generate())).decode()
        if path is not None:
            _keep(path, secret)
    try:
        signing_key = SigningKey(base64.b64decode(secret, validate=True))
    except (binascii.Error, ValueError) as error:
        raise KeyFileError(f"{path} does not hold a Backpack secret") from error
    return BackpackKey(name, base64.b64encode(bytes(signing_key.verify_key)).decode(), secret)


def lighter_key_path(account_index: int, keys_dir: Path | None) -> Path | None:
    """Return where the account's key is kept; None when keys are not kept."""
    return None if keys_dir is None else keys_dir / f"lighter-{account_index}.key"


def backpack_key_path(name: str, keys_dir: Path | None) -> Path | None:
    """Return where the account's key is kept; None when keys are not kept."""
    return None if keys_dir is None else keys_dir / f"backpack-{name}.key"


def _kept(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.__class__.__name__}") from error


def _keep(path: Path, secret: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Created with its final mode: at no moment may somebody else read it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w", encoding="ascii") as file:
            file.write(secret + "\n")
    except OSError as error:
        raise KeyFileError(f"cannot write the key file {path}: {error.__class__.__name__}") from error
