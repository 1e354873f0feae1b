"""The metrics of accounts: modes, orders and their proof, margin, streams, budget, and how long things take."""

from actors.actor import AccountStatus
from actors.metric_kinds import (
    ACCOUNT,
    CHANNEL,
    MS,
    ChannelOf,
    HistogramMetric,
    LaneOf,
    Metric,
    Number,
    account,
    account_count,
    lane,
    metric,
    seconds,
    told,
    up,
)
from actors.supervision.overview import AccountRow
from strategies.domain.account import AccountMode

MODES = {AccountMode.DISARMED: 0, AccountMode.ARMED: 1, AccountMode.FROZEN: 2, AccountMode.STOPPED: 3}


def _oldest_doubt(status: AccountStatus) -> Number:
    return (status.at - min(status.unknown.values())) / MS if status.unknown else 0


def _margin_ratio(status: AccountStatus) -> Number:
    need, equity = status.maintenance_margin, status.equity
    if need is None or equity is None:
        return None
    if need == 0:
        return 0
    return need / equity if equity > 0 else float("inf")


ACCOUNTS: tuple[Metric[AccountRow], ...] = (
    account("venue_account_up", "1", "1 while the account actor reports, else 0.", lambda row: up(row.actor)),
    account("venue_account_epoch", "1", "Epoch of the account's latest incarnation.", lambda row: row.actor.epoch),
    account(
        "venue_account_restarts_total", "1", "Successors started by this supervisor.", lambda row: row.actor.restarts
    ),
    account(
        "venue_account_given_up",
        "1",
        "1 when the supervisor starts the account's actor no more (panic, too many deaths).",
        lambda row: int(bool(row.actor.gave_up)),
    ),
    account(
        "venue_account_report_timestamp_seconds",
        "seconds",
        "When the account last reported, seconds since 1970.",
        lambda row: seconds(row.actor.heard_at),
    ),
    account(
        "venue_account_mode", "1", "0 disarmed, 1 armed, 2 frozen, 3 stopped.", told(lambda status: MODES[status.mode])
    ),
    account(
        "venue_account_reconciled_timestamp_seconds",
        "seconds",
        "When belief and the venue last agreed, seconds since 1970.",
        told(lambda status: seconds(status.reconciled_at)),
    ),
    account("venue_orders_in_flight", "1", "Orders whose end is open.", told(lambda status: len(status.in_flight))),
    account("venue_orders_unknown", "1", "Of those, orders in doubt.", told(lambda status: len(status.unknown))),
    account(
        "venue_orders_overdue",
        "1",
        "Orders without an outcome for longer than a write lives: a person has to look.",
        told(lambda status: len(status.too_old)),
    ),
    account("venue_oldest_unknown_seconds", "seconds", "Age of the oldest doubt; 0 = none.", told(_oldest_doubt)),
    account(
        "venue_stream_age_seconds",
        "seconds",
        "Since the content of the stalest channel was last confirmed.",
        told(lambda status: max(status.stream_ages_s.values(), default=None)),
    ),
    account(
        "venue_stream_deaf",
        "1",
        "1 while the account's own stream cannot be relied on, so that no entry leaves.",
        told(lambda status: int(bool(status.deaf))),
    ),
    account(
        "venue_clock_offset_seconds",
        "seconds",
        "The venue's clock minus ours.",
        told(lambda status: status.clock_offset_s),
    ),
    account(
        "venue_position_believed_base",
        "base",
        "Position that the account's fills add up to, signed.",
        told(lambda status: next(iter(status.believed.values()), None)),
    ),
    account("venue_equity_usd", "usd", "Equity.", told(lambda status: status.equity)),
    account(
        "venue_available_usd", "usd", "What new positions may use as margin.", told(lambda status: status.available)
    ),
    account(
        "venue_maintenance_margin_usd",
        "usd",
        "Maintenance requirement of all positions.",
        told(lambda status: status.maintenance_margin),
    ),
    account(
        "venue_margin_ratio",
        "ratio",
        "Maintenance requirement as a share of equity; at 1 the venue liquidates.",
        told(_margin_ratio),
    ),
    account(
        "venue_liquidation_price_usd",
        "usd",
        "Price at which the venue liquidates.",
        told(lambda status: status.liquidation_price),
    ),
    account(
        "venue_loop_lag_seconds", "seconds", "Lag of the account's event loop.", told(lambda status: status.loop_lag_s)
    ),
    *(
        account(f"venue_{key}_total", "1", text, account_count(key))
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
    lane(
        "venue_queue_length",
        "1",
        "Commands that wait in the account's queue.",
        lambda source: source.status.queue_length.get(source.lane),
    ),
    lane(
        "venue_budget_left",
        "1",
        "Requests that the lane may still send now.",
        lambda source: source.status.budget_left.get(source.lane),
    ),
)

STREAMS: tuple[Metric[ChannelOf], ...] = (
    metric(
        "venue_channel_age_seconds",
        "seconds",
        CHANNEL,
        "Since the content of one channel was last confirmed; +Inf = never.",
        lambda source: source.status.stream_ages_s.get(source.channel),
    ),
)

ACCOUNT_HISTOGRAMS: tuple[HistogramMetric, ...] = (
    HistogramMetric("venue_certainty_seconds", ACCOUNT, "From doubt about a write to proof.", "certainty"),
    HistogramMetric(
        "venue_order_certainty_seconds",
        ACCOUNT,
        "From an order's identity on the disk to the first proof of what the venue did with it, doubt or not.",
        "order_certainty",
    ),
    HistogramMetric("venue_sign_seconds", ACCOUNT, "Allocating a nonce and signing.", "sign"),
    HistogramMetric("venue_dequeue_to_wire_seconds", ACCOUNT, "From the queue to the wire.", "dequeue_to_wire"),
    HistogramMetric("venue_wire_to_answer_seconds", ACCOUNT, "From the wire to the venue's answer.", "wire_to_answer"),
    HistogramMetric("venue_journal_append_seconds", ACCOUNT, "One durable append.", "journal_append"),
)
