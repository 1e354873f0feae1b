"""What a metric is, and what its number is taken out of. The metrics themselves: `actors/metrics.py`, and beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from actors.actor import AccountStatus, GroupStatus, Liveness
from actors.notify.channel import ChannelHealth
from actors.refusal import RefusalKind
from actors.supervision.overview import AccountRow, ActorRow, GroupRow, Overview
from strategies.domain.ids import AccountId, Timestamp
from strategies.domain.order import Lane
from strategies.machine import LegView, LimitView

MS = 1000
"""Milliseconds in a second: moments are milliseconds here, and seconds on the page."""

Number = float | int | Decimal | None
"""None = not known, so not exported: no answer is not zero."""

R = TypeVar("R")


class Type(StrEnum):
    """Prometheus's kinds."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric(Generic[R]):
    """One row of the table: `read` takes the number out of one source; None = not known, so not exported."""

    name: str
    type: Type
    unit: str
    labels: tuple[str, ...]
    help: str
    read: Callable[[R], Number]


@dataclass(frozen=True)
class HistogramMetric:
    """A duration histogram that actors keep; `key` is its name in the actor's report."""

    name: str
    labels: tuple[str, ...]
    help: str
    key: str
    type: Type = Type.HISTOGRAM
    unit: str = "seconds"


@dataclass(frozen=True)
class GroupAt:
    """One group at the moment of the picture, with the reports of its accounts."""

    row: GroupRow
    at: Timestamp
    accounts: Mapping[AccountId, AccountRow]


@dataclass(frozen=True)
class Leg:
    """One leg of one group, as a source. `status` is its account's own report; None = it has made none."""

    view: LegView
    mark: Decimal | None
    status: AccountStatus | None = None


@dataclass(frozen=True)
class RefusalOf:
    """Refused and unfilled orders of one leg for one reason, as a source."""

    status: GroupStatus
    account: AccountId
    kind: RefusalKind


@dataclass(frozen=True)
class LimitOf:
    """One limit of one group, as a source."""

    limit: LimitView


@dataclass(frozen=True)
class LaneOf:
    """One lane of one account, as a source."""

    status: AccountStatus
    lane: Lane


@dataclass(frozen=True)
class ChannelOf:
    """One channel of one account's streams, as a source."""

    status: AccountStatus
    channel: str


@dataclass(frozen=True)
class ChannelAt:
    """One channel of notifications at the moment of the picture, as a source."""

    health: ChannelHealth
    at: Timestamp


@dataclass(frozen=True)
class ActorUse:
    """What one actor's process takes, as a source."""

    memory_bytes: int | None
    cpu_s: float | None


GROUP = ("group",)
LEG = ("group", "leg", "account")
ACCOUNT = ("account", "venue")
LANE = ("account", "venue", "lane")
CHANNEL = ("account", "venue", "channel")
REFUSAL = ("group", "leg", "account", "reason")
LIMIT = ("group", "limit", "account")
ACTOR = ("actor",)
NOTIFIER = ("channel",)


def metric(name: str, unit: str, labels: tuple[str, ...], text: str, read: Callable[[R], Number]) -> Metric[R]:
    """Return a row of the table."""
    # Prometheus's own rule: what only rises is called `_total`, and nothing else is.
    kind = Type.COUNTER if name.endswith("_total") else Type.GAUGE
    return Metric(name=name, type=kind, unit=unit, labels=labels, help=text, read=read)


def own(name: str, unit: str, text: str, read: Callable[[Overview], Number]) -> Metric[Overview]:
    """Return a row about the supervisor itself."""
    return metric(name, unit, (), text, read)


def group(name: str, unit: str, text: str, read: Callable[[GroupAt], Number]) -> Metric[GroupAt]:
    """Return a row about each group."""
    return metric(name, unit, GROUP, text, read)


def leg(name: str, unit: str, text: str, read: Callable[[Leg], Number]) -> Metric[Leg]:
    """Return a row about each leg."""
    return metric(name, unit, LEG, text, read)


def account(name: str, unit: str, text: str, read: Callable[[AccountRow], Number]) -> Metric[AccountRow]:
    """Return a row about each account."""
    return metric(name, unit, ACCOUNT, text, read)


def lane(name: str, unit: str, text: str, read: Callable[[LaneOf], Number]) -> Metric[LaneOf]:
    """Return a row about each lane of each account."""
    return metric(name, unit, LANE, text, read)


def reported(read: Callable[[GroupStatus], Number]) -> Callable[[GroupAt], Number]:
    """Read out of a group's own report, if there is one."""
    return lambda seen: None if seen.row.status is None else read(seen.row.status)


def told(read: Callable[[AccountStatus], Number]) -> Callable[[AccountRow], Number]:
    """Read out of an account's own report, if there is one."""
    return lambda row: None if row.status is None else read(row.status)


def group_count(key: str) -> Callable[[GroupAt], Number]:
    """Read one of a group's counters."""
    return reported(lambda status: status.counters.get(key, 0))


def account_count(key: str) -> Callable[[AccountRow], Number]:
    """Read one of an account's counters."""
    return told(lambda status: status.counters.get(key, 0))


def up(actor: ActorRow) -> int:
    """Say 1 while an actor reports."""
    return int(actor.liveness is Liveness.ALIVE)


def seconds(moment: Timestamp | None) -> Number:
    """Return a moment as seconds since 1970."""
    return None if moment is None else moment / MS


def since(moment: Timestamp | None, at: Timestamp) -> Number:
    """Return how long ago a moment was, seconds."""
    return None if moment is None else max(0, at - moment) / MS
