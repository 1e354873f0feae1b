"""The metrics of groups and legs: name, unit, meaning, and where each number comes from.

Base units only (seconds, USD, base quantity); labels are bounded by the settings. What has not been reported is not
exported: no answer is not zero. A dead actor shows `up` 0 and keeps its last report; `*_age_seconds` says how old the
numbers are, and clocks that mean danger (naked, flatten) run on while nobody reports.

Accounts: `actors/metrics_venue.py`. The supervisor, its processes and its machine: `actors/metrics_host.py`. Every name
with its meaning, for people: docs/metrics.md.
"""

from collections.abc import Callable
from decimal import Decimal

from actors.actor import AccountStatus, GroupStatus
from actors.hosting.protocol import ActorKind
from actors.metric_kinds import (
    GROUP,
    LIMIT,
    MS,
    REFUSAL,
    GroupAt,
    HistogramMetric,
    Leg,
    LimitOf,
    Metric,
    Number,
    RefusalOf,
    group,
    group_count,
    leg,
    metric,
    reported,
    seconds,
    since,
    up,
)
from actors.refusal import counter
from actors.supervision.flatness import open_legs
from actors.supervision.takeover import left_flat
from strategies.domain.events import OperatorState
from strategies.machine import Outcome

OUTCOMES = {Outcome.RUNNING: 0, Outcome.FINISHED: 1, Outcome.PARKED: 2}
OPERATOR_STATES = {OperatorState.RUN: 0, OperatorState.PAUSE: 1, OperatorState.REDUCE: 2, OperatorState.FLATTEN: 3}
_NEVER = float("inf")


def _outcome(seen: GroupAt) -> Number:
    if seen.row.trouble or seen.row.parking:
        return OUTCOMES[Outcome.PARKED]
    return None if seen.row.status is None else OUTCOMES[seen.row.status.view.outcome]


def _net_usd(status: GroupStatus) -> Number:
    return None if status.view.mark is None else status.view.net * status.view.mark


def _gross_usd(status: GroupStatus) -> Number:
    held = sum((abs(leg.believed) for leg in status.view.legs.values()), start=Decimal(0))
    return None if status.view.mark is None else held * status.view.mark


def _added_up(read: Callable[[AccountStatus], Decimal | None]) -> Callable[[GroupAt], Number]:
    """Add up what a group's accounts say; None while one of them has said nothing."""

    def total(seen: GroupAt) -> Number:
        found = Decimal(0)
        for name in seen.row.accounts:
            row = seen.accounts.get(name)
            amount = None if row is None or row.status is None else read(row.status)
            if amount is None:
                return None
            found += amount
        return found

    return total


def _position(status: AccountStatus) -> Decimal | None:
    return next(iter(status.reported.values()), None)


def _naked_for(seen: GroupAt) -> Number:
    """Run on while the group is silent: what was open when it last spoke is open until somebody says otherwise."""
    status = seen.row.status
    if status is None:
        return None
    if status.naked_since is None or left_flat(seen.row.trouble):
        return 0
    return max(0, seen.at - status.naked_since) / MS


def _flatten_pending(seen: GroupAt) -> Number:
    row = seen.row
    wanted = bool(row.parking) or row.actor.kind is ActorKind.FLATTEN
    if row.status is None:
        return 1 if wanted else None
    wanted = wanted or row.status.view.operator_state is OperatorState.FLATTEN
    return int(wanted and bool(open_legs(row.status.view)) and not left_flat(row.trouble))


def _data_age(seen: GroupAt) -> Number:
    """Return the age of the oldest report that the group's exposure rests upon: its own and its accounts'."""
    actors = [seen.row.actor, *(row.actor for name in seen.row.accounts if (row := seen.accounts.get(name)))]
    ages = [since(actor.heard_at, seen.at) for actor in actors]
    return max(_NEVER if age is None else age for age in ages)


def _distance(source: Leg) -> Number:
    mark, status = source.mark, source.status
    if mark is None or status is None or status.liquidation_price is None or not source.view.believed:
        return None
    return abs(mark - status.liquidation_price) / mark


def _stated(source: Leg) -> Decimal | None:
    """Return the account's own latest statement of its venue: fresher than the group's last look."""
    return source.view.reported if source.status is None else _position(source.status)


def _disagreement_usd(source: Leg) -> Number:
    """Compare what the group believes, what the account's fills add up to, and what the venue states."""
    stated, mark = _stated(source), source.mark
    if stated is None or mark is None:
        return None
    beliefs: list[Decimal] = [source.view.believed]
    beliefs += [] if source.status is None else source.status.believed.values()
    return max(abs(believed - stated) for believed in beliefs) * mark


def _skew(source: Leg) -> Number:
    view = source.view
    largest = max(abs(view.target), abs(view.believed))
    return abs(view.target - view.believed) / largest if largest else 0


GROUPS: tuple[Metric[GroupAt], ...] = (
    group("hedge_group_up", "1", "1 while the group actor reports, else 0.", lambda seen: up(seen.row.actor)),
    group(
        "hedge_group_over",
        "1",
        "1 when nothing more will happen by itself: finished, or parked and out.",
        lambda seen: int(seen.row.over),
    ),
    group("hedge_group_epoch", "1", "Epoch of the group's latest incarnation.", lambda seen: seen.row.actor.epoch),
    group(
        "hedge_group_restarts_total",
        "1",
        "Successors started by this supervisor.",
        lambda seen: seen.row.actor.restarts,
    ),
    group(
        "hedge_group_given_up",
        "1",
        "1 when the supervisor starts the group's actor no more (panic, too many deaths).",
        lambda seen: int(bool(seen.row.actor.gave_up)),
    ),
    group(
        "hedge_group_report_timestamp_seconds",
        "seconds",
        "When the group last reported, seconds since 1970.",
        lambda seen: seconds(seen.row.actor.heard_at),
    ),
    group(
        "hedge_group_data_age_seconds",
        "seconds",
        "Age of the oldest report that the exposure rests upon: the group's and its accounts'; +Inf = one never came.",
        _data_age,
    ),
    group("hedge_group_outcome", "1", "0 running, 1 finished, 2 parked or being parked.", _outcome),
    group(
        "hedge_group_operator_state",
        "1",
        "What the operator wants: 0 RUN, 1 PAUSE, 2 REDUCE, 3 FLATTEN.",
        reported(lambda status: OPERATOR_STATES[status.view.operator_state]),
    ),
    group(
        "hedge_group_flatten_pending",
        "1",
        "1 while the group shall get out and not every leg is confirmed flat by its venue.",
        _flatten_pending,
    ),
    group(
        "hedge_group_stopped",
        "1",
        "1 when the group decides no more (divergence, poison event).",
        reported(lambda status: int(bool(status.stopped))),
    ),
    group(
        "hedge_group_hedged",
        "1",
        "1 when the strategy holds that no more than rounding is uncovered.",
        reported(lambda status: int(status.view.hedged)),
    ),
    group(
        "hedge_group_phase_seconds",
        "seconds",
        "Time in the present phase.",
        reported(lambda status: since(status.view.phase_since, status.at)),
    ),
    group("hedge_group_cycle", "1", "Number of the running or last cycle.", reported(lambda status: status.view.cycle)),
    group(
        "hedge_group_cycles_done_total",
        "1",
        "Cycles done in the life of the group.",
        reported(lambda status: status.view.cycles_done),
    ),
    group(
        "hedge_group_net_exposure_base",
        "base",
        "Uncovered quantity, signed: the sum of all legs.",
        reported(lambda status: status.view.net),
    ),
    group("hedge_group_net_exposure_usd", "usd", "The same at the mark price.", reported(_net_usd)),
    group("hedge_group_gross_exposure_usd", "usd", "All legs at the mark price, without signs.", reported(_gross_usd)),
    group(
        "hedge_group_net_stated_base",
        "base",
        "The same sum out of what the venues themselves last stated; absent while one has stated nothing.",
        _added_up(_position),
    ),
    group(
        "hedge_group_equity_usd",
        "usd",
        "What its accounts are worth together; absent while one has not said.",
        _added_up(lambda status: status.equity),
    ),
    group(
        "hedge_group_unrealized_usd",
        "usd",
        "Profit of what all legs hold, as their venues last stated it; absent while one has not.",
        _added_up(lambda status: status.unrealized),
    ),
    group(
        "hedge_group_funding_usd",
        "usd",
        "Funding received on what all legs hold, negative = paid; absent while a venue does not say.",
        _added_up(lambda status: status.funding),
    ),
    group("hedge_group_mark_price_usd", "usd", "Price used for values.", reported(lambda status: status.view.mark)),
    group(
        "hedge_group_naked_for_seconds",
        "seconds",
        "How long more than half a lot has been uncovered; 0 = covered. Runs on while the group is silent.",
        _naked_for,
    ),
    group(
        "hedge_group_naked_seconds_total",
        "seconds",
        "Sum of all such intervals since the incarnation's start.",
        reported(lambda status: status.naked_seconds),
    ),
    group(
        "hedge_group_naked_usd_seconds_total",
        "usd seconds",
        "The same, each weighed by what was uncovered.",
        reported(lambda status: status.naked_usd_seconds),
    ),
    group(
        "hedge_group_journal_seq",
        "1",
        "Last record of the group's journal stream.",
        reported(lambda status: status.journal_seq),
    ),
    group(
        "hedge_group_loop_lag_seconds",
        "seconds",
        "Lag of the group's event loop.",
        reported(lambda status: status.loop_lag_s),
    ),
    group("hedge_group_steps_total", "1", "Events decided by this incarnation.", group_count("steps")),
    group("hedge_group_stops_total", "1", "Times that this incarnation stopped deciding.", group_count("stopped")),
    group(
        "hedge_group_journal_failures_total",
        "1",
        "Appends that did not become durable.",
        group_count("journal_failures"),
    ),
    *(
        group(
            f"hedge_group_notifications_{severity}_total",
            "1",
            f"Notifications of severity {severity.upper()}.",
            group_count(f"notifications_{severity}"),
        )
        for severity in ("info", "warning", "critical")
    ),
)

LEGS: tuple[Metric[Leg], ...] = (
    leg("hedge_leg_target_base", "base", "Position that the strategy wants, signed.", lambda leg: leg.view.target),
    leg("hedge_leg_believed_base", "base", "Position that our fills add up to, signed.", lambda leg: leg.view.believed),
    leg("hedge_leg_reported_base", "base", "Position that the venue last stated to the account, signed.", _stated),
    leg(
        "hedge_leg_disagreement_usd",
        "usd",
        "Largest difference between the group's belief, the account's fills and the venue's statement, at the mark.",
        _disagreement_usd,
    ),
    leg("hedge_leg_skew_ratio", "ratio", "Distance from the target, as a share of the larger of both.", _skew),
    leg(
        "hedge_leg_gap_usd",
        "usd",
        "Distance from the target at the mark price, without sign.",
        lambda leg: None if leg.mark is None else abs(leg.view.target - leg.view.believed) * leg.mark,
    ),
    leg(
        "hedge_leg_liquidation_distance_ratio",
        "ratio",
        "How far the mark price may move until the venue liquidates, as a share of it; absent when flat.",
        _distance,
    ),
    leg(
        "hedge_leg_value_usd",
        "usd",
        "Believed position at the mark price, signed.",
        lambda leg: None if leg.mark is None else leg.view.believed * leg.mark,
    ),
    leg("hedge_leg_orders_in_flight", "1", "Orders whose end is open.", lambda leg: len(leg.view.in_flight)),
    leg("hedge_leg_orders_unknown", "1", "Of those, orders in doubt.", lambda leg: len(leg.view.unknown)),
    leg("hedge_leg_dust_usd", "usd", "What is too small to close.", lambda leg: leg.view.dust_usd),
    leg("hedge_leg_realized_usd", "usd", "Profit realised, before fees.", lambda leg: leg.view.realized),
    leg("hedge_leg_fees_usd", "usd", "Fees paid.", lambda leg: leg.view.fees),
    leg(
        "hedge_leg_unrealized_usd",
        "usd",
        "Profit of what is held, as the venue last stated it; 0 when flat.",
        lambda leg: None if leg.status is None else leg.status.unrealized,
    ),
    leg(
        "hedge_leg_funding_usd",
        "usd",
        "Funding received on what is held, negative = paid, as the venue last stated it; absent where it does not say.",
        lambda leg: None if leg.status is None else leg.status.funding,
    ),
)

REFUSALS: tuple[Metric[RefusalOf], ...] = (
    metric(
        "hedge_leg_refusals_total",
        "1",
        REFUSAL,
        "Orders of the leg that were refused or ended unfilled by the venue, by its reason (`ours` = by our own gate).",
        lambda source: source.status.counters.get(counter(source.account, source.kind), 0),
    ),
)


def _used(source: LimitOf) -> Number:
    return None if source.limit.used is None else source.limit.used / source.limit.most


LIMITS: tuple[Metric[LimitOf], ...] = (
    metric(
        "hedge_limit_used_ratio",
        "ratio",
        LIMIT,
        "How much of a limit is used, beyond 1 = passed; `account` is empty where it is the group's. Absent for limits "
        "of a single order, and while what they are measured by is not known.",
        _used,
    ),
    metric(
        "hedge_limit_reached",
        "1",
        LIMIT,
        "1 while a limit stands reached and does what its word says: until the day is over, or RUN is said.",
        lambda source: int(source.limit.reached_at is not None),
    ),
    metric(
        "hedge_limit_denials_total",
        "1",
        LIMIT,
        "Orders that a limit has denied in the life of the group.",
        lambda source: source.limit.denied,
    ),
)

GROUP_HISTOGRAMS: tuple[HistogramMetric, ...] = (
    HistogramMetric(
        "hedge_latency_seconds", GROUP, "From the event that asked for a hedge to the venue's word on it.", "hedge"
    ),
    HistogramMetric("hedge_decide_seconds", GROUP, "One step of the strategy.", "decide"),
    HistogramMetric("hedge_journal_append_seconds", GROUP, "One durable append.", "journal_append"),
    HistogramMetric("hedge_submit_call_seconds", GROUP, "One call from the group to an account.", "submit_call"),
    HistogramMetric("hedge_naked_interval_seconds", GROUP, "Intervals uncovered by over half a lot.", "naked_interval"),
)
