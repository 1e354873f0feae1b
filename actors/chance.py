"""The one source of randomness of the shell. What it draws is journaled before it matters."""

import random
from decimal import Decimal

_source = random.SystemRandom()
_STEPS = 1_000_000
"""Draws lie on a grid of a millionth of their range, so that they are short in the journal."""


def draw(low: Decimal, high: Decimal) -> Decimal:
    """Return a number drawn uniformly from [low, high]."""
    return low + (high - low) * _source.randint(0, _STEPS) / _STEPS


def below(limit: int) -> int:
    """Return a whole number drawn uniformly from [0, limit)."""
    return _source.randrange(limit)


def fraction() -> float:
    """Return a number drawn uniformly from [0, 1): for jitter of waits, never for money."""
    return _source.random()
