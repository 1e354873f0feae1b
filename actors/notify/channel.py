"""A way out for messages, what can go wrong on it, and how it stands."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from actors.notify.message import Message
from strategies.domain.ids import Timestamp
from strategies.domain.model import Value


class DeliveryError(Exception):
    """A message did not go out, or nobody knows whether it did. The text never holds a secret."""

    def __init__(self, text: str, *, retry_after_s: float | None = None, hopeless: bool = False) -> None:
        """`retry_after_s`: the channel said when to come again; `hopeless`: this very text will never be taken."""
        super().__init__(text)
        self.retry_after_s = retry_after_s
        self.hopeless = hopeless


class Channel(Protocol):
    """Delivers texts to one place."""

    name: str
    limit: int
    """Characters that fit into one text."""

    async def deliver(self, text: str, messages: Sequence[Message]) -> None:
        """Hand `text`, which is `messages` joined, over.

        Raises:
            DeliveryError: it did not, or may not have, gone out.
        """

    async def close(self) -> None:
        """Let go of what it holds. May be called twice."""


class ChannelHealth(Value):
    """How a channel stands."""

    name: str
    sent: int = Field(ge=0, description="messages that were taken over there")
    failures: int = Field(ge=0, description="attempts that failed")
    dropped: int = Field(ge=0, description="messages that will never go out: the queue was full, or nobody takes them")
    waiting: int = Field(ge=0)
    failing_since: Timestamp | None = Field(description="None = the last attempt went out, or there was none yet")
    last_error: str
