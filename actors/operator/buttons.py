"""The sub-commands that ask a running supervisor: status and the operator's buttons. What is printed, what is returned.

Exit codes, the same for all of them: 0 done, 1 asked but not (yet) so, 2 nothing was asked, 3 no supervisor answers.
"""

import getpass
import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from actors.explain.draw import draw
from actors.explain.read import explain
from actors.explain.story import CycleUnknownError
from actors.journal.protocol import JournalError
from actors.operator.running import Front, NoSupervisorError, TurnedDownError
from actors.operator.status import StatusPicture, needs_a_look, only
from actors.supervision.overview import Overview
from actors.supervision.presses import CONFIRMED, Action
from strategies.domain.ids import GroupId

DONE = 0
NOT_SO = 1
"""Something needs a look (status), or was asked for and is not so (a press that waits, or that was refused as things
are)."""
NOT_ASKED = 2
NOBODY = 3
"""No supervisor answers."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._@-]")
_NAME_CHARS = 32

Ask = Callable[[str], str]
"""Ask the person at the terminal; return what was typed."""


async def show_status(front: Front, groups: frozenset[GroupId], console: Console, *, as_json: bool) -> int:
    """Print what the supervisor knows.

    Raises:
        NoSupervisorError | TurnedDownError
    """
    text = await front.read("/api/groups")
    try:
        seen = only(Overview.model_validate_json(text), groups)
    except ValidationError as error:
        raise NoSupervisorError(
            "The supervisor answers, but is of another version of the code: use the supervisor.py it was started with."
        ) from error
    if as_json:
        _print_json(console, json.loads(seen.model_dump_json()))
    else:
        console.print(StatusPicture(seen, (f"Live: {front.find().url}",)))
    return NOT_SO if needs_a_look(seen) else DONE


async def press_buttons(
    front: Front, action: Action, groups: Iterable[GroupId], reason: str, console: Console, *, as_json: bool
) -> int:
    """Press one button of each group, one after the other; print what has become of it.

    Raises:
        NoSupervisorError: nobody answers; what was answered before is printed.
        SecretMissingError: there is no token to be sent.
    """
    answers: list[dict[str, Any]] = []
    worst = DONE
    try:
        for group in groups:
            answer, code = await _press(front, action, group, reason)
            answers.append(answer)
            worst = max(worst, code)
    finally:
        if as_json:
            _print_json(console, answers)
        elif answers:
            console.print(_answers(answers))
    return worst


def tell_cycle(journal_url: str, group: GroupId, cycle: int | None, console: Console, *, as_json: bool) -> int:
    """Print why a cycle went as it did; needs no supervisor. None = the last cycle."""
    try:
        found = explain(journal_url, group, cycle)
    except (CycleUnknownError, JournalError) as error:
        console.print(f"Nothing can be told.\n{error}", markup=False, highlight=False, soft_wrap=True)
        return NOT_ASKED
    if as_json:
        _print_json(console, json.loads(found.model_dump_json()))
    else:
        console.print(draw(found))
    return NOT_SO if found.problems else DONE


async def read_again(front: Front, console: Console, *, dry_run: bool, as_json: bool) -> int:
    """Have the supervisor read its settings file again; print the plan, and whether it was applied.

    Raises:
        NoSupervisorError | TurnedDownError | SecretMissingError
    """
    try:
        answer: dict[str, Any] = await front.write("/api/reload", {"dry_run": dry_run})
    except TurnedDownError as error:
        if error.answer is None or "lines" not in error.answer:
            raise
        answer = error.answer
    if as_json:
        _print_json(console, answer)
    else:
        for line in answer["lines"]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        said = "Applied." if answer["applied"] else "Nothing was applied."
        console.print(said, markup=False, highlight=False)
    return NOT_SO if answer["plan"]["refused"] else DONE


def confirmed(action: Action, groups: Iterable[GroupId], ask: Ask | None) -> str:
    """Have each group's name typed where that is due; return what is wrong, empty = nothing.

    Args:
        action: what is to be pressed.
        groups: of which groups.
        ask: how a person is asked; None = nobody is there.
    """
    if action not in CONFIRMED:
        return ""
    if ask is None:
        return f"{action} wants to be confirmed: add --yes where nobody can be asked."
    for group in groups:
        if ask(f"Type {group} to {action} it").strip() != group:
            return f"Not confirmed: {group} stays as it is, and so does everything else."
    return ""


def own_name() -> str:
    """Return the user's name at this machine, as a press may carry it; empty when there is none."""
    try:
        return _NOT_IN_NAMES.sub("-", getpass.getuser())[:_NAME_CHARS]
    except (KeyError, OSError):
        return ""


async def _press(front: Front, action: Action, group: GroupId, reason: str) -> tuple[dict[str, Any], int]:
    body = {"reason": reason, "name": own_name(), "confirm": group if action in CONFIRMED else ""}
    try:
        answer: dict[str, Any] = await front.write(f"/api/groups/{group}/{action}", body)
    except TurnedDownError as error:
        code = NOT_SO if error.status == HTTPStatus.CONFLICT else NOT_ASKED
        return {"group": group, "action": action.value, "done": False, "text": str(error)}, code
    return answer, DONE if answer["done"] else NOT_SO


def _answers(answers: Iterable[dict[str, Any]]) -> Table:
    table = Table(pad_edge=False)
    for heading in ("group", "pressed", "done", "what happens"):
        table.add_column(heading, overflow="fold")
    for each in answers:
        done = "yes" if each["done"] else "no"
        table.add_row(each["group"], each["action"], done, each["text"], style="" if each["done"] else "yellow")
    return table


def _print_json(console: Console, found: object) -> None:
    console.print(
        json.dumps(found, indent=2, ensure_ascii=False, default=str), markup=False, highlight=False, soft_wrap=True
    )
