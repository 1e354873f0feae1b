"""What is written to the terminal: a live table for a person, plain lines for a pipe."""

import asyncio
import io
from collections.abc import Callable, Iterable

import structlog
from rich.console import Console
from rich.live import Live

from actors.operator.table import PhaseLines, Picture
from actors.supervision.overview import Overview

_REFRESH_S = 0.5
"""How often the picture is taken: actors report once a second."""

_log = structlog.get_logger(__name__)


class LibraryTalk(io.TextIOBase):
    """Takes what libraries print to standard output, so that it does not tear the table apart; it goes to the log."""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Log every line that says something."""
        for line in text.splitlines():
            if line.strip():
                _log.info("printed", text=line.strip())
        return len(text)


class Terminal:
    """The operator's window."""

    def __init__(self, console: Console) -> None:
        """Write to `console`."""
        self._console = console

    def say(self, text: str) -> None:
        """Write one sentence, above the table if there is one."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    async def show(self, look: Callable[[], Overview], footer: tuple[str, ...]) -> None:
        """Show what `look` sees until cancelled."""
        if not self._console.is_terminal:
            await self._show_lines(look, footer)
            return
        with Live(Picture(look(), footer), console=self._console, auto_refresh=False, redirect_stdout=False) as live:
            try:
                while True:
                    await asyncio.sleep(_REFRESH_S)
                    live.update(Picture(look(), footer), refresh=True)
            finally:
                live.update(Picture(look(), footer), refresh=True)  # the last picture stays on the screen

    async def _show_lines(self, look: Callable[[], Overview], footer: tuple[str, ...]) -> None:
        for line in footer:
            self.say(line)
        lines = PhaseLines()
        try:
            while True:
                self._say_all(lines.news(look()))
                await asyncio.sleep(_REFRESH_S)
        finally:
            self._say_all(lines.news(look()))

    def _say_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(line)
