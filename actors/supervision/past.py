"""What an earlier supervisor has written down that still binds this one. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.journal.protocol import Record
from strategies.domain.ids import GroupId

PARKING = "Parking"
"""A group is being flattened and parked: body `group`, `reason`."""
UNWINDING = "Unwinding"
"""An interrupt flattens these groups, or lets them only reduce: body `groups`, and `before`, what each was told.

They go on at the next start."""
RELEASED = "Released"
"""These groups go on: body `groups`."""
PRESSED = "Pressed"
"""An operator pressed: body `group` and `order`, or `group` and `restart`."""
RELOADED = "Reloaded"
"""Other settings are kept alive from here on: body `by` and `change`."""
DELIVERED = "Delivered"
"""Groups have journaled what was pressed: body `presses`, the numbers of the orders."""


@dataclass(frozen=True)
class Past:
    """What still holds."""

    parked: dict[GroupId, str]
    """Group → why it was parked; it stays parked until a person releases it."""
    unwound: Mapping[GroupId, str]
    """Group → what it had been told before an interrupt's own word (empty = not known); nothing has released it."""
    presses: int = 0
    """Number of the last press."""
    untold: Mapping[GroupId, Mapping[str, object]] = field(default_factory=dict)
    """Group → the order that was pressed last, as it was written, when the group has not journaled it."""


def recall(records: Sequence[Record]) -> Past:
    """Fold the supervisor's own stream."""
    parked: dict[GroupId, str] = {}
    unwound: dict[GroupId, str] = {}
    words: dict[GroupId, Mapping[str, object]] = {}
    told: set[object] = set()
    presses = 0
    for record in records:
        body = json.loads(record.body)
        if record.kind == PARKING:
            parked[GroupId(body["group"])] = body["reason"]
        elif record.kind == UNWINDING:
            before = body.get("before", {})
            unwound |= {GroupId(name): before.get(name, "") for name in body["groups"]}
        elif record.kind == RELEASED:
            for name in body["groups"]:
                parked.pop(GroupId(name), None)
                unwound.pop(GroupId(name), None)
        elif record.kind == PRESSED and "order" in body:
            presses = body["order"]["press"]
            words[GroupId(body["group"])] = body["order"]
        elif record.kind == DELIVERED:
            told |= set(body["presses"])
    untold = {group: order for group, order in words.items() if order["press"] not in told}
    return Past(parked=parked, unwound=unwound, presses=presses, untold=untold)
