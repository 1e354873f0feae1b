"""Folding events into the state: what is to be closed, what is on its way. Nothing here orders anything."""

from decimal import Decimal

from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.commands import Severity
from strategies.domain.events import AccountEvent, Filled, OperatorState, OperatorStateSet, PositionAdjusted
from strategies.domain.ids import AccountId, LegName, OrderId, Timestamp
from strategies.domain.money import ZERO
from strategies.domain.position import Fill, FillCause
from strategies.execution import find, replace, untold, without
from strategies.facts import Facts, look_changes
from strategies.flatten.state import FlattenLeg, Phase
from strategies.flatten.turn import Turn
from strategies.unwind import milliseconds


class FlattenFacts(Facts[Turn]):
    """What a flatten makes of events. Out of a run only a late fill of ours matters: it begins another one."""

    def leg_of(self, turn: Turn, account: AccountId) -> LegName | None:
        """See `Facts.leg_of`."""
        return next((name for name, leg in turn.state.legs.items() if leg.account == account), None)

    def started(self, turn: Turn) -> None:
        """See `Facts.started`: that begins a run."""
        begin(turn, "just started")

    def restarted(self, turn: Turn) -> None:
        """See `Facts.restarted`: timers and looks are gone, and a cancel may have been cut off."""
        turn.move(timers={})
        if turn.state.phase is not Phase.CLOSING:
            return
        for name in turn.state.legs:
            turn.changed(name, quantity=None, moved=False, asking=False, surprise_at=None, look_due_at=turn.now)
            turn.cancel_all(name)

    def operated(self, turn: Turn, event: OperatorStateSet) -> None:
        """See `Facts.operated`: FLATTEN begins a run unless one is under way; there is nothing else to be told."""
        turn.move(operator_state=event.state)
        if event.state is OperatorState.FLATTEN and turn.state.phase is not Phase.CLOSING:
            begin(turn, f"FLATTEN by {event.by}" + (f": {event.reason}" if event.reason else ""))

    def looked_at(self, turn: Turn, name: LegName, look: LegObservation) -> None:
        """See `Facts.looked_at`."""
        leg = turn.leg(name)
        leg = turn.put(name, **look_changes(leg, look, turn.now), look_in=leg.asked_in)
        if leg.price is None and look.position is not None and look.position.entry_price > ZERO:
            turn.put(name, price=look.position.entry_price)
        look_ended(turn, name)
        _learn(turn, name, look)

    def leg_fact(self, turn: Turn, name: LegName, event: AccountEvent) -> None:
        """See `Facts.leg_fact`."""
        if turn.state.phase is Phase.CLOSING:
            super().leg_fact(turn, name, event)
        else:
            _late_fact(turn, event)

    def filled(self, turn: Turn, name: LegName, fill: Fill) -> None:
        """See `Facts.filled`."""
        leg = turn.leg(name)
        order = find(leg.live, fill.order_id)
        if order is None:
            # Not of an order that stands open here: a look tells what it has come to, and gets a moment to do so.
            hold = turn.later(turn.params.confirm_timeout_s)
            turn.changed(name, moved=True, price=fill.price, not_before=max(leg.not_before, hold))
            return
        filled = order.model_copy(update={"filled": order.filled + fill.quantity, "unknown": False})
        live = replace(leg.live, order, filled)
        quantity = None if leg.quantity is None else leg.quantity + fill.signed_quantity
        turn.changed(name, live=live, quantity=quantity, price=fill.price, surprise_at=None, looks=0)

    def adjusted(self, turn: Turn, name: LegName, event: PositionAdjusted) -> None:
        """See `Facts.adjusted`."""
        turn.changed(name, quantity=event.after, moved=True, surprise_at=None)

    def mode_changed(self, turn: Turn, name: LegName, mode: AccountMode) -> None:
        """See `Facts.mode_changed`: look at once when an account has come up, it can tell now what it could not."""
        if mode in (AccountMode.ARMED, AccountMode.FROZEN):
            turn.put(name, looks=0, look_due_at=None if turn.leg(name).asking else turn.now)

    def accepted(self, turn: Turn, name: LegName, order_id: OrderId) -> None:
        """See `Facts.accepted`."""
        _mark(turn, name, order_id, unknown=False)

    def doubted(self, turn: Turn, name: LegName, order_id: OrderId) -> None:
        """See `Facts.doubted`."""
        _mark(turn, name, order_id, unknown=True)

    def ended(self, turn: Turn, name: LegName, order_id: OrderId, filled: Decimal, reason: str) -> None:
        """See `Facts.ended`: what the order executed beyond the fills seen so far is counted now, once."""
        leg = turn.leg(name)
        order = find(leg.live, order_id)
        if order is None:
            return
        live = without(leg.live, order)
        executed = max(filled, order.filled)
        quantity = None if leg.quantity is None else leg.quantity + untold(order, executed)
        if executed > ZERO:
            not_before = leg.not_before if leg.moved else turn.now
            turn.changed(name, live=live, quantity=quantity, failures=0, failure="", not_before=not_before, looks=0)
        else:
            failures = leg.failures + 1
            rest = max(leg.not_before, turn.later(turn.params.rest_s(failures)))
            turn.changed(name, live=live, failures=failures, failure=reason, not_before=rest)


def begin(turn: Turn, reason: str) -> None:
    """Begin a run: nothing from before it is a basis. Whatever rests is canceled before anything is ordered."""
    turn.move(
        phase=Phase.CLOSING,
        phase_since=turn.now,
        reason=reason,
        run=turn.state.run + 1,
        run_at=max(turn.now, Timestamp(turn.state.run_at + 1)),
    )
    for name, leg in turn.state.legs.items():
        fresh = FlattenLeg(account=leg.account, live=leg.live, price=leg.price, look=leg.look)
        turn.state.legs[name] = fresh
        turn.changed(name, alert_at=turn.params.exit_alert_attempts, look_due_at=turn.now)
        turn.cancel_all(name)


def look_ended(turn: Turn, name: LegName) -> None:
    """Note that a look is over, answered or not."""
    turn.put(name, asking=False, answered_at=turn.now, looks=turn.leg(name).looks + 1)
    turn.answered.add(name)


def _learn(turn: Turn, name: LegName, look: LegObservation) -> None:
    """Take what is to be closed from the venue's statement; a zero that nothing explains only when it is said twice."""
    leg = turn.leg(name)
    if look.position is None:
        # The venue does not say, the account still knows. To close what it believes in cannot do harm.
        if leg.quantity is None and look.believed != ZERO:
            turn.put(name, quantity=look.believed)
        return
    doubtful_only = all(order.unknown for order in leg.live)
    if leg.look_in < leg.changed_in or not doubtful_only:
        return  # older than a fact, or our own order is on its way: its fills tell
    held = look.position.quantity
    expected = look.believed if leg.quantity is None else leg.quantity
    vanished = held == ZERO and expected != ZERO and not leg.moved
    if not vanished:
        not_before = turn.now if leg.moved else leg.not_before
        turn.put(name, quantity=held, moved=False, surprise_at=None, not_before=not_before)
    elif leg.surprise_at is None or leg.asked_at is None:
        turn.put(name, quantity=expected, surprise_at=turn.now)
    elif leg.asked_at - leg.surprise_at >= milliseconds(turn.params.confirm_delay_s):
        turn.put(name, quantity=held, moved=False, surprise_at=None)
        turn.notify(Severity.WARNING, "position_surprise", f"{name} is flat by two statements, not {expected}")


def _late_fact(turn: Turn, event: AccountEvent) -> None:
    if not isinstance(event, Filled) or event.fill.cause is not FillCause.ORDER or event.fill.order_id is None:
        return
    if turn.state.phase is Phase.FLAT and event.fill.order_id.startswith(f"{turn.spec.group}:"):
        begin(turn, f"a fill of {event.fill.order_id} came late")


def _mark(turn: Turn, name: LegName, order_id: OrderId, *, unknown: bool) -> None:
    leg = turn.leg(name)
    order = find(leg.live, order_id)
    if order is not None:
        turn.put(name, live=replace(leg.live, order, order.model_copy(update={"unknown": unknown})))


fold = FlattenFacts().fold
"""Take note of one event."""
