"""Every alert rule. Thresholds are here, with their reasons; times that scale are written by `Times`.

Two habits keep an alert from lying. What matters most is read with `last_over_time`, so that it does not fall silent
because nobody answers any more. And age is trouble of its own: what has not been heard of for a while is unknown.
"""

from grafana.rule import Rule, Severity, Times

HELD_S = 3600
"""How long the last word on an exposure counts when no newer one comes, seconds."""
SMALL_USD = 25
"""Less than this uncovered is what venues' minimum sizes leave (10 USD at both), doubled for price moves."""
GAP_USD = 1
"""Less than this off a target is rounding to lots."""
OFTEN = 0.1
"""Share of the time: a group that is covered and uncovered in turns never stays naked for ten seconds."""
OLD_S = 15
"""Actors report each second; three missed looks end an actor that is silent. Older is unknown."""
GAP_S = 10
"""A report that is so late was missed at least twice."""
DOUBT_S = 30
"""Proof of a lost answer takes a second; both venues' own bounds for an order's life end within about ten."""
STREAM_S = 45
"""Lighter's private channels are asked for a new snapshot after 30 s of quiet, which may take 5 s more."""
MARGIN = 0.8
"""Share of equity that the maintenance requirement may take: at 1 the venue liquidates."""
NEAR = 0.98
"""Share of a limit that is used: above the 97 % that the liquidation hedge sizes its entries to."""
SKEW = 0.05
"""Share of a leg that may be missing; more than lots and partial fills leave."""
SKEW_S = 60
CLOCK_S = 1.0
"""Signatures and time windows of both venues bear five seconds of difference; beyond one, something drifts."""
APPEND_S = 0.25
"""A durable append takes milliseconds; every order waits for three of them."""
STORM = 3
"""Restarts within five minutes; the restart policy gives up at five within two minutes unless told otherwise."""
NOTIFIER_S = 60
"""A channel that has failed for so long is not having a blip."""
DISK = 0.05
"""Share of free disk below which the journal is about to be refused."""


def _lasting(name: str, t: Times) -> str:
    return f"last_over_time({name}[{t.window(HELD_S)}])"


def _naked(t: Times) -> str:
    # `unless` and not `and`: exposure whose value is unknown counts as large.
    net = f"abs({_lasting('hedge_group_net_exposure_usd', t)})"
    return f"{_lasting('hedge_group_naked_for_seconds', t)} > 0 unless {net} <= {SMALL_USD}"


def _often(t: Times) -> str:
    share = f"rate(hedge_group_naked_seconds_total[{t.window(300)}])"
    usd = f"rate(hedge_group_naked_usd_seconds_total[{t.window(300)}])"
    return f"{share} > {OFTEN} and {usd} / {share} > {SMALL_USD}"


def _either(group: str, account: str) -> str:
    """Join what is said of groups with what is said of accounts, under one label `actor`."""
    return (
        f'label_replace({group}, "actor", "group/$1", "group", "(.+)")'
        f' or label_replace({account}, "actor", "account/$1", "account", "(.+)")'
    )


def _appends(name: str, by: str, t: Times) -> str:
    return f"histogram_quantile(0.99, sum by ({by}, le) (rate({name}_bucket[{t.window(300)}]))) > {APPEND_S}"


def _unreached(t: Times) -> str:
    legs = "group, leg, account"
    gap = f"(hedge_leg_gap_usd > {GAP_USD})"
    refused = f"(increase(hedge_leg_refusals_total[{t.window(600)}]) > 0)"
    # Where nobody refused anything, what is too small to trade was never asked for: that is no news.
    silent = f'label_replace((hedge_leg_gap_usd > {SMALL_USD}) unless on ({legs}) {refused}, "reason", "none", "", "")'
    return f"{refused} * 0 + on ({legs}) group_left () {gap} or {silent}"


MONEY = (
    Rule(
        "HedgeNakedExposure",
        _naked,
        10,
        Severity.CRITICAL,
        "{{ $labels.group }} has been uncovered for {{ $value | humanizeDuration }}: "
        '{{ range printf `hedge_group_net_exposure_usd{group="%s"}` $labels.group | query }}'
        '{{ .Value | printf "%.0f" }} USD{{ else }}value unknown{{ end }}',
    ),
    Rule(
        "HedgeNakedOften",
        _often,
        10,
        Severity.WARNING,
        "{{ $labels.group }} was uncovered for {{ $value | humanizePercentage }} of the last five minutes",
    ),
    Rule(
        "HedgeExposureUnknown",
        lambda _: f"hedge_group_data_age_seconds > {OLD_S} unless on (group) hedge_group_over == 1",
        10,
        Severity.CRITICAL,
        "what {{ $labels.group }} holds is unknown: its oldest report is {{ $value | humanizeDuration }} old",
    ),
    Rule(
        "HedgeFlattenNotConfirmed",
        lambda t: f"{_lasting('hedge_group_flatten_pending', t)} == 1",
        60,
        Severity.CRITICAL,
        "{{ $labels.group }} shall be flat and is not confirmed so: "
        '{{ range printf `hedge_group_gross_exposure_usd{group="%s"}` $labels.group | query }}'
        '{{ .Value | printf "%.0f" }} USD held{{ else }}value unknown{{ end }}',
    ),
    Rule(
        "HedgeGroupParked",
        lambda _: "hedge_group_outcome == 2",
        10,
        Severity.CRITICAL,
        "{{ $labels.group }} is parked and waits for a person: "
        '{{ range printf `hedge_group_gross_exposure_usd{group="%s"}` $labels.group | query }}'
        '{{ .Value | printf "%.0f" }} USD held when last heard{{ else }}value unknown{{ end }}',
    ),
    Rule(
        "HedgeLimitReached",
        lambda t: f"{_lasting('hedge_limit_reached', t)} == 1",
        5,
        Severity.CRITICAL,
        "{{ $labels.group }} has reached {{ if $labels.account }}accounts.{{ $labels.account }}.{{ end }}"
        "max_{{ $labels.limit }} (reading {{ $value }}) and does what its word says until it is released",
    ),
    Rule(
        "HedgeLimitNear",
        lambda _: f"hedge_limit_used_ratio > {NEAR} unless on (group, limit, account) hedge_limit_reached == 1",
        SKEW_S,
        Severity.WARNING,
        "{{ $labels.group }} has used {{ $value | humanizePercentage }} of "
        "{{ if $labels.account }}accounts.{{ $labels.account }}.{{ end }}max_{{ $labels.limit }}",
    ),
    Rule(
        "HedgeLegSkew",
        lambda _: f"hedge_leg_skew_ratio > {SKEW} and hedge_leg_gap_usd > {SMALL_USD}",
        SKEW_S,
        Severity.WARNING,
        "{{ $labels.leg }} of {{ $labels.group }} is {{ $value | humanizePercentage }} off its target",
    ),
    Rule(
        "HedgeTargetNotReached",
        _unreached,
        SKEW_S,
        Severity.WARNING,
        '{{ $labels.leg }} of {{ $labels.group }} stays {{ $value | printf "%.2f" }} USD off its target; '
        "refused for: {{ $labels.reason }}",
    ),
    Rule(
        "HedgePositionsDisagree",
        lambda _: f"hedge_leg_disagreement_usd > {SMALL_USD}",
        30,
        Severity.CRITICAL,
        '{{ $labels.leg }} of {{ $labels.group }}: our fills and the venue differ by {{ $value | printf "%.0f" }} USD',
    ),
)

VENUES = (
    Rule(
        "HedgeOrderUnknown",
        lambda _: (
            f"venue_oldest_unknown_seconds > {DOUBT_S} or venue_oldest_unknown_seconds and venue_orders_overdue > 0"
        ),
        5,
        Severity.CRITICAL,
        "{{ $labels.account }} has not known what became of an order for {{ $value | humanizeDuration }}",
    ),
    Rule(
        "HedgeStreamStale",
        lambda _: f"venue_stream_age_seconds > {STREAM_S} and venue_position_believed_base != 0",
        10,
        Severity.CRITICAL,
        "{{ $labels.account }} holds a position and has heard nothing of a channel for {{ $value | humanizeDuration }}",
    ),
    Rule(
        "HedgeForeignWriter",
        lambda t: f"venue_account_mode == 2 or increase(venue_freezes_total[{t.window(300)}]) > 0",
        5,
        Severity.CRITICAL,
        "{{ $labels.account }} ({{ $labels.venue }}) is frozen but for exits (reading {{ $value }}): somebody else "
        "traded there, or an order stays without proof",
    ),
    Rule(
        "HedgeMarginNearLiquidation",
        lambda _: f"venue_margin_ratio > {MARGIN}",
        15,
        Severity.CRITICAL,
        "{{ $labels.account }}: {{ $value | humanizePercentage }} of its equity is needed as maintenance margin",
    ),
    Rule(
        "HedgeLaneExhausted",
        lambda _: 'venue_budget_left{lane=~"EXIT|HEDGE"} < 1',
        10,
        Severity.CRITICAL,
        "{{ $labels.account }} may send {{ $value }} requests in lane {{ $labels.lane }}",
    ),
    Rule(
        "HedgeClockSkew",
        lambda _: f"abs(venue_clock_offset_seconds) > {CLOCK_S}",
        30,
        Severity.WARNING,
        "the clock of {{ $labels.venue }}, seen from {{ $labels.account }}, is "
        "{{ $value | humanizeDuration }} off ours",
    ),
)

SUPERVISOR = (
    Rule(
        "HedgeSupervisorAbsent",
        lambda _: (
            'up{job="hedgevisor"} == 0 or absent(up{job="hedgevisor"})'
            f" or time() - hedge_supervisor_heartbeat_timestamp_seconds > {OLD_S}"
        ),
        10,
        Severity.CRITICAL,
        "the supervisor does not answer (reading {{ $value }}): nobody starts what dies, and no number is fresh",
    ),
    Rule(
        "HedgeHeartbeatGap",
        lambda _: _either(
            f"(time() - hedge_group_report_timestamp_seconds > {GAP_S} unless on (group) hedge_group_over == 1)",
            f"(time() - venue_account_report_timestamp_seconds > {GAP_S}"
            " unless on (account) venue_account_given_up == 1)",
        ),
        5,
        Severity.WARNING,
        "{{ $labels.actor }} has not reported for {{ $value | humanizeDuration }}",
    ),
    Rule(
        "HedgeBotsOffline",
        lambda _: "hedge_telemetry_bots_offline > 0",
        30,
        Severity.WARNING,
        "{{ $value }} bots that report to us have missed two of their own intervals",
    ),
    Rule(
        "HedgeRestartStorm",
        lambda t: _either(
            f"(increase(hedge_group_restarts_total[{t.window(300)}]) >= {STORM})",
            f"(increase(venue_account_restarts_total[{t.window(300)}]) >= {STORM})",
        ),
        5,
        Severity.WARNING,
        '{{ $labels.actor }} was started {{ $value | printf "%.0f" }} times within five minutes',
    ),
    Rule(
        "HedgeOwnerLost",
        lambda _: _either("(hedge_group_given_up == 1)", "(venue_account_given_up == 1 or venue_account_mode == 3)"),
        10,
        Severity.CRITICAL,
        "{{ $labels.actor }} is not kept by this supervisor any more (reading {{ $value }}): somebody else owns it, "
        "or it died too often",
    ),
    Rule(
        "HedgeJournalFailing",
        lambda t: _either(
            f"(increase(hedge_group_journal_failures_total[{t.window(60)}]) > 0)",
            f"(increase(venue_journal_failures_total[{t.window(60)}]) > 0)",
        ),
        5,
        Severity.CRITICAL,
        'the journal of {{ $labels.actor }} refused {{ $value | printf "%.0f" }} appends: nothing is done meanwhile',
    ),
    Rule(
        "HedgeJournalSlow",
        lambda t: _either(
            f"({_appends('hedge_journal_append_seconds', 'group', t)})",
            f"({_appends('venue_journal_append_seconds', 'account', t)})",
        ),
        30,
        Severity.WARNING,
        "one append in a hundred of {{ $labels.actor }} takes {{ $value | humanizeDuration }} or longer",
    ),
    Rule(
        "HedgeNotifierFailing",
        lambda _: f"hedge_notifier_failing_seconds > {NOTIFIER_S}",
        10,
        Severity.WARNING,
        "{{ $labels.channel }} has taken no message for {{ $value | humanizeDuration }}",
    ),
    Rule(
        "HedgeRayLost",
        lambda t: f"{_lasting('hedge_ray_up', t)} == 0",
        10,
        Severity.CRITICAL,
        "Ray is gone and is being had anew (reading {{ $value }}): no actor lives meanwhile",
    ),
    Rule(
        "HedgeDiskNearlyFull",
        lambda _: f"hedge_host_disk_free_bytes / hedge_host_disk_bytes < {DISK}",
        60,
        Severity.WARNING,
        "{{ $value | humanizePercentage }} of the journal's disk is free",
    ),
    Rule(
        "HedgeWatchdog",
        lambda _: "vector(1)",
        0,
        Severity.NONE,
        "Always firing (reading {{ $value }}): when it stops, Prometheus or Alertmanager is dead",
    ),
)

FILES: dict[str, tuple[Rule, ...]] = {"money": MONEY, "venues": VENUES, "supervisor": SUPERVISOR}
"""Name of a file in grafana/alerts/ without its ending → its rules."""
RULES = (*MONEY, *VENUES, *SUPERVISOR)
