"""What proves that a write happened, or never can. A pure table; the first row that fits decides."""

from enum import IntEnum
from typing import NamedTuple

from strategies.domain.ids import Timestamp
from venues.proof import Rule, verdict_of
from venues.venue import Certainty, OrderReport, Verdict, WriteIdentity, WriteKind

_MS_PER_S = 1000


class TxStatus(IntEnum):
    """Where the venue says a transaction stands. `UNKNOWN` is ours: the venue does not know the hash."""

    UNKNOWN = -1
    FAILED = 0
    PENDING = 1
    EXECUTED = 2
    FINAL = 3


_DONE = frozenset({TxStatus.EXECUTED, TxStatus.FINAL})


class Observations(NamedTuple):
    """What could be seen about one write. None = not seen (not asked, or no answer).

    `next_nonce` must have been read before `tx` and `order`: a look-up that came first could have missed an execution
    that the nonce then already shows.
    """

    now: Timestamp
    write: WriteIdentity
    clock_skew_s: float
    lookup_lag_s: float
    order: OrderReport | None = None
    order_missing: bool = False
    """The look-up by client id was answered, and the order was not there. An answer that did not come is not this."""
    fills_missing: bool = False
    """The trades were read after the nonce, and none carries the client id."""
    filled: bool = False
    tx: TxStatus | None = None
    tx_error: str = ""
    next_nonce: int | None = None
    nonce_passed_for_s: float = 0.0
    clock_offset_s: float | None = None
    """The venue's clock minus ours, at the least; None = never measured, and then no time proves anything."""
    nonce_fence: bool = False
    """The venue is trusted to execute one transaction of a nonce at most, whichever it acknowledges."""
    nonce_taken_by: str | None = None
    """Hash of the transaction of ours, with the same key and nonce, that the venue has acknowledged."""

    @property
    def places_order(self) -> bool:
        """Say whether the order's existence is this write's doing."""
        return self.write.kind is WriteKind.ORDER

    @property
    def order_known(self) -> bool:
        """Say whether the venue shows the order, or a fill of it."""
        return self.places_order and (self.order is not None or self.filled)

    @property
    def nonce_passed(self) -> bool:
        """Say whether the venue has gone past this write's nonce."""
        return self.next_nonce is not None and self.write.nonce is not None and self.next_nonce > self.write.nonce

    @property
    def order_is_nowhere(self) -> bool:
        """Say whether what could show the order was asked, has answered, and does not; so of a write without one."""
        return not self.places_order or (self.order_missing and self.fills_missing and not self.order_known)

    @property
    def shows_nowhere(self) -> bool:
        """Say whether everything that could show the write was asked, has answered, and does not know it."""
        return self.tx is TxStatus.UNKNOWN and self.order_is_nowhere

    @property
    def refused_inside(self) -> bool:
        """Say whether the venue ran the transaction and names an error: how much of it was done is not said."""
        return self.tx in _DONE and bool(self.tx_error)

    @property
    def expired(self) -> bool:
        """Say whether the venue refuses to execute the write by now, by its own clock, with the allowance."""
        if self.clock_offset_s is None:
            return False
        return self.now + self.clock_offset_s * _MS_PER_S > self.write.expires_at + self.clock_skew_s * _MS_PER_S

    @property
    def fenced(self) -> bool:
        """Say whether another transaction of ours is known to have taken this write's nonce."""
        taken = self.nonce_taken_by is not None and self.nonce_taken_by != self.write.tx_hash
        return self.nonce_fence and taken


RULES: tuple[Rule[Observations], ...] = (
    Rule(
        "order-known",
        lambda seen: seen.order_known,
        Certainty.EXECUTED,
        "the venue shows the order or a fill under our client id",
    ),
    Rule(
        "tx-failed",
        lambda seen: seen.tx is TxStatus.FAILED,
        Certainty.DEAD,
        "the venue lists the transaction as failed; its nonce is used",
    ),
    Rule(
        "tx-executed-with-error",
        lambda seen: seen.refused_inside and seen.order_is_nowhere,
        Certainty.DEAD,
        "the transaction ran and was refused inside the venue, which shows neither order nor fill",
    ),
    Rule(
        "tx-executed",
        lambda seen: seen.tx in _DONE and not seen.refused_inside,
        Certainty.EXECUTED,
        "the venue lists the transaction as executed",
    ),
    Rule(
        "nonce-fenced",
        lambda seen: seen.fenced,
        Certainty.DEAD,
        "the venue has acknowledged another transaction of ours with the same nonce",
    ),
    Rule(
        "tx-pending",
        lambda seen: seen.tx is TxStatus.PENDING,
        Certainty.OPEN,
        "the venue has the transaction and has not run it yet",
    ),
    Rule(
        "nonce-taken",
        lambda seen: seen.shows_nowhere and seen.nonce_passed and seen.nonce_passed_for_s >= seen.lookup_lag_s,
        Certainty.DEAD,
        "neither hash nor order nor fill is known, and the venue has gone past its nonce: another transaction took it",
        by_absence=True,
        nonce_taken=True,
    ),
    Rule(
        "nonce-taken-just-now",
        lambda seen: seen.tx is TxStatus.UNKNOWN and seen.nonce_passed,
        Certainty.OPEN,
        "the nonce is used, and the look-up by hash may trail behind: asking again",
    ),
    Rule(
        "expired",
        lambda seen: seen.shows_nowhere and seen.expired,
        Certainty.DEAD,
        "neither hash nor order nor fill is known, and the transaction expired, with room for clock skew",
        by_absence=True,
    ),
    Rule(
        "nothing-proven",
        lambda _seen: True,
        Certainty.OPEN,
        "the venue does not show it, and it may still arrive",
    ),
)
"""First match decides; the last row always fits."""


def judge(seen: Observations) -> Verdict:
    """Return what the observations prove."""
    return verdict_of(RULES, seen, order=seen.order, detail=seen.tx_error)
