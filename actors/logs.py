"""Where log lines go: one JSON line each, into one file per actor that keeps its name across incarnations."""

import json
import logging
import logging.handlers
import queue
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from actors.redact import redact_event

_MAX_BYTES = 20_000_000
"""One file's size: a day of ordinary running, still opened by any editor."""
_BACKUPS = 4
"""Older files kept beside it: with the current one at most 100 MB an actor."""
_QUIET = ("asyncio", "aiohttp.access", "urllib3", "ray", "filelock", "websockets", "aiosqlite")
"""Libraries whose ordinary talk says nothing about trading."""
_installed: logging.handlers.QueueListener | None = None
_levels_before: dict[str, int] = {}
"""Level of every logger that `_install` set, as it was before."""


def log_to_file(path: Path, *, debug: bool, **fields: object) -> None:
    """Send every log line of this process to `path`, with `fields` in each.

    Lines pass through a queue to a thread: neither a full disk nor a slow one ever holds the event loop up.
    Calling it again moves the log (a spare process becomes an actor).

    Raises:
        OSError: the file cannot be opened for writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = _LogFile(path, maxBytes=_MAX_BYTES, backupCount=_BACKUPS, encoding="utf-8")
    sink.setFormatter(logging.Formatter("%(message)s"))
    _install(sink, debug=debug, fields=fields)


class _LogFile(logging.handlers.RotatingFileHandler):
    """A log file that a full disk does not turn into talk at the terminal: it counts what it lost, and says so."""

    _lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; after a loss, first how many lines there were."""
        if self._lost:
            lost, self._lost = self._lost, 0
            # A line of its own: the last one may have been cut off in the middle.
            words = json.dumps({"event": "log_lines_lost", "level": "error", "lines": lost})
            super().emit(logging.makeLogRecord({"msg": f"\n{words}", "levelno": logging.ERROR}))
            if self._lost:
                self._lost = lost + 1  # still no room: this line is lost, too
                return
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Drop the line when the disk does not take it; anything else is a mistake, and shown as ever."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
            return
        self._lost += 1
        if self.stream is not None:
            with suppress(OSError):  # it tries to write the rest once more
                self.stream.close()
            self.stream = None  # opened anew by the next line


def close_logs() -> None:
    """Write what is still queued, close the file, and leave every logger as it was found."""
    global _installed  # noqa: PLW0603 - the logging module is process-wide, and so is what is installed in it
    if _installed is None:
        return
    _installed.stop()
    for sink in _installed.handlers:
        with suppress(OSError):  # what a full disk does not take is lost; the actor's end is not held up by it
            sink.close()
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logging.handlers.QueueHandler):
            root.removeHandler(handler)
    for name, level in _levels_before.items():
        logging.getLogger(name).setLevel(level)
    _levels_before.clear()
    _installed = None


def _install(sink: logging.Handler, *, debug: bool, fields: dict[str, object]) -> None:
    global _installed  # noqa: PLW0603 - see close_logs
    close_logs()
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    entrance = logging.handlers.QueueHandler(lines)
    entrance.setFormatter(_formatter(fields))
    root = logging.getLogger()
    root.addHandler(entrance)
    levels = {
        "": logging.INFO,
        "venues": logging.DEBUG if debug else logging.INFO,
        **dict.fromkeys(_QUIET, logging.WARNING),
    }
    for name, level in levels.items():
        _levels_before[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _installed = logging.handlers.QueueListener(lines, sink)
    _installed.start()


def _shared() -> list[structlog.typing.Processor]:
    return [
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(fields: dict[str, object]) -> logging.Formatter:
    def add_fields(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**fields, **event}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared()[2:],
        processors=[
            add_fields,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact_event,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ],
    )
