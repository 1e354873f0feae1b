"""Who plays: the strategy of a simulation's group, its legs, its quick numbers, and how much it may ever hold."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

LIQUIDATION_HEDGE = "liquidation_hedge"
_QUICK: dict[str, Any] = {
    "poll_interval_s": "0.4",
    "look_retry_s": "0.1",
    "look_timeout_s": "3",
    "confirm_delay_s": "0.5",
    "confirm_timeout_s": "1",
    "start_retry_s": "0.3",
    "cycle_pause_s": "0.2",
    "order_retry_s": "0.1",
    "order_retry_max_s": "1",
    "cancel_grace_s": "0.6",
    "exit_delay_s": "0.1",
    "blind_max_s": "3",
    "max_cycles": 1,
}
"""The desk's own numbers, made quick."""
_MAIN = {"main": "bp"}


@dataclass(frozen=True, slots=True)
class Cast:
    """One strategy as a simulation plays it."""

    strategy: str
    legs: dict[str, str]
    params: dict[str, Any] = field(default_factory=dict)
    """Empty: the scenario draws them."""
    most: Decimal | None = None
    """Base units that no leg may ever pass; None = its largest order."""
    limited: bool = False
    """It plays under limits that are tight enough to fire; the scenario draws them."""


CASTS = {
    cast.strategy: cast
    for cast in (
        Cast(LIQUIDATION_HEDGE, {"backpack": "bp", "lighter1": "l1", "lighter2": "l2"}),
        Cast(
            "simple_hedge",
            {"lead": "bp", "follow": "l1"},
            _QUICK
            | {
                "quantity": "2",
                "slice_quantity": "0.8",
                "hold_s": "1",
                "unhedged_max_s": "8",
                "entry": {"requote_interval_s": "0.3", "timeout_s": "2"},
            },
            Decimal(2),
        ),
        Cast(
            "geometric_grid",
            _MAIN,
            _QUICK | {"quantity": "0.1", "levels": 21, "range_fraction": "0.01", "run_s": "5"},
            Decimal("2.1"),
        ),
        Cast(
            "avellaneda_stoikov",
            _MAIN,
            # A quote that was out when the other one filled may still fill: one more than the bound.
            _QUICK
            | {
                "quantity": "0.5",
                "k": "5",
                "min_spread": "0.0001",
                "warm_up_looks": 2,
                "requote_interval_s": "0.3",
                "run_s": "5",
                "max_inventory": 4,
            },
            Decimal("2.5"),
        ),
        Cast(
            "trend_ladder",
            _MAIN,
            _QUICK
            | {
                "quantity": "0.1",
                "max_orders": 4,
                "wait_s": "0.1",
                "wait_full_s": "0.5",
                "partial_share": "0.5",
                "run_s": "5",
                "entry": {"requote_interval_s": "0.3", "timeout_s": "1", "offset_ticks": -2},
            },
            Decimal("0.4"),
        ),
        Cast(
            "min_order",
            {"main": "bp", "other": "l1"},
            _QUICK
            | {
                "targets": [
                    {"leg": "main", "size_multiplier": "100"},
                    {"leg": "other", "direction": "SELL", "size_multiplier": "20"},
                    {"leg": "main", "direction": "SELL", "reduce_only": True, "size_multiplier": "60"},
                    {"leg": "main", "size_multiplier": "0.5"},
                    {"leg": "other", "size_multiplier": "10"},
                ],
                "answer_timeout_s": "3",
            },
            Decimal("0.1"),
        ),
        Cast(
            "smoke_test",
            {"backpack": "bp", "lighter1": "l1", "lighter2": "l2"},
            _QUICK
            | {
                "size_multiplier": "20",
                "step_timeout_s": "3",
                "tracking": {"requote_interval_s": "0.3", "timeout_s": "3"},
            },
            Decimal("0.1"),
        ),
    )
}
"""By the name of the strategy."""
LIMITED = {f"{name}+limits": replace(cast, limited=True) for name, cast in CASTS.items()}
"""The same under limits, by the name of the strategy and `+limits`."""
