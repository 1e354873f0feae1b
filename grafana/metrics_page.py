"""The page that explains every metric, made from the table that the exporter itself uses."""

import re
from collections.abc import Iterable
from typing import Any

from actors import metrics, metrics_host, metrics_venue
from actors.metric_kinds import HistogramMetric, Metric
from grafana.rule import Times
from grafana.rules import RULES

Row = Metric[Any] | HistogramMetric

_INTRODUCTION = """# Metrics

`GET /metrics` on the supervisor. Made by `python -m grafana` from the exporter's own table (`actors/metrics.py`,
`actors/metrics_venue.py`, `actors/metrics_host.py`); a test holds them together.

* Base units: seconds, USD, bytes, base quantity of the instrument; a `ratio` of 1 is 100 %.
* Labels are bounded by the settings: a group, a leg, an account, a limit, a venue, a lane, a channel, a reason.
* What has not been reported is absent, never 0. A dead actor shows `up` 0 and keeps its last report; how old that is
  stands in `*_report_timestamp_seconds` and `hedge_group_data_age_seconds`. The naked clock runs on meanwhile.
* Labels stand in brackets; after the arrow, the alerts that read the metric.
* Counters begin anew with each incarnation of an actor; `rate` and `increase` know that.
"""

SECTIONS: tuple[tuple[str, tuple[tuple[Row, ...], ...]], ...] = (
    ("The supervisor", (metrics_host.SUPERVISOR, metrics_host.NOTIFIERS)),
    ("Groups", (metrics.GROUPS, metrics.GROUP_HISTOGRAMS)),
    ("Legs", (metrics.LEGS, metrics.REFUSALS)),
    ("Limits", (metrics.LIMITS,)),
    (
        "Accounts and venues",
        (metrics_venue.ACCOUNTS, metrics_venue.LANES, metrics_venue.STREAMS, metrics_venue.ACCOUNT_HISTOGRAMS),
    ),
    ("Ray and the machine", (metrics_host.RAY, metrics_host.HOST, metrics_host.ACTORS)),
)


def page() -> str:
    """Return the whole page."""
    parts = [_INTRODUCTION]
    for title, tables in SECTIONS:
        rows = [row for table in tables for row in table]
        parts.append(f"## {title}\n\n{_table(rows)}")
    return "\n".join(parts)


def _table(rows: Iterable[Row]) -> str:
    lines = ["| metric | type, unit | meaning |", "|---|---|---|"]
    for row in rows:
        labels = f" [{', '.join(row.labels)}]" if row.labels else ""
        unit = "" if row.unit == "1" else f", {row.unit}"
        alerts = "".join(f" → [{name}](runbook.md#{name.lower()})" for name in _alerts(row.name))
        lines.append(f"| `{row.name}`{labels} | {row.type}{unit} | {row.help}{alerts} |")
    return "\n".join(lines) + "\n"


def _alerts(name: str) -> list[str]:
    # A name may begin another one: only whole words count.
    word = re.compile(rf"\b{name}(_bucket)?\b")
    return [rule.name for rule in RULES if word.search(rule.expression(Times()))]
