"""What the registry knows of it."""

from dataclasses import replace
from typing import Any

from strategies.machine import GroupSpec, Machine
from strategies.min_order.params import MinOrderParams
from strategies.min_order.policy import MinOrder
from strategies.risk import Limits
from strategies.strategy import Strategy, on_desk

_ON_DESK = on_desk("min_order", MinOrderParams, None, MinOrder, heeds_acceptance=False)


def _build(spec: GroupSpec, params: MinOrderParams, limits: Limits) -> Machine[Any]:
    unknown = sorted({target.leg for target in params.targets} - spec.legs.keys())
    if unknown:
        raise ValueError(f"targets name {', '.join(unknown)}, and the group has only {', '.join(sorted(spec.legs))}")
    return _ON_DESK.build(spec, params, limits)


STRATEGY: Strategy = replace(_ON_DESK, build=_build)
