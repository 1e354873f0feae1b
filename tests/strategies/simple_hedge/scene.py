"""Where playbooks of the simple hedge begin: lead buys 5 as a maker, follow sells what fills."""

from functools import partial
from typing import Any

from strategies.simple_hedge.params import SimpleHedgeParams
from strategies.simple_hedge.policy import SimpleHedge
from tests.strategies.desk import scene as desk_scene
from tests.strategies.desk.scene import DeskBook, begun
from tests.strategies.liquidation_hedge.scene import closed, filled

ALL = "observe lead follow"
seen = partial(desk_scene.seen)


def hedge(*, show: tuple[str, ...] = (), **params: Any) -> DeskBook:
    """Begin a playbook; every step is also held against the invariants."""
    if "notional_usd" not in params:
        params = {"quantity": "5"} | params
    return desk_scene.desk(SimpleHedge, SimpleHedgeParams.model_validate(params), "lead", "follow", show=show)


def entering(**params: Any) -> DeskBook:
    """Play to the entry order: a bid of 5 at the top of the book."""
    return begun(hedge(**params), "lead", "follow") << "submit lead entry:1 BUY 5 @999"


def holding(**params: Any) -> DeskBook:
    """Play to the standing hedge: lead +5, follow -5."""
    return (
        entering(**params)
        >> filled("lead", "entry:1", "5")
        << "submit follow hedge:1 SELL 5 @998.1"
        >> closed("lead", "entry:1", "5")
        >> filled("follow", "hedge:1", "-5")
        >> closed("follow", "hedge:1", "5")
    )
