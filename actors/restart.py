"""When a dead actor may come back, and when it has died too often. Pure: time and chance are passed in."""

from collections.abc import Sequence

from pydantic import Field

from strategies.domain.ids import Timestamp
from strategies.domain.model import Value

_MS = 1000
"""Milliseconds in a second: policies speak seconds, moments are milliseconds."""


class RestartPolicy(Value):
    """How often and how fast an actor is restarted before its trouble goes one level up."""

    max_restarts: int = Field(
        default=5,
        ge=0,
        description="restarts allowed within `within_s`; one more escalates; 5: a bad minute, not a bad build",
    )
    within_s: float = Field(
        default=120.0,
        gt=0,
        description="length of the window in which restarts are counted, seconds; older ones are forgiven",
    )
    first_delay_s: float = Field(
        default=0.1,
        ge=0,
        description="wait before the first restart of a window, seconds; short, because an open leg waits with it",
    )
    factor: float = Field(default=2.0, ge=1, description="each further restart in the window waits this much longer")
    max_delay_s: float = Field(
        default=10.0, gt=0, description="no wait is longer than this, seconds: a flatten must not wait for minutes"
    )
    jitter: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of the wait that chance moves, so that actors that died together do not return together",
    )


class Restart(Value):
    """Start a successor at this moment."""

    at: Timestamp


class Escalate(Value):
    """Too often: the level above decides."""

    reason: str


def decide(policy: RestartPolicy, deaths: Sequence[Timestamp], now: Timestamp, chance: float) -> Restart | Escalate:
    """Judge the latest death.

    Args:
        policy: the limits.
        deaths: every death of this actor so far, oldest first, the latest included.
        now: this moment, milliseconds.
        chance: a number drawn evenly from [0, 1).

    Raises:
        ValueError: `deaths` is empty, or `chance` is not in [0, 1).
    """
    if not deaths:
        raise ValueError("nothing died: there is nothing to decide")
    if not 0 <= chance < 1:
        raise ValueError(f"chance must be in [0, 1), got {chance}")
    recent = recent_deaths(policy, deaths, now)
    if recent > policy.max_restarts:
        return Escalate(
            reason=f"died {recent} times within {policy.within_s:g} s; {policy.max_restarts} restarts are allowed"
        )
    return Restart(at=Timestamp(now + round(delay_s(policy, max(recent, 1), chance) * _MS)))


def recent_deaths(policy: RestartPolicy, deaths: Sequence[Timestamp], now: Timestamp) -> int:
    """Count the deaths that still weigh."""
    horizon = now - policy.within_s * _MS
    return sum(1 for death in deaths if death > horizon)


def delay_s(policy: RestartPolicy, nth: int, chance: float) -> float:
    """Return how long the `nth` restart of a window waits, seconds, never above `max_delay_s`."""
    # The exponent is bounded before the power is taken: a float overflows long before a counter does.
    plain = policy.first_delay_s
    for _ in range(nth - 1):
        if plain >= policy.max_delay_s:
            break
        plain *= policy.factor
        if policy.factor == 1:
            break
    plain = min(plain, policy.max_delay_s)
    return min(plain * (1 + policy.jitter * (2 * chance - 1)), policy.max_delay_s)
