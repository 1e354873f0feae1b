"""The flatten as a machine.

Each leg is on its own: it cancels, looks, orders and is confirmed by itself, so a venue that is down delays only its
leg. What is to be closed is the venue's latest statement less our own fills since; an order that only reduces cannot
open anything, so a statement that turns out to be old costs a refusal and no money.
"""

from strategies.domain.events import Event
from strategies.flatten.closing import drive, finish, set_timers
from strategies.flatten.facts import fold
from strategies.flatten.state import FlattenLeg, FlattenParams, FlattenState, Phase
from strategies.flatten.turn import Turn
from strategies.flatten.view import view
from strategies.machine import GroupSpec, GroupView, Held, Step

CODE_VERSION = "flatten/1"
"""Raised whenever the same events would decide otherwise."""


class Flatten:
    """One group's way out."""

    def __init__(self, spec: GroupSpec, params: FlattenParams) -> None:
        """Take the group's names and numbers.

        Raises:
            ValueError: there is no leg, or two legs share an account.
        """
        if not spec.legs or len(set(spec.legs.values())) != len(spec.legs):
            raise ValueError(f"a flatten needs at least one leg, each with its own account, got {spec.legs}")
        self._spec = spec
        self._params = params

    @property
    def code_version(self) -> str:
        """Name the version of the decisions."""
        return CODE_VERSION

    def start(self) -> FlattenState:
        """Return the state before anything has happened."""
        return FlattenState(legs={name: FlattenLeg(account=account) for name, account in self._spec.legs.items()})

    def step(self, state: FlattenState, event: Event) -> Step[FlattenState]:
        """Fold one event and say what to do."""
        turn = Turn(self._spec, self._params, state, event.at)
        fold(turn, event)
        if turn.state.phase is Phase.CLOSING:
            for name in turn.state.legs:
                drive(turn, name)
            if all(leg.flat_at is not None for leg in turn.state.legs.values()):
                finish(turn)
        set_timers(turn)
        return Step(turn.state, tuple(turn.commands))

    def view(self, state: FlattenState) -> GroupView:
        """Describe the state for people and metrics."""
        return view(state)

    def held(self, state: FlattenState) -> Held:
        """Return what each account holds, as far as it has been seen."""
        return view(state).held

    def state_to_json(self, state: FlattenState) -> str:
        """Write the state for a snapshot."""
        return state.model_dump_json()

    def state_from_json(self, text: str) -> FlattenState:
        """Read a snapshot.

        Raises:
            ValueError: the text is not a state of this version.
        """
        return FlattenState.model_validate_json(text)
