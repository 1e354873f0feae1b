"""`status`: what a running supervisor knows, as tables for a person."""

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from actors.actor import AccountStatus, Liveness
from actors.operator.table import TABLE_FROM, Picture, duration
from actors.supervision.overview import AccountRow, Overview
from strategies.domain.account import AccountMode
from strategies.domain.ids import GroupId

_UNKNOWN = "?"
"""Shown where nothing has been reported: no answer is not zero."""
_COLUMNS = ("account", "venue", "mode", "equity USD", "in flight", "in doubt", "oldest stream", "epoch", "restarts")
_LEFT = 3
"""Columns of words; the rest are numbers."""


def only(seen: Overview, groups: frozenset[GroupId]) -> Overview:
    """Return the picture with nothing but these groups and their accounts; empty = with all of them."""
    if not groups:
        return seen
    chosen = {name: row for name, row in seen.groups.items() if name in groups}
    used = {account for row in chosen.values() for account in row.accounts}
    accounts = {name: row for name, row in seen.accounts.items() if name in used}
    return seen.model_copy(update={"groups": chosen, "accounts": accounts})


def needs_a_look(seen: Overview) -> bool:
    """Say whether something does not live, may not act, or ended badly."""
    return bool(seen.not_ready()) or any(row.trouble or row.parking for row in seen.groups.values())


class StatusPicture:
    """Groups, accounts, and what the supervisor has to say, drawn for the width that there is."""

    def __init__(self, seen: Overview, footer: tuple[str, ...]) -> None:
        """Draw nothing yet."""
        self._seen = seen
        self._footer = footer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the groups, the accounts, and when all of this was true."""
        seen = self._seen
        yield Picture(seen, ())
        if options.max_width >= TABLE_FROM:
            yield _table(seen)
        else:
            for name, row in seen.accounts.items():
                yield Text(f"{name}  ", style="bold").append(_line(row, seen), style=_style(row) or "not bold")
        heard = f"As of {duration(seen.at, seen.beat_at)} ago; supervisor epoch {seen.supervisor_epoch}."
        for line in (heard, *self._footer):
            yield Text(line, style="dim")


def _table(seen: Overview) -> Table:
    table = Table(expand=True, pad_edge=False)
    for position, heading in enumerate(_COLUMNS):
        table.add_column(heading, justify="left" if position < _LEFT else "right", overflow="fold")
    for name, row in seen.accounts.items():
        table.add_row(name, row.venue, *_cells(row, seen), style=_style(row))
    return table


def _line(row: AccountRow, seen: Overview) -> str:
    """Write one account in a line, each number with its name."""
    mode, equity, flying, doubts, stream, epoch, restarts = _cells(row, seen)
    return (
        f"{row.venue}  {mode}  equity {equity} USD, {flying} in flight, {doubts} in doubt, stream {stream}, "
        f"epoch {epoch}, restarts {restarts}"
    )


def _style(row: AccountRow) -> str:
    armed = row.status is None or row.status.mode is AccountMode.ARMED
    return "" if row.actor.liveness is Liveness.ALIVE and armed else "red"


def _cells(row: AccountRow, seen: Overview) -> tuple[str, ...]:
    actor, status = row.actor, row.status
    tail = (str(actor.epoch), str(actor.restarts))
    if status is None:
        return (actor.liveness, *[_UNKNOWN] * 4, *tail)
    mode = status.mode if actor.liveness is Liveness.ALIVE else f"{actor.liveness} (was {status.mode})"
    return (
        mode if status.mode is AccountMode.ARMED else f"{mode}: {status.reason}",
        _UNKNOWN if status.equity is None else f"{status.equity:,.2f}",
        str(len(status.in_flight)),
        _doubts(status, seen),
        _oldest(status),
        *tail,
    )


def _doubts(status: AccountStatus, seen: Overview) -> str:
    if not status.unknown:
        return "0"
    return f"{len(status.unknown)} for {duration(seen.at, min(status.unknown.values()))}"


def _oldest(status: AccountStatus) -> str:
    if not status.stream_ages_s:
        return _UNKNOWN
    channel, age_s = max(status.stream_ages_s.items(), key=lambda each: each[1])
    return f"{channel} {age_s:.0f}s"
