"""The table of metrics: named by the rules, fed by what actors really count, and honest about what is not known."""

import ast
import re
from pathlib import Path

import pytest

from actors import metrics
from actors.actor import Histogram
from actors.metrics import Type
from actors.web.exposition import render
from actors.web.refusal import Reason
from tests.actors.scene import group_row, scene

TABLE = (*metrics.SUPERVISOR, *metrics.GROUPS, *metrics.LEGS, *metrics.ACCOUNTS, *metrics.LANES, *metrics.CHANNELS)
HISTOGRAMS = (*metrics.GROUP_HISTOGRAMS, *metrics.ACCOUNT_HISTOGRAMS)
ACTORS = Path(metrics.__file__).parent


def page(seen) -> dict[str, float]:
    """Return every sample of the page by name and labels."""
    lines = [line for line in render(lambda: seen).decode().splitlines() if not line.startswith("#")]
    return {name: float(number) for name, _, number in (line.rpartition(" ") for line in lines)}


def test_every_name_is_unique_and_keeps_the_rules():
    """One prefix, snake case, `_total` for what only rises, base units at the end of durations and money."""
    names = [metric.name for metric in (*TABLE, *HISTOGRAMS)]
    assert len(set(names)) == len(names)
    for metric in (*TABLE, *HISTOGRAMS):
        assert re.fullmatch(r"(hedge|venue)_[a-z_]+", metric.name)
        assert (metric.type is Type.COUNTER) == metric.name.endswith("_total")
        assert set(metric.labels) <= {"group", "leg", "account", "venue", "lane", "channel"}
        assert metric.help.endswith(".")
        if metric.unit in {"seconds", "usd", "base"}:
            assert metric.unit in metric.name


def named(methods: set[str], *files: str) -> set[str]:
    """Return every name that the actors' code gives to these methods of its meter; an f-string counts by its start."""
    found: set[str] = set()
    for path in (path for name in files for path in sorted(ACTORS.glob(name))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
                found |= {each.value for each in ast.walk(node.args[0]) if _is_text(each)} if node.args else set()
    return found


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_every_count_of_an_account_is_exported_and_every_exported_one_is_counted():
    """A counter without a metric is blind; a metric without a counter lies at zero for ever."""
    exported = {
        m.name.removeprefix("venue_").removesuffix("_total") for m in metrics.ACCOUNTS if m.type is Type.COUNTER
    }
    # The venue client counts its reconnects itself; the restarts are the supervisor's.
    assert named({"count"}, "account/*.py") == exported - {"reconnects", "account_restarts"}
    assert named({"observe", "timed"}, "account/*.py") == {metric.key for metric in metrics.ACCOUNT_HISTOGRAMS}


def test_every_measurement_of_a_group_is_exported():
    """The same for groups."""
    exported = {m.name.removeprefix("hedge_group_").removesuffix("_total") for m in metrics.GROUPS}
    counted = named({"count"}, "group.py", "group_accounts.py", "group_log.py")
    assert {name for name in counted if not any(each.startswith(name) for each in exported)} == {"stopped"} - exported
    assert named({"observe", "timed"}, "group.py", "group_accounts.py", "group_log.py") == {
        m.key for m in metrics.GROUP_HISTOGRAMS
    }


def test_every_count_of_the_supervisor_is_exported():
    """What is refused has a metric for each reason, and every count of telemetry has one."""
    exported = {m.name.removeprefix("hedge_").removesuffix("_total") for m in metrics.SUPERVISOR}
    assert {f"http_refused_{reason}" for reason in Reason} <= exported
    assert named({"count"}, "telemetry/*.py") <= exported
    assert page(scene(counters={"http_refused_token": 3}))["hedge_http_refused_token_total"] == 3


def test_a_dead_actor_shows_up_zero_and_what_it_never_said_is_absent():
    """No answer is not zero: nothing but `up`, epoch and restarts is known of an account that never reported."""
    samples = page(scene())
    assert samples['venue_account_up{account="b",venue="backpack"}'] == 0
    assert samples['venue_account_up{account="a",venue="lighter"}'] == 1
    about_b = {name.partition("{")[0] for name in samples if 'account="b"' in name and name.startswith("venue")}
    assert about_b == {"venue_account_up", "venue_account_epoch", "venue_account_restarts_total"}


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ('venue_orders_unknown{account="a",venue="lighter"}', 1),
        ('venue_oldest_unknown_seconds{account="a",venue="lighter"}', 1),
        ('venue_stream_age_seconds{account="a",venue="lighter"}', 4.5),
        ('venue_equity_usd{account="a",venue="lighter"}', 10000.25),
        ('venue_fills_total{account="a",venue="lighter"}', 5),
        ('venue_queue_length{account="a",lane="ENTRY",venue="lighter"}', 3),
        ('venue_sign_seconds_bucket{account="a",le="1.0",venue="lighter"}', 3),
        ('venue_sign_seconds_bucket{account="a",le="+Inf",venue="lighter"}', 4),
        ('venue_sign_seconds_sum{account="a",venue="lighter"}', 9.5),
        ('hedge_leg_believed_base{account="a",group="g",leg="short"}', -1.5),
        ('hedge_leg_value_usd{account="a",group="g",leg="long"}', 3000),
        ('hedge_group_net_exposure_usd{group="g"}', 0),
        ('hedge_group_outcome{group="g"}', 0),
        ("hedge_supervisor_epoch", 4),
    ],
)
def test_numbers_are_what_the_reports_say(sample, value):
    """Each number on the page comes from one report."""
    assert page(scene())[sample] == value


def test_trouble_shows_as_parked():
    """A group that the supervisor parked is parked, whatever its strategy last said."""
    assert page(scene(groups={"g": group_row(trouble="died")}))['hedge_group_outcome{group="g"}'] == 2


def test_buckets_add_up():
    """Prometheus wants each bucket to hold all below it."""
    histogram = Histogram(bounds=(1.0, 2.0), counts=(1, 2, 3), total=12.0)
    assert metrics.cumulative(histogram) == [("1.0", 1.0), ("2.0", 3.0), ("+Inf", 6.0)]
