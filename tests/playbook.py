"""A Playbook: a test that reads like a trace. Events go in with `>>`, the commands they must cause stand after `<<`.

    assert (
        Playbook(machine)
        >> started()
        << "observe backpack lighter1 lighter2"
        >> looked()
        << "submit backpack entry:1 BUY 5 @1002"
    )

Every command that is not named is an error, and so is every named one that does not come; the message is the trace as
a diff. A playbook that nobody asserted fails its test. After each step the state goes through JSON and back, so that
every playbook is also a test of the snapshot.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from strategies.domain.commands import Command, Notify
from strategies.domain.events import Event
from strategies.domain.ids import Timestamp
from strategies.machine import Machine
from tests.trace import command_line, event_line

Moment = Callable[[Timestamp], Event]
"""An event that still has to be told the time."""
Check = Callable[[Any, Sequence[Command]], Sequence[str]]
"""What must hold after a step: the new state and its commands; returns what is wrong."""

NOON = Timestamp(1_800_000_000_000)
TICK_MS = 1
"""Time that passes with every event: what was asked for before something happened is older than it."""
QUIET = ("timer", "notify")
"""Command words that a playbook does not ask for unless told otherwise."""


class Later:
    """Time passing."""

    def __init__(self, seconds: str | float) -> None:
        """Let so many seconds pass."""
        self.ms = round(float(seconds) * 1000)


class Playbook:
    """Events and the commands they must cause."""

    unasserted: ClassVar[list["Playbook"]] = []

    def __init__(self, machine: Machine[Any], *, quiet: tuple[str, ...] = QUIET, check: Check | None = None) -> None:
        """Play against `machine`; commands whose first word is in `quiet` are neither wanted nor refused."""
        self.machine = machine
        self.quiet = quiet
        self.check = check
        self.script: list[Moment | Later | str] = []
        self.state: Any = None
        self.now = NOON
        self.commands: list[Command] = []
        Playbook.unasserted.append(self)

    def __rshift__(self, entry: Moment | Later) -> "Playbook":
        """Let an event happen, or time pass."""
        self.script.append(entry)
        return self

    def __lshift__(self, line: str) -> "Playbook":
        """Expect one command, in the words of `tests.trace`; several lines expect several."""
        self.script.extend(part.strip() for part in line.strip().splitlines())
        return self

    def __bool__(self) -> bool:
        """Play it.

        Raises:
            AssertionError: the trace differs; the message is the diff.
        """
        self.played()
        return True

    def played(self) -> "Playbook":
        """Play it and return it, to look at the state it ended in. Raises as `bool`."""
        if self in Playbook.unasserted:
            Playbook.unasserted.remove(self)
        self.state, self.now, self.commands = self.machine.start(), NOON, []
        expected: list[str] = []
        actual: list[str] = []
        for entry in self.script:
            if isinstance(entry, str):
                if entry.split(" ", 1)[0] not in self.quiet:
                    expected.append(f"<< {entry}")
            elif isinstance(entry, Later):
                self.now = Timestamp(self.now + entry.ms)
            else:
                event = entry(self.now)
                line = f">> {event_line(event)}"
                expected.append(line)
                actual.append(line)
                actual.extend(self._step(event))
                self.now = Timestamp(self.now + TICK_MS)
        if expected != actual:
            diff = difflib.unified_diff(expected, actual, "the playbook", "what happened", lineterm="", n=1000)
            raise AssertionError("\n" + "\n".join(diff))
        return self

    def told(self, topic: str) -> list[str]:
        """Return the texts of all notifications on a topic. After `played`."""
        return [c.text for c in self.commands if isinstance(c, Notify) and c.topic == topic]

    def _step(self, event: Event) -> list[str]:
        step = self.machine.step(self.state, event)
        self.state = self.machine.state_from_json(self.machine.state_to_json(step.state))
        assert self.state == step.state, "the state does not survive its snapshot"
        self.commands.extend(step.commands)
        wrong = [] if self.check is None else [f"!! {text}" for text in self.check(step.state, step.commands)]
        lines = [command_line(command, self.now) for command in step.commands]
        return [f"<< {line}" for line in lines if line.split(" ", 1)[0] not in self.quiet] + wrong
