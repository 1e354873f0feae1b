"""An explanation for a person at a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from actors.explain.fold import leg_names
from actors.explain.story import Cause, Cycle, OrderStory
from actors.operator.table import TABLE_FROM, duration, signed
from actors.words import clock_of
from strategies.domain.ids import Timestamp

_MS = 1000
_HASH_SHOWN = 12
"""Characters of a transaction's hash: enough to find it; the JSON has all of them."""
_OWN_PARTS = 2
"""Parts of an order's id before leg, purpose and attempt."""
_INDENT = " " * 14
_CARD_INDENT = 2
_ORDER_COLUMNS = ("order", "asked", "outcome", "filled", "how it is known", "at the venue")


def draw(cycle: Cycle) -> RenderableType:
    """Draw the time line, the orders and what came of it."""
    return Group(
        Text(_headline(cycle), style="bold"),
        Text(""),
        *_time_line(cycle),
        *((Text(""), OrderPicture(cycle.orders)) if cycle.orders else ()),
        *_legs(cycle),
        *(Text(problem, style="bold red") for problem in cycle.problems),
    )


def _headline(cycle: Cycle) -> str:
    which = f"Cycle {cycle.cycle} of {cycle.group}" if cycle.cycle else f"{cycle.group} before its first cycle"
    if cycle.began_at is None:
        return f"{which}: {cycle.outcome}"
    until = "" if cycle.ended_at is None else f" to {clock_of(cycle.ended_at)}"
    lasted = "" if cycle.ended_at is None else f", {duration(cycle.ended_at, cycle.began_at)}"
    return f"{which}, {_day(cycle.began_at)} {clock_of(cycle.began_at)}{until} UTC{lasted}: {cycle.outcome}"


def _time_line(cycle: Cycle) -> Iterator[Text]:
    own = f"group/{cycle.group}"
    shown = 0
    for cause in cycle.causes:
        if cause.before:
            yield _quiet(cause.before)
            shown += cause.before
        yield from _cause(cause, "" if cause.stream == own else f"{cause.stream} ")
    if cycle.quiet > shown:
        yield _quiet(cycle.quiet - shown)


def _quiet(steps: int) -> Text:
    return Text(f"{_INDENT}… {steps} step{'s' if steps > 1 else ''} without consequence", style="dim")


def _cause(cause: Cause, where: str) -> Iterator[Text]:
    line = Text(f"{clock_of(cause.at)}  ", style="dim")
    line.append(cause.what, style="not dim")
    line.append(f"  ({where}#{cause.seq})", style="dim")
    yield line
    for words in cause.decided:
        yield Text(f"{_INDENT}-> {words}", style="cyan")
    if cause.left or cause.why:
        why = f": {cause.why}" if cause.why else ""
        yield Text(f"{_INDENT}=> {cause.phase}{why}", style="bold")
    if cause.net is not None:
        yield Text(f"{_INDENT}   net {signed(cause.net)}", style="yellow" if cause.net else "green")


class OrderPicture:
    """Every order with its outcome and how that is known, drawn for the width that there is."""

    def __init__(self, orders: tuple[OrderStory, ...]) -> None:
        """Draw nothing yet."""
        self._orders = orders

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a table, or, where it would break words, a few lines for each order."""
        if options.max_width < TABLE_FROM:
            yield Text("Orders", style="bold")
            yield from (line for order in self._orders for line in _card(order))
            return
        table = Table(title="Orders", title_justify="left", pad_edge=False, expand=True)
        for heading in _ORDER_COLUMNS:
            table.add_column(heading, overflow="fold")
        for order in self._orders:
            table.add_row(*_order(order), style=_style(order))
        yield table


def _card(order: OrderStory) -> Iterator[Text | Padding]:
    name, asked, outcome, filled, known, venue = _order(order)
    yield Text(f"{name}  ", style="bold").append(f"{outcome}  {filled}", style=_style(order) or "not bold")
    yield Padding(Text(f"{asked}\n{known}\nat the venue: {venue}", style="dim"), (0, 0, 0, _CARD_INDENT))


def _style(order: OrderStory) -> str:
    return "yellow" if order.doubts or order.status in {"OPEN", "REJECTED", "DENIED"} else ""


def _order(order: OrderStory) -> tuple[str, ...]:
    request = order.request
    asked = f"{request.side.lower()} {_plain(request.quantity)} on {order.account}, at worst {_plain(request.price)}"
    price = order.average_price
    filled = _plain(order.filled) + ("" if price is None else f" at {price:.6g}")
    doubt = "".join(
        f"; in doubt for {'ever' if each.until is None else _seconds(each.since, each.until)} ({each.reason})"
        for each in order.doubts
    )
    trades = f"; trades {', '.join(order.trades)}" if order.trades else ""
    known = order.proof or ("nothing is known yet" if order.submitted_at is not None else "it has not left")
    return (
        f"{_short(order)}{' reduce-only' if request.reduce_only else ''}",
        asked,
        order.status + (f" after {_seconds(order.decided_at, order.ended_at)}" if order.ended_at is not None else ""),
        filled,
        known + trades + doubt,
        _identity(order),
    )


def _short(order: OrderStory) -> str:
    """Return the order's id without the group and the cycle that stand above."""
    return " ".join(order.order_id.split(":")[_OWN_PARTS:]) or order.order_id


def _identity(order: OrderStory) -> str:
    parts = (
        ("id", order.client_order_id),
        ("nonce", order.nonce),
        ("tx", None if order.tx_hash is None else f"{order.tx_hash[:_HASH_SHOWN]}…"),
    )
    return ", ".join(f"{name} {value}" for name, value in parts if value is not None) or "it never left"


def _legs(cycle: Cycle) -> Iterator[Text]:
    names = leg_names(cycle)
    for name in names:
        leg = cycle.legs[name]
        money = f"realised {leg.realized:+.4f} USD, fees {leg.fees:.4f} USD"
        yield Text(f"{name} ({leg.account}): holds {signed(leg.held)}, {money}")
    if names:
        total = sum((cycle.legs[name].realized - cycle.legs[name].fees for name in names), start=Decimal(0))
        yield Text(f"Realised on all legs, after fees: {total:+.4f} USD", style="bold")


def _plain(number: Decimal) -> str:
    return signed(number).lstrip("+")


def _seconds(since: Timestamp, until: Timestamp) -> str:
    return f"{(until - since) / _MS:.3f}s"


def _day(at: Timestamp) -> str:
    return datetime.fromtimestamp(at / _MS, tz=UTC).strftime("%Y-%m-%d")
