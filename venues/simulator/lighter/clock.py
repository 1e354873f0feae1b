"""The venue's two times: what it shows its clients, and what its matching engine runs on."""

from strategies.domain.ids import Timestamp
from venues.simulator.faults import FaultBook
from venues.simulator.wire import Now

VENUE = "lighter"
"""This venue's name among faults."""


class VenueClock:
    """A skewed clock shows in answers, and judges expiries and tokens; the engine's own time never jumps."""

    def __init__(self, now: Now, faults: FaultBook) -> None:
        """Read `now`, the clock that clients see."""
        self._now = now
        self._faults = faults

    def shown(self) -> Timestamp:
        """Return the time that clients see, epoch ms."""
        return self._now()

    def true(self) -> Timestamp:
        """Return the time that the exchange is told, epoch ms."""
        return Timestamp(self._now() - self._faults.skew_ms(VENUE))

    def as_shown(self, true: Timestamp) -> Timestamp:
        """Return an engine time as clients see it."""
        return Timestamp(true + self._faults.skew_ms(VENUE))
