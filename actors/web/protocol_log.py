"""What the HTTP library says of bytes that are no HTTP: one line and a count, in place of a stack for each of them."""

import logging

from aiohttp.http_exceptions import HttpProcessingError

from actors.meter import Meter
from actors.web.refusal import Reason


class GarbageIsNoError(logging.Filter):
    """Turns the report of a request that cannot be parsed into a warning without a stack, and counts it."""

    def __init__(self, meter: Meter) -> None:
        """Count in `meter`."""
        super().__init__()
        self._meter = meter

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, HttpProcessingError):
            self._meter.count(f"http_refused_{Reason.REQUEST}")
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            # The bytes themselves are not repeated: among them may be a token in a broken header.
            record.msg, record.args = f"A request that is no HTTP: {type(error).__name__}", ()
            record.exc_info = record.exc_text = None
        return True


def protocol_logger(meter: Meter) -> logging.Logger:
    """Return the logger that the HTTP library is given."""
    logger = logging.getLogger(__name__)
    for earlier in list(logger.filters):
        logger.removeFilter(earlier)
    logger.addFilter(GarbageIsNoError(meter))
    return logger
