"""What the gate remembers: a fold of the events that the machine behind it is told, and of the orders it approved.

All of it is in the group's journal: a restart folds it again, so nothing that was counted is forgotten.
"""

from decimal import Decimal
from typing import Any, assert_never

from pydantic import Field

from strategies.domain.account import LegObservation
from strategies.domain.events import (
    Event,
    Filled,
    Observed,
    OperatorState,
    OrderClosed,
    OrderDenied,
    OrderRejected,
    PositionAdjusted,
)
from strategies.domain.ids import AccountId, InstrumentId, OrderId, Timestamp, TradeId
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest, Side
from strategies.domain.position import Fill, FillCause, Position
from strategies.execution import SEEN_TRADES_MAX
from strategies.risk.limits import Bound, LimitName, Word

MINUTE_MS = 60_000
DAY_MS = 86_400_000
_MS = 1000
GROUP = ""
"""The scope of what is counted for the whole group; every other scope is an account."""


class OpenOrder(Value):
    """An approved order that may enlarge its leg, and whose end is not known."""

    account: AccountId
    signed: Decimal = Field(description="what a complete fill adds, base units")
    filled: Decimal = Field(default=ZERO, description="executed so far, base units")
    rests: bool = Field(default=False, description="it may stand in a book for long")

    @property
    def leaves(self) -> Decimal:
        """Return what may still be added, base units, without sign."""
        return max(abs(self.signed) - self.filled, ZERO)


class Sent(Value):
    """An order that has passed."""

    at: Timestamp
    account: AccountId


class LegBook(Value):
    """What the gate counts of one account: its fills, and what its venue said of funding."""

    ledger: Position = Position()
    funding: Decimal = Field(default=ZERO, description="USD received, as far as looks have told")
    stated: Decimal | None = Field(default=None, description="funding of the position that is held, as last stated")
    seen: tuple[TradeId, ...] = Field(default=(), description="latest trade ids, oldest first")


class Used(Value):
    """Results that a scope's budgets are counted from, USD since the group's first start."""

    day_from: Decimal = Field(default=ZERO, description="result at the day's begin, or when RUN released its loss")
    highest: Decimal = Field(default=ZERO, description="highest result, since the start or since RUN released it")


class Latch(Value):
    """A limit that has been reached and stays so until it is released."""

    name: LimitName
    account: AccountId | None
    word: Word
    most: Decimal
    since: Timestamp
    until: Timestamp | None = Field(description="when it ends by itself; None = when RUN is said")
    text: str = Field(description="what was reached, with both numbers")

    @property
    def of(self) -> Bound:
        """Return the limit as it stood."""
        return Bound(self.name, self.account, self.most, self.word)


class GuardedState(Value):
    """The inner machine's state, and what the gate has to remember."""

    inner: Any = Field(description="the guarded machine's own state")
    open_orders: dict[OrderId, OpenOrder] = Field(default_factory=dict)
    sent: tuple[Sent, ...] = Field(default=(), description="orders of the last minute")
    mark: dict[AccountId, Decimal] = Field(default_factory=dict, description="USD, from the last look")
    equity: dict[AccountId, Decimal] = Field(default_factory=dict, description="USD, from the last look")
    now: Timestamp = Field(default=Timestamp(0), description="the latest moment any event told")
    legs: dict[AccountId, LegBook] = Field(default_factory=dict)
    used: dict[str, Used] = Field(default_factory=dict, description="by account; the group's own without a name")
    naked_usd: Decimal | None = Field(default=None, description="uncovered since the last step, USD; None = covered")
    naked_ms: int = Field(default=0, description="uncovered in this UTC day, ms")
    naked_usd_ms: Decimal = Field(default=ZERO, description="the same, weighed by USD")
    reached: tuple[Latch, ...] = ()
    told: OperatorState | None = Field(default=None, description="what others than the limits last said")
    said: OperatorState | None = Field(default=None, description="what the machine was last told")
    timer: Timestamp | None = Field(default=None, description="when the gate is to be woken")
    denials: dict[str, int] = Field(default_factory=dict, description="orders denied, by the limit's key")

    def result(self, scope: str) -> Decimal:
        """Return what a scope has made since the group's first start, USD: fills, fees, funding, and open at the mark.

        An account whose mark has never been seen counts what it holds at what it paid.
        """
        if scope == GROUP:
            return sum((self._result_of(account) for account in self.legs), start=ZERO)
        return self._result_of(AccountId(scope))

    def _result_of(self, account: AccountId) -> Decimal:
        leg = self.legs.get(account)
        if leg is None:
            return ZERO
        ledger = leg.ledger
        open_ = ledger.unrealized(self.mark_of(account)) if ledger.quantity else ZERO
        return ledger.realized - ledger.fees + leg.funding + open_

    def mark_of(self, account: AccountId) -> Decimal:
        """Return the price at which the account's position is reckoned, USD."""
        return self.mark.get(account, self.legs[account].ledger.entry_price)

    def used_of(self, scope: str) -> Used:
        """Return what a scope's budgets are counted from."""
        return self.used.get(scope, _NOTHING)


_NOTHING = Used()


def remember(state: GuardedState, event: Event) -> GuardedState:
    """Fold one event: first the time that has passed, then what it tells."""
    state = _advance(state, event.at)
    match event:
        case Observed():
            return _risen(_observed(state, event))
        case Filled():
            return _risen(_filled(state, event.account, event.fill))
        case PositionAdjusted():
            return _risen(_adjusted(state, event))
        case OrderClosed() | OrderRejected() | OrderDenied() if event.order_id in state.open_orders:
            left = {key: order for key, order in state.open_orders.items() if key != event.order_id}
            return state.model_copy(update={"open_orders": left})
        case _:
            return state


def approved(state: GuardedState, account: AccountId, order: OrderRequest, at: Timestamp) -> GuardedState:
    """Take note of an order that passes at a moment."""
    sent = (*(each for each in state.sent if each.at > at - MINUTE_MS), Sent(at=at, account=account))
    open_orders = state.open_orders
    if not order.reduce_only:
        opened = OpenOrder(account=account, signed=order.signed_quantity, rests=order.rests)
        open_orders = {**open_orders, order.order_id: opened}
    return state.model_copy(update={"open_orders": open_orders, "sent": sent})


def day_of(moment: Timestamp) -> int:
    """Return the number of the UTC day."""
    return moment // DAY_MS


def end_of_day(moment: Timestamp) -> Timestamp:
    """Return when the UTC day of a moment is over."""
    return Timestamp((day_of(moment) + 1) * DAY_MS)


def _advance(state: GuardedState, at: Timestamp) -> GuardedState:
    """Let time pass; it never runs backwards. What was uncovered stays so until a step says otherwise."""
    now = max(state.now, at)
    if now == state.now:
        return state
    changes: dict[str, Any] = {"now": now}
    since = state.now
    if day_of(now) > day_of(since):
        scopes = {GROUP, *state.legs}
        used = {scope: state.used_of(scope).model_copy(update={"day_from": state.result(scope)}) for scope in scopes}
        changes |= {"used": dict(sorted(used.items())), "naked_ms": 0, "naked_usd_ms": ZERO}
        since = Timestamp(day_of(now) * DAY_MS)
    if state.naked_usd is not None:
        passed = now - since
        changes["naked_ms"] = changes.get("naked_ms", state.naked_ms) + passed
        changes["naked_usd_ms"] = changes.get("naked_usd_ms", state.naked_usd_ms) + state.naked_usd * passed
    return state.model_copy(update=changes)


def _risen(state: GuardedState) -> GuardedState:
    """Raise what the draw-down is counted from."""
    results: dict[str, Decimal] = {account: state.result(account) for account in state.legs}
    results[GROUP] = sum(results.values(), start=ZERO)
    risen = {}
    for scope, result in results.items():
        used = state.used_of(scope)
        if result > used.highest:
            risen[scope] = used.model_copy(update={"highest": result})
    return state.model_copy(update={"used": state.used | risen}) if risen else state


def _observed(state: GuardedState, event: Observed) -> GuardedState:
    mark, equity, legs = dict(state.mark), dict(state.equity), dict(state.legs)
    for look in event.legs.values():
        price = look.price
        if price is not None:
            mark[look.account] = price
        if look.balance is not None:
            equity[look.account] = look.balance.equity
        legs[look.account] = _funded(legs.get(look.account, _EMPTY), look)
    return state.model_copy(update={"mark": mark, "equity": equity, "legs": legs})


_EMPTY = LegBook()


def _funded(leg: LegBook, look: LegObservation) -> LegBook:
    """Count what the stated funding of a position has changed by since the last look at the same position."""
    position = look.position
    if position is None or position.funding is None:
        return leg
    if position.quantity * leg.ledger.quantity <= ZERO:
        return leg if leg.stated is None else leg.model_copy(update={"stated": None})
    if position.funding == leg.stated:
        return leg
    added = ZERO if leg.stated is None else position.funding - leg.stated
    return leg.model_copy(update={"funding": leg.funding + added, "stated": position.funding})


def _filled(state: GuardedState, account: AccountId, fill: Fill) -> GuardedState:
    """Fold a fill once, by its trade id, whenever it comes."""
    leg = state.legs.get(account, _EMPTY)
    if fill.trade_id in leg.seen:
        return state
    ledger = leg.ledger.fold(fill)
    same = ledger.quantity * leg.ledger.quantity > ZERO
    after = leg.model_copy(
        update={
            "ledger": ledger,
            "seen": (*leg.seen[-SEEN_TRADES_MAX + 1 :], fill.trade_id),
            "stated": leg.stated if same else None,
        }
    )
    changes: dict[str, Any] = {"legs": {**state.legs, account: after}}
    order = None if fill.order_id is None else state.open_orders.get(fill.order_id)
    if order is not None and fill.order_id is not None:
        filled = order.model_copy(update={"filled": order.filled + fill.quantity})
        changes["open_orders"] = {**state.open_orders, fill.order_id: filled}
    return state.model_copy(update=changes)


def _adjusted(state: GuardedState, event: PositionAdjusted) -> GuardedState:
    """Belief follows the venue: what changed hands unseen is reckoned at the mark, and so earns nothing by itself."""
    leg = state.legs.get(event.account, _EMPTY)
    missing = event.after - leg.ledger.quantity
    price = state.mark.get(event.account, leg.ledger.entry_price)
    if missing == ZERO or price <= ZERO:
        return state
    unseen = Fill(
        trade_id=TradeId(f"adjusted:{event.at}"),
        instrument_id=event.instrument_id or InstrumentId(""),
        side=Side.of(missing),
        quantity=abs(missing),
        price=price,
        fee=ZERO,
        at=event.at,
        cause=FillCause.FOREIGN,
        order_id=None,
    )
    after = leg.model_copy(update={"ledger": leg.ledger.fold(unseen), "stated": None})
    return state.model_copy(update={"legs": {**state.legs, event.account: after}})


def used_up(state: GuardedState, name: LimitName, account: AccountId | None) -> Decimal:
    """Return how much of a budget is used: USD, seconds, or USD times seconds."""
    scope = GROUP if account is None else account
    match name:
        case LimitName.LOSS:
            return max(state.used_of(scope).day_from - state.result(scope), ZERO)
        case LimitName.DRAWDOWN:
            return max(state.used_of(scope).highest - state.result(scope), ZERO)
        case LimitName.NAKED:
            return Decimal(state.naked_ms) / _MS
        case LimitName.NAKED_USD:
            return state.naked_usd_ms / _MS
        case (
            LimitName.NOTIONAL
            | LimitName.LEG_NOTIONAL
            | LimitName.LEVERAGE
            | LimitName.ORDER_RATE
            | LimitName.SLIPPAGE
            | LimitName.SLIPPAGE_USD
        ):
            raise ValueError(f"{name} is no budget")
        case _:
            assert_never(name)


def anew(state: GuardedState, latch: Latch) -> GuardedState:
    """Let a budget begin from here: the same amount may be used once more."""
    scope = GROUP if latch.account is None else latch.account
    if latch.name is LimitName.NAKED:
        return state.model_copy(update={"naked_ms": 0})
    if latch.name is LimitName.NAKED_USD:
        return state.model_copy(update={"naked_usd_ms": ZERO})
    changes = {LimitName.LOSS: "day_from", LimitName.DRAWDOWN: "highest"}
    if latch.name not in changes:
        return state
    used = state.used_of(scope).model_copy(update={changes[latch.name]: state.result(scope)})
    return state.model_copy(update={"used": {**state.used, scope: used}})
