"""What the registry knows of it."""

from typing import Any

from strategies.flatten.invariants import violations
from strategies.flatten.machine import Flatten
from strategies.flatten.state import FlattenParams
from strategies.machine import GroupSpec, Machine
from strategies.risk import Limits
from strategies.strategy import Strategy


def _build(spec: GroupSpec, params: FlattenParams, _limits: Limits) -> Machine[Any]:
    # Without the gate: it denies nothing that a flatten asks for.
    return Flatten(spec, params)


STRATEGY = Strategy(
    name="flatten",
    params_model=FlattenParams,
    required_legs=(),
    optional_legs=None,
    build=_build,
    violations=violations,
    rests_orders=False,
)
