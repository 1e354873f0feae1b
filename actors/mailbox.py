"""Numbered messages, each taken once and in order, whatever the transport does to them.

Ray may deliver one caller's calls out of order and may lose an answer; numbers make both harmless.
"""

from pydantic import Field

from actors.actor import Envelope, Message, StaleSenderError
from strategies.domain.model import Value


class SenderMark(Value):
    """How far one sender's messages have been taken."""

    epoch: int
    taken: int
    journal: str = Field(default="", description="identity of the journal they came from; empty = none said")


def sift(mark: SenderMark | None, envelope: Envelope) -> tuple[SenderMark, tuple[Message, ...]]:
    """Return the new mark and the messages to take now: the next ones without a gap.

    Messages already taken are dropped; messages behind a gap are left for the sender to send again. Numbers of another
    journal than before mean other messages: none of them is taken, and the sender, told which was known, has to stop.

    Raises:
        StaleSenderError: a later incarnation of the sender has been heard.
    """
    taken = mark.taken if mark is not None else 0
    if mark is not None and envelope.sender_epoch < mark.epoch:
        raise StaleSenderError(envelope.sender, envelope.sender_epoch, mark.epoch)
    if mark is not None and mark.journal and envelope.journal != mark.journal:
        return mark, ()
    fresh: list[Message] = []
    for message in sorted(envelope.messages, key=lambda each: each.seq):
        if message.seq == taken + 1:
            fresh.append(message)
            taken = message.seq
    return SenderMark(epoch=envelope.sender_epoch, taken=taken, journal=envelope.journal), tuple(fresh)
