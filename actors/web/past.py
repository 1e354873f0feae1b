"""The last half hour of each group, for two small lines: what was uncovered, and what the accounts are worth."""

from collections import deque
from decimal import Decimal

from pydantic import Field

from actors.supervision.overview import Overview
from actors.web.board import equity_of, net_of
from strategies.domain.ids import GroupId, Timestamp
from strategies.domain.model import Value

POINT_S = 5
"""Width of a point: the line of half an hour is then as wide as a card in pixels."""
POINTS = 360
_MS = 1000


class Point(Value):
    """One group over five seconds. What was not known is None."""

    at: Timestamp = Field(description="when the point begins")
    net: Decimal | None = Field(description="the largest uncovered quantity seen in it, base units, signed")
    equity: Decimal | None = Field(description="the last one seen in it, USD")


class Past(Value):
    """Every group's points, oldest first."""

    point_s: int = POINT_S
    groups: dict[GroupId, tuple[Point, ...]]


class History:
    """Keeps the points in memory: they serve the eye, the journal and Prometheus keep what counts."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._groups: dict[GroupId, deque[Point]] = {}

    def take(self, seen: Overview) -> None:
        """Fold one picture; call it about once a second."""
        begin = Timestamp(seen.at - seen.at % (POINT_S * _MS))
        for name, row in seen.groups.items():
            at = begin
            net = None if row.status is None else net_of(row.status.view)
            points = self._groups.setdefault(name, deque(maxlen=POINTS))
            if points and points[-1].at >= at:  # a clock that was set back widens a point
                last = points.pop()
                at, net = last.at, _larger(last.net, net)
            points.append(Point(at=at, net=net, equity=equity_of(row, seen)))
        for gone in self._groups.keys() - seen.groups.keys():
            del self._groups[gone]

    def whole(self) -> Past:
        """Return everything."""
        return Past(groups={name: tuple(points) for name, points in self._groups.items()})

    def latest(self) -> Past:
        """Return the last point of each group: what a page that has the rest still needs."""
        return Past(groups={name: (points[-1],) for name, points in self._groups.items()})


def _larger(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Return what is further from zero, so that a short exposure is still seen in a wide point."""
    if one is None or other is None:
        return one if other is None else other
    return one if abs(one) > abs(other) else other
