"""A strategy small enough to be seen through: buys one lot at a time, a random wait apart, until it holds `goal`."""

from decimal import Decimal

from strategies.domain.commands import Command, DrawRandom, Observe, SetTimer, SubmitOrder
from strategies.domain.events import (
    Event,
    Filled,
    Observed,
    OperatorState,
    OperatorStateSet,
    OrderClosed,
    OrderDenied,
    OrderRejected,
    RandomDrawn,
    Restarted,
    Started,
    TimerFired,
)
from strategies.domain.ids import InstrumentId, LegName, OrderId, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from strategies.machine import GroupSpec, GroupView, Held, LegView, Outcome, Step

LEG = LegName("only")
WAIT = TimerName("wait")


class ToyState(Value):
    held: Decimal = Decimal(0)
    attempts: int = 0
    open_order: OrderId | None = None
    operator: OperatorState = OperatorState.RUN
    looked: int = 0
    since: Timestamp = Timestamp(0)


class Toy:
    """Buys `goal` lots of 1, one order at a time."""

    def __init__(self, spec: GroupSpec, goal: int, *, version: str = "toy-1", lot: Decimal = Decimal(1)) -> None:
        self.spec = spec
        self.goal = goal
        self.lot = lot
        self._version = version

    @property
    def code_version(self) -> str:
        return self._version

    def start(self) -> ToyState:
        return ToyState()

    def step(self, state: ToyState, event: Event) -> Step[ToyState]:  # noqa: PLR0911 - one line a case
        match event:
            case Started(at=at):
                return Step(state.model_copy(update={"since": at}), (Observe(legs=(LEG,)),))
            case Restarted() | OperatorStateSet():
                return self._wait(state)
            case Observed():
                return self._wait(state.model_copy(update={"looked": state.looked + 1}))
            case RandomDrawn(at=at, value=value):
                return Step(state, (SetTimer(timer=WAIT, due_at=Timestamp(at + int(value))),))
            case TimerFired():
                return self._buy(state)
            case Filled(fill=fill):
                if fill.quantity == Decimal(13):
                    raise ArithmeticError("unlucky")
                return Step(state.model_copy(update={"held": state.held + fill.signed_quantity}))
            case OrderClosed() | OrderRejected() | OrderDenied():
                return self._wait(state.model_copy(update={"open_order": None}))
            case _:
                return Step(state)

    def _wait(self, state: ToyState) -> Step[ToyState]:
        if state.open_order is not None or state.held >= self.goal:
            return Step(state)
        return Step(state, (DrawRandom(name="wait", low=Decimal(1), high=Decimal(20)),))

    def _buy(self, state: ToyState) -> Step[ToyState]:
        if state.open_order is not None or state.held >= self.goal:
            return Step(state)
        order = OrderRequest(
            order_id=OrderId(f"{self.spec.group}:1:{LEG}:buy:{state.attempts}"),
            instrument_id=self.spec.instrument_id,
            side=Side.BUY,
            quantity=self.lot,
            order_type=OrderType.MARKET,
            price=Decimal(3100),
            time_in_force=TimeInForce.IOC,
            lane=Lane.ENTRY,
        )
        commands: tuple[Command, ...] = (SubmitOrder(account=self.spec.legs[LEG], order=order),)
        update = {"attempts": state.attempts + 1, "open_order": order.order_id}
        return Step(state.model_copy(update=update), commands)

    def view(self, state: ToyState) -> GroupView:
        leg = LegView(account=self.spec.legs[LEG], target=Decimal(self.goal), believed=state.held, reported=None)
        return GroupView(
            phase="BUYING",
            phase_since=state.since,
            next="buy",
            cycle=1,
            cycles_done=0,
            operator_state=state.operator,
            outcome=Outcome.FINISHED if state.held >= self.goal else Outcome.RUNNING,
            mark=Decimal(3000),
            lot=Decimal(1),
            hedged=False,
            legs={LEG: leg},
        )

    def held(self, state: ToyState) -> Held:
        return self.view(state).held

    def state_to_json(self, state: ToyState) -> str:
        return state.model_dump_json()

    def state_from_json(self, text: str) -> ToyState:
        return ToyState.model_validate_json(text)


def toy_spec() -> GroupSpec:
    """Return a group of one leg."""
    return GroupSpec.model_validate({"group": "g", "instrument_id": InstrumentId("ETH-PERP"), "legs": {LEG: "l1"}})
