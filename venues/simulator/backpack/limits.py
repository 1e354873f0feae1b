"""The request budget: one pool for the whole venue, counted over a sliding minute."""

from collections import deque
from collections.abc import Callable

from venues.simulator.backpack.errors import ApiError

PERIOD_MS = 60_000
REQUESTS_PER_MINUTE = 2000
"""What Backpack's support answers name; the API documentation gives no number."""


class RequestPool:
    """Counts requests over the last minute, on a clock in milliseconds that only moves forward."""

    def __init__(self, requests_per_minute: int, clock_ms: Callable[[], float]) -> None:
        """Allow `requests_per_minute` in any minute."""
        self._limit = requests_per_minute
        self._clock_ms = clock_ms
        self._taken: deque[float] = deque()

    def take(self) -> None:
        """Count one request.

        Raises:
            ApiError: 429, the pool is empty. The request that was refused does not count.
        """
        now = self._clock_ms()
        while self._taken and self._taken[0] <= now - PERIOD_MS:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            raise ApiError(429, "TOO_MANY_REQUESTS", "Too many requests")
        self._taken.append(now)
