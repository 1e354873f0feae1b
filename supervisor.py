"""Hedgevisor's only main: read settings, start what they name, keep it alive, end it in order.

`python supervisor.py --groups conf/paper.toml` runs a deployment; `python supervisor.py journal verify --help` and the
other sub-commands only wire what lives beside the thing they act on.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, redirect_stdout
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from actors.backtest.many import open_folder, play_all, report
from actors.backtest.run import BacktestError
from actors.chance import fraction
from actors.clock import wall_now
from actors.hosting.protocol import Hosts
from actors.hosting.warm import warm_modules
from actors.hostlock import HostLock, LockHeldError
from actors.journal.location import parse_location
from actors.journal.protocol import JournalError, JournalStore
from actors.journal.show import show as show_journal
from actors.journal.store import open_store
from actors.journal.verify import verify as verify_journal
from actors.logs import close_logs, log_to_file
from actors.notify.notifier import Notifier
from actors.notify.opening import NotifierError
from actors.operator.cli import Deployment, add_commands
from actors.operator.desk import Desk
from actors.operator.diagnosis import DiagnosisError, NotADiagnosticError, wanted
from actors.operator.diagnosis import diagnose as run_diagnosis
from actors.operator.panic import FLAT_WITHIN_S, PanicRunsError, check_no_panic, press, presser, targets
from actors.operator.session import Interrupts, Session
from actors.operator.simulator import Simulator, SimulatorError, running_simulator
from actors.operator.terminal import LibraryTalk, Terminal
from actors.ray_environment import RayStartError, ray_kept
from actors.supervision.belonging import check_belonging
from actors.supervision.build import build_digest, code_root
from actors.supervision.desired import Desired
from actors.supervision.hostwatch import HostWatch
from actors.supervision.supervision import STREAM, Supervision, check_streams, who_owns
from actors.web.server import PortInUseError, StatusServer
from actors.web.tokens import WeakTokenError
from conf import commands
from conf.again import proposal
from conf.backtests import NoBacktestError, backtests
from conf.finding import SettingsError
from conf.load import load, missing_secrets, needs_live_flag
from conf.schema import Settings
from conf.wishes import desired
from strategies.domain.ids import GroupId
from venues.secrets import SecretMissingError
from venues.simulator.prices import TapeError

BAD_USAGE = 2
"""Exit code of everything that is wrong before anything has been started."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False)
journal_app = typer.Typer(help="Read the journal; nothing is changed.", no_args_is_help=True)
app.add_typer(journal_app, name="journal")
commands.mount(app)

Groups = Annotated[Path | None, typer.Option("--groups", metavar="FILE", help="The settings file of the deployment.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting.")]


class StartError(Exception):
    """Nothing was started; the text says why and what to do."""


_REFUSALS = (
    StartError,
    SettingsError,
    RayStartError,
    SimulatorError,
    NotifierError,
    PanicRunsError,
    NotADiagnosticError,
    DiagnosisError,
    PortInUseError,
    LockHeldError,
    JournalError,
    SecretMissingError,
    WeakTokenError,
    OSError,
)
_HINTS: dict[type[Exception], str] = {
    PortInUseError: "\nAnother program listens there: set supervisor.port to a free port (0 = any).",
    LockHeldError: "\nAnother supervisor runs on this state folder or journal: end it, or change general.state_dir.",
    NotifierError: "\nSet the variable or create the file, or remove the section: nothing is told then.",
    SimulatorError: "\nThat is what the simulator says; look at [simulator] in the settings.",
}
"""What to do about an error that does not say so itself."""


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    groups: Groups = None,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Trade at real venues; the file must say live = true, too.")
    ] = False,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="End when every group is over: 0 = all finished, 1 = one was parked.")
    ] = False,
    ray_address: Annotated[
        str, typer.Option("--ray-address", metavar="A", help="Use a Ray that runs already: `auto` or HOST:PORT.")
    ] = "",
    release: Annotated[
        list[str] | None,
        typer.Option(
            "--release",
            metavar="NAME",
            help="You have looked: let a parked group (with its accounts) or a frozen account go on.",
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Run a deployment of hedge groups until Ctrl-C, or until it is done."""
    if context.invoked_subcommand is not None:
        return
    try:
        settings = _read(groups, overrides)
        released = frozenset(release or ())
        _check_command(settings, live=live, release=released)
        read = partial(_read, groups, overrides)
        code = asyncio.run(_run(settings, read, ray_address, live=live, until_done=until_done, release=released))
    except _REFUSALS as error:
        _refuse(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("Interrupted while starting: no actor was told to trade.", err=True)
        code = 0
    sys.exit(code)


@app.command()
def panic(
    context: typer.Context,
    *,
    groups: Groups = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="GROUP", help="Only this group; may be repeated."),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Trade at real venues, as for the main command.")] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=1.0, help="Longest wait until every leg is confirmed flat, seconds.")
    ] = FLAT_WITHIN_S,
    overrides: Overrides = None,
) -> None:
    """Close every leg now, with or without a running supervisor: exit 0 = all confirmed flat, 1 = not, 2 = bad usage.

    Takes the accounts away from whoever holds them. A running supervisor notices, and parks the groups.
    """
    try:
        settings = _only(_read(groups or context.find_root().params["groups"], overrides), group)
        _check_command(settings, live=live or context.find_root().params["live"], release=frozenset())
        code = asyncio.run(_panic(settings, timeout_s, only=bool(group)))
    except _REFUSALS as error:
        _refuse(error)
    sys.exit(code)


@app.command()
def diagnose(
    context: typer.Context,
    *,
    groups: Groups = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="GROUP", help="The diagnostic group; absent = the only one.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Trade at real venues, as for the main command.")] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=1.0, help="Longest run; after it, everything is closed.")
    ] = 600.0,
    overrides: Overrides = None,
) -> None:
    """Run a group of smoke_test or min_order here, without Ray: exit 0 = passed, 1 = not, 2 = bad usage."""
    try:
        settings = _read(groups or context.find_root().params["groups"], overrides)
        _check_command(settings, live=live or context.find_root().params["live"], release=frozenset())
        chosen = wanted(desired(settings), None if group is None else GroupId(group), wall_now())
        code = asyncio.run(_diagnose(_only(settings, [chosen.name]), timeout_s))
    except _REFUSALS as error:
        _refuse(error)
    sys.exit(code)


@app.command()
def backtest(
    context: typer.Context,
    tape: Annotated[Path, typer.Option("--tape", metavar="CSV", help="timestamp,open,high,low,close,volume a minute.")],
    *,
    groups: Groups = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", metavar="GROUP", help="Only this group; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Instead of the simulator's.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Play only so many minutes of the tape.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="For pages and JSON; default state_dir/backtest.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Play groups on a tape, on virtual time: figures here, a page with plots each. Trades nowhere, needs no key."""
    try:
        settings = _read(groups or context.find_root().params["groups"], overrides)
        chosen = backtests(settings, tape, groups=group or (), seed=seed, rows=rows)
        folder = open_folder(out or settings.general.state_dir / "backtest")
        pages = report(play_all(chosen), folder, Console(file=sys.stdout))
    except (*_REFUSALS, NoBacktestError, TapeError, BacktestError, ValueError) as error:
        _refuse(error)
    for each in pages:
        typer.echo(f"Page: {each}")


@journal_app.command()
def verify(context: typer.Context, groups: Groups = None, overrides: Overrides = None) -> None:
    """Check every record of the journal; exit 1 when something is damaged."""
    settings = _read_or_refuse(context, groups, overrides)
    findings = verify_journal(settings.general.journal_url)
    for finding in findings:
        typer.echo(str(finding))
    if findings:
        sys.exit(1)
    typer.echo("The journal is whole.")


@journal_app.command()
def show(
    context: typer.Context,
    *,
    groups: Groups = None,
    stream: Annotated[str | None, typer.Argument(help="account/NAME, group/NAME or supervisor; absent = all.")] = None,
    after: Annotated[int, typer.Option(help="Show records after this number.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Show at most so many of each stream.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    overrides: Overrides = None,
) -> None:
    """Print what the journal says, one record a line; exit 1 when it cannot be read."""
    settings = _read_or_refuse(context, groups, overrides)
    try:
        for line in show_journal(settings.general.journal_url, stream, after, limit, json_lines=json_lines):
            typer.echo(line)
    except (JournalError, ValueError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


@app.command("version")
def show_version() -> None:
    """Print the version and the digest of the code."""
    try:
        release = version("hedgevisor")
    except PackageNotFoundError:
        release = "not installed"
    typer.echo(f"hedgevisor {release}, code {build_digest(code_root())}")


async def _run(
    settings: Settings,
    read: Callable[[], Settings],
    ray_address: str,
    *,
    live: bool,
    until_done: bool,
    release: frozenset[str],
) -> int:
    """Prepare everything, run, and put everything back, whatever ends it. Cancelled = interrupted while preparing."""
    state_dir = settings.general.state_dir
    terminal = Terminal(Console(file=sys.stdout))
    server = StatusServer(settings.supervisor.host, settings.supervisor.port)
    notifier = Notifier(settings.notifications, wall_now)
    lock = HostLock(str(state_dir), STREAM)
    # Two state folders may name one journal: whoever writes there is alone, too.
    journal_lock = HostLock(str(parse_location(settings.general.journal_url).directory), STREAM)
    store = open_store(settings.general.journal_url)
    simulator: Simulator | None = None
    urls: dict[str, str] = {}
    interrupts = Interrupts()
    with interrupts.heard(), redirect_stdout(LibraryTalk()):
        async with AsyncExitStack() as ends:
            ends.callback(close_logs)
            ends.callback(lock.release)
            ends.callback(journal_lock.release)
            ends.push_async_callback(store.close)
            with interrupts.breaking_off():
                state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # positions are nobody else's business
                try:
                    await lock.acquire(wait_s=0)
                    await journal_lock.acquire(wait_s=0)
                except LockHeldError as error:
                    raise LockHeldError(f"{error}.\n{await who_owns(store, desired(settings))}") from error
                log_to_file(state_dir / "logs" / "supervisor.jsonl", debug=settings.general.debug, actor=STREAM)
                ends.push_async_callback(server.close)
                server.bind()
                again = partial(proposal, settings, read, urls, live=live, secrets_here=not ray_address)
                desk = Desk(
                    settings.supervisor,
                    settings.telemetry,
                    state_dir,
                    settings.general.journal_url,
                    (again, partial(_check_journals, store, settings)),
                    settings.general.language,
                )
                await _check_journals(store, settings, desired(settings))
                await check_no_panic(desired(settings))
                if settings.simulated_venues():
                    simulator = Simulator(settings.simulator_arguments(), state_dir / "simulator")
                    ends.push_async_callback(simulator.stop)
                    found = await simulator.start()
                    urls |= {"lighter": found.lighter.url, "backpack": found.backpack.url}
                    settings = settings.with_simulator_at(urls)
                missing = () if ray_address else missing_secrets(settings)  # elsewhere, they are where the actors are
                if missing:
                    raise SettingsError(missing)
                hosts_warm = warm_modules(settings.venues, (group.strategy for group in settings.groups.values()))
                hosts = await ends.enter_async_context(ray_kept(state_dir, ray_address, hosts_warm))
            session = Session(
                _supervision(settings, hosts, store, release),
                settings.supervisor,
                server=server,
                terminal=terminal,
                notifier=notifier,
                simulator=simulator,
                until_done=until_done,
                interrupts=interrupts,
                host=HostWatch(state_dir, wall_now),
                desk=desk,
            )
            return await session.run()


async def _check_journals(store: JournalStore, settings: Settings, wanted: Desired) -> None:
    """Look whether the journals bear what is wanted. Raises JournalError when not."""
    await check_streams(store, wanted)
    await check_belonging(store, wanted, settings.general.journal_url, str(settings.source))


async def _panic(settings: Settings, timeout_s: float, *, only: bool) -> int:
    """Close the groups of these settings; `only` = a person has named them, and others are left alone."""
    state_dir = settings.general.state_dir
    if settings.simulated_venues():
        found = running_simulator(state_dir / "simulator")
        settings = settings.with_simulator_at({"lighter": found.lighter.url, "backpack": found.backpack.url})
    if missing := missing_secrets(settings):  # looked for before anything is taken from somebody who has them
        raise SettingsError(missing)
    wanted = targets(desired(settings), settings.groups.keys())
    log_to_file(state_dir / "logs" / "panic.jsonl", debug=settings.general.debug, actor="panic")
    try:
        named = tuple(settings.groups) if only else None
        return await press(wanted, settings.general.journal_url, timeout_s, Console(file=sys.stdout), only=named)
    finally:
        close_logs()


async def _diagnose(settings: Settings, timeout_s: float) -> int:
    """Run the only group of these settings; a simulator is started for it unless one runs."""
    state_dir = settings.general.state_dir
    lock = HostLock(str(state_dir), STREAM)
    async with AsyncExitStack() as ends:
        # Before anything is claimed: a supervisor that runs here must not lose its accounts to a diagnosis.
        await lock.acquire(wait_s=0)
        ends.callback(lock.release)
        if settings.simulated_venues():
            simulator = Simulator(settings.simulator_arguments(), state_dir / "simulator")
            ends.push_async_callback(simulator.stop)
            found = await simulator.start()
            settings = settings.with_simulator_at({"lighter": found.lighter.url, "backpack": found.backpack.url})
        if missing := missing_secrets(settings):
            raise SettingsError(missing)
        await check_no_panic(desired(settings))
        run = wanted(desired(settings), None, wall_now())
        return await run_diagnosis(run, timeout_s, Console(file=sys.stdout), state_dir / "reports")


def _only(settings: Settings, names: Iterable[str] | None) -> Settings:
    """Return the settings with nothing but these groups and their accounts; None = with all of them."""
    wanted = {GroupId(name) for name in names or settings.groups}
    if unknown := sorted(wanted - settings.groups.keys()):
        raise StartError(f"--group: {settings.source} has no group {', '.join(unknown)}.")
    chosen = settings.model_copy(update={"groups": {name: settings.groups[name] for name in sorted(wanted)}})
    accounts = {name: settings.accounts[name] for name in chosen.used_accounts()}
    return chosen.model_copy(update={"accounts": accounts})


def _supervision(settings: Settings, hosts: Hosts, store: JournalStore, release: frozenset[str]) -> Supervision:
    logs = settings.general.state_dir / "logs"
    return Supervision(
        desired(settings),
        settings.supervisor,
        hosts=hosts,
        store=store,
        holder=f"{socket.gethostname()}:{os.getpid()}",
        build=build_digest(code_root()),
        log_file=lambda stream: str(logs / f"{stream.replace('/', '-')}.jsonl"),
        debug=settings.general.debug,
        now=wall_now,
        chance=fraction,
        release=release,
        released_by=presser(),
    )


def _check_command(settings: Settings, *, live: bool, release: frozenset[str]) -> None:
    """Hold the command line against the settings."""
    if needs_live_flag(settings) and not live:
        raise StartError(f"{settings.source} names real venues: add --live to trade with real money.")
    unknown = sorted(release - settings.groups.keys() - settings.used_accounts().keys())
    if unknown:
        raise StartError(f"--release: {settings.source} has no group and no account {', '.join(unknown)}.")


def _read(groups: Path | None, overrides: Iterable[str] | None) -> Settings:
    if groups is None:
        raise StartError("Name the settings file: --groups conf/paper.toml (--help shows everything).")
    return load(groups, environment=os.environ, overrides=overrides or ())


def _read_or_refuse(context: typer.Context, groups: Path | None, overrides: Iterable[str] | None) -> Settings:
    try:
        return _read(groups or context.find_root().params["groups"], overrides)
    except (StartError, SettingsError) as error:
        _refuse(error)


def _deployment(context: typer.Context, groups: Path | None, overrides: Iterable[str] | None) -> Deployment:
    settings = _read_or_refuse(context, groups, overrides)
    return Deployment(
        source=settings.source,
        state_dir=settings.general.state_dir,
        journal_url=settings.general.journal_url,
        token=settings.supervisor.token,
        groups=tuple(settings.groups),
    )


def _refuse(error: Exception) -> NoReturn:
    hint = _HINTS.get(type(error), "")
    typer.echo(f"Nothing was started.\n{error}{hint}", err=True)
    sys.exit(BAD_USAGE)


add_commands(app, _deployment)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
