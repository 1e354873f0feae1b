"""What observations prove about one write at Backpack. Pure: two tables, no waiting, no asking.

Backpack has no nonces. What bounds a write is its signature: after X-Timestamp + X-Window the venue refuses it, by its
own clock. So a write that shows nowhere, looked for after that moment, did nothing and never can.
"""

from dataclasses import dataclass

from strategies.domain.ids import Timestamp
from venues.proof import Rule, verdict_of
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
    streamed: OrderReport | None = None
    """The last word of the private stream about the order."""

    @property
    def window_closed(self) -> bool:
        """Say whether the venue refuses the write by now, by its own clock."""
        return is_past(self.venue_time, self.expires_at, self.skew_ms)

    @property
    def order(self) -> OrderReport | None:
        """Return the venue's word about the order: how it ended weighs more than how it stood."""
        if self.ended is not None:
            return self.ended
        if self.streamed is not None and self.streamed.status.is_terminal:
            return self.streamed
        return self.resting or self.streamed


ORDER_RULES: tuple[Rule[OrderEvidence], ...] = (
    Rule("ended", lambda seen: seen.ended is not None, Certainty.EXECUTED, "the order history has it"),
    Rule("resting", lambda seen: seen.resting is not None, Certainty.EXECUTED, "it rests on the book"),
    Rule("filled", lambda seen: seen.fills > 0, Certainty.EXECUTED, "the fill history has fills of its client id"),
    Rule("streamed", lambda seen: seen.streamed is not None, Certainty.EXECUTED, "the private stream has told of it"),
    Rule(
        "window-open",
        lambda seen: not seen.window_closed,
        Certainty.OPEN,
        "nowhere to be seen, but its window may still be open",
    ),
    Rule(
        "not-read-to-the-end",
        lambda seen: not seen.searched_all,
        Certainty.OPEN,
        "nowhere to be seen, but the histories are longer than was read",
    ),
    Rule(
        "window-closed",
        lambda _seen: True,
        Certainty.DEAD,
        "neither resting nor in the histories, read after its window closed by the venue's clock",
        by_absence=True,
    ),
)
"""First match decides; the last row always fits."""


def judge_order(evidence: OrderEvidence) -> Verdict:
    """Say what is proven about an order."""
    return verdict_of(ORDER_RULES, evidence, order=evidence.order)


@dataclass(frozen=True, slots=True)
class CancelEvidence:
    """What was seen of the orders that a cancel aimed at."""

    expires_at: Timestamp
    skew_ms: int
    venue_time: Timestamp | None
    resting: int
    """Orders still on the book that the cancel was to take away."""


CANCEL_RULES: tuple[Rule[CancelEvidence], ...] = (
    Rule(
        "nothing-rests",
        lambda seen: seen.resting == 0,
        Certainty.EXECUTED,
        "nothing rests any more that it was to cancel",
    ),
    Rule(
        "still-resting",
        lambda seen: is_past(seen.venue_time, seen.expires_at, seen.skew_ms),
        Certainty.DEAD,
        "what it was to cancel still rests after its window closed",
    ),
    Rule("cancel-open", lambda _seen: True, Certainty.OPEN, "what it was to cancel rests, its window may be open"),
)
"""A cancel is judged by its aim, for it leaves no trace of its own. First match decides; the last row always fits."""


def judge_cancel(evidence: CancelEvidence) -> Verdict:
    """Say what is proven about a cancel."""
    return verdict_of(CANCEL_RULES, evidence)


def is_past(venue_time: Timestamp | None, expires_at: Timestamp, skew_ms: int) -> bool:
    """Say whether the venue's clock is beyond a write's last moment, with the allowance."""
    return venue_time is not None and venue_time > expires_at + skew_ms
