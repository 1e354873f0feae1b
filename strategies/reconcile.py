"""Belief against the venue's statement: whether they agree, and what a difference asks for. Pure."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from strategies.domain.ids import Timestamp
from strategies.domain.model import Value


class Agreement(StrEnum):
    """What one comparison found."""

    AGREED = "AGREED"
    """Statement and belief are the same number."""
    UNSETTLED = "UNSETTLED"
    """Something is under way that could explain a difference: compare again when it has ended."""
    UNEXPLAINED = "UNEXPLAINED"
    """A difference without an explanation, not yet confirmed: read the fills, then look once more."""
    CONFIRMED = "CONFIRMED"
    """Two statements, far enough apart, say the same, and no fill explains it: belief follows the venue."""


class Difference(Value):
    """A difference that has been seen and waits for its second source."""

    reported: Decimal = Field(description="base units, signed")
    believed: Decimal = Field(description="base units, signed")
    since: Timestamp


class Comparison(Value):
    """The finding, and the difference to remember for the next comparison (None = nothing to remember)."""

    agreement: Agreement
    difference: Difference | None


def compare(
    believed: Decimal,
    reported: Decimal,
    *,
    settled: bool,
    contradicted: bool = False,
    seen: Difference | None,
    confirm_ms: int,
    at: Timestamp,
) -> Comparison:
    """Judge one statement of a position.

    `settled` says that no order was in flight and no fill came in between the question and the answer. A surprising
    statement, zero most of all, needs a second one at least `confirm_ms` later before anyone acts on it, and is never
    acted on while it is `contradicted` by another source of the venue.
    """
    if reported == believed:
        return Comparison(agreement=Agreement.AGREED, difference=None)
    if not settled:
        return Comparison(agreement=Agreement.UNSETTLED, difference=None)
    if seen is None or seen.reported != reported or seen.believed != believed:
        fresh = Difference(reported=reported, believed=believed, since=at)
        return Comparison(agreement=Agreement.UNEXPLAINED, difference=fresh)
    if contradicted or at - seen.since < confirm_ms:
        return Comparison(agreement=Agreement.UNEXPLAINED, difference=seen)
    return Comparison(agreement=Agreement.CONFIRMED, difference=seen)
