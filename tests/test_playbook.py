"""The Playbook itself: it passes what matches, prints what differs, and cannot be forgotten."""

import pytest

from strategies.domain.events import OperatorState
from tests.playbook import Playbook
from tests.strategies.liquidation_hedge.scene import ALL, hedge, later, operator, started, timer


def test_a_trace_that_matches_passes():
    """Events in, commands out, in order."""
    assert hedge() >> started() >> operator(OperatorState.RUN) << ALL


def test_a_command_that_was_not_named_is_shown_as_a_diff():
    """The message is the whole trace, with the line that should not be there."""
    with pytest.raises(AssertionError, match=r"\+<< observe backpack lighter1 lighter2"):
        (hedge() >> started() >> operator(OperatorState.RUN)).played()


def test_a_command_that_does_not_come_is_shown_as_a_diff():
    """The message has the line that is missing."""
    with pytest.raises(AssertionError, match="-<< submit lighter1 hedge:1"):
        (hedge() >> started() << "submit lighter1 hedge:1 SELL 5 @998.1").played()


def test_quiet_commands_are_compared_when_asked_for():
    """Timers and notifications belong to the trace of a test that names them."""
    assert (
        hedge(show=("timer",))
        >> started()
        >> operator(OperatorState.RUN)
        << f"{ALL}\ntimer look in 8 s"
        >> later(8)
        >> timer("look")
        << "timer look in 0.5 s"
    )


def test_a_playbook_that_nobody_asserted_is_remembered():
    """The fixture of the strategies' tests fails whoever leaves one behind."""
    forgotten = hedge() >> started()
    assert forgotten in Playbook.unasserted
    assert forgotten
    assert forgotten not in Playbook.unasserted
