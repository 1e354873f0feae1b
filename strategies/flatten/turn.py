"""One step's working copy: the state so far, the commands so far, and the few verbs that decisions are made of."""

from decimal import Decimal
from typing import Any

from strategies.domain.commands import CancelAllOrders, Command, Notify, Severity
from strategies.domain.ids import LegName, Timestamp
from strategies.flatten.state import FlattenLeg, FlattenParams, FlattenState
from strategies.machine import GroupSpec
from strategies.unwind import milliseconds


class Turn:
    """The working copy. `answered` names the legs whose look ended with this very event."""

    __slots__ = ("answered", "commands", "now", "params", "spec", "state")

    def __init__(self, spec: GroupSpec, params: FlattenParams, state: FlattenState, at: Timestamp) -> None:
        """Begin a step at the event's time; time never runs backwards for decisions."""
        self.spec = spec
        self.params = params
        self.now = max(state.now, at)
        self.state = state.model_copy(update={"now": self.now, "steps": state.steps + 1, "legs": dict(state.legs)})
        self.commands: list[Command] = []
        self.answered: set[LegName] = set()

    def leg(self, name: LegName) -> FlattenLeg:
        """Return a leg as it stands now."""
        return self.state.legs[name]

    def put(self, name: LegName, **changes: Any) -> FlattenLeg:
        """Change some fields of a leg."""
        leg = self.state.legs[name].model_copy(update=changes)
        self.state.legs[name] = leg
        return leg

    def move(self, **changes: Any) -> None:
        """Change some fields of the state."""
        self.state = self.state.model_copy(update=changes)

    def changed(self, name: LegName, **changes: Any) -> None:
        """Note a fact: looks from before are no basis any more, and a confirmation has to be renewed."""
        self.put(name, changed_in=self.state.steps, flat_at=None, **changes)

    def later(self, seconds: Decimal) -> Timestamp:
        """Return the moment so many seconds from now."""
        return Timestamp(self.now + milliseconds(seconds))

    def notify(self, severity: Severity, topic: str, text: str) -> None:
        """Tell the operator."""
        self.commands.append(Notify(severity=severity, topic=topic, text=f"{self.spec.group}: {text}"))

    def cancel_all(self, name: LegName) -> None:
        """Cancel whatever rests on a leg, ours or not."""
        command = CancelAllOrders(account=self.leg(name).account, instrument_id=self.spec.instrument_id)
        self.commands.append(command)
