"""What the dashboard shows: the overview in the words of somebody who asks whether money is at risk.

Pure: one overview in, one board out. Moments stay moments, so that the page can let its clocks run between two boards.
What is not known is None, and stays None in every sum that it is part of.
"""

from collections.abc import Iterable
from decimal import Decimal
from math import isfinite

from pydantic import Field

from actors.actor import AccountStatus, Liveness
from actors.supervision.overview import AccountRow, ActorRow, GroupRow, Overview
from actors.web.risk import (
    Kind,
    LegSeen,
    Level,
    Verdict,
    is_rounding,
    margin_ratio,
    of_group,
    of_leg,
    of_supervisor,
    order,
    worst,
)
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, Timestamp
from strategies.domain.model import Value
from strategies.domain.order import Lane
from strategies.machine import GroupView, LegView, LimitView, Outcome

RECENT = 10
"""Journal events on a card."""
_FRACTION = Decimal("0.0001")
"""A hundredth of a percent: finer than anybody reads a distance."""


class ActorCard(Value):
    """An actor, as far as a person cares."""

    liveness: Liveness
    epoch: int
    restarts: int
    heard_at: Timestamp | None
    last_death: str
    gave_up: str


class LaneCard(Value):
    """One lane of an account's submission queue."""

    lane: Lane
    left: float | None = Field(description="requests that may be sent now; None = not known")
    waiting: int | None = Field(description="commands in the queue; None = not known")


class AccountCard(Value):
    """The account behind a leg. USD where it is money."""

    actor: ActorCard
    venue: str
    mode: AccountMode | None = None
    reason: str = ""
    at: Timestamp | None = Field(default=None, description="when it reported; stream ages are as of then")
    reconciled_at: Timestamp | None = None
    balance_at: Timestamp | None = None
    equity: Decimal | None = None
    available: Decimal | None = None
    maintenance_margin: Decimal | None = None
    margin_ratio: Decimal | None = Field(default=None, description="maintenance over equity; at 1 the venue liquidates")
    liquidation_price: Decimal | None = None
    liquidation_distance: Decimal | None = Field(
        default=None, description="how far the mark price is from it, as a fraction of the mark price"
    )
    unrealized: Decimal | None = None
    realized: Decimal | None = None
    fees: Decimal | None = None
    funding: Decimal | None = None
    clock_offset_s: float | None = None
    deaf: str = Field(default="", description="why no entry leaves: its own stream cannot be relied on")
    too_old: tuple[str, ...] = Field(default=(), description="orders that a person has to look at, and why")
    protection: tuple[str, ...] = Field(default=(), description="what is left at the venue, in words")
    streams: dict[str, float | None] = Field(
        default={}, description="channel → seconds since its content was confirmed; None = it has never spoken"
    )
    lanes: tuple[LaneCard, ...] = ()


class DoubtCard(Value):
    """An order whose outcome is not known."""

    order_id: OrderId
    since: Timestamp | None = Field(description="None = its account has not said")


class LegCard(Value):
    """One leg. Quantities in base units, signed."""

    name: LegName
    account: AccountId
    verdicts: tuple[Verdict, ...]
    level: Level
    target: Decimal
    believed: Decimal | None
    reported: Decimal | None
    reported_at: Timestamp | None
    value_usd: Decimal | None
    in_flight: int
    unknown: tuple[DoubtCard, ...]
    dust_usd: Decimal
    details: AccountCard


class GroupCard(Value):
    """One group."""

    name: GroupId
    level: Level
    verdicts: tuple[Verdict, ...] = Field(description="worst first, those of its legs included; never empty")
    actor: ActorCard
    strategy: str = ""
    instrument: InstrumentId | None = None
    reported: bool = Field(description="False = it has never reported: everything below is empty")
    at: Timestamp | None = None
    phase: str = ""
    phase_since: Timestamp | None = None
    reason: str = ""
    next: str = ""
    cycle: int | None = None
    cycles_done: int | None = None
    operator_state: OperatorState | None = None
    outcome: Outcome | None = None
    parking: str
    trouble: str
    stopped: str = ""
    over: bool
    mark: Decimal | None = None
    net: Decimal | None = None
    net_usd: Decimal | None = None
    naked_since: Timestamp | None = None
    rounding: bool = Field(default=False, description="what is uncovered is no more than one lot")
    naked_seconds: float | None = None
    naked_usd_seconds: float | None = None
    equity: Decimal | None = None
    unrealized: Decimal | None = None
    realized: Decimal | None = None
    fees: Decimal | None = None
    funding: Decimal | None = None
    legs: tuple[LegCard, ...] = ()
    limits: tuple[LimitView, ...] = Field(default=(), description="what the group lives under, and how much is used")
    recent: tuple[str, ...] = Field(default=(), description="the last journal steps in words, newest first")


class Headline(Value):
    """One kind of verdict over all groups: a line of the bar on top."""

    kind: Kind
    level: Level
    groups: tuple[GroupId, ...]
    since: Timestamp | None = Field(description="of the one that lasts longest; None = not known")
    usd: Decimal | None = Field(description="of all of them; None = not known of at least one, or not about money")


class Board(Value):
    """The whole page."""

    at: Timestamp
    beat_at: Timestamp
    supervisor_epoch: int
    level: Level
    headlines: tuple[Headline, ...] = Field(description="worst first, each kind once; of calm groups their one state")
    groups: tuple[GroupCard, ...]
    notices: tuple[str, ...]


def board(seen: Overview) -> Board:
    """Draw the board."""
    groups = tuple(_group(name, row, seen) for name, row in seen.groups.items())
    own = of_supervisor(seen)
    headlines = headlines_of(own, groups)
    return Board(
        at=seen.at,
        beat_at=seen.beat_at,
        supervisor_epoch=seen.supervisor_epoch,
        level=max((each.level for each in headlines), default=Level.OK),
        headlines=headlines,
        groups=groups,
        notices=seen.notices,
    )


def headlines_of(own: Iterable[Verdict], groups: Iterable[GroupCard]) -> tuple[Headline, ...]:
    """Say each kind once, for all groups that it is true of."""
    found: dict[Kind, list[tuple[GroupId | None, Verdict]]] = {}
    for verdict in own:
        found.setdefault(verdict.kind, []).append((None, verdict))
    for group in groups:
        for verdict in group.verdicts:
            found.setdefault(verdict.kind, []).append((group.name, verdict))
    rows = [_headline(kind, rows) for kind, rows in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.level, order(row.kind))))


def _headline(kind: Kind, rows: list[tuple[GroupId | None, Verdict]]) -> Headline:
    return Headline(
        kind=kind,
        level=worst(verdict for _, verdict in rows),
        groups=tuple(dict.fromkeys(name for name, _ in rows if name is not None)),
        since=min((verdict.since for _, verdict in rows if verdict.since is not None), default=None),
        usd=_sum(verdict.usd for _, verdict in rows),
    )


def net_of(view: GroupView) -> Decimal | None:
    """Return the sum of all legs, base units, signed; None while a leg is not known."""
    return view.net if all(leg.known for leg in view.legs.values()) else None


def equity_of(row: GroupRow, seen: Overview) -> Decimal | None:
    """Return what a group's accounts are worth together, USD; None while one has not said."""
    statuses = [_status_of(account, seen) for account in row.accounts]
    return _sum(None if status is None else status.equity for status in statuses)


def _group(name: GroupId, row: GroupRow, seen: Overview) -> GroupCard:
    status = row.status
    if status is None:
        verdicts = of_group(row, seen.at, ())
        return GroupCard(
            name=name,
            level=worst(verdicts),
            verdicts=verdicts,
            actor=_actor(row.actor),
            reported=False,
            parking=row.parking,
            trouble=row.trouble,
            over=row.over,
        )
    view = status.view
    legs = tuple(_leg(name, each, view, seen) for name, each in view.legs.items())
    net = net_of(view)
    verdicts = of_group(row, seen.at, tuple(verdict for leg in legs for verdict in leg.verdicts))
    return GroupCard(
        name=name,
        level=worst(verdicts),
        verdicts=verdicts,
        actor=_actor(row.actor),
        strategy=status.strategy,
        instrument=status.instrument_id,
        reported=True,
        at=status.at,
        phase=view.phase,
        phase_since=view.phase_since,
        reason=view.reason,
        next=view.next,
        cycle=view.cycle,
        cycles_done=view.cycles_done,
        operator_state=view.operator_state,
        outcome=view.outcome,
        parking=row.parking,
        trouble=row.trouble,
        stopped=status.stopped,
        over=row.over,
        mark=view.mark,
        net=net,
        net_usd=_times(net, view.mark),
        naked_since=status.naked_since,
        rounding=is_rounding(view),
        naked_seconds=status.naked_seconds,
        naked_usd_seconds=status.naked_usd_seconds,
        equity=equity_of(row, seen),
        unrealized=_sum(leg.details.unrealized for leg in legs),
        realized=_sum(leg.details.realized for leg in legs),
        fees=_sum(leg.details.fees for leg in legs),
        funding=_sum(leg.details.funding for leg in legs),
        legs=legs,
        limits=status.limits,
        recent=tuple(reversed(status.recent[-RECENT:])),
    )


def _leg(name: LegName, leg: LegView, view: GroupView, seen: Overview) -> LegCard:
    row = seen.accounts.get(leg.account)
    since = row.status.unknown if row is not None and row.status is not None else {}
    details = _account(row, view.mark)
    verdicts = of_leg(LegSeen(name=name, view=leg, lot=view.lot, row=row, at=seen.at))
    return LegCard(
        name=name,
        account=leg.account,
        verdicts=verdicts,
        level=worst(verdicts),
        target=leg.target,
        believed=leg.believed if leg.known else None,
        reported=leg.reported,
        reported_at=leg.reported_at,
        value_usd=_times(leg.believed if leg.known else None, view.mark),
        in_flight=len(leg.in_flight),
        unknown=tuple(DoubtCard(order_id=each, since=since.get(each)) for each in leg.unknown),
        dust_usd=leg.dust_usd,
        details=details,
    )


def _account(row: AccountRow | None, mark: Decimal | None) -> AccountCard:
    if row is None:  # a way out may still show a leg of an account that the settings no longer name
        nobody = ActorCard(
            liveness=Liveness.DEAD, epoch=0, restarts=0, heard_at=None, last_death="", gave_up="not in the settings"
        )
        return AccountCard(actor=nobody, venue="")
    status = row.status
    if status is None:
        return AccountCard(actor=_actor(row.actor), venue=row.venue)
    return AccountCard(
        actor=_actor(row.actor),
        venue=row.venue,
        mode=status.mode,
        reason=status.reason,
        at=status.at,
        reconciled_at=status.reconciled_at,
        balance_at=status.balance_at,
        equity=status.equity,
        available=status.available,
        maintenance_margin=status.maintenance_margin,
        margin_ratio=margin_ratio(status.maintenance_margin, status.equity),
        liquidation_price=status.liquidation_price,
        liquidation_distance=_distance(status.liquidation_price, mark),
        unrealized=status.unrealized,
        realized=status.realized,
        fees=status.fees,
        funding=status.funding,
        clock_offset_s=status.clock_offset_s,
        deaf=status.deaf,
        too_old=tuple(f"{order}: {why}" for order, why in status.too_old.items()),
        protection=status.protection,
        streams={name: old if isfinite(old) else None for name, old in status.stream_ages_s.items()},
        lanes=tuple(
            LaneCard(lane=lane, left=status.budget_left.get(lane), waiting=status.queue_length.get(lane))
            for lane in Lane
            if lane in status.budget_left or lane in status.queue_length
        ),
    )


def _status_of(account: AccountId, seen: Overview) -> AccountStatus | None:
    row = seen.accounts.get(account)
    return None if row is None else row.status


def _actor(row: ActorRow) -> ActorCard:
    return ActorCard(
        liveness=row.liveness,
        epoch=row.epoch,
        restarts=row.restarts,
        heard_at=row.heard_at,
        last_death=row.last_death,
        gave_up=row.gave_up,
    )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _times(quantity: Decimal | None, price: Decimal | None) -> Decimal | None:
    return None if quantity is None or price is None else quantity * price


def _distance(liquidation: Decimal | None, mark: Decimal | None) -> Decimal | None:
    if liquidation is None or mark is None or mark <= 0:
        return None
    return (abs(mark - liquidation) / mark).quantize(_FRACTION)
