"""What an alert rule is, and how its times are written."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Who has to move, and when."""

    CRITICAL = "critical"
    """Money is at risk, or nobody can tell: look now."""
    WARNING = "warning"
    """It will get worse by itself: look today."""
    NONE = "none"
    """Not a trouble: the watchdog."""


@dataclass(frozen=True)
class Times:
    """Writes durations. `scale` below 1 shortens every `for` and every window, for drills; nothing else changes."""

    scale: float = 1.0
    shortest_window_s: float = 0.0
    """A window must hold two scrapes, however far it is scaled."""

    def window(self, seconds: float) -> str:
        """Return a range window."""
        return _duration(max(seconds * self.scale, self.shortest_window_s))

    def wait(self, seconds: float) -> str:
        """Return a `for`."""
        return _duration(seconds * self.scale)


Expression = Callable[[Times], str]


@dataclass(frozen=True)
class Rule:
    """One alert. Its section in docs/runbook.md has the rule's name as heading."""

    name: str
    expression: Expression
    for_s: float
    severity: Severity
    summary: str
    """One line with the number, in Prometheus's template language."""


_MS = 1000
_UNITS_S = (("h", 3600), ("m", 60), ("s", 1))


def _duration(seconds: float) -> str:
    """Write seconds as Prometheus does: 90 is 90s, 120 is 2m, half a second 500ms."""
    for unit, length in _UNITS_S:
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{round(seconds * _MS)}ms" if seconds else "0s"
