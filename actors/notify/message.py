"""A message, and what fits into one. Pure."""

from collections.abc import Sequence

from pydantic import Field

from strategies.domain.commands import Severity
from strategies.domain.ids import Timestamp
from strategies.domain.model import Value

RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
"""Order of severities."""
_MARKS = {
    Severity.INFO: "\N{INFORMATION SOURCE}",
    Severity.WARNING: "\N{WARNING SIGN}",
    Severity.CRITICAL: "\U0001f534",
}
_OVER = "\N{WHITE HEAVY CHECK MARK}"
_CUT = " …"


class Button(Value):
    """Something to press below a message."""

    text: str
    answer: str = Field(max_length=64, description="what comes back when it is pressed; Telegram allows 64 bytes")


class Message(Value):
    """One thing to tell."""

    at: Timestamp
    severity: Severity
    text: str
    buttons: tuple[Button, ...] = ()
    good: bool = Field(default=False, description="a trouble is over; the severity is still that of the trouble")
    answer: bool = Field(default=False, description="an answer to a person who waits for it: goes out whatever it says")

    @property
    def shown(self) -> str:
        """Return the text as people read it."""
        return self.text if self.answer else f"{_OVER if self.good else _MARKS[self.severity]} {self.text}"


def joined(messages: Sequence[Message], limit: int) -> tuple[str, int]:
    """Join as many messages from the front as fit into one text of `limit` characters; return it and how many.

    The first always fits: it is cut. A message with buttons stands alone.
    """
    text, count = "", 0
    for message in messages:
        added = f"{text}\n\n{message.shown}" if text else message.shown
        if count and (message.buttons or len(added) > limit):
            break
        text, count = added, count + 1
        if message.buttons:
            break
    return (text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT), count
