"""The sub-commands for a deployment that runs, or has run: status, the buttons, explain."""

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import Field
from rich.console import Console

from actors.operator.buttons import (
    NOBODY,
    NOT_ASKED,
    confirmed,
    press_buttons,
    read_again,
    show_status,
    tell_cycle,
)
from actors.operator.running import Front, NoSupervisorError, TurnedDownError
from actors.supervision.presses import Action
from strategies.domain.ids import GroupId
from strategies.domain.model import Value
from venues.secrets import SecretMissingError

FileOption = Annotated[
    Path | None, typer.Option("--groups", metavar="FILE", help="The settings file of the deployment.")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting.")]
GroupOption = Annotated[list[str] | None, typer.Option("--group", metavar="GROUP", help="This group; may be repeated.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON in place of tables.")]

_HELP = {
    Action.PAUSE: "End the running cycle as planned, start no new one.",
    Action.RESUME: "Trade again, also after pause, reduce, flatten, or a stop by the strategy's own limits.",
    Action.REDUCE: "Send only what makes the group smaller.",
    Action.FLATTEN: "Close every leg now and stay out until resume. Asks for the group's name, or --yes.",
    Action.RESTART: "Replace the group's process; it replays its journal and goes on. Asks for the name, or --yes.",
}
_CODES = "Exit codes: 0 done, 1 not (yet) so, 2 nothing was asked, 3 no supervisor answers."

_CODES_OF_EXPLAIN = "Exit codes: 0 told, 1 told as far as it can be read, 2 there is no such cycle."
_LAST = "last"
_NUMBER = re.compile(r"[0-9]{1,9}")


class Deployment(Value):
    """What the sub-commands have to know of a settings file."""

    source: str
    state_dir: Path
    journal_url: str
    token: str | None = Field(description="reference to the operator's token; None = the supervisor's own")
    groups: tuple[GroupId, ...]

    @property
    def front(self) -> Front:
        """Return the way to the running supervisor."""
        return Front(self.state_dir, self.token)


Reader = Callable[[typer.Context, Path | None, Iterable[str] | None], Deployment]
"""Read a settings file; ends the program with the reason when it cannot be read."""


def add_commands(app: typer.Typer, read: Reader) -> None:
    """Add the sub-commands to the program."""
    app.command("explain", help=f"Tell why a cycle went as it did, from the journal alone. {_CODES_OF_EXPLAIN}")(
        _explain(read)
    )
    app.command("status", help=f"Show what a running supervisor knows. {_CODES}")(_status(read))
    app.command("reload", help=f"Have the settings file read again and applied; --dry-run only tells. {_CODES}")(
        _reload(read)
    )
    for action in Action:
        app.command(action.value, help=f"{_HELP[action]} {_CODES}")(_button(action, read))


def _status(read: Reader) -> Callable[..., None]:
    def status(
        context: typer.Context,
        *,
        groups: FileOption = None,
        group: GroupOption = None,
        as_json: JsonOption = False,
        overrides: SetOption = None,
    ) -> None:
        deployment = read(context, groups, overrides)
        chosen = frozenset(_known(deployment, group or ()))
        sys.exit(_asked(show_status(deployment.front, chosen, Console(), as_json=as_json)))

    return status


def _reload(read: Reader) -> Callable[..., None]:
    def reload(
        context: typer.Context,
        *,
        groups: FileOption = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
        as_json: JsonOption = False,
        overrides: SetOption = None,
    ) -> None:
        deployment = read(context, groups, overrides)
        sys.exit(_asked(read_again(deployment.front, Console(), dry_run=dry_run, as_json=as_json)))

    return reload


def _button(action: Action, read: Reader) -> Callable[..., None]:
    def press(
        context: typer.Context,
        *,
        groups: FileOption = None,
        group: GroupOption = None,
        every: Annotated[bool, typer.Option("--all", help="Every group of the file.")] = False,
        reason: Annotated[str, typer.Option("--reason", help="Goes into the group's journal.")] = "",
        yes: Annotated[bool, typer.Option("--yes", help="Ask for no confirmation.")] = False,
        as_json: JsonOption = False,
        overrides: SetOption = None,
    ) -> None:
        deployment = read(context, groups, overrides)
        if bool(group) == every:
            _stop("Name the group with --group, or say --all.")
        chosen = deployment.groups if every else _known(deployment, group or ())
        ask = _typed if sys.stdin.isatty() else None
        if not yes and (wrong := confirmed(action, chosen, ask)):
            _stop(wrong)
        sys.exit(_asked(press_buttons(deployment.front, action, chosen, reason, Console(), as_json=as_json)))

    return press


def _explain(read: Reader) -> Callable[..., None]:
    def tell(
        context: typer.Context,
        cycle: Annotated[str, typer.Argument(metavar="CYCLE", help="Its number, or last.")] = _LAST,
        *,
        groups: FileOption = None,
        group: Annotated[
            str | None, typer.Option("--group", metavar="GROUP", help="May be left out for one group.")
        ] = None,
        as_json: JsonOption = False,
        overrides: SetOption = None,
    ) -> None:
        deployment = read(context, groups, overrides)
        if group is None and len(deployment.groups) != 1:
            _stop(f"Name the group with --group: {', '.join(deployment.groups)}.")
        if cycle != _LAST and not _NUMBER.fullmatch(cycle):
            _stop("A cycle is a number, or last.")
        chosen = _known(deployment, [group] if group is not None else deployment.groups)[0]
        number = None if cycle == _LAST else int(cycle)
        sys.exit(tell_cycle(deployment.journal_url, chosen, number, Console(), as_json=as_json))

    return tell


def _typed(question: str) -> str:
    """Return what a person types; Ctrl-C and Ctrl-D are no name of a group."""
    try:
        return str(typer.prompt(question, default="", show_default=False))
    except typer.Abort:
        typer.echo("", err=True)
        return ""


def _known(deployment: Deployment, names: Iterable[str]) -> tuple[GroupId, ...]:
    chosen = tuple(dict.fromkeys(GroupId(name) for name in names))
    if unknown := [name for name in chosen if name not in deployment.groups]:
        _stop(f"--group: {deployment.source} has no group {', '.join(unknown)}.")
    return chosen


def _asked(work: Coroutine[object, object, int]) -> int:
    try:
        return asyncio.run(work)
    except NoSupervisorError as error:
        typer.echo(str(error), err=True)
        return NOBODY
    except (TurnedDownError, SecretMissingError) as error:
        typer.echo(f"Nothing was asked.\n{error}", err=True)
        return NOT_ASKED


def _stop(text: str) -> NoReturn:
    typer.echo(f"Nothing was asked.\n{text}", err=True)
    sys.exit(NOT_ASKED)
