"""What a person may say to the bot, read from text. Pure."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId


class Ask(StrEnum):
    """Questions: they change nothing."""

    HELP = "help"
    STATUS = "status"
    GROUPS = "groups"
    EXPLAIN = "explain"


STEERING = {
    "pause": OperatorState.PAUSE,
    "resume": OperatorState.RUN,
    "reduce": OperatorState.REDUCE,
    "flatten": OperatorState.FLATTEN,
}
"""Words that change what a group does."""
CONFIRMED = frozenset({OperatorState.RUN, OperatorState.REDUCE, OperatorState.FLATTEN})
"""Of those, the ones that send orders or let them be sent: they are asked back. PAUSE is not: it only waits."""
ALL = "all"
"""Stands for every group."""
MENU = (
    ("status", "is money at risk, and where"),
    ("groups", "every group with its legs"),
    ("explain", "GROUP [CYCLE]: what it does, and why a cycle went as it did, cause by cause"),
    ("pause", "GROUP or all: begin no new cycle"),
    ("resume", "GROUP or all: trade again"),
    ("reduce", "GROUP or all: only become smaller"),
    ("flatten", "GROUP or all: close every leg now"),
    ("help", "this list"),
)
"""The commands with their descriptions, as Telegram shows them."""
HELP = "\n".join(f"/{name} {text}" for name, text in MENU)
_LAST = "last"
_CYCLE = re.compile(r"[0-9]{1,9}")
_ALIASES = {"start": Ask.HELP}
"""Telegram's own first word to a bot."""


@dataclass(frozen=True)
class Question:
    """Somebody wants to know."""

    ask: Ask
    group: GroupId | None
    cycle: int | None = None
    """Which one is to be explained; None = the last."""
    standing: bool = True
    """Whether it is also asked what the group does now: it is not when a cycle was named."""


@dataclass(frozen=True)
class Steer:
    """Somebody wants a change."""

    state: OperatorState
    groups: tuple[GroupId, ...]


@dataclass(frozen=True)
class Misheard:
    """What cannot be followed; `text` says why and what to write."""

    text: str


def read(text: str, bot_name: str, groups: tuple[GroupId, ...]) -> Question | Steer | Misheard | None:
    """Read a message; None = it is not for us (no command, or another bot's)."""
    words = text.split()
    if not words or not words[0].startswith("/"):
        return None
    command, _, addressed = words[0][1:].partition("@")
    if addressed and addressed.lower() != bot_name.lower():
        return None
    name, arguments = command.lower(), words[1:]
    if name in STEERING:
        return _steer(name, arguments, groups)
    ask = _ALIASES.get(name) or next((each for each in Ask if each == name), None)
    if ask is None:
        return Misheard(f"There is no /{command[:32]}.\n{HELP}")
    if ask is not Ask.EXPLAIN:
        return Question(ask, None)
    return _explain(arguments, groups)


def _explain(arguments: list[str], groups: tuple[GroupId, ...]) -> Question | Misheard:
    """Read `GROUP`, `GROUP CYCLE`, `GROUP:CYCLE`, or `CYCLE` where there is one group only; it moves no money."""
    words = [part for each in arguments for part in ([each] if each in groups else each.rsplit(":", 1))]
    named = bool(words) and words[-1] not in groups and (words[-1] == _LAST or bool(_CYCLE.fullmatch(words[-1])))
    cycle = int(words[-1]) if named and words[-1] != _LAST else None
    words = words[:-1] if named else words
    if not words and len(groups) == 1:
        return Question(Ask.EXPLAIN, groups[0], cycle, standing=not named)
    found = _group(Ask.EXPLAIN, words, groups)
    return found if isinstance(found, Misheard) else Question(Ask.EXPLAIN, found, cycle, standing=not named)


def _steer(name: str, arguments: list[str], groups: tuple[GroupId, ...]) -> Steer | Misheard:
    if not groups:
        return Misheard("There are no groups.")
    if arguments == [ALL] and ALL not in groups:
        return Steer(STEERING[name], groups)
    found = _group(name, arguments, groups)
    return found if isinstance(found, Misheard) else Steer(STEERING[name], (found,))


def _group(name: str, arguments: list[str], groups: tuple[GroupId, ...]) -> GroupId | Misheard:
    listed = ", ".join(groups)
    if len(arguments) != 1:
        # Also with a single group: a word that moves money names what it is about.
        return Misheard(f"Which group? Write /{name} GROUP; there are: {listed}.")
    if arguments[0] in groups:
        return GroupId(arguments[0])
    near = get_close_matches(arguments[0], groups, n=1)
    hint = f"Did you mean /{name} {near[0]}?" if near else f"There are: {listed}."
    return Misheard(f"There is no group {arguments[0][:64]}. {hint}")
