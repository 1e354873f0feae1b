"""What a dashboard is made of, and how it is written for Grafana with its own SDK."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

WIDTH = 24
"""Grafana's grid."""
_REFRESH = "5s"
_SPAN = "now-1h"
_SOURCE = "${source}"
_TAG = "hedgevisor"
GREEN, AMBER, RED = "green", "orange", "red"


@dataclass(frozen=True)
class Query:
    """One expression, and what its lines are called (`{{label}}`)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Subject:
    """Whose numbers a dashboard shows: those of the chosen values of one label (see `Choice`)."""

    label: str

    @property
    def selector(self) -> str:
        """Return what selects the chosen values in an expression."""
        return f'{{{self.label}=~"${self.label}"}}'

    @property
    def name(self) -> str:
        """Return its name in a legend."""
        return f"{{{{{self.label}}}}}"

    def line(self, metric: str, words: str = "") -> Query:
        """Return a metric of the subject, its lines called by the subject's name and these words."""
        return Query(f"{metric}{self.selector}", self._legend(words))

    def age(self, moment: str) -> Query:
        """Return the seconds since a moment."""
        return Query(f"time() - {moment}{self.selector}", self.name)

    def rate(self, counter: str, words: str = "") -> Query:
        """Return what a counter gains each second."""
        return Query(f"rate({counter}{self.selector}[$__rate_interval])", self._legend(words))

    def gain(self, counter: str, words: str = "") -> Query:
        """Return what a counter has gained in five minutes."""
        return Query(f"increase({counter}{self.selector}[5m])", self._legend(words))

    def spread(self, histogram: str) -> tuple[Query, ...]:
        """Return what half of a histogram's observations stay below, and what 99 % do."""
        return (self._quantile(0.5, histogram, "half"), self._quantile(0.99, histogram, "99 %"))

    def _quantile(self, share: float, histogram: str, word: str) -> Query:
        buckets = f"rate({histogram}_bucket{self.selector}[$__rate_interval])"
        return Query(f"histogram_quantile({share}, sum by ({self.label}, le) ({buckets}))", self._legend(word))

    def _legend(self, words: str) -> str:
        return f"{self.name} {words}" if words else self.name


@dataclass(frozen=True)
class Panel:
    """One panel. `unit` is Grafana's word; `meaning` is read when somebody points at the title."""

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8
    height: int = 7


@dataclass(frozen=True)
class Chart(Panel):
    """Lines over time."""

    stacked: bool = False


@dataclass(frozen=True)
class Figure(Panel):
    """One number a line, coloured by `steps` (from this value on, this colour) and worded by `words`."""

    width: int = 4
    height: int = 4
    steps: tuple[tuple[float, str], ...] = ()
    words: tuple[tuple[int, str, str], ...] = ()
    """Value, word, colour."""


@dataclass(frozen=True)
class Rows(Panel):
    """A table: one row for each value of `key`, one column for each query."""

    key: str = "group"


@dataclass(frozen=True)
class Choice:
    """A variable: the values of `label` of `metric`, any number of them at once."""

    name: str
    metric: str
    label: str


@dataclass(frozen=True)
class Section:
    """Panels below one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    sections: tuple[Section, ...]
    choices: tuple[Choice, ...] = ()


def text(board: Board) -> str:
    """Return the dashboard as Grafana's JSON."""
    built = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([_TAG])
        .timezone("browser")
        .refresh(_REFRESH)
        .time(_SPAN, "now")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(build.DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .link(
            build.DashboardLink("Hedgevisor").tags([_TAG]).type(dashboard.DashboardLinkType.DASHBOARDS).keep_time(True)
        )
        .annotation(
            build.AnnotationQuery()
            .name("alerts")
            .datasource(_source())
            .icon_color(RED)
            .enable(True)
            .expr('ALERTS{alertstate="firing", severity!="none"}')
        )
    )
    for choice in board.choices:
        built = built.with_variable(_variable(choice))
    for section in board.sections:
        built = built.with_row(build.Row(section.title))
        for panel in section.panels:
            built = built.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def expressions(board: Board) -> list[str]:
    """Return every expression of every panel."""
    return [query.expression for section in board.sections for panel in section.panels for query in panel.queries]


def _source() -> dashboard.DataSourceRef:
    return dashboard.DataSourceRef(type_val="prometheus", uid=_SOURCE)


def _variable(choice: Choice) -> build.QueryVariable:
    return (
        build.QueryVariable(choice.name)
        .label(choice.name)
        .datasource(_source())
        .query(f"label_values({choice.metric}, {choice.label})")
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
    )


def _targets(panel: Panel, *, instant: bool) -> list[Builder[Dataquery]]:
    found: list[Builder[Dataquery]] = []
    for place, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expression).ref_id(chr(ord("A") + place)).datasource(_source())
        target = target.legend_format(query.legend or "__auto")
        target = target.instant() if instant else target.range()
        found.append(target.format(PromQueryFormat.TABLE) if isinstance(panel, Rows) else target)
    return found


P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel)


def _described(made: P, panel: Panel, *, instant: bool) -> P:
    """Return a panel of Grafana's with what every panel of ours has."""
    return (
        made.title(panel.title)
        .description(panel.meaning)
        .datasource(_source())
        .targets(_targets(panel, instant=instant))
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
    )


def _panel(panel: Panel) -> timeseries.Panel | stat.Panel | table.Panel:
    match panel:
        case Figure():
            return _figure(panel)
        case Rows():
            return _rows(panel)
    chart = (
        _described(timeseries.Panel(), panel, instant=False)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            build_common.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    if isinstance(panel, Chart) and panel.stacked:
        chart = chart.stacking(build_common.StackingConfig().mode(common.StackingMode.NORMAL)).fill_opacity(20)
    return chart


def _figure(panel: Figure) -> stat.Panel:
    return (
        _described(stat.Panel(), panel, instant=True)
        .thresholds(_thresholds(panel.steps))
        .mappings(_words(panel.words))
        .color_mode(
            common.BigValueColorMode.BACKGROUND if panel.steps or panel.words else common.BigValueColorMode.NONE
        )
        .graph_mode(common.BigValueGraphMode.NONE)
        .no_value("no data")
    )


def _rows(panel: Rows) -> table.Panel:
    # One column a query: the queries are joined by the key, and everything that is the same in all rows is left out.
    names = {f"Value #{chr(ord('A') + place)}": query.legend for place, query in enumerate(panel.queries)}
    hidden = dict.fromkeys(("Time", "__name__", "instance", "job", "venue"), True)
    return (
        _described(table.Panel(), panel, instant=True)
        .show_header(True)
        .transformations(
            [
                dashboard.DataTransformerConfig(id_val="joinByField", options={"byField": panel.key, "mode": "outer"}),
                dashboard.DataTransformerConfig(
                    id_val="filterFieldsByName",
                    options={"include": {"pattern": f"^({panel.key}|Value.*)$"}},
                ),
                dashboard.DataTransformerConfig(
                    id_val="organize", options={"excludeByName": hidden, "renameByName": names}
                ),
            ]
        )
    )


def _thresholds(steps: Sequence[tuple[float, str]]) -> build.ThresholdsConfig:
    found = [dashboard.Threshold(value=None, color=GREEN)]
    found += [dashboard.Threshold(value=value, color=color) for value, color in steps]
    return build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)


def _words(words: Sequence[tuple[int, str, str]]) -> list[dashboard.ValueMapping]:
    if not words:
        return []
    options = {
        str(value): dashboard.ValueMappingResult(text=word, color=color, index=place)
        for place, (value, word, color) in enumerate(words)
    }
    return [dashboard.ValueMap(options=options)]
