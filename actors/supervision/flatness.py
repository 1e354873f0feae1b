"""Is a group out of the market? Asked before anything is said to be over. Pure."""

from decimal import Decimal

from strategies.machine import GroupView, LegView


def open_legs(view: GroupView) -> tuple[str, ...]:
    """Name every leg that is not confirmed flat, with the reason; empty = flat to dust, by the venue's own word."""
    return tuple(f"{name}: {why}" for name, leg in view.legs.items() if (why := _why_open(leg, view.lot)))


def urgency(view: GroupView | None) -> int:
    """Say how urgent it is that a group decides again, by its last report: 0 = it may be uncovered, 2 = it is flat."""
    if view is None or not view.hedged:
        return 0
    return 1 if open_legs(view) else 2


def _why_open(leg: LegView, lot: Decimal | None) -> str:
    if leg.unknown:
        return f"{len(leg.unknown)} order(s) of unknown outcome"
    if leg.in_flight:
        return f"{len(leg.in_flight)} order(s) in flight"
    if not _closed(leg.believed, leg, lot):
        return f"holds {leg.believed:f}"
    if leg.reported is None:
        return "the venue has made no statement"
    if not _closed(leg.reported, leg, lot):
        return f"the venue reports {leg.reported:f}"
    return ""


def _closed(quantity: Decimal, leg: LegView, lot: Decimal | None) -> bool:
    """Zero, less than one lot, or named as too small to close."""
    return quantity == 0 or (lot is not None and abs(quantity) < lot) or leg.dust_usd > 0
