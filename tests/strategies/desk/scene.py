"""The words that playbooks of strategies on the desk are written in. Bid 999, ask 1001, mark 1000, tick 0.1."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from strategies.desk.invariants import step_violations, violations
from strategies.desk.machine import Desk
from strategies.desk.params import DeskParams
from strategies.desk.policy import Policy
from strategies.domain.events import Observed, OperatorState
from strategies.domain.quote import Quote
from tests.playbook import QUIET, Moment, Playbook
from tests.strategies.liquidation_hedge import scene


class DeskBook(Playbook):
    """A playbook that holds every step against the desk's promises and its policy's."""

    def __init__(self, machine: Desk[Any], policy: Policy[Any], *, show: tuple[str, ...] = ()) -> None:
        quiet = tuple(word for word in QUIET if word not in show)
        super().__init__(machine, quiet=quiet)
        self.policy = policy

    def _step(self, event):
        before, done = self.state, len(self.commands)
        lines = super()._step(event)
        found = [*violations(self.state, self.policy), *step_violations(before, self.state, self.commands[done:])]
        return [*lines, *(f"!! {each.name}: {each.detail}" for each in found)]


def desk(policy: Callable[[Any], Policy[Any]], params: DeskParams, *legs: str, show: tuple[str, ...] = ()) -> DeskBook:
    """Begin a playbook of one policy over these legs."""
    made = policy(params)
    return DeskBook(Desk(scene.spec(*legs), params, made), made, show=show)


def book(bid: str | None = "999", ask: str | None = "1001", mark: str = "1000") -> Callable[[int], dict[str, Any]]:
    """What else differs in a leg's look: its quote."""

    def changes(at: int) -> dict[str, Any]:
        prices = {name: None if price is None else Decimal(price) for name, price in (("bid", bid), ("ask", ask))}
        return {"quote": Quote(**prices, mark=Decimal(mark), at=at, mark_at=at)}

    return changes


def seen(but: dict[str, Any] | None = None, **holds: str | None) -> Moment:
    """The answer to a look: what each venue states of its leg, and `but` what else differs there."""

    def moment(at):
        looks = {}
        for leg, held in holds.items():
            changes = (but or {}).get(leg, {})
            looks[leg] = scene.leg_look(leg, held, at=at, **(changes(at) if callable(changes) else changes))
        return Observed(at=at, legs=looks)

    return moment


def begun(play: DeskBook, *legs: str) -> DeskBook:
    """Play to the first look of a group that may run, and its answer: flat."""
    return (
        play
        >> scene.started()
        >> scene.operator(OperatorState.RUN)
        << f"observe {' '.join(legs)}"
        >> scene.later("0.1")
        >> seen(**dict.fromkeys(legs, "0"))
    )
