"""Writes the rules as Prometheus reads them: one file a folder of rules, each alert with its page of the runbook."""

from collections.abc import Mapping
from typing import Any

import yaml

from grafana.rule import Rule, Times
from grafana.rules import FILES

RUNBOOK = "docs/runbook.md"
"""Where `runbook_url` points unless told otherwise: the page in this repository."""
_WIDTH = 120
HEADER = "# Made by `python -m grafana`; change grafana/rules.py instead.\n"


def files(times: Times, runbook: str = RUNBOOK) -> dict[str, str]:
    """Return the text of every rules file by its name."""
    return {f"{name}.yml": HEADER + _text(name, rules, times, runbook) for name, rules in FILES.items()}


def _text(name: str, rules: tuple[Rule, ...], times: Times, runbook: str) -> str:
    body = {"groups": [{"name": f"hedgevisor-{name}", "rules": [_rule(each, times, runbook) for each in rules]}]}
    return dump(body)


def _rule(rule: Rule, times: Times, runbook: str) -> Mapping[str, Any]:
    return {
        "alert": rule.name,
        "expr": rule.expression(times),
        "for": times.wait(rule.for_s),
        "labels": {"severity": rule.severity.value},
        "annotations": {"summary": rule.summary, "runbook_url": runbook_url(rule, runbook)},
    }


def runbook_url(rule: Rule, runbook: str = RUNBOOK) -> str:
    """Return where the alert's page is: headings become anchors in lower case."""
    return f"{runbook}#{rule.name.lower()}"


def dump(body: object) -> str:
    """Write YAML in the order given."""
    return str(yaml.safe_dump(body, sort_keys=False, width=_WIDTH, allow_unicode=True))
