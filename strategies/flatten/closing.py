"""What a leg is missing: an order, a look, a confirmation. It slows down; it never gives up."""

from collections.abc import Iterator

from strategies.domain.commands import CancelTimer, Observe, SetTimer, Severity, SubmitOrder
from strategies.domain.ids import LegName, TimerName, Timestamp, derive_order_id
from strategies.domain.money import ZERO
from strategies.domain.order import Lane, OrderRequest, OrderType
from strategies.flatten.facts import look_ended
from strategies.flatten.state import FlattenLeg, Phase, SentOrder
from strategies.flatten.turn import Turn
from strategies.flatten.view import leg_words
from strategies.unwind import (
    Blind,
    Close,
    Dust,
    OpenLeg,
    UnwindMove,
    agrees,
    joins_at,
    may_join,
    milliseconds,
    plan_leg,
)

PURPOSE = "flatten"
"""What its orders are for, in their ids. No other machine uses the word, so no id is ever made twice."""


def drive(turn: Turn, name: LegName) -> None:
    """Bring one leg a step further: order what is missing, see whether it is done, look when it is time."""
    leg = turn.leg(name)
    if leg.flat_at is not None:
        return
    if leg.asking and leg.asked_at is not None and turn.now - leg.asked_at >= _look_timeout_ms(turn):
        look_ended(turn, name)
    move = _plan(turn, name)
    turn.put(name, dust=move.quantity if isinstance(move, Dust) else ZERO)
    if isinstance(move, Close) and _may_order(turn, name):
        _submit(turn, name, move)
    leg = turn.leg(name)
    settled = not leg.live and move is not None and not isinstance(move, Close | Blind)
    if settled and leg.look_in >= leg.changed_in and agrees(leg.look, leg.quantity or ZERO):
        turn.put(name, flat_at=turn.now, look_due_at=None, asking=False)
        return
    _keep_looking(turn, name, settled=settled)


def _plan(turn: Turn, name: LegName) -> UnwindMove | None:
    leg = turn.leg(name)
    if leg.quantity is None:
        return None
    quote = None if leg.look is None else leg.look.quote
    fresh = quote is not None and turn.now - quote.at <= milliseconds(turn.params.max_quote_age_s)
    instrument = None if leg.look is None else leg.look.instrument
    return plan_leg(
        OpenLeg(leg.quantity, instrument, quote if fresh else None, leg.price, leg.failures), turn.params.rules
    )


def _may_order(turn: Turn, name: LegName) -> bool:
    """Say whether a leg may get an order now: rested, not said to be flat, and no order beside one that is not old."""
    leg = turn.leg(name)
    return turn.now >= leg.not_before and leg.surprise_at is None and may_join(leg.live, turn.now, turn.params)


def _submit(turn: Turn, name: LegName, move: Close) -> None:
    leg = turn.leg(name)
    # The moment the run began stands where a cycle's number would: it is new even when the journal is.
    order_id = derive_order_id(turn.spec.group, turn.state.run_at, name, PURPOSE, leg.made + 1)
    order = OrderRequest(
        order_id=order_id,
        instrument_id=turn.spec.instrument_id,
        side=move.side,
        quantity=move.quantity,
        order_type=OrderType.MARKET,
        price=move.worst_price,
        reduce_only=True,
        lane=Lane.EXIT,
    )
    sent = SentOrder(order_id=order_id, signed=order.signed_quantity, sent_at=turn.now)
    turn.put(name, live=(*leg.live, sent), made=leg.made + 1)
    turn.commands.append(SubmitOrder(account=leg.account, order=order))


def _keep_looking(turn: Turn, name: LegName, *, settled: bool) -> None:
    leg = turn.leg(name)
    if name in turn.answered:
        _alert(turn, name)
        due = turn.later(max(turn.params.rest_s(leg.looks), turn.params.look_retry_s))
        if leg.surprise_at is not None:
            due = Timestamp(leg.surprise_at + milliseconds(turn.params.confirm_delay_s))
        turn.put(name, look_due_at=due)
    leg = turn.leg(name)
    news = leg.asked_in < leg.changed_in and (settled or leg.quantity is None or leg.moved)
    if not leg.asking and (leg.look_due_at is None or news):
        soonest = max(turn.now, Timestamp(leg.answered_at + milliseconds(turn.params.look_retry_s)))
        turn.put(name, look_due_at=soonest if leg.look_due_at is None else min(leg.look_due_at, soonest))
    leg = turn.leg(name)
    if not leg.asking and leg.look_due_at is not None and leg.look_due_at <= turn.now:
        turn.put(name, asking=True, asked_at=turn.now, asked_in=turn.state.steps, look_due_at=None)
        turn.commands.append(Observe(legs=(name,)))


def _alert(turn: Turn, name: LegName) -> None:
    """Call for help, and cancel once more: an order that rests keeps a leg from being confirmed."""
    leg = turn.leg(name)
    if leg.looks < leg.alert_at:
        return
    turn.put(name, alert_at=leg.alert_at * 2)
    because = f"; the last order: {leg.failure}" if leg.failure else ""
    because += f"; {', '.join(leg.look.problems)}" if leg.look is not None and leg.look.problems else ""
    text = f"{name} is still not confirmed flat after {leg.looks} looks: {leg_words(leg)}{because}"
    turn.notify(Severity.CRITICAL, "flatten_stuck", text)
    turn.cancel_all(name)


def finish(turn: Turn) -> None:
    """End the run: every leg is confirmed; name what is too small to close."""
    for name, leg in turn.state.legs.items():
        if leg.dust != ZERO:
            value = abs(leg.dust) * (leg.price or ZERO)
            turn.notify(Severity.WARNING, "dust", f"{name} keeps {leg.dust} ({value:.4f} USD): too small to close")
    turn.move(phase=Phase.FLAT, phase_since=turn.now, reason="every leg confirmed flat by its venue")
    turn.notify(Severity.INFO, "flat", "every leg confirmed flat by its venue")


def _look_timeout_ms(turn: Turn) -> int:
    return milliseconds(turn.params.look_timeout_s)


def set_timers(turn: Turn) -> None:
    """Bring the timers that run to what the state wants: one a leg, at the next moment that changes anything."""
    wanted: dict[TimerName, Timestamp] = {}
    if turn.state.phase is Phase.CLOSING:
        for name, leg in turn.state.legs.items():
            moments = [moment for moment in _moments(turn, leg) if moment > turn.now]
            if leg.flat_at is None and moments:
                wanted[TimerName(name)] = min(moments)
    running = turn.state.timers
    for timer, due_at in wanted.items():
        if running.get(timer) != due_at:
            turn.commands.append(SetTimer(timer=timer, due_at=due_at))
    turn.commands.extend(CancelTimer(timer=timer) for timer in running if timer not in wanted)
    turn.move(timers=wanted)


def _moments(turn: Turn, leg: FlattenLeg) -> Iterator[Timestamp]:
    yield leg.not_before
    if leg.asking and leg.asked_at is not None:
        yield Timestamp(leg.asked_at + _look_timeout_ms(turn))
    if leg.look_due_at is not None:
        yield leg.look_due_at
    for order in leg.live:
        yield Timestamp(order.sent_at + milliseconds(turn.params.confirm_timeout_s))
    if leg.live:
        yield joins_at(leg.live, turn.params)
