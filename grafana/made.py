"""Every file of this repository that code makes: a test holds each against what the code makes now."""

from pathlib import Path

from grafana import board, metrics_page, rule_files
from grafana.dashboards import BOARDS
from grafana.rule import Times

ROOT = Path(__file__).resolve().parent.parent


def made() -> dict[Path, str]:
    """Return path → text of every file that is made."""
    rules = {ROOT / "grafana" / "alerts" / name: text for name, text in rule_files.files(Times()).items()}
    boards = {ROOT / "grafana" / "dashboards" / f"{name}.json": board.text(each) for name, each in BOARDS.items()}
    return {ROOT / "docs" / "metrics.md": metrics_page.page(), **rules, **boards}
