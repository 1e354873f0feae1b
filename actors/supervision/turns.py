"""Whose turn it is: so many at a time, and of those who wait the most urgent first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

Rank = tuple[int, ...]
"""Lower comes first."""


class Turns:
    """A number of places, handed out by rank; equal ranks in the order in which they came."""

    def __init__(self, places: int) -> None:
        """Let `places` have their turn at the same time."""
        self._free = places
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    @asynccontextmanager
    async def turn(self, rank: Rank) -> AsyncIterator[None]:
        """Wait for a place, and keep it throughout the block."""
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), called))
        # Not at once: of those who come at the same moment, the most urgent is to be the first.
        loop.call_soon(self._call)
        try:
            await called
            yield
        finally:
            if called.done() and not called.cancelled():
                self._free += 1
                self._call()

    def _call(self) -> None:
        while self._free and self._waiting:
            *_, called = heapq.heappop(self._waiting)
            if not called.done():  # else it has given up waiting
                self._free -= 1
                called.set_result(None)
