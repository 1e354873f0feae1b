"""Folding events into the state: what is held, what is on its way, what the venue says. Nothing here decides."""

from decimal import Decimal
from typing import assert_never

from strategies.domain.account import LegObservation
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
from strategies.domain.order import TRANSITIONS, OrderStatus
from strategies.domain.position import Fill, FillCause
from strategies.execution import SEEN_TRADES_MAX, OwedFill, less_owed, overlap, owed_part, total_owed
from strategies.liquidation_hedge.state import (
    IN_CYCLE,
    LegState,
    LiveOrder,
    Phase,
    Purpose,
    Surprise,
    evolve,
)
from strategies.liquidation_hedge.turn import Turn
from strategies.machine import Outcome
from strategies.unwind import milliseconds

_ID_PARTS = 5
"""Group, cycle, leg, purpose, attempt: see `derive_order_id`."""

OrderEvent = OrderSubmitted | OrderAccepted | OrderOutcomeUnknown | OrderDenied | OrderRejected | OrderClosed


def fold(turn: Turn, event: Event) -> None:
    """Take note of one event."""
    match event:
        case Started():
            turn.move(phase_since=turn.now, reason="just started")
        case Restarted():
            _restarted(turn)
        case OperatorStateSet():
            _operated(turn, event)
        case TimerFired():
            timers = {name: due for name, due in turn.state.timers.items() if name != event.timer}
            turn.move(timers=timers)
        case RandomDrawn():
            _drawn(turn, event)
        case Observed():
            _observed(turn, event)
        case _:
            name = turn.setting.legs_of.get(event.account)
            if name is not None:
                _leg_fact(turn, name, event)
    _look_timed_out(turn)


def wait_name(cycle: int) -> str:
    """Name the random number that a cycle draws."""
    return f"wait:{cycle}"


def _restarted(turn: Turn) -> None:
    """Forget what was asked before: timers and looks are gone, and no number from then is a basis now."""
    turn.move(
        timers={}, looking_since=None, look_due_at=None, looks=0, basis_at=turn.now, draw_pending=False, exit_looks=0
    )
    for name in turn.state.legs:
        turn.put(name, leverage_due_at=None, surprise=None)
    if turn.state.phase in IN_CYCLE or turn.state.phase in (Phase.PREPARING, Phase.EXITING):
        turn.move(answered_at=Timestamp(0))
        turn.want_look()


def _operated(turn: Turn, event: OperatorStateSet) -> None:
    turn.move(operator_state=event.state)
    if event.state is OperatorState.FLATTEN:
        turn.move(flatten=True)
    released = event.state is OperatorState.RUN and event.by.startswith("operator")
    if released and turn.state.phase is Phase.ENDED and turn.state.outcome is Outcome.PARKED:
        turn.enter(Phase.IDLE, f"released by {event.by}", outcome=Outcome.RUNNING, start_failures=0)
        turn.move(start_due_at=turn.now)


def _drawn(turn: Turn, event: RandomDrawn) -> None:
    wanted = turn.state.phase is Phase.WAITING and event.name == wait_name(turn.state.cycle)
    if wanted and turn.state.enter_due_at is None:
        turn.move(enter_due_at=turn.later(event.value), draw_pending=False)


def _look_timed_out(turn: Turn) -> None:
    since = turn.state.looking_since
    if since is not None and turn.now - since >= milliseconds(turn.params.look_timeout_s):
        _look_ended(turn)
        if turn.state.phase in IN_CYCLE:
            turn.want_look()


def _look_ended(turn: Turn) -> None:
    turn.move(looking_since=None, answered_at=turn.now)
    turn.answered = True


def _observed(turn: Turn, event: Observed) -> None:
    for name, look in event.legs.items():
        if name in turn.state.legs:
            _looked_at(turn, name, look)
    _look_ended(turn)


def _looked_at(turn: Turn, name: LegName, look: LegObservation) -> None:
    leg = turn.leg(name)
    asked_at = turn.state.asked_at
    price = None if look.quote is None else look.quote.mark or look.quote.bid or look.quote.ask
    # An answer without anything in it comes from an account that could not be asked: its mode is not known either.
    mode = leg.mode if _is_empty(look) else look.mode
    if look.instrument is None and leg.look is not None:
        look = evolve(look, instrument=leg.look.instrument)
    turn.put(
        name,
        look=look,
        asked_at=asked_at,
        mode=mode,
        price=leg.price if price is None else price,
        leverage=look.balance.leverage if look.balance is not None and look.balance.leverage else leg.leverage,
    )
    if look.position is not None:
        turn.put(name, reported=look.position, reported_at=turn.now)
        _compare(turn, name, look.position.quantity)


def _is_empty(look: LegObservation) -> bool:
    return look.instrument is None and look.quote is None and look.balance is None and look.position is None


def _compare(turn: Turn, name: LegName, reported: Decimal) -> None:
    """Hold the venue's statement against what our fills add up to; believe a surprise when it is said twice.

    The first look may simply be older, or younger, than the fills that we know; so nothing is compared while anything
    is on its way, and the second look must come `confirm_delay_s` later.
    """
    leg = turn.leg(name)
    comparable = not leg.live and leg.look is not None and leg.look.in_flight == 0
    if not comparable or leg.asked_at is None or leg.asked_at < leg.changed_at:
        return
    if reported == leg.quantity:
        turn.put(name, surprise=None)
    elif leg.surprise is None or leg.surprise.quantity != reported:
        turn.put(name, surprise=Surprise(quantity=reported, at=turn.now))
    elif leg.asked_at - leg.surprise.at >= milliseconds(turn.params.confirm_delay_s):
        _believe(turn, name, reported)


def _believe(turn: Turn, name: LegName, reported: Decimal) -> None:
    leg = turn.leg(name)
    difference = reported - leg.quantity
    owed = total_owed(leg.owed)
    turn.put(
        name,
        offset=leg.offset + owed + difference,
        unexplained=leg.unexplained + owed + difference,
        owed=(),
        surprise=None,
        changed_at=turn.now,
    )
    turn.notify(
        Severity.WARNING,
        "position_surprise",
        f"{name} holds {reported} by two statements of its venue; our fills said {leg.quantity}",
    )


def _leg_fact(turn: Turn, name: LegName, event: AccountEvent) -> None:
    match event:
        case Filled():
            _filled(turn, name, event.fill)
        case PositionAdjusted():
            _adjusted(turn, name, event)
        case LeverageSet():
            turn.put(name, leverage=event.leverage, leverage_due_at=None)
            _margin_changed(turn)
        case LeverageRefused():
            turn.put(name, leverage_due_at=None, failure=event.reason)
            _margin_changed(turn)
        case AccountModeChanged():
            turn.put(name, mode=event.mode)
        case _:
            _order_fact(turn, name, event)


def _order_fact(turn: Turn, name: LegName, event: OrderEvent) -> None:
    _notice_id(turn, name, event.order_id)
    match event:
        case OrderSubmitted():
            _move_order(turn, name, event.order_id, OrderStatus.SUBMITTED)
        case OrderAccepted():
            _move_order(turn, name, event.order_id, OrderStatus.ACCEPTED)
        case OrderOutcomeUnknown():
            _order_in_doubt(turn, name, event)
        case OrderDenied() | OrderRejected():
            _order_ended(turn, name, event.order_id, ZERO, f"{event.code}: {event.detail}")
        case OrderClosed():
            _order_ended(turn, name, event.order_id, event.filled, event.reason or event.status.lower())
        case _:
            assert_never(event)


def _margin_changed(turn: Turn) -> None:
    """Size from a look that was asked for after the leverage was settled."""
    if turn.state.phase is Phase.PREPARING:
        turn.move(basis_at=turn.now)


def _notice_id(turn: Turn, name: LegName, order_id: OrderId) -> None:
    """Never use an id again that an account knows from an earlier life of this group, whose journal was lost."""
    if turn.state.phase in IN_CYCLE or not _is_ours(turn, order_id):
        return
    parts = order_id.rsplit(":", 4)
    if len(parts) != _ID_PARTS or parts[3] not in set(Purpose) or not (parts[1] + parts[4]).isdecimal():
        return
    cycle, purpose, attempt = int(parts[1]), Purpose(parts[3]), int(parts[4])
    if cycle > turn.state.cycle:
        turn.move(cycle=cycle)
        for leg in turn.state.legs:
            turn.put(leg, made={})
    made = turn.leg(name).made
    if cycle == turn.state.cycle and attempt > made.get(purpose, 0):
        turn.put(name, made={**made, purpose: attempt})


def _move_order(turn: Turn, name: LegName, order_id: OrderId, status: OrderStatus) -> None:
    """Advance an order; a report that comes too late to be news (an ack after the fill) changes nothing."""
    leg = turn.leg(name)
    live = tuple(
        evolve(order, status=status, unknown=False)
        if order.order_id == order_id and status in TRANSITIONS[order.status]
        else order
        for order in leg.live
    )
    turn.put(name, live=live)


def _order_in_doubt(turn: Turn, name: LegName, event: OrderOutcomeUnknown) -> None:
    leg = turn.leg(name)
    live = tuple(evolve(o, unknown=True) if o.order_id == event.order_id else o for o in leg.live)
    turn.put(name, live=live)


def _order_ended(turn: Turn, name: LegName, order_id: OrderId, filled: Decimal, reason: str) -> None:
    """Take an order off the leg. What it executed beyond the fills seen so far is held, and owed to the ledger."""
    leg = turn.leg(name)
    order = _find(leg, order_id)
    if order is None:
        return
    executed = max(filled, order.filled)
    missing = executed - order.filled
    if order.signed < ZERO:
        missing = -missing
    owed = (*leg.owed, OwedFill(order_id=order_id, signed=missing)) if missing != ZERO else leg.owed
    changes = {"live": tuple(o for o in leg.live if o is not order), "owed": owed, "changed_at": turn.now}
    if executed > ZERO:
        own = leg.own + missing
        turn.put(name, **changes, failures=0, failure="", not_before=turn.now, own=own, surprise=None)
        turn.move(exit_looks=0)
    else:
        failures = leg.failures + 1
        turn.put(name, **changes, failures=failures, failure=reason, not_before=_rest(turn, order, failures))


def _rest(turn: Turn, order: LiveOrder, failures: int) -> Timestamp:
    params = turn.params
    if turn.state.phase is Phase.EXITING:
        return turn.later(params.rest_s(failures))
    delays = {"entry": params.entry_delay_s, "hedge": params.hedge_delay_s}
    return turn.later(delays.get(order.purpose, params.rebalance_delay_s))


def _find(leg: LegState, order_id: OrderId | None) -> LiveOrder | None:
    return next((order for order in leg.live if order.order_id == order_id), None)


def _filled(turn: Turn, name: LegName, fill: Fill) -> None:
    """Fold a fill once, by its trade id, whenever it comes."""
    leg = turn.leg(name)
    if fill.trade_id in leg.seen:
        return
    signed = fill.signed_quantity
    order = _find(leg, fill.order_id)
    told = _already_held(leg, fill)
    ours = fill.cause is FillCause.ORDER and _is_ours(turn, fill.order_id)
    leg = turn.put(
        name,
        seen=(*leg.seen[-SEEN_TRADES_MAX + 1 :], fill.trade_id),
        ledger=leg.ledger.fold(fill),
        price=fill.price,
        changed_at=turn.now,
        surprise=None,
        **_told_changes(leg, fill, told, order),
    )
    if ours:
        outside = turn.state.phase not in IN_CYCLE and turn.state.phase is not Phase.EXITING
        turn.put(name, stray=leg.stray + signed if outside else leg.stray, reducing_fill=_reduces(order))
    if ours and _is_this_machines(fill.order_id):
        turn.put(name, own=leg.own + signed - told.owed)
    else:
        turn.put(name, forced=fill.cause)


class _Told:
    """How much of a fill is already held: owed by an ended order, or taken from the venue's word."""

    __slots__ = ("owed", "unexplained")

    def __init__(self, owed: Decimal, unexplained: Decimal) -> None:
        self.owed = owed
        self.unexplained = unexplained


def _already_held(leg: LegState, fill: Fill) -> _Told:
    signed = fill.signed_quantity
    owed = owed_part(leg.owed, fill.order_id, signed)
    if _find(leg, fill.order_id) is not None:
        return _Told(owed, ZERO)
    return _Told(owed, overlap(leg.unexplained, signed - owed))


def _told_changes(leg: LegState, fill: Fill, told: _Told, order: LiveOrder | None) -> dict[str, object]:
    changes: dict[str, object] = {}
    if told.unexplained != ZERO:
        changes["offset"] = leg.offset - told.unexplained
        changes["unexplained"] = leg.unexplained - told.unexplained
    if told.owed != ZERO:
        changes["owed"] = less_owed(leg.owed, fill.order_id, told.owed)
    if order is not None:
        filled = evolve(order, filled=order.filled + fill.quantity, status=OrderStatus.PARTIALLY_FILLED, unknown=False)
        changes["live"] = tuple(filled if o is order else o for o in leg.live)
    return changes


def _is_ours(turn: Turn, order_id: OrderId | None) -> bool:
    return order_id is not None and order_id.startswith(f"{turn.setting.group}:")


def _is_this_machines(order_id: OrderId | None) -> bool:
    """Say whether an order of the group is this machine's: a way out signs with the group's name, too.

    What it closed has vanished, like what a stranger closed: otherwise the group would hold empty legs for hedged.
    """
    parts = [] if order_id is None else order_id.rsplit(":", _ID_PARTS - 1)
    return len(parts) == _ID_PARTS and parts[3] in set(Purpose)


def _reduces(order: LiveOrder | None) -> bool:
    return order is not None and order.reduce_only


def _adjusted(turn: Turn, name: LegName, event: PositionAdjusted) -> None:
    leg = turn.leg(name)
    turn.put(
        name,
        offset=event.after - leg.ledger.quantity,
        unexplained=ZERO,
        owed=(),
        surprise=None,
        changed_at=turn.now,
    )
    turn.notify(
        Severity.WARNING, "position_adjusted", f"{name} holds {event.after}, not {leg.quantity}: {event.reason}"
    )
