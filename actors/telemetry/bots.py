"""The bots that report here: what each said last, and when. Kept over a restart in one small file."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import structlog

from actors.telemetry.heartbeat import Heartbeat, is_online, missed, to_json
from strategies.domain.ids import Timestamp

_FILE = "telemetry.json"
_SAVE_EVERY_S = 5.0
"""How much a killed supervisor forgets at most; what bots say again in seconds needs no journal."""

_INTERVAL = "telemetry_interval_secs"
_OURS = frozenset({"bot", "is_own", "online", "received_at", "age_ms", "missed"})
"""Fields that are ours to say: a bot that claims to be online is not by that."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Bot:
    """What is known of one bot."""

    received_at: Timestamp
    interval_s: Decimal
    said: str
    """What it said, as JSON without the last brace: written once when it comes, and shown to many."""
    own: bool = False
    """A group or leg of this supervisor, which the dashboard shows by itself."""

    @classmethod
    def of(
        cls, heartbeat: Heartbeat, payload: Mapping[str, object], received_at: Timestamp, *, own: bool = False
    ) -> "Bot":
        """Return a bot that has just said `payload`; what only we can say of it is left out."""
        theirs = {name: value for name, value in payload.items() if name not in _OURS}
        theirs[_INTERVAL] = heartbeat.telemetry_interval_secs
        return cls(received_at, heartbeat.telemetry_interval_secs, to_json(theirs)[:-1], own)


class TooManyBotsError(Exception):
    """No further bot can be remembered: all of them are online."""


class Bots:
    """Every bot by its name."""

    def __init__(self, limit: int) -> None:
        """Remember at most `limit` bots."""
        self.heard = 0
        """Heartbeats taken."""
        self._limit = limit
        self._bots: dict[str, Bot] = {}
        self._changed = False

    def __len__(self) -> int:
        return len(self._bots)

    def take(
        self, name: str, heartbeat: Heartbeat, payload: Mapping[str, object], now: Timestamp, *, own: bool = False
    ) -> None:
        """Take note of a heartbeat.

        Raises:
            TooManyBotsError: it is of a new bot, and nobody's place is free.
        """
        if name not in self._bots and len(self._bots) >= self._limit:
            self._make_room(now)
        self.heard += 1
        self._bots[name] = Bot.of(heartbeat, payload, now, own=own)
        self._changed = True

    def online(self, now: Timestamp) -> int:
        """Return how many bots are online."""
        return sum(is_online(bot.received_at, bot.interval_s, now) for bot in self._bots.values())

    def offline(self, now: Timestamp) -> tuple[str, ...]:
        """Name the bots that are not."""
        return tuple(
            sorted(name for name, bot in self._bots.items() if not is_online(bot.received_at, bot.interval_s, now))
        )

    def prune(self, older_ms: int, now: Timestamp) -> tuple[str, ...]:
        """Forget every bot that has not reported for longer than `older_ms`; name them."""
        gone = tuple(sorted(name for name, bot in self._bots.items() if now - bot.received_at > older_ms))
        for name in gone:
            del self._bots[name]
        self._changed = self._changed or bool(gone)
        return gone

    def status_json(self, now: Timestamp) -> str:
        """Return what is known, as JSON: what each bot said, as it said it, and ours beside it."""
        rows = ", ".join(self._row(name, bot, now) for name, bot in sorted(self._bots.items()))
        head = to_json({"at": now, "online": self.online(now), "total": len(self._bots)})
        return f'{head[:-1]}, "bots": [{rows}]}}'

    @staticmethod
    def _row(name: str, bot: Bot, now: Timestamp) -> str:
        ours = {
            "bot": name,
            "is_own": bot.own,
            "online": is_online(bot.received_at, bot.interval_s, now),
            "received_at": bot.received_at,
            "age_ms": max(0, now - bot.received_at),
            "missed": missed(bot.received_at, bot.interval_s, now),
        }
        return f"{bot.said}, {json.dumps(ours)[1:]}"

    def _make_room(self, now: Timestamp) -> None:
        stale = [
            (bot.received_at, name)
            for name, bot in self._bots.items()
            if not is_online(bot.received_at, bot.interval_s, now)
        ]
        if not stale:
            raise TooManyBotsError(f"{self._limit} bots report here, and all of them are online")
        del self._bots[min(stale)[1]]

    # --- the file -------------------------------------------------------------------------------------------------

    def load(self, folder: Path) -> None:
        """Read what an earlier supervisor kept. A file that cannot be read is put aside, not used and not lost."""
        path = folder / _FILE
        try:
            kept = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
            for name, each in kept["bots"].items():
                heartbeat = Heartbeat.model_validate(each["payload"])
                self._bots[str(name)] = Bot.of(heartbeat, each["payload"], Timestamp(int(each["received_at"])))
        except FileNotFoundError:
            return
        except (OSError, ValueError, ArithmeticError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self._bots.clear()
            _log.error("telemetry_put_aside", file=str(path), error=f"{type(error).__name__}: {error}")
            path.replace(path.with_suffix(".damaged"))

    async def keep(self, folder: Path) -> None:
        """Write changes down every few seconds. Ends by cancellation; `save` writes the last ones."""
        while True:
            await asyncio.sleep(_SAVE_EVERY_S)
            try:
                await self.save(folder)
            except OSError as error:
                # A full disk: bots say it all again, and whoever trades has a journal of its own to complain about.
                _log.warning("telemetry_not_saved", error=str(error))

    async def save(self, folder: Path) -> None:
        """Write what has changed, whole or not at all.

        Raises:
            OSError: it cannot be written; it is tried again with the next change.
        """
        if not self._changed:
            return
        self._changed = False
        rows = ", ".join(
            f'{json.dumps(name)}: {{"received_at": {bot.received_at}, "payload": {bot.said}}}}}'
            for name, bot in self._bots.items()
        )
        text = f'{{"bots": {{{rows}}}}}'
        try:
            await asyncio.to_thread(_replace, folder / _FILE, text)
        except OSError:
            self._changed = True
            raise


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
