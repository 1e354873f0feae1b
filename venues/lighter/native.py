"""The official signer library, loaded without the SDK's generated REST client.

`import lighter` costs more than a second and tens of megabytes for code we never call (NOTES.md has the numbers). The
package ships the signer as a C library with a header for use from other languages, so it is loaded directly. Two checks
keep this honest: the header that lies beside the library must state exactly the signatures declared here, and whoever
signs reads every signed transaction back field by field (signing.py).
"""

import ctypes
import importlib.util
import platform
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

_LIBRARY = {
    ("linux", "x86_64"): "lighter-signer-linux-amd64.so",
    ("linux", "aarch64"): "lighter-signer-linux-arm64.so",
    ("linux", "arm64"): "lighter-signer-linux-arm64.so",
    ("darwin", "x86_64"): "lighter-signer-darwin-amd64.dylib",
    ("darwin", "arm64"): "lighter-signer-darwin-arm64.dylib",
}
_C_TYPES: dict[str, type] = {
    "int": ctypes.c_int,
    "long long int": ctypes.c_longlong,
    "uint8_t": ctypes.c_uint8,
    "char*": ctypes.c_char_p,
    "void*": ctypes.c_void_p,
}
_PROTOTYPES = {
    "GenerateAPIKey": "",
    "CreateClient": "char*, char*, int, int, long long int",
    "SignCreateOrder": (
        "long long int, long long int, long long int, int, int, int, int, int, int, long long int, long long int, "
        "int, int, uint8_t, uint8_t, uint8_t, long long int, int, long long int"
    ),
    "SignCancelOrder": "long long int, long long int, uint8_t, long long int, int, long long int",
    "SignCancelAllOrders": "int, long long int, long long int, uint8_t, long long int, int, long long int",
    "SignUpdateLeverage": "long long int, int, int, uint8_t, long long int, int, long long int",
    "CreateAuthToken": "long long int, int, long long int",
    "Free": "void*",
}
"""Types of the arguments, in order, as the header of lighter-sdk 1.1.8 declares them."""


class _SignedTx(ctypes.Structure):
    _fields_ = (
        ("tx_type", ctypes.c_uint8),
        ("tx_info", ctypes.c_void_p),
        ("tx_hash", ctypes.c_void_p),
        ("message_to_sign", ctypes.c_void_p),
        ("error", ctypes.c_void_p),
    )


class _Text(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("error", ctypes.c_void_p))


class _KeyPair(ctypes.Structure):
    _fields_ = (("private", ctypes.c_void_p), ("public", ctypes.c_void_p), ("error", ctypes.c_void_p))


_RESULTS: dict[str, type | None] = {
    "GenerateAPIKey": _KeyPair,
    "CreateClient": ctypes.c_void_p,
    "CreateAuthToken": _Text,
    "Free": None,
}
"""Result types of what does not return a signed transaction."""


class SignerError(Exception):
    """The signer cannot be used, or refused to sign. Never holds key material."""


class SignedTx(NamedTuple):
    """What the library returns: type number, the signed JSON, the transaction hash."""

    tx_type: int
    tx_info: str
    tx_hash: str


class NativeSigner:
    """The C library with Python types. Keeps its clients process-wide, keyed by account and key index."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Declare the functions that are used."""
        self._library = library
        for name, arguments in _PROTOTYPES.items():
            function = getattr(library, name)
            function.argtypes = [_C_TYPES[word] for word in _words(arguments)]
            function.restype = _RESULTS.get(name, _SignedTx)

    def create_client(self, private_key: str, chain_id: int, api_key_index: int, account_index: int) -> None:
        """Register a key.

        The address is left empty: without one the library makes no HTTP client, so it cannot connect to anything.

        Raises:
            SignerError: the library does not take the key.
        """
        error = self._take(
            self._library.CreateClient(b"", private_key.encode(), chain_id, api_key_index, account_index)
        )
        if error is not None:
            # The library's own words can quote characters of the key.
            raise SignerError(f"the signer does not take the key of index {api_key_index}")

    def call(self, function: str, *arguments: int) -> SignedTx:
        """Call one of the signing functions.

        Raises:
            SignerError: the library refused; its words are kept.
        """
        raw = getattr(self._library, function)(*arguments)
        error, info = self._take(raw.error), self._take(raw.tx_info)
        tx_hash, _ = self._take(raw.tx_hash), self._take(raw.message_to_sign)
        if error is not None or info is None or tx_hash is None:
            raise SignerError(error or f"{function} returned nothing")
        return SignedTx(int(raw.tx_type), info, tx_hash)

    def auth_token(self, deadline_s: int, api_key_index: int, account_index: int) -> str:
        """Make a token for private reads, valid until `deadline_s` (seconds since 1970).

        Raises:
            SignerError: the library refused.
        """
        raw = self._library.CreateAuthToken(deadline_s, api_key_index, account_index)
        error, text = self._take(raw.error), self._take(raw.text)
        if error is not None or text is None:
            raise SignerError(error or "CreateAuthToken returned nothing")
        return text

    def generate_key(self) -> tuple[str, str]:
        """Make a new key pair: private and public, hex.

        Raises:
            SignerError: the library refused.
        """
        raw = self._library.GenerateAPIKey()
        error, private, public = self._take(raw.error), self._take(raw.private), self._take(raw.public)
        if error is not None or private is None or public is None:
            raise SignerError("the signer could not make a key")
        return private, public

    def _take(self, pointer: int | None) -> str | None:
        """Copy a string of the library and free it there."""
        if not pointer:
            return None
        raw = ctypes.cast(pointer, ctypes.c_char_p).value
        self._library.Free(pointer)
        return None if raw is None else raw.decode()


@cache
def load() -> NativeSigner:
    """Load the library for this machine, once per process.

    Raises:
        SignerError: no library for this machine, or its header differs from what is declared here.
    """
    name = _LIBRARY.get((platform.system().lower(), platform.machine().lower()))
    if name is None:
        raise SignerError(f"lighter-sdk has no signer for {platform.system()} on {platform.machine()}")
    spec = importlib.util.find_spec("lighter")
    if spec is None or not spec.submodule_search_locations:
        raise SignerError("lighter-sdk is not installed")
    path = Path(spec.submodule_search_locations[0]) / "signers" / name
    try:
        check_header(path.with_suffix(".h").read_text(encoding="utf-8"))
        return NativeSigner(ctypes.CDLL(str(path)))
    except OSError as error:
        raise SignerError(f"cannot load {name} of lighter-sdk: {error}") from error


def check_header(header: str) -> None:
    """Compare the library's own header with the signatures declared here.

    Raises:
        SignerError: a function is missing or takes other arguments: calling it would shift values between fields.
    """
    for name, arguments in _PROTOTYPES.items():
        found = re.search(rf"^extern [^\n]*?\b{name}\(([^)]*)\);", header, re.MULTILINE)
        stated = None if found is None else [_type_of(word) for word in _words(found.group(1))]
        if stated != _words(arguments):
            raise SignerError(f"lighter-sdk's signer declares {name} otherwise than this version expects")


def _words(arguments: str) -> list[str]:
    return [word.strip() for word in arguments.split(",") if word.strip()]


def _type_of(declaration: str) -> str:
    """Return the type of `type name` as it stands in a C header."""
    return declaration.rsplit(" ", 1)[0].strip()
