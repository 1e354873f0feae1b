"""What code makes is what lies in the repository, names only what exists, and is what Grafana takes."""

import json
import re

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from actors.web.exposition import TABLE
from grafana.__main__ import main
from grafana.board import Rows, expressions, text
from grafana.dashboards import BOARDS
from grafana.made import ROOT, made
from grafana.metrics_page import SECTIONS
from tests.grafana.drill.panels import asked

KNOWN = {metric.name for metric in TABLE}
HISTOGRAMS = {metric.name for metric in TABLE if metric.type == "histogram"}
METRIC = re.compile(r"\b(?:hedge|venue)_[a-z0-9_]+\b")


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_nothing_made_has_been_changed_by_hand_or_forgotten(path):
    """`python -m grafana` would change nothing."""
    assert path.read_text(encoding="utf-8") == made()[path], "run `python -m grafana`"


def test_nothing_lies_there_that_nobody_makes():
    """A dashboard or a rules file that was renamed leaves nothing behind."""
    found = {*ROOT.glob("grafana/dashboards/*.json"), *ROOT.glob("grafana/alerts/*")}
    assert found == {path for path in made() if path.is_relative_to(ROOT / "grafana")}


def test_every_metric_has_its_line_on_the_page():
    """Once, with its meaning: what the exporter has is what the page has."""
    listed = [row.name for _, tables in SECTIONS for table in tables for row in table]
    assert sorted(listed) == sorted(KNOWN)
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert all(page.count(f"| `{metric.name}`") == 1 and metric.help in page for metric in TABLE)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_name_only_metrics_that_exist(board):
    """A histogram is read through its buckets, everything else by its name."""
    for expression in expressions(board):
        for name in METRIC.findall(asked(expression)):
            bare = name.removesuffix("_bucket")
            assert bare in KNOWN, expression
            assert (bare in HISTOGRAMS) == name.endswith("_bucket"), expression


def test_texts_for_people_name_only_metrics_that_exist():
    """The runbook and the manual lead to something."""
    for page in (*ROOT.glob("docs/*.md"), ROOT / "README.md"):
        text_of_page = page.read_text(encoding="utf-8")
        named = set(re.findall(r"`((?:hedge|venue)_[a-z0-9_]+)[`{ ]", text_of_page))
        assert {name.removesuffix("_bucket") for name in named} <= KNOWN, page.name


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_is_what_grafana_takes(board):
    """Read by the SDK's model of Grafana's schema and written again, nothing is lost: every field is a known one."""
    written = json.loads(text(board))
    again = JSONEncoder(sort_keys=True).encode(Dashboard.from_json(json.loads(text(board))))
    assert json.loads(again) == written
    assert written["uid"] == board.uid
    panels = [panel for panel in written["panels"] if panel["type"] != "row"]
    assert len(panels) == sum(len(section.panels) for section in board.sections)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["title"]
        assert panel["description"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${source}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_no_two_panels_lie_on_each_other(board):
    """Every panel has its own place on Grafana's grid."""
    taken = set()
    for panel in json.loads(text(board))["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_column_of_a_table_has_a_name():
    """Grafana calls a column by its query's letter; each of ours has words instead."""
    tables = [panel for board in BOARDS.values() for section in board.sections for panel in section.panels]
    assert all(query.legend for panel in tables if isinstance(panel, Rows) for query in panel.queries)


def test_provisioning_leads_grafana_to_the_dashboards_and_prometheus():
    """The paths in the files are those of the repository; the supervisor's port is the settings' default."""
    folder = ROOT / "grafana" / "provisioning"
    provider = yaml.safe_load((folder / "dashboards" / "hedgevisor.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == "$HEDGEVISOR/grafana/dashboards"
    source = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    prometheus = yaml.safe_load((ROOT / "grafana" / "prometheus.yml").read_text())
    targets = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    paper = (ROOT / "conf" / "paper.toml").read_text(encoding="utf-8")
    assert targets == [f"127.0.0.1:{re.search(r'^port = ([0-9]+)', paper, re.MULTILINE).group(1)}"]


def test_rules_for_a_drill_go_into_a_folder_of_their_own(tmp_path, capsys):
    """Shorter times and a runbook elsewhere, written there; nothing of the repository changes."""
    assert main(["--rules-to", str(tmp_path), "--scale", "0.1", "--runbook", "https://example.com/book"]) == 0
    money = (tmp_path / "money.yml").read_text()
    assert "runbook_url: https://example.com/book#hedgenakedexposure" in money
    rule = next(each for each in yaml.safe_load(money)["groups"][0]["rules"] if each["alert"] == "HedgeNakedExposure")
    assert rule["for"] == "1s"
    assert "[6m]" in rule["expr"]
    assert "wrote" in capsys.readouterr().out
    assert main(["--rules-to", str(tmp_path), "--scale", "0.1", "--runbook", "https://example.com/book"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("options", [["--scale", "0.1"], ["--runbook", "x"], ["--rules-to", "x", "--scale", "0"]])
def test_the_rules_of_the_repository_are_never_written_with_other_times(options, capsys):
    """A mistake on the command line changes nothing and says what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert capsys.readouterr().err
