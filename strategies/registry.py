"""The strategies there are, by the name that `groups.toml` calls them: our own, and those of other packages."""

from collections.abc import Mapping
from typing import Any

from strategies.avellaneda_stoikov.params import AvellanedaStoikovParams
from strategies.avellaneda_stoikov.policy import AvellanedaStoikov
from strategies.desk.quoting import MAIN
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
from strategies.plugins import discover
from strategies.risk import Guarded, GuardedState, Limits, LimitsInForce
from strategies.simple_hedge.params import SimpleHedgeParams
from strategies.simple_hedge.policy import FOLLOW, LEAD, SimpleHedge
from strategies.smoke_test.params import SmokeTestParams
from strategies.smoke_test.policy import SmokeTest
from strategies.strategy import Strategy, on_desk
from strategies.trend_ladder.params import TrendLadderParams
from strategies.trend_ladder.policy import TrendLadder

FLATTEN = "flatten"
"""The strategy that gets a group out and does nothing else."""


def _liquidation_hedge_violations(state: GuardedState, params: LiquidationHedgeParams) -> tuple[Violation, ...]:
    return violations(state.inner, params)


def _liquidation_hedge(spec: GroupSpec, params: LiquidationHedgeParams, limits: Limits) -> Machine[Any]:
    return Guarded(LiquidationHedge(spec, params, limits), limits)


def _flatten(spec: GroupSpec, params: FlattenParams, _limits: Limits) -> Machine[Any]:
    # Without the gate: it denies nothing that a flatten asks for.
    return Flatten(spec, params)


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
            rests_orders=False,
            watches_cycle_loss=True,
        ),
        Strategy(
            name=FLATTEN,
            params_model=FlattenParams,
            required_legs=(),
            optional_legs=None,
            build=_flatten,
            violations=flatten_violations,
            rests_orders=False,
        ),
        on_desk("min_order", MinOrderParams, None, MinOrder, heeds_acceptance=False),
        on_desk("smoke_test", SmokeTestParams, None, SmokeTest),
        on_desk("trend_ladder", TrendLadderParams, (MAIN,), TrendLadder, heeds_acceptance=False),
        on_desk("geometric_grid", GeometricGridParams, (MAIN,), GeometricGrid, heeds_acceptance=False),
        on_desk("avellaneda_stoikov", AvellanedaStoikovParams, (MAIN,), AvellanedaStoikov, heeds_acceptance=False),
        on_desk("simple_hedge", SimpleHedgeParams, (LEAD, FOLLOW), SimpleHedge, heeds_acceptance=False),
    )
}


STRATEGIES |= discover(STRATEGIES)


def build_machine(strategy: str, spec: GroupSpec, params: Mapping[str, Any], limits: Mapping[str, Any]) -> Machine[Any]:
    """Make the machine of one group from plain settings.

    Raises:
        ValueError: no such strategy, or parameters, limits or legs that do not fit it (pydantic's error is one).
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; there are: {', '.join(STRATEGIES)}")
    chosen = STRATEGIES[strategy]
    return chosen.build(spec, chosen.params_model.model_validate(params), LimitsInForce.model_validate(limits))


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
