"""Numbered messages, each taken once and in order, whatever the transport does to them.

Ray may deliver one caller's calls out of order and may lose an answer; numbers make both harmless.
"""

from actors.actor import Envelope, Message, StaleSenderError
from strategies.domain.model import Value


class SenderMark(Value):
    """How far one sender's messages have been taken."""

    epoch: int
    taken: int


def sift(mark: SenderMark | None, envelope: Envelope) -> tuple[SenderMark, tuple[Message, ...]]:
    """Return the new mark and the messages to take now: the next ones without a gap.

    Messages already taken are dropped; messages behind a gap are left for the sender to send again.

    Raises:
        StaleSenderError: a later incarnation of the sender has been heard.
    """
    taken = mark.taken if mark is not None else 0
    if mark is not None and envelope.sender_epoch < mark.epoch:
        raise StaleSenderError(envelope.sender, envelope.sender_epoch, mark.epoch)
    fresh: list[Message] = []
    for message in sorted(envelope.messages, key=lambda each: each.seq):
        if message.seq == taken + 1:
            fresh.append(message)
            taken = message.seq
    return SenderMark(epoch=envelope.sender_epoch, taken=taken), tuple(fresh)
