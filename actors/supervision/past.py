"""What an earlier supervisor has written down that still binds this one. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from actors.journal.protocol import Record
from strategies.domain.ids import GroupId

PARKING = "Parking"
"""A group is being flattened and parked: body `group`, `reason`."""
UNWINDING = "Unwinding"
"""An interrupt flattens these groups: body `groups`. They go on at the next start."""
RELEASED = "Released"
"""These groups go on: body `groups`."""


@dataclass(frozen=True)
class Past:
    """What still holds."""

    parked: dict[GroupId, str]
    """Group → why it was parked; it stays parked until a person releases it."""
    unwound: frozenset[GroupId]
    """Groups that an interrupt flattened and that nothing has released since."""


def recall(records: Sequence[Record]) -> Past:
    """Fold the supervisor's own stream."""
    parked: dict[GroupId, str] = {}
    unwound: set[GroupId] = set()
    for record in records:
        body = json.loads(record.body)
        if record.kind == PARKING:
            parked[GroupId(body["group"])] = body["reason"]
        elif record.kind == UNWINDING:
            unwound |= {GroupId(name) for name in body["groups"]}
        elif record.kind == RELEASED:
            for name in body["groups"]:
                parked.pop(GroupId(name), None)
                unwound.discard(GroupId(name))
    return Past(parked=parked, unwound=frozenset(unwound))
