"""What people read, built from what is known. Pure; plain text, because nothing in it may be taken for markup."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from actors.actor import Liveness, Note
from actors.supervision.overview import AccountRow, ActorRow, GroupRow, Overview
from strategies.domain.events import OperatorState
from strategies.domain.ids import OrderId, Timestamp
from strategies.machine import GroupView, LegView

_MS = 1000
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86_400
_USD = Decimal("0.01")
_RECENT_SHOWN = 10
RELEASE = "When you have looked: python supervisor.py --groups FILE --release"


def lasted(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def usd(value: Decimal) -> str:
    """Return an amount of dollars, signed, to the cent."""
    return f"{value.quantize(_USD):+,f} USD"


def profits(view: GroupView) -> str:
    """Return a line for each role: what it holds, what it has won or lost after fees; and the sum."""
    if not view.legs:
        return ""
    total = sum((leg.realized - leg.fees for leg in view.legs.values()), start=Decimal(0))
    return "\n".join((*(_role(name, leg) for name, leg in view.legs.items()), f"all roles: {usd(total)} after fees"))


def _role(name: str, leg: LegView) -> str:
    doubt = f", {len(leg.unknown)} order(s) of unknown outcome" if leg.unknown else ""
    return f"{name} ({leg.account}): {usd(leg.realized - leg.fees)} after fees, holds {leg.believed:f}{doubt}"


def started(seen: Overview) -> str:
    """Say that the supervisor runs, and how every group stands."""
    head = f"Hedgevisor runs: {len(seen.groups)} group(s), {len(seen.accounts)} account(s)."
    return "\n".join((head, *(short(name, row, seen.at) for name, row in seen.groups.items())))


def ended(lines: Sequence[str]) -> str:
    """Say that the supervisor ends, and what it leaves."""
    return "\n".join(("Hedgevisor ends.", *lines))


def noted(group: str, note: Note, view: GroupView, *, with_profits: bool) -> str:
    """Return what a strategy wanted told; with what each role has made where money was decided."""
    text = note.text if note.text.startswith(f"{group}:") else f"{group}: {note.text}"
    return f"{text}\n{profits(view)}" if with_profits and view.legs else text


def finished(group: str, view: GroupView) -> str:
    """Say that a group has done what it was to do."""
    return f"{group}: finished, {view.cycles_done} cycle(s) done, every leg confirmed flat.\n{profits(view)}"


def steered(group: str, view: GroupView) -> str:
    """Say that the operator's word for a group has changed."""
    means = {
        OperatorState.RUN: "it trades",
        OperatorState.PAUSE: "it begins no new cycle",
        OperatorState.REDUCE: "it only becomes smaller",
        OperatorState.FLATTEN: "it closes every leg",
    }
    return f"{group} is told {view.operator_state}: {means[view.operator_state]}."


def parked(group: str, row: GroupRow) -> str:
    """Say that a group waits for a person."""
    reason = row.trouble or row.parking
    rest = f"\n{profits(row.status.view)}" if row.status is not None else ""
    return f"{group} is parked and trades no more: {reason}.{rest}\n{RELEASE} {group}"


def silent(actor: ActorRow, at: Timestamp) -> str:
    """Say that an actor misses its heartbeats."""
    name = f"{actor.kind}/{actor.name}"
    if actor.gave_up:
        return f"{name} is not started again: {actor.gave_up}."
    if actor.liveness is Liveness.DEAD:
        return f"{name} died ({actor.last_death or 'no reason was seen'}); a successor takes its place."
    if actor.heard_at is None:
        return f"{name} has not come up yet."
    return f"{name} misses its heartbeats: last heard {lasted((at - actor.heard_at) / _MS)} ago."


def died_between(actor: ActorRow) -> str:
    """Say that an actor was replaced between two looks."""
    return f"{actor.kind}/{actor.name} died ({actor.last_death or 'no reason was seen'}); its successor lives."


def frozen(name: str, reason: str) -> str:
    """Say that somebody else trades on an account."""
    return (
        f"Account {name} is FROZEN, only exits leave it: {reason}.\n"
        "Look who else trades there: a second program with this key, or a person at the venue's page."
    )


def unknown(name: str, row: AccountRow, at: Timestamp) -> str:
    """Say that the outcome of orders stays unknown."""
    doubts = {} if row.status is None else row.status.unknown
    oldest = lasted((at - min(doubts.values())) / _MS) if doubts else "?"
    return f"Account {name}: {len(doubts)} order(s) of unknown outcome, the oldest for {oldest}: {', '.join(doubts)}."


def too_old(name: str, orders: Mapping[OrderId, str]) -> str:
    """Say that orders have been without proof for longer than a write lives: a person has to look."""
    each = "; ".join(f"{order}: {seen}" for order, seen in orders.items())
    return (
        f"Account {name}: {len(orders)} order(s) without proof for longer than any write lives, entries have stopped. "
        f"Look at the venue's page for {each}."
    )


def naked(group: str, view: GroupView, since_s: float) -> str:
    """Say that a group is uncovered."""
    worth = "" if view.mark is None else f" ({usd(view.net * view.mark)})"
    return f"{group} is uncovered for {lasted(since_s)}: net {view.net:f}{worth}; {view.phase}, next: {view.next}."


def waits(group: str, reason: str) -> str:
    """Say that a group does not decide."""
    return f"{group} does not decide: {reason}."


def channel_fails(name: str, error: str, waiting: int) -> str:
    """Say that messages do not go out by a channel."""
    return f"Notifications do not go out by {name}: {error}. {waiting} wait(s)."


def again(text: str, times: int, since_s: float) -> str:
    """Say a trouble again."""
    seen = f"{times} times" if times > 1 else "once"
    return f"{text}\nStill, or again: {seen} since {lasted(since_s)}."


def recovered(what: str, times: int, since_s: float) -> str:
    """Say that a trouble is over."""
    seen = f", {times} times" if times > 1 else ""
    return f"Recovered: {what} (trouble for {lasted(since_s)}{seen})."


def short(name: str, row: GroupRow, at: Timestamp) -> str:
    """Return a group on one line."""
    if row.trouble or row.parking:
        return f"{name}: PARKED, {row.trouble or row.parking}"
    if row.status is None:
        return f"{name}: has not reported yet"
    view = row.status.view
    worth = "" if view.mark is None else f" ({usd(view.net * view.mark)})"
    cover = "hedged" if view.hedged else "NOT hedged"
    phase = f"{view.phase} for {lasted((at - view.phase_since) / _MS)}"
    return f"{name}: {view.operator_state}, {phase}, {cover}, net {view.net:f}{worth}, cycle {view.cycle}"


def status(seen: Overview) -> str:
    """Return the whole in a few lines: is money at risk, and where."""
    waiting = seen.not_ready()
    head = "Everything lives." if not waiting else "\n".join(waiting)
    return "\n".join((head, *(short(name, row, seen.at) for name, row in seen.groups.items())))


def groups(seen: Overview) -> str:
    """Return every group with its legs."""
    blocks = []
    for name, row in seen.groups.items():
        lines = [short(name, row, seen.at)]
        if row.status is not None:
            lines += [f"next: {row.status.view.next}", profits(row.status.view)]
        blocks.append("\n".join(filter(None, lines)))
    return "\n\n".join(blocks) or "There are no groups."


def explained(name: str, row: GroupRow, at: Timestamp) -> str:
    """Return what a group does, why, what comes next, and its last steps."""
    if row.status is None:
        return short(name, row, at)
    view = row.status.view
    lines = [
        short(name, row, at),
        f"why: {view.reason or '-'}",
        f"next: {view.next}",
        profits(view),
        "last steps, UTC:",
    ]
    return "\n".join(filter(None, (*lines, *row.status.recent[-_RECENT_SHOWN:])))
