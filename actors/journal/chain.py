"""Checksums: each record's covers the one before it, so that no record can change, vanish or move unseen."""

from hashlib import blake2b

GENESIS = bytes(32)
"""Stands before the first record of every stream."""

_DIGEST_BYTES = 32
_LENGTH_BYTES = 8


def record_checksum(previous: bytes, *, stream: str, seq: int, epoch: int, kind: str, at: int, body: str) -> bytes:
    """Return the checksum of a record that follows a record with the checksum `previous`."""
    return _digest(previous, stream, str(seq), str(epoch), kind, str(at), body)


def snapshot_checksum(*, stream: str, seq: int, code_version: str, body: str) -> bytes:
    """Return the checksum of a snapshot."""
    return _digest(GENESIS, stream, str(seq), code_version, body)


def _digest(previous: bytes, *fields: str) -> bytes:
    # Each field is preceded by its length: ("ab", "c") and ("a", "bc") must not look the same.
    digest = blake2b(previous, digest_size=_DIGEST_BYTES)
    for field in fields:
        data = field.encode()
        digest.update(len(data).to_bytes(_LENGTH_BYTES))
        digest.update(data)
    return digest.digest()
