"""What a hundred groups' heartbeats and twenty open dashboards cost the supervisor, and how late a page is."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from actors.clock import wall_now
from actors.supervision.overview import Overview
from actors.telemetry.bots import Bots
from actors.web.dashboard import Dashboard
from actors.web.guard import Guard
from actors.web.server import StatusServer
from actors.web.telemetry import Telemetry
from actors.web.tokens import Tokens
from benchmarks.figures import MS, Row, p50_p99
from benchmarks.readers import LOOK_EVERY_S, Read
from benchmarks.scrape import GROUPS, LEGS, account_statuses, group_statuses, picture

DASHBOARDS = 20
BOTS = GROUPS * (len(LEGS) + 1)
"""Each leg reports, and each group."""
_WARM_S = 3.0
_MEASURED_S = 15.0


async def run(_folder: Path) -> list[Row]:
    """Measure the server alone, with bots, and with bots and dashboards."""
    async with _served() as server:
        alone = await _window(server, dashboards=0, bots=0)
        bots = await _window(server, dashboards=0, bots=BOTS)
        full = await _window(server, dashboards=DASHBOARDS, bots=BOTS)
    read = full.read
    assert not read.failures, f"{read.failures} requests failed"  # noqa: S101 - a figure of failures is none
    size = f"{read.board_bytes / MS:.0f} kB each"
    return [
        Row(
            f"board of {GROUPS} groups, from picture to page", p50_p99(read.board_ages_ms), "", f"20 open pages, {size}"
        ),
        Row("   between two boards of a page", p50_p99(read.board_gaps_ms), "< 2000 ms", "drawn once a second for all"),
        Row(f"heartbeat, {BOTS} bots each 10 s", p50_p99(read.beats_ms), "", "POST /ingest/BOT"),
        Row("page asks for the bots", p50_p99(read.status_ms), "", "GET /api/status, every 2 s each"),
        Row("event loop late", p50_p99(full.lag_ms), "", "a turn that was due; all of this together"),
        Row("   the readers themselves late", p50_p99(read.late_ms), "", "20 pages and 400 bots in one process"),
        Row("CPU of the server's process", full.share, "", f"with bots only {bots.share}; alone {alone.share}"),
    ]


class _Window:
    """Some seconds of the server's life."""

    def __init__(self, read: Read, lag_ms: list[float], cpu_s: float, wall_s: float) -> None:
        self.read, self.lag_ms, self.cpu_s, self.wall_s = read, lag_ms, cpu_s, wall_s

    @property
    def share(self) -> str:
        """Say how much of a core was used."""
        return f"{100 * self.cpu_s / self.wall_s:.1f} % of a core"


@asynccontextmanager
async def _served() -> AsyncIterator[StatusServer]:
    """Serve a hundred groups as the supervisor does."""
    groups, accounts = group_statuses(), account_statuses()

    def look() -> Overview:
        return picture(groups, accounts, wall_now())

    server, guard, tokens = StatusServer("127.0.0.1", 0), Guard(Tokens({})), Tokens({})
    server.bind()
    dashboard = Dashboard(look)
    async with AsyncExitStack() as ends:
        await server.serve(look, (dashboard, Telemetry(Bots(2 * BOTS), tokens, guard, wall_now)), guard)
        ends.push_async_callback(server.close)
        dashboard.start()
        ends.push_async_callback(dashboard.close)
        yield server


async def _window(server: StatusServer, *, dashboards: int, bots: int) -> _Window:
    words = ("--dashboards", dashboards, "--bots", bots, "--warm", _WARM_S, "--seconds", _MEASURED_S)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.readers", server.url, *map(str, words)), stdout=asyncio.subprocess.PIPE
    )
    lag_ms: list[float] = []
    lag = asyncio.ensure_future(_lag(lag_ms))
    started, used = time.perf_counter(), time.process_time()
    try:
        said, _ = await process.communicate()
    finally:
        lag.cancel()
    window = time.perf_counter() - started
    return _Window(Read.model_validate_json(said), lag_ms, time.process_time() - used, window)


async def _lag(samples_ms: list[float]) -> None:
    while True:
        due = time.perf_counter() + LOOK_EVERY_S
        await asyncio.sleep(LOOK_EVERY_S)
        samples_ms.append(max(0.0, time.perf_counter() - due) * MS)
