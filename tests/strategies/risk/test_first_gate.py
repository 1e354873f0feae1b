"""Journals from before the gate counted rightly are replayed by the rules that judged them, faults included."""

import pytest

from strategies.domain.codec import commands_to_json
from strategies.domain.commands import SubmitOrder
from strategies.domain.order import Lane
from strategies.replay import JournaledStep, replay
from strategies.risk import Guarded, Limits, LimitsInForce
from tests.playbook import NOON
from tests.strategies.liquidation_hedge.scene import started
from tests.strategies.risk.toy import Toy, ends, fill, fires, look, order

LIMITS = {"max_leg_notional_usd": "5000", "max_orders_per_minute": 7}
ORDERS = {
    "both": [order("bid", "4", rests=True), order("ask", "-4", rests=True)],
    "more": [order("bid2", "2", rests=True)],
    "part": [order("part", "4"), order("rest", "2")],
    "hedge": [order(f"h{n}", "1", reduce_only=True, lane=Lane.HEDGE) for n in range(4)],
    "far": [order("far", "1", "1100")],
}
EVENTS = [
    started(),
    fires("more"),
    look(),
    fires("both"),
    fires("more"),
    ends("ask"),
    ends("bid"),
    ends("bid2"),
    fires("part"),
    fill("3", of="part"),
    fires("more"),
    fires("far"),
    fires("hedge"),
]
"""Every rule of the first gate: no price, a bid that makes room for an ask, a fill counted twice, a denied hedge."""


def machine(gate):
    """Return the machine under the rules of one version."""
    return Guarded(Toy(ORDERS), LimitsInForce.model_validate({**LIMITS, "gate": gate}))


def played(gate):
    """Return the steps that a version decides, as a journal has them."""
    subject = machine(gate)
    state = subject.start()
    steps = []
    for number, moment in enumerate(EVENTS, start=1):
        event = moment(NOON + number)
        step = subject.step(state, event)
        state = step.state
        steps.append(JournaledStep(number, event, commands_to_json(step.commands), "toy/1"))
    return steps, state


def left(gate):
    """Return the ids that leave under a version."""
    subject = machine(gate)
    state = subject.start()
    found = []
    for number, moment in enumerate(EVENTS, start=1):
        step = subject.step(state, moment(NOON + number))
        state = step.state
        found += [each.order.order_id for each in step.commands if isinstance(each, SubmitOrder)]
    return found


def test_the_first_rules_judge_as_they_did():
    """Word for word, as journals have it: the netted bid passes, the fill counts twice, the fourth hedge does not."""
    steps, state = played(1)
    texts = [line for step in steps for line in step.commands_json.split('"text":"')[1:]]
    assert left(1) == ["bid", "ask", "bid2", "part", "h0", "h1", "h2"]
    assert [text.split('"')[0] for text in texts] == [
        "bid2 denied: NO_MARK, no price of ETH-PERP is known on a",
        "rest denied: LEG_NOTIONAL, 6000.00 USD on a > 5000",
        "bid2 denied: LEG_NOTIONAL, 9000.00 USD on a > 5000",
        "far denied: SLIPPAGE, price 1100 is 10.0000% beyond the mark 1000",
        "h3 denied: ORDER_RATE, 7 orders in a minute reach the limit",
    ]
    assert state.reached == ()


def test_an_old_journal_is_replayed_by_the_old_rules():
    """Byte for byte; by the new ones it would be decided otherwise."""
    steps, state = played(1)
    again = replay(machine(1), None, steps)
    assert again.divergence is None
    assert again.state == state
    assert replay(machine(2), None, steps).divergence is not None


def test_what_the_old_rules_leave_is_what_the_new_ones_go_on_with():
    """Both fold the same facts: fills, open orders, what has been sent."""
    _, old = played(1)
    _, new = played(2)
    assert old.legs == new.legs
    assert old.open_orders["part"].leaves == new.open_orders["part"].leaves == 1


@pytest.mark.parametrize("gate", [0, 3])
def test_rules_that_this_version_does_not_have_are_refused(gate):
    """A journal of a later version is not guessed at."""
    with pytest.raises(ValueError, match="gate"):
        machine(gate)


def test_limits_of_a_settings_file_are_judged_by_the_newest_rules():
    """Nobody writes the version into a file."""
    assert LimitsInForce().gate == 2
    with pytest.raises(ValueError, match="gate"):
        Limits.model_validate({"gate": 1})
