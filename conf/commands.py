"""Commands about a settings file, beside running it: `check`, `schema`, `init`. Nothing is started, nothing trades."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from actors.operator.preflight.result import Level, Report
from conf.finding import SettingsError
from conf.first_file import Answers, FirstFileError, ask, write
from conf.json_schema import settings_schema
from conf.load import load
from conf.preflight import check as look
from conf.preflight import misread

READY, NOT_READY, BAD_USAGE = 0, 1, 2
"""Exit codes of `check`: nothing stands in the way; something does; the check could not be made."""
_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}

Groups = Annotated[Path | None, typer.Option("--groups", metavar="FILE", help="The settings file of the deployment.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting.")]


def mount(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(check)
    app.command()(schema)
    app.command()(init)


def check(
    context: typer.Context,
    *,
    groups: Groups = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the venues, too: keys, instruments, clocks, margins. Reads only.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    overrides: Overrides = None,
) -> None:
    """Say what stands in the way of a deployment: exit 0 = nothing, 1 = something, 2 = could not look."""
    file = groups or context.find_root().params.get("groups")
    if file is None or not file.is_file():
        what = "Name the settings file: --groups FILE." if file is None else f"{file}: there is no such file."
        typer.echo(f"Nothing was checked.\n{what}", err=True)
        sys.exit(BAD_USAGE)
    try:
        settings = load(file, environment=os.environ, overrides=overrides or ())
    except SettingsError as error:
        found = misread(str(file), error, ask_venues=online)
    else:
        found = asyncio.run(look(settings, ask_venues=online))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _show(found)
    sys.exit(READY if found.ready else NOT_READY)


def schema() -> None:
    """Print the JSON Schema of a settings file, for editors that complete and check while you write."""
    typer.echo(json.dumps(settings_schema(), indent=2, ensure_ascii=False))


def init(
    out: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")] = Path("conf/my.toml"),
) -> None:
    """Write a first settings file by asking: exit 0 = written, 2 = nothing was written."""
    try:
        answers: Answers = ask(out)
        write(out, answers)
    except (FirstFileError, OSError) as error:
        typer.echo(f"Nothing was written.\n{error}", err=True)
        sys.exit(BAD_USAGE)
    except (typer.Abort, EOFError):
        typer.echo("\nNothing was written.", err=True)
        sys.exit(BAD_USAGE)
    live = " --live" if answers.live else ""
    typer.echo(f"\nWritten: {out}. Read it, then:\n")
    typer.echo(f"    python supervisor.py check --groups {out}{' --online' if answers.live else ''}")
    typer.echo(f"    python supervisor.py --groups {out}{live}")


def _show(found: Report) -> None:
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    for result in found.results:
        line = Text(str(result))
        line.stylize(_STYLES[result.level], 0, len(result.level))
        console.print(line)
    failed = sum(result.level is Level.FAIL for result in found.results)
    warned = sum(result.level is Level.WARN for result in found.results)
    asked = "the venues were asked" if found.online else "the venues were not asked (--online does)"
    verdict = "Ready" if found.ready else f"NOT ready: {failed} in the way"
    console.print(f"\n{verdict}; {warned} warning(s); {asked}.")
