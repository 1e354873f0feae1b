"""Fold a journal through a machine and hold what it decides now against what it decided then."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff
from typing import Generic, TypeVar

from strategies.domain.codec import commands_to_json, event_to_json
from strategies.domain.events import Event
from strategies.domain.model import Value
from strategies.machine import Machine

S = TypeVar("S", bound=Value)


@dataclass(frozen=True, slots=True)
class JournaledStep:
    """One decision as the journal has it."""

    seq: int
    event: Event
    commands_json: str
    code_version: str


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first step that would be decided otherwise today. `journaled` and `recomputed` are the commands as JSON."""

    seq: int
    event_json: str
    journaled: str
    recomputed: str
    journaled_version: str
    code_version: str

    def __str__(self) -> str:
        """Name the step and the event, and show the commands as a diff: `-` was decided, `+` would be."""
        if self.journaled_version == self.code_version:
            versions = f"the same code version {self.code_version}"
        else:
            versions = f"code version {self.journaled_version} then, {self.code_version} now"
        head = f"step {self.seq} would be decided otherwise ({versions})\nevent: {self.event_json}"
        return "\n".join([head, *self._diff()])

    def _diff(self) -> list[str]:
        before, after = _lines(self.journaled), _lines(self.recomputed)
        if before == after:
            # The same content in other bytes (white space, order of keys): show the bytes themselves.
            before, after = [self.journaled], [self.recomputed]
        return list(unified_diff(before, after, "journaled", "recomputed", lineterm=""))


@dataclass(frozen=True, slots=True)
class Replayed(Generic[S]):
    """Where the folding ended: at the last step, or just before the first divergence."""

    state: S
    seq: int
    """The last step that is folded into `state`; 0 = none was."""
    divergence: Divergence | None


def replay(machine: Machine[S], state: S | None, steps: Iterable[JournaledStep]) -> Replayed[S]:
    """Fold `steps` onto `state` (None = the machine's start) and stop at the first step that is decided otherwise.

    Commands are compared byte for byte. A step that another code version decided may stand as long as this one
    decides the same.
    """
    current = machine.start() if state is None else state
    seq = 0
    for step in steps:
        decided = machine.step(current, step.event)
        recomputed = commands_to_json(decided.commands)
        if recomputed != step.commands_json:
            divergence = Divergence(
                seq=step.seq,
                event_json=event_to_json(step.event),
                journaled=step.commands_json,
                recomputed=recomputed,
                journaled_version=step.code_version,
                code_version=machine.code_version,
            )
            return Replayed(current, seq, divergence)
        current, seq = decided.state, step.seq
    return Replayed(current, seq, None)


def _lines(commands_json: str) -> list[str]:
    try:
        return json.dumps(json.loads(commands_json), indent=1).splitlines()
    except ValueError:  # a body that is no JSON is shown as it is
        return commands_json.splitlines()
