"""A real Prometheus and a real Alertmanager on loopback, with this repository's files, and a webhook that listens."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from grafana.made import ROOT
from grafana.rule import Times
from grafana.rule_files import files
from tests.programs import program

_READY_BOUND_S = 30.0
_STOP_BOUND_S = 10.0
_LOOK_S = 0.1


@dataclass(frozen=True)
class Pace:
    """How fast everything turns."""

    every_s: float = 0.5
    """Scrape and evaluation interval."""
    times: Times = field(default_factory=lambda: Times(0.05, shortest_window_s=3.0))
    """A minute is three seconds; expressions are those of production."""


@dataclass(frozen=True)
class Told:
    """One alert that the webhook received."""

    name: str
    firing: bool
    labels: dict[str, str]
    annotations: dict[str, str]
    at: float
    """Monotonic seconds."""


class Webhook:
    """Receives what Alertmanager sends."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.port = 0

    async def serve(self, ends: AsyncExitStack) -> None:
        """Listen until `ends` ends."""
        application = web.Application()
        application.add_routes([web.post("/{way}", self._take)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        ends.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        for alert in body["alerts"]:
            labels = dict(alert["labels"])
            name, firing = labels.pop("alertname"), alert["status"] == "firing"
            self.told.append(Told(name, firing, labels, alert["annotations"], time.monotonic()))
        return web.Response()


class Monitoring:
    """Both programs, running."""

    def __init__(self, folder: Path, targets: list[str], pace: Pace) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.targets, self.pace = folder, targets, pace
        self.webhook = Webhook()
        self.prometheus = self.alertmanager = ""
        self._session: aiohttp.ClientSession | None = None

    async def start(self, ends: AsyncExitStack) -> None:
        """Start everything; `ends` ends it."""
        self._session = await ends.enter_async_context(aiohttp.ClientSession())
        await self.webhook.serve(ends)
        manager_port, prometheus_port = free_port(), free_port()
        self.alertmanager, self.prometheus = f"127.0.0.1:{manager_port}", f"127.0.0.1:{prometheus_port}"
        self._write(manager_port)
        await self._run(
            ends,
            program("prometheus-alertmanager"),
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address={self.alertmanager}",
            "--cluster.listen-address=",
            "--log.level=warn",
        )
        await self._run(
            ends,
            program("prometheus"),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address={self.prometheus}",
            # What Alertmanager has not taken is told again soon: a time, like all that differs here.
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        )
        for address in (self.alertmanager, self.prometheus):
            await self.until(lambda address=address: self._ready(address), f"{address} ready", _READY_BOUND_S)
        await self.until(self._introduced, "Prometheus to find Alertmanager", _READY_BOUND_S)

    def _write(self, manager_port: int) -> None:
        """Take the repository's files; change addresses and times, and nothing else."""
        every = f"{round(self.pace.every_s * 1000)}ms"
        prometheus = yaml.safe_load((ROOT / "grafana" / "prometheus.yml").read_text())
        prometheus["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), every)
        prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{manager_port}"]
        prometheus["scrape_configs"][0]["static_configs"][0]["targets"] = self.targets
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus))
        (self.folder / "alerts").mkdir()
        for name, text in files(self.pace.times).items():
            (self.folder / "alerts" / name).write_text(text)
        manager = yaml.safe_load((ROOT / "grafana" / "alertmanager.yml").read_text())
        for route in (manager["route"], *manager["route"]["routes"]):
            route |= {"group_wait": "0s", "group_interval": every, "repeat_interval": "5m"}
        for receiver in manager["receivers"]:
            receiver["webhook_configs"][0]["url"] = f"http://127.0.0.1:{self.webhook.port}/{receiver['name']}"
        (self.folder / "alertmanager.yml").write_text(yaml.safe_dump(manager))

    async def _run(self, ends: AsyncExitStack, *command: str) -> None:
        with (self.folder / f"{Path(command[0]).name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, cwd=self.folder, stdout=log, stderr=log)
        ends.push_async_callback(_end, process)

    async def _ready(self, address: str) -> bool:
        try:
            async with self._session.get(f"http://{address}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _introduced(self) -> bool:
        async with self._session.get(f"http://{self.prometheus}/api/v1/alertmanagers") as answer:
            return bool((await answer.json())["data"]["activeAlertmanagers"])

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression comes to now. Raises ValueError with Prometheus's words when it is not one."""
        url = f"http://{self.prometheus}/api/v1/query"
        async with self._session.post(url, data={"query": expression}) as answer:
            body = await answer.json()
        if body["status"] != "success":
            raise ValueError(f"{expression}: {body.get('error')}")
        return body["data"]["result"]

    async def firing(self) -> set[str]:
        """Return the names of the alerts that Prometheus holds to be firing."""
        return {row["metric"]["alertname"] for row in await self.query('ALERTS{alertstate="firing"}')}

    async def until_told(self, rule: str, since: float, *, firing: bool, bound_s: float, **labels: str) -> Told:
        """Wait until the webhook has heard of `rule`, after `since`; return what it heard first."""

        def heard() -> Told | None:
            fits = (
                told
                for told in self.webhook.told
                if (told.name, told.firing) == (rule, firing)
                and told.at > since
                and all(told.labels.get(name) == value for name, value in labels.items())
            )
            return next(fits, None)

        return await self.until(heard, f"{rule} {'firing' if firing else 'resolved'}", bound_s)

    async def until(self, condition: Callable[[], Any], what: str, bound_s: float) -> Any:
        """Wait for a value that is true. Raises TimeoutError that names what did not come."""
        deadline = time.monotonic() + bound_s
        while True:
            found = condition()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {bound_s:g} s in vain for {what}")
            await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def monitoring(folder: Path, *targets: str, pace: Pace | None = None) -> AsyncIterator[Monitoring]:
    """Run both programs over `targets` (HOST:PORT) in a folder of their own."""
    async with AsyncExitStack() as ends:
        running = Monitoring(folder, list(targets), pace or Pace())
        await running.start(ends)
        yield running


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_BOUND_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
