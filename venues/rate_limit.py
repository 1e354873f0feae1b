"""Who may send how much, and who goes first: a request budget in lanes, so that the way out is always free."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from strategies.domain.order import Lane
from venues.errors import RateLimited

_PRIORITY: Final = (Lane.EXIT, Lane.HEDGE, Lane.ENTRY, Lane.READ)
"""Most urgent first. A lane keeps out of the reserves of all lanes before it."""
LONGEST_WAIT_S: Final = 60.0
"""A venue's limits count over a minute at most; a longer wait it names is a mistake or an attack on our way out."""
EXIT_PACE_S: Final = 1.0
"""Even when the venue has said that we come too often, an exit may try once in this time. Refused again, it has done no
harm; a way out that waits for a number which somebody else chose is no way out."""
EXIT_OVERDRAFT_S: Final = 5.0
"""With the whole budget spent an exit may still try once in this time: what we have counted may not be what the venue
has, and a refusal does no harm. Twelve a minute are too few to be taken for an attack."""
NO_ROOM_WAIT_S: Final = 0.25
"""Wait after a write other than an exit found its lane's budget gone: room comes back bit by bit."""
_WAIT_DIGITS: Final = 9
"""A wait with more digits than this is no number of seconds."""

_AFTER_S: Final = 0.001
"""Waiters are woken this much after a place falls free, so that rounding of clocks never wakes them just before."""


@dataclass(slots=True, eq=False)
class _Waiter:
    weight: float
    granted: asyncio.Future[None] = field(repr=False)


class LaneBudget:
    """Grants at most `limit` weight in any `window_s` seconds, but for an exit now and then (`EXIT_OVERDRAFT_S`).

    Each lane leaves the reserves of all more urgent lanes untouched, and never passes a more urgent lane that waits.
    Time is the running event loop's.
    """

    def __init__(
        self,
        limit: float,
        window_s: float,
        *,
        reserves: Mapping[Lane, float],
    ) -> None:
        """Keep the settings.

        Args:
            limit: weight (requests, where all weigh one) that the venue takes in one window.
            window_s: the window's length, seconds.
            reserves: weight that only this lane and more urgent ones may use; a lane not named has none.

        Raises:
            ValueError: the reserves leave nothing for the last lane, or a number is negative.
        """
        if limit <= 0 or window_s <= 0 or any(reserve < 0 for reserve in reserves.values()):
            raise ValueError("limit and window must be positive, reserves not negative")
        self._limit = limit
        self._window_s = window_s
        self._ceiling: dict[Lane, float] = {}
        ceiling = limit
        for lane in _PRIORITY:
            self._ceiling[lane] = ceiling
            ceiling -= reserves.get(lane, 0.0)
        if self._ceiling[_PRIORITY[-1]] < 1:
            raise ValueError(f"reserves {dict(reserves)} leave nothing of {limit} for {_PRIORITY[-1]}")
        self._spent: deque[tuple[float, float]] = deque()
        self._used = 0.0
        self._penalised_until = float("-inf")
        self._exit_since = float("-inf")
        """When the last exit left, or the venue last held us back: exits keep their distance from it."""
        self._waiting: dict[Lane, deque[_Waiter]] = {lane: deque() for lane in _PRIORITY}
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, lane: Lane, weight: float = 1.0) -> None:
        """Wait until `weight` may be sent on `lane`; it counts as sent when this returns.

        Raises:
            ValueError: more than the lane may ever have.
        """
        if self.try_acquire(lane, weight):
            return
        waiter = _Waiter(weight, asyncio.get_running_loop().create_future())
        self._waiting[lane].append(waiter)
        self._serve()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter in self._waiting[lane]:
                self._waiting[lane].remove(waiter)
                self._serve()
            raise

    def try_acquire(self, lane: Lane, weight: float = 1.0) -> bool:
        """Take `weight` now if nobody of the same or a more urgent lane waits and the budget has it.

        Raises:
            ValueError: more than the lane may ever have.
        """
        if weight <= 0 or weight > self._ceiling[lane]:
            raise ValueError(f"{lane} can never send weight {weight} (at most {self._ceiling[lane]})")
        if any(self._waiting[other] for other in _up_to(lane)) or not self._fits(lane, weight):
            return False
        self._spend(lane, weight)
        return True

    async def acquire_write(self, lane: Lane, weight: float = 1.0) -> None:
        """Take `weight` for a write that is ready to leave: an exit waits for it, any other write never does.

        Writes leave one after another, and nothing may stand before an exit only because it waits for its budget.

        Raises:
            RateLimited: no room on this lane now; nothing was taken.
        """
        if lane is Lane.EXIT:
            await self.acquire(lane, weight)
        elif not self.try_acquire(lane, weight):
            raise RateLimited(f"our own budget has no room for {lane} now", NO_ROOM_WAIT_S)

    def left(self) -> dict[Lane, float]:
        """Return what each lane could send at this moment."""
        now = self._now()
        self._forget(now)
        left = {lane: max(0.0, self._ceiling[lane] - self._used) for lane in _PRIORITY}
        if now < self._penalised_until:
            left = dict.fromkeys(_PRIORITY, 0.0)
        if left[Lane.EXIT] < 1 and self._fits(Lane.EXIT, 1.0):
            left[Lane.EXIT] = 1.0
        return left

    def penalise(self, retry_after_s: float) -> None:
        """Hold back for `retry_after_s` (at most a minute), exits excepted: the venue said that we come too often.

        Exits go on at one in `EXIT_PACE_S`.
        """
        now = self._now()
        self._penalised_until = max(self._penalised_until, now + bounded_wait_s(retry_after_s))
        self._exit_since = now
        self._serve()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _fits(self, lane: Lane, weight: float) -> bool:
        now = self._now()
        self._forget(now)
        if lane is Lane.EXIT:
            return now >= self._exit_since + self._exit_distance_s(weight)
        return now >= self._penalised_until and self._used + weight <= self._ceiling[lane]

    def _exit_distance_s(self, weight: float) -> float:
        """Return how far an exit keeps from the one before it, at this moment."""
        if self._used + weight > self._ceiling[Lane.EXIT]:
            return EXIT_OVERDRAFT_S
        return EXIT_PACE_S if self._now() < self._penalised_until else 0.0

    def _spend(self, lane: Lane, weight: float) -> None:
        now = self._now()
        self._spent.append((now, weight))
        self._used += weight
        if lane is Lane.EXIT:
            self._exit_since = now

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] + self._window_s <= now:
            self._used -= self._spent.popleft()[1]
        if not self._spent:
            self._used = 0.0  # drops what adding and subtracting fractions left over

    def _serve(self) -> None:
        """Grant whoever may go, most urgent first, and wake up again when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for lane in _PRIORITY:
            queue = self._waiting[lane]
            while queue:
                waiter = queue[0]
                if waiter.granted.done():
                    queue.popleft()
                    continue
                if not self._fits(lane, waiter.weight):
                    self._wake_at(self._free_at(lane, waiter.weight))
                    return
                queue.popleft()
                self._spend(lane, waiter.weight)
                waiter.granted.set_result(None)

    def _free_at(self, lane: Lane, weight: float) -> float:
        excess = self._used + weight - self._ceiling[lane]
        moment = self._penalised_until
        if lane is Lane.EXIT:
            # What it would keep now is the most it will have to; as room comes back it is looked at again.
            return self._exit_since + self._exit_distance_s(weight)
        for at, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            moment = max(moment, at + self._window_s)
        return moment

    def _wake_at(self, moment: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(max(moment, self._now()) + _AFTER_S, self._serve)


def bounded_wait_s(seconds: float) -> float:
    """Return a wait that somebody else has named, between nothing and `LONGEST_WAIT_S`; seconds."""
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


def named_wait_s(header: str, otherwise_s: float) -> float:
    """Return the wait that a Retry-After header names, bounded; `otherwise_s` when it names no number of seconds."""
    if not (header.isascii() and header.isdigit()):
        return otherwise_s
    return bounded_wait_s(float(header[:_WAIT_DIGITS]))


def _up_to(lane: Lane) -> tuple[Lane, ...]:
    return _PRIORITY[: _PRIORITY.index(lane) + 1]
