"""Group: one hedge group, its legs, what it does, and how fast."""

from grafana.board import AMBER, GREEN, RED, Board, Chart, Choice, Figure, Query, Section, Subject

_CHOSEN = Subject("group")


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
                    (_CHOSEN.line("hedge_group_up"),),
                    words=((1, "alive", GREEN), (0, "SILENT", RED)),
                ),
                Figure(
                    "Outcome",
                    "A parked group waits for a person.",
                    (_CHOSEN.line("hedge_group_outcome"),),
                    words=((0, "running", GREEN), (1, "finished", GREEN), (2, "PARKED", RED)),
                ),
                Figure(
                    "Operator wants",
                    "The last word said, kept over restarts.",
                    (_CHOSEN.line("hedge_group_operator_state"),),
                    words=((0, "RUN", GREEN), (1, "PAUSE", AMBER), (2, "REDUCE", AMBER), (3, "FLATTEN", RED)),
                ),
                Figure(
                    "Naked for",
                    "Since when more than half a lot is uncovered; runs on while the group is silent.",
                    (_CHOSEN.line("hedge_group_naked_for_seconds"),),
                    "s",
                    steps=((1, AMBER), (10, RED)),
                ),
                Figure(
                    "Age of the numbers",
                    "The oldest report that the exposure rests upon.",
                    (_CHOSEN.line("hedge_group_data_age_seconds"),),
                    "s",
                    steps=((5, AMBER), (15, RED)),
                ),
                Figure(
                    "Deciding",
                    "A group that stopped decides no more and is taken out.",
                    (_CHOSEN.line("hedge_group_stopped"),),
                    words=((0, "yes", GREEN), (1, "STOPPED", RED)),
                ),
                Figure(
                    "Hedged",
                    "Does the strategy hold that nothing but rounding is uncovered?",
                    (_CHOSEN.line("hedge_group_hedged"),),
                    words=((1, "yes", GREEN), (0, "NO", AMBER)),
                ),
                Figure("In phase for", "Time in the present phase.", (_CHOSEN.line("hedge_group_phase_seconds"),), "s"),
                Figure("Cycle", "Number of the running or last one.", (_CHOSEN.line("hedge_group_cycle"),)),
                Figure("Cycles done", "In the life of the group.", (_CHOSEN.line("hedge_group_cycles_done_total"),)),
                Figure("Epoch", "Rises with each incarnation.", (_CHOSEN.line("hedge_group_epoch"),)),
                Figure("Mark price", "Used for values.", (_CHOSEN.line("hedge_group_mark_price_usd"),), "currencyUSD"),
            ),
        ),
        Section(
            "Legs",
            (
                Chart(
                    "Position",
                    "What our fills add up to, signed.",
                    (_CHOSEN.line("hedge_leg_believed_base", "{{leg}}"),),
                ),
                Chart("Target", "What the strategy wants.", (_CHOSEN.line("hedge_leg_target_base", "{{leg}}"),)),
                Chart(
                    "Stated by the venue",
                    "Where it differs from the position, a fill was missed.",
                    (_CHOSEN.line("hedge_leg_reported_base", "{{leg}}"),),
                ),
                Chart(
                    "Disagreement",
                    "Between the group's belief, the account's fills and the venue's statement.",
                    (_CHOSEN.line("hedge_leg_disagreement_usd", "{{leg}}"),),
                    "currencyUSD",
                ),
                Chart(
                    "Uncovered",
                    "By our fills, and by what the venues state.",
                    (
                        _CHOSEN.line("hedge_group_net_exposure_base", "by fills"),
                        _CHOSEN.line("hedge_group_net_stated_base", "by venues"),
                    ),
                ),
                Chart(
                    "Off target", "At the mark price.", (_CHOSEN.line("hedge_leg_gap_usd", "{{leg}}"),), "currencyUSD"
                ),
                Chart(
                    "Skew",
                    "The same as a share of the leg.",
                    (_CHOSEN.line("hedge_leg_skew_ratio", "{{leg}}"),),
                    "percentunit",
                ),
                Chart(
                    "To liquidation",
                    "How far the mark price may move.",
                    (_CHOSEN.line("hedge_leg_liquidation_distance_ratio", "{{leg}}"),),
                    "percentunit",
                ),
                Chart(
                    "Realised",
                    "Profit before fees, and fees.",
                    (
                        _CHOSEN.line("hedge_leg_realized_usd", "{{leg}}"),
                        _CHOSEN.line("hedge_leg_fees_usd", "{{leg}} fees"),
                    ),
                    "currencyUSD",
                ),
                Chart(
                    "Unrealised",
                    "Profit of what is held, as the venue states it; it begins anew with each position.",
                    (_CHOSEN.line("hedge_group_unrealized_usd"), _CHOSEN.line("hedge_leg_unrealized_usd", "{{leg}}")),
                    "currencyUSD",
                ),
                Chart(
                    "Funding",
                    "Received on what is held, negative = paid; it begins anew with each position.",
                    (_CHOSEN.line("hedge_group_funding_usd"), _CHOSEN.line("hedge_leg_funding_usd", "{{leg}}")),
                    "currencyUSD",
                ),
                Chart(
                    "Equity", "Of all accounts of the group.", (_CHOSEN.line("hedge_group_equity_usd"),), "currencyUSD"
                ),
                Chart(
                    "Value and dust",
                    "Position at the mark price; what is too small to close.",
                    (
                        _CHOSEN.line("hedge_leg_value_usd", "{{leg}}"),
                        _CHOSEN.line("hedge_leg_dust_usd", "{{leg}} dust"),
                    ),
                    "currencyUSD",
                ),
                Chart(
                    "Orders",
                    "Whose end is open, and of which nothing is known.",
                    (
                        _CHOSEN.line("hedge_leg_orders_in_flight", "{{leg}}"),
                        _CHOSEN.line("hedge_leg_orders_unknown", "{{leg}} unknown"),
                    ),
                ),
                Chart(
                    "Refusals",
                    "Orders refused or ended unfilled in five minutes, by the venue's reason.",
                    (
                        Query(
                            f"sum by (group, leg, reason) (increase(hedge_leg_refusals_total{_CHOSEN.selector}[5m]))",
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
                    _CHOSEN.spread("hedge_latency_seconds"),
                    "s",
                ),
                Chart("Naked intervals", "How long they lasted.", _CHOSEN.spread("hedge_naked_interval_seconds"), "s"),
                Chart(
                    "Naked time",
                    "Share of the time uncovered, and USD seconds of it each second.",
                    (
                        _CHOSEN.rate("hedge_group_naked_seconds_total", "share"),
                        _CHOSEN.rate("hedge_group_naked_usd_seconds_total", "USD"),
                    ),
                ),
                Chart("Deciding", "One step of the strategy.", _CHOSEN.spread("hedge_decide_seconds"), "s"),
                Chart("Journal", "One durable append.", _CHOSEN.spread("hedge_journal_append_seconds"), "s"),
                Chart("Calling accounts", "One call to an account.", _CHOSEN.spread("hedge_submit_call_seconds"), "s"),
                Chart(
                    "Steps",
                    "Events decided each second; what failed beside it.",
                    (
                        _CHOSEN.rate("hedge_group_steps_total"),
                        _CHOSEN.gain("hedge_group_journal_failures_total", "appends failed"),
                        _CHOSEN.gain("hedge_group_stops_total", "stops"),
                    ),
                ),
                Chart("Loop lag", "Of the group's event loop.", (_CHOSEN.line("hedge_group_loop_lag_seconds"),), "s"),
                Chart("Journal length", "Last record of the stream.", (_CHOSEN.line("hedge_group_journal_seq"),)),
            ),
        ),
    ),
)
