"""Account and venue: one account, its orders, its streams, its budget, and what its venue says."""

from grafana.board import AMBER, GREEN, RED, Board, Chart, Choice, Figure, Query, Section

_A = '{account=~"$account"}'
_L = "{{account}}"


def _quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, sum by (account, le) (rate({name}_bucket{_A}[$__rate_interval])))"


def _both(name: str) -> tuple[Query, ...]:
    return (Query(_quantile(0.5, name), f"{_L} half"), Query(_quantile(0.99, name), f"{_L} 99 %"))


def _counts(*keys: str) -> tuple[Query, ...]:
    return tuple(Query(f"increase(venue_{key}_total{_A}[5m])", f"{_L} {key.replace('_', ' ')}") for key in keys)


ACCOUNT = Board(
    uid="hedgevisor-account",
    title="Hedgevisor: Account and venue",
    description="One account: orders and their proof, streams, budget, margin, and what its venue answers.",
    choices=(Choice("account", "venue_account_up", "account"),),
    sections=(
        Section(
            "Now",
            (
                Figure(
                    "Actor",
                    "Does it report?",
                    (Query(f"venue_account_up{_A}", _L),),
                    words=((1, "alive", GREEN), (0, "SILENT", RED)),
                ),
                Figure(
                    "Mode",
                    "A frozen account writes exits only; a disarmed one nothing.",
                    (Query(f"venue_account_mode{_A}", _L),),
                    words=((0, "DISARMED", AMBER), (1, "armed", GREEN), (2, "FROZEN", RED), (3, "STOPPED", RED)),
                ),
                Figure(
                    "Unknown orders",
                    "Nobody knows yet what became of them.",
                    (Query(f"venue_orders_unknown{_A}", _L),),
                    steps=((1, AMBER),),
                ),
                Figure(
                    "Oldest doubt",
                    "Proof takes a second.",
                    (Query(f"venue_oldest_unknown_seconds{_A}", _L),),
                    "s",
                    steps=((5, AMBER), (30, RED)),
                ),
                Figure(
                    "Stalest channel",
                    "Since its content was last confirmed.",
                    (Query(f"venue_stream_age_seconds{_A}", _L),),
                    "s",
                    steps=((15, AMBER), (45, RED)),
                ),
                Figure(
                    "Own stream",
                    "While it cannot be relied on, no entry leaves.",
                    (Query(f"venue_stream_deaf{_A}", _L),),
                    words=((0, "heard", GREEN), (1, "DEAF", AMBER)),
                ),
                Figure(
                    "Last agreed",
                    "Since belief and the venue's statement were the same.",
                    (Query(f"time() - venue_account_reconciled_timestamp_seconds{_A}", _L),),
                    "s",
                    steps=((60, AMBER), (300, RED)),
                ),
            ),
        ),
        Section(
            "Money",
            (
                Chart(
                    "Equity",
                    "And what new positions may use.",
                    (Query(f"venue_equity_usd{_A}", _L), Query(f"venue_available_usd{_A}", f"{_L} available")),
                    "currencyUSD",
                ),
                Chart(
                    "Margin",
                    "Maintenance requirement as a share of equity; at 100 % the venue liquidates.",
                    (Query(f"venue_margin_ratio{_A}", _L),),
                    "percentunit",
                ),
                Chart(
                    "Maintenance requirement",
                    "Of all positions.",
                    (Query(f"venue_maintenance_margin_usd{_A}", _L),),
                    "currencyUSD",
                ),
                Chart(
                    "Position", "What the account's fills add up to.", (Query(f"venue_position_believed_base{_A}", _L),)
                ),
                Chart(
                    "Liquidation price",
                    "As the venue states it.",
                    (Query(f"venue_liquidation_price_usd{_A}", _L),),
                    "currencyUSD",
                ),
                Chart("Fills", "In five minutes.", _counts("fills")),
            ),
        ),
        Section(
            "Orders and proof",
            (
                Chart(
                    "Orders in flight",
                    "Whose end is open, and those that a person has to look at.",
                    (
                        Query(f"venue_orders_in_flight{_A}", _L),
                        Query(f"venue_orders_overdue{_A}", f"{_L} too old"),
                    ),
                ),
                Chart(
                    "Every order to its proof",
                    "From its identity on the disk to the first proof of what the venue did, doubt or not.",
                    _both("venue_order_certainty_seconds"),
                    "s",
                ),
                Chart(
                    "Doubt to certainty", "From doubt about a write to proof.", _both("venue_certainty_seconds"), "s"
                ),
                Chart("Answers", "From the wire to the venue's answer.", _both("venue_wire_to_answer_seconds"), "s"),
                Chart("To the wire", "From the queue to the wire.", _both("venue_dequeue_to_wire_seconds"), "s"),
                Chart("Signing", "Allocating a nonce and signing.", _both("venue_sign_seconds"), "s"),
                Chart("Journal", "One durable append.", _both("venue_journal_append_seconds"), "s"),
                Chart(
                    "Refused",
                    "By the venue and by us, in five minutes.",
                    _counts("orders_rejected", "orders_denied", "rate_limited", "unreachable"),
                ),
                Chart(
                    "In doubt",
                    "Writes without a usable answer, questions about them, and surprises.",
                    _counts(
                        "outcomes_unknown",
                        "order_lookups",
                        "orders_too_old",
                        "contradictions",
                        "position_adjustments",
                        "freezes",
                    ),
                ),
                Chart(
                    "Nonces and the journal",
                    "Learnt anew, refused for the nonce alone, appends that failed.",
                    _counts("nonce_resyncs", "stale_nonces", "fences", "journal_failures"),
                ),
            ),
        ),
        Section(
            "Streams and budget",
            (
                Chart(
                    "Channels",
                    "Since the content of each was last confirmed.",
                    (Query(f"venue_channel_age_seconds{_A}", "{{account}} {{channel}}"),),
                    "s",
                ),
                Chart("Connections", "Connected again, gaps filled by asking.", _counts("reconnects", "stream_gaps")),
                Chart(
                    "Clock",
                    "The venue's minus ours.",
                    (Query(f"venue_clock_offset_seconds{_A}", _L),),
                    "s",
                ),
                Chart(
                    "Budget left",
                    "Requests that each lane may send now.",
                    (Query(f"venue_budget_left{_A}", "{{account}} {{lane}}"),),
                ),
                Chart(
                    "Queue", "Commands that wait, by lane.", (Query(f"venue_queue_length{_A}", "{{account}} {{lane}}"),)
                ),
                Chart(
                    "Actor",
                    "Lag of its event loop, and restarts in five minutes.",
                    (
                        Query(f"venue_loop_lag_seconds{_A}", f"{_L} lag"),
                        Query(f"increase(venue_account_restarts_total{_A}[5m])", f"{_L} restarts"),
                        Query(f"venue_account_epoch{_A}", f"{_L} epoch"),
                    ),
                ),
            ),
        ),
    ),
)
