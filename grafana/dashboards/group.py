"""Group: one hedge group, its legs, what it does, and how fast."""

from grafana.board import AMBER, GREEN, RED, Board, Chart, Choice, Figure, Query, Section

_G = '{group=~"$group"}'


def _quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, sum by (group, le) (rate({name}_bucket{_G}[$__rate_interval])))"


def _both(name: str) -> tuple[Query, ...]:
    return (Query(_quantile(0.5, name), "{{group}} half"), Query(_quantile(0.99, name), "{{group}} 99 %"))


GROUP = Board(
    uid="hedgevisor-group",
    title="Hedgevisor: Group",
    description="One hedge group: legs, exposure, what it does and how fast.",
    choices=(Choice("group", "hedge_group_up", "group"),),
    sections=(
        Section(
            "Now",
            (
                Figure(
                    "Actor",
                    "Does it report?",
                    (Query(f"hedge_group_up{_G}", "{{group}}"),),
                    words=((1, "alive", GREEN), (0, "SILENT", RED)),
                ),
                Figure(
                    "Outcome",
                    "A parked group waits for a person.",
                    (Query(f"hedge_group_outcome{_G}", "{{group}}"),),
                    words=((0, "running", GREEN), (1, "finished", GREEN), (2, "PARKED", RED)),
                ),
                Figure(
                    "Operator wants",
                    "The last word said, kept over restarts.",
                    (Query(f"hedge_group_operator_state{_G}", "{{group}}"),),
                    words=((0, "RUN", GREEN), (1, "PAUSE", AMBER), (2, "REDUCE", AMBER), (3, "FLATTEN", RED)),
                ),
                Figure(
                    "Naked for",
                    "Since when more than half a lot is uncovered; runs on while the group is silent.",
                    (Query(f"hedge_group_naked_for_seconds{_G}", "{{group}}"),),
                    "s",
                    steps=((1, AMBER), (10, RED)),
                ),
                Figure(
                    "Age of the numbers",
                    "The oldest report that the exposure rests upon.",
                    (Query(f"hedge_group_data_age_seconds{_G}", "{{group}}"),),
                    "s",
                    steps=((5, AMBER), (15, RED)),
                ),
                Figure(
                    "Deciding",
                    "A group that stopped decides no more and is taken out.",
                    (Query(f"hedge_group_stopped{_G}", "{{group}}"),),
                    words=((0, "yes", GREEN), (1, "STOPPED", RED)),
                ),
                Figure(
                    "Hedged",
                    "Does the strategy hold that nothing but rounding is uncovered?",
                    (Query(f"hedge_group_hedged{_G}", "{{group}}"),),
                    words=((1, "yes", GREEN), (0, "NO", AMBER)),
                ),
                Figure(
                    "In phase for",
                    "Time in the present phase.",
                    (Query(f"hedge_group_phase_seconds{_G}", "{{group}}"),),
                    "s",
                ),
                Figure("Cycle", "Number of the running or last one.", (Query(f"hedge_group_cycle{_G}", "{{group}}"),)),
                Figure(
                    "Cycles done",
                    "In the life of the group.",
                    (Query(f"hedge_group_cycles_done_total{_G}", "{{group}}"),),
                ),
                Figure(
                    "Epoch",
                    "Rises with each incarnation.",
                    (Query(f"hedge_group_epoch{_G}", "{{group}}"),),
                ),
                Figure(
                    "Mark price",
                    "Used for values.",
                    (Query(f"hedge_group_mark_price_usd{_G}", "{{group}}"),),
                    "currencyUSD",
                ),
            ),
        ),
        Section(
            "Legs",
            (
                Chart(
                    "Position",
                    "What our fills add up to, signed.",
                    (Query(f"hedge_leg_believed_base{_G}", "{{group}} {{leg}}"),),
                ),
                Chart(
                    "Target", "What the strategy wants.", (Query(f"hedge_leg_target_base{_G}", "{{group}} {{leg}}"),)
                ),
                Chart(
                    "Stated by the venue",
                    "Where it differs from the position, a fill was missed.",
                    (Query(f"hedge_leg_reported_base{_G}", "{{group}} {{leg}}"),),
                ),
                Chart(
                    "Disagreement",
                    "Between the group's belief, the account's fills and the venue's statement.",
                    (Query(f"hedge_leg_disagreement_usd{_G}", "{{group}} {{leg}}"),),
                    "currencyUSD",
                ),
                Chart(
                    "Uncovered",
                    "By our fills, and by what the venues state.",
                    (
                        Query(f"hedge_group_net_exposure_base{_G}", "{{group}} by fills"),
                        Query(f"hedge_group_net_stated_base{_G}", "{{group}} by venues"),
                    ),
                ),
                Chart(
                    "Off target",
                    "At the mark price.",
                    (Query(f"hedge_leg_gap_usd{_G}", "{{group}} {{leg}}"),),
                    "currencyUSD",
                ),
                Chart(
                    "Skew",
                    "The same as a share of the leg.",
                    (Query(f"hedge_leg_skew_ratio{_G}", "{{group}} {{leg}}"),),
                    "percentunit",
                ),
                Chart(
                    "To liquidation",
                    "How far the mark price may move.",
                    (Query(f"hedge_leg_liquidation_distance_ratio{_G}", "{{group}} {{leg}}"),),
                    "percentunit",
                ),
                Chart(
                    "Realised",
                    "Profit before fees, and fees.",
                    (
                        Query(f"hedge_leg_realized_usd{_G}", "{{group}} {{leg}}"),
                        Query(f"hedge_leg_fees_usd{_G}", "{{group}} {{leg}} fees"),
                    ),
                    "currencyUSD",
                ),
                Chart(
                    "Unrealised",
                    "Profit of what is held, as the venue states it; it begins anew with each position.",
                    (
                        Query(f"hedge_group_unrealized_usd{_G}", "{{group}}"),
                        Query(f"hedge_leg_unrealized_usd{_G}", "{{group}} {{leg}}"),
                    ),
                    "currencyUSD",
                ),
                Chart(
                    "Funding",
                    "Received on what is held, negative = paid; it begins anew with each position.",
                    (
                        Query(f"hedge_group_funding_usd{_G}", "{{group}}"),
                        Query(f"hedge_leg_funding_usd{_G}", "{{group}} {{leg}}"),
                    ),
                    "currencyUSD",
                ),
                Chart(
                    "Equity",
                    "Of all accounts of the group.",
                    (Query(f"hedge_group_equity_usd{_G}", "{{group}}"),),
                    "currencyUSD",
                ),
                Chart(
                    "Value and dust",
                    "Position at the mark price; what is too small to close.",
                    (
                        Query(f"hedge_leg_value_usd{_G}", "{{group}} {{leg}}"),
                        Query(f"hedge_leg_dust_usd{_G}", "{{group}} {{leg}} dust"),
                    ),
                    "currencyUSD",
                ),
                Chart(
                    "Orders",
                    "Whose end is open, and of which nothing is known.",
                    (
                        Query(f"hedge_leg_orders_in_flight{_G}", "{{group}} {{leg}}"),
                        Query(f"hedge_leg_orders_unknown{_G}", "{{group}} {{leg}} unknown"),
                    ),
                ),
                Chart(
                    "Refusals",
                    "Orders refused or ended unfilled in five minutes, by the venue's reason.",
                    (
                        Query(
                            f"sum by (group, leg, reason) (increase(hedge_leg_refusals_total{_G}[5m]))",
                            "{{leg}} {{reason}}",
                        ),
                    ),
                    stacked=True,
                ),
            ),
        ),
        Section(
            "Speed",
            (
                Chart(
                    "Hedge latency",
                    "From the event that asked for a hedge to the venue's word on it.",
                    _both("hedge_latency_seconds"),
                    "s",
                ),
                Chart("Naked intervals", "How long they lasted.", _both("hedge_naked_interval_seconds"), "s"),
                Chart(
                    "Naked time",
                    "Share of the time uncovered, and USD seconds of it each second.",
                    (
                        Query(f"rate(hedge_group_naked_seconds_total{_G}[$__rate_interval])", "{{group}} share"),
                        Query(f"rate(hedge_group_naked_usd_seconds_total{_G}[$__rate_interval])", "{{group}} USD"),
                    ),
                ),
                Chart("Deciding", "One step of the strategy.", _both("hedge_decide_seconds"), "s"),
                Chart("Journal", "One durable append.", _both("hedge_journal_append_seconds"), "s"),
                Chart("Calling accounts", "One call to an account.", _both("hedge_submit_call_seconds"), "s"),
                Chart(
                    "Steps",
                    "Events decided each second; what failed beside it.",
                    (
                        Query(f"rate(hedge_group_steps_total{_G}[$__rate_interval])", "{{group}}"),
                        Query(f"increase(hedge_group_journal_failures_total{_G}[5m])", "{{group}} appends failed"),
                        Query(f"increase(hedge_group_stops_total{_G}[5m])", "{{group}} stops"),
                    ),
                ),
                Chart(
                    "Loop lag",
                    "Of the group's event loop.",
                    (Query(f"hedge_group_loop_lag_seconds{_G}", "{{group}}"),),
                    "s",
                ),
                Chart(
                    "Journal length",
                    "Last record of the stream.",
                    (Query(f"hedge_group_journal_seq{_G}", "{{group}}"),),
                ),
            ),
        ),
    ),
)
