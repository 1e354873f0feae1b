"""The one source of randomness of the shell. What it draws is journaled before it matters."""

import random
from decimal import Decimal

_STEPS = 1_000_000
"""Draws lie on a grid of a millionth of their range, so that they are short in the journal."""


class Chance:
    """Draws from one source: the system's in earnest, a seeded one in simulation."""

    def __init__(self, source: random.Random) -> None:
        """Draw from `source`."""
        self._source = source

    def draw(self, low: Decimal, high: Decimal) -> Decimal:
        """Return a number drawn uniformly from [low, high]."""
        return low + (high - low) * self._source.randint(0, _STEPS) / _STEPS

    def below(self, limit: int) -> int:
        """Return a whole number drawn uniformly from [0, limit)."""
        return self._source.randrange(limit)

    def fraction(self) -> float:
        """Return a number drawn uniformly from [0, 1): for jitter of waits, never for money."""
        return self._source.random()


SYSTEM = Chance(random.SystemRandom())
"""What every process outside a simulation draws from."""
draw = SYSTEM.draw
below = SYSTEM.below
fraction = SYSTEM.fraction
