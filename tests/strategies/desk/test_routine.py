"""News that changes no plan: what a desk plans upon, and what it lets pass."""

from typing import Any

import pytest

from strategies.desk.machine import ACT, LOOK, Desk
from strategies.desk.policy import Plan
from strategies.geometric_grid.params import GeometricGridParams
from strategies.geometric_grid.policy import GeometricGrid
from tests.strategies.desk.scene import DeskBook, begun, seen
from tests.strategies.liquidation_hedge.scene import accepted, later, spec, submitted, timer

GRID = {"quantity": 1, "orders_per_side": 1, "lower": "960.4", "upper": "1041.2", "levels": 5}
BEGUN = "submit main b1:1 BUY 1 @980\nsubmit main s3:2 SELL 1 @1020.4"


class Counting(GeometricGrid):
    """A policy that counts how often it is asked."""

    asked = 0

    def plan(self, turn: Any) -> Plan:
        self.asked += 1
        return super().plan(turn)


def counting(*, heeds_acceptance: bool = False) -> DeskBook:
    """Begin a playbook up to the first orders."""
    params = GeometricGridParams.model_validate(GRID)
    policy = Counting(params)
    machine = Desk(spec("main"), params, policy, heeds_acceptance=heeds_acceptance)
    return begun(DeskBook(machine, policy), "main") << BEGUN


def plans(play: DeskBook) -> int:
    """Say how often the policy has been asked since the first orders."""
    return play.played().policy.asked - counting().played().policy.asked


def test_a_look_that_is_due_is_asked_for_and_its_answer_is_planned_upon():
    """The timer's step only looks; the answer's step plans."""
    assert plans(counting() >> later("5") >> timer(LOOK) << "observe main") == 0
    assert plans(counting() >> later("5") >> timer(LOOK) << "observe main" >> seen(main="0")) == 1


@pytest.mark.parametrize(("heeds", "planned"), [(False, 0), (True, 1)])
def test_an_acceptance_is_planned_upon_only_by_who_heeds_it(heeds, planned):
    """An order that is on its way is nobody's news; one that was accepted is for a policy that says so."""
    assert plans(counting(heeds_acceptance=heeds) >> submitted("main", "b1:1")) == 0
    play = counting(heeds_acceptance=heeds) >> accepted("main", "b1:1")
    assert plans(play) == planned
    assert [order.accepted for order in play.state.legs["main"].working] == [True, False]


def test_an_order_that_the_desk_does_not_know_is_news():
    """It is canceled at once, whether its acceptance or its way there told of it."""
    assert counting() >> accepted("main", "b1:9") << "cancel main b1:9"
    assert counting() >> submitted("main", "b1:9") << "cancel main b1:9"


def test_a_look_leaves_the_timer_of_what_is_due_with_it():
    """A look that comes due at the very moment of an act does not take the act's timer away."""
    play = counting().played()
    machine, state = play.machine, play.state
    at = state.timers[LOOK]
    state = state.model_copy(update={"timers": {LOOK: at, ACT: at}})
    step = machine.step(state, timer(LOOK)(at))
    assert step.state.timers.keys() == {LOOK, ACT}
    assert step.state.timers[ACT] == at
