"""Bringing about what is wanted: slot by slot, one order at a time, and never beside one whose end is not known."""

from collections.abc import Iterator, Sequence
from typing import Any

from strategies.desk.state import DeskLeg
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.unwind import milliseconds
from strategies.working import Move, Wanted, move_for


def keep(turn: Turn[Any], name: LegName, wanted: Sequence[Wanted]) -> None:
    """Make the moves that bring a leg's slots to what is wanted.

    Raises:
        ValueError: two wishes for one slot: an error of the policy.
    """
    allowed = [each for each in wanted if each.reduce_only or turn.may_grow]
    by_slot = {each.slot: each for each in allowed}
    if len(by_slot) != len(allowed):
        raise ValueError(f"two wishes for one slot of {name}: {[each.slot for each in allowed]}")
    grace_ms = milliseconds(turn.params.cancel_grace_s)
    for order in turn.leg(name).working:
        move = move_for(order, by_slot.pop(order.slot, None), turn.now, grace_ms)
        if move is Move.CANCEL:
            turn.cancel(name, order)
    _cancel_orphans(turn, name, grace_ms)
    if by_slot and _may_place(turn, name):
        for each in by_slot.values():
            if each.quantity > ZERO and turn.writes(name, reduce_only=each.reduce_only):
                turn.submit(name, each)


def withdraw(turn: Turn[Any], name: LegName, *, opening_only: bool) -> None:
    """Cancel what rests on a leg: all of it, or what could open risk."""
    grace_ms = milliseconds(turn.params.cancel_grace_s)
    for order in turn.leg(name).working:
        if opening_only and order.reduce_only:
            continue
        if move_for(order, None, turn.now, grace_ms) is Move.CANCEL:
            turn.cancel(name, order)


def _cancel_orphans(turn: Turn[Any], name: LegName, grace_ms: int) -> None:
    leg = turn.leg(name)
    if leg.orphans and (leg.orphans_cancel_at is None or turn.now - leg.orphans_cancel_at >= grace_ms):
        turn.put(name, orphans_cancel_at=turn.now)
        for order_id in leg.orphans:
            turn.cancel_id(name, order_id)


def _may_place(turn: Turn[Any], name: LegName) -> bool:
    """Say whether a leg may get an order now: rested, nothing unexplained at the venue, priced by a fresh quote.

    Only one order a slot; another slot of the leg may have one whose answer was lost: it is counted in nobody's slot.
    """
    leg = turn.leg(name)
    if turn.now < leg.not_before or not turn.writes(name, reduce_only=True) or leg.orphans:
        return False
    if turn.fresh_quote(name) is None:
        turn.want_look()
        return False
    return True


def moments(turn: Turn[Any], leg: DeskLeg) -> Iterator[Timestamp]:
    """Yield the moments at which the same facts would make other moves."""
    grace_ms = milliseconds(turn.params.cancel_grace_s)
    yield leg.not_before
    for order in leg.working:
        if order.cancel_at is not None:
            yield Timestamp(order.cancel_at + grace_ms)
    if leg.orphans and leg.orphans_cancel_at is not None:
        yield Timestamp(leg.orphans_cancel_at + grace_ms)
