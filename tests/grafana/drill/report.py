"""What the drill has seen, for people."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Row:
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


def page(rows: Sequence[Row], panels: Sequence[Answer], pace: Pace) -> str:
    """Return the whole page."""
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    head = _HEAD.format(scale=pace.times.scale, every=pace.every_s, machine=machine)
    lines = [
        "| alert | trouble | seconds to fire | seconds to clear | what the webhook was told |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        told = f"**{row.problem}**" if row.problem else row.summary
        lines.append(f"| {row.rule} | {row.what} | {_seconds(row.fired_s)} | {_seconds(row.cleared_s)} | {told} |")
    asked = _PANELS.format(with_data=sum(bool(each.lines) for each in panels), all=len(panels))
    asked += "".join(f"| {each.board} | `{_cell(each.expression)}` | {each.lines} |\n" for each in panels)
    return head + "\n".join(lines) + "\n" + asked


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
