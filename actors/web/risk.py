"""Is money at risk? What can be wrong with a group, a leg or the supervisor, each under a name of its own.

Pure. A verdict names a kind; the page's dictionary says in the reader's language what it means and what to press.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum
from math import isfinite

from pydantic import Field

from actors.actor import AccountStatus, GroupStatus, Liveness
from actors.supervision.flatness import open_legs
from actors.supervision.overview import AccountRow, GroupRow, Overview
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.model import Value
from strategies.domain.order import Lane
from strategies.machine import GroupView, LegView, Outcome

_MS = 1000
LOOP_STUCK_S = 10.0
"""The supervisor's loop turns five times a second; /healthz draws its line at the same age."""
NAKED_GRACE_S = 3.0
"""A hedge takes some hundred milliseconds. What is uncovered for longer is not on its way, it is stuck."""
FLATTEN_GRACE_S = 15.0
"""Closing three legs and hearing three venues confirm it takes a few seconds."""
SILENT_GRACE_S = 5.0
"""A successor lives within about a second; an actor away for longer leaves its positions to themselves."""
DOUBT_GRACE_S = 10.0
"""Most doubts end within a few seconds, by a stream or a look-up."""
STREAM_OLD_S = 45.0
"""A quiet account channel is asked again after 30 s and has 5 s to answer: what is older is not being tended."""
MISMATCH_GRACE_S = 90.0
"""Belief and the venue's statement differ for moments around every fill; an account compares them every half minute."""
MARGIN_NEAR = Decimal("0.8")
"""Share of the equity that the maintenance requirement has eaten: four fifths, and the venue may act in minutes."""
_RATIO = Decimal("0.0001")
_ANY = Decimal(0)
_URGENT = (Lane.EXIT, Lane.HEDGE)
"""Lanes that must never be empty while something is held."""


class Level(IntEnum):
    """How bad it is."""

    OK = 0
    NOTE = 1
    """Somebody chose it, or it needs nobody."""
    WARN = 2
    """Look at it; money is not at risk by this alone, or not for long."""
    DANGER = 3
    """Money is at risk now, or nobody can say that it is not."""


class Kind(StrEnum):
    """What there is to say. Stable: the page's dictionary has a sentence for each."""

    LOOP_STUCK = "loop_stuck"
    NAKED = "naked"
    HEDGING = "hedging"
    LIQUIDATING = "liquidating"
    FLATTEN_OPEN = "flatten_open"
    NOT_REPORTING = "not_reporting"
    NEVER_REPORTED = "never_reported"
    STOPPED = "stopped"
    PARKED_OPEN = "parked_open"
    PARKED = "parked"
    ACCOUNT_AWAY = "account_away"
    FROZEN = "frozen"
    NOT_ARMED = "not_armed"
    UNKNOWN_LEG = "unknown_leg"
    UNKNOWN_ORDER = "unknown_order"
    MISMATCH = "mismatch"
    STREAM_OLD = "stream_old"
    NEAR_LIQUIDATION = "near_liquidation"
    LANE_EMPTY = "lane_empty"
    STARTING = "starting"
    PAUSED = "paused"
    REDUCING = "reducing"
    FINISHED = "finished"
    FLAT = "flat"
    HEDGED = "hedged"


_PLACES = {kind: place for place, kind in enumerate(Kind)}


class Verdict(Value):
    """One thing to say, with the numbers for its sentence."""

    kind: Kind
    level: Level
    leg: LegName | None = None
    since: Timestamp | None = None
    quantity: Decimal | None = Field(default=None, description="base units, or a fraction for margins")
    usd: Decimal | None = Field(default=None, description="money concerned, not negative; None = not known")
    detail: str = Field(default="", description="in the words of the actors")


@dataclass(frozen=True)
class LegSeen:
    """One leg with all that a verdict needs."""

    name: LegName
    view: LegView
    lot: Decimal | None
    row: AccountRow | None
    at: Timestamp

    @property
    def held(self) -> bool:
        """Say whether something is held, or may be: what is not known counts as held."""
        return not self.view.known or self.view.believed != 0 or bool(self.view.in_flight)


def worst(verdicts: Iterable[Verdict]) -> Level:
    """Return the highest level; OK for none."""
    return max((verdict.level for verdict in verdicts), default=Level.OK)


def is_rounding(view: GroupView) -> bool:
    """Say whether what is uncovered is no more than one lot: no order could cover it, and nobody has to press."""
    return view.lot is not None and abs(view.net) <= view.lot


def order(kind: Kind) -> int:
    """Return a kind's place among those of its level: smaller comes first."""
    return _PLACES[kind]


def margin_ratio(maintenance: Decimal | None, equity: Decimal | None) -> Decimal | None:
    """Return maintenance over equity: at 1 the venue liquidates. Without equity it is 1, whatever is missing beyond."""
    if maintenance is None or equity is None:
        return None
    if equity <= 0:
        return Decimal(1)
    return (maintenance / equity).quantize(_RATIO)


def of_supervisor(seen: Overview) -> tuple[Verdict, ...]:
    """Say what is wrong with the supervisor itself."""
    if _age_s(seen.beat_at, seen.at) <= LOOP_STUCK_S:
        return ()
    return (Verdict(kind=Kind.LOOP_STUCK, level=Level.DANGER, since=seen.beat_at),)


def of_leg(leg: LegSeen) -> tuple[Verdict, ...]:
    """Say what is wrong with a leg and its account; empty = nothing."""
    found = [*_of_position(leg), *_of_account(leg)]
    return tuple(sorted(found, key=lambda verdict: -verdict.level))


def of_group(row: GroupRow, at: Timestamp, of_legs: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Say everything about a group, worst first, its legs included; never empty."""
    found = [*_of_actor(row, at), *(() if row.status is None else _of_report(row, row.status, at)), *of_legs]
    if worst(found) < Level.WARN and row.status is not None:
        found.append(_calm(row.status.view))
    return tuple(sorted(found, key=lambda verdict: (-verdict.level, order(verdict.kind))))


def _of_actor(row: GroupRow, at: Timestamp) -> Iterator[Verdict]:
    actor, status = row.actor, row.status
    if status is None:
        if actor.liveness is Liveness.STARTING and not actor.gave_up and not row.parking:
            yield Verdict(kind=Kind.STARTING, level=Level.NOTE)
        else:
            detail = row.trouble or row.parking or actor.gave_up or actor.last_death
            yield Verdict(kind=Kind.NEVER_REPORTED, level=Level.DANGER, detail=detail)
        return
    if actor.liveness is Liveness.ALIVE or row.over:
        return
    held = bool(open_legs(status.view))
    away = _age_s(actor.heard_at or status.at, at) > SILENT_GRACE_S
    yield Verdict(
        kind=Kind.NOT_REPORTING,
        level=Level.DANGER if held and away else Level.WARN,
        since=actor.heard_at or status.at,
        usd=_gross(status.view),
        detail=actor.gave_up or actor.last_death,
    )


def _of_report(row: GroupRow, status: GroupStatus, at: Timestamp) -> Iterator[Verdict]:
    view = status.view
    still = open_legs(view)
    if status.naked_since is not None and not is_rounding(view):
        stuck = _age_s(status.naked_since, at) >= NAKED_GRACE_S
        yield Verdict(
            kind=Kind.NAKED if stuck else Kind.HEDGING,
            level=Level.DANGER if stuck else Level.WARN,
            since=status.naked_since,
            quantity=view.net,
            usd=None if view.mark is None else abs(view.net) * view.mark,
            detail=view.reason,
        )
    if status.stopped:
        yield Verdict(
            kind=Kind.STOPPED, level=Level.DANGER if still else Level.WARN, usd=_gross(view), detail=status.stopped
        )
    if row.trouble:
        kind, level = (Kind.PARKED_OPEN, Level.DANGER) if still else (Kind.PARKED, Level.WARN)
        yield Verdict(kind=kind, level=level, usd=_gross(view) if still else None, detail=row.trouble)
    elif still and (row.parking or view.operator_state is OperatorState.FLATTEN):
        slow = _age_s(view.phase_since, at) > FLATTEN_GRACE_S
        yield Verdict(
            kind=Kind.FLATTEN_OPEN,
            level=Level.DANGER if slow else Level.WARN,
            since=view.phase_since,
            usd=_gross(view),
            detail="; ".join(still),
        )


def _of_position(leg: LegSeen) -> Iterator[Verdict]:
    view = leg.view
    if not view.known:
        yield Verdict(kind=Kind.UNKNOWN_LEG, level=Level.WARN, leg=leg.name)
    if view.unknown:
        doubts = leg.row.status.unknown if leg.row is not None and leg.row.status is not None else {}
        since = min((doubts[each] for each in view.unknown if each in doubts), default=None)
        old = since is None or _age_s(since, leg.at) > DOUBT_GRACE_S
        yield Verdict(
            kind=Kind.UNKNOWN_ORDER,
            level=Level.DANGER if old else Level.WARN,
            leg=leg.name,
            since=since,
            detail=", ".join(view.unknown),
        )


def _of_account(leg: LegSeen) -> Iterator[Verdict]:
    row = leg.row
    status = None if row is None else row.status
    if row is None or status is None or row.actor.liveness is not Liveness.ALIVE:
        yield _away(leg)
    if status is None:
        return
    if status.mode is AccountMode.FROZEN:
        yield Verdict(
            kind=Kind.FROZEN, level=Level.DANGER if leg.held else Level.WARN, leg=leg.name, detail=status.reason
        )
    elif status.mode is not AccountMode.ARMED:
        yield Verdict(
            kind=Kind.NOT_ARMED, level=Level.WARN if leg.held else Level.NOTE, leg=leg.name, detail=status.reason
        )
    yield from _of_comparison(leg, status)
    if not leg.held:
        return
    if status.liquidating:
        yield Verdict(kind=Kind.LIQUIDATING, level=Level.DANGER, leg=leg.name)
    ratio = margin_ratio(status.maintenance_margin, status.equity)
    if ratio is not None and ratio >= MARGIN_NEAR:
        yield Verdict(kind=Kind.NEAR_LIQUIDATION, level=Level.WARN, leg=leg.name, quantity=ratio)
    yield from _of_supply(leg, status)


def _of_comparison(leg: LegSeen, status: AccountStatus) -> Iterator[Verdict]:
    compared = status.reconciled_at
    if compared is not None and _age_s(compared, leg.at) <= MISMATCH_GRACE_S:
        return
    for instrument, reported in status.reported.items():
        believed = status.believed.get(instrument)
        if believed is not None and abs(reported - believed) >= (leg.lot or _ANY) and reported != believed:
            words = f"{believed:f} / {reported:f}"
            yield Verdict(kind=Kind.MISMATCH, level=Level.WARN, leg=leg.name, since=compared, detail=words)


def _of_supply(leg: LegSeen, status: AccountStatus) -> Iterator[Verdict]:
    """What an account lives on while something is held: fresh news and room to send."""
    stalest = max(status.stream_ages_s.items(), key=lambda each: each[1], default=None)
    if stalest is not None and stalest[1] > STREAM_OLD_S:
        # A channel that has never spoken is infinitely old: there is no moment to name.
        since = Timestamp(status.at - int(stalest[1] * _MS)) if isfinite(stalest[1]) else None
        yield Verdict(kind=Kind.STREAM_OLD, level=Level.WARN, leg=leg.name, since=since, detail=stalest[0])
    empty = [lane for lane in _URGENT if status.budget_left.get(lane, 1.0) < 1]
    if empty:
        yield Verdict(kind=Kind.LANE_EMPTY, level=Level.WARN, leg=leg.name, detail=", ".join(empty))


def _away(leg: LegSeen) -> Verdict:
    row = leg.row
    if row is None:
        return Verdict(kind=Kind.ACCOUNT_AWAY, level=Level.DANGER, leg=leg.name)
    actor = row.actor
    young = actor.liveness is Liveness.STARTING and row.status is None
    silent = actor.heard_at is None or _age_s(actor.heard_at, leg.at) > SILENT_GRACE_S
    return Verdict(
        kind=Kind.ACCOUNT_AWAY,
        level=Level.NOTE if young else Level.DANGER if leg.held and silent else Level.WARN,
        leg=leg.name,
        since=actor.heard_at,
        detail=actor.gave_up or actor.last_death,
    )


def _calm(view: GroupView) -> Verdict:
    """Say what is true of a group with which nothing is wrong."""
    if view.outcome is Outcome.FINISHED:
        return Verdict(kind=Kind.FINISHED, level=Level.OK)
    match view.operator_state:
        case OperatorState.PAUSE:
            return Verdict(kind=Kind.PAUSED, level=Level.NOTE)
        case OperatorState.REDUCE:
            return Verdict(kind=Kind.REDUCING, level=Level.NOTE)
        case _:
            held = any(leg.believed != 0 for leg in view.legs.values())
            return Verdict(kind=Kind.HEDGED if held else Kind.FLAT, level=Level.OK)


def _gross(view: GroupView) -> Decimal | None:
    """Return what all legs are worth together, USD, each counted as positive; None while something is not known."""
    if view.mark is None or not all(leg.known for leg in view.legs.values()):
        return None
    return sum((abs(leg.believed) for leg in view.legs.values()), start=Decimal(0)) * view.mark


def _age_s(moment: Timestamp, at: Timestamp) -> float:
    return max(0, at - moment) / _MS
