"""What an actor's process loads is waited for after every death: nothing that it does not need may slip in."""

import subprocess
import sys
from pathlib import Path

import pytest

from actors.hosting.warm import warm_modules

ROOT = Path(__file__).parents[2]
HOST = "import actors.cluster.process"
ACCOUNT = f"{HOST}, actors.account, venues.lighter.venue, venues.backpack.venue"
GROUP = f"{HOST}, actors.group\nactors.group.build_machine.__globals__['STRATEGIES']['liquidation_hedge']"


def _loaded(code: str) -> set[str]:
    """Return the modules of a new process after `code`."""
    told = subprocess.run(  # noqa: S603 - our own interpreter on our own words
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(told.stdout.split())


@pytest.mark.parametrize("code", [HOST, ACCOUNT, GROUP], ids=["spare", "account", "group"])
def test_no_actor_loads_what_only_the_supervisor_needs(code):
    """No terminal, web page, command line, settings or supervision, no database library, nothing to start Ray with."""
    loaded = _loaded(code)
    unwanted = {
        "actors.cluster.connection",
        "actors.supervision",
        "actors.web",
        "actors.notify",
        "conf",
        "rich",
        "typer",
        "pygments",
        "prometheus_client",
        "sqlalchemy",
        "numpy",
        "pandas",
        "lighter",
        "aiohttp.web",
    }
    assert loaded & unwanted == set()


def test_an_account_loads_no_strategy():
    """It executes commands; who decides lives elsewhere."""
    strategies = {name.split(".")[1] for name in _loaded(ACCOUNT) if name.startswith("strategies.")}
    assert strategies == {"domain", "machine", "reconcile"}


def test_a_group_loads_its_own_strategy_and_no_other():
    """What strategies share may come along; the other strategies' models are not built."""
    strategies = {name.split(".")[1] for name in _loaded(GROUP) if name.startswith("strategies.")}
    others = {"simple_hedge", "geometric_grid", "avellaneda_stoikov", "trend_ladder", "smoke_test", "min_order"}
    assert "liquidation_hedge" in strategies
    assert strategies & others == set()


def test_a_spare_has_loaded_all_that_a_group_and_an_account_need():
    """Becoming somebody imports nothing of ours any more; what a plug-in brings is not looked for in this package."""
    modules = warm_modules(("lighter", "backpack"), ("liquidation_hedge", "of_a_plug_in"))
    spare = _loaded(f"{HOST}, {', '.join(modules)}")
    needed = _loaded(ACCOUNT) | _loaded(GROUP)
    assert {name for name in needed - spare if name.startswith(("actors", "venues", "strategies"))} == set()
    assert "strategies.flatten.machine" in spare


def test_an_actor_without_rich_still_logs_an_exception(tmp_path):
    """The traceback stands in its log file."""
    path = tmp_path / "log.jsonl"
    _loaded(
        f"{HOST}\nimport structlog\nfrom pathlib import Path\nfrom actors.logs import close_logs, log_to_file\n"
        f"log_to_file(Path({str(path)!r}), debug=False)\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    structlog.get_logger('x').exception('it_failed')\nclose_logs()"
    )
    assert "ZeroDivisionError: division by zero" in path.read_text(encoding="utf-8")
    assert "Traceback" in path.read_text(encoding="utf-8")
