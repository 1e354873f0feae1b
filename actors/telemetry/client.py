"""Sends the heartbeats of our groups and legs, in the background: whoever listens, nobody who trades waits for it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Protocol

import aiohttp
import structlog
from pydantic import ValidationError

from actors.meter import Meter
from actors.telemetry.bots import Bots, TooManyBotsError
from actors.telemetry.heartbeat import Heartbeat, to_json
from actors.telemetry.own import Said
from actors.web.guard import TOKEN_HEADER
from strategies.domain.ids import Timestamp
from venues.secrets import Secret

_TIMEOUT_S = 5.0
"""Longest wait for one answer; a heartbeat that takes longer is late anyway."""
_AT_ONCE = 8
"""Heartbeats under way to one listener: enough for hundreds of bots in a second, few enough to be no burden."""
_HOURLY_S = 3600.0
_LOUD = frozenset({1, 10})
"""Which failures in a row are logged as warnings; after these, one an hour."""

_log = structlog.get_logger(__name__)


class UndeliveredError(Exception):
    """A heartbeat did not arrive. The text never holds the token."""


class Listener(Protocol):
    """Where heartbeats go."""

    async def deliver(self, beats: Iterable[Said]) -> None:
        """Bring them.

        Raises:
            UndeliveredError: some did not arrive, and why the first of them did not.
        """

    async def close(self) -> None:
        """Release what is held."""


class OwnListener:
    """The bots of this very process."""

    def __init__(self, bots: Bots, now: Callable[[], Timestamp]) -> None:
        """Tell `bots`."""
        self._bots = bots
        self._now = now

    async def deliver(self, beats: Iterable[Said]) -> None:
        """See `Listener`."""
        for name, payload in beats:
            try:
                self._bots.take(name, Heartbeat.model_validate(payload), payload, self._now(), own=True)
            except (TooManyBotsError, ValidationError) as error:
                raise UndeliveredError(f"{name}: {error}") from error

    async def close(self) -> None:
        """See `Listener`."""


class RemoteListener:
    """Somebody else's telemetry API."""

    def __init__(self, base_url: str, token: Secret | None) -> None:
        """Post to `base_url`/ingest/BOT, with `token` if there is one."""
        self._base_url = base_url
        self._headers = {} if token is None else {TOKEN_HEADER: token.reveal()}
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, beats: Iterable[Said]) -> None:
        """See `Listener`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), connector=aiohttp.TCPConnector(limit=_AT_ONCE)
            )
        session = self._session
        answers = await asyncio.gather(*(self._post(session, name, payload) for name, payload in beats))
        wrong = [answer for answer in answers if answer]
        if wrong:
            raise UndeliveredError(f"{len(wrong)} of {len(answers)} heartbeats: {wrong[0]}")

    async def close(self) -> None:
        """See `Listener`."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, session: aiohttp.ClientSession, name: str, payload: Mapping[str, object]) -> str:
        """Post one; return why it did not arrive, empty = it did."""
        try:
            async with session.post(
                f"{self._base_url}/ingest/{name}",
                data=to_json(payload).encode(),
                headers={**self._headers, "Content-Type": "application/json"},
                allow_redirects=False,  # the token is for this address and no other
            ) as answer:
                return "" if answer.status < HTTPStatus.MULTIPLE_CHOICES else f"answered {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__


class HeartbeatClient:
    """Says every `interval_s` what there is to say."""

    def __init__(
        self, listener: Listener, beats: Callable[[], Iterable[Said]], interval_s: float, meter: Meter
    ) -> None:
        """Take what is to be said from `beats`."""
        self._listener = listener
        self._beats = beats
        self._interval_s = interval_s
        self._meter = meter
        self._failures = 0
        self._said_at = -_HOURLY_S

    async def run(self) -> None:
        """Send until cancelled. Never raises for anything a listener can do."""
        loop = asyncio.get_running_loop()
        due_at = loop.time()
        try:
            while True:
                await self.send()
                due_at = max(due_at + self._interval_s, loop.time())
                await asyncio.sleep(due_at - loop.time())
        finally:
            await self._listener.close()

    async def send(self) -> None:
        """Send once; a failure is counted, and told when it is new, persists, or has ended."""
        try:
            await self._listener.deliver(self._beats())
        except UndeliveredError as error:
            self._failures += 1
            self._meter.count("telemetry_failures")
            self._complain(str(error))
        else:
            if self._failures:
                _log.warning("telemetry_recovered", failures=self._failures)
            self._failures = 0
            self._meter.count("telemetry_rounds")

    def _complain(self, error: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._failures in _LOUD or now - self._said_at >= _HOURLY_S:
            self._said_at = now
            _log.warning("telemetry_failed", failures=self._failures, error=error)
