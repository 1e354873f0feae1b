"""What every alert rule is shown, and what it must say: series in promtool's notation, five seconds a step."""

from dataclasses import dataclass, field

G, LEG, ACCOUNT = '{group="g"}', '{group="g",leg="long",account="a"}', '{account="a",venue="lighter"}'
SPAN = "x400"
"""Samples in promtool's notation: 400 steps of five seconds after the first."""


@dataclass(frozen=True)
class Case:
    """Series, and what the rule says of them after `at_s` seconds. `summary` None = nothing."""

    rule: str
    series: dict[str, str]
    summary: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    at_s: int = 300


def always(value: str) -> str:
    """Return a series that never changes."""
    return f"{value}+0{SPAN}"


GROUP_LABELS = {"group": "g"}
LEG_LABELS = {"group": "g", "leg": "long", "account": "a"}
ACCOUNT_LABELS = {"account": "a", "venue": "lighter"}
NAKED, NET = f"hedge_group_naked_for_seconds{G}", f"hedge_group_net_exposure_usd{G}"
OVER, GROSS = f"hedge_group_over{G}", f"hedge_group_gross_exposure_usd{G}"
GAP, REFUSED = f"hedge_leg_gap_usd{LEG}", 'hedge_leg_refusals_total{group="g",leg="long",account="a",reason="margin"}'
LIMIT = '{group="g",limit="loss_usd_per_day"}'
REACHED, USED = f"hedge_limit_reached{LIMIT}", f"hedge_limit_used_ratio{LIMIT}"
ACCOUNT_REACHED = 'hedge_limit_reached{group="g",limit="leverage",account="a"}'
LIMIT_LABELS = {"group": "g", "limit": "loss_usd_per_day"}
UP, BEAT = 'up{job="hedgevisor",instance="x"}', "hedge_supervisor_heartbeat_timestamp_seconds"
INSTANCE = {"job": "hedgevisor", "instance": "x"}
GROUP_HEARD, ACCOUNT_HEARD = (
    f"hedge_group_report_timestamp_seconds{G}",
    f"venue_account_report_timestamp_seconds{ACCOUNT}",
)


def buckets(metric: str, label: str, fast: int, slow: int) -> dict[str, str]:
    """Return a histogram to which each step adds `fast` quick ones and `slow` ones of up to half a second."""
    every = fast + slow
    return {
        f'{metric}_bucket{{{label},le="0.01"}}': f"0+{fast}{SPAN}",
        f'{metric}_bucket{{{label},le="0.5"}}': f"0+{every}{SPAN}",
        f'{metric}_bucket{{{label},le="+Inf"}}': f"0+{every}{SPAN}",
    }


CASES = (
    Case(
        "HedgeNakedExposure",
        {NAKED: "0+0x20 5+5x100", NET: "0+0x20 -1500+0x100"},
        "g has been uncovered for 3m 20s: -1500 USD",
        GROUP_LABELS,
    ),
    # The value of what is open is not known: it counts.
    Case("HedgeNakedExposure", {NAKED: f"5+5{SPAN}"}, "g has been uncovered for 5m 5s: value unknown", GROUP_LABELS),
    # Nobody reports any more, while open: silence does not resolve it.
    Case(
        "HedgeNakedExposure",
        {NAKED: "5+5x20 stale", NET: "1500+0x20 stale"},
        "g has been uncovered for 1m 45s: value unknown",
        GROUP_LABELS,
        at_s=1200,
    ),
    Case("HedgeNakedExposure", {NAKED: always("0"), NET: always("0")}),
    # What a venue's minimum size leaves is not an emergency; a blip between two scrapes is none, too.
    Case("HedgeNakedExposure", {NAKED: f"5+5{SPAN}", NET: always("20")}),
    Case("HedgeNakedExposure", {NAKED: "0+0x59 5 0+0x99", NET: always("1500")}, at_s=305),
    # Covered and uncovered in turns: two seconds of each five, 1500 USD.
    Case(
        "HedgeNakedOften",
        {
            f"hedge_group_naked_seconds_total{G}": f"0+2{SPAN}",
            f"hedge_group_naked_usd_seconds_total{G}": f"0+3000{SPAN}",
        },
        "g was uncovered for 40% of the last five minutes",
        GROUP_LABELS,
    ),
    # All the time, but only what a minimum size leaves; and one entry in five minutes.
    Case(
        "HedgeNakedOften",
        {f"hedge_group_naked_seconds_total{G}": f"0+5{SPAN}", f"hedge_group_naked_usd_seconds_total{G}": f"0+20{SPAN}"},
    ),
    Case(
        "HedgeNakedOften",
        {
            f"hedge_group_naked_seconds_total{G}": "0+0x30 2+0x100",
            f"hedge_group_naked_usd_seconds_total{G}": "0+0x30 90000+0x100",
        },
    ),
    Case(
        "HedgeExposureUnknown",
        {f"hedge_group_data_age_seconds{G}": f"1+5{SPAN}", OVER: always("0")},
        "what g holds is unknown: its oldest report is 5m 1s old",
        GROUP_LABELS,
    ),
    Case(
        "HedgeExposureUnknown",
        {f"hedge_group_data_age_seconds{G}": always("+Inf"), OVER: always("0")},
        "what g holds is unknown: its oldest report is +Inf old",
        GROUP_LABELS,
    ),
    Case("HedgeExposureUnknown", {f"hedge_group_data_age_seconds{G}": always("1.5"), OVER: always("0")}),
    Case("HedgeExposureUnknown", {f"hedge_group_data_age_seconds{G}": f"1+5{SPAN}", OVER: always("1")}),
    Case(
        "HedgeFlattenNotConfirmed",
        {f"hedge_group_flatten_pending{G}": always("1"), GROSS: always("3000")},
        "g shall be flat and is not confirmed so: 3000 USD held",
        GROUP_LABELS,
    ),
    Case(
        "HedgeFlattenNotConfirmed",
        {f"hedge_group_flatten_pending{G}": "1+0x20 stale"},
        "g shall be flat and is not confirmed so: value unknown",
        GROUP_LABELS,
        at_s=900,
    ),
    Case("HedgeFlattenNotConfirmed", {f"hedge_group_flatten_pending{G}": "0+0x55 1+0x100"}, at_s=330),
    Case(
        "HedgeGroupParked",
        {f"hedge_group_outcome{G}": always("2"), GROSS: always("0")},
        "g is parked and waits for a person: 0 USD held when last heard",
        GROUP_LABELS,
    ),
    Case("HedgeGroupParked", {f"hedge_group_outcome{G}": always("1"), GROSS: always("0")}),
    Case(
        "HedgeLimitReached",
        {REACHED: always("1")},
        "g has reached max_loss_usd_per_day (reading 1) and does what its word says until it is released",
        LIMIT_LABELS,
    ),
    # Nobody reports any more: what was reached is reached until somebody says otherwise.
    Case(
        "HedgeLimitReached",
        {ACCOUNT_REACHED: "0+0x20 1+0x20"},
        "g has reached accounts.a.max_leverage (reading 1) and does what its word says until it is released",
        {"group": "g", "limit": "leverage", "account": "a"},
        at_s=900,
    ),
    Case("HedgeLimitReached", {REACHED: always("0")}),
    Case(
        "HedgeLimitNear",
        {USED: always("0.99"), REACHED: always("0")},
        "g has used 99% of max_loss_usd_per_day",
        LIMIT_LABELS,
    ),
    Case("HedgeLimitNear", {USED: always("1.2"), REACHED: always("1")}),
    Case("HedgeLimitNear", {USED: always("0.97"), REACHED: always("0")}),
    Case(
        "HedgeLegSkew",
        {f"hedge_leg_skew_ratio{LEG}": always("0.25"), GAP: always("750")},
        "long of g is 25% off its target",
        LEG_LABELS,
    ),
    Case("HedgeLegSkew", {f"hedge_leg_skew_ratio{LEG}": always("0.25"), GAP: always("20")}),
    Case("HedgeLegSkew", {f"hedge_leg_skew_ratio{LEG}": "0+0x50 0.25+0x100", GAP: always("750")}),
    Case(
        "HedgeTargetNotReached",
        {GAP: always("7.5"), REFUSED: f"0+1{SPAN}"},
        "long of g stays 7.50 USD off its target; refused for: margin",
        {**LEG_LABELS, "reason": "margin"},
    ),
    Case(
        "HedgeTargetNotReached",
        {GAP: always("75"), REFUSED: always("3")},
        "long of g stays 75.00 USD off its target; refused for: none",
        {**LEG_LABELS, "reason": "none"},
    ),
    Case("HedgeTargetNotReached", {GAP: always("0.5"), REFUSED: f"0+1{SPAN}"}),
    Case("HedgeTargetNotReached", {GAP: always("7.5"), REFUSED: always("3")}),
    Case("HedgeTargetNotReached", {GAP: "0+0x50 900+0x100", REFUSED: f"0+1{SPAN}"}),
    Case(
        "HedgePositionsDisagree",
        {f"hedge_leg_disagreement_usd{LEG}": always("1000")},
        "long of g: our fills and the venue differ by 1000 USD",
        LEG_LABELS,
    ),
    Case("HedgePositionsDisagree", {f"hedge_leg_disagreement_usd{LEG}": always("20")}),
    Case(
        "HedgeOrderUnknown",
        {f"venue_oldest_unknown_seconds{ACCOUNT}": f"0+5{SPAN}"},
        "a has not known what became of an order for 5m 0s",
        ACCOUNT_LABELS,
    ),
    Case(
        "HedgeOrderUnknown",
        {f"venue_oldest_unknown_seconds{ACCOUNT}": always("12"), f"venue_orders_overdue{ACCOUNT}": always("1")},
        "a has not known what became of an order for 12s",
        ACCOUNT_LABELS,
    ),
    Case(
        "HedgeOrderUnknown",
        {f"venue_oldest_unknown_seconds{ACCOUNT}": always("20"), f"venue_orders_overdue{ACCOUNT}": always("0")},
    ),
    Case(
        "HedgeStreamStale",
        {
            f"venue_stream_age_seconds{ACCOUNT}": f"0+5{SPAN}",
            f"venue_position_believed_base{ACCOUNT}": always("-1.5"),
        },
        "a holds a position and has heard nothing of a channel for 5m 0s",
        ACCOUNT_LABELS,
    ),
    Case(
        "HedgeStreamStale",
        {f"venue_stream_age_seconds{ACCOUNT}": f"0+5{SPAN}", f"venue_position_believed_base{ACCOUNT}": always("0")},
    ),
    Case(
        "HedgeStreamStale",
        {f"venue_stream_age_seconds{ACCOUNT}": always("34"), f"venue_position_believed_base{ACCOUNT}": always("1")},
    ),
    Case(
        "HedgeForeignWriter",
        {f"venue_account_mode{ACCOUNT}": always("2")},
        "a (lighter) is frozen but for exits (reading 2): somebody else traded there, or an order stays without proof",
        ACCOUNT_LABELS,
    ),
    Case(
        "HedgeForeignWriter",
        {f"venue_account_mode{ACCOUNT}": always("1"), f"venue_freezes_total{ACCOUNT}": always("3")},
    ),
    Case(
        "HedgeMarginNearLiquidation",
        {f"venue_margin_ratio{ACCOUNT}": always("0.9")},
        "a: 90% of its equity is needed as maintenance margin",
        ACCOUNT_LABELS,
    ),
    Case("HedgeMarginNearLiquidation", {f"venue_margin_ratio{ACCOUNT}": always("0.6")}),
    Case(
        "HedgeLaneExhausted",
        {'venue_budget_left{account="a",venue="lighter",lane="EXIT"}': always("0")},
        "a may send 0 requests in lane EXIT",
        {**ACCOUNT_LABELS, "lane": "EXIT"},
    ),
    Case("HedgeLaneExhausted", {'venue_budget_left{account="a",venue="lighter",lane="READ"}': always("0")}),
    Case(
        "HedgeClockSkew",
        {f"venue_clock_offset_seconds{ACCOUNT}": always("-3")},
        "the clock of lighter, seen from a, is 3s off ours",
        ACCOUNT_LABELS,
    ),
    Case("HedgeClockSkew", {f"venue_clock_offset_seconds{ACCOUNT}": always("-0.2")}),
    Case(
        "HedgeSupervisorAbsent",
        {UP: always("0")},
        "the supervisor does not answer (reading 0): nobody starts what dies, and no number is fresh",
        INSTANCE,
    ),
    Case(
        "HedgeSupervisorAbsent",
        {},
        "the supervisor does not answer (reading 1): nobody starts what dies, and no number is fresh",
        {"job": "hedgevisor"},
    ),
    # It answers, and its own loop stands still.
    Case(
        "HedgeSupervisorAbsent",
        {UP: always("1"), BEAT: always("100")},
        "the supervisor does not answer (reading 200): nobody starts what dies, and no number is fresh",
    ),
    Case("HedgeSupervisorAbsent", {UP: always("1"), BEAT: f"0+5{SPAN}"}),
    Case(
        "HedgeHeartbeatGap",
        {GROUP_HEARD: always("100"), OVER: always("0"), ACCOUNT_HEARD: f"0+5{SPAN}"},
        "group/g has not reported for 3m 20s",
        {**GROUP_LABELS, "actor": "group/g"},
    ),
    Case(
        "HedgeHeartbeatGap",
        {ACCOUNT_HEARD: always("100"), f"venue_account_given_up{ACCOUNT}": always("0")},
        "account/a has not reported for 3m 20s",
        {**ACCOUNT_LABELS, "actor": "account/a"},
    ),
    Case(
        "HedgeHeartbeatGap",
        {
            GROUP_HEARD: always("100"),
            OVER: always("1"),
            ACCOUNT_HEARD: always("100"),
            f"venue_account_given_up{ACCOUNT}": always("1"),
        },
    ),
    Case("HedgeHeartbeatGap", {GROUP_HEARD: f"0+5{SPAN}", ACCOUNT_HEARD: f"0+5{SPAN}"}),
    Case(
        "HedgeBotsOffline",
        {"hedge_telemetry_bots_offline": always("2")},
        "2 bots that report to us have missed two of their own intervals",
    ),
    Case("HedgeBotsOffline", {"hedge_telemetry_bots_offline": "0+0x55 2+0x100"}),
    Case(
        "HedgeRestartStorm",
        {f"venue_account_restarts_total{ACCOUNT}": "0+0x40 0+1x4 4+0x100"},
        "account/a was started 4 times within five minutes",
        {**ACCOUNT_LABELS, "actor": "account/a"},
    ),
    Case(
        "HedgeRestartStorm",
        {f"hedge_group_restarts_total{G}": "0+0x40 0+1x4 4+0x100"},
        "group/g was started 4 times within five minutes",
        {**GROUP_LABELS, "actor": "group/g"},
    ),
    Case(
        "HedgeRestartStorm",
        {f"hedge_group_restarts_total{G}": "0+0x40 1+0x100", f"venue_account_restarts_total{ACCOUNT}": always("9")},
    ),
    Case(
        "HedgeOwnerLost",
        {f"hedge_group_given_up{G}": always("1"), f"venue_account_given_up{ACCOUNT}": always("0")},
        "group/g is not kept by this supervisor any more (reading 1): somebody else owns it, or it died too often",
        {**GROUP_LABELS, "actor": "group/g"},
    ),
    Case(
        "HedgeOwnerLost",
        {f"venue_account_mode{ACCOUNT}": always("3")},
        "account/a is not kept by this supervisor any more (reading 3): somebody else owns it, or it died too often",
        {**ACCOUNT_LABELS, "actor": "account/a"},
    ),
    Case(
        "HedgeOwnerLost",
        {
            f"hedge_group_given_up{G}": always("0"),
            f"venue_account_given_up{ACCOUNT}": always("0"),
            f"venue_account_mode{ACCOUNT}": always("1"),
        },
    ),
    Case(
        "HedgeJournalFailing",
        {f"hedge_group_journal_failures_total{G}": f"0+5{SPAN}"},
        "the journal of group/g refused 60 appends: nothing is done meanwhile",
        {**GROUP_LABELS, "actor": "group/g"},
    ),
    Case(
        "HedgeJournalFailing",
        {f"venue_journal_failures_total{ACCOUNT}": f"0+5{SPAN}"},
        "the journal of account/a refused 60 appends: nothing is done meanwhile",
        {**ACCOUNT_LABELS, "actor": "account/a"},
    ),
    Case(
        "HedgeJournalFailing",
        {f"hedge_group_journal_failures_total{G}": always("7"), f"venue_journal_failures_total{ACCOUNT}": always("7")},
    ),
    Case(
        "HedgeJournalSlow",
        buckets("hedge_journal_append_seconds", 'group="g"', 50, 50),
        "one append in a hundred of group/g takes 490.2ms or longer",
        {**GROUP_LABELS, "actor": "group/g"},
    ),
    Case(
        "HedgeJournalSlow",
        buckets("venue_journal_append_seconds", 'account="a"', 50, 50),
        "one append in a hundred of account/a takes 490.2ms or longer",
        {"account": "a", "actor": "account/a"},
    ),
    Case("HedgeJournalSlow", buckets("hedge_journal_append_seconds", 'group="g"', 1000, 1)),
    Case(
        "HedgeNotifierFailing",
        {'hedge_notifier_failing_seconds{channel="telegram"}': f"0+5{SPAN}"},
        "telegram has taken no message for 5m 0s",
        {"channel": "telegram"},
    ),
    Case("HedgeNotifierFailing", {'hedge_notifier_failing_seconds{channel="telegram"}': always("20")}),
    Case(
        "HedgeRayLost",
        {"hedge_ray_up": "1+0x20 0+0x100"},
        "Ray is gone and is being had anew (reading 0): no actor lives meanwhile",
    ),
    Case("HedgeRayLost", {"hedge_ray_up": always("1")}),
    Case(
        "HedgeDiskNearlyFull",
        {"hedge_host_disk_free_bytes": always("10"), "hedge_host_disk_bytes": always("1000")},
        "1% of the journal's disk is free",
    ),
    Case("HedgeDiskNearlyFull", {"hedge_host_disk_free_bytes": always("500"), "hedge_host_disk_bytes": always("1000")}),
    Case("HedgeWatchdog", {}, "Always firing (reading 1): when it stops, Prometheus or Alertmanager is dead", at_s=0),
)
