"""The gate at its bounds: what it counts, for how long, from which price, and what it says."""

import json
from decimal import Decimal

import pytest

from strategies.domain.commands import Notify, Severity, SubmitOrder
from strategies.domain.events import Observed, OrderClosed, OrderDenied, OrderRejected, TimerFired
from strategies.domain.ids import Timestamp
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from strategies.domain.quote import Quote
from strategies.machine import Step
from strategies.risk import Approved, Denied, Exposure, Guarded, Limits, check
from tests.playbook import NOON
from tests.strategies.liquidation_hedge.scene import INSTRUMENT, leg_look, machine

D = Decimal
MINUTE_MS = 60_000


def order(order_id="o", side=Side.BUY, quantity="5", price="1001", **changes):
    """Return an order on Backpack."""
    request = OrderRequest(
        order_id=order_id,
        instrument_id=INSTRUMENT,
        side=side,
        quantity=D(quantity),
        order_type=OrderType.MARKET,
        price=D(price),
        **changes,
    )
    return SubmitOrder(account="bp", order=request)


class Scripted:
    """A machine that issues the commands it was given whenever a timer fires, and nothing else."""

    code_version = "scripted/1"

    def __init__(self, *commands):
        self.hedge = machine()
        self.script = [list(each) for each in commands]
        self.told = []

    def start(self):
        return self.hedge.start()

    def view(self, state):
        return self.hedge.view(state)

    def held(self, state):
        return self.hedge.held(state)

    def state_to_json(self, state):
        return self.hedge.state_to_json(state)

    def step(self, state, event):
        self.told.append(event)
        return Step(state, tuple(self.script.pop(0)) if isinstance(event, TimerFired) else ())


class Gate:
    """A guarded script, step by step."""

    def __init__(self, *commands, **limits):
        self.script = Scripted(*commands)
        self.subject = Guarded(self.script, Limits.model_validate(limits))
        self.state = self.subject.start()
        self.look()

    def happens(self, event):
        """Fold an event; return the ids of the orders that passed."""
        step = self.subject.step(self.state, event)
        self.state = step.state
        return [command.order.order_id for command in step.commands if isinstance(command, SubmitOrder)]

    def look(self, **changes):
        """See Backpack: mark 1000."""
        self.happens(Observed(at=NOON, legs={"backpack": leg_look("backpack", at=NOON, **changes)}))

    def fires(self, after_ms=0):
        """Have the script issue its next commands."""
        return self.happens(TimerFired(at=Timestamp(NOON + after_ms), timer="t"))


def exposure(held="0", *, others="0", equity="100", **known):
    """Return an exposure at a mark of 1000."""
    return Exposure(
        held={"bp": D(held), "l1": D(others)},
        mark={"bp": D(1000), "l1": D(1000)},
        equity={"bp": D(equity)},
        **known,
    )


@pytest.mark.parametrize(("quantity", "passes"), [("4.9", True), ("5", True), ("5.1", False)])
def test_what_shrinks_a_leg_is_free_down_to_nothing(quantity, passes):
    """Selling all of +5 passes any limit; a lot more would open the other side."""
    tight = Limits(max_leg_notional_usd=D(1))
    verdict = check(order(side=Side.SELL, quantity=quantity, price="999"), exposure("5"), tight)
    assert isinstance(verdict, Approved) is passes


@pytest.mark.parametrize(
    ("limits", "found", "detail"),
    [
        ({"max_leg_notional_usd": 4999}, exposure(), "5000.00 USD on bp > 4999 (max_leg_notional_usd)"),
        ({"max_notional_usd": 9999}, exposure(others="-5"), "10000.00 USD in the group > 9999 (max_notional_usd)"),
        ({"max_leverage": "49.9"}, exposure(), "50.00x on bp > 49.9x (max_leverage)"),
        ({"max_leverage": 50}, exposure(equity="0"), "equity of bp is not known or gone: 0"),
        (
            {"max_orders_per_minute": 3},
            exposure(orders_last_minute=3),
            "4 orders within 60 s > 3 (max_orders_per_minute)",
        ),
        (
            {"max_slippage": "0.0009"},
            exposure(),
            "price 1001 is 0.1000% beyond the mark 1000, > 0.0900% (max_slippage)",
        ),
    ],
)
def test_a_denial_says_the_number_and_its_limit(limits, found, detail):
    """Whoever reads it can see by how much it was too much."""
    verdict = check(order(), found, Limits.model_validate(limits))
    assert isinstance(verdict, Denied)
    assert verdict.detail == detail


def test_a_command_that_is_no_order_holds_up_none_behind_it():
    """What is not an order passes as it is, and the order after it is judged as ever."""
    gate = Gate([Notify(severity=Severity.INFO, topic="t", text="first"), order("a"), order("b")])
    assert gate.fires() == ["a", "b"]


def test_open_orders_add_up():
    """Two open orders of 5 fill a limit of 10; the third is too much, until one of them has ended."""
    limit = {"max_leg_notional_usd": 10_000}
    gate = Gate([order("a"), order("b"), order("c")], [order("d")], [order("e")], **limit)
    assert gate.fires() == ["a", "b"]
    assert gate.fires() == []
    gate.happens(OrderClosed(at=NOON, account="bp", order_id="a", status="CANCELED", filled=D(0)))
    assert gate.fires() == ["e"]


@pytest.mark.parametrize("end", [OrderRejected, OrderDenied])
def test_an_order_that_was_refused_is_open_no_more(end):
    """By the venue, or by the account itself."""
    gate = Gate([order("a")], [order("b")], max_leg_notional_usd=5000)
    assert gate.fires() == ["a"]
    gate.happens(end(at=NOON, account="bp", order_id="a", code="c", detail="d"))
    assert gate.fires() == ["b"]


def test_an_order_that_only_reduces_takes_no_room():
    """It cannot enlarge the leg, so nothing is reserved for it."""
    gate = Gate([order("a", reduce_only=True, lane=Lane.HEDGE)], [order("b")], max_leg_notional_usd=5000)
    assert (gate.fires(), gate.fires()) == (["a"], ["b"])


def test_the_rate_counts_the_orders_of_the_last_minute():
    """Two a minute: the third waits until the first is a whole minute old, and not a millisecond less."""
    gate = Gate([order("a")], [order("b")], [order("c")], [order("d")], [order("e")], max_orders_per_minute=2)
    assert gate.fires() == ["a"]
    assert gate.fires(after_ms=10_000) == ["b"]
    assert gate.fires(after_ms=MINUTE_MS - 1) == []
    assert gate.fires(after_ms=MINUTE_MS) == ["d"]
    assert [sent.at for sent in gate.state.sent] == [NOON + 10_000, NOON + MINUTE_MS]
    assert gate.fires(after_ms=MINUTE_MS + 1) == []


@pytest.mark.parametrize(
    ("quote", "mark"),
    [
        (Quote(mark=D(1000), bid=D(1), ask=D(2), at=NOON), 1000),
        (Quote(bid=D(999), at=NOON), 999),
        (Quote(ask=D(1001), at=NOON), 1001),
        (Quote(bid=D(999), ask=D(1001), at=NOON), 999),
    ],
)
def test_a_price_is_known_from_mark_or_bid_or_ask(quote, mark):
    """In this order; one of them is enough."""
    gate = Gate()
    gate.look(quote=quote)
    assert gate.state.mark == {"bp": mark}


def test_a_look_that_saw_nothing_takes_nothing_away():
    """The last price and the last equity stay."""
    gate = Gate()
    gate.look(quote=None, balance=None)
    assert (gate.state.mark, gate.state.equity) == ({"bp": 1000}, {"bp": D("100.1")})


def test_a_denial_reaches_the_machine_and_the_operator():
    """The machine with code and words, under the order's id; the operator with all of it in one line."""
    gate = Gate([order("a", price="2000")])
    step = gate.subject.step(gate.state, TimerFired(at=NOON, timer="t"))
    said = "price 2000 is 100.0000% beyond the mark 1000, > 2.0000% (max_slippage)"
    assert gate.script.told[-1] == OrderDenied(at=NOON, account="bp", order_id="a", code="SLIPPAGE", detail=said)
    assert step.commands == (
        Notify(severity=Severity.WARNING, topic="order_denied", text=f"a denied: SLIPPAGE, {said}"),
    )


def test_a_snapshot_holds_the_machines_state_once():
    """Beside the gate's own memory, not inside it."""
    gate = Gate()
    snapshot = json.loads(gate.subject.state_to_json(gate.state))
    assert snapshot["gate"]["inner"] is None
    assert json.loads(snapshot["inner"])["phase"] == "IDLE"
