"""The simulated venues of paper mode, as a process of their own that outlives a killed supervisor.

What runs is written down (`running.json`), so that the next supervisor takes it over or ends it: two simulators never
share one state file.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import structlog
from pydantic import Field, ValidationError

from actors.hosting.family import MARK
from actors.hosting.process import gone, lives
from actors.supervision.build import code_root
from strategies.domain.model import Value

_START_TIMEOUT_S = 60.0
"""It listens within a second; a minute covers a machine that is busy compiling and a long state file."""
_POLL_S = 0.05
"""How often its first line is looked for, and whether it lives."""
_STOP_PATIENCE_S = 5.0
"""It writes its last snapshot when told to end; longer than this is a hang."""
_STOP_TIMEOUT_S = 10.0
"""After that it is killed, and gone in milliseconds."""
_RESTART_AFTER_S = 0.5
"""Wait before it is started again: its ports have to be free."""
_RETRY_S = 5.0
"""Wait after a start that failed."""
_WORDS = 500
"""Characters of its complaint that are shown."""
DISK_ERROR = 3
"""Its exit code when its state file cannot be written: its words may have no place to go to either."""
_PORTS = (
    ("lighter", "url", "--lighter-port"),
    ("backpack", "url", "--backpack-port"),
    ("control_url", "", "--control-port"),
)

_log = structlog.get_logger(__name__)


class SimulatorError(Exception):
    """The simulator could not be started. The text is its own complaint."""


class NoSimulatorError(SimulatorError):
    """Nobody runs a simulator here."""


class SimulatedVenue(Value):
    """Where a simulated venue is."""

    url: str
    ws_url: str


class SimulatorAddresses(Value):
    """What the simulator's first line says, without its keys."""

    lighter: SimulatedVenue
    backpack: SimulatedVenue
    control_url: str
    chain_id: int = Field(description="Lighter's, for signing")


class Running(Value):
    """What is written down of a running simulator."""

    pid: int
    created_at: float = Field(
        description="start time of the process, seconds: tells it from a later one of that number"
    )
    arguments: tuple[str, ...]
    addresses: SimulatorAddresses


class Simulator:
    """Both simulated venues as one child process."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        """Run `python -m venues.simulator` with `arguments`; keep its papers in `folder`."""
        self._arguments = tuple(arguments)
        self._folder = folder
        self._process: psutil.Process | None = None
        self._addresses: SimulatorAddresses | None = None
        self._stopping = False
        self._complaints = folder / "complaints.log"
        self._complaints_from = 0

    @property
    def addresses(self) -> SimulatorAddresses:
        """Return where the venues are. Raises RuntimeError before `start`."""
        if self._addresses is None:
            raise RuntimeError("the simulator has not been started")
        return self._addresses

    async def start(self) -> SimulatorAddresses:
        """Take over a simulator that still runs with the same arguments, or start one.

        Raises:
            SimulatorError: it does not come up.
        """
        earlier = self._earlier()
        if earlier is not None and earlier[1].arguments == self._arguments:
            self._process, self._addresses = earlier[0], earlier[1].addresses
            _log.info("simulator_taken_over", pid=earlier[1].pid)
            return self._addresses
        if earlier is not None:
            await _end(earlier[0])
        return await self._launch(self._arguments)

    async def keep(self, report: Callable[[str], None]) -> None:
        """Start it again whenever it dies, at the same addresses and with the same memory. Ends by cancellation."""
        while True:
            process = self._process
            if process is not None and _lives(process):
                await asyncio.sleep(_POLL_S)
                continue
            if self._stopping:
                return
            report(f"The simulator has died ({self._last_words()}) and is being started again at the same addresses.")
            await asyncio.sleep(_RESTART_AFTER_S)
            await self._insist(report)

    async def _insist(self, report: Callable[[str], None]) -> None:
        """Start it again, however often that takes; what stands in the way is told when it changes."""
        told = ""
        while not self._stopping:
            try:
                await self._launch((*self._arguments, *self._fixed_ports()))
            except (SimulatorError, OSError) as error:
                words = f"The simulator could not be started again: {error}"
                if words != told:
                    report(words)
                told = words
                await asyncio.sleep(_RETRY_S)
            else:
                if told:
                    report("The simulator runs again.")
                return

    def _last_words(self) -> str:
        """Say how it ended, as far as that is known: its own words, else what its exit code means."""
        try:
            with self._complaints.open("rb") as complaints:
                end = complaints.seek(0, os.SEEK_END)
                complaints.seek(max(self._complaints_from, end - _WORDS))
                said = complaints.read(_WORDS).decode(errors="replace").strip()
        except OSError:
            said = ""
        code = self._process.returncode if isinstance(self._process, psutil.Popen) else None
        return said or _meaning(code)

    async def stop(self) -> None:
        """End it in order: it writes its last snapshot. May be called twice."""
        self._stopping = True
        if self._process is not None:
            await _end(self._process)
            self._process = None
        self._paper.unlink(missing_ok=True)

    @property
    def _paper(self) -> Path:
        return _paper(self._folder)

    async def _launch(self, arguments: Sequence[str]) -> SimulatorAddresses:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        said = self._folder / "said.json"
        with said.open("wb") as out, self._complaints.open("ab") as err:
            self._complaints_from = err.tell()
            # A session of its own: Ctrl-C at the terminal must reach the supervisor only, which ends this last.
            self._process = psutil.Popen(
                [sys.executable, "-m", "venues.simulator", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=_environment(),
                start_new_session=True,
            )
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _START_TIMEOUT_S
        while not (text := said.read_text(encoding="utf-8")).endswith("\n"):
            if not _lives(self._process) or loop.time() > give_up_at:
                await _end(self._process)
                raise SimulatorError(self._last_words())
            await asyncio.sleep(_POLL_S)
        # Its line may hold throw-away keys: only the addresses are kept.
        said.unlink()
        self._addresses = _read(json.loads(text))
        paper = Running(
            pid=self._process.pid,
            created_at=self._process.create_time(),
            arguments=self._arguments,
            addresses=self._addresses,
        )
        self._paper.write_text(paper.model_dump_json(), encoding="utf-8")
        return self._addresses

    def _earlier(self) -> tuple[psutil.Process, Running] | None:
        return _find(self._folder)

    def _fixed_ports(self) -> tuple[str, ...]:
        said: Mapping[str, Any] = self.addresses.model_dump()
        fixed: list[str] = []
        for name, part, option in _PORTS:
            url = str(said[name][part] if part else said[name])
            fixed += [option, url.rstrip("/").rpartition(":")[2]]
        return tuple(fixed)


def running_simulator(folder: Path) -> SimulatorAddresses:
    """Return where the simulator is that somebody else runs with its papers in `folder`.

    Raises:
        NoSimulatorError: none runs.
    """
    found = _find(folder)
    if found is None:
        raise NoSimulatorError(
            f"No simulator runs ({_paper(folder)} names none that lives), and simulated positions live nowhere else: "
            "start the deployment first."
        )
    return found[1].addresses


def _paper(folder: Path) -> Path:
    return folder / "running.json"


def _find(folder: Path) -> tuple[psutil.Process, Running] | None:
    try:
        running = Running.model_validate_json(_paper(folder).read_text(encoding="utf-8"))
        process = psutil.Process(running.pid)
        same = process.create_time() == running.created_at
    except (OSError, ValidationError, psutil.NoSuchProcess):
        return None
    return (process, running) if same and lives(process) else None


def _environment() -> dict[str, str]:
    """Return an environment in which the code is found, whatever the working directory."""
    known = os.environ.get("PYTHONPATH", "")
    # Started again while Ray starts, it must not pass for one of Ray's processes.
    mine = {name: value for name, value in os.environ.items() if name != MARK}
    return mine | {"PYTHONPATH": os.pathsep.join(filter(None, [str(code_root()), known]))}


def _lives(process: psutil.Process) -> bool:
    # A child of ours that has ended stays a zombie until it is asked for its exit code.
    if isinstance(process, psutil.Popen):
        process.poll()
    return lives(process)


def _read(said: Mapping[str, Any]) -> SimulatorAddresses:
    return SimulatorAddresses(
        lighter=SimulatedVenue(url=said["lighter"]["url"], ws_url=said["lighter"]["ws_url"]),
        backpack=SimulatedVenue(url=said["backpack"]["url"], ws_url=said["backpack"]["ws_url"]),
        control_url=said["control_url"],
        chain_id=said["lighter"]["chain_id"],
    )


def _meaning(code: int | None) -> str:
    if code == DISK_ERROR:
        return "its state file cannot be written: is the disk full?"
    if code is not None and code < 0:
        return f"killed by signal {-code}"
    return "without a word" if code is None else f"without a word, exit code {code}"


async def _end(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    await gone(process, _STOP_TIMEOUT_S, _STOP_PATIENCE_S)
    if isinstance(process, psutil.Popen):
        process.poll()
