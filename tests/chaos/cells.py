"""What is struck, how, and when: the cells of the matrix.

A moment is a record of a group's own journal, so that "when" means the same in every run.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Victim(StrEnum):
    """A kind of process."""

    BACKPACK = "backpack"
    LIGHTER1 = "lighter1"
    LIGHTER2 = "lighter2"
    GROUP = "group"
    SUPERVISOR = "supervisor"
    SIMULATOR = "simulator"
    RAYLET = "raylet"
    GCS = "gcs_server"


ROLES = (Victim.BACKPACK, Victim.LIGHTER1, Victim.LIGHTER2)
OF_A_GROUP = (*ROLES, Victim.GROUP)
"""Victims that belong to one group; the others carry both."""


class Blow(StrEnum):
    """What happens to it."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    """Longer than anybody waits for it, then SIGCONT."""


@dataclass(frozen=True)
class Step:
    """One record of a group's journal, as far as moments look at it."""

    at: int
    event: str
    order: str
    """Role and purpose of the order that the event is about: `lighter1:hedge`; empty = of none."""
    timer: str
    submits: frozenset[str]
    """Role and purpose of each order that the step sends."""
    sets_leverage: bool


def read_step(body: str) -> Step:
    """Read a journal record."""
    step = json.loads(body)
    event = step["event"]
    fill = event.get("fill") or {}
    orders = [command["order"]["order_id"] for command in step["commands"] if command["kind"] == "SubmitOrder"]
    return Step(
        at=event["at"],
        event=event["kind"],
        order=_purpose(event.get("order_id") or fill.get("order_id") or ""),
        timer=event.get("timer", ""),
        submits=frozenset(map(_purpose, orders)),
        sets_leverage=any(command["kind"] == "SetLeverage" for command in step["commands"]),
    )


def _purpose(order_id: str) -> str:
    # group:cycle:role:purpose:number
    return ":".join(order_id.split(":")[2:4])


@dataclass(frozen=True)
class Moment:
    """A place in a cycle."""

    name: str
    holds: Callable[[Step], bool] = field(compare=False)
    after: str = ""
    """Another moment that must have come before, where the record alone does not tell the place."""


def _of(event: str, order: str) -> Callable[[Step], bool]:
    return lambda step: step.event == event and step.order.endswith(order)


def _sends(order: str) -> Callable[[Step], bool]:
    return lambda step: any(each.endswith(order) for each in step.submits)


def _order(name: str, order: str, *, filled: bool) -> Iterator[Moment]:
    yield Moment(f"{name} decided", _sends(order))
    yield Moment(f"{name} sent", _of("OrderSubmitted", order))
    yield Moment(f"{name} accepted", _of("OrderAccepted", order))
    if filled:
        yield Moment(f"{name} filled", _of("Filled", order))


MOMENTS: tuple[Moment, ...] = (
    Moment("leverage sent", lambda step: step.sets_leverage),
    *_order("entry", "backpack:entry", filled=False),  # its first fill is the hedge's decision
    *_order("hedge", "lighter1:hedge", filled=True),
    Moment("waiting", lambda step: step.event == "RandomDrawn"),
    *_order("second", "lighter2:entry", filled=False),  # its first fill is the rebalance's decision
    *_order("rebalance", "backpack:rebalance", filled=True),
    Moment("monitoring", lambda step: step.event == "Observed" and not step.submits, after="rebalance filled"),
    Moment("time-out", lambda step: step.event == "TimerFired" and step.timer == "cycle"),
    *_order("exit", ":exit", filled=True),
    Moment("pause", lambda step: step.event == "Observed" and not step.submits, after="exit filled"),
)
"""Every step of a clean cycle that its journal tells apart, in the order in which they come."""
ONCE = "leverage sent"
"""The moment that comes in a group's first cycle only: the venue keeps what it was told."""
BY_NAME = {moment.name: moment for moment in MOMENTS}


@dataclass(frozen=True)
class Cell:
    """One blow."""

    victim: Victim
    blow: Blow
    moment: str

    @property
    def fault(self) -> str:
        """Return the class that results are gathered by."""
        return f"{self.blow} {self.victim}"

    def __str__(self) -> str:
        return f"{self.fault} at {self.moment}"


STOPPED_AT = ("hedge decided", "hedge sent", "waiting", "rebalance sent", "monitoring", "exit sent")
"""A standing process is noticed after seconds, wherever a cycle is: some moments stand for all."""


def every_cell() -> tuple[Cell, ...]:
    """Return the whole matrix."""
    killed = [Cell(victim, Blow.KILL, moment.name) for moment in MOMENTS for victim in Victim]
    stopped = [Cell(victim, Blow.STOP, moment) for moment in STOPPED_AT for victim in Victim]
    return (*killed, *stopped)


def chosen(words: str) -> tuple[Cell, ...]:
    """Return the cells whose names contain one of the comma-separated words; `all` = every one."""
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    cells = every_cell()
    found = tuple(cell for cell in cells if "all" in wanted or any(word in str(cell) for word in wanted))
    if not found:
        raise ValueError(f"no cell is named like {words!r}; cells read like {cells[0]}")
    return found


def as_dict(cell: Cell) -> dict[str, Any]:
    """Return plain values."""
    return {"victim": cell.victim.value, "blow": cell.blow.value, "moment": cell.moment}


def from_dict(row: dict[str, Any]) -> Cell:
    """Read what `as_dict` gave."""
    return Cell(Victim(row["victim"]), Blow(row["blow"]), row["moment"])
