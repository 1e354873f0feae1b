"""Verifying signatures beside the event loop, in the order they came.

One verification is about 10 ms of pure Python. A single worker thread takes them one after another, so transactions of
a key keep their order, and the loop goes on answering meanwhile.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from typed_lighter.core.signer.token import verify_auth_token

from venues.simulator.lighter.transactions import Transaction


class Verifier:
    """Judges signatures, or (switched off) takes every well-formed one for good."""

    def __init__(self, *, enabled: bool) -> None:
        """Start without a thread; the first verification starts it."""
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lighter-verify") if enabled else None

    async def is_signed(self, transaction: Transaction, public_key: bytes) -> bool:
        """Say whether the transaction was signed by that key."""
        if self._pool is None:
            return True
        return await asyncio.get_running_loop().run_in_executor(self._pool, transaction.is_signed_by, public_key)

    async def is_token(self, token: str, public_key: bytes) -> bool:
        """Say whether the auth token was signed by that key."""
        if self._pool is None:
            return True
        return await asyncio.get_running_loop().run_in_executor(self._pool, _token_is_signed, token, public_key)

    def stop(self) -> None:
        """Let the worker finish what it is at, and end it."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _token_is_signed(token: str, public_key: bytes) -> bool:
    return bool(verify_auth_token(token, public_key))
