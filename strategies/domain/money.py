"""Exact arithmetic on lots and ticks. Every amount is a `Decimal`; a float never stands for money."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

ZERO = Decimal(0)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` that is not above `value`.

    Raises:
        ValueError: `step` is not positive.
    """
    return _multiple(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` that is not below `value`.

    Raises:
        ValueError: `step` is not positive.
    """
    return _multiple(value, step, ROUND_CEILING)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Say whether `value` is a whole number of `step`s."""
    if step <= ZERO:
        raise ValueError(f"step must be positive, got {step}")
    return value % step == ZERO


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= ZERO:
        raise ValueError(f"step must be positive, got {step}")
    return (value / step).to_integral_value(rounding=rounding) * step
