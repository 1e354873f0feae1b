"""Whether a limit is reached, what is released when, and how limits are shown. Pure, like all of the gate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from strategies.domain.commands import CancelOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, Timestamp
from strategies.domain.money import ZERO
from strategies.machine import GroupView, LimitView
from strategies.risk.limits import BUDGETS, OF_A_DAY, Bound, LimitName, Word
from strategies.risk.memory import MINUTE_MS, GuardedState, Latch, end_of_day, used_up

_STANDING = frozenset({LimitName.NOTIONAL, LimitName.LEG_NOTIONAL, LimitName.LEVERAGE})
"""Limits that a move of the price can pass, without any order."""
_HALF = Decimal("0.5")
"""Half a lot: less than that is rounding, not exposure."""
_SHOWN = Decimal("0.01")
_MS = 1000
SEVERITY = {state: place for place, state in enumerate(OperatorState)}
"""RUN, PAUSE, REDUCE, FLATTEN: the later, the graver."""


def is_reached(state: GuardedState, bound: Bound) -> bool:
    """Say whether a limit stands reached already."""
    return any((latch.name, latch.account) == (bound.name, bound.account) for latch in state.reached)


def latch_of(state: GuardedState, bound: Bound, text: str) -> Latch:
    """Return a limit as reached now.

    A day's budget comes back with the day. Whoever is thrown out by a limit, or passes one that no day gives back, is
    let in again by a person.
    """
    by_itself = bound.name in OF_A_DAY and bound.word is not Word.FLATTEN
    return Latch(
        name=bound.name,
        account=bound.account,
        word=bound.word,
        most=bound.most,
        since=state.now,
        until=end_of_day(state.now) if by_itself else None,
        text=text,
    )


def budgets_reached(state: GuardedState, bounds: Iterable[Bound]) -> Iterator[Latch]:
    """Yield the budgets that are used up and do not stand reached."""
    for bound in bounds:
        if bound.name in BUDGETS and not is_reached(state, bound):
            used = used_up(state, bound.name, bound.account)
            if used > bound.most:
                yield latch_of(state, bound, f"{_number(used)} {bound.name.unit} {_DONE[bound.name]} > {bound.most}")


_DONE = {
    LimitName.LOSS: "lost today",
    LimitName.DRAWDOWN: "below the highest result",
    LimitName.NAKED: "uncovered today",
    LimitName.NAKED_USD: "uncovered today",
}


def levels_reached(state: GuardedState, bounds: Iterable[Bound], held: Mapping[AccountId, Decimal]) -> Iterator[Latch]:
    """Yield the limits on size that what is held has passed by itself, where more than a denial is asked for."""
    for bound in bounds:
        if bound.name in _STANDING and bound.word is not Word.DENY and not is_reached(state, bound):
            level = _level(state, bound, held)
            if level is not None and level > bound.most:
                yield latch_of(state, bound, f"{_number(level)} {bound.name.unit} held > {bound.most}")


def has_levels(bounds: Iterable[Bound]) -> bool:
    """Say whether any limit has to be watched without an order."""
    return any(bound.name in _STANDING and bound.word is not Word.DENY for bound in bounds)


def _level(state: GuardedState, bound: Bound, held: Mapping[AccountId, Decimal]) -> Decimal | None:
    """Return what a limit on size is measured at now; None = a mark or an equity that it needs is not known."""
    accounts = [account for account in held if bound.account in (None, account)]
    notional: list[Decimal] = []
    for account in accounts:
        mark = state.mark.get(account)
        if mark is None and held[account] != ZERO:
            return None
        notional.append(abs(held[account]) * (mark or ZERO))
    if bound.name is LimitName.NOTIONAL:
        return sum(notional, start=ZERO)
    if bound.name is LimitName.LEG_NOTIONAL:
        return max(notional, default=ZERO)
    leverages = [ZERO]
    for account, value in zip(accounts, notional, strict=True):
        equity = state.equity.get(account)
        if value and (equity is None or equity <= ZERO):
            return None
        leverages.append(value / equity if value and equity else ZERO)
    return max(leverages)


def uncovered_usd(view: GroupView) -> Decimal | None:
    """Return what a group stands uncovered with, USD; None = no more than half a lot. Without a mark it is 0 USD."""
    net, lot = view.net, view.lot
    if net == ZERO or (lot is not None and abs(net) <= lot * _HALF):
        return None
    return abs(net) * (view.mark or ZERO)


def wake_at(state: GuardedState, bounds: Iterable[Bound]) -> Timestamp | None:
    """Return when the gate has something to decide though nothing happens: the day's end, or a naked budget's."""
    if state.naked_usd is None and not state.reached:
        return None
    due = [latch.until for latch in state.reached if latch.until is not None]
    if state.naked_usd is not None:
        for bound in bounds:
            if bound.name is LimitName.NAKED and not is_reached(state, bound):
                due.append(Timestamp(state.now + _past(bound.most * _MS - state.naked_ms)))
            elif bound.name is LimitName.NAKED_USD and state.naked_usd and not is_reached(state, bound):
                due.append(Timestamp(state.now + _past((bound.most * _MS - state.naked_usd_ms) / state.naked_usd)))
    return min(due, default=None)


def _past(ms: Decimal) -> int:
    """Return the first whole millisecond beyond `ms`, and no less than one."""
    return max(int(ms), 0) + 1


def severest(told: OperatorState | None, reached: Sequence[Latch]) -> OperatorState | None:
    """Return what the machine is to be told: the gravest of what was said and what limits say; None = nothing yet."""
    if told is None or not reached:
        return told
    return max((told, *(latch.word.state for latch in reached)), key=lambda state: SEVERITY[state])


def take_back(
    state: GuardedState, account: AccountId | None, held: Mapping[AccountId, Decimal]
) -> Iterator[CancelOrder]:
    """Yield the cancels of what rests and could make a leg larger, oldest first; what shrinks a leg stays."""
    left: dict[tuple[AccountId, bool], Decimal] = {}
    for order_id, order in state.open_orders.items():
        if not order.rests or account not in (None, order.account):
            continue
        have = held.get(order.account, ZERO)
        if have * order.signed < ZERO:
            side = (order.account, order.signed > ZERO)
            left[side] = left.get(side, abs(have)) - order.leaves
            if left[side] >= ZERO:
                continue
        yield CancelOrder(account=order.account, order_id=order_id)


def shown(state: GuardedState, bounds: Sequence[Bound], view: GroupView) -> tuple[LimitView, ...]:
    """Describe every limit: how much, how much of it is used, and whether it stands reached."""
    held = {leg.account: leg.believed for leg in view.legs.values()}
    latches = {latch.of.key: latch for latch in state.reached}
    return tuple(_shown(state, bound, held, latches.pop(bound.key, None)) for bound in bounds) + tuple(
        _shown(state, latch.of, held, latch) for latch in latches.values()
    )


def _shown(state: GuardedState, bound: Bound, held: Mapping[AccountId, Decimal], latch: Latch | None) -> LimitView:
    return LimitView(
        name=bound.name,
        account=bound.account,
        word=bound.word,
        most=bound.most,
        unit=bound.name.unit,
        used=_used(state, bound, held),
        reached_at=None if latch is None else latch.since,
        until=None if latch is None else latch.until,
        text="" if latch is None else latch.text,
        denied=state.denials.get(bound.key, 0),
    )


def _used(state: GuardedState, bound: Bound, held: Mapping[AccountId, Decimal]) -> Decimal | None:
    if bound.name in BUDGETS:
        return used_up(state, bound.name, bound.account)
    if bound.name in _STANDING:
        return _level(state, bound, held)
    if bound.name is LimitName.ORDER_RATE:
        return Decimal(sent_last_minute(state, bound.account))
    return None  # of one order: nothing is used up


def sent_last_minute(state: GuardedState, account: AccountId | None, at: Timestamp | None = None) -> int:
    """Return how many orders have passed within the minute before `at`, or before the last event."""
    since = (state.now if at is None else at) - MINUTE_MS
    return sum(1 for sent in state.sent if sent.at > since and account in (None, sent.account))


def _number(value: Decimal) -> str:
    """Write a number for people: two decimals are enough for USD, seconds and multiples."""
    return f"{value.quantize(_SHOWN):f}"
