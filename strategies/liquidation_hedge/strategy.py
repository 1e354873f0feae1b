"""What the registry knows of it."""

from typing import Any

from strategies.liquidation_hedge.invariants import violations
from strategies.liquidation_hedge.machine import LiquidationHedge
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import BALANCER, FIRST, SECOND
from strategies.machine import GroupSpec, Machine, Violation
from strategies.risk import Guarded, GuardedState, Limits
from strategies.strategy import Strategy


def _violations(state: GuardedState, params: LiquidationHedgeParams) -> tuple[Violation, ...]:
    return violations(state.inner, params)


def _build(spec: GroupSpec, params: LiquidationHedgeParams, limits: Limits) -> Machine[Any]:
    return Guarded(LiquidationHedge(spec, params, limits), limits)


STRATEGY = Strategy(
    name="liquidation_hedge",
    params_model=LiquidationHedgeParams,
    required_legs=(BALANCER, FIRST),
    optional_legs=(SECOND,),
    build=_build,
    violations=_violations,
    rests_orders=False,
    watches_cycle_loss=True,
)
