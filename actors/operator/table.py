"""The live table at the terminal, and the plain lines that take its place when nobody looks at a terminal."""

from collections.abc import Iterator
from decimal import Decimal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from actors.actor import GroupStatus, Liveness
from actors.supervision.overview import GroupRow, Overview
from actors.web.risk import is_rounding
from strategies.domain.ids import GroupId, Timestamp
from strategies.machine import GroupView

_MS = 1000
_MINUTE_S = 60
_HOUR_S = 3600
_NOTICES = 3
"""Latest notices below the table; the status page has more."""
_UNKNOWN = "?"
"""Shown where nothing has been reported: no answer is not zero."""
TABLE_FROM = 130
"""Columns of a terminal from which on a table needs to break no word; below, each group gets lines of its own."""
_INDENT = 2
_COLUMNS = (
    ("group", "left"),
    ("phase", "left"),
    ("legs", "left"),
    ("net", "right"),
    ("net USD", "right"),
    ("in phase", "right"),
    ("next", "left"),
    ("unknown", "right"),
    ("naked", "right"),
    ("restarts", "right"),
)


class Picture:
    """Everything as it is now, drawn for the width that there is."""

    def __init__(self, seen: Overview, footer: tuple[str, ...]) -> None:
        """Draw nothing yet."""
        self._seen = seen
        self._footer = footer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the groups, then what else has to be said."""
        if options.max_width >= TABLE_FROM:
            yield _table(self._seen)
        else:
            yield from _cards(self._seen)
        for notice in self._seen.notices[-_NOTICES:]:
            yield Text(notice, style="bold red")
        for line in self._seen.not_ready():
            yield Text(line, style="yellow")
        for line in self._footer:
            yield Text(line, style="dim")


def _table(seen: Overview) -> Table:
    table = Table(expand=True, pad_edge=False)
    for heading, side in _COLUMNS:
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for name, row in seen.groups.items():
        table.add_row(*_cells(name, row, seen), style=_style(row))
    return table


def _cards(seen: Overview) -> Iterator[Text | Padding]:
    """Draw a headline and a few indented lines for each group."""
    for name, row in seen.groups.items():
        head = Text(name, style="bold")
        if row.status is None:
            yield head.append(f"  {row.actor.liveness}", style=_style(row))
            continue
        view = row.status.view
        head.append(f"  {view.operator_state}  {view.phase}", style=_style(row))
        head.append(f"  {_dead(row)}for {duration(seen.at, view.phase_since)}", style="")
        yield head
        lines = [
            row.trouble or row.parking or view.reason,
            _legs(view),
            f"net {signed(view.net)} ({_net_usd(view)} USD)",
        ]
        lines[2] += f"  unknown {_unknown(view)}  restarts {row.actor.restarts}"
        if naked := _naked(row.status, seen):
            lines.append(f"NAKED for {naked}")
        lines.append(f"next: {view.next}")
        yield Padding(Text("\n".join(filter(None, lines)), style=_style(row)), (0, 0, 0, _INDENT))


def _style(row: GroupRow) -> str:
    return "red" if row.trouble or row.parking else ""


class PhaseLines:
    """One line for each change, for logs and pipes."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self._said: dict[str, str] = {}
        self._notices: tuple[str, ...] = ()

    def news(self, seen: Overview) -> Iterator[str]:
        """Yield what has changed since the last call."""
        fresh = [notice for notice in seen.notices if notice not in self._notices]
        self._notices = seen.notices
        yield from fresh
        for name, account in seen.accounts.items():
            mode = account.status.mode if account.status is not None else _UNKNOWN
            text = f"{account.actor.liveness}, {mode}"
            yield from self._if_new(f"Account {name}", text, text)
        for group, row in seen.groups.items():
            yield from self._if_new(f"Group {group}", _stage(row), _phase_line(row))

    def _if_new(self, who: str, stage: str, text: str) -> Iterator[str]:
        if self._said.get(who) != stage:
            self._said[who] = stage
            yield f"{who}: {text}."


def _stage(row: GroupRow) -> str:
    """Return what a new line is due for: quantities change all the time, this does not."""
    view = row.status.view if row.status is not None else None
    where = "" if view is None else f"{view.cycle} {view.phase} {view.outcome} {view.operator_state}"
    return f"{row.actor.liveness} {row.trouble} {where}"


def _phase_line(row: GroupRow) -> str:
    view = row.status.view if row.status is not None else None
    if row.trouble:
        return f"ended in trouble: {row.trouble}"
    if view is None:
        return f"{row.actor.liveness}"
    reason = f" ({view.reason})" if view.reason else ""
    alive = "" if row.actor.liveness is Liveness.ALIVE else f", its actor is {row.actor.liveness}"
    return f"cycle {view.cycle}, {view.phase}{reason}, {_legs(view)}, next: {view.next}{alive}"


def _cells(name: GroupId, row: GroupRow, seen: Overview) -> tuple[str, ...]:
    status = row.status
    if status is None:
        return (name, row.actor.liveness, *([_UNKNOWN] * 7), str(row.actor.restarts))
    view = status.view
    naked = _naked(status, seen)
    return (
        f"{name}\n{view.operator_state}",
        f"{view.phase} {_dead(row)}\n{row.trouble or row.parking or view.reason}",
        _legs(view, "\n"),
        signed(view.net),
        _net_usd(view),
        duration(seen.at, view.phase_since),
        view.next,
        str(_unknown(view)),
        naked,
        str(row.actor.restarts),
    )


def _dead(row: GroupRow) -> str:
    return "" if row.actor.liveness is Liveness.ALIVE else f"[{row.actor.liveness}] "


def _naked(status: GroupStatus, seen: Overview) -> str:
    """Write for how long a group has been uncovered; empty = it is not, or by less than any order could cover."""
    if status.naked_since is None or is_rounding(status.view):
        return ""
    return duration(seen.at, status.naked_since)


def _net_usd(view: GroupView) -> str:
    return _UNKNOWN if view.mark is None else f"{view.net * view.mark:+,.2f}"


def _unknown(view: GroupView) -> int:
    """Count the orders whose outcome is not known."""
    return sum(len(leg.unknown) for leg in view.legs.values())


def _legs(view: GroupView, between: str = ", ") -> str:
    return between.join(f"{name} {signed(leg.believed)}" for name, leg in view.legs.items())


def signed(quantity: Decimal) -> str:
    """Write a quantity with its sign and without needless zeros."""
    text = f"{quantity:+f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"+0", "-0"} else text


def duration(now: Timestamp, since: Timestamp) -> str:
    """Write how long ago `since` was."""
    seconds = max(0, now - since) // _MS
    if seconds >= _HOUR_S:
        return f"{seconds // _HOUR_S}h{seconds % _HOUR_S // _MINUTE_S:02d}m"
    if seconds >= _MINUTE_S:
        return f"{seconds // _MINUTE_S}m{seconds % _MINUTE_S:02d}s"
    return f"{seconds}s"
