"""The strategies there are, by the name that `groups.toml` calls them: our own, and those of other packages."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

from strategies.domain.model import Value
from strategies.machine import GroupSpec, Machine, Violation
from strategies.plugins import discover
from strategies.risk import LimitsInForce
from strategies.strategy import Strategy

FLATTEN = "flatten"
"""The strategy that gets a group out and does nothing else."""
OURS = (
    "liquidation_hedge",
    FLATTEN,
    "min_order",
    "smoke_test",
    "trend_ladder",
    "geometric_grid",
    "avellaneda_stoikov",
    "simple_hedge",
)
"""Each is a folder of that name here, whose module `strategy` holds its `STRATEGY`."""


class Shelf(MutableMapping[str, Strategy]):
    """Strategies by name. Ours are loaded when they are asked for: a group's process needs one, and is waited for."""

    def __init__(self, ours: tuple[str, ...]) -> None:
        """Know `ours` by name only."""
        self._strategies: dict[str, Strategy | None] = dict.fromkeys(ours)

    def __getitem__(self, name: str) -> Strategy:
        """Return a strategy. Raises KeyError when there is none of that name."""
        strategy = self._strategies[name]
        if strategy is None:
            strategy = import_module(f"strategies.{name}.strategy").STRATEGY
            self._strategies[name] = strategy
        return strategy

    def __contains__(self, name: object) -> bool:
        """Say whether there is one of that name, without loading it."""
        return name in self._strategies

    def __setitem__(self, name: str, strategy: Strategy) -> None:
        """Add a strategy."""
        self._strategies[name] = strategy

    def __delitem__(self, name: str) -> None:
        """Forget a strategy."""
        del self._strategies[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._strategies)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._strategies)


STRATEGIES = Shelf(OURS)
STRATEGIES.update(discover(STRATEGIES))


def build_machine(strategy: str, spec: GroupSpec, params: Mapping[str, Any], limits: Mapping[str, Any]) -> Machine[Any]:
    """Make the machine of one group from plain settings.

    Raises:
        ValueError: no such strategy, or parameters, limits or legs that do not fit it (pydantic's error is one).
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; there are: {', '.join(STRATEGIES)}")
    chosen = STRATEGIES[strategy]
    return chosen.build(spec, chosen.params_model.model_validate(params), LimitsInForce.model_validate(limits))


def params_of(strategy: str, params: Mapping[str, Any]) -> Value | None:
    """Return plain settings as the strategy's own model, or None for a strategy that is not registered.

    Raises:
        pydantic.ValidationError: they do not fit.
    """
    chosen = STRATEGIES.get(strategy)
    return None if chosen is None else chosen.params_model.model_validate(params)


def broken_promises(strategy: str, params: Any, state: Any) -> tuple[Violation, ...]:
    """Return what a machine's state breaks of what must always hold; an unregistered strategy promises nothing.

    `params` is the strategy's own model.
    """
    chosen = STRATEGIES.get(strategy)
    return () if chosen is None else chosen.violations(state, params)
