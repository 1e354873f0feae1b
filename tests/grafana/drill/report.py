"""What the drill has seen, for people."""

import os
import platform
from collections.abc import Sequence

from grafana.rules import RULES
from strategies.domain.model import Value
from tests.grafana.drill.panels import Answer
from tests.grafana.monitoring import Pace

_HEAD = """# Alert drill

`make alert-drill`: a real Prometheus with this repository's rules scrapes the real supervisor (paper mode, two groups,
six accounts), a real Alertmanager tells a webhook. Each row: a trouble was begun and the webhook heard of it; it was
ended and the webhook heard of that, too.

Times of the rules are shortened by `python -m grafana --scale`: here every `for` and every window is {scale:g} of
production's, and Prometheus scrapes and evaluates every {every:g} s instead of 5 s. Expressions and thresholds are
those of production, so seconds to fire hold the whole of a threshold (45 s of a stale stream) and a share of a `for`.
Seconds to clear count from the end of the trouble, recovery of the deployment included.

Measured on {machine}.

"""
_PANELS = """
## Dashboards

Every expression of every panel, asked of the same Prometheus at the end: {with_data} of {all} return data.

| dashboard | expression | lines |
|---|---|---|
"""


class Row(Value):
    """One alert in one scene."""

    rule: str
    what: str
    summary: str
    fired_s: float | None
    cleared_s: float | None
    problem: str = ""

    @property
    def line(self) -> str:
        """Return a line for the terminal."""
        return (
            f"{self.rule:26} {_seconds(self.fired_s):>8} {_seconds(self.cleared_s):>8}  {self.problem or self.summary}"
        )


class Figures(Value):
    """All that has been seen."""

    rows: tuple[Row, ...] = ()
    panels: tuple[Answer, ...] = ()

    def joined(self, later: "Figures") -> "Figures":
        """Return both, what came later in place of what it repeats, in the order of the rules."""
        rows = {row.rule: row for row in (*self.rows, *later.rows)}
        order = [rule.name for rule in RULES]
        # A panel has data when it had some in one of the runs: each raises other troubles.
        panels: dict[tuple[str, str], Answer] = {}
        for each in (*self.panels, *later.panels):
            before = panels.get((each.board, each.expression))
            if before is None or each.lines > before.lines:
                panels[each.board, each.expression] = each
        asked = {(each.board, each.expression) for each in later.panels}
        return Figures(
            rows=tuple(sorted(rows.values(), key=lambda row: order.index(row.rule))),
            panels=tuple(each for key, each in panels.items() if key in asked or not asked),
        )


def row(
    rule: str,
    what: str,
    summary: str = "",
    fired_s: float | None = None,
    cleared_s: float | None = None,
    problem: str = "",
) -> Row:
    """Return one alert in one scene."""
    return Row(rule=rule, what=what, summary=summary, fired_s=fired_s, cleared_s=cleared_s, problem=problem)


def page(rows: Sequence[Row], panels: Sequence[Answer], pace: Pace) -> str:
    """Return the whole page."""
    machine = (
        f"{os.cpu_count()} processors, Python {platform.python_version()}, load {os.getloadavg()[0]:.0f} at the end"
    )
    head = _HEAD.format(scale=pace.times.scale, every=pace.every_s, machine=machine)
    lines = [
        "| alert | trouble | seconds to fire | seconds to clear | what the webhook was told |",
        "|---|---|---|---|---|",
    ]
    for each in rows:
        told = f"**{each.problem}**" if each.problem else each.summary
        lines.append(f"| {each.rule} | {each.what} | {_seconds(each.fired_s)} | {_seconds(each.cleared_s)} | {told} |")
    seen = {each.rule for each in rows}
    lines += [f"| {rule.name} | | | | **not drilled in this run** |" for rule in RULES if rule.name not in seen]
    if not panels:
        return head + "\n".join(lines) + "\n"
    asked = _PANELS.format(with_data=sum(bool(each.lines) for each in panels), all=len(panels))
    asked += "".join(f"| {each.board} | `{_cell(each.expression)}` | {each.lines} |\n" for each in panels)
    return head + "\n".join(lines) + "\n" + asked


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
