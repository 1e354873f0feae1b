"""What many dashboards and bots do to a supervisor, as a process of its own: its CPU is not the supervisor's.

`python -m benchmarks.readers URL --dashboards 20 --bots 400 --seconds 12` prints one line of JSON: what was measured.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, field

import aiohttp
from pydantic import BaseModel

from actors.telemetry.heartbeat import to_json
from benchmarks.figures import MS

BEAT_EVERY_S = 10.0
"""A bot's usual interval."""
LOOK_EVERY_S = 0.05
"""How often a loop is looked at."""
STATUS_EVERY_S = 2.0
"""How often a page asks for the bots (actors/web/page/bots.js)."""
_BOARD = b"event: board\ndata: "
_AT = b'{"at":'


class Read(BaseModel):
    """What was measured."""

    board_ages_ms: list[float] = []
    """From the picture to its last byte at a dashboard."""
    board_gaps_ms: list[float] = []
    """Between two boards of one dashboard."""
    status_ms: list[float] = []
    beats_ms: list[float] = []
    late_ms: list[float] = []
    """How late a turn of this process's own loop was: what is measured here is late by as much."""
    board_bytes: int = 0
    failures: int = 0


@dataclass
class _Readers:
    session: aiohttp.ClientSession
    read: Read = field(default_factory=Read)
    counts: bool = False
    """Whether what happens now is measured: the first seconds are not."""

    async def dashboard(self) -> None:
        """Read the stream as a page does."""
        waiting, heard_at = bytearray(), 0.0
        async with self.session.get("/api/stream", timeout=aiohttp.ClientTimeout(total=None)) as answer:
            answer.raise_for_status()
            async for chunk in answer.content.iter_any():
                waiting += chunk
                while (end := waiting.find(b"\n\n")) >= 0:
                    event = bytes(waiting[:end])
                    del waiting[: end + 2]
                    if event.startswith(_BOARD):
                        heard_at = self._board(event.removeprefix(_BOARD), heard_at)

    def _board(self, board: bytes, before: float) -> float:
        now = time.time()
        if self.counts and before:
            at_ms = int(board.removeprefix(_AT).partition(b",")[0])
            self.read.board_ages_ms.append(now * MS - at_ms)
            self.read.board_gaps_ms.append((now - before) * MS)
            self.read.board_bytes = len(board)
        return now

    async def status(self, first_s: float) -> None:
        """Ask for the bots as a page does."""
        await asyncio.sleep(first_s)
        while True:
            await self._timed("GET", "/api/status", self.read.status_ms)
            await asyncio.sleep(STATUS_EVERY_S)

    async def bot(self, name: str, first_s: float) -> None:
        """Report as a bot does."""
        beat = {
            "telemetry_interval_secs": BEAT_EVERY_S,
            "group": name,
            "role": "BP",
            "symbol": "ETH-PERP",
            "direction": "long",
            "position_base": 1.5,
            "max_position_base": 2.5,
            "pnl_unrealized": -3.25,
            "balance_total": 2000.5,
        }
        await asyncio.sleep(first_s)
        while True:
            body = to_json({"timestamp": int(time.time() * MS), **beat})
            await self._timed("POST", f"/ingest/{name}", self.read.beats_ms, body)
            await asyncio.sleep(BEAT_EVERY_S)

    async def late(self) -> None:
        """Note how late this process itself is."""
        while True:
            due = time.perf_counter() + LOOK_EVERY_S
            await asyncio.sleep(LOOK_EVERY_S)
            if self.counts:
                self.read.late_ms.append(max(0.0, time.perf_counter() - due) * MS)

    async def _timed(self, method: str, path: str, samples: list[float], body: str | None = None) -> None:
        started = time.perf_counter()
        headers = {} if body is None else {"Content-Type": "application/json"}
        async with self.session.request(method, path, data=body, headers=headers) as answer:
            await answer.read()
        if not self.counts:
            return
        samples.append((time.perf_counter() - started) * MS)
        self.read.failures += int(not answer.ok)


async def _run(url: str, dashboards: int, bots: int, warm_s: float, seconds: float) -> Read:
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:
        readers = _Readers(session)
        work = [readers.late(), *(readers.dashboard() for _ in range(dashboards))]
        work += [readers.status(STATUS_EVERY_S * place / dashboards) for place in range(dashboards)]
        work += [readers.bot(f"bench-{place}", BEAT_EVERY_S * place / bots) for place in range(bots)]
        tasks = [asyncio.ensure_future(each) for each in work]
        await asyncio.sleep(warm_s)
        readers.counts = True
        await asyncio.sleep(seconds)
        readers.counts = False
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        readers.read.failures += sum(isinstance(each, Exception) for each in ended)
        return readers.read


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Reads and reports like many pages and bots.")
    parser.add_argument("url")
    parser.add_argument("--dashboards", type=int, default=20)
    parser.add_argument("--bots", type=int, default=400)
    parser.add_argument("--warm", type=float, default=3.0)
    parser.add_argument("--seconds", type=float, default=12.0)
    chosen = parser.parse_args()
    found = asyncio.run(_run(chosen.url, chosen.dashboards, chosen.bots, chosen.warm, chosen.seconds))
    sys.stdout.write(found.model_dump_json() + "\n")
