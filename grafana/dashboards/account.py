"""Account and venue: one account, its orders, its streams, its budget, and what its venue says."""

from grafana.board import AMBER, GREEN, RED, Board, Chart, Choice, Figure, Query, Section, Subject

_CHOSEN = Subject("account")


def _counts(*keys: str) -> tuple[Query, ...]:
    return tuple(_CHOSEN.gain(f"venue_{key}_total", key.replace("_", " ")) for key in keys)


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
                    (_CHOSEN.line("venue_account_up"),),
                    words=((1, "alive", GREEN), (0, "SILENT", RED)),
                ),
                Figure(
                    "Mode",
                    "A frozen account writes exits only; a disarmed one nothing.",
                    (_CHOSEN.line("venue_account_mode"),),
                    words=((0, "DISARMED", AMBER), (1, "armed", GREEN), (2, "FROZEN", RED), (3, "STOPPED", RED)),
                ),
                Figure(
                    "Unknown orders",
                    "Nobody knows yet what became of them.",
                    (_CHOSEN.line("venue_orders_unknown"),),
                    steps=((1, AMBER),),
                ),
                Figure(
                    "Oldest doubt",
                    "Proof takes a second.",
                    (_CHOSEN.line("venue_oldest_unknown_seconds"),),
                    "s",
                    steps=((5, AMBER), (30, RED)),
                ),
                Figure(
                    "Stalest channel",
                    "Since its content was last confirmed.",
                    (_CHOSEN.line("venue_stream_age_seconds"),),
                    "s",
                    steps=((15, AMBER), (45, RED)),
                ),
                Figure(
                    "Own stream",
                    "While it cannot be relied on, no entry leaves.",
                    (_CHOSEN.line("venue_stream_deaf"),),
                    words=((0, "heard", GREEN), (1, "DEAF", AMBER)),
                ),
                Figure(
                    "Last agreed",
                    "Since belief and the venue's statement were the same.",
                    (_CHOSEN.age("venue_account_reconciled_timestamp_seconds"),),
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
                    (_CHOSEN.line("venue_equity_usd"), _CHOSEN.line("venue_available_usd", "available")),
                    "currencyUSD",
                ),
                Chart(
                    "Margin",
                    "Maintenance requirement as a share of equity; at 100 % the venue liquidates.",
                    (_CHOSEN.line("venue_margin_ratio"),),
                    "percentunit",
                ),
                Chart(
                    "Maintenance requirement",
                    "Of all positions.",
                    (_CHOSEN.line("venue_maintenance_margin_usd"),),
                    "currencyUSD",
                ),
                Chart(
                    "Position", "What the account's fills add up to.", (_CHOSEN.line("venue_position_believed_base"),)
                ),
                Chart(
                    "Liquidation price",
                    "As the venue states it.",
                    (_CHOSEN.line("venue_liquidation_price_usd"),),
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
                    (_CHOSEN.line("venue_orders_in_flight"), _CHOSEN.line("venue_orders_overdue", "too old")),
                ),
                Chart(
                    "Every order to its proof",
                    "From its identity on the disk to the first proof of what the venue did, doubt or not.",
                    _CHOSEN.spread("venue_order_certainty_seconds"),
                    "s",
                ),
                Chart(
                    "Doubt to certainty",
                    "From doubt about a write to proof.",
                    _CHOSEN.spread("venue_certainty_seconds"),
                    "s",
                ),
                Chart(
                    "Answers",
                    "From the wire to the venue's answer.",
                    _CHOSEN.spread("venue_wire_to_answer_seconds"),
                    "s",
                ),
                Chart(
                    "To the wire", "From the queue to the wire.", _CHOSEN.spread("venue_dequeue_to_wire_seconds"), "s"
                ),
                Chart("Signing", "Allocating a nonce and signing.", _CHOSEN.spread("venue_sign_seconds"), "s"),
                Chart("Journal", "One durable append.", _CHOSEN.spread("venue_journal_append_seconds"), "s"),
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
                    (_CHOSEN.line("venue_channel_age_seconds", "{{channel}}"),),
                    "s",
                ),
                Chart("Connections", "Connected again, gaps filled by asking.", _counts("reconnects", "stream_gaps")),
                Chart("Clock", "The venue's minus ours.", (_CHOSEN.line("venue_clock_offset_seconds"),), "s"),
                Chart(
                    "Budget left",
                    "Requests that each lane may send now.",
                    (_CHOSEN.line("venue_budget_left", "{{lane}}"),),
                ),
                Chart("Queue", "Commands that wait, by lane.", (_CHOSEN.line("venue_queue_length", "{{lane}}"),)),
                Chart(
                    "Actor",
                    "Lag of its event loop, and restarts in five minutes.",
                    (
                        _CHOSEN.line("venue_loop_lag_seconds", "lag"),
                        _CHOSEN.gain("venue_account_restarts_total", "restarts"),
                        _CHOSEN.line("venue_account_epoch", "epoch"),
                    ),
                ),
            ),
        ),
    ),
)
