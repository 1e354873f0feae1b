"""Naked time: how long, and how much, a group was uncovered; and how long a hedge takes to be known at its venue."""

from collections.abc import Sequence
from decimal import Decimal

from strategies.domain.commands import Command, SubmitOrder
from strategies.domain.events import Event, OrderAccepted, OrderClosed, OrderDenied, OrderRejected
from strategies.domain.ids import OrderId, Timestamp
from strategies.domain.order import Lane
from strategies.machine import GroupView

_MS = 1_000
_HALF = Decimal("0.5")
"""Half a lot: less than that is rounding, not exposure."""


class NakedClock:
    """Runs while the sum of all legs is above half a lot. Fed with the view after every step."""

    def __init__(self) -> None:
        """Start covered."""
        self.since: Timestamp | None = None
        self._changed_at = Timestamp(0)
        self._usd = 0.0
        self._seconds = 0.0
        self._usd_seconds = 0.0

    def update(self, at: Timestamp, view: GroupView) -> float | None:
        """Take note of a new state; return the length in seconds of the interval that it ends, if it ends one."""
        net, lot = view.net, view.lot
        naked = net != 0 and (lot is None or abs(net) > lot * _HALF)
        if self.since is not None:
            self._usd_seconds += self._usd * max(0, at - self._changed_at) / _MS
        self._changed_at = at
        self._usd = float(abs(net) * view.mark) if naked and view.mark is not None else 0.0
        if naked:
            self.since = self.since if self.since is not None else at
            return None
        if self.since is None:
            return None
        interval_s = max(0, at - self.since) / _MS
        self._seconds += interval_s
        self.since = None
        return interval_s

    def seconds(self, now: Timestamp) -> float:
        """Return all naked seconds so far, the running interval included."""
        running = 0 if self.since is None else max(0, now - self.since)
        return self._seconds + running / _MS

    def usd_seconds(self, now: Timestamp) -> float:
        """Return all naked USD times seconds so far, the running interval included."""
        if self.since is None:
            return self._usd_seconds
        return self._usd_seconds + self._usd * max(0, now - self._changed_at) / _MS


class HedgeClock:
    """Times every order of the HEDGE lane, from the event that made the strategy ask for it to the venue's word."""

    def __init__(self) -> None:
        """Start with none on the way."""
        self._asked: dict[OrderId, Timestamp] = {}

    def update(self, event: Event, commands: Sequence[Command]) -> float | None:
        """Take note of a step; return the seconds of the hedge that it ends, if it ends one."""
        for command in commands:
            if isinstance(command, SubmitOrder) and command.order.lane is Lane.HEDGE:
                self._asked[command.order.order_id] = event.at
        match event:
            case OrderAccepted() | OrderClosed():
                asked_at = self._asked.pop(event.order_id, None)
                return None if asked_at is None else max(0, event.at - asked_at) / _MS
            case OrderDenied() | OrderRejected():
                self._asked.pop(event.order_id, None)  # no hedge came of it: that is another metric
        return None
