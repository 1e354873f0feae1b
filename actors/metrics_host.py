"""The metrics of the supervisor itself, of its notifiers, of every actor's process, of Ray and of the machine."""

from collections.abc import Callable

from actors.metric_kinds import ACTOR, NOTIFIER, ActorUse, ChannelAt, Metric, Number, metric, own, seconds, since
from actors.supervision.hostwatch import HostReport
from actors.supervision.overview import Overview


def _host(read: Callable[[HostReport], Number]) -> Callable[[Overview], Number]:
    return lambda seen: None if seen.host is None else read(seen.host)


def _counted(key: str) -> Callable[[Overview], Number]:
    return lambda seen: seen.counters.get(key, 0)


SUPERVISOR: tuple[Metric[Overview], ...] = (
    own(
        "hedge_supervisor_heartbeat_timestamp_seconds",
        "seconds",
        "When the supervisor's own loop last turned, seconds since 1970.",
        lambda seen: seconds(seen.beat_at),
    ),
    own(
        "hedge_supervisor_epoch",
        "1",
        "Epoch of the supervisor in the journal; it rises with each start.",
        lambda seen: seen.supervisor_epoch,
    ),
    own("hedge_supervisor_spares", "1", "Warm processes that wait.", lambda seen: seen.spares),
    own(
        "hedge_telemetry_bots_online",
        "1",
        "Bots that have not missed two of their own intervals.",
        _counted("telemetry_bots_online"),
    ),
    own(
        "hedge_telemetry_bots_offline",
        "1",
        "Bots that have; prune forgets them.",
        _counted("telemetry_bots_offline"),
    ),
    *(
        own(f"hedge_{key}_total", "1", text, _counted(key))
        for key, text in (
            ("http_refused_host", "Requests refused because they named a host that is not us."),
            ("http_refused_origin", "Writes refused because a page of somebody else sent them."),
            ("http_refused_token", "Writes refused for a missing or wrong token."),
            ("http_refused_request", "Requests refused because they were not what the endpoint takes."),
            ("http_refused_state", "Requests that were understood and not possible as things were."),
            ("telegram_refused", "Words of Telegram chats that are not allowed."),
            ("telemetry_heartbeats", "Heartbeats taken, of ours and of other bots."),
            ("telemetry_rounds", "Rounds of our own heartbeats that arrived."),
            ("telemetry_failures", "Rounds of our own heartbeats of which some did not arrive."),
        )
    ),
    own(
        "hedge_supervisor_notices_total",
        "1",
        "Critical notices since the supervisor started.",
        lambda seen: seen.noticed,
    ),
    own(
        "hedge_supervisor_loop_lag_seconds",
        "seconds",
        "Worst lag of the supervisor's event loop in the last ten seconds.",
        lambda seen: seen.loop_lag_s,
    ),
    own(
        "hedge_supervisor_memory_bytes",
        "bytes",
        "Resident memory of the supervisor's process.",
        _host(lambda host: host.own_memory_bytes),
    ),
    own(
        "hedge_supervisor_cpu_seconds_total",
        "seconds",
        "CPU time that the supervisor's process has used.",
        _host(lambda host: host.own_cpu_s),
    ),
)

NOTIFIERS: tuple[Metric[ChannelAt], ...] = (
    metric(
        "hedge_notifier_sent_total", "1", NOTIFIER, "Messages that the channel took.", lambda source: source.health.sent
    ),
    metric(
        "hedge_notifier_failures_total",
        "1",
        NOTIFIER,
        "Attempts to deliver that failed.",
        lambda source: source.health.failures,
    ),
    metric(
        "hedge_notifier_dropped_total",
        "1",
        NOTIFIER,
        "Messages that will never go out: the queue was full, or the channel takes them never.",
        lambda source: source.health.dropped,
    ),
    metric(
        "hedge_notifier_waiting",
        "1",
        NOTIFIER,
        "Messages that wait for the channel.",
        lambda source: source.health.waiting,
    ),
    metric(
        "hedge_notifier_failing_seconds",
        "seconds",
        NOTIFIER,
        "How long nothing has gone out although something was to; 0 = the last attempt succeeded.",
        lambda source: since(source.health.failing_since, source.at) or 0,
    ),
)

RAY: tuple[Metric[Overview], ...] = (
    own("hedge_ray_up", "1", "1 while Ray carries the actors, 0 while it is being had anew.", lambda seen: seen.ray_up),
    own("hedge_ray_losses_total", "1", "Times that Ray was lost since the start.", lambda seen: seen.ray_losses),
    own(
        "hedge_ray_processes",
        "1",
        "Processes below the supervisor: Ray's own and its workers'; 0 when Ray was started elsewhere.",
        _host(lambda host: host.child_processes),
    ),
    own(
        "hedge_ray_memory_bytes",
        "bytes",
        "Resident memory of all of them together, shared pages counted in each.",
        _host(lambda host: host.child_memory_bytes),
    ),
)

HOST: tuple[Metric[Overview], ...] = (
    own(
        "hedge_host_report_timestamp_seconds",
        "seconds",
        "When the machine was last looked at, seconds since 1970.",
        _host(lambda host: seconds(host.at)),
    ),
    own("hedge_host_processors", "1", "Processors of the machine.", _host(lambda host: host.processors)),
    own("hedge_host_load", "1", "Processes that wanted to run, mean of a minute.", _host(lambda host: host.load)),
    own(
        "hedge_host_cpu_busy_seconds_total",
        "seconds",
        "CPU time of the machine that was not idle, all processors together.",
        _host(lambda host: host.cpu_busy_s),
    ),
    own("hedge_host_memory_bytes", "bytes", "Memory of the machine.", _host(lambda host: host.memory_bytes)),
    own(
        "hedge_host_memory_available_bytes",
        "bytes",
        "Memory that programs may still take.",
        _host(lambda host: host.memory_available_bytes),
    ),
    own(
        "hedge_host_disk_free_bytes",
        "bytes",
        "Free space where the journal and the logs are.",
        _host(lambda host: host.disk_free_bytes),
    ),
    own("hedge_host_disk_bytes", "bytes", "Size of that file system.", _host(lambda host: host.disk_bytes)),
    own("hedge_host_state_bytes", "bytes", "Size of the state folder.", _host(lambda host: host.state_bytes)),
)

ACTORS: tuple[Metric[ActorUse], ...] = (
    metric(
        "hedge_actor_memory_bytes",
        "bytes",
        ACTOR,
        "Resident memory of the actor's process, by its own report.",
        lambda use: use.memory_bytes,
    ),
    metric(
        "hedge_actor_cpu_seconds_total",
        "seconds",
        ACTOR,
        "CPU time that the actor's process has used, by its own report.",
        lambda use: use.cpu_s,
    ),
)
