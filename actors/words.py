"""Steps in words: one line of what happened and what was decided, for people."""

from collections.abc import Sequence
from datetime import UTC, datetime

from strategies.domain.commands import (
    CancelAllOrders,
    CancelOrder,
    CancelTimer,
    Command,
    DrawRandom,
    Notify,
    Observe,
    SetLeverage,
    SetTimer,
    SubmitOrder,
)
from strategies.domain.events import (
    AccountModeChanged,
    Event,
    Filled,
    LeverageRefused,
    LeverageSet,
    Observed,
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
from strategies.domain.ids import Timestamp

_MS = 1_000


def clock_of(at: Timestamp) -> str:
    """Return the time of day, UTC, to the millisecond."""
    return datetime.fromtimestamp(at / _MS, tz=UTC).strftime("%H:%M:%S.%f")[:-3]


def in_words(event: Event, commands: Sequence[Command]) -> str:
    """Return one line: time, what happened, what was decided."""
    decided = "; ".join(filter(None, map(command_words, commands)))
    return f"{clock_of(event.at)} {event_words(event)}" + (f" -> {decided}" if decided else "")


def event_words(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 - one line a case is the shortest way to say it
    """Say what happened."""
    match event:
        case Started(group=group):
            return f"group {group} started"
        case Restarted():
            return "restarted from the journal"
        case OperatorStateSet(state=state, by=by, reason=reason):
            return f"{by} said {state}" + (f" ({reason})" if reason else "")
        case TimerFired(timer=timer):
            return f"timer {timer}"
        case RandomDrawn(name=name, value=value):
            return f"drew {name} = {value}"
        case Observed(legs=legs):
            return "looked at " + ", ".join(legs)
        case OrderSubmitted(order_id=order_id):
            return f"{order_id} leaves"
        case OrderAccepted(order_id=order_id):
            return f"{order_id} accepted"
        case OrderOutcomeUnknown(order_id=order_id, reason=reason):
            return f"{order_id} outcome unknown: {reason}"
        case OrderDenied(order_id=order_id, code=code, detail=detail):
            return f"{order_id} denied by us: {code} {detail}"
        case OrderRejected(order_id=order_id, code=code, detail=detail):
            return f"{order_id} rejected: {code} {detail}"
        case OrderClosed(order_id=order_id, status=status, filled=filled, reason=reason):
            return f"{order_id} {status.lower()}, filled {filled}" + (f" ({reason})" if reason else "")
        case Filled(account=account, fill=fill):
            who = fill.order_id or fill.cause.lower()
            return f"{account} {fill.side.lower()} {fill.quantity} at {fill.price} ({who})"
        case PositionAdjusted(account=account, before=before, after=after, reason=reason):
            return f"{account} position {before} -> {after}: {reason}"
        case LeverageSet(account=account, leverage=leverage):
            return f"{account} leverage {leverage}"
        case LeverageRefused(account=account, reason=reason):
            return f"{account} leverage refused: {reason}"
        case AccountModeChanged(account=account, mode=mode, reason=reason):
            return f"{account} is {mode}: {reason}"


def command_words(command: Command) -> str:  # noqa: PLR0911 - as above
    """Say what was decided; empty for what only concerns the group itself: looks and timers."""
    match command:
        case SubmitOrder(account=account, order=order):
            kind = "reduce-only " if order.reduce_only else ""
            return f"{kind}{order.side.lower()} {order.quantity} on {account} up to {order.price} ({order.order_id})"
        case CancelOrder(order_id=order_id):
            return f"cancel {order_id}"
        case CancelAllOrders(account=account):
            return f"cancel all on {account}"
        case SetLeverage(account=account, leverage=leverage):
            return f"leverage {leverage} on {account}"
        case DrawRandom(name=name, low=low, high=high):
            return f"draw {name} from {low} to {high}"
        case Notify(text=text):
            return f"tell: {text}"
        case Observe() | SetTimer() | CancelTimer():
            return ""
