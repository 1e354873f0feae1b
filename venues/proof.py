"""How proofs are written down: a table of rows, the first that fits decides. Each venue has its own (`*/proof.py`)."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from venues.venue import Certainty, OrderReport, Verdict

Seen = TypeVar("Seen")


class Rule(NamedTuple, Generic[Seen]):
    """One row of a table: what must have been seen, and what that proves."""

    name: str
    applies: Callable[[Seen], bool]
    certainty: Certainty
    proof: str
    by_absence: bool = False
    """It rests on the venue not knowing the write: worth nothing against an acknowledgement or a fill."""
    nonce_taken: bool = False
    """Another transaction has the write's nonce."""


def verdict_of(
    rules: Sequence[Rule[Seen]], seen: Seen, *, order: OrderReport | None = None, detail: str = ""
) -> Verdict:
    """Return what the first row that fits says; the last row of a table always fits.

    Args:
        rules: the table.
        seen: the observations.
        order: the venue's word about the order, handed on.
        detail: the venue's reason, added to a death.
    """
    rule = next(row for row in rules if row.applies(seen))
    reason = f" ({detail})" if detail and rule.certainty is Certainty.DEAD else ""
    return Verdict(
        certainty=rule.certainty,
        proof=f"{rule.name}: {rule.proof}{reason}",
        order=order,
        by_absence=rule.by_absence,
        nonce_taken=rule.nonce_taken,
    )
