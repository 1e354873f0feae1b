"""The words that playbooks of the flatten are written in: the hedge's scene, one look a leg, ids of a flatten."""

from decimal import Decimal
from functools import partial
from typing import Any

from strategies.domain.events import Observed
from strategies.flatten.invariants import violations
from strategies.flatten.machine import Flatten
from strategies.flatten.state import FlattenParams
from tests.playbook import NOON, QUIET, Moment, Playbook
from tests.strategies.liquidation_hedge import scene

START = """cancel-all bp
           cancel-all l1
           cancel-all l2
           observe backpack
           observe lighter1
           observe lighter2"""

filled = partial(scene.filled, cycle=NOON)
closed = partial(scene.closed, cycle=NOON)
rejected = partial(scene.rejected, cycle=NOON)
denied = partial(scene.denied, cycle=NOON)
unknown = partial(scene.unknown, cycle=NOON)
accepted = partial(scene.accepted, cycle=NOON)


def machine(*legs: str, **params: Any) -> Flatten:
    """Return a machine of these legs; without arguments all three."""
    return Flatten(scene.spec(*legs), FlattenParams.model_validate(params))


def flatten(*legs: str, show: tuple[str, ...] = (), **params: Any) -> Playbook:
    """Begin a playbook; every step is also held against the invariants."""
    wanted = FlattenParams.model_validate(params)
    return Playbook(
        machine(*legs, **params),
        quiet=tuple(word for word in QUIET if word not in show),
        check=lambda state, _commands: [f"{v.name}: {v.detail}" for v in violations(state, wanted)],
    )


def seen(leg: str, holds: str | None = "0", **changes: Any) -> Moment:
    """The answer to one leg's look; `holds` is the venue's statement, None = it did not answer."""

    def moment(at):
        look = scene.leg_look(leg, holds, at=at)
        if "believed" in changes:
            changes["believed"] = Decimal(changes["believed"])
        return Observed(at=at, legs={leg: look.model_copy(update=changes)})

    return moment


def closing(leg: str = "lighter1", holds: str = "5", **params: Any) -> Playbook:
    """Play to the first order of a flatten over one leg that holds `holds`, written at the touch less the slippage."""
    account = scene.LEGS[leg]
    side, price = ("BUY", "1003") if Decimal(holds) < 0 else ("SELL", "997.1")
    return (
        flatten(leg, **params)
        >> scene.started()
        << f"cancel-all {account}\nobserve {leg}"
        >> seen(leg, holds)
        << f"submit {leg} flatten:1 {side} {abs(Decimal(holds))} @{price} reduce-only"
    )
