"""One run of the supervisor, from the first actor to the last word."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from actors.journal.protocol import JournalError
from actors.notify.notifier import Notifier
from actors.notify.steering import by_press
from actors.operator.desk import Desk
from actors.operator.simulator import Simulator
from actors.operator.terminal import Terminal
from actors.supervision import ending
from actors.supervision.hostwatch import HostWatch
from actors.supervision.overview import Overview
from actors.supervision.settings import OnInterrupt, SupervisorConfig
from actors.supervision.supervision import Supervision
from actors.tasks import Tasks
from actors.web.server import StatusServer

OK = 0
PARKED = 1
"""A group was parked, or the supervisor itself could not go on."""

_log = structlog.get_logger(__name__)


def _complain(task: str, error: BaseException) -> None:
    """A table that cannot be drawn, or a simulator that cannot be kept, ends no trading."""
    _log.error("session_task_failed", task=task, error=repr(error))


class Interrupts:
    """Ctrl-C and SIGTERM: the first asks to end, the second to end at once."""

    def __init__(self) -> None:
        """Listen to nothing yet."""
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._breaks_off: asyncio.Task[object] | None = None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen inside the block."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.interrupt)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Let the first interrupt cancel the task that is inside the block: nothing has been told to trade yet."""
        self._breaks_off = asyncio.current_task()
        try:
            yield
        finally:
            self._breaks_off = None

    def interrupt(self) -> None:
        """Count one."""
        (self.second if self.first.is_set() else self.first).set()
        if self._breaks_off is not None:
            self._breaks_off.cancel()


class Session:
    """Runs a supervision: shows it, waits for its end, ends it in order."""

    def __init__(
        self,
        supervision: Supervision,
        config: SupervisorConfig,
        *,
        server: StatusServer,
        terminal: Terminal,
        notifier: Notifier,
        simulator: Simulator | None,
        until_done: bool,
        interrupts: Interrupts,
        host: HostWatch,
        desk: Desk,
    ) -> None:
        """Wire the parts; `interrupts` are heard already."""
        self._supervision = supervision
        self._config = config
        self._server = server
        self._terminal = terminal
        self._notifier = notifier
        self._simulator = simulator
        self._until_done = until_done
        self._interrupts = interrupts
        self._host = host
        self._said: list[str] = []
        self._desk = desk
        self._tasks = Tasks("session", _complain)
        self._show = Tasks("terminal", _complain)

    async def run(self) -> int:
        """Run to the end; return the exit code.

        Raises:
            JournalError: the supervisor's own stream cannot be used; nothing was started.
        """
        await self._supervision.start()
        try:
            self._tasks.start("host", self._host.run())
            await self._server.serve(self._look, self._desk.parts(self._supervision), self._desk.guard)
            self._desk.open(self._supervision, self._server.url, self._tasks)
            self._notifier.start(self._look, by_press(self._supervision), self._desk.explainer())
            self._show.start("terminal", self._terminal.show(self._look, self._footer()))
            if self._simulator is not None:
                self._tasks.start("simulator", self._simulator.keep(self._supervision.notice))
            return await self._wait()
        except (JournalError, OSError) as error:
            await self._broken(f"{type(error).__name__}: {error}")
            return PARKED
        finally:
            await self._close()

    async def _wait(self) -> int:
        """Wait for whatever comes first, end the show, and say what it was."""
        over = asyncio.ensure_future(ending.until_over(self._supervision))
        broken = asyncio.ensure_future(self._supervision.failure())
        interrupted = asyncio.ensure_future(self._interrupts.first.wait())
        ends = {broken, interrupted, *([over] if self._until_done else [])}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if interrupted.done():
                await self._interrupted()
                return OK
            if broken.done():
                await self._broken(broken.result())
                return PARKED
            await self._show.close()
            return self._say_end(over.result())
        finally:
            for each in (over, broken, interrupted):
                each.cancel()
            await asyncio.gather(over, broken, interrupted, return_exceptions=True)

    def _say_end(self, troubles: tuple[str, ...]) -> int:
        for line in troubles or ("Every group has finished.",):
            self._say(line)
        return PARKED if troubles else OK

    async def _broken(self, reason: str) -> None:
        await self._show.close()
        self._say(f"The supervisor cannot go on: {reason}.")
        for line in await ending.keep(self._supervision):
            self._say(line)

    async def _interrupted(self) -> None:
        if self._config.on_interrupt is OnInterrupt.KEEP:
            await self._show.close()
            self._say(
                "Ending; positions stay as they are (supervisor.on_interrupt = keep). "
                "Orders that could open something are taken back first."
            )
            bound_s = self._config.stop_timeout_s
            lines = await ending.withdraw(self._supervision, bound_s, self._interrupts.second)
            for line in (*lines, *await ending.keep(self._supervision)):
                self._say(line)
            return
        self._say(
            f"Unwinding every group, for at most {self._config.unwind_timeout_s:g} s "
            "(supervisor.on_interrupt = unwind); Ctrl-C again keeps what is open."
        )
        lines = await ending.unwind(self._supervision, self._config.unwind_timeout_s, self._interrupts.second)
        await self._show.close()
        for line in lines:
            self._say(line)

    async def _close(self) -> None:
        await self._notifier.hush()
        if self._supervision.taken_over:
            await self._supervision.abandon()
        else:
            for line in await self._supervision.stop():
                self._say(line)
        await self._notifier.close(self._said)
        await self._show.close()
        await self._tasks.close()
        await self._desk.close()
        await self._server.close()

    def _say(self, text: str) -> None:
        _log.info("said", text=text)
        self._said.append(text)
        self._terminal.say(text)

    def _look(self) -> Overview:
        seen = self._desk.look(self._supervision)
        counters = seen.counters | {"telegram_refused": self._notifier.refused}
        return seen.model_copy(
            update={"channels": self._notifier.health(), "counters": counters, "host": self._host.report}
        )

    def _footer(self) -> tuple[str, ...]:
        what = {
            OnInterrupt.UNWIND: "Ctrl-C flattens every group and ends",
            OnInterrupt.KEEP: "Ctrl-C ends and keeps every position",
        }[self._config.on_interrupt]
        return (
            f"Dashboard: {self._server.url}/",
            f"Metrics: {self._server.url}/metrics   Status: {self._server.url}/api/groups",
            f"What changes something asks for the token in {self._desk.token_at}",
            f"{what} (supervisor.on_interrupt = {self._config.on_interrupt}).",
        )
