"""The strategies there are, by the name that `groups.toml` calls them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strategies.domain.ids import LegName
from strategies.domain.model import Value
from strategies.liquidation_hedge.invariants import Violation, violations
from strategies.liquidation_hedge.machine import LiquidationHedge
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import BALANCER, FIRST, SECOND
from strategies.machine import GroupSpec, Machine
from strategies.risk import Guarded, GuardedState, Limits


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy: what it is configured with, which legs it needs, and how a group of it is made."""

    name: str
    params_model: type[Value]
    required_legs: tuple[LegName, ...]
    optional_legs: tuple[LegName, ...]
    build: Callable[[GroupSpec, Any, Limits], Machine[Any]]
    """Make a group's machine behind the gate. Raises ValueError when spec and strategy do not fit."""
    violations: Callable[[Any, Any], tuple[Violation, ...]]
    """Return what a state of such a machine, under these parameters, breaks of what must always hold."""


def _liquidation_hedge_violations(state: GuardedState, params: LiquidationHedgeParams) -> tuple[Violation, ...]:
    return violations(state.inner, params)


def _liquidation_hedge(spec: GroupSpec, params: LiquidationHedgeParams, limits: Limits) -> Machine[Any]:
    return Guarded(LiquidationHedge(spec, params, limits), limits)


STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            name="liquidation_hedge",
            params_model=LiquidationHedgeParams,
            required_legs=(BALANCER, FIRST),
            optional_legs=(SECOND,),
            build=_liquidation_hedge,
            violations=_liquidation_hedge_violations,
        ),
    )
}


def build_machine(strategy: str, spec: GroupSpec, params: Mapping[str, Any], limits: Mapping[str, Any]) -> Machine[Any]:
    """Make the machine of one group from plain settings.

    Raises:
        ValueError: no such strategy, or parameters, limits or legs that do not fit it (pydantic's error is one).
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; there are: {', '.join(STRATEGIES)}")
    chosen = STRATEGIES[strategy]
    return chosen.build(spec, chosen.params_model.model_validate(params), Limits.model_validate(limits))
