"""What a group shows of its life: the last steps of consequence, notes, how long it was naked and how long hedges took.

Nothing is decided by any of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import structlog

from actors.actor import Note
from actors.exposure import HedgeClock, NakedClock
from actors.meter import Meter
from actors.refusal import counter, refusal_in
from actors.words import in_words
from strategies.domain.commands import CancelTimer, Command, Notify, Observe, SetTimer
from strategies.domain.events import (
    AccountModeChanged,
    Event,
    Observed,
    OrderAccepted,
    OrderOutcomeUnknown,
    OrderSubmitted,
    RandomDrawn,
    TimerFired,
)
from strategies.domain.ids import GroupId
from strategies.machine import GroupView
from venues.venue import Now

_log = structlog.get_logger(__name__)

_RECENT = 30
"""Steps of consequence kept in words for the operator."""
_NOTES = 20
"""Notifications kept for whoever tells them: many more than a strategy makes between two reports."""

_MOVES_NOTHING = (TimerFired, RandomDrawn, OrderSubmitted, OrderAccepted, OrderOutcomeUnknown, AccountModeChanged)
"""Events after which every leg holds what it held, at the same price: belief is a fold of fills, ends and looks."""


class GroupReport:
    """Kept by one life of a group; fed after every step."""

    def __init__(self, group: GroupId, meter: Meter, *, now: Now) -> None:
        """Begin with nothing to show; what is counted and timed goes into the meter."""
        self.naked = NakedClock()
        self._group = group
        self._meter = meter
        self._now = now
        self._hedges = HedgeClock()
        self._recent: deque[tuple[Event, tuple[Command, ...]]] = deque(maxlen=_RECENT)
        self._notes: deque[Note] = deque(maxlen=_NOTES)
        self._noted = 0

    @property
    def recent(self) -> tuple[str, ...]:
        """Return the last steps of consequence in words, newest last."""
        return tuple(in_words(event, commands) for event, commands in self._recent)

    @property
    def notes(self) -> tuple[Note, ...]:
        """Return what this life last wanted told, newest last."""
        return tuple(self._notes)

    def resume(self, steps: Iterable[tuple[Event, tuple[Command, ...]]]) -> None:
        """Take over the last steps of an earlier life."""
        self._recent.extend(each for each in steps if not is_routine(*each))

    def note(self, command: Notify, cycle: int) -> None:
        """Keep a notification for the next report: who tells it lives in another process, and is never waited for."""
        severity, topic, text = command.severity, command.topic, command.text
        self._meter.count(f"notifications_{severity.lower()}")
        _log.info("notify", group=self._group, severity=severity, topic=topic, text=text)
        self._noted += 1
        self._notes.append(
            Note(number=self._noted, at=self._now(), severity=severity, topic=topic, text=text, cycle=cycle)
        )

    def stepped(
        self, event: Event, commands: tuple[Command, ...], view: Callable[[], GroupView], before: str | None
    ) -> None:
        """Take note of a step that was done.

        Args:
            event: what was decided upon.
            commands: what followed.
            view: the view after it; asked only where it may have changed, for it costs more than all the rest.
            before: the phase before a routine step, which is of consequence when it has led to another; None = it is no
                routine step.
        """
        if before is None or view().phase != before:
            self._recent.append((event, commands))
        naked_s = None if isinstance(event, _MOVES_NOTHING) else self.naked.update(event.at, view())
        if naked_s is not None:
            self._meter.observe("naked_interval", naked_s)
        hedge_s = self._hedges.update(event, commands)
        if hedge_s is not None:
            self._meter.observe("hedge", hedge_s)
        refused = refusal_in(event)
        if refused is not None:
            self._meter.count(counter(*refused))
        self._meter.count("steps")


def is_routine(event: Event, commands: Sequence[Command]) -> bool:
    """Say whether a step was a look at the legs that led to nothing: it happens every few seconds for hours."""
    return isinstance(event, TimerFired | Observed) and all(
        isinstance(command, Observe | SetTimer | CancelTimer) for command in commands
    )
