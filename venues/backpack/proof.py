"""What observations prove about one write at Backpack. Pure: a table, no waiting, no asking.

Backpack has no nonces. What bounds a write is its signature: after X-Timestamp + X-Window the venue refuses it, by its
own clock. So a write that shows nowhere, looked for after that moment, did nothing and never can.
"""

from dataclasses import dataclass

from strategies.domain.ids import Timestamp
from venues.venue import Certainty, OrderReport, Verdict


@dataclass(frozen=True, slots=True)
class OrderEvidence:
    """What was seen of one order. The look-ups were made in the order of the fields, after `venue_time` was read."""

    expires_at: Timestamp
    """X-Timestamp + X-Window, the venue's clock."""
    skew_ms: int
    """Allowance for clocks that disagree and histories that trail."""
    venue_time: Timestamp | None
    """The venue's clock before the first look; None = not asked, because it was too early by our estimate."""
    resting: OrderReport | None
    """The answer to the look-up of a resting order."""
    ended: OrderReport | None
    """The row of the order history."""
    fills: int
    """Rows of the fill history that carry the client id."""
    searched_all: bool
    """The histories were read back to before the write was signed."""


def judge_order(evidence: OrderEvidence) -> Verdict:
    """Say what is proven about an order."""
    if evidence.ended is not None:
        return Verdict(certainty=Certainty.EXECUTED, proof="the order history has it", order=evidence.ended)
    if evidence.resting is not None:
        return Verdict(certainty=Certainty.EXECUTED, proof="it rests on the book", order=evidence.resting)
    if evidence.fills:
        return Verdict(certainty=Certainty.EXECUTED, proof=f"{evidence.fills} fill(s) carry its client id")
    if not is_past(evidence.venue_time, evidence.expires_at, evidence.skew_ms):
        return Verdict(certainty=Certainty.OPEN, proof="nowhere to be seen, but its window may still be open")
    if not evidence.searched_all:
        return Verdict(certainty=Certainty.OPEN, proof="nowhere to be seen, but the histories are longer than was read")
    return Verdict(
        certainty=Certainty.DEAD,
        proof=f"neither resting nor in the histories, read at venue time {evidence.venue_time}, "
        f"after its window closed at {evidence.expires_at}",
        by_absence=True,
    )


@dataclass(frozen=True, slots=True)
class CancelEvidence:
    """What was seen of the orders that a cancel aimed at."""

    expires_at: Timestamp
    skew_ms: int
    venue_time: Timestamp | None
    resting: int
    """Orders still on the book that the cancel was to take away."""


def judge_cancel(evidence: CancelEvidence) -> Verdict:
    """Say what is proven about a cancel: it is judged by its aim, for it leaves no trace of its own."""
    if not evidence.resting:
        return Verdict(certainty=Certainty.EXECUTED, proof="nothing rests any more that it was to cancel")
    if is_past(evidence.venue_time, evidence.expires_at, evidence.skew_ms):
        return Verdict(
            certainty=Certainty.DEAD, proof=f"{evidence.resting} order(s) still rest after its window closed"
        )
    return Verdict(certainty=Certainty.OPEN, proof=f"{evidence.resting} order(s) still rest, its window may be open")


def is_past(venue_time: Timestamp | None, expires_at: Timestamp, skew_ms: int) -> bool:
    """Say whether the venue's clock is beyond a write's last moment, with the allowance."""
    return venue_time is not None and venue_time > expires_at + skew_ms
