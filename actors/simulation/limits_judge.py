"""The judge of what limits promise: what left though it was forbidden, what was denied and must not, what was lost."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from actors.group_entries import StepBody
from actors.simulation.market import COLLATERAL, Market
from strategies.domain.commands import Notify, SubmitOrder
from strategies.domain.ids import AccountId, Timestamp
from strategies.domain.order import Lane
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
    for step in steps:
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
            # Orders that shrink a leg without saying so pass beyond the rate, too: those of the ENTRY lane open.
            binding = sorted(name for name in closed_before & closed if _binds(name, command.account))
            if command.order.lane is Lane.ENTRY and binding:
                yield f"{command.order.order_id} enters while {binding} are reached"
            if command.order.lane is Lane.ENTRY and not command.order.rests and recent >= most:
                yield f"{command.order.order_id} is order {recent + 1} within a minute, {most} are allowed"


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
