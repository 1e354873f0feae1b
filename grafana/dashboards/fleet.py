"""Fleet: is money at risk, where, and since when."""

from grafana.board import AMBER, RED, Board, Chart, Figure, Query, Rows, Section

FLEET = Board(
    uid="hedgevisor-fleet",
    title="Hedgevisor: Fleet",
    description="All groups at one look: is money at risk, where, and since when.",
    sections=(
        Section(
            "Now",
            (
                Figure(
                    "Supervisor",
                    "1 while Prometheus reaches it; everything else here is as fresh as that.",
                    (Query('min(up{job="hedgevisor"})'),),
                    words=((1, "answers", "green"), (0, "ABSENT", RED)),
                ),
                Figure(
                    "Naked groups",
                    "Groups with more than half a lot uncovered, also those that have fallen silent.",
                    (Query("count(last_over_time(hedge_group_naked_for_seconds[1h]) > 0) or vector(0)"),),
                    steps=((1, RED),),
                ),
                Figure(
                    "Uncovered",
                    "Sum of what is uncovered, without signs.",
                    (Query("sum(abs(hedge_group_net_exposure_usd))"),),
                    unit="currencyUSD",
                    steps=((25, AMBER), (1000, RED)),
                ),
                Figure(
                    "Oldest number",
                    "Age of the oldest report that an exposure rests upon; beyond 15 s it is unknown.",
                    (Query("max(hedge_group_data_age_seconds unless on (group) hedge_group_over == 1) or vector(0)"),),
                    unit="s",
                    steps=((5, AMBER), (15, RED)),
                ),
                Figure(
                    "Parked groups",
                    "They wait for a person.",
                    (Query("count(hedge_group_outcome == 2) or vector(0)"),),
                    steps=((1, RED),),
                ),
                Figure(
                    "Unknown orders",
                    "Orders of which nobody knows yet what became of them.",
                    (Query("sum(venue_orders_unknown)"),),
                    steps=((1, AMBER),),
                ),
                Figure(
                    "Alerts firing",
                    "The watchdog left out.",
                    (Query('count(ALERTS{alertstate="firing", severity!="none"}) or vector(0)'),),
                    steps=((1, RED),),
                ),
                Figure(
                    "Held",
                    "All legs of all groups, without signs.",
                    (Query("sum(hedge_group_gross_exposure_usd)"),),
                    "currencyUSD",
                ),
                Figure("Equity", "Of all accounts.", (Query("sum(venue_equity_usd)"),), "currencyUSD"),
                Figure(
                    "Way out pending",
                    "Groups that shall be flat and are not confirmed so.",
                    (Query("sum(hedge_group_flatten_pending) or vector(0)"),),
                    steps=((1, AMBER),),
                ),
                Figure(
                    "Frozen accounts",
                    "Somebody else traded there.",
                    (Query("count(venue_account_mode == 2) or vector(0)"),),
                    steps=((1, RED),),
                ),
                Figure(
                    "Silent actors",
                    "Groups and accounts that do not report.",
                    (Query("count(hedge_group_up == 0 or venue_account_up == 0) or vector(0)"),),
                    steps=((1, RED),),
                ),
            ),
        ),
        Section(
            "Groups",
            (
                Rows(
                    "Every group",
                    "The dashboard Group shows one in full.",
                    (
                        Query("hedge_group_net_exposure_usd", "uncovered, USD"),
                        Query("hedge_group_naked_for_seconds", "naked for, s"),
                        Query("hedge_group_gross_exposure_usd", "held, USD"),
                        Query("hedge_group_cycle", "cycle"),
                        Query("hedge_group_phase_seconds", "in phase, s"),
                        Query("hedge_group_outcome", "outcome"),
                        Query("hedge_group_data_age_seconds", "age, s"),
                        Query("sum by (group) (hedge_leg_realized_usd)", "realised, USD"),
                        Query("hedge_group_unrealized_usd", "unrealised, USD"),
                        Query("hedge_group_funding_usd", "funding, USD"),
                    ),
                    width=24,
                    height=9,
                ),
                Chart(
                    "Uncovered, by our fills",
                    "Signed sum of each group's legs at the mark price.",
                    (Query("hedge_group_net_exposure_usd", "{{group}}"),),
                    "currencyUSD",
                    width=12,
                ),
                Chart(
                    "Uncovered, by the venues",
                    "The same out of what the venues state: a second source for the number beside it.",
                    (Query("hedge_group_net_stated_base * on (group) hedge_group_mark_price_usd", "{{group}}"),),
                    "currencyUSD",
                    width=12,
                ),
                Chart(
                    "Naked USD seconds",
                    "What was uncovered times how long, in each second: the price of being slow.",
                    (Query("rate(hedge_group_naked_usd_seconds_total[$__rate_interval])", "{{group}}"),),
                ),
                Chart("Equity", "Of each account.", (Query("venue_equity_usd", "{{account}}"),), "currencyUSD"),
                Chart(
                    "Margin",
                    "Maintenance requirement as a share of equity; at 100 % the venue liquidates.",
                    (Query("venue_margin_ratio", "{{account}}"),),
                    "percentunit",
                ),
                Chart(
                    "Restarts",
                    "Successors started in the last five minutes.",
                    (
                        Query("increase(hedge_group_restarts_total[5m])", "group/{{group}}"),
                        Query("increase(venue_account_restarts_total[5m])", "account/{{account}}"),
                    ),
                ),
                Chart(
                    "Age of reports",
                    "Seconds since each group last reported.",
                    (Query("time() - hedge_group_report_timestamp_seconds", "{{group}}"),),
                    "s",
                ),
                Chart(
                    "Notifications",
                    "What the strategies had to say, by severity.",
                    (
                        Query("sum(increase(hedge_group_notifications_critical_total[5m]))", "critical"),
                        Query("sum(increase(hedge_group_notifications_warning_total[5m]))", "warning"),
                        Query("sum(increase(hedge_group_notifications_info_total[5m]))", "info"),
                    ),
                ),
            ),
        ),
    ),
)
