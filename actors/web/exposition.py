"""The metrics table as Prometheus reads it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from actors.actor import Histogram
from actors.metrics import (
    ACCOUNT_HISTOGRAMS,
    ACCOUNTS,
    CHANNELS,
    GROUP_HISTOGRAMS,
    GROUPS,
    LANES,
    LEGS,
    SUPERVISOR,
    ChannelAt,
    HistogramMetric,
    LaneOf,
    Leg,
    Metric,
    R,
    Type,
    cumulative,
)
from actors.supervision.overview import Overview
from strategies.domain.order import Lane

Labelled = tuple[tuple[str, ...], R]
"""One source with the values of its labels."""


class OverviewCollector(Collector):
    """Reads the latest overview each time Prometheus asks: nothing is kept, so nothing can be stale by itself."""

    def __init__(self, look: Callable[[], Overview]) -> None:
        """Take pictures with `look`."""
        self._look = look

    def collect(self) -> Iterator[Family]:
        """Yield every metric of the table, also those that have no number yet."""
        seen = self._look()
        groups = [((name,), row) for name, row in seen.groups.items()]
        accounts = [((name, row.venue), row) for name, row in seen.accounts.items()]
        yield from _families(SUPERVISOR, [((), seen)])
        yield from _families(GROUPS, groups)
        yield from _families(LEGS, list(_legs(seen)))
        yield from _families(ACCOUNTS, accounts)
        yield from _families(LANES, list(_lanes(seen)))
        yield from _families(CHANNELS, [((each.name,), ChannelAt(each, seen.at)) for each in seen.channels])
        for histogram in GROUP_HISTOGRAMS:
            reports = [(labels, row.status.histograms) for labels, row in groups if row.status is not None]
            yield _histogram(histogram, reports)
        for histogram in ACCOUNT_HISTOGRAMS:
            told = [(labels, row.status.histograms) for labels, row in accounts if row.status is not None]
            yield _histogram(histogram, told)

    def describe(self) -> Iterable[Family]:
        """Return nothing: the names are checked by the table's own test, without taking a picture."""
        return []


def render(look: Callable[[], Overview]) -> bytes:
    """Return the whole page in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OverviewCollector(look))
    return generate_latest(registry)


def _families(table: tuple[Metric[R], ...], sources: Sequence[Labelled[R]]) -> Iterator[Family]:
    for metric in table:
        family = _family(metric)
        for labels, source in sources:
            number = metric.read(source)
            if number is not None:
                family.add_metric(labels, float(number))
        yield family


def _family(metric: Metric[R]) -> CounterMetricFamily | GaugeMetricFamily:
    if metric.type is Type.COUNTER:
        return CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _histogram(metric: HistogramMetric, reports: Sequence[Labelled[Mapping[str, Histogram]]]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, histograms in reports:
        histogram = histograms.get(metric.key)
        if histogram is not None:
            family.add_metric(labels, cumulative(histogram), sum_value=histogram.total)
    return family


def _legs(seen: Overview) -> Iterator[Labelled[Leg]]:
    for name, row in seen.groups.items():
        if row.status is not None:
            for leg, view in row.status.view.legs.items():
                yield (name, leg, view.account), Leg(view=view, mark=row.status.view.mark)


def _lanes(seen: Overview) -> Iterator[Labelled[LaneOf]]:
    for name, row in seen.accounts.items():
        if row.status is not None:
            for lane in Lane:
                yield (name, row.venue, lane.value), LaneOf(status=row.status, lane=lane)
