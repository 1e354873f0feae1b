"""Limits that are tight enough to fire: one set a seed."""

from random import Random
from typing import Any

from strategies.risk import Word


def draw_limits(seed: int) -> dict[str, Any]:
    """Return the limits of a seed, as a settings file has them: the same ones, whenever they are asked for."""
    dice = Random(f"limits {seed}")  # noqa: S311 - seeded dice are the point of a simulation
    found: dict[str, Any] = {
        "max_orders_per_minute": dice.choice((4, 12, 120)),
        "max_leg_notional_usd": dice.choice((None, "4000", "20000")),
        "max_notional_usd": dice.choice((None, "30000")),
        "max_slippage_usd": dice.choice((None, "4", "200")),
        "max_loss_usd_per_day": dice.choice((None, "1", "30")),
        "max_drawdown_usd": dice.choice((None, "10", "40")),
        "max_naked_seconds_per_day": dice.choice((None, "0.2", "2")),
        "max_naked_usd_seconds_per_day": dice.choice((None, "3000")),
    }
    for key in tuple(found):
        found[key.replace("max_", "at_", 1)] = dice.choice(tuple(Word)).value
    found["accounts"] = {dice.choice(("bp", "l1")): {"max_loss_usd_per_day": dice.choice(("5", "50"))}}
    return {key: value for key, value in found.items() if value is not None}
