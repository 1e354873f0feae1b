"""The metrics table as Prometheus reads it: its text format, version 0.0.4.

Written by hand because a hundred groups make some fifty thousand lines, and the supervisor's loop stands still while
they are written: the client library takes six times as long for them (benchmarks/README.md).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from math import inf
from typing import Any

from actors.actor import Histogram
from actors.metric_kinds import (
    ActorUse,
    ChannelAt,
    ChannelOf,
    GroupAt,
    HistogramMetric,
    LaneOf,
    Leg,
    LimitOf,
    Metric,
    R,
    RefusalOf,
)
from actors.metrics import GROUP_HISTOGRAMS, GROUPS, LEGS, LIMITS, REFUSALS
from actors.metrics_host import ACTORS, HOST, NOTIFIERS, RAY, SUPERVISOR
from actors.metrics_venue import ACCOUNT_HISTOGRAMS, ACCOUNTS, LANES, STREAMS
from actors.refusal import RefusalKind
from actors.supervision.overview import AccountRow, GroupRow, Overview
from strategies.domain.order import Lane

Labelled = tuple[tuple[str, ...], R]
"""One source with the values of its labels."""

TABLE: tuple[Metric[Any] | HistogramMetric, ...] = (
    *SUPERVISOR,
    *NOTIFIERS,
    *RAY,
    *HOST,
    *ACTORS,
    *GROUPS,
    *LEGS,
    *REFUSALS,
    *LIMITS,
    *ACCOUNTS,
    *LANES,
    *STREAMS,
    *GROUP_HISTOGRAMS,
    *ACCOUNT_HISTOGRAMS,
)
"""Every metric there is."""

_HEADS_KEPT = 50_000
"""Label texts that are kept from page to page: those of some two hundred groups. They change only with the settings."""
_JOIN = "{} {}".format
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def render(look: Callable[[], Overview]) -> bytes:
    """Return the whole page."""
    return ("\n".join(_lines(look())) + "\n").encode()


def _lines(seen: Overview) -> list[str]:
    groups = [((name,), GroupAt(row, seen.at, seen.accounts)) for name, row in seen.groups.items()]
    accounts = [((name, row.venue), row) for name, row in seen.accounts.items()]
    # Filled in place: handing each line up through generators takes a tenth of the time.
    lines: list[str] = []
    _family(lines, SUPERVISOR + RAY + HOST, [((), seen)])
    _family(lines, NOTIFIERS, [((each.name,), ChannelAt(each, seen.at)) for each in seen.channels])
    _family(lines, ACTORS, list(_uses(seen)))
    _family(lines, GROUPS, groups)
    _family(lines, LEGS, list(_legs(seen)))
    _family(lines, REFUSALS, list(_refusals(seen)))
    _family(lines, LIMITS, list(_limits(seen)))
    _family(lines, ACCOUNTS, accounts)
    _family(lines, LANES, list(_lanes(seen)))
    _family(lines, STREAMS, list(_channels(seen)))
    for histogram in GROUP_HISTOGRAMS:
        reports = [(labels, each.row.status.histograms) for labels, each in groups if each.row.status is not None]
        _histogram(lines, histogram, reports)
    for histogram in ACCOUNT_HISTOGRAMS:
        told = [(labels, row.status.histograms) for labels, row in accounts if row.status is not None]
        _histogram(lines, histogram, told)
    return lines


def _family(lines: list[str], table: tuple[Metric[R], ...], sources: Sequence[Labelled[R]]) -> None:
    """Write rows that share their sources: their labels are written once."""
    if not table:
        return
    labelled = [(_braced(table[0].labels, values), source) for values, source in sources]
    for metric in table:
        lines += _head(metric)
        name, read = metric.name, metric.read
        lines += [
            f"{name}{labels} {_text(number)}" for labels, source in labelled if (number := read(source)) is not None
        ]


def _head(metric: Metric[R] | HistogramMetric) -> tuple[str, str]:
    return f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.type}"


def _histogram(lines: list[str], metric: HistogramMetric, reports: Iterable[Labelled[Mapping[str, Histogram]]]) -> None:
    lines += _head(metric)
    for values, histograms in reports:
        histogram = histograms.get(metric.key)
        if histogram is None:
            continue
        heads = _histogram_heads(metric.name, metric.labels, values, histogram.bounds)
        counts = [*accumulate(histogram.counts)]
        lines += map(_JOIN, heads, (*counts, counts[-1], histogram.total))


@lru_cache(maxsize=_HEADS_KEPT)
def _histogram_heads(
    name: str, names: tuple[str, ...], values: tuple[str, ...], bounds: tuple[float, ...]
) -> tuple[str, ...]:
    """Return what stands before each number of a histogram: its buckets, its count, its sum."""
    inside = _pairs(names, values)
    buckets = tuple(f'{name}_bucket{{{inside},le="{bound}"}}' for bound in (*bounds, "+Inf"))
    return (*buckets, f"{name}_count{{{inside}}}", f"{name}_sum{{{inside}}}")


@lru_cache(maxsize=_HEADS_KEPT)
def _braced(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return f"{{{_pairs(names, values)}}}" if names else ""


def _pairs(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))


def _text(number: float | Decimal) -> str:
    """Write a number as Prometheus reads it."""
    value = float(number)  # first: a Decimal takes long to compare with a float
    return "+Inf" if value == inf else repr(value)


def _uses(seen: Overview) -> Iterator[Labelled[ActorUse]]:
    rows: tuple[AccountRow | GroupRow, ...] = (*seen.accounts.values(), *seen.groups.values())
    for row in rows:
        if row.status is not None:
            use = ActorUse(memory_bytes=row.status.memory_bytes, cpu_s=row.status.cpu_s)
            yield (f"{row.actor.kind}/{row.actor.name}",), use


def _legs(seen: Overview) -> Iterator[Labelled[Leg]]:
    for name, row in seen.groups.items():
        if row.status is not None:
            for leg, view in row.status.view.legs.items():
                told = seen.accounts.get(view.account)
                source = Leg(view=view, mark=row.status.view.mark, status=None if told is None else told.status)
                yield (name, leg, view.account), source


def _refusals(seen: Overview) -> Iterator[Labelled[RefusalOf]]:
    for name, row in seen.groups.items():
        if row.status is not None:
            for leg, view in row.status.view.legs.items():
                for kind in RefusalKind:
                    yield (name, leg, view.account, kind.value), RefusalOf(row.status, view.account, kind)


def _limits(seen: Overview) -> Iterator[Labelled[LimitOf]]:
    for name, row in seen.groups.items():
        if row.status is not None:
            for limit in row.status.limits:
                yield (name, limit.name, limit.account or ""), LimitOf(limit)


def _lanes(seen: Overview) -> Iterator[Labelled[LaneOf]]:
    for name, row in seen.accounts.items():
        if row.status is not None:
            for lane in Lane:
                yield (name, row.venue, lane.value), LaneOf(status=row.status, lane=lane)


def _channels(seen: Overview) -> Iterator[Labelled[ChannelOf]]:
    for name, row in seen.accounts.items():
        if row.status is not None:
            for channel in row.status.stream_ages_s:
                yield (name, row.venue, channel), ChannelOf(status=row.status, channel=channel)
