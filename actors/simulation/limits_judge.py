"""The judge of what limits promise: what left though it was forbidden, what was denied and must not, what was lost."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from actors.group_entries import StepBody
from actors.simulation.market import COLLATERAL, Market
from strategies.domain.commands import Notify, SubmitOrder
from strategies.domain.events import Event, Filled, OrderClosed, OrderDenied, OrderRejected
from strategies.domain.ids import AccountId, OrderId, Timestamp, TradeId
from strategies.domain.money import ZERO
from strategies.domain.order import Lane, OrderRequest, Side
from strategies.risk import GuardedState, Word

_MINUTE_MS = 60_000
_CENT = Decimal("0.01")
_OPEN = frozenset({Word.PAUSE})
"""Words under which the running cycle may still grow."""


def judge_limits(limits: dict[str, Any], steps: Sequence[StepBody]) -> Iterator[str]:
    """Yield every order that left though a limit forbade it, and every exit that was denied."""
    most = limits["max_orders_per_minute"]
    sent: list[Timestamp] = []
    closed: set[str] = set()
    now = Timestamp(0)
    for number, step in enumerate(steps):
        now = max(now, step.event.at)
        closed_before = set(closed)
        for command in step.commands:
            if isinstance(command, Notify):
                _note(command, closed)
                yield from _denied_exit(command)
            if not isinstance(command, SubmitOrder):
                continue
            recent = sum(1 for at in sent if at > now - _MINUTE_MS)
            sent.append(now)
            if command.order.reduce_only:
                continue
            if command.order.lane is not Lane.ENTRY:
                continue
            binding = sorted(name for name in closed_before & closed if _binds(name, command.account))
            beyond = not command.order.rests and recent >= most
            # What shrinks a leg passes without saying so, too: it is looked for only where something was passed.
            if not (binding or beyond) or _shrinks(command, steps[: number + 1]):
                continue
            if binding:
                yield f"{command.order.order_id} enters while {binding} are reached"
            if beyond:
                yield f"{command.order.order_id} is order {recent + 1} within a minute, {most} are allowed"


class _Leg:
    """One account's leg, by the orders and fills that the group's journal tells of."""

    def __init__(self) -> None:
        self.ordered: dict[OrderId, OrderRequest] = {}
        self.ended: dict[OrderId, Decimal] = {}
        self._filled: dict[OrderId | None, dict[TradeId, Decimal]] = {}

    def fold(self, event: Event) -> None:
        match event:
            case Filled(fill=fill):
                self._filled.setdefault(fill.order_id, {})[fill.trade_id] = fill.signed_quantity
            case OrderClosed(order_id=order_id, filled=quantity):
                self.ended[order_id] = quantity
            case OrderRejected(order_id=order_id) | OrderDenied(order_id=order_id):
                self.ended[order_id] = ZERO
            case _:
                pass

    def executed(self, order_id: OrderId) -> Decimal:
        told = abs(sum(self._filled.get(order_id, {}).values(), start=ZERO))
        return max(told, self.ended.get(order_id, ZERO))

    def held(self) -> Decimal:
        strange = [trades for order_id, trades in self._filled.items() if order_id not in self.ordered]
        held = sum((sum(trades.values(), start=ZERO) for trades in strange), start=ZERO)
        return held + sum((self.executed(each) * order.side.sign for each, order in self.ordered.items()), start=ZERO)

    def open(self, side: Side) -> Decimal:
        """Return what open orders of a side may still execute, signed; those that only reduce are not counted."""
        orders = [each for each in self.ordered.items() if each[0] not in self.ended and not each[1].reduce_only]
        left = (order.quantity - self.executed(order_id) for order_id, order in orders if order.side is side)
        return sum(left, start=ZERO) * side.sign


def _shrinks(command: SubmitOrder, steps: Sequence[StepBody]) -> bool:
    """Say whether an order, with all that is open on its side, takes no more than its leg holds.

    `steps` end with the one that orders it.
    """
    leg = _Leg()
    for step in steps:
        if getattr(step.event, "account", None) == command.account:
            leg.fold(step.event)
        for each in step.commands:
            if isinstance(each, SubmitOrder) and each.account == command.account and each is not command:
                leg.ordered[each.order.order_id] = each.order
    held, signed = leg.held(), command.order.signed_quantity
    return held * signed < ZERO and (held + leg.open(command.order.side) + signed) * held >= ZERO


def _binds(name: str, account: AccountId) -> bool:
    return not name.startswith("accounts.") or name.startswith(f"accounts.{account}.")


def _note(told: Notify, closed: set[str]) -> None:
    if told.topic != "limit":
        return
    _, name, verb = told.text.split(" ")[:3]
    if verb == "released:":
        closed.discard(name)
    elif told.text.rsplit("; ", 1)[1].split(",")[0] not in _OPEN:
        closed.add(name)


def _denied_exit(told: Notify) -> Iterator[str]:
    order_id = told.text.split(" ")[0]
    if told.topic == "order_denied" and (":exit:" in order_id or ":flatten:" in order_id):
        yield f"an exit was denied: {told.text}"


def judge_counting(state: GuardedState, market: Market, accounts: Sequence[str]) -> Iterator[str]:
    """Yield every account whose result, as the gate counts it, is not what the venue says its money has changed by."""
    for account in accounts:
        exchange = market.floor_of(account).exchange
        margin = exchange.margin(account)
        made = margin.equity - COLLATERAL
        leg = state.legs.get(AccountId(account))
        if leg is None or leg.ledger.quantity:
            continue  # what is open is reckoned at marks of different moments
        counted = state.result(AccountId(account))
        if abs(counted - made) > _CENT:
            yield f"{account}: the gate counts a result of {counted:.4f}, by the venue it is {made:.4f}"
