"""A machine that orders what a test says when a timer of that name fires, and believes its fills."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from strategies.domain.account import AccountMode, Balance, LegObservation, ReportedPosition
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import (
    Event,
    Filled,
    Observed,
    OperatorState,
    OperatorStateSet,
    OrderClosed,
    OrderDenied,
    PositionAdjusted,
    TimerFired,
)
from strategies.domain.model import Value
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from strategies.domain.position import Fill, FillCause
from strategies.domain.quote import Quote
from strategies.machine import GroupView, Held, LegView, Outcome, Step
from strategies.risk import Guarded, Limits
from tests.playbook import Moment, Playbook

D = Decimal
ETH = "ETH-PERP"
ACCOUNTS = ("a", "b")
LOT = D("0.01")


class ToyState(Value):
    """What it holds, and what it was told."""

    held: dict[str, Decimal] = {}
    words: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    state: OperatorState = OperatorState.PAUSE


class Toy:
    """The machine. `orders`: timer → what is ordered when it fires."""

    code_version = "toy/1"

    def __init__(self, orders: dict[str, Sequence[SubmitOrder]] | None = None) -> None:
        self.orders = orders or {}

    def start(self) -> ToyState:
        return ToyState()

    def step(self, state: ToyState, event: Event) -> Step[ToyState]:
        match event:
            case OperatorStateSet():
                words = (*state.words, f"{event.by} said {event.state}")
                return Step(state.model_copy(update={"words": words, "state": event.state}))
            case OrderDenied():
                return Step(state.model_copy(update={"denied": (*state.denied, f"{event.code} {event.detail}")}))
            case Filled(account=account, fill=fill):
                held = state.held.get(account, D(0)) + fill.signed_quantity
                return Step(state.model_copy(update={"held": {**state.held, account: held}}))
            case PositionAdjusted(account=account, after=after):
                return Step(state.model_copy(update={"held": {**state.held, account: after}}))
            case TimerFired(timer=timer):
                return Step(state, tuple(self.orders.get(timer, ())))
            case _:
                return Step(state)

    def view(self, state: ToyState) -> GroupView:
        legs = {
            account: LegView(account=account, target=D(0), believed=state.held.get(account, D(0)), reported=None)
            for account in ACCOUNTS
        }
        return GroupView(
            phase="TOY",
            phase_since=0,
            next="",
            reason="plays",
            cycle=1,
            cycles_done=0,
            operator_state=state.state,
            outcome=Outcome.RUNNING,
            mark=D(1000),
            lot=LOT,
            hedged=False,
            legs=legs,
        )

    def held(self, state: ToyState) -> Held:
        return self.view(state).held

    def state_to_json(self, state: ToyState) -> str:
        return state.model_dump_json()

    def state_from_json(self, text: str) -> ToyState:
        return ToyState.model_validate_json(text)


def order(
    name: str,
    signed: str,
    price: str = "1000",
    *,
    account: str = "a",
    rests: bool = False,
    reduce_only: bool = False,
    lane: Lane = Lane.ENTRY,
) -> SubmitOrder:
    """Return an order by its id; `rests`: it may stand in a book."""
    quantity = D(signed)
    return SubmitOrder(
        account=account,
        order=OrderRequest(
            order_id=name,
            instrument_id=ETH,
            side=Side.of(quantity),
            quantity=abs(quantity),
            order_type=OrderType.LIMIT if rests else OrderType.MARKET,
            time_in_force=TimeInForce.GTC if rests else TimeInForce.IOC,
            price=D(price),
            reduce_only=reduce_only,
            lane=lane,
        ),
    )


def play(limits: dict[str, Any], show: tuple[str, ...] = (), **orders: Sequence[SubmitOrder]) -> Playbook:
    """Begin a playbook of a guarded toy; `show` names the commands that are compared."""
    quiet = tuple(word for word in ("timer", "notify", "submit", "cancel") if word not in show)
    return Playbook(Guarded(Toy(orders), Limits.model_validate(limits)), quiet=quiet)


def fires(timer: str) -> Moment:
    """A timer of the toy's comes due: it orders."""
    return lambda at: TimerFired(at=at, timer=timer)


def look(
    mark: str = "1000",
    *,
    accounts: Sequence[str] = ACCOUNTS,
    holds: str = "0",
    funding: str | None = None,
    equity: str = "10000",
) -> Moment:
    """Every account is looked at, and its price is `mark`; each states `holds` and its `funding`."""

    def moment(at: int) -> Event:
        position = ReportedPosition(
            quantity=D(holds), entry_price=D(1000), funding=None if funding is None else D(funding), at=at
        )
        money = Balance(
            equity=D(equity), available=D(equity), leverage=D(10), maintenance_margin=D(0), liquidating=False, at=at
        )
        return Observed(
            at=at,
            legs={
                account: LegObservation(
                    account=account,
                    mode=AccountMode.ARMED,
                    instrument=None,
                    quote=Quote(mark=D(mark), at=at),
                    balance=money,
                    position=position,
                    believed=D(holds),
                    in_flight=0,
                    unknown=0,
                )
                for account in accounts
            },
        )

    return moment


def fill(
    signed: str, price: str = "1000", *, account: str = "a", of: str | None = None, trade: str = "", fee: str = "0"
) -> Moment:
    """An execution; of one of our orders, or of nobody's."""
    quantity = D(signed)
    return lambda at: Filled(
        at=at,
        account=account,
        fill=Fill(
            trade_id=trade or f"t{at}",
            instrument_id=ETH,
            side=Side.of(quantity),
            quantity=abs(quantity),
            price=D(price),
            fee=D(fee),
            at=at,
            cause=FillCause.ORDER if of else FillCause.LIQUIDATION,
            order_id=of,
        ),
    )


def ends(name: str, filled: str = "0", *, account: str = "a") -> Moment:
    """An order is over."""
    return lambda at: OrderClosed(at=at, account=account, order_id=name, status="CANCELED", filled=D(filled))


def words(played: Playbook) -> tuple[str, ...]:
    """Return what the machine was told, in order."""
    return played.state.inner.words
