"""Secrets travel as references (`env:NAME`, `file:PATH`); values are read only inside the process that uses them."""

import os
from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import AfterValidator

_MAX_SECRET_BYTES = 64 * 1024
"""A key file larger than this is not a key: refuse to read it."""


class SecretMissingError(Exception):
    """A reference points to nothing. Names the reference, never the value."""


class Secret:
    """A secret value that shows itself nowhere: not in a log, a repr, a pickle or an error."""

    __slots__ = ("_reference", "_value")

    def __init__(self, reference: str, value: str) -> None:
        """Hold the value together with the reference it came from."""
        self._reference = reference
        self._value = value

    def reveal(self) -> str:
        """Return the value. Call it where it is used, not before."""
        return self._value

    def __repr__(self) -> str:
        """Show the reference only."""
        return f"<secret {self._reference}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to leave the process."""
        raise TypeError("a secret does not leave its process")


def check_reference(reference: str) -> str:
    """Return `reference` when it is one. Raises ValueError otherwise; its text never repeats what was given."""
    scheme, _, rest = reference.partition(":")
    if scheme not in {"env", "file"} or not rest:
        # The text itself may be a key pasted by mistake, so it is not repeated.
        raise ValueError("a secret is given as a reference: env:NAME or file:PATH, never as the value itself")
    return reference


SecretRef = Annotated[str, AfterValidator(check_reference)]
"""A checked reference to a secret."""


def resolve(reference: str) -> Secret:
    """Read the secret that `reference` points to.

    Raises:
        SecretMissingError: the variable is not set, the file cannot be read, or it is empty.
        ValueError: the text is not a reference.
    """
    scheme, _, rest = check_reference(reference).partition(":")
    if scheme == "env":
        value = os.environ.get(rest, "").strip()
        if not value:
            raise SecretMissingError(f"environment variable {rest} is not set (needed by {reference})")
        return Secret(reference, value)
    path = Path(rest).expanduser()
    try:
        if path.stat().st_size > _MAX_SECRET_BYTES:
            raise SecretMissingError(f"{path} is too large for a key file (needed by {reference})")
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretMissingError(f"cannot read {path}: {error.__class__.__name__} (needed by {reference})") from error
    if not value:
        raise SecretMissingError(f"{path} is empty (needed by {reference})")
    return Secret(reference, value)
