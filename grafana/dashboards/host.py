"""Host and Ray: the machine, what carries the actors, and what each process takes."""

from grafana.board import AMBER, GREEN, RED, Board, Chart, Figure, Query, Section

HOST = Board(
    uid="hedgevisor-host",
    title="Hedgevisor: Host and Ray",
    description="The machine, Ray, the supervisor's own process, and what every actor takes.",
    sections=(
        Section(
            "Now",
            (
                Figure(
                    "Ray",
                    "It carries the actors.",
                    (Query("hedge_ray_up"),),
                    words=((1, "up", GREEN), (0, "LOST", RED)),
                ),
                Figure(
                    "Ray lost", "Since the supervisor started.", (Query("hedge_ray_losses_total"),), steps=((1, AMBER),)
                ),
                Figure(
                    "Supervisor's loop",
                    "Since it last turned.",
                    (Query("time() - hedge_supervisor_heartbeat_timestamp_seconds"),),
                    "s",
                    steps=((5, AMBER), (15, RED)),
                ),
                Figure(
                    "Disk free",
                    "Where the journal is: a full disk stops every order.",
                    (Query("hedge_host_disk_free_bytes / hedge_host_disk_bytes"),),
                    "percentunit",
                ),
                Figure(
                    "Memory available",
                    "Share of the machine's.",
                    (Query("hedge_host_memory_available_bytes / hedge_host_memory_bytes"),),
                    "percentunit",
                ),
                Figure(
                    "Load",
                    "Processes that want to run, for each processor.",
                    (Query("hedge_host_load / hedge_host_processors"),),
                    steps=((1, AMBER), (2, RED)),
                ),
                Figure(
                    "Spares", "Warm processes that wait for a dead actor's place.", (Query("hedge_supervisor_spares"),)
                ),
                Figure("Epoch", "Of the supervisor; rises with each start.", (Query("hedge_supervisor_epoch"),)),
                Figure(
                    "Notices",
                    "Critical ones since the start.",
                    (Query("hedge_supervisor_notices_total"),),
                    steps=((1, AMBER),),
                ),
                Figure("Ray's processes", "Its own and its workers'.", (Query("hedge_ray_processes"),)),
                Figure("State folder", "Journal and logs.", (Query("hedge_host_state_bytes"),), "bytes"),
                Figure(
                    "Age of these numbers",
                    "The machine is looked at every five seconds.",
                    (Query("time() - hedge_host_report_timestamp_seconds"),),
                    "s",
                    steps=((15, AMBER), (60, RED)),
                ),
            ),
        ),
        Section(
            "Machine",
            (
                Chart(
                    "CPU",
                    "Busy processors, and how many there are.",
                    (
                        Query("rate(hedge_host_cpu_busy_seconds_total[$__rate_interval])", "busy"),
                        Query("hedge_host_processors", "there are"),
                    ),
                ),
                Chart(
                    "Memory",
                    "Of the machine.",
                    (Query("hedge_host_memory_bytes", "all"), Query("hedge_host_memory_available_bytes", "available")),
                    "bytes",
                ),
                Chart(
                    "Disk",
                    "Of the state folder's file system.",
                    (Query("hedge_host_disk_bytes", "all"), Query("hedge_host_disk_free_bytes", "free")),
                    "bytes",
                ),
            ),
        ),
        Section(
            "Doors",
            (
                Chart(
                    "Refused",
                    "Calls and words that were refused in five minutes, by what was wrong with them.",
                    (
                        Query("increase(hedge_http_refused_token_total[5m])", "token"),
                        Query("increase(hedge_http_refused_host_total[5m])", "host"),
                        Query("increase(hedge_http_refused_origin_total[5m])", "origin"),
                        Query("increase(hedge_http_refused_request_total[5m])", "request"),
                        Query("increase(hedge_http_refused_state_total[5m])", "not as things are"),
                        Query("increase(hedge_telegram_refused_total[5m])", "Telegram chat"),
                    ),
                ),
                Chart(
                    "Bots",
                    "Who reports by telemetry, and who has missed two of its intervals.",
                    (
                        Query("hedge_telemetry_bots_online", "online"),
                        Query("hedge_telemetry_bots_offline", "offline"),
                    ),
                ),
                Chart(
                    "Heartbeats",
                    "Taken each second; rounds of our own that arrived, and that did not.",
                    (
                        Query("rate(hedge_telemetry_heartbeats_total[$__rate_interval])", "taken"),
                        Query("rate(hedge_telemetry_rounds_total[$__rate_interval])", "our rounds"),
                        Query("rate(hedge_telemetry_failures_total[$__rate_interval])", "failed"),
                    ),
                ),
            ),
        ),
        Section(
            "Notifications",
            (
                Chart(
                    "Channel failing for",
                    "Since when nothing has gone out although something was to.",
                    (Query("hedge_notifier_failing_seconds", "{{channel}}"),),
                    "s",
                ),
                Chart(
                    "Messages",
                    "Taken and failed in five minutes.",
                    (
                        Query("increase(hedge_notifier_sent_total[5m])", "{{channel}} sent"),
                        Query("increase(hedge_notifier_failures_total[5m])", "{{channel}} failed"),
                    ),
                ),
                Chart(
                    "Waiting and lost",
                    "What waits for a channel, and what will never go out.",
                    (
                        Query("hedge_notifier_waiting", "{{channel}} waiting"),
                        Query("hedge_notifier_dropped_total", "{{channel}} dropped"),
                    ),
                ),
            ),
        ),
        Section(
            "Processes",
            (
                Chart(
                    "Memory of actors",
                    "By their own report.",
                    (Query("hedge_actor_memory_bytes", "{{actor}}"),),
                    "bytes",
                    stacked=True,
                ),
                Chart(
                    "CPU of actors",
                    "Cores.",
                    (Query("rate(hedge_actor_cpu_seconds_total[$__rate_interval])", "{{actor}}"),),
                    stacked=True,
                ),
                Chart(
                    "Memory of Ray",
                    "With its workers, shared pages counted in each.",
                    (Query("hedge_ray_memory_bytes", "Ray"),),
                    "bytes",
                ),
                Chart("Supervisor", "Memory.", (Query("hedge_supervisor_memory_bytes", "memory"),), "bytes"),
                Chart(
                    "Supervisor's CPU",
                    "Cores.",
                    (Query("rate(hedge_supervisor_cpu_seconds_total[$__rate_interval])", "CPU"),),
                ),
                Chart(
                    "Supervisor's lag",
                    "Worst of ten seconds.",
                    (Query("hedge_supervisor_loop_lag_seconds", "lag"),),
                    "s",
                ),
            ),
        ),
    ),
)
