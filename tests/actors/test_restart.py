"""The restart policy as a table: deaths in, decision out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.restart import Escalate, Restart, RestartPolicy, decide, delay_s
from strategies.domain.ids import Timestamp

POLICY = RestartPolicy(max_restarts=3, within_s=60, first_delay_s=0.1, factor=2, max_delay_s=1, jitter=0.2)
NOW = Timestamp(1_000_000)


def deaths(*seconds_ago: float) -> list[Timestamp]:
    """Return moments so many seconds ago."""
    return [Timestamp(NOW - round(ago * 1000)) for ago in seconds_ago]


@pytest.mark.parametrize(
    ("seconds_ago", "chance", "expected"),
    [
        ((0,), 0.5, 100),
        ((0,), 0.0, 80),
        ((10, 0), 0.5, 200),
        ((20, 10, 0), 0.5, 400),
        ((70, 65, 61, 0), 0.5, 100),  # old deaths are forgiven
        ((60, 0), 0.5, 100),  # the window's edge is outside
        ((59.9, 0), 0.5, 200),
    ],
)
def test_restart_waits_longer_with_each_recent_death(seconds_ago, chance, expected):
    """The wait doubles with each death in the window and is moved by chance."""
    assert decide(POLICY, deaths(*seconds_ago), NOW, chance) == Restart(at=Timestamp(NOW + expected))


def test_one_death_too_many_escalates_and_says_how_many():
    """The fourth death within the window is not answered with a restart."""
    decision = decide(POLICY, deaths(30, 20, 10, 0), NOW, 0.5)
    assert isinstance(decision, Escalate)
    assert decision.reason == "died 4 times within 60 s; 3 restarts are allowed"


def test_zero_restarts_escalate_at_the_first_death():
    """`max_restarts = 0` means never."""
    policy = POLICY.model_copy(update={"max_restarts": 0})
    assert isinstance(decide(policy, deaths(0), NOW, 0.5), Escalate)


@pytest.mark.parametrize(("history", "chance"), [([], 0.5), (deaths(0), 1.0), (deaths(0), -0.1)])
def test_nonsense_is_refused(history, chance):
    """Nothing died, or a chance outside [0, 1), is a caller's mistake."""
    with pytest.raises(ValueError, match=r"decide|chance"):
        decide(POLICY, history, NOW, chance)


@given(nth=st.integers(1, 10_000), chance=st.floats(0, 0.999), factor=st.floats(1, 1e6))
def test_no_wait_is_longer_than_the_longest_or_negative(nth, chance, factor):
    """Whatever the number of deaths, the wait stays within its bounds."""
    policy = POLICY.model_copy(update={"factor": factor})
    assert 0 <= delay_s(policy, nth, chance) <= policy.max_delay_s
