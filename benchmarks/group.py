"""The group's side, honestly: the production group actor over its journal, run by a machine that only sends orders."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from actors.actor import GroupStatus
from actors.group import GroupActor, GroupActorSpec
from actors.supervision.keeper import Keeper
from benchmarks.stage import PATIENCE_S, Scene
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import (
    Event,
    OperatorState,
    OperatorStateSet,
    OrderClosed,
    OrderDenied,
    OrderRejected,
)
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, Timestamp
from strategies.domain.model import Value
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from strategies.machine import GroupSpec, GroupView, Held, LegView, Outcome, Step

_INSTRUMENT = InstrumentId("ETH-PERP")
_LEG = LegName("only")
_STARTER = "benchmark"
"""Who asks for a volley; how many orders it has stands in the reason."""
_QUANTITY = Decimal("0.01")
_WORST_PRICES = {Side.BUY: Decimal(3030), Side.SELL: Decimal(2970)}
"""A percent from the simulator's price, which stands still."""


def volley_event(count: int, at: Timestamp) -> OperatorStateSet:
    """Return what makes a `VolleyMachine` send `count` orders."""
    return OperatorStateSet(at=at, state=OperatorState.RUN, by=_STARTER, reason=str(count))


def volley_spec(account: AccountId, name: str) -> GroupSpec:
    """Return a group of one leg."""
    return GroupSpec(group=GroupId(f"{name}-{account}"), instrument_id=_INSTRUMENT, legs={_LEG: account})


class VolleyState(Value):
    """How many orders have been sent."""

    sent: int = 0


class VolleyMachine:
    """Answers each starter's word with so many market orders, buys and sells in turn; notes when it decided."""

    def __init__(self, spec: GroupSpec) -> None:
        """Send for `spec`'s only account."""
        self._spec = spec
        self.decided_ns = 0
        self.closed_ns: list[int] = []
        self.refused: list[str] = []
        self.news = asyncio.Event()

    @property
    def code_version(self) -> str:
        """See `Machine`."""
        return "1"

    def start(self) -> VolleyState:
        """See `Machine`."""
        return VolleyState()

    def step(self, state: VolleyState, event: Event) -> Step[VolleyState]:
        """See `Machine`. The notes beside the state are for the benchmark; no decision hangs on them."""
        match event:
            case OperatorStateSet(by=by, reason=reason) if by == _STARTER:
                count = int(reason)
                orders = tuple(self._order(state.sent + nth) for nth in range(count))
                self.decided_ns = time.monotonic_ns()
                return Step(VolleyState(sent=state.sent + count), orders)
            case OrderClosed():
                self.closed_ns.append(time.monotonic_ns())
                self.news.set()
            case OrderRejected(detail=detail) | OrderDenied(detail=detail):
                self.refused.append(detail)
                self.news.set()
            case _:
                pass
        return Step(state)

    def _order(self, number: int) -> SubmitOrder:
        side = Side.BUY if number % 2 == 0 else Side.SELL
        order = OrderRequest(
            order_id=OrderId(f"{self._spec.group}:1:{_LEG}:volley:{number}"),
            instrument_id=_INSTRUMENT,
            side=side,
            quantity=_QUANTITY,
            order_type=OrderType.MARKET,
            price=_WORST_PRICES[side],
            time_in_force=TimeInForce.IOC,
            lane=Lane.ENTRY,
        )
        return SubmitOrder(account=self._spec.legs[_LEG], order=order)

    def view(self, state: VolleyState) -> GroupView:
        """See `Machine`."""
        leg = LegView(account=self._spec.legs[_LEG], target=Decimal(0), believed=Decimal(0), reported=None)
        return GroupView(
            phase=f"SENT_{state.sent}",
            phase_since=Timestamp(0),
            next="the next volley",
            cycle=1,
            cycles_done=0,
            operator_state=OperatorState.RUN,
            outcome=Outcome.RUNNING,
            mark=None,
            lot=None,
            hedged=False,
            legs={_LEG: leg},
        )

    def held(self, state: VolleyState) -> Held:
        """See `Machine`."""
        return self.view(state).held

    def state_to_json(self, state: VolleyState) -> str:
        """See `Machine`."""
        return state.model_dump_json()

    def state_from_json(self, text: str) -> VolleyState:
        """See `Machine`."""
        return VolleyState.model_validate_json(text)


class VolleyGroup:
    """A group actor in this process, over Ray to the account's process."""

    def __init__(self, actor: GroupActor, machine: VolleyMachine, account: AccountId) -> None:
        """Join the two; `volley_group` makes one."""
        self.machine = machine
        self._actor = actor
        self._account = account

    async def connect(self, keeper: Keeper) -> None:
        """Learn where the account lives now, as a group is told by the supervisor."""
        if keeper.link is not None:
            self._actor.connect(self._account, keeper.link.account)

    async def fire(self, count: int) -> int:
        """Decide upon `count` orders; return the moment of the decision (monotonic ns). Their ends come later."""
        machine = self.machine
        machine.closed_ns, machine.refused = [], []
        await self._actor.operate(OperatorState.RUN, _STARTER, str(count))
        return machine.decided_ns

    async def filled(self, count: int) -> int:
        """Wait until so many orders have closed; return when the last did (monotonic ns).

        Raises:
            RuntimeError: an order was refused.
            TimeoutError: they did not close.
        """
        machine = self.machine
        async with asyncio.timeout(PATIENCE_S):
            while len(machine.closed_ns) < count:
                if machine.refused:
                    raise RuntimeError(f"an order was refused: {machine.refused[0]}")
                machine.news.clear()
                await machine.news.wait()
        return machine.closed_ns[-1]

    async def status(self) -> GroupStatus:
        """Return the actor's own report."""
        return await self._actor.status()


@asynccontextmanager
async def volley_group(here: Scene, account: AccountId) -> AsyncIterator[VolleyGroup]:
    """Run the group's side for one account."""
    spec = GroupActorSpec(
        group=volley_spec(account, "volley"),
        strategy="volley",
        params={},
        journal=here.settings.general.journal_url,
        lock_dir=str(here.settings.general.state_dir / "locks"),
    )
    machine = VolleyMachine(spec.group)
    epoch = await here.store.claim(f"group/{spec.group.group}", "benchmark")
    actor = GroupActor(spec, epoch, build=lambda *_: machine)
    await actor.start()
    try:
        yield VolleyGroup(actor, machine, account)
    finally:
        await actor.stop()
