"""How long each lane of an account rests after its venue could not take a write."""

import asyncio

from actors.account.spec import AccountTuning
from strategies.domain.order import Lane
from venues.errors import RateLimited, VenueError
from venues.rate_limit import EXIT_OVERDRAFT_S, EXIT_PACE_S, bounded_wait_s

_DOUBLINGS = 10
"""Beyond this the longest rest has long been reached; keeps the power small."""


class Rests:
    """One moment for each lane until which it rests.

    Exits do not rest as long as others: refused again they have done no harm, and they keep a pace of ours.
    """

    def __init__(self, tuning: AccountTuning) -> None:
        """Rest in no lane."""
        self._tuning = tuning
        self._until = dict.fromkeys(Lane, 0.0)
        self._failures = 0

    def after(self, error: VenueError) -> None:
        """Rest as long as the venue asks; without a word from it, twice as long with every failure in a row.

        A request that fails has cost budget all the same.
        """
        if isinstance(error, RateLimited):
            asked_s = bounded_wait_s(error.retry_after_s)
            self._rest(asked_s, exits_s=min(asked_s, EXIT_PACE_S))
            return
        growing_s = self._tuning.reconnect_first_s * 2 ** min(self._failures, _DOUBLINGS)
        rest_s = min(growing_s, self._tuning.reconnect_max_s)
        self._failures += 1
        self._rest(rest_s, exits_s=min(rest_s, EXIT_OVERDRAFT_S))

    def recovered(self) -> None:
        """Note that the venue has answered: the next failure is a first one."""
        self._failures = 0

    def holds(self, lane: Lane) -> bool:
        """Say whether a lane rests now."""
        return asyncio.get_running_loop().time() < self._until[lane]

    def _rest(self, seconds: float, *, exits_s: float) -> None:
        now = asyncio.get_running_loop().time()
        for lane, until in self._until.items():
            self._until[lane] = max(until, now + (exits_s if lane is Lane.EXIT else seconds))
