"""What comes in from a chat: who speaks, what was said, what was pressed."""

from dataclasses import dataclass

from strategies.domain.ids import Timestamp


@dataclass(frozen=True)
class Person:
    """Who speaks, and where."""

    chat: int
    user: int

    @property
    def signature(self) -> str:
        """Return how the journal names this person."""
        return f"telegram:{self.chat}/{self.user}"


@dataclass(frozen=True)
class Said:
    """A message."""

    person: Person
    text: str
    at: Timestamp


@dataclass(frozen=True)
class Pressed:
    """A button below a message of ours."""

    person: Person
    press: str
    """Telegram's id of the press: it wants an answer."""
    answer: str
    """What the button carries."""
