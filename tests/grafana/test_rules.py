"""Every alert rule, played by promtool: it fires when it should, with the number, and keeps quiet when it should."""

import re
import subprocess

import pytest
import yaml

from actors.web.exposition import TABLE
from grafana.made import ROOT
from grafana.rule import Rule, Severity, Times
from grafana.rule_files import files, runbook_url
from grafana.rules import FILES, RULES
from tests.grafana.cases import CASES, Case
from tests.programs import program

BY_NAME = {rule.name: rule for rule in RULES}


def as_promtool_reads(case: Case) -> dict:
    """Return one test of promtool's file."""
    rule, expected = BY_NAME[case.rule], []
    if case.summary is not None:
        annotations = {"summary": case.summary, "runbook_url": runbook_url(rule)}
        labels = {"severity": rule.severity.value, **case.labels}
        expected = [{"exp_labels": labels, "exp_annotations": annotations}]
    return {
        "interval": "5s",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": f"{case.at_s}s", "alertname": case.rule, "exp_alerts": expected}],
    }


def run(arguments: list[str], folder, name: str = "promtool") -> str:
    """Run promtool or amtool; return what it says, fail with it when it is not content."""
    done = subprocess.run([program(name), *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_promtool_takes_the_rules(tmp_path, scale):
    """As they are, and shortened for a drill: same expressions, only times differ."""
    made = files(Times(scale, shortest_window_s=4))
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    said = run(["check", "rules", *made], tmp_path)
    assert sum(map(int, re.findall(r"(\d+) rules found", said))) == len(RULES)


def test_both_programs_take_the_repositorys_own_configuration():
    """As the README starts them: Prometheus finds the rules from its file, Alertmanager knows its routes."""
    said = run(["check", "config", "grafana/prometheus.yml"], ROOT)
    assert sum(map(int, re.findall(r"(\d+) rules found", said))) == len(RULES)
    assert "SUCCESS" in run(["check-config", "grafana/alertmanager.yml"], ROOT, "amtool")


def test_every_rule_fires_when_it_should_and_only_then(tmp_path):
    """With the labels and the very words that a person gets."""
    tests = []
    for name, text in files(Times()).items():
        (tmp_path / name).write_text(text)
        # Each file of rules by itself: promtool evaluates all that a test loads, at every step.
        mine = {rule.name for rule in FILES[name.removesuffix(".yml")]}
        body = {
            "rule_files": [name],
            "evaluation_interval": "5s",
            "tests": [as_promtool_reads(case) for case in CASES if case.rule in mine],
        }
        tests.append(f"test-{name}")
        (tmp_path / tests[-1]).write_text(yaml.safe_dump(body))
    run(["test", "rules", *tests], tmp_path)


def test_every_rule_has_a_case_of_both_kinds():
    """A rule that nobody saw firing is a hope; one that nobody saw quiet is noise. The watchdog always fires."""
    firing = {case.rule for case in CASES if case.summary is not None}
    quiet = {case.rule for case in CASES if case.summary is None}
    assert firing == set(BY_NAME)
    assert quiet == set(BY_NAME) - {rule.name for rule in RULES if rule.severity is Severity.NONE}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_reads_what_exists_and_has_a_page_in_the_runbook(rule: Rule):
    """No alert on a metric that nobody exports; no alert without a word on what to look at and what to press."""
    expression = rule.expression(Times())
    named = set(re.findall(r"\b(?:hedge|venue)_[a-z_]+", expression + rule.summary))
    known = {metric.name for metric in TABLE}
    assert {name.removesuffix("_bucket") for name in named} <= known
    assert "$value" in rule.summary or ".Value" in rule.summary, "a summary names the number"
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    page = re.search(rf"^### {rule.name}\n(.*?)(?=^#|\Z)", runbook, re.DOTALL | re.MULTILINE)
    assert page is not None
    assert "Look at" in page.group(1)
    assert "Press" in page.group(1)


def test_the_runbook_has_no_page_for_an_alert_that_is_not_there():
    """What was renamed or removed is removed there, too."""
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (Hedge\w+)$", runbook, re.MULTILINE)) == set(BY_NAME)
