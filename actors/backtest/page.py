"""A backtest's result for people: rows of figures at the terminal, one HTML page with plots."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from itertools import accumulate

from rich.table import Table

from actors.backtest.figures import Figures, days
from actors.backtest.plot import Dot, Point, plot

_DOTS_MAX = 4000
"""More fills than this are thinned in the plot; the figures count them all."""
_MS = 1000
_MINUTE_MS = 60 * _MS
_MINUTES_A_DAY = 24 * 60
_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; max-width: 1120px; margin: 2em auto; padding: 0 1em; color: #1c2430; }
table { border-collapse: collapse; } td, th { padding: .2em .9em .2em 0; text-align: left; vertical-align: top; }
figure { margin: 1.6em 0; } figcaption { font-weight: 600; margin-bottom: .3em; } svg { width: 100%; height: auto; }
text { font-size: 11px; fill: #5b6675; } .grid { stroke: #e3e7ee; } .line { fill: none; stroke: #2457c5; }
.buy { fill: #1a8a4a; } .sell { fill: #c0392b; } ul { padding-left: 1.2em; }
@media (prefers-color-scheme: dark) {
  body { background: #12161c; color: #dde3ec; } .grid { stroke: #2a313c; } .line { stroke: #7aa2ff; }
}
"""


def rows(figures: Figures) -> list[tuple[str, str]]:
    """Return every figure with its name, for people."""
    ratio = "none ordered" if figures.fill_ratio is None else f"{figures.fill_ratio:.2%}"
    return [
        ("strategy", figures.strategy),
        ("market time", _played(figures)),
        ("PnL", f"{figures.pnl:+.4f} USD, after fees and funding"),
        ("fees", f"{figures.fees:.4f} USD"),
        ("funding", f"{figures.funding:+.4f} USD"),
        ("turnover", f"{figures.turnover:.2f} USD"),
        ("maximum draw-down", f"{figures.max_drawdown:.4f} USD"),
        ("largest inventory", f"{figures.max_inventory.normalize():f}"),
        ("naked", f"{figures.naked_s:.1f} s, {figures.naked_usd_s:.0f} USD·s"),
        ("orders", f"{figures.orders}, {ratio} of their quantity filled"),
        ("fills", f"{figures.fills}, {figures.maker_fills} as maker"),
        ("cycles", f"{figures.cycles}, {figures.outcome}: {figures.reason}"),
        ("liquidations", str(figures.liquidations)),
        ("warnings", str(figures.warnings)),
        ("open at the end", ", ".join(f"{leg} {held}" for leg, held in figures.open_at_end.items()) or "nothing"),
        ("seed, digest of fills", f"{figures.seed}, {figures.digest}"),
    ]


def table(results: Sequence[Figures]) -> Table:
    """Return one column a group."""
    shown = Table("", *(each.group for each in results))
    for lines in zip(*(rows(each) for each in results), strict=True):
        shown.add_row(lines[0][0], *(value for _, value in lines))
    return shown


def page(figures: Figures) -> str:
    """Return the whole page as HTML, complete in itself."""
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows(figures))
    every = -(-len(figures.marks) // _DOTS_MAX) or 1
    dots = [Dot(m.at, float(m.price), "buy" if m.signed > 0 else "sell") for m in figures.marks[::every]]
    samples = figures.samples
    plots = (
        plot("Equity, USD", [Point(s.at, float(s.equity)) for s in samples]),
        plot("Inventory: sum of all legs, base units", inventory(figures), step=True),
        plot("Price and fills (green bought, red sold), USD", [Point(s.at, float(s.price)) for s in samples], dots),
    )
    said = "".join(f"<li>{escape(text)}</li>" for text in figures.said)
    title = escape(f"{figures.group}: {figures.strategy}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><table>{cells}</table>{''.join(plots)}"
        + (f"<h2>Warnings</h2><ul>{said}</ul>" if said else "")
        + "</body></html>\n"
    )


def inventory(figures: Figures) -> list[Point]:
    """Return what all legs together hold, from fill to fill: a hedge that follows within the minute shows as such."""
    signed = accumulate((mark.signed for mark in figures.marks), initial=Decimal(0))
    moments = (figures.began_at, *(mark.at for mark in figures.marks))
    points = [Point(at, float(held)) for at, held in zip(moments, signed, strict=True)]
    return [*points, Point(max(figures.ended_at, points[-1].at), points[-1].value)]


def _played(figures: Figures) -> str:
    """Say how long the run was, and that the tape went on when the group was over before it."""
    lasted = days(figures)
    shown = f"{lasted:.2f} days" if lasted >= 1 else f"{lasted * _MINUTES_A_DAY:.1f} minutes"
    text = f"{shown} from {_clock(figures.began_at)}"
    left = figures.tape_ends_at - figures.ended_at
    return (
        text
        if left < _MINUTE_MS
        else f"{text}; the group was over then, the tape goes to {_clock(figures.tape_ends_at)}"
    )


def _clock(moment: int) -> str:
    return datetime.fromtimestamp(moment / _MS, UTC).strftime("%Y-%m-%d %H:%M UTC")
