"""The minimum-order diagnostic: each target once, to its proven end; then out."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from pydantic import ValidationError

from strategies.desk.machine import Desk
from strategies.machine import Outcome
from strategies.min_order.params import MinOrderParams
from strategies.min_order.policy import MinOrder
from tests.strategies.desk.any_order import DeskAnyOrder, economical
from tests.strategies.desk.scene import DeskBook, begun, desk, seen
from tests.strategies.desk.world import DeskWorld
from tests.strategies.liquidation_hedge.scene import closed, filled, later, rejected, restarted, spec, timer, unknown

THERE_AND_BACK = ({"leg": "main"}, {"leg": "main", "direction": "SELL", "reduce_only": True})
OUT = "cancel-all main\nobserve main"


def probing(*targets: dict, **params) -> DeskBook:
    """Play to the first order: the smallest of 0.1, bought at the ask plus half a percent."""
    wanted = MinOrderParams.model_validate({"targets": targets or THERE_AND_BACK} | params)
    return begun(desk(MinOrder, wanted, "main"), "main")


def verdicts(play: DeskBook) -> list[str]:
    """Return one word a target."""
    return [probe.verdict for probe in play.played().state.memory.probes]


def test_there_and_back_one_at_a_time():
    """Buy the minimum, then sell it reduce-only; then the way out has nothing to close and the group has finished."""
    play = (
        probing()
        << "submit main probe1:1 BUY 0.1 @1006"
        >> filled("main", "probe1:1", "0.1")
        >> closed("main", "probe1:1", "0.1")
        << "submit main probe2:2 SELL 0.1 @994.1 reduce-only"
        >> filled("main", "probe2:2", "-0.1")
        >> closed("main", "probe2:2", "0.1")
        << OUT
        >> seen(main="0")
    )
    assert verdicts(play) == ["filled", "filled"]
    assert play.state.outcome is Outcome.FINISHED


def test_a_partial_fill_is_called_one_and_closed_at_the_end():
    """0.04 of 0.1 filled: partial; the way out closes the 0.04."""
    play = (
        probing({"leg": "main"})
        << "submit main probe1:1 BUY 0.1 @1006"
        >> filled("main", "probe1:1", "0.04")
        >> closed("main", "probe1:1", "0.04")
        << OUT
        >> seen(main="0.04")
        << "submit main flatten:1 SELL 0.04 @997.1 reduce-only"
    )
    assert verdicts(play) == ["partial"]


def test_a_refusal_is_kept_in_the_venues_words_and_the_next_target_goes_on():
    """Below the minimum: refused with its code; the next target is tried after the rest."""
    play = (
        probing({"leg": "main", "size_multiplier": "0.5"}, {"leg": "main"})
        << "submit main probe1:1 BUY 0.05 @1006"
        >> rejected("main", "probe1:1", code="21104")
        >> later(1)
        >> timer("act")
        << "submit main probe2:2 BUY 0.1 @1006\nobserve main"
        >> filled("main", "probe2:2", "0.1")
        >> closed("main", "probe2:2", "0.1")
        << OUT
    )
    assert verdicts(play) == ["refused", "filled"]
    assert "21104" in play.state.memory.probes[0].words


def test_a_lost_answer_is_waited_for_and_then_called_in_doubt():
    """No proof within a minute: unknown, and the way out sees to what it may have bought."""
    play = (
        probing({"leg": "main"})
        << "submit main probe1:1 BUY 0.1 @1006"
        >> unknown("main", "probe1:1")
        >> later(60)
        >> timer("act")
        << OUT
    )
    assert verdicts(play) == ["unknown"]


def test_a_restart_does_not_send_a_target_twice():
    """The order is under way when the process dies: its successor waits for its end."""
    assert (
        probing({"leg": "main"})
        << "submit main probe1:1 BUY 0.1 @1006"
        >> restarted()
        << "observe main"
        >> seen(main="0")
        >> filled("main", "probe1:1", "0.1")
        >> closed("main", "probe1:1", "0.1")
        << OUT
    )


@pytest.mark.parametrize(
    "wrong", [{}, {"targets": []}, {"targets": [{"leg": "a", "size": 1}]}, {"targets": [{"leg": "a", "direction": 1}]}]
)
def test_what_makes_no_sense_is_refused(wrong):
    """No target, a typo, a direction that is none."""
    with pytest.raises(ValidationError):
        MinOrderParams.model_validate(wrong)


class AnyOrder(DeskAnyOrder):
    @initialize(multiplier=st.sampled_from(["1", "3"]))
    def begin(self, multiplier: str) -> None:
        """Start a group over two accounts."""
        targets = [{"leg": leg, "size_multiplier": multiplier} | extra for leg in ("a", "b") for extra in BACK]
        params = MinOrderParams(targets=targets)
        self.world = DeskWorld(Desk(spec("a", "b"), params, MinOrder(params)), MinOrder(params))
        self.world.start()

    def money(self) -> None:
        """No target is sent twice, so none executes more than once its size."""
        slots = [order_id.split(":")[:4] for venue in self.world.venues.values() for order_id in venue.orders]
        probes = [slot for slot in slots if slot[3].startswith("probe")]
        assert len(probes) == len({tuple(slot) for slot in probes}), probes


BACK = ({}, {"direction": "SELL", "reduce_only": True})
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = economical()
