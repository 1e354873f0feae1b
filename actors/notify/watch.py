"""What is worth telling in a picture of the whole, and what has happened since the picture before. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from actors.actor import Liveness, Note
from actors.notify import wording
from actors.notify.message import Message
from actors.notify.settings import NotificationSettings
from actors.supervision.overview import ActorRow, GroupRow, Overview
from strategies.domain.account import AccountMode
from strategies.domain.commands import Severity
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId, Timestamp

_MS = 1000
_TOLD_OTHERWISE = frozenset({"finished", "parked"})
"""Topics of strategies that a change of the group's outcome tells, with more in it."""
_MONEY = frozenset({"exit", "exit_stuck", "flat", "flatten_stuck"})
"""Topics after which a person asks what it has cost."""


@dataclass(frozen=True)
class Trouble:
    """Something that lasts until it is over."""

    severity: Severity
    text: str
    over: str
    """What to say when it is over, after `Recovered:`."""


@dataclass(frozen=True)
class Event:
    """Something that has happened, once. `key` is what repetitions are counted by; empty = each one is told."""

    key: str
    message: Message


@dataclass(frozen=True)
class Memory:
    """What has to be known of the picture before."""

    began_at: Timestamp
    """What was said before that moment is somebody else's to tell."""
    noticed: int = 0
    notes: Mapping[GroupId, tuple[int, int]] = field(default_factory=dict)
    """Group → the epoch and number of the last note that was seen."""
    states: Mapping[GroupId, OperatorState] = field(default_factory=dict)
    finished: frozenset[GroupId] = frozenset()
    restarts: Mapping[str, int] = field(default_factory=dict)


def remember(seen: Overview, began_at: Timestamp) -> Memory:
    """Take from a picture what the next one is held against."""
    reported = {name: row.status for name, row in seen.groups.items() if row.status is not None}
    return Memory(
        began_at=began_at,
        noticed=seen.noticed,
        notes={name: (each.epoch, each.notes[-1].number if each.notes else 0) for name, each in reported.items()},
        states={name: each.view.operator_state for name, each in reported.items()},
        finished=frozenset(name for name, row in seen.groups.items() if _finished(row)),
        restarts={f"{actor.kind}/{actor.name}": actor.restarts for actor in _actors(seen)},
    )


def events(before: Memory, seen: Overview) -> Iterator[Event]:
    """Yield what has happened since."""
    fresh = min(seen.noticed - before.noticed, len(seen.notices))
    for text in seen.notices[len(seen.notices) - fresh :]:
        yield Event("", Message(at=seen.at, severity=Severity.CRITICAL, text=text))
    for name, row in seen.groups.items():
        yield from _group_events(before, seen, name, row)


def _group_events(before: Memory, seen: Overview, name: GroupId, row: GroupRow) -> Iterator[Event]:
    status = row.status
    if status is None:
        return
    for note in status.notes:
        fresh = note.at >= before.began_at and (status.epoch, note.number) > before.notes.get(name, (0, 0))
        if fresh and note.topic not in _TOLD_OTHERWISE:
            yield _event_of(name, note, row)
    if name in before.states and before.states[name] is not status.view.operator_state:
        text = wording.steered(name, status.view)
        yield Event("", Message(at=seen.at, severity=Severity.INFO, text=text))
    if _finished(row) and name not in before.finished:
        text = wording.finished(name, status.view)
        yield Event("", Message(at=seen.at, severity=Severity.INFO, text=text))


def _event_of(name: GroupId, note: Note, row: GroupRow) -> Event:
    assert row.status is not None  # noqa: S101 - a note comes in a report
    text = wording.noted(name, note, row.status.view, with_profits=note.topic in _MONEY)
    # Ordinary news of one kind is counted across cycles; what may need a person counts anew in each.
    key = f"{name}/{note.topic}" + ("" if note.severity is Severity.INFO else f"/{note.cycle}")
    return Event(key, Message(at=note.at, severity=note.severity, text=text))


def troubles(before: Memory, seen: Overview, settings: NotificationSettings) -> dict[str, Trouble]:
    """Return what is wrong now, by a name that stays the same while it is."""
    found: dict[str, Trouble] = {}
    for actor in _actors(seen):
        trouble = _heartbeat(before, seen, actor, settings.heartbeat_after_s)
        if trouble is not None:
            found[f"heartbeat/{actor.kind}/{actor.name}"] = trouble
    for name, row in seen.groups.items():
        found |= _group_troubles(seen, name, row, settings)
    found |= _account_troubles(seen, settings)
    for channel in seen.channels:
        if channel.failing_since is not None:
            text = wording.channel_fails(channel.name, channel.last_error, channel.waiting)
            found[f"channel/{channel.name}"] = Trouble(
                Severity.WARNING, text, f"notifications go out by {channel.name} again"
            )
    return found


def _heartbeat(before: Memory, seen: Overview, actor: ActorRow, after_s: float) -> Trouble | None:
    name = f"{actor.kind}/{actor.name}"
    over = f"{name} reports again"
    late = actor.heard_at is not None and seen.at - actor.heard_at > after_s * _MS
    if actor.liveness in {Liveness.SILENT, Liveness.DEAD} or late:
        if actor.heard_at is None and not actor.last_death and not actor.gave_up:
            return None  # it has never lived: that is a start, not a loss
        return Trouble(Severity.CRITICAL if actor.gave_up else Severity.WARNING, wording.silent(actor, seen.at), over)
    if actor.restarts > before.restarts.get(name, actor.restarts):
        return Trouble(Severity.WARNING, wording.died_between(actor), over)
    return None


def _group_troubles(seen: Overview, name: GroupId, row: GroupRow, settings: NotificationSettings) -> dict[str, Trouble]:
    found: dict[str, Trouble] = {}
    if row.trouble:
        found[f"parked/{name}"] = Trouble(Severity.CRITICAL, wording.parked(name, row), f"{name} is parked no more")
    status = row.status
    if status is None:
        return found
    if status.stopped and not row.trouble:
        found[f"waits/{name}"] = Trouble(
            Severity.CRITICAL, wording.waits(name, status.stopped), f"{name} decides again"
        )
    since_s = 0.0 if status.naked_since is None else (seen.at - status.naked_since) / _MS
    if since_s > settings.naked_after_s:
        text = wording.naked(name, status.view, since_s)
        found[f"naked/{name}"] = Trouble(Severity.CRITICAL, text, f"{name} is covered")
    return found


def _account_troubles(seen: Overview, settings: NotificationSettings) -> dict[str, Trouble]:
    found: dict[str, Trouble] = {}
    for name, row in seen.accounts.items():
        status = row.status
        if status is None:
            continue
        if status.mode is AccountMode.FROZEN:
            text = wording.frozen(name, status.reason)
            found[f"frozen/{name}"] = Trouble(Severity.CRITICAL, text, f"account {name} is {AccountMode.ARMED} again")
        oldest = min(status.unknown.values(), default=None)
        if oldest is not None and seen.at - oldest > settings.unknown_after_s * _MS:
            text = wording.unknown(name, row, seen.at)
            over = f"every order of account {name} has a proven outcome"
            found[f"unknown/{name}"] = Trouble(Severity.CRITICAL, text, over)
        if status.too_old:
            text = wording.too_old(name, status.too_old)
            over = f"no order of account {name} waits for a person any more"
            found[f"too_old/{name}"] = Trouble(Severity.CRITICAL, text, over)
    return found


def _finished(row: GroupRow) -> bool:
    return row.over and not row.trouble and not row.parking and row.status is not None


def _actors(seen: Overview) -> Iterator[ActorRow]:
    """Yield the actors that still have something to do."""
    for account in seen.accounts.values():
        yield account.actor
    for group in seen.groups.values():
        if not group.over:
            yield group.actor
