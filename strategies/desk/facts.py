"""Folding events into the state: what is held, what works, what the venue says. Nothing here decides."""

from decimal import Decimal
from typing import Any

from strategies.desk.state import Phase
from strategies.desk.turn import Executed, Turn
from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.commands import Severity
from strategies.domain.events import OrderDenied, OrderRejected, PositionAdjusted
from strategies.domain.ids import AccountId, LegName, OrderId, Timestamp, read_order_id
from strategies.domain.money import ZERO
from strategies.domain.position import Fill, FillCause
from strategies.execution import fill_changes, find, owed_part, owing, replace, untold, without
from strategies.facts import CycleFacts, look_changes
from strategies.flatten.closing import PURPOSE
from strategies.unwind import doubling

_OURS_DENIED = "canceled"
"""Code of an order that our own cancel kept from leaving."""


class DeskFacts(CycleFacts[Turn[Any]]):
    """What a desk makes of events."""

    idle = Phase.IDLE
    over = Phase.ENDED

    def leg_of(self, turn: Turn[Any], account: AccountId) -> LegName | None:
        """See `Facts.leg_of`."""
        return turn.setting.legs_of.get(account)

    def restarted(self, turn: Turn[Any]) -> None:
        """See `Facts.restarted`: timers and looks are gone, and no number from then is a basis now.

        What works stays as it is known: its end, or its fills, come as facts, and nothing is placed beside it.
        """
        turn.move(timers={}, looking_since=None, look_due_at=None, looks=0, basis_at=turn.now, answered_at=Timestamp(0))
        for name, leg in turn.state.legs.items():
            working = tuple(order.model_copy(update={"cancel_at": None}) for order in leg.working)
            turn.put(name, working=working, orphans_cancel_at=None)
        if turn.state.phase in (Phase.PREPARING, Phase.WORKING):
            turn.want_look()

    def look_answered(self, turn: Turn[Any]) -> None:
        """See `Facts.look_answered`: what the way out has asked for is no look of the desk's."""
        if turn.state.looking_since is not None:
            self.look_ended(turn)

    def looked_at(self, turn: Turn[Any], name: LegName, look: LegObservation) -> None:
        """See `Facts.looked_at`."""
        leg = turn.leg(name)
        turn.put(
            name,
            **look_changes(leg, look, turn.now),
            asked_at=turn.state.asked_at,
            mode=leg.mode if look.is_empty else look.mode,
            sighted_at=leg.sighted_at if look.quote is None else turn.now,
        )

    def mode_changed(self, turn: Turn[Any], name: LegName, mode: AccountMode) -> None:
        """See `Facts.mode_changed`."""
        turn.put(name, mode=mode)
        if mode is AccountMode.ARMED and turn.state.phase is Phase.WORKING:
            turn.want_look()

    def submitted(self, turn: Turn[Any], name: LegName, order_id: OrderId) -> None:
        """See `Facts.submitted`."""
        _alive(turn, name, order_id)

    def accepted(self, turn: Turn[Any], name: LegName, order_id: OrderId) -> None:
        """See `Facts.accepted`."""
        _alive(turn, name, order_id, accepted=True, unknown=False)

    def doubted(self, turn: Turn[Any], name: LegName, order_id: OrderId) -> None:
        """See `Facts.doubted`."""
        _alive(turn, name, order_id, unknown=True)

    def refusal(self, event: OrderDenied | OrderRejected) -> str:
        """See `Facts.refusal`; empty = we have thought better of it."""
        return "" if event.code == _OURS_DENIED else super().refusal(event)

    def ended(self, turn: Turn[Any], name: LegName, order_id: OrderId, filled: Decimal, reason: str) -> None:
        """See `Facts.ended`: what it executed beyond the fills seen so far is held, and owed to the ledger."""
        leg = turn.leg(name)
        order = find(leg.working, order_id)
        if order is None:
            if order_id in leg.orphans:
                turn.put(name, orphans=tuple(each for each in leg.orphans if each != order_id))
            return
        executed = max(filled, order.filled)
        owed = owing(leg.owed, order_id, untold(order, executed))
        working = without(leg.working, order)
        if executed > ZERO or order.cancel_at is not None or not reason:
            turn.put(name, working=working, owed=owed, failures=0, failure="")
            return
        failures = leg.failures + 1
        rest = turn.later(doubling(turn.params.order_retry_s, failures - 1, turn.params.order_retry_max_s))
        turn.put(name, working=working, owed=owed, failures=failures, failure=reason, not_before=rest)

    def filled(self, turn: Turn[Any], name: LegName, fill: Fill) -> None:
        """See `Facts.filled`: once, by its trade id, whenever it comes."""
        leg = turn.leg(name)
        if fill.trade_id in leg.seen:
            return
        changes = fill_changes(leg, fill, owed_part(leg.owed, fill.order_id, fill.signed_quantity))
        order = find(leg.working, fill.order_id)
        if order is not None:
            known = {"filled": order.filled + fill.quantity, "unknown": False, "accepted": True}
            changes["working"] = replace(leg.working, order, order.model_copy(update=known))
        turn.put(name, **changes)
        if fill.cause is not FillCause.ORDER:
            turn.forced = f"{name}: {fill.cause.lower()} of {fill.signed_quantity}"
        elif fill.order_id is not None and fill.order_id.startswith(f"{turn.setting.group}:"):
            _own_fill(turn, name, fill, fill.order_id)

    def adjusted(self, turn: Turn[Any], name: LegName, event: PositionAdjusted) -> None:
        """See `Facts.adjusted`."""
        leg = turn.leg(name)
        before = leg.held
        turn.put(name, offset=event.after - leg.ledger.quantity, owed=())
        if before == event.after:
            return
        turn.forced = f"{name} holds {event.after}, not {before}: {event.reason}"
        turn.notify(Severity.WARNING, "position_adjusted", turn.forced)


def _alive(turn: Turn[Any], name: LegName, order_id: OrderId, **changes: bool) -> None:
    """Note how an order stands; one of ours that this journal does not know is an orphan, to be canceled by its id."""
    leg = turn.leg(name)
    order = find(leg.working, order_id)
    if order is not None:
        turn.put(name, working=replace(leg.working, order, order.model_copy(update=changes)))
        return
    if _notice_id(turn, name, order_id) and order_id not in leg.orphans:
        turn.put(name, orphans=(*turn.leg(name).orphans, order_id))


def _notice_id(turn: Turn[Any], name: LegName, order_id: OrderId) -> bool:
    """Say whether an id is one of a desk's for this group; never use one again that an earlier life has used."""
    said = read_order_id(order_id)
    if said is None or said.group != turn.setting.group or said.purpose == PURPOSE:
        return False  # not of this group, or a way out's own
    if said.cycle > turn.state.cycle and turn.state.phase in (Phase.IDLE, Phase.PREPARING, Phase.ENDED):
        turn.move(cycle=said.cycle)
        for leg in turn.state.legs:
            turn.put(leg, made=0)
    if said.cycle == turn.state.cycle and said.attempt > turn.leg(name).made:
        turn.put(name, made=said.attempt)
    return True


def _own_fill(turn: Turn[Any], name: LegName, fill: Fill, order_id: OrderId) -> None:
    if turn.state.phase is Phase.WORKING:
        slot = order_id.rsplit(":", 2)[1]
        turn.fills.append(Executed(name, slot, fill.signed_quantity, fill.price, turn.now))
    elif turn.state.phase is not Phase.EXITING:
        turn.put(name, stray=turn.leg(name).stray + fill.signed_quantity)


fold = DeskFacts().fold
"""Take note of one event."""
