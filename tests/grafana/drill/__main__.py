"""The alert drill: `python -m tests.grafana.drill [--only RULE …] [--out docs/alert-drill.md]` (`make alert-drill`).

A real supervisor over both simulated venues, scraped by a real Prometheus with the repository's own rules (only their
times are shortened), a real Alertmanager, and a webhook that listens. Every trouble must be told, and its end, too.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from grafana.rule import Times
from grafana.rules import RULES
from tests.end_to_end.deployment import Deployment
from tests.grafana.drill.health import WATCHDOG, healthy
from tests.grafana.drill.panels import Answer, answers
from tests.grafana.drill.report import Figures, Row, page, row
from tests.grafana.drill.scenes import SCENES, Scene
from tests.grafana.drill.stage import CHANNEL, LEVERAGE, MAX_LEVERAGE, A, B, People, Stage
from tests.grafana.monitoring import Monitoring, Pace, Told, free_port, monitoring

PACE = Pace(every_s=1.0, times=Times(0.1, shortest_window_s=5.0))
"""A minute is six seconds; nothing else differs from production."""
FIRE_BOUND_S = 120.0
CLEAR_BOUND_S = 180.0
_DISK = "800m"
_LAST_WORD_S = 3.0
"""Scrape, evaluation and delivery: what the trouble still had to say has been heard by then."""
SETTINGS = (
    "supervisor.on_interrupt=keep",
    "supervisor.spares=2",
    "supervisor.accounts.max_restarts=100",  # the account that is held down shall not take its group with it
    "supervisor.groups.max_restarts=3",
    "simulator.speed=1",
    "simulator.volatility=0.00001",  # nothing is liquidated but by the drill
    "simulator.tier=unlimited",
    "venues.lighter.tier=unlimited",
    *(
        f"groups.{group}.params.{setting}"
        for group in (A, B)
        for setting in (
            f"leverage={LEVERAGE}",
            "max_cycles=0",
            "timeout_s=100000",
            "cycle_pause_s=1",
            "start_retry_s=1",
            "start_failures_max=100",
        )
    ),
    f"groups.{A}.limits.max_cycle_loss_usd=100000",
    f"groups.{B}.limits.max_cycle_loss_usd=100000",
    f"groups.{A}.limits.max_leverage={MAX_LEVERAGE}",
    f"groups.{B}.limits.max_leverage={MAX_LEVERAGE}",
    f"groups.{B}.limits.at_leverage=pause",
)
"""Long cycles that begin again after each trouble."""


class Record:
    """What has been seen, written down after every scene: a drill that is broken off has not been for nothing."""

    def __init__(self, kept: Path | None, out: Path | None) -> None:
        self.seen = Figures()
        self._kept, self._out = kept, out
        there = kept is not None and kept.exists()
        self._earlier = Figures.model_validate_json(kept.read_bytes()) if there else Figures()

    def add(self, rows: Sequence[Row], panels: Sequence[Answer] = ()) -> None:
        """Print the rows, and write everything."""
        for each in rows:
            print(each.line, flush=True)  # noqa: T201
        self.seen = Figures(rows=(*self.seen.rows, *rows), panels=(*self.seen.panels, *panels))
        both = self._earlier.joined(self.seen)
        if self._kept is not None:
            self._kept.write_text(both.model_dump_json(), encoding="utf-8")
        if self._out is not None:
            self._out.write_text(page(both.rows, both.panels, PACE), encoding="utf-8")


async def drill(scenes: Sequence[Scene], folder: Path, record: Record) -> None:
    """Play every scene, then ask what every panel would show."""
    port = free_port()
    people = People()
    async with AsyncExitStack() as ends:
        await people.serve(ends)
        deployment = deployed(folder, port, people)
        ends.push_async_callback(deployment.stop)
        await deployment.start()
        async with monitoring(folder / "monitoring", f"127.0.0.1:{port}", pace=PACE) as seen:
            stage = Stage(deployment, people, port, folder / "state")
            told = await seen.until_told(WATCHDOG, 0.0, firing=True, bound_s=FIRE_BOUND_S)
            record.add([row(WATCHDOG, "none: it always fires", told.annotations["summary"], 0.0)])
            for scene in scenes:
                record.add(await play(scene, stage, seen))
            await healthy(stage, seen)
            record.add((), await answers(seen))


def deployed(folder: Path, port: int, people: People) -> Deployment:
    """Prepare a deployment that is served at `port` and tells `people`."""
    secret = folder / "people.url"
    secret.write_text(f"json://127.0.0.1:{people.port}/", encoding="utf-8")
    tells = (
        f"notifications.apprise.{CHANNEL}.secret=file:{secret}",
        f"notifications.apprise.{CHANNEL}.min_severity=INFO",
    )
    deployment = Deployment(folder, *SETTINGS, *tells, f"supervisor.port={port}")
    deployment.settings = tuple(each for each in deployment.settings if each != "supervisor.port=0")
    return deployment


async def play(scene: Scene, stage: Stage, seen: Monitoring) -> list[Row]:
    """Begin the trouble, wait for its alerts, end it, wait for theirs."""
    await healthy(stage, seen)
    began = time.monotonic()
    async with scene.begin(stage):
        fired = await _each(
            seen.until_told(rule, began, firing=True, bound_s=FIRE_BOUND_S, **scene.labels) for rule in scene.rules
        )
        ended = time.monotonic()
    cleared = await _each(_end_of(told, ended, seen) for told in fired)
    return [_seen(scene, *each, began, ended) for each in zip(scene.rules, fired, cleared, strict=True)]


async def _each(waits: Iterable[Awaitable[Told]]) -> list[Told | TimeoutError]:
    """Wait for all of them; what did not come is an error in its place."""
    return await asyncio.gather(*map(_or_error, waits))


async def _or_error(wait: Awaitable[Told]) -> Told | TimeoutError:
    try:
        return await wait
    except TimeoutError as error:
        return error


async def _end_of(told: Told | TimeoutError, ended: float, seen: Monitoring) -> Told:
    """Wait until the webhook's last word of the same alert, from the trouble's end on, is that it is over.

    An alert may come and go while the trouble lasts. Raises what `told` is when it never fired.
    """
    if isinstance(told, TimeoutError):
        raise told

    def over() -> Told | None:
        heard = [each for each in seen.webhook.told if (each.name, each.labels) == (told.name, told.labels)]
        return heard[-1] if time.monotonic() > ended + _LAST_WORD_S and not heard[-1].firing else None

    return await seen.until(over, f"{told.name} resolved", CLEAR_BOUND_S)


def _seen(
    scene: Scene, rule: str, fired: Told | TimeoutError, cleared: Told | TimeoutError, began: float, ended: float
) -> Row:
    if isinstance(fired, TimeoutError):
        return row(rule, scene.what, problem=str(fired))
    summary, fired_s = fired.annotations["summary"], fired.at - began
    if isinstance(cleared, TimeoutError):
        return row(rule, scene.what, summary, fired_s, problem=str(cleared))
    return row(rule, scene.what, summary, fired_s, max(0.0, cleared.at - ended))


@contextmanager
def own_disk() -> Iterator[Path]:
    """Have a folder whose `state` is a file system of its own, so that it can be filled up."""
    with tempfile.TemporaryDirectory(prefix="hedgevisor-drill-") as name:
        state = Path(name) / "state"
        state.mkdir()
        _do("mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(state))
        try:
            yield Path(name)
        finally:
            _do("umount", "--lazy", str(state))


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()} (the drill needs root, to have a disk to fill)")


def _run(only: list[str], out: Path | None, kept: Path | None) -> int:
    scenes = [each for each in SCENES if not only or set(only) & set(each.rules)]
    record = Record(kept, out)
    with own_disk() as folder:
        asyncio.run(drill(scenes, folder, record))
    rows, panels = record.seen.rows, record.seen.panels
    empty = [each for each in panels if not each.lines]
    for each in empty:
        print(f"no data: {each.board}: {each.expression}")  # noqa: T201
    print(f"{len(panels) - len(empty)} of {len(panels)} expressions of the dashboards return data")  # noqa: T201
    return int(any(each.problem for each in rows) or bool(empty))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill; 0 = every alert was told, and its end."""
    parser = argparse.ArgumentParser(prog="python -m tests.grafana.drill")
    names = [rule.name for rule in RULES]
    parser.add_argument("--only", nargs="*", default=[], choices=names, metavar="RULE", help="only these alerts")
    parser.add_argument(
        "--kept",
        type=Path,
        metavar="FILE",
        help="what earlier runs saw: added to, so that a drill may be done in parts",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there")
    options = parser.parse_args(arguments)
    return _run(options.only, options.out, options.kept)


if __name__ == "__main__":
    sys.exit(main())
