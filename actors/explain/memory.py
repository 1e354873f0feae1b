"""What a process that explains again and again remembers: a journal of months is folded once, not each time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.group_entries import DecidedBy
from strategies.domain.ids import AccountId, GroupId, OrderId
from strategies.machine import GroupView
from venues.venue import WriteIdentity

_MARKS_KEPT = 256
"""Places in one group's journal; beyond that every second one is forgotten, and the way to a cycle gets longer."""
_IDENTITIES_KEPT = 20_000
"""Orders of one account; older ones are looked up anew."""


@dataclass(frozen=True)
class Mark:
    """How a group stood just before the step that began a cycle."""

    cycle: int
    seq: int
    """The last record that is folded into it."""
    settings: DecidedBy
    state: Any
    view: GroupView
    problems: tuple[str, ...]


@dataclass
class Names:
    """Under which identity the orders of one account left."""

    seq: int = 0
    """The last record that was looked at."""
    of: dict[OrderId, WriteIdentity] = field(default_factory=dict)


class Memory:
    """Marks and names; nothing in it is needed, all of it can be read again."""

    def __init__(self) -> None:
        """Remember nothing."""
        self._marks: dict[GroupId, list[Mark]] = {}
        self._names: dict[AccountId, Names] = {}

    def before(self, group: GroupId, cycle: int | None) -> Mark | None:
        """Return where to begin for a cycle (None = the last): at the one before it, whose end led to it."""
        marks = self._marks.get(group, [])
        if cycle is None:
            return marks[-2] if len(marks) > 1 else None
        return next((mark for mark in reversed(marks) if mark.cycle < cycle), None)

    def add(self, group: GroupId, found: Sequence[Mark]) -> None:
        """Remember more places of a group's journal."""
        marks = self._marks.setdefault(group, [])
        marks += [mark for mark in found if not marks or mark.seq > marks[-1].seq]
        if len(marks) > _MARKS_KEPT:
            del marks[: _MARKS_KEPT // 2 : 2]

    def names(self, account: AccountId) -> Names:
        """Return what is known of an account's orders, to be added to."""
        names = self._names.setdefault(account, Names())
        if len(names.of) > _IDENTITIES_KEPT:
            names = self._names[account] = Names()
        return names
