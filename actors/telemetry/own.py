"""What our own groups and legs say of themselves, in the words of the original and some of ours. Pure."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache

from actors.supervision.desired import GroupWish
from actors.supervision.overview import AccountRow, GroupRow, Overview
from actors.telemetry.settings import TelemetryConfig
from strategies.domain.ids import GroupId, LegName
from strategies.machine import LegView

GROUP_ROLE = "group"
"""The role of the heartbeat that stands for a group as a whole."""
_MS = 1000
_ZERO = Decimal(0)

Said = tuple[str, dict[str, object]]
"""A bot's name, and its heartbeat."""


def heartbeats(seen: Overview, wishes: Mapping[GroupId, GroupWish], config: TelemetryConfig) -> Iterator[Said]:
    """Yield one heartbeat for each group that reports, and one for each of its legs.

    Who does not report says nothing here either: its bot goes offline, as it should.
    """
    for name, row in seen.groups.items():
        if row.status is None or name not in wishes or row.actor.heard_at is None:
            continue
        if seen.at - row.actor.heard_at > config.interval_s * _MS:
            continue
        symbol, limit_usd = _facts(wishes[name].spec)
        for leg, view in row.status.view.legs.items():
            said = _leg(row, leg, view, seen.accounts.get(view.account), limit_usd)
            yield _named(config, seen, name, config.role_of(leg), {**said, "symbol": symbol})
        yield _named(config, seen, name, GROUP_ROLE, {**_whole(row, seen), "symbol": symbol})


def _named(config: TelemetryConfig, seen: Overview, group: GroupId, role: str, said: Mapping[str, object]) -> Said:
    head: dict[str, object] = {
        "timestamp": seen.at,
        "telemetry_interval_secs": Decimal(str(config.interval_s)),
        "group": config.group_name(group),
        "role": role,
    }
    return config.bot_name(group, role), head | dict(said)


def _leg(
    row: GroupRow, leg: LegName, view: LegView, account: AccountRow | None, limit_usd: Decimal | None
) -> dict[str, object]:
    status = None if account is None else account.status
    mark = None if row.status is None else row.status.view.mark
    return {
        "direction": _direction(view.believed),
        "position_base": view.believed,
        "max_position_base": None if mark is None or limit_usd is None else _rounded(limit_usd / mark),
        "pnl_unrealized": None if status is None else status.unrealized,
        "balance_total": None if status is None else status.equity,
        "leg": leg,
        "account": view.account,
        "venue": None if account is None else account.venue,
        "mode": None if status is None else status.mode.value,
        "target_base": view.target,
        "orders_in_flight": len(view.in_flight),
        "orders_unknown": len(view.unknown),
    }


def _whole(row: GroupRow, seen: Overview) -> dict[str, object]:
    if row.status is None:
        raise ValueError("a group that has not reported has nothing to say")
    view = row.status.view
    statuses = [seen.accounts[account].status for account in row.accounts if account in seen.accounts]
    return {
        "direction": _direction(view.net),
        "position_base": view.net,
        "max_position_base": None,
        "pnl_unrealized": _sum([None if each is None else each.unrealized for each in statuses]),
        "balance_total": _sum([None if each is None else each.equity for each in statuses]),
        "phase": view.phase,
        "reason": view.reason,
        "next": view.next,
        "cycle": view.cycle,
        "operator_state": view.operator_state.value,
        "outcome": view.outcome.value,
        "hedged": view.hedged,
        "trouble": row.trouble or row.parking,
        "epoch": row.actor.epoch,
        "restarts": row.actor.restarts,
    }


def _direction(quantity: Decimal) -> str:
    return "flat" if quantity == _ZERO else "long" if quantity > _ZERO else "short"


def _sum(numbers: list[Decimal | None]) -> Decimal | None:
    """Add up; what is not known of one is not known of all."""
    known = [number for number in numbers if number is not None]
    return sum(known, start=_ZERO) if known and len(known) == len(numbers) else None


def _rounded(quantity: Decimal) -> Decimal:
    return quantity.quantize(Decimal("0.00000001"))


@lru_cache(maxsize=1024)
def _facts(spec: str) -> tuple[str | None, Decimal | None]:
    """Return a group's instrument and its limit for one leg, USD, out of the spec that its actor gets."""
    told = json.loads(spec, parse_float=Decimal)
    limit = told.get("limits", {}).get("max_leg_notional_usd")
    return told.get("group", {}).get("instrument_id"), None if limit is None else Decimal(limit)
