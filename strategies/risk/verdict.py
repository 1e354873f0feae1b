"""What the gate says of an order: one that has not passed is a different type from one that has."""

from dataclasses import dataclass

from strategies.domain.commands import SubmitOrder
from strategies.risk.limits import Bound


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that may leave."""

    command: SubmitOrder


@dataclass(frozen=True, slots=True)
class Denied:
    """An order that may not, and why. `code` is stable, `detail` is for people and has both numbers."""

    code: str
    detail: str
    bound: Bound | None = None
    """The limit that it would pass; None = what a limit is measured by is not known."""
