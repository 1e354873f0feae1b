"""Folding events into the state: what is to be closed, what is on its way. Nothing here orders anything."""

from decimal import Decimal
from typing import assert_never

from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.commands import Severity
from strategies.domain.events import (
    AccountEvent,
    AccountModeChanged,
    Filled,
    LeverageRefused,
    LeverageSet,
    Observed,
    OperatorState,
    OperatorStateSet,
    OrderAccepted,
    OrderClosed,
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
    PositionAdjusted,
)
from strategies.domain.ids import LegName, OrderId, Timestamp
from strategies.domain.money import ZERO
from strategies.domain.position import FillCause
from strategies.flatten.state import FlattenLeg, Phase
from strategies.flatten.turn import Turn
from strategies.unwind import milliseconds


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


def restarted(turn: Turn) -> None:
    """Forget what was asked before: timers and looks are gone, and a cancel may have been cut off."""
    turn.move(timers={})
    if turn.state.phase is not Phase.CLOSING:
        return
    for name in turn.state.legs:
        turn.changed(name, quantity=None, moved=False, asking=False, surprise_at=None, look_due_at=turn.now)
        turn.cancel_all(name)


def operated(turn: Turn, event: OperatorStateSet) -> None:
    """Fold the operator's word. FLATTEN begins a run unless one is under way; there is nothing else to be told."""
    turn.move(operator_state=event.state)
    if event.state is OperatorState.FLATTEN and turn.state.phase is not Phase.CLOSING:
        begin(turn, f"FLATTEN by {event.by}" + (f": {event.reason}" if event.reason else ""))


def observed(turn: Turn, event: Observed) -> None:
    """Fold the answer to a look."""
    for name, look in event.legs.items():
        if name in turn.state.legs:
            _looked_at(turn, name, look)


def _looked_at(turn: Turn, name: LegName, look: LegObservation) -> None:
    leg = turn.leg(name)
    if look.instrument is None and leg.look is not None:
        look = look.model_copy(update={"instrument": leg.look.instrument})
    price = None if look.quote is None else look.quote.mark or look.quote.bid or look.quote.ask
    if price is None and leg.price is None and look.position is not None and look.position.entry_price > ZERO:
        price = look.position.entry_price
    turn.put(name, look=look, look_in=leg.asked_in, price=leg.price if price is None else price)
    if look.position is not None:
        turn.put(name, reported=look.position, reported_at=turn.now)
    look_ended(turn, name)
    _learn(turn, name, look)


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


def leg_fact(turn: Turn, name: LegName, event: AccountEvent) -> None:
    """Fold one fact of an account. Out of a run only a late fill of ours matters: it begins another one."""
    if turn.state.phase is not Phase.CLOSING:
        _late_fact(turn, event)
        return
    match event:
        case Filled():
            _filled(turn, name, event)
        case PositionAdjusted():
            turn.changed(name, quantity=event.after, moved=True, surprise_at=None)
        case OrderDenied() | OrderRejected():
            _order_ended(turn, name, event.order_id, ZERO, f"{event.code}: {event.detail}")
        case OrderClosed():
            _order_ended(turn, name, event.order_id, event.filled, event.reason or event.status.lower())
        case OrderOutcomeUnknown():
            _mark(turn, name, event.order_id, unknown=True)
        case OrderAccepted():
            _mark(turn, name, event.order_id, unknown=False)
        case AccountModeChanged():
            _mode_changed(turn, name, event.mode)
        case OrderSubmitted() | LeverageSet() | LeverageRefused():
            pass
        case _:
            assert_never(event)


def _mode_changed(turn: Turn, name: LegName, mode: AccountMode) -> None:
    """Look at once when an account has come up: what it could not tell before, it can now."""
    if mode in (AccountMode.ARMED, AccountMode.FROZEN):
        turn.put(name, looks=0, look_due_at=None if turn.leg(name).asking else turn.now)


def _late_fact(turn: Turn, event: AccountEvent) -> None:
    if not isinstance(event, Filled) or event.fill.cause is not FillCause.ORDER or event.fill.order_id is None:
        return
    if turn.state.phase is Phase.FLAT and event.fill.order_id.startswith(f"{turn.spec.group}:"):
        begin(turn, f"a fill of {event.fill.order_id} came late")


def _filled(turn: Turn, name: LegName, event: Filled) -> None:
    fill, leg = event.fill, turn.leg(name)
    order = next((order for order in leg.live if order.order_id == fill.order_id), None)
    if order is None:
        # Not of an order that stands open here: a look tells what it has come to, and gets a moment to do so.
        hold = turn.later(turn.params.confirm_timeout_s)
        turn.changed(name, moved=True, price=fill.price, not_before=max(leg.not_before, hold))
        return
    filled = order.model_copy(update={"filled": order.filled + fill.quantity, "unknown": False})
    live = tuple(filled if each is order else each for each in leg.live)
    quantity = None if leg.quantity is None else leg.quantity + fill.signed_quantity
    turn.changed(name, live=live, quantity=quantity, price=fill.price, surprise_at=None, looks=0)


def _order_ended(turn: Turn, name: LegName, order_id: OrderId, filled: Decimal, reason: str) -> None:
    """Take an order off the leg. What it executed beyond the fills seen so far is counted now, once."""
    leg = turn.leg(name)
    order = next((order for order in leg.live if order.order_id == order_id), None)
    if order is None:
        return
    live = tuple(each for each in leg.live if each is not order)
    executed = max(filled, order.filled)
    missing = (executed - order.filled).copy_sign(order.signed)
    quantity = None if leg.quantity is None else leg.quantity + missing
    if executed > ZERO:
        not_before = leg.not_before if leg.moved else turn.now
        turn.changed(name, live=live, quantity=quantity, failures=0, failure="", not_before=not_before, looks=0)
    else:
        failures = leg.failures + 1
        rest = max(leg.not_before, turn.later(turn.params.rest_s(failures)))
        turn.changed(name, live=live, failures=failures, failure=reason, not_before=rest)


def _mark(turn: Turn, name: LegName, order_id: OrderId, *, unknown: bool) -> None:
    live = tuple(
        each.model_copy(update={"unknown": unknown}) if each.order_id == order_id else each
        for each in turn.leg(name).live
    )
    turn.put(name, live=live)
