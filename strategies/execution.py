"""Executions counted exactly once: what an order's end told ahead of its fills is owed, until the fills explain it."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from pydantic import Field

from strategies.domain.ids import OrderId, TradeId
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.position import Fill, Position

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


class CountedLeg(Protocol):
    """A leg that is the fold of its fills."""

    @property
    def ledger(self) -> Position:
        """Return the fold of every fill."""

    @property
    def owed(self) -> tuple[OwedFill, ...]:
        """Return what is owed to it."""

    @property
    def seen(self) -> tuple[TradeId, ...]:
        """Return the latest trade ids, oldest first."""


def fill_changes(leg: CountedLeg, fill: Fill, owed: Decimal) -> dict[str, Any]:
    """Return what a fill changes in a leg that has not seen it; `owed` of it is already held (`owed_part`)."""
    return {
        "seen": (*leg.seen[-SEEN_TRADES_MAX + 1 :], fill.trade_id),
        "ledger": leg.ledger.fold(fill),
        "owed": less_owed(leg.owed, fill.order_id, owed) if owed != ZERO else leg.owed,
        "price": fill.price,
    }


class SentOrder(Protocol):
    """An order whose end has not been told."""

    @property
    def order_id(self) -> OrderId:
        """Return our id of it."""

    @property
    def signed(self) -> Decimal:
        """Return what a complete fill adds to the position, base units."""

    @property
    def filled(self) -> Decimal:
        """Return what has been executed so far, base units."""


S = TypeVar("S", bound=SentOrder)


def find(orders: Iterable[S], order_id: OrderId | None) -> S | None:
    """Return the order of that id; None = it is not among them."""
    return next((order for order in orders if order.order_id == order_id), None)


def replace(orders: Iterable[S], order: S, known: S) -> tuple[S, ...]:
    """Return the orders with one of them as it is now `known`."""
    return tuple(known if each is order else each for each in orders)


def without(orders: Iterable[S], order: S) -> tuple[S, ...]:
    """Return the orders without one of them."""
    return tuple(each for each in orders if each is not order)


def untold(order: SentOrder, executed: Decimal) -> Decimal:
    """Return what an order that `executed` so much has done beyond the fills seen so far, signed, base units."""
    return (executed - order.filled).copy_sign(order.signed)


def owing(owed: tuple[OwedFill, ...], order_id: OrderId, signed: Decimal) -> tuple[OwedFill, ...]:
    """Return what is owed once an order's end has told of `signed` ahead of its fills."""
    return owed if signed == ZERO else (*owed, OwedFill(order_id=order_id, signed=signed))
