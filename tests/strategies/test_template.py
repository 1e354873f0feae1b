"""The template's decisions, read from where the guide has it: what a newcomer copies must not leave a leg alone."""

from pathlib import Path
from runpy import run_path

from strategies.domain.events import OperatorState
from tests.strategies.desk.scene import DeskBook, begun, desk
from tests.strategies.liquidation_hedge.scene import closed, filled, operator, rejected

TEMPLATE = Path(__file__).parents[2] / "docs" / "strategies" / "template" / "hedgevisor_carry" / "__init__.py"
BOTH = "cancel-all long\ncancel-all short\nobserve long\nobserve short"


def entered() -> DeskBook:
    """Play to the filled entry, and the hedge that follows it."""
    carry = run_path(str(TEMPLATE), run_name="carry_of_the_guide")
    params = carry["CarryParams"].model_validate({"quantity": "5"})
    return (
        begun(desk(carry["Carry"], params, "long", "short"), "long", "short")
        << "submit long enter:1 BUY 5 @1002"
        >> filled("long", "enter:1", "5")
        << "submit short enter:1 SELL 5 @998.1"
        >> closed("long", "enter:1", "5")
    )


def test_told_to_grow_no_more_with_one_leg_alone_it_leaves():
    """The hedge is refused and REDUCE is said: nothing may cover the long leg, so it does not wait for its time."""
    assert entered() >> rejected("short", "enter:1") >> operator(OperatorState.REDUCE) << BOTH


def test_told_to_grow_no_more_with_both_legs_it_stays():
    """REDUCE on the standing pair: it is covered, and leaves when its time is up."""
    assert (
        entered()
        >> filled("short", "enter:1", "-5")
        >> closed("short", "enter:1", "5")
        >> operator(OperatorState.REDUCE)
    )
