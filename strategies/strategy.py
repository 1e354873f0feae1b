"""What a strategy is to the shell: a name, a model of parameters, legs, and a way to make a group's machine.

A package of one's own imports from here, never from the registry, which imports it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strategies.desk.invariants import violations as desk_violations
from strategies.desk.machine import Desk
from strategies.desk.params import DeskParams
from strategies.desk.policy import Policy
from strategies.domain.ids import LegName
from strategies.domain.model import Value
from strategies.machine import GroupSpec, Machine, Violation
from strategies.risk import Guarded, GuardedState, Limits


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy: what it is configured with, which legs it needs, and how a group of it is made."""

    name: str
    params_model: type[Value]
    required_legs: tuple[LegName, ...]
    optional_legs: tuple[LegName, ...] | None
    """None = legs of any name."""
    build: Callable[[GroupSpec, Any, Limits], Machine[Any]]
    """Make a group's machine behind the gate. Raises ValueError when spec and strategy do not fit."""
    violations: Callable[[Any, Any], tuple[Violation, ...]]
    """Return what a state of such a machine, under these parameters, breaks of what must always hold."""
    rests_orders: bool = True
    """Whether its orders may wait in a book, where another account of the same owner could hit them."""
    watches_cycle_loss: bool = False
    """Whether it leaves a cycle that has lost more than `limits.max_cycle_loss_usd`."""


def on_desk(
    name: str,
    params_model: type[DeskParams],
    legs: tuple[LegName, ...] | None,
    make: Callable[[Any], Policy[Any]],
    *,
    heeds_acceptance: bool = True,
) -> Strategy:
    """Return a strategy whose policy, made of its parameters by `make`, works on the desk behind the gate.

    `legs` None: legs of any name, one at least. `heeds_acceptance` False spares the plan that follows an order's
    acceptance: for a policy that never reads `Working.accepted`.
    """

    def build(spec: GroupSpec, params: Any, limits: Limits) -> Machine[Any]:
        if legs is not None and set(spec.legs) != set(legs):
            raise ValueError(f"legs must be {', '.join(legs)}, got {sorted(spec.legs)}")
        return Guarded(Desk(spec, params, make(params), heeds_acceptance=heeds_acceptance), limits)

    def broken(state: GuardedState, params: Any) -> tuple[Violation, ...]:
        return desk_violations(state.inner, make(params))

    return Strategy(name, params_model, legs or (), None if legs is None else (), build, broken)
