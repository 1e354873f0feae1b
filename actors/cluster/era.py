"""One Ray from its start to its fall: whatever was asked of it ends with it, at once and in words."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from actors.actor import ActorUnreachableError

T = TypeVar("T")


class Era:
    """The life of one Ray. Processes belong to the era that made them and do not outlive it."""

    def __init__(self) -> None:
        """Begin."""
        self.reason = ""
        """Why it fell; empty = it stands."""
        self.fallen_at: float | None = None
        """Loop time of the fall."""
        self.buried = asyncio.Event()
        """Set when every process of this machine that belonged to it is gone."""
        self._fall = asyncio.Event()

    @property
    def fallen(self) -> bool:
        """Say whether this Ray is no more."""
        return self._fall.is_set()

    def fall(self, reason: str) -> None:
        """End the era; only the first reason counts."""
        if not self.fallen:
            self.reason = reason
            self.fallen_at = asyncio.get_running_loop().time()
            self._fall.set()

    async def wait(self) -> str:
        """Wait for the fall; return its reason."""
        await self._fall.wait()
        return self.reason

    async def unless_fallen(self, answer: Awaitable[T]) -> T:
        """Wait for `answer`, but not beyond the era: a Ray that is gone answers nothing, for ever.

        Raises:
            ActorUnreachableError: this Ray has fallen.
        """
        work, fall = asyncio.ensure_future(answer), asyncio.ensure_future(self._fall.wait())
        try:
            await asyncio.wait({work, fall}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ActorUnreachableError(f"Ray is gone: {self.reason}")
            return work.result()
        finally:
            for each in (work, fall):
                each.cancel()
            await asyncio.gather(work, fall, return_exceptions=True)
