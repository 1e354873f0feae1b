"""Folding events into the state: what is held, what works, what the venue says. Nothing here decides."""

from decimal import Decimal
from typing import Any, assert_never

from strategies.desk.state import DeskLeg, Phase
from strategies.desk.turn import Executed, Turn
from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.commands import Severity
from strategies.domain.events import (
    AccountEvent,
    AccountModeChanged,
    Event,
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
    RandomDrawn,
    Restarted,
    Started,
    TimerFired,
)
from strategies.domain.ids import LegName, OrderId, Timestamp
from strategies.domain.money import ZERO
from strategies.domain.position import Fill, FillCause
from strategies.execution import SEEN_TRADES_MAX, OwedFill, less_owed, owed_part
from strategies.flatten.closing import PURPOSE
from strategies.machine import Outcome
from strategies.unwind import doubling, milliseconds
from strategies.working import Working

_ID_PARTS = 5
"""Group, cycle, leg, slot, attempt: see `derive_order_id`."""
OrderEvent = OrderSubmitted | OrderAccepted | OrderOutcomeUnknown | OrderDenied | OrderRejected | OrderClosed
_OURS_DENIED = "canceled"
"""Code of an order that our own cancel kept from leaving."""


def fold(turn: Turn[Any], event: Event) -> None:
    """Take note of one event."""
    match event:
        case Started():
            turn.move(phase_since=turn.now, reason="just started")
        case Restarted():
            _restarted(turn)
        case OperatorStateSet():
            _operated(turn, event)
        case TimerFired():
            turn.move(timers={name: due for name, due in turn.state.timers.items() if name != event.timer})
        case RandomDrawn():
            pass
        case Observed():
            _observed(turn, event)
        case _:
            name = turn.setting.legs_of.get(event.account)
            if name is not None:
                _leg_fact(turn, name, event)
    _look_timed_out(turn)


def _restarted(turn: Turn[Any]) -> None:
    """Forget what was asked before: timers and looks are gone, and no number from then is a basis now.

    What works stays as it is known: its end, or its fills, come as facts, and nothing is placed beside it.
    """
    turn.move(timers={}, looking_since=None, look_due_at=None, looks=0, basis_at=turn.now, answered_at=Timestamp(0))
    for name, leg in turn.state.legs.items():
        working = tuple(order.model_copy(update={"cancel_at": None}) for order in leg.working)
        turn.put(name, working=working, orphans_cancel_at=None)
    if turn.state.phase in (Phase.PREPARING, Phase.WORKING):
        turn.want_look()


def _operated(turn: Turn[Any], event: OperatorStateSet) -> None:
    turn.move(operator_state=event.state)
    if event.state is OperatorState.FLATTEN:
        turn.move(flatten=True)
    released = event.state is OperatorState.RUN and event.by.startswith("operator")
    if released and turn.state.phase is Phase.ENDED and turn.state.outcome is Outcome.PARKED:
        turn.enter(Phase.IDLE, f"released by {event.by}", outcome=Outcome.RUNNING, start_failures=0)
        turn.move(start_due_at=turn.now)


def _look_timed_out(turn: Turn[Any]) -> None:
    since = turn.state.looking_since
    if since is not None and turn.now - since >= milliseconds(turn.params.look_timeout_s):
        _look_ended(turn)


def _look_ended(turn: Turn[Any]) -> None:
    turn.move(looking_since=None, answered_at=turn.now)
    turn.answered = True


def _observed(turn: Turn[Any], event: Observed) -> None:
    for name, look in event.legs.items():
        if name in turn.state.legs:
            _looked_at(turn, name, look)
    if turn.state.looking_since is not None:
        _look_ended(turn)


def _looked_at(turn: Turn[Any], name: LegName, look: LegObservation) -> None:
    leg = turn.leg(name)
    quote = look.quote
    price = None if quote is None else quote.mark or quote.bid or quote.ask
    # An answer without anything in it comes from an account that could not be asked: its mode is not known either.
    empty = look.instrument is None and quote is None and look.balance is None and look.position is None
    if look.instrument is None and leg.look is not None:
        look = look.model_copy(update={"instrument": leg.look.instrument})
    turn.put(
        name,
        look=look,
        asked_at=turn.state.asked_at,
        mode=leg.mode if empty else look.mode,
        price=leg.price if price is None else price,
        sighted_at=leg.sighted_at if quote is None else turn.now,
    )
    if look.position is not None:
        turn.put(name, reported=look.position, reported_at=turn.now)


def _leg_fact(turn: Turn[Any], name: LegName, event: AccountEvent) -> None:
    match event:
        case Filled():
            _filled(turn, name, event.fill)
        case PositionAdjusted():
            _adjusted(turn, name, event)
        case LeverageSet() | LeverageRefused():
            pass
        case AccountModeChanged():
            turn.put(name, mode=event.mode)
            if event.mode is AccountMode.ARMED and turn.state.phase is Phase.WORKING:
                turn.want_look()
        case _:
            _order_fact(turn, name, event)


def _order_fact(turn: Turn[Any], name: LegName, event: OrderEvent) -> None:
    match event:
        case OrderSubmitted():
            _alive(turn, name, event.order_id)
        case OrderAccepted():
            _alive(turn, name, event.order_id, accepted=True, unknown=False)
        case OrderOutcomeUnknown():
            _alive(turn, name, event.order_id, unknown=True)
        case OrderDenied() | OrderRejected():
            ours = event.code == _OURS_DENIED
            _ended(turn, name, event.order_id, ZERO, "" if ours else f"{event.code}: {event.detail}")
        case OrderClosed():
            _ended(turn, name, event.order_id, event.filled, event.reason or event.status.lower())
        case _:
            assert_never(event)


def _find(leg: DeskLeg, order_id: OrderId | None) -> Working | None:
    return next((order for order in leg.working if order.order_id == order_id), None)


def _alive(turn: Turn[Any], name: LegName, order_id: OrderId, **changes: bool) -> None:
    """Note how an order stands; one of ours that this journal does not know is an orphan, to be canceled by its id."""
    leg = turn.leg(name)
    order = _find(leg, order_id)
    if order is not None:
        known = order.model_copy(update=changes)
        turn.put(name, working=tuple(known if each is order else each for each in leg.working))
        return
    if _notice_id(turn, name, order_id) and order_id not in leg.orphans:
        turn.put(name, orphans=(*turn.leg(name).orphans, order_id))


def _notice_id(turn: Turn[Any], name: LegName, order_id: OrderId) -> bool:
    """Say whether an id is one of a desk's for this group; never use one again that an earlier life has used."""
    parts = order_id.rsplit(":", _ID_PARTS - 1)
    if len(parts) != _ID_PARTS or parts[0] != turn.setting.group or not (parts[1] + parts[4]).isdecimal():
        return False
    if parts[3] == PURPOSE:
        return False  # a way out's own
    cycle, made = int(parts[1]), int(parts[4])
    if cycle > turn.state.cycle and turn.state.phase in (Phase.IDLE, Phase.PREPARING, Phase.ENDED):
        turn.move(cycle=cycle)
        for leg in turn.state.legs:
            turn.put(leg, made=0)
    if cycle == turn.state.cycle and made > turn.leg(name).made:
        turn.put(name, made=made)
    return True


def _ended(turn: Turn[Any], name: LegName, order_id: OrderId, filled: Decimal, reason: str) -> None:
    """Take an order off the leg. What it executed beyond the fills seen so far is held, and owed to the ledger."""
    leg = turn.leg(name)
    order = _find(leg, order_id)
    if order is None:
        if order_id in leg.orphans:
            turn.put(name, orphans=tuple(each for each in leg.orphans if each != order_id))
        return
    executed = max(filled, order.filled)
    missing = (executed - order.filled).copy_sign(order.signed)
    owed = leg.owed if missing == ZERO else (*leg.owed, OwedFill(order_id=order_id, signed=missing))
    leg = turn.put(name, working=tuple(each for each in leg.working if each is not order), owed=owed)
    if executed > ZERO or order.cancel_at is not None or not reason:
        turn.put(name, failures=0, failure="")
        return
    failures = leg.failures + 1
    rest = doubling(turn.params.order_retry_s, failures - 1, turn.params.order_retry_max_s)
    turn.put(name, failures=failures, failure=reason, not_before=turn.later(rest))


def _filled(turn: Turn[Any], name: LegName, fill: Fill) -> None:
    """Fold a fill once, by its trade id, whenever it comes."""
    leg = turn.leg(name)
    if fill.trade_id in leg.seen:
        return
    order = _find(leg, fill.order_id)
    told = owed_part(leg.owed, fill.order_id, fill.signed_quantity)
    changes: dict[str, Any] = {}
    if order is not None:
        filled = order.model_copy(update={"filled": order.filled + fill.quantity, "unknown": False, "accepted": True})
        changes["working"] = tuple(filled if each is order else each for each in leg.working)
    turn.put(
        name,
        seen=(*leg.seen[-SEEN_TRADES_MAX + 1 :], fill.trade_id),
        ledger=leg.ledger.fold(fill),
        owed=less_owed(leg.owed, fill.order_id, told) if told != ZERO else leg.owed,
        price=fill.price,
        **changes,
    )
    if fill.cause is not FillCause.ORDER:
        turn.forced = f"{name}: {fill.cause.lower()} of {fill.signed_quantity}"
    elif fill.order_id is not None and fill.order_id.startswith(f"{turn.setting.group}:"):
        _own_fill(turn, name, fill, fill.order_id)


def _own_fill(turn: Turn[Any], name: LegName, fill: Fill, order_id: OrderId) -> None:
    if turn.state.phase is Phase.WORKING:
        slot = order_id.rsplit(":", 2)[1]
        turn.fills.append(Executed(name, slot, fill.signed_quantity, fill.price, turn.now))
    elif turn.state.phase is not Phase.EXITING:
        turn.put(name, stray=turn.leg(name).stray + fill.signed_quantity)


def _adjusted(turn: Turn[Any], name: LegName, event: PositionAdjusted) -> None:
    """Two sources of the venue agree: belief follows."""
    leg = turn.leg(name)
    before = leg.held
    turn.put(name, offset=event.after - leg.ledger.quantity, owed=())
    if before == event.after:
        return
    turn.forced = f"{name} holds {event.after}, not {before}: {event.reason}"
    turn.notify(Severity.WARNING, "position_adjusted", turn.forced)
