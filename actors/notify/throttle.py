"""How often something is told: the first time, the tenth, then once an hour; and that it is over. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from actors.notify import wording
from actors.notify.message import Message
from actors.notify.watch import Event, Trouble
from strategies.domain.commands import Severity
from strategies.domain.ids import Timestamp

_TOLD_AGAIN_AT = 10
"""The occurrence that is told although it is not the first: by then it is a pattern."""
_KEYS_KEPT = 1_000
"""Kinds of events remembered; the oldest is forgotten first."""
_MS = 1000


@dataclass
class _Episode:
    """One trouble from its first occurrence until it has stayed away long enough."""

    began_at: Timestamp
    told_at: Timestamp
    trouble: Trouble
    times: int = 1
    cleared_at: Timestamp | None = None
    """None = it stands."""


@dataclass
class _Count:
    since: Timestamp
    told_at: Timestamp
    times: int = 1


class Throttle:
    """Remembers what was told. Holds no clock: every call brings its time."""

    def __init__(self, remind_every_s: float, recovered_after_s: float) -> None:
        """Remind every `remind_every_s`; call a trouble over when it has stayed away for `recovered_after_s`."""
        self._remind_ms = remind_every_s * _MS
        self._recovered_ms = recovered_after_s * _MS
        self._episodes: dict[str, _Episode] = {}
        self._counts: dict[str, _Count] = {}

    @property
    def standing(self) -> tuple[str, ...]:
        """Return the troubles that are not over yet."""
        return tuple(self._episodes)

    def event(self, event: Event) -> Message | None:
        """Return the message to send about an event; None = it has been told often enough."""
        message = event.message
        if not event.key:
            return message
        count = self._counts.pop(event.key, None)
        if count is None or message.at - count.told_at >= self._remind_ms:
            told = message
            if count is not None and count.times > 1:
                told = message.model_copy(update={"text": _again(message.text, count.times, count.since, message.at)})
            self._counts[event.key] = _Count(since=message.at, told_at=message.at)
            if len(self._counts) > _KEYS_KEPT:
                del self._counts[next(iter(self._counts))]
            return told
        count.times += 1
        self._counts[event.key] = count
        if count.times == _TOLD_AGAIN_AT:
            return message.model_copy(update={"text": _again(message.text, count.times, count.since, message.at)})
        return None

    def look(self, now: Timestamp, troubles: Mapping[str, Trouble]) -> Iterator[Message]:
        """Yield what is to be told of the troubles that stand at `now`, and of those that are over."""
        for key, trouble in troubles.items():
            episode = self._episodes.get(key)
            if episode is None:
                self._episodes[key] = _Episode(began_at=now, told_at=now, trouble=trouble)
                yield Message(at=now, severity=trouble.severity, text=trouble.text)
            else:
                yield from self._goes_on(episode, trouble, now)
        for key in [key for key in self._episodes if key not in troubles]:
            yield from self._is_away(key, now)

    def _goes_on(self, episode: _Episode, trouble: Trouble, now: Timestamp) -> Iterator[Message]:
        back = episode.cleared_at is not None
        worse = trouble.severity is Severity.CRITICAL and episode.trouble.severity is not Severity.CRITICAL
        episode.times += int(back)
        episode.trouble, episode.cleared_at = trouble, None
        tenth = back and episode.times == _TOLD_AGAIN_AT
        if worse or tenth or now - episode.told_at >= self._remind_ms:
            episode.told_at = now
            text = _again(trouble.text, episode.times, episode.began_at, now)
            yield Message(at=now, severity=trouble.severity, text=text)

    def _is_away(self, key: str, now: Timestamp) -> Iterator[Message]:
        episode = self._episodes[key]
        if episode.cleared_at is None:
            episode.cleared_at = now
        if now - episode.cleared_at >= self._recovered_ms:
            del self._episodes[key]
            since_s = (episode.cleared_at - episode.began_at) / _MS
            text = wording.recovered(episode.trouble.over, episode.times, since_s)
            yield Message(at=now, severity=episode.trouble.severity, text=text, good=True)


def _again(text: str, times: int, since: Timestamp, now: Timestamp) -> str:
    return wording.again(text, times, (now - since) / _MS)
