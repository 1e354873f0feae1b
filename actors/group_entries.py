"""What a group writes into its journal, in words and back: its steps, and what they were decided by."""

from typing import Any

from pydantic import Field

from strategies.domain.commands import Command
from strategies.domain.events import Event, OperatorState
from strategies.domain.ids import AccountId, InstrumentId, LegName
from strategies.domain.model import Value
from strategies.risk.limits import FIRST_GATE

STEP = "step"
"""Kind of a group's journal records."""
CURSOR = "cursor"
"""Kind of a record that says where the group begins to read an account's facts: body is a `Source`."""
SETTINGS = "settings"
"""Kind of a record that says by which settings every step after it was decided: body is a `DecidedBy`."""
MET = "met"
"""Kind of a record that says which journal an account keeps: body is a `Met`."""


class Source(Value):
    """The account fact that an event is."""

    account: AccountId
    seq: int


class Met(Value):
    """Which journal an account keeps: numbers of messages and facts mean something with that one only."""

    account: AccountId
    journal: str


class StepBody(Value):
    """Body of a `step` record."""

    event: Event
    commands: tuple[Command, ...]
    source: Source | None
    code_version: str


class DecidedBy(Value):
    """What steers a group's decisions besides events. Journaled, because a replay must decide by what was in force."""

    strategy: str
    params: dict[str, Any]
    limits: dict[str, Any]
    legs: dict[LegName, AccountId]
    instrument_id: InstrumentId
    operator_state: OperatorState = Field(description="the settings' own word; the operator's is in the events")
    gate: int = Field(
        default=FIRST_GATE,
        description="version of the gate's rules; a journal that does not say is of the first",
    )

    @property
    def limits_in_force(self) -> dict[str, Any]:
        """Return the limits with the version of the rules that judged by them."""
        return {**self.limits, "gate": self.gate}

    def other_identity(self, now: "DecidedBy") -> tuple[str, ...]:
        """Say what has changed of that which makes a group another one: strategy, instrument, legs."""
        pairs: list[tuple[str, str | None, str | None]] = [
            (f"leg {leg}", self.legs.get(leg), now.legs.get(leg)) for leg in sorted(self.legs.keys() | now.legs.keys())
        ]
        pairs += [
            ("the instrument", self.instrument_id, now.instrument_id),
            ("the strategy", self.strategy, now.strategy),
        ]
        return tuple(f"{what} was {was or 'none'}, is {is_ or 'none'}" for what, was, is_ in pairs if was != is_)
