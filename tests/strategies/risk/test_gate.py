"""The gate: what it denies, what it never denies, and that a denial comes back within the same step."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from strategies.domain.commands import Notify, SubmitOrder
from strategies.domain.events import Observed, OperatorState, OperatorStateSet, OrderDenied, Started
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from strategies.machine import Step
from strategies.risk import DENIALS_PER_STEP_MAX, Approved, Denied, Exposure, Guarded, Limits, check
from tests.playbook import NOON, Playbook
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    GROUP,
    INSTRUMENT,
    closed,
    filled,
    later,
    leg_look,
    looked,
    machine,
    operator,
    started,
    timer,
)

D = Decimal


def order(side=Side.BUY, quantity="5", price="1001", *, reduce_only=False, lane=Lane.ENTRY):
    """Return an order on Backpack."""
    return SubmitOrder(
        account="bp",
        order=OrderRequest(
            order_id="o",
            instrument_id=INSTRUMENT,
            side=side,
            quantity=D(quantity),
            order_type=OrderType.MARKET,
            price=D(price),
            reduce_only=reduce_only,
            lane=lane,
        ),
    )


def exposure(held=None, mark=None, equity=None, **known):
    """Return an exposure: nothing held, mark 1000, 100 USD of equity."""
    return Exposure(
        held=held or {},
        mark={"bp": D(1000), "l1": D(1000)} if mark is None else mark,
        equity={"bp": D(100)} if equity is None else equity,
        **known,
    )


@pytest.mark.parametrize(
    ("code", "command", "found", "limits"),
    [
        ("LEG_NOTIONAL", order(), exposure(), {"max_leg_notional_usd": 4999}),
        ("LEG_NOTIONAL", order(), exposure(held={"bp": D(1)}), {"max_leg_notional_usd": 5999}),
        ("LEG_NOTIONAL", order(), exposure(buys={"bp": D(1)}), {"max_leg_notional_usd": 5999}),
        ("GROUP_NOTIONAL", order(), exposure(held={"l1": D(-5)}), {"max_notional_usd": 9999}),
        ("LEVERAGE", order(), exposure(), {"max_leverage": "49.9"}),
        ("NO_EQUITY", order(), exposure(equity={}), {"max_leverage": 50}),
        ("NO_EQUITY", order(), exposure(equity={"bp": D(0)}), {"max_leverage": 50}),
        ("NO_MARK", order(), exposure(mark={}), {}),
        ("SLIPPAGE", order(price="1021"), exposure(), {}),
        ("SLIPPAGE", order(Side.SELL, price="979"), exposure(), {}),
        ("ORDER_RATE", order(), exposure(orders_last_minute=120), {}),
    ],
)
def test_what_passes_a_limit_is_denied_with_a_code(code, command, found, limits):
    """Each limit denies what lies beyond it."""
    verdict = check(command, found, Limits.model_validate(limits))
    assert isinstance(verdict, Denied)
    assert verdict.code == code
    assert verdict.detail


@pytest.mark.parametrize(
    ("command", "found", "limits"),
    [
        (order(), exposure(), {"max_leg_notional_usd": 5000, "max_notional_usd": 5000, "max_leverage": 50}),
        (order(Side.SELL, price="999"), exposure(held={"bp": D(5)}), {"max_leg_notional_usd": 1}),
        (order(price="1020"), exposure(), {}),
        (order(reduce_only=True, lane=Lane.HEDGE), exposure(orders_last_minute=120), {}),
        (order(), exposure(orders_last_minute=119), {}),
        (order(reduce_only=True, lane=Lane.HEDGE), exposure(held={"bp": D(-9)}), {"max_leg_notional_usd": 1}),
    ],
)
def test_what_stays_within_the_limits_is_approved(command, found, limits):
    """Also at the very limit, and whatever makes a leg smaller."""
    assert check(command, found, Limits.model_validate(limits)) == Approved(command)


def test_the_way_out_is_always_free():
    """A reduce-only order in the EXIT lane passes whatever is known or not."""
    worst = exposure(mark={}, equity={}, orders_last_minute=10_000)
    out = order(Side.SELL, price="1", reduce_only=True, lane=Lane.EXIT)
    assert check(out, worst, Limits(max_leg_notional_usd=D(1), max_orders_per_minute=1)) == Approved(out)


def test_an_exit_lane_alone_frees_nothing():
    """An order that may grow a position is judged in any lane."""
    assert isinstance(check(order(lane=Lane.EXIT), exposure(mark={}), Limits()), Denied)


def test_limits_say_what_they_do():
    """Every field has a description, and a typo is an error."""
    assert all(field.description for field in Limits.model_fields.values())
    with pytest.raises(ValidationError):
        Limits.model_validate({"max_notional": 1})


def guarded(limits, **params):
    """Begin a playbook of a guarded hedge."""
    return Playbook(Guarded(machine(**params), limits))


def test_a_guarded_machine_decides_as_the_machine_does():
    """Within the limits the gate is not there."""
    assert (
        guarded(Limits(max_leg_notional_usd=D(10_000)))
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked()
        << "submit backpack entry:1 BUY 5 @1002"
        >> filled("backpack", "entry:1", "5")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
    )


def test_a_denied_order_comes_back_within_the_step_and_is_told():
    """The machine learns of the denial at once: its attempts are used up, and the group is idle again, nothing sent."""
    play = (
        guarded(Limits(max_slippage=D("0.0001")), entry_attempts=1)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked()
        >> later(1)
        >> timer("look")
        << ALL
        >> looked()
    ).played()
    assert play.told("order_denied")
    assert play.machine.view(play.state).phase == "IDLE"
    assert "SLIPPAGE" in play.machine.view(play.state).reason


def test_a_hedge_that_the_gate_denies_ends_in_an_exit_that_it_does_not():
    """One order a minute: the entry uses it up, the hedge is denied, the exit is free."""
    assert (
        guarded(Limits(max_orders_per_minute=1), hedge_attempts=1)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> looked()
        << "submit backpack entry:1 BUY 5 @1002"
        >> filled("backpack", "entry:1", "5")
        << "cancel-all bp"
        >> closed("backpack", "entry:1", "5")
        << "submit backpack exit:1 SELL 5 @997.1 reduce-only"
    )


class Insistent:
    """A machine that orders again whatever it is told."""

    code_version = "insistent/1"

    def __init__(self) -> None:
        """Wrap a real machine for its view."""
        self.hedge = machine()

    def start(self):
        """Return a real state."""
        return self.hedge.start()

    def view(self, state):
        """Return the real view."""
        return self.hedge.view(state)

    def held(self, state):
        """Return what the real one holds."""
        return self.hedge.held(state)

    def step(self, state, event):
        """Order, always."""
        return Step(state, (order(),) if isinstance(event, Started | OrderDenied) else ())


def test_a_machine_that_insists_is_cut_off():
    """Denials within one step are bounded."""
    subject = Guarded(Insistent(), Limits())
    step = subject.step(subject.start(), Started(at=NOON, group=GROUP))
    assert not [command for command in step.commands if isinstance(command, SubmitOrder)]
    assert len([command for command in step.commands if isinstance(command, Notify)]) == DENIALS_PER_STEP_MAX + 1


def test_the_gate_forgets_orders_that_ended_and_remembers_what_it_saw():
    """Open orders count until their end; mark and equity come from the last look."""
    subject = Guarded(machine(), Limits())
    state = subject.start()
    for event in (
        Started(at=NOON, group=GROUP),
        OperatorStateSet(at=NOON, state=OperatorState.RUN, by="config"),
        Observed(at=NOON, legs={leg: leg_look(leg, at=NOON) for leg in ("backpack", "lighter1", "lighter2")}),
    ):
        state = subject.step(state, event).state
    assert {order.signed for order in state.open_orders.values()} == {5}
    assert state.mark["bp"] == 1000
    assert state.equity["l2"] == D("100.1")
    state = subject.step(state, filled("backpack", "entry:1", "5")(NOON)).state
    state = subject.step(state, closed("backpack", "entry:1", "5")(NOON)).state
    assert "triad:1:backpack:entry:1" not in state.open_orders
    assert subject.state_from_json(subject.state_to_json(state)) == state
