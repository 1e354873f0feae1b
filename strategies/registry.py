"""The strategies there are, by the name that `groups.toml` calls them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strategies.avellaneda_stoikov.params import AvellanedaStoikovParams
from strategies.avellaneda_stoikov.policy import AvellanedaStoikov
from strategies.desk.invariants import violations as desk_violations
from strategies.desk.machine import Desk
from strategies.desk.params import DeskParams
from strategies.desk.policy import Policy
from strategies.desk.quoting import MAIN
from strategies.domain.ids import LegName
from strategies.domain.model import Value
from strategies.flatten.invariants import violations as flatten_violations
from strategies.flatten.machine import Flatten
from strategies.flatten.state import FlattenParams
from strategies.geometric_grid.params import GeometricGridParams
from strategies.geometric_grid.policy import GeometricGrid
from strategies.liquidation_hedge.invariants import violations
from strategies.liquidation_hedge.machine import LiquidationHedge
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import BALANCER, FIRST, SECOND
from strategies.machine import GroupSpec, Machine, Violation
from strategies.min_order.params import MinOrderParams
from strategies.min_order.policy import MinOrder
from strategies.risk import Guarded, GuardedState, Limits
from strategies.simple_hedge.params import SimpleHedgeParams
from strategies.simple_hedge.policy import FOLLOW, LEAD, SimpleHedge
from strategies.smoke_test.params import SmokeTestParams
from strategies.smoke_test.policy import SmokeTest
from strategies.trend_ladder.params import TrendLadderParams
from strategies.trend_ladder.policy import TrendLadder

FLATTEN = "flatten"
"""The strategy that gets a group out and does nothing else."""


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


def _liquidation_hedge_violations(state: GuardedState, params: LiquidationHedgeParams) -> tuple[Violation, ...]:
    return violations(state.inner, params)


def _liquidation_hedge(spec: GroupSpec, params: LiquidationHedgeParams, limits: Limits) -> Machine[Any]:
    return Guarded(LiquidationHedge(spec, params, limits), limits)


def _flatten(spec: GroupSpec, params: FlattenParams, _limits: Limits) -> Machine[Any]:
    # Without the gate: it denies nothing that a flatten asks for.
    return Flatten(spec, params)


def on_desk(
    name: str, params_model: type[DeskParams], legs: tuple[LegName, ...] | None, make: Callable[[Any], Policy[Any]]
) -> Strategy:
    """Return a strategy whose policy, made of its parameters by `make`, works on the desk behind the gate.

    `legs` None: legs of any name, one at least.
    """

    def build(spec: GroupSpec, params: Any, limits: Limits) -> Machine[Any]:
        if legs is not None and set(spec.legs) != set(legs):
            raise ValueError(f"legs must be {', '.join(legs)}, got {sorted(spec.legs)}")
        return Guarded(Desk(spec, params, make(params)), limits)

    def broken(state: GuardedState, params: Any) -> tuple[Violation, ...]:
        return desk_violations(state.inner, make(params))

    return Strategy(name, params_model, legs or (), None if legs is None else (), build, broken)


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
        Strategy(
            name=FLATTEN,
            params_model=FlattenParams,
            required_legs=(),
            optional_legs=None,
            build=_flatten,
            violations=flatten_violations,
        ),
        on_desk("min_order", MinOrderParams, None, MinOrder),
        on_desk("smoke_test", SmokeTestParams, None, SmokeTest),
        on_desk("trend_ladder", TrendLadderParams, (MAIN,), TrendLadder),
        on_desk("geometric_grid", GeometricGridParams, (MAIN,), GeometricGrid),
        on_desk("avellaneda_stoikov", AvellanedaStoikovParams, (MAIN,), AvellanedaStoikov),
        on_desk("simple_hedge", SimpleHedgeParams, (LEAD, FOLLOW), SimpleHedge),
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


def params_of(strategy: str, params: Mapping[str, Any]) -> Value | None:
    """Return plain settings as the strategy's own model, or None for a strategy that is not registered.

    Raises:
        pydantic.ValidationError: they do not fit.
    """
    chosen = STRATEGIES.get(strategy)
    return None if chosen is None else chosen.params_model.model_validate(params)


def broken_promises(strategy: str, params: Any, state: Any) -> tuple[Violation, ...]:
    """Return what a machine's state breaks of what must always hold; an unregistered strategy promises nothing.

    `params` is the strategy's own model.
    """
    chosen = STRATEGIES.get(strategy)
    return () if chosen is None else chosen.violations(state, params)
