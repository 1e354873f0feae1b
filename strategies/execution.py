"""Executions counted exactly once: what an order's end told ahead of its fills is owed, until the fills explain it."""

from collections.abc import Iterable
from decimal import Decimal

from pydantic import Field

from strategies.domain.ids import OrderId
from strategies.domain.model import Value
from strategies.domain.money import ZERO

SEEN_TRADES_MAX = 256
"""Trade ids remembered per leg. Account actors deliver each fill once; this is the second line of defence."""


class OwedFill(Value):
    """What an ended order has executed beyond the fills seen so far: part of the position, its price to follow."""

    order_id: OrderId
    signed: Decimal = Field(description="base units")


def overlap(known: Decimal, signed: Decimal) -> Decimal:
    """Return the part of `signed` that `known`, of the same sign, already contains."""
    if known * signed <= ZERO:
        return ZERO
    return min(known, signed) if signed > ZERO else max(known, signed)


def owed_part(owed: Iterable[OwedFill], order_id: OrderId | None, signed: Decimal) -> Decimal:
    """Return how much of a fill is already held because its order's end told of it."""
    part = ZERO
    for entry in owed:
        if entry.order_id == order_id:
            part = overlap(entry.signed, signed)
    return part


def less_owed(owed: Iterable[OwedFill], order_id: OrderId | None, part: Decimal) -> tuple[OwedFill, ...]:
    """Return what is still owed after a fill has explained `part` of its order's debt."""
    rest = (
        entry.model_copy(update={"signed": entry.signed - part}) if entry.order_id == order_id else entry
        for entry in owed
    )
    return tuple(entry for entry in rest if entry.signed != ZERO)


def total_owed(owed: Iterable[OwedFill]) -> Decimal:
    """Return the sum of what is owed, signed."""
    total = ZERO
    for entry in owed:
        total += entry.signed
    return total
