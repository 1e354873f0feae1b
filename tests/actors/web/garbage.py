"""Requests that nobody in his right mind sends, and a count of what comes back.

`python -m tests.actors.web.garbage --each 10000` throws so many at every endpoint of a served supervision.
"""

import argparse
import asyncio
import gc
import json
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from actors.clock import wall_now
from actors.explain.read import explain
from actors.supervision.change import Proposal
from actors.supervision.overview import overview
from actors.supervision.reload import Reload
from actors.telemetry.bots import Bots
from actors.web.cycles import Cycles
from actors.web.dashboard import Dashboard
from actors.web.reload import Reloading
from actors.web.telemetry import Telemetry
from actors.web.tokens import Tokens
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import loop_now
from tests.actors.web.conftest import TOKEN, front_of

ANSWER_WITHIN_S = 10.0
CALM_AFTER_S = 6.0
"""A body that never comes is given up after five seconds, and its connection a second later."""
MAY_BE_SILENT_S = 0.1
"""How long an answer is waited for that need not come: the request may be only the beginning of one."""
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW", "get", "")
HOSTS = (
    *("127.0.0.1", "localhost:1", "evil.example", "", "[::1", "a" * 300),
    *("127.0.0.1, evil", "\xff", "0x7f.1", "::"),
)
GOOD = ("g", "1", "b", "pause", "last")
WORDS = (
    *("g", "h", "..", "%2e%2e", "%00", "%ff", "a" * 200, "٣", "-1", "last", "1e9"),
    *("9" * 30, "'", "%2f", "pause", "{}", ""),
)
VALUES = (
    *("null", "true", "0", "-0", "1e400", "NaN", "1" * 5000, '""', '"\\ud800"', '"' + "x" * 3000 + '"', "[]", "{}"),
    *("[" * 3000, '{"a":' * 900, '"g"', '"\\u0000"', "1.5.5", "'g'", "\x00", "Infinity", "0x10", '"pause"', "{" * 40),
)
KEYS = (
    *("reason", "confirm", "name", "dry_run", "position_base", "telemetry_interval_secs"),
    *("group", "__proto__", "a" * 99, ""),
)
HEADERS = (
    *("Origin: null", "Origin: http://evil", "Sec-Fetch-Site: cross-site", "Content-Encoding: gzip", "Expect: x"),
    *("Content-Type: text/plain", "Content-Type: ;;;", "Content-Length: -1", "Content-Length: 99999999999"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Authorization: Basic x", "A" * 200),
    *("X-Auth-Token: wrong", "X-Auth-Token: \xff\xfe", "Authorization: Bearer", "Range: bytes=0-", " folded: x", ":"),
    *("Cookie: " + "x" * 9000, "Upgrade: websocket", "Connection: upgrade", "Host: again", "If-Modified-Since: never"),
)


def request(dice: random.Random, template: str) -> tuple[bytes, bool]:
    """Return one request for an endpoint, from almost right to not HTTP at all, and whether it must be answered."""
    if dice.random() < 0.03:
        return bytes(dice.randrange(256) for _ in range(dice.randrange(1, 400))), False
    path = template
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + dice.choice(GOOD if dice.random() < 0.5 else WORDS).replace("{", "%7b") + rest.partition("}")[2]
    if dice.random() < 0.3:
        path += "?" + "&".join(f"{dice.choice(('older_ms', 'x', '%', ''))}={dice.choice(WORDS)}" for _ in range(3))
    method = dice.choice(("GET", "POST")) if dice.random() < 0.8 else dice.choice(METHODS)
    host = "127.0.0.1" if dice.random() < 0.8 else dice.choice(HOSTS)
    lines = [f"{method} {path} HTTP/{dice.choice(('1.1',) * 20 + ('1.0', '9', '', '2.0'))}", f"Host: {host}"]
    if dice.random() < 0.6:
        lines.append(f"X-Auth-Token: {TOKEN}")
    body = _body(dice)
    if dice.random() < 0.7:
        lines.append("Content-Type: application/json")
    extra = dice.choice((0,) * 20 + (-1, 1, 50))
    lines.append(f"Content-Length: {len(body) + extra}")
    more = [dice.choice(HEADERS) for _ in range(dice.choice((0, 0, 0, 1, 2)))]
    raw = "\r\n".join([*lines, *more]).encode("latin-1", "replace") + b"\r\n\r\n" + body
    if dice.random() < 0.03:
        return raw[: dice.randrange(len(raw))], False
    return raw, extra <= 0 and not more


def _body(dice: random.Random) -> bytes:
    kind = dice.random()
    if kind < 0.15:
        return b""
    if kind < 0.25:
        return bytes(dice.randrange(256) for _ in range(dice.randrange(600)))
    if kind < 0.3:
        return b" " * 20_000
    pairs = (f'"{dice.choice(KEYS)}": {dice.choice(VALUES)}' for _ in range(dice.choice((1, 1, 2, 3, 70))))
    text = "{" + ", ".join(pairs) + "}"
    return text.encode("utf-8", "surrogatepass")[:18_000]


@dataclass
class Seen:
    """What came back."""

    answers: Counter = field(default_factory=Counter)
    wrong: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Return how many requests were sent."""
        return sum(self.answers.values())


async def throw(port: int, raw: bytes, seen: Seen, *, due: bool) -> None:
    """Send one request on a connection of its own and judge what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b""
    try:
        writer.write(raw)
        async with asyncio.timeout(ANSWER_WITHIN_S if due else MAY_BE_SILENT_S):
            head = await reader.read(65_536)
    except TimeoutError:
        if due:
            seen.wrong.append((raw, b"silence"))
    except ConnectionError:
        head = b"closed"
    finally:
        writer.transport.abort()
    status = head[9:12].decode(errors="replace") if head.startswith(b"HTTP/") else "closed" if head else "silence"
    seen.answers[status] += 1
    if status.startswith("5") or TOKEN.encode() in head:
        seen.wrong.append((raw, head))


async def storm(port: int, templates: Iterator[str], each: int, seed: int, at_once: int = 16) -> Seen:
    """Throw `each` requests at every endpoint."""
    seen, dice = Seen(), random.Random(seed)
    waiting = [template for template in templates for _ in range(each)]
    dice.shuffle(waiting)

    async def thrower() -> None:
        while waiting:
            raw, due = request(dice, waiting.pop())
            await throw(port, raw, seen, due=due)

    await asyncio.gather(*(thrower() for _ in range(at_once)))
    return seen


class Parts:
    """Every part that a supervision can be served with."""

    def __init__(self) -> None:
        self.bots = Bots(50)
        self.dashboards: list[Dashboard] = []

    def __enter__(self):
        return self.bots, _parts(self)

    def __exit__(self, *_):
        for dashboard in self.dashboards:
            dashboard._tasks.cancel()

    def dashboard(self, supervision) -> Dashboard:
        """Return the page, its pictures being taken."""
        dashboard = Dashboard(lambda: overview(supervision, loop_now()))
        dashboard.start()
        self.dashboards.append(dashboard)
        return dashboard


def _parts(made: Parts):
    bots = made.bots

    async def agreed(_wanted) -> None:
        pass

    return (
        lambda supervision, _guard: made.dashboard(supervision),
        lambda _supervision, guard: Telemetry(bots, Tokens({}), guard, wall_now),
        lambda supervision, _guard: Cycles(
            lambda: supervision.groups, lambda group, cycle: explain("sqlite:/nowhere", group, cycle)
        ),
        lambda supervision, _guard: Reloading(
            Reload(supervision, lambda: Proposal(desired=supervision.desired), agreed)
        ),
    )


def endpoints(server) -> list[str]:
    """Return the path of every endpoint that a server has, and one that it has not."""
    resources = server._runner.app.router.resources()
    return [*sorted({resource.canonical for resource in resources}), "/nothing"]


def burden() -> tuple[int, int, int]:
    """Return tasks, open files and megabytes of this process."""
    gc.collect()
    process = psutil.Process()
    return len(asyncio.all_tasks()), process.num_fds(), process.memory_info().rss // 2**20


async def main(each: int, seed: int) -> int:
    """Run the storm over a served supervision and print what came back."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("actors").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, Parts() as (bots, more):
        async with front_of(Path(folder), *more) as front:
            await until(lambda: not overview(front.supervision, loop_now()).not_ready())
            port, paths = front.server._port, endpoints(front.server)
            await storm(port, paths, 200, seed + 1)
            await asyncio.sleep(CALM_AFTER_S)
            before, started = burden(), loop_now()
            seen = await storm(port, paths, each, seed)
            seconds = (loop_now() - started) / 1000
            await asyncio.sleep(CALM_AFTER_S)
            lines = [
                json.dumps(dict(seen.answers), sort_keys=True),
                f"{seen.total} requests at {len(paths)} endpoints in {seconds:.0f} s; 5xx or silent: {len(seen.wrong)}",
                f"tasks, files, MB before {before}, after {burden()}; {len(bots)} bots",
                *(f"{raw[:300]!r} {head[:300]!r}" for raw, head in seen.wrong[:5]),
            ]
            sys.stdout.write("\n".join(lines) + "\n")
            return len(seen.wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    raise SystemExit(min(1, asyncio.run(main(chosen.each, chosen.seed))))
