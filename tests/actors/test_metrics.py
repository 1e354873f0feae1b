"""The table of metrics: named by the rules, fed by what actors really count, and honest about what is not known."""

import ast
import re
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors import metrics, metrics_host, metrics_venue
from actors.actor import Histogram, Liveness
from actors.hosting.protocol import ActorKind
from actors.metric_kinds import Type
from actors.notify.channel import ChannelHealth
from actors.supervision.hostwatch import HostWatch
from actors.supervision.overview import AccountRow
from actors.supervision.takeover import panic_ended
from actors.web.exposition import TABLE, render
from actors.web.refusal import Reason
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.machine import LegView, LimitView
from tests.actors.scene import NOW, A, B, G, actor, group_row, scene
from tests.actors.supervision.local import account_status, group_status

ACTORS = Path(metrics.__file__).parent


def page(seen) -> dict[str, float]:
    """Return every sample of the page by name and labels."""
    lines = [line for line in render(lambda: seen).decode().splitlines() if not line.startswith("#")]
    return {name: float(number) for name, _, number in (line.rpartition(" ") for line in lines)}


def test_every_name_is_unique_and_keeps_the_rules():
    """One prefix, snake case, `_total` for what only rises, base units at the end of durations and money."""
    names = [metric.name for metric in TABLE]
    # A counter's family is called without `_total`: two that differ by it alone are one to some readers.
    assert len({name.removesuffix("_total") for name in names}) == len(names)
    for metric in TABLE:
        assert re.fullmatch(r"(hedge|venue)_[a-z_]+", metric.name)
        assert (metric.type is Type.COUNTER) == metric.name.endswith("_total")
        assert set(metric.labels) <= {"group", "leg", "account", "venue", "lane", "channel", "reason", "actor", "limit"}
        assert metric.help.endswith(".")
        if metric.unit in {"seconds", "usd", "base", "bytes", "ratio"}:
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
        m.name.removeprefix("venue_").removesuffix("_total") for m in metrics_venue.ACCOUNTS if m.type is Type.COUNTER
    }
    # The venue client counts its reconnects itself; the restarts are the supervisor's.
    assert named({"count"}, "account/*.py") == exported - {"reconnects", "account_restarts"}
    assert named({"observe", "timed"}, "account/*.py") == {metric.key for metric in metrics_venue.ACCOUNT_HISTOGRAMS}


def test_every_measurement_of_a_group_is_exported():
    """The same for groups."""
    exported = {m.name.removeprefix("hedge_group_").removesuffix("_total") for m in metrics.GROUPS}
    counted = named({"count"}, "group*.py")
    # Refusals are counted by account and reason: `hedge_leg_refusals_total`.
    assert {name for name in counted if not any(each.startswith(name) for each in exported)} == {"stopped"} - exported
    assert named({"observe", "timed"}, "group*.py") == {m.key for m in metrics.GROUP_HISTOGRAMS}


def test_every_count_of_the_supervisor_is_exported():
    """What is refused has a metric for each reason, and every count of telemetry has one."""
    exported = {m.name.removeprefix("hedge_").removesuffix("_total") for m in metrics_host.SUPERVISOR}
    assert {f"http_refused_{reason}" for reason in Reason} <= exported
    assert named({"count"}, "telemetry/*.py") <= exported
    assert page(scene(counters={"http_refused_token": 3}))["hedge_http_refused_token_total"] == 3


def test_a_dead_actor_shows_up_zero_and_what_it_never_said_is_absent():
    """No answer is not zero: nothing but `up`, epoch and restarts is known of an account that never reported."""
    samples = page(scene())
    assert samples['venue_account_up{account="b",venue="backpack"}'] == 0
    assert samples['venue_account_up{account="a",venue="lighter"}'] == 1
    about_b = {name.partition("{")[0] for name in samples if 'account="b"' in name and name.startswith("venue")}
    assert about_b == {
        "venue_account_up",
        "venue_account_epoch",
        "venue_account_restarts_total",
        "venue_account_given_up",
    }


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ('venue_orders_unknown{account="a",venue="lighter"}', 1),
        ('venue_oldest_unknown_seconds{account="a",venue="lighter"}', 1),
        ('venue_stream_age_seconds{account="a",venue="lighter"}', 4.5),
        ('venue_equity_usd{account="a",venue="lighter"}', 10000.25),
        ('venue_fills_total{account="a",venue="lighter"}', 5),
        ('venue_queue_length{account="a",venue="lighter",lane="ENTRY"}', 3),
        ('venue_sign_seconds_bucket{account="a",venue="lighter",le="1.0"}', 3),
        ('venue_sign_seconds_bucket{account="a",venue="lighter",le="+Inf"}', 4),
        ('venue_sign_seconds_sum{account="a",venue="lighter"}', 9.5),
        ('hedge_leg_believed_base{group="g",leg="short",account="a"}', -1.5),
        ('hedge_leg_value_usd{group="g",leg="long",account="a"}', 3000),
        ('hedge_group_net_exposure_usd{group="g"}', 0),
        ('hedge_group_outcome{group="g"}', 0),
        ("hedge_supervisor_epoch", 4),
    ],
)
def test_numbers_are_what_the_reports_say(sample, value):
    """Each number on the page comes from one report."""
    assert page(scene())[sample] == value


def test_the_page_is_what_prometheus_reads():
    """A parser that is not ours finds every metric with its kind and its meaning, and odd names do no harm."""
    strange = scene(groups={'a"b\\c\nd': group_row()})
    families = {each.name: each for each in text_string_to_metric_families(render(lambda: strange).decode())}
    for metric in TABLE:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.type, metric.help)
    ups = families["hedge_group_up"].samples
    assert [(each.labels, each.value) for each in ups] == [({"group": 'a"b\\c\nd'}, 1)]
    buckets = [each for each in families["venue_sign_seconds"].samples if each.name.endswith("_bucket")]
    assert [each.value for each in buckets] == [2, 3, 4]


def test_a_limit_shows_what_is_used_and_whether_it_is_reached():
    """A share of it; nothing where nothing is used up or known; the group's own has no account."""
    status = group_status(G, 1)
    limits = (
        LimitView(
            name="loss_usd_per_day",
            account=None,
            word="pause",
            most=Decimal(50),
            unit="USD",
            used=Decimal(60),
            reached_at=NOW,
        ),
        LimitView(name="slippage", account=A, word="deny", most=Decimal("0.02"), unit="", used=None, denied=2),
    )
    samples = page(scene(groups={"g": group_row(status=status.model_copy(update={"limits": limits}))}))
    loss, slippage = 'group="g",limit="loss_usd_per_day",account=""', f'group="g",limit="slippage",account="{A}"'
    assert samples[f"hedge_limit_used_ratio{{{loss}}}"] == 1.2
    assert samples[f"hedge_limit_reached{{{loss}}}"] == 1
    assert f"hedge_limit_used_ratio{{{slippage}}}" not in samples
    assert samples[f"hedge_limit_reached{{{slippage}}}"] == 0
    assert samples[f"hedge_limit_denials_total{{{slippage}}}"] == 2


def test_trouble_shows_as_parked():
    """A group that the supervisor parks is parked, whatever its strategy last said."""
    assert page(scene(groups={"g": group_row(trouble="died")}))['hedge_group_outcome{group="g"}'] == 2
    assert page(scene(groups={"g": group_row(parking="died")}))['hedge_group_outcome{group="g"}'] == 2


def naked(**changes):
    """Return a group that was naked when it last spoke, a minute ago."""
    status = group_status(G, 2).model_copy(update={"naked_since": Timestamp(NOW - 70_000)})
    silent = actor(ActorKind.GROUP, G, liveness=Liveness.DEAD, heard_at=Timestamp(NOW - 60_000))
    return page(scene(groups={G: group_row(status=status, actor=silent, **changes)}))


def test_the_naked_clock_runs_on_while_the_group_is_silent():
    """What was open when it last spoke is open until somebody says otherwise: a dead group is no covered group."""
    assert naked()['hedge_group_naked_for_seconds{group="g"}'] == 70


def test_a_panic_that_ended_flat_stops_the_naked_clock():
    """The panic has looked at every venue, after the group's last word."""
    flat = naked(trouble=f"taken over; {panic_ended('me', 'flat')}")
    assert flat['hedge_group_naked_for_seconds{group="g"}'] == 0
    still = naked(trouble=f"taken over; {panic_ended('me', 'NOT CONFIRMED FLAT')}")
    assert still['hedge_group_naked_for_seconds{group="g"}'] == 70


def test_exposure_is_as_old_as_the_oldest_report_it_rests_upon():
    """A fresh group over an account that never reported is not fresh."""
    assert page(scene())['hedge_group_data_age_seconds{group="g"}'] == float("inf")
    old = actor(ActorKind.ACCOUNT, B, heard_at=Timestamp(NOW - 9_000))
    accounts = {**scene().accounts, B: AccountRow(actor=old, venue="backpack", status=None)}
    assert page(scene(accounts=accounts))['hedge_group_data_age_seconds{group="g"}'] == 9


@pytest.mark.parametrize(
    ("held", "changes", "pending"),
    [
        ("1.5", {}, 0),
        ("1.5", {"parking": "died"}, 1),
        ("0", {"parking": "died"}, 0),
        ("1.5", {"actor": actor(ActorKind.FLATTEN, G)}, 1),
        ("1.5", {"status": group_status(G, 2, held=1, operator=OperatorState.FLATTEN)}, 1),
        ("1.5", {"parking": "x", "trouble": f"taken over; {panic_ended('me', 'flat')}"}, 0),
    ],
)
def test_a_way_out_is_pending_until_every_leg_is_confirmed(held, changes, pending):
    """Whoever wanted it: the supervisor, the way out itself, or the operator."""
    shown = page(scene(groups={G: group_row(held=held, **changes)}))
    assert shown['hedge_group_flatten_pending{group="g"}'] == pending


def test_a_leg_shows_how_far_it_is_from_its_target_and_from_its_end():
    """Skew, gap in USD, the venue's own statement and the way to liquidation, each from its own source."""
    view = LegView(account=A, target=2, believed="1.5", reported="1.5")
    status = group_status(G, 2)
    status = status.model_copy(update={"view": status.view.model_copy(update={"legs": {"long": view}})})
    told = account_status(A, 2, believed={"ETH-PERP": "2.5"}, reported={"ETH-PERP": "1.25"}, liquidation_price="1900")
    accounts = {A: AccountRow(actor=actor(ActorKind.ACCOUNT, A), venue="lighter", status=told)}
    shown = page(scene(groups={G: group_row(status=status, accounts=(A,))}, accounts=accounts))
    labels = '{group="g",leg="long",account="a"}'
    assert shown[f"hedge_leg_skew_ratio{labels}"] == 0.25
    assert shown[f"hedge_leg_gap_usd{labels}"] == 1000
    assert shown[f"hedge_leg_reported_base{labels}"] == 1.25
    assert shown[f"hedge_leg_disagreement_usd{labels}"] == 2500
    assert shown[f"hedge_leg_liquidation_distance_ratio{labels}"] == 0.05
    assert shown['hedge_group_net_stated_base{group="g"}'] == 1.25


def test_profit_and_funding_of_a_group_are_those_of_all_its_legs_or_of_none():
    """Each leg by its own venue's word; a sum only where every account has said its part: no answer is not zero."""
    views = {"long": LegView(account=A, target=1, believed=1, reported=1)}
    views["short"] = views["long"].model_copy(update={"account": B})
    status = group_status(G, 2)
    status = status.model_copy(update={"view": status.view.model_copy(update={"legs": views})})

    def shown(**of_b) -> dict[str, float]:
        said = {A: {"unrealized": "-2.5", "funding": "0.5", "equity": "1000"}, B: of_b}
        accounts = {
            name: AccountRow(
                actor=actor(ActorKind.ACCOUNT, name), venue="lighter", status=account_status(name, 2, **amounts)
            )
            for name, amounts in said.items()
        }
        return page(scene(groups={G: group_row(status=status)}, accounts=accounts))

    whole = shown(unrealized="4", funding="-0.75", equity="500")
    assert whole['hedge_leg_unrealized_usd{group="g",leg="long",account="a"}'] == -2.5
    assert whole['hedge_leg_funding_usd{group="g",leg="short",account="b"}'] == -0.75
    sums = {name: whole[f'hedge_group_{name}_usd{{group="g"}}'] for name in ("unrealized", "funding", "equity")}
    assert sums == {"unrealized": 1.5, "funding": -0.25, "equity": 1500}
    part = shown(unrealized="4", equity="500")
    assert part['hedge_group_unrealized_usd{group="g"}'] == 1.5
    assert 'hedge_group_funding_usd{group="g"}' not in part
    assert 'hedge_leg_funding_usd{group="g",leg="short",account="b"}' not in part


@pytest.mark.parametrize(
    ("equity", "need", "ratio"),
    [("100", "80", 0.8), ("0", "5", float("inf")), ("-3", "5", float("inf")), ("0", "0", 0)],
)
def test_margin_is_a_share_of_what_is_left(equity, need, ratio):
    """Nothing left against a requirement is the worst there is, never a division by zero."""
    told = account_status(A, 2, equity=equity, maintenance_margin=need)
    shown = page(scene(accounts={A: AccountRow(actor=actor(ActorKind.ACCOUNT, A), venue="lighter", status=told)}))
    assert shown['venue_margin_ratio{account="a",venue="lighter"}'] == ratio


def test_the_machine_is_looked_at_and_its_age_is_told(tmp_path):
    """Every number of the machine is there after one look, and none before."""
    (tmp_path / "journal").write_bytes(b"x" * 5000)
    report = HostWatch(tmp_path, lambda: NOW).look()
    before, after = page(scene()), page(scene(host=report))
    wanted = {name for name in after if name.startswith(("hedge_host_", "hedge_supervisor_memory", "hedge_ray_mem"))}
    assert len(wanted) == 11
    assert not wanted & before.keys()
    assert after["hedge_host_report_timestamp_seconds"] == NOW / 1000
    assert after["hedge_host_state_bytes"] >= 5000
    assert 0 < after["hedge_host_memory_available_bytes"] < after["hedge_host_memory_bytes"]


def test_each_channel_of_notifications_tells_how_it_stands():
    """What was taken, what failed, what waits, and since when nothing went out; a channel that is well shows 0."""
    ill = ChannelHealth(
        name="telegram",
        sent=3,
        failures=5,
        dropped=1,
        waiting=2,
        failing_since=Timestamp(NOW - 90_000),
        last_error="no",
    )
    well = ill.model_copy(update={"name": "mail", "failing_since": None})
    shown = page(scene(channels=(ill, well)))
    told = {name: shown[f'hedge_notifier_{name}{{channel="telegram"}}'] for name in ("sent_total", "failures_total")}
    assert told == {"sent_total": 3, "failures_total": 5}
    assert shown['hedge_notifier_dropped_total{channel="telegram"}'] == 1
    assert shown['hedge_notifier_waiting{channel="telegram"}'] == 2
    assert shown['hedge_notifier_failing_seconds{channel="telegram"}'] == 90
    assert shown['hedge_notifier_failing_seconds{channel="mail"}'] == 0


def test_buckets_add_up():
    """Prometheus wants each bucket to hold all below it."""
    histogram = Histogram(bounds=(1.0, 2.0), counts=(1, 2, 3), total=12.0)
    status = group_status(G, 2).model_copy(update={"histograms": {"decide": histogram}})
    shown = page(scene(groups={G: group_row(status=status)}))
    found = [shown[f'hedge_decide_seconds_bucket{{group="g",le="{bound}"}}'] for bound in ("1.0", "2.0", "+Inf")]
    assert found == [1.0, 3.0, 6.0]
    assert shown['hedge_decide_seconds_count{group="g"}'] == 6
    assert shown['hedge_decide_seconds_sum{group="g"}'] == 12
