"""Limits of a group and its accounts: what they are, the gate that judges orders by them, and what happens at each."""

from strategies.risk.gate import Exposure, check
from strategies.risk.guarded import DENIALS_PER_STEP_MAX, LIMIT_TIMER, Guarded
from strategies.risk.limits import (
    GATE,
    AccountLimits,
    Bound,
    LimitName,
    Limits,
    LimitsInForce,
    Word,
    bounds_of,
)
from strategies.risk.memory import GuardedState, Latch, OpenOrder
from strategies.risk.verdict import Approved, Denied

__all__ = [
    "DENIALS_PER_STEP_MAX",
    "GATE",
    "LIMIT_TIMER",
    "AccountLimits",
    "Approved",
    "Bound",
    "Denied",
    "Exposure",
    "Guarded",
    "GuardedState",
    "Latch",
    "LimitName",
    "Limits",
    "LimitsInForce",
    "OpenOrder",
    "Word",
    "bounds_of",
    "check",
]
