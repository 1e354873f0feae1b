"""Every metric: name, type, unit, labels, meaning, and where its number comes from. Nothing is exported elsewhere.

Base units only (seconds, USD, base quantity); labels are bounded by the settings. What has not been reported is not
exported: no answer is not zero. A dead actor shows `up` 0 and keeps its last report.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from actors.actor import AccountStatus, GroupStatus, Histogram, Liveness
from actors.notify.channel import ChannelHealth
from actors.supervision.overview import AccountRow, ActorRow, GroupRow, Overview
from strategies.domain.account import AccountMode
from strategies.domain.ids import Timestamp
from strategies.domain.order import Lane
from strategies.machine import LegView, Outcome

_MS = 1000
Number = float | int | Decimal | None

R = TypeVar("R")


class Type(StrEnum):
    """Prometheus's kinds."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric(Generic[R]):
    """One row of the table: `read` takes the number out of one source; None = not known, so not exported."""

    name: str
    type: Type
    unit: str
    labels: tuple[str, ...]
    help: str
    read: Callable[[R], Number]


@dataclass(frozen=True)
class HistogramMetric:
    """A duration histogram that actors keep; `key` is its name in the actor's report."""

    name: str
    labels: tuple[str, ...]
    help: str
    key: str
    type: Type = Type.HISTOGRAM
    unit: str = "seconds"


@dataclass(frozen=True)
class Leg:
    """One leg of one group, as a source."""

    view: LegView
    mark: Decimal | None


@dataclass(frozen=True)
class LaneOf:
    """One lane of one account, as a source."""

    status: AccountStatus
    lane: Lane


@dataclass(frozen=True)
class ChannelAt:
    """One channel of notifications at one moment, as a source."""

    health: ChannelHealth
    at: Timestamp


_GROUP = ("group",)
_LEG = ("group", "leg", "account")
_ACCOUNT = ("account", "venue")
_LANE = ("account", "venue", "lane")
_CHANNEL = ("channel",)

OUTCOMES = {Outcome.RUNNING: 0, Outcome.FINISHED: 1, Outcome.PARKED: 2}
MODES = {AccountMode.DISARMED: 0, AccountMode.ARMED: 1, AccountMode.FROZEN: 2, AccountMode.STOPPED: 3}


def _metric(name: str, unit: str, labels: tuple[str, ...], text: str, read: Callable[[R], Number]) -> Metric[R]:
    # Prometheus's own rule: what only rises is called `_total`, and nothing else is.
    kind = Type.COUNTER if name.endswith("_total") else Type.GAUGE
    return Metric(name=name, type=kind, unit=unit, labels=labels, help=text, read=read)


def _own(name: str, unit: str, text: str, read: Callable[[Overview], Number]) -> Metric[Overview]:
    return _metric(name, unit, (), text, read)


def _group(name: str, unit: str, text: str, read: Callable[[GroupRow], Number]) -> Metric[GroupRow]:
    return _metric(name, unit, _GROUP, text, read)


def _leg(name: str, unit: str, text: str, read: Callable[[Leg], Number]) -> Metric[Leg]:
    return _metric(name, unit, _LEG, text, read)


def _account(name: str, unit: str, text: str, read: Callable[[AccountRow], Number]) -> Metric[AccountRow]:
    return _metric(name, unit, _ACCOUNT, text, read)


def _lane(name: str, unit: str, text: str, read: Callable[[LaneOf], Number]) -> Metric[LaneOf]:
    return _metric(name, unit, _LANE, text, read)


def _channel(name: str, unit: str, text: str, read: Callable[[ChannelAt], Number]) -> Metric[ChannelAt]:
    return _metric(name, unit, _CHANNEL, text, read)


def _reported(read: Callable[[GroupStatus], Number]) -> Callable[[GroupRow], Number]:
    return lambda row: None if row.status is None else read(row.status)


def _told(read: Callable[[AccountStatus], Number]) -> Callable[[AccountRow], Number]:
    return lambda row: None if row.status is None else read(row.status)


def _group_count(key: str) -> Callable[[GroupRow], Number]:
    return _reported(lambda status: status.counters.get(key, 0))


def _account_count(key: str) -> Callable[[AccountRow], Number]:
    return _told(lambda status: status.counters.get(key, 0))


def _own_count(key: str) -> Callable[[Overview], Number]:
    return lambda seen: seen.counters.get(key, 0)


def _up(actor: ActorRow) -> int:
    return int(actor.liveness is Liveness.ALIVE)


def _net_usd(status: GroupStatus) -> Number:
    return None if status.view.mark is None else status.view.net * status.view.mark


def _naked_for(status: GroupStatus) -> Number:
    return 0 if status.naked_since is None else (status.at - status.naked_since) / _MS


def _oldest_doubt(status: AccountStatus) -> Number:
    return (status.at - min(status.unknown.values())) / _MS if status.unknown else 0


def _since(moment: int | None, at: int) -> Number:
    return None if moment is None else max(0, at - moment) / _MS


SUPERVISOR: tuple[Metric[Overview], ...] = (
    _own(
        "hedge_supervisor_heartbeat_timestamp_seconds",
        "seconds",
        "When the supervisor's own loop last turned, seconds since 1970.",
        lambda seen: seen.beat_at / _MS,
    ),
    _own(
        "hedge_supervisor_epoch",
        "1",
        "Epoch of the supervisor in the journal; it rises with each start.",
        lambda seen: seen.supervisor_epoch,
    ),
    _own("hedge_supervisor_spares", "1", "Warm processes that wait.", lambda seen: seen.spares),
    _own(
        "hedge_telemetry_bots_online",
        "1",
        "Bots that have not missed two of their own intervals.",
        _own_count("telemetry_bots_online"),
    ),
    _own(
        "hedge_telemetry_bots_offline",
        "1",
        "Bots that have; prune forgets them.",
        _own_count("telemetry_bots_offline"),
    ),
    *(
        _own(f"hedge_{key}_total", "1", text, _own_count(key))
        for key, text in (
            ("http_refused_host", "Requests refused because they named a host that is not us."),
            ("http_refused_origin", "Writes refused because a page of somebody else sent them."),
            ("http_refused_token", "Writes refused for a missing or wrong token."),
            ("http_refused_request", "Requests refused because they were not what the endpoint takes."),
            ("http_refused_state", "Requests that were understood and not possible as things were."),
            ("telemetry_heartbeats", "Heartbeats taken, of ours and of other bots."),
            ("telemetry_rounds", "Rounds of our own heartbeats that arrived."),
            ("telemetry_failures", "Rounds of our own heartbeats of which some did not arrive."),
        )
    ),
)

GROUPS: tuple[Metric[GroupRow], ...] = (
    _group("hedge_group_up", "1", "1 while the group actor reports, else 0.", lambda row: _up(row.actor)),
    _group("hedge_group_epoch", "1", "Epoch of the group's latest incarnation.", lambda row: row.actor.epoch),
    _group("hedge_group_restarts_total", "1", "Successors started by this supervisor.", lambda row: row.actor.restarts),
    _group(
        "hedge_group_report_timestamp_seconds",
        "seconds",
        "When the group last reported, seconds since 1970.",
        lambda row: None if row.actor.heard_at is None else row.actor.heard_at / _MS,
    ),
    _group(
        "hedge_group_outcome",
        "1",
        "0 running, 1 finished, 2 parked.",
        lambda row: 2 if row.trouble else None if row.status is None else OUTCOMES[row.status.view.outcome],
    ),
    _group(
        "hedge_group_stopped",
        "1",
        "1 when the group decides no more (divergence, poison event).",
        _reported(lambda status: int(bool(status.stopped))),
    ),
    _group(
        "hedge_group_hedged",
        "1",
        "1 when the strategy holds that no more than rounding is uncovered.",
        _reported(lambda status: int(status.view.hedged)),
    ),
    _group(
        "hedge_group_phase_seconds",
        "seconds",
        "Time in the present phase.",
        _reported(lambda status: _since(status.view.phase_since, status.at)),
    ),
    _group(
        "hedge_group_cycle", "1", "Number of the running or last cycle.", _reported(lambda status: status.view.cycle)
    ),
    _group(
        "hedge_group_cycles_done_total",
        "1",
        "Cycles done in the life of the group.",
        _reported(lambda status: status.view.cycles_done),
    ),
    _group(
        "hedge_group_net_exposure_base",
        "base",
        "Uncovered quantity, signed: the sum of all legs.",
        _reported(lambda status: status.view.net),
    ),
    _group("hedge_group_net_exposure_usd", "usd", "The same at the mark price.", _reported(_net_usd)),
    _group("hedge_group_mark_price_usd", "usd", "Price used for values.", _reported(lambda status: status.view.mark)),
    _group(
        "hedge_group_naked_for_seconds",
        "seconds",
        "How long more than half a lot has been uncovered now; 0 = covered.",
        _reported(_naked_for),
    ),
    _group(
        "hedge_group_naked_seconds_total",
        "seconds",
        "Sum of all such intervals since the incarnation's start.",
        _reported(lambda status: status.naked_seconds),
    ),
    _group(
        "hedge_group_naked_usd_seconds_total",
        "usd seconds",
        "The same, each weighed by what was uncovered.",
        _reported(lambda status: status.naked_usd_seconds),
    ),
    _group(
        "hedge_group_journal_seq",
        "1",
        "Last record of the group's journal stream.",
        _reported(lambda status: status.journal_seq),
    ),
    _group(
        "hedge_group_loop_lag_seconds",
        "seconds",
        "Lag of the group's event loop.",
        _reported(lambda status: status.loop_lag_s),
    ),
    _group("hedge_group_steps_total", "1", "Events decided by this incarnation.", _group_count("steps")),
    _group("hedge_group_stops_total", "1", "Times that this incarnation stopped deciding.", _group_count("stopped")),
    _group(
        "hedge_group_journal_failures_total",
        "1",
        "Appends that did not become durable.",
        _group_count("journal_failures"),
    ),
    *(
        _group(
            f"hedge_group_notifications_{severity}_total",
            "1",
            f"Notifications of severity {severity.upper()}.",
            _group_count(f"notifications_{severity}"),
        )
        for severity in ("info", "warning", "critical")
    ),
)

LEGS: tuple[Metric[Leg], ...] = (
    _leg("hedge_leg_target_base", "base", "Position that the strategy wants, signed.", lambda leg: leg.view.target),
    _leg(
        "hedge_leg_believed_base", "base", "Position that our fills add up to, signed.", lambda leg: leg.view.believed
    ),
    _leg(
        "hedge_leg_reported_base", "base", "Position that the venue last stated, signed.", lambda leg: leg.view.reported
    ),
    _leg(
        "hedge_leg_value_usd",
        "usd",
        "Believed position at the mark price, signed.",
        lambda leg: None if leg.mark is None else leg.view.believed * leg.mark,
    ),
    _leg("hedge_leg_orders_in_flight", "1", "Orders whose end is open.", lambda leg: len(leg.view.in_flight)),
    _leg("hedge_leg_orders_unknown", "1", "Of those, orders in doubt.", lambda leg: len(leg.view.unknown)),
    _leg("hedge_leg_dust_usd", "usd", "What is too small to close.", lambda leg: leg.view.dust_usd),
    _leg("hedge_leg_realized_usd", "usd", "Profit realised, before fees.", lambda leg: leg.view.realized),
    _leg("hedge_leg_fees_usd", "usd", "Fees paid.", lambda leg: leg.view.fees),
)

ACCOUNTS: tuple[Metric[AccountRow], ...] = (
    _account("venue_account_up", "1", "1 while the account actor reports, else 0.", lambda row: _up(row.actor)),
    _account("venue_account_epoch", "1", "Epoch of the account's latest incarnation.", lambda row: row.actor.epoch),
    _account(
        "venue_account_restarts_total", "1", "Successors started by this supervisor.", lambda row: row.actor.restarts
    ),
    _account(
        "venue_account_report_timestamp_seconds",
        "seconds",
        "When the account last reported, seconds since 1970.",
        lambda row: None if row.actor.heard_at is None else row.actor.heard_at / _MS,
    ),
    _account(
        "venue_account_mode", "1", "0 disarmed, 1 armed, 2 frozen, 3 stopped.", _told(lambda status: MODES[status.mode])
    ),
    _account(
        "venue_account_reconciled_timestamp_seconds",
        "seconds",
        "When belief and the venue last agreed, seconds since 1970.",
        _told(lambda status: None if status.reconciled_at is None else status.reconciled_at / _MS),
    ),
    _account("venue_orders_in_flight", "1", "Orders whose end is open.", _told(lambda status: len(status.in_flight))),
    _account("venue_orders_unknown", "1", "Of those, orders in doubt.", _told(lambda status: len(status.unknown))),
    _account(
        "venue_orders_too_old",
        "1",
        "Orders without an outcome for longer than a write lives: a person has to look.",
        _told(lambda status: len(status.too_old)),
    ),
    _account("venue_oldest_unknown_seconds", "seconds", "Age of the oldest doubt; 0 = none.", _told(_oldest_doubt)),
    _account(
        "venue_stream_age_seconds",
        "seconds",
        "Since the content of the stalest channel was last confirmed.",
        _told(lambda status: max(status.stream_ages_s.values(), default=None)),
    ),
    _account(
        "venue_stream_deaf",
        "1",
        "1 while the account's own stream cannot be relied on, so that no entry leaves.",
        _told(lambda status: int(bool(status.deaf))),
    ),
    _account(
        "venue_clock_offset_seconds",
        "seconds",
        "The venue's clock minus ours.",
        _told(lambda status: status.clock_offset_s),
    ),
    _account("venue_equity_usd", "usd", "Equity.", _told(lambda status: status.equity)),
    _account(
        "venue_available_usd", "usd", "What new positions may use as margin.", _told(lambda status: status.available)
    ),
    _account(
        "venue_maintenance_margin_usd",
        "usd",
        "Maintenance requirement of all positions.",
        _told(lambda status: status.maintenance_margin),
    ),
    _account(
        "venue_liquidation_price_usd",
        "usd",
        "Price at which the venue liquidates.",
        _told(lambda status: status.liquidation_price),
    ),
    _account(
        "venue_loop_lag_seconds", "seconds", "Lag of the account's event loop.", _told(lambda status: status.loop_lag_s)
    ),
    *(
        _account(f"venue_{key}_total", "1", text, _account_count(key))
        for key, text in (
            ("fences", "Harmless writes sent under the nonce of an order in doubt."),
            ("fills", "Executions folded."),
            ("freezes", "Times that writes were frozen because somebody else trades here."),
            ("journal_failures", "Appends that did not become durable."),
            ("nonce_resyncs", "Times that the next nonce was learnt anew."),
            ("stale_nonces", "Writes that the venue refused for their nonce alone."),
            ("order_lookups", "Questions to the venue about an order in doubt."),
            ("orders_denied", "Orders that we refused ourselves."),
            ("orders_rejected", "Orders that the venue refused."),
            ("outcomes_unknown", "Writes without a usable answer."),
            ("orders_too_old", "Orders that were called too old: entries stop, a person has to look."),
            ("contradictions", "Look-ups that did not find an order which the venue had acknowledged."),
            ("position_adjustments", "Times that belief followed two agreeing statements of the venue."),
            ("rate_limited", "Refusals for coming too often."),
            ("unreachable", "Writes that did not reach the venue."),
            ("reconnects", "Streams connected again."),
            ("stops_placed", "Resting stops put at the venue."),
            ("stream_gaps", "Stream gaps that were filled by asking."),
        )
    ),
)

LANES: tuple[Metric[LaneOf], ...] = (
    _lane(
        "venue_queue_length",
        "1",
        "Commands that wait in the account's queue.",
        lambda source: source.status.queue_length.get(source.lane),
    ),
    _lane(
        "venue_budget_left",
        "1",
        "Requests that the lane may still send now.",
        lambda source: source.status.budget_left.get(source.lane),
    ),
)

CHANNELS: tuple[Metric[ChannelAt], ...] = (
    _channel("hedge_notifier_sent_total", "1", "Messages that the channel took.", lambda source: source.health.sent),
    _channel(
        "hedge_notifier_failures_total", "1", "Attempts to deliver that failed.", lambda source: source.health.failures
    ),
    _channel(
        "hedge_notifier_dropped_total",
        "1",
        "Messages that will never go out: the queue was full, or the channel takes them never.",
        lambda source: source.health.dropped,
    ),
    _channel(
        "hedge_notifier_waiting", "1", "Messages that wait for the channel.", lambda source: source.health.waiting
    ),
    _channel(
        "hedge_notifier_failing_seconds",
        "seconds",
        "How long nothing has gone out although something was to; 0 = the last attempt succeeded.",
        lambda source: _since(source.health.failing_since, source.at) or 0,
    ),
)

GROUP_HISTOGRAMS: tuple[HistogramMetric, ...] = (
    HistogramMetric("hedge_decide_seconds", _GROUP, "One step of the strategy.", "decide"),
    HistogramMetric("hedge_journal_append_seconds", _GROUP, "One durable append.", "journal_append"),
    HistogramMetric("hedge_submit_call_seconds", _GROUP, "One call from the group to an account.", "submit_call"),
    HistogramMetric(
        "hedge_naked_interval_seconds", _GROUP, "Intervals uncovered by over half a lot.", "naked_interval"
    ),
)

ACCOUNT_HISTOGRAMS: tuple[HistogramMetric, ...] = (
    HistogramMetric("venue_certainty_seconds", _ACCOUNT, "From doubt about a write to proof.", "certainty"),
    HistogramMetric(
        "venue_order_certainty_seconds",
        _ACCOUNT,
        "From an order's identity on the disk to the first proof of what the venue did with it, doubt or not.",
        "order_certainty",
    ),
    HistogramMetric("venue_sign_seconds", _ACCOUNT, "Allocating a nonce and signing.", "sign"),
    HistogramMetric("venue_dequeue_to_wire_seconds", _ACCOUNT, "From the queue to the wire.", "dequeue_to_wire"),
    HistogramMetric("venue_wire_to_answer_seconds", _ACCOUNT, "From the wire to the venue's answer.", "wire_to_answer"),
    HistogramMetric("venue_journal_append_seconds", _ACCOUNT, "One durable append.", "journal_append"),
)


def cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    """Return Prometheus's buckets: each counts everything up to its bound."""
    total, buckets = 0, []
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
