"""What waits for one channel: bounded, in order, delivered by a task of its own, with back-off when it does not go."""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from actors.notify.channel import Channel, ChannelHealth, DeliveryError
from actors.notify.message import RANK, Message, joined
from strategies.domain.commands import Severity
from strategies.domain.ids import Timestamp

_FIRST_RETRY_S = 1.0
_MAX_RETRY_S = 60.0
"""Pause between attempts at most: a channel that comes back is used again within a minute."""
_MAX_TOLD_RETRY_S = 900.0
"""A channel that asks for a longer pause is asked again after this one."""
_ATTEMPT_LIMIT_S = 30.0
"""Longest attempt; one that hangs longer has failed."""

_log = structlog.get_logger(__name__)


class Outbox:
    """The queue of one channel. `put` never waits and never fails."""

    def __init__(self, channel: Channel, minimum: Severity, limit: int, now: Callable[[], Timestamp]) -> None:
        """Queue at most `limit` messages of severity `minimum` and above; nothing is delivered before `run`."""
        self.name = channel.name
        self._channel = channel
        self._minimum = minimum
        self._limit = limit
        self._now = now
        self._waiting: deque[Message] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sent = self._failures = self._dropped = 0
        self._failing_since: Timestamp | None = None
        self._last_error = ""

    def put(self, message: Message) -> None:
        """Take a message; when it is one too many, the oldest is dropped and counted."""
        if not message.answer and RANK[message.severity] < RANK[self._minimum]:
            return
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self._dropped += 1
        if message.answer:  # a person waits for it: before all news, after what was answered before
            self._waiting.insert(sum(each.answer for each in self._waiting), message)
        else:
            self._waiting.append(message)
        self._news.set()
        self._empty.clear()

    def health(self) -> ChannelHealth:
        """Say how the channel stands."""
        return ChannelHealth(
            name=self.name,
            sent=self._sent,
            failures=self._failures,
            dropped=self._dropped,
            waiting=len(self._waiting),
            failing_since=self._failing_since,
            last_error=self._last_error,
        )

    async def drained(self) -> None:
        """Wait until nothing waits any more."""
        await self._empty.wait()

    async def run(self) -> None:
        """Deliver, for ever."""
        pause_s = _FIRST_RETRY_S
        while True:
            if not self._waiting:
                self._news.clear()
                self._empty.set()
                await self._news.wait()
            error = await self._attempt()
            if error is None:
                pause_s = _FIRST_RETRY_S
                continue
            if error.retry_after_s is not None:
                await asyncio.sleep(min(error.retry_after_s, _MAX_TOLD_RETRY_S))
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _MAX_RETRY_S)

    async def _attempt(self) -> DeliveryError | None:
        text, count = joined(self._waiting, self._channel.limit)
        batch = [self._waiting[place] for place in range(count)]
        failed: DeliveryError | None
        try:
            async with asyncio.timeout(_ATTEMPT_LIMIT_S):
                await self._channel.deliver(text, batch)
        except DeliveryError as error:
            failed = error
        except TimeoutError:
            failed = DeliveryError(f"no answer in {_ATTEMPT_LIMIT_S:g} s")
        except Exception as error:  # noqa: BLE001 - a hundred services behind one library: whatever it is, the next try
            failed = DeliveryError(type(error).__name__)
        else:
            failed = None
        if failed is not None:
            self._note_failure(failed)
            if failed.hopeless:
                self._dropped += self._remove(batch)
            return failed
        self._sent += self._remove(batch)
        if self._failing_since is not None:
            _log.info("channel_recovered", channel=self.name)
        self._failing_since, self._last_error = None, ""
        return None

    def _remove(self, batch: list[Message]) -> int:
        """Take `batch` out; what `put` dropped meanwhile is counted there already."""
        found = 0
        for message in batch:
            for place, waiting in enumerate(self._waiting):
                if waiting is message:
                    del self._waiting[place]
                    found += 1
                    break
        return found

    def _note_failure(self, error: DeliveryError) -> None:
        self._failures += 1
        if self._failing_since is None or str(error) != self._last_error:
            _log.warning("channel_failed", channel=self.name, error=str(error), waiting=len(self._waiting))
        self._failing_since = self._failing_since or self._now()
        self._last_error = str(error)
