"""The gate between a decision and a venue: an order that has not passed is a different type from one that has.

The way out is always free: a reduce-only order in the EXIT lane is never denied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast

from pydantic import Field

from strategies.domain.commands import Command, Notify, Severity, SubmitOrder
from strategies.domain.events import (
    Event,
    Observed,
    OrderClosed,
    OrderDenied,
    OrderRejected,
)
from strategies.domain.ids import AccountId, OrderId, Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import Lane
from strategies.machine import GroupView, Machine, Step

S = TypeVar("S", bound=Value)

_MINUTE_MS = 60_000
DENIALS_PER_STEP_MAX = 16
"""Denials answered within one step. A machine that goes on asking after so many is cut off until its next event."""


class Limits(Value):
    """What a group may do at most, whatever its strategy decides. An absent limit does not bind."""

    max_notional_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="sum over all legs of |position| x mark, USD; orders that would pass it are denied, "
        "and the sizing of entries stays within it",
    )
    max_leg_notional_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="|position| x mark of one leg, USD; orders that would pass it are denied, sizing stays within it",
    )
    max_leverage: Decimal | None = Field(
        default=None,
        gt=0,
        description="|position| x mark over the account's equity; orders that would pass it are denied, "
        "and no higher leverage is asked of a venue",
    )
    max_orders_per_minute: int = Field(
        default=120,
        gt=0,
        description="orders of the group within any 60 s; more are denied. A healthy cycle makes fewer than 20: "
        "this stops a loop, not a strategy",
    )
    max_slippage: Decimal = Field(
        default=Decimal("0.02"),
        gt=0,
        lt=1,
        description="fraction by which an order's worst price may lie beyond the mark; worse is denied",
    )
    max_cycle_loss_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="a cycle that has lost more than this (realised and unrealised, after fees) exits, and the "
        "group is parked for a person to look at",
    )


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the gate weighs an order against. Quantities in base units, signed; prices and money in USD."""

    held: Mapping[AccountId, Decimal]
    open_orders: Mapping[AccountId, Decimal]  # sum per account of open orders that enlarge, worst case
    mark: Mapping[AccountId, Decimal]
    equity: Mapping[AccountId, Decimal]
    orders_last_minute: int


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that may leave."""

    command: SubmitOrder


@dataclass(frozen=True, slots=True)
class Denied:
    """An order that may not, and why. `code` is stable, `detail` is for people."""

    code: str
    detail: str


def check(command: SubmitOrder, exposure: Exposure, limits: Limits) -> Approved | Denied:
    """Judge one order."""
    order = command.order
    if order.reduce_only and order.lane is Lane.EXIT:
        return Approved(command)
    if exposure.orders_last_minute >= limits.max_orders_per_minute:
        return Denied("ORDER_RATE", f"{exposure.orders_last_minute} orders in a minute reach the limit")
    mark = exposure.mark.get(command.account)
    if mark is None:
        return Denied("NO_MARK", f"no price of {order.instrument_id} is known on {command.account}")
    slippage = (order.price - mark) / mark * order.side.sign
    if slippage > limits.max_slippage:
        return Denied("SLIPPAGE", f"price {order.price} is {slippage:.4%} beyond the mark {mark}")
    if order.reduce_only:
        return Approved(command)
    return _check_size(command, exposure, limits, mark)


def _check_size(command: SubmitOrder, exposure: Exposure, limits: Limits, mark: Decimal) -> Approved | Denied:
    held = exposure.held.get(command.account, ZERO)
    after = abs(held + exposure.open_orders.get(command.account, ZERO) + command.order.signed_quantity)
    if after <= abs(held):
        return Approved(command)
    notional = after * mark
    if limits.max_leg_notional_usd is not None and notional > limits.max_leg_notional_usd:
        return Denied("LEG_NOTIONAL", f"{notional:.2f} USD on {command.account} > {limits.max_leg_notional_usd}")
    others = sum(
        (
            abs(quantity) * exposure.mark.get(account, mark)
            for account, quantity in exposure.held.items()
            if account != command.account
        ),
        start=ZERO,
    )
    if limits.max_notional_usd is not None and notional + others > limits.max_notional_usd:
        return Denied("GROUP_NOTIONAL", f"{notional + others:.2f} USD in the group > {limits.max_notional_usd}")
    if limits.max_leverage is not None:
        equity = exposure.equity.get(command.account)
        if equity is None or equity <= ZERO:
            return Denied("NO_EQUITY", f"equity of {command.account} is not known or gone: {equity}")
        if notional > limits.max_leverage * equity:
            return Denied("LEVERAGE", f"{notional / equity:.2f}x on {command.account} > {limits.max_leverage}x")
    return Approved(command)


class OpenOrder(Value):
    """An approved order whose end is not known."""

    account: AccountId
    signed: Decimal


class GuardedState(Value):
    """The inner machine's state, and what the gate has to remember."""

    inner: Any = Field(description="the guarded machine's own state")
    open_orders: dict[OrderId, OpenOrder] = Field(default_factory=dict)
    sent_at: tuple[Timestamp, ...] = Field(default=(), description="orders of the last minute")
    mark: dict[AccountId, Decimal] = Field(default_factory=dict, description="USD, from the last look")
    equity: dict[AccountId, Decimal] = Field(default_factory=dict, description="USD, from the last look")


class _Snapshot(Value):
    inner: str
    gate: GuardedState


class Guarded(Generic[S]):
    """A machine whose orders pass the gate; a denied one comes back to it as `OrderDenied` within the same step.

    Nothing of this is journaled apart: a replay denies the same orders again.
    """

    def __init__(self, machine: Machine[S], limits: Limits) -> None:
        """Guard `machine` by `limits`."""
        self._machine = machine
        self._limits = limits

    @property
    def code_version(self) -> str:
        """Name the version of the guarded machine's decisions."""
        return self._machine.code_version

    def start(self) -> GuardedState:
        """Return the state before anything has happened."""
        return GuardedState(inner=self._machine.start())

    def step(self, state: GuardedState, event: Event) -> Step[GuardedState]:
        """Fold one event, and every denial that follows from it."""
        gate = _remember(state, event)
        inner = cast("S", state.inner)
        waiting: list[Event] = [event]
        commands: list[Command] = []
        denials = 0
        while waiting:
            step = self._machine.step(inner, waiting.pop(0))
            inner = step.state
            for command in step.commands:
                if not isinstance(command, SubmitOrder):
                    commands.append(command)
                    continue
                verdict = check(command, self._exposure(gate, inner, event.at), self._limits)
                if isinstance(verdict, Approved):
                    gate = _approve(gate, verdict, event.at)
                    commands.append(verdict.command)
                    continue
                denials += 1
                commands.extend(_tell(command, verdict))
                waiting.append(_denied(command, verdict, event.at))
            if denials > DENIALS_PER_STEP_MAX:
                break
        return Step(gate.model_copy(update={"inner": inner}), tuple(commands))

    def view(self, state: GuardedState) -> GroupView:
        """Describe the guarded machine's state."""
        return self._machine.view(cast("S", state.inner))

    def state_to_json(self, state: GuardedState) -> str:
        """Write gate and machine for a snapshot."""
        gate = state.model_copy(update={"inner": None})
        return _Snapshot(inner=self._machine.state_to_json(cast("S", state.inner)), gate=gate).model_dump_json()

    def state_from_json(self, text: str) -> GuardedState:
        """Read a snapshot.

        Raises:
            ValueError: the text is not a state of this version.
        """
        snapshot = _Snapshot.model_validate_json(text)
        return snapshot.gate.model_copy(update={"inner": self._machine.state_from_json(snapshot.inner)})

    def _exposure(self, gate: GuardedState, inner: S, now: Timestamp) -> Exposure:
        held = {leg.account: leg.believed for leg in self._machine.view(inner).legs.values()}
        open_orders: dict[AccountId, Decimal] = {}
        for order in gate.open_orders.values():
            open_orders[order.account] = open_orders.get(order.account, ZERO) + order.signed
        recent = sum(1 for sent in gate.sent_at if sent > now - _MINUTE_MS)
        return Exposure(held, open_orders, gate.mark, gate.equity, recent)


def _remember(gate: GuardedState, event: Event) -> GuardedState:
    """Fold what the gate itself has to know."""
    if isinstance(event, Observed):
        mark, equity = dict(gate.mark), dict(gate.equity)
        for look in event.legs.values():
            if look.quote is not None:
                price = look.quote.mark or look.quote.bid or look.quote.ask
                if price is not None:
                    mark[look.account] = price
            if look.balance is not None:
                equity[look.account] = look.balance.equity
        return gate.model_copy(update={"mark": mark, "equity": equity})
    if isinstance(event, OrderClosed | OrderRejected | OrderDenied) and event.order_id in gate.open_orders:
        return gate.model_copy(
            update={"open_orders": {k: v for k, v in gate.open_orders.items() if k != event.order_id}}
        )
    return gate


def _approve(gate: GuardedState, approved: Approved, now: Timestamp) -> GuardedState:
    command = approved.command
    sent_at = (*(sent for sent in gate.sent_at if sent > now - _MINUTE_MS), now)
    open_orders = gate.open_orders
    if not command.order.reduce_only:
        opened = OpenOrder(account=command.account, signed=command.order.signed_quantity)
        open_orders = {**open_orders, command.order.order_id: opened}
    return gate.model_copy(update={"open_orders": open_orders, "sent_at": sent_at})


def _denied(command: SubmitOrder, verdict: Denied, now: Timestamp) -> OrderDenied:
    return OrderDenied(
        at=now, account=command.account, order_id=command.order.order_id, code=verdict.code, detail=verdict.detail
    )


def _tell(command: SubmitOrder, verdict: Denied) -> tuple[Command, ...]:
    text = f"{command.order.order_id} denied: {verdict.code}, {verdict.detail}"
    return (Notify(severity=Severity.WARNING, topic="order_denied", text=text),)
