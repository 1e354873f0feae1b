"""What a package of somebody else may bring, good and bad."""

from dataclasses import replace

from strategies.registry import STRATEGIES
from strategies.strategy import Strategy

STRATEGY: Strategy = replace(STRATEGIES["simple_hedge"], name="plugged")
NUMBER = 7


def make() -> Strategy:
    """Return a strategy."""
    return replace(STRATEGY, name="made")


def taken() -> Strategy:
    """Return a strategy under a name that is taken."""
    return replace(STRATEGY, name="flatten")


def raises() -> Strategy:
    """Fail."""
    raise ZeroDivisionError
