"""Names of things. Each is its own type, so that an account never passes for a group."""

from typing import NamedTuple, NewType

GroupId = NewType("GroupId", str)
"""A hedge group, as named in `groups.toml`."""
AccountId = NewType("AccountId", str)
"""A venue account, as named in `groups.toml`."""
LegName = NewType("LegName", str)
"""The role an account plays in a group: `backpack`, `lighter1`, `lighter2` …"""
InstrumentId = NewType("InstrumentId", str)
"""Our name of what is traded, the same on every venue: `ETH-PERP`."""
VenueSymbol = NewType("VenueSymbol", str)
"""The venue's own name of an instrument: `ETH` on Lighter, `ETH_USDC_PERP` on Backpack."""
OrderId = NewType("OrderId", str)
"""Our id of an order: derived, never drawn, so that a replay makes the same one again."""
ClientOrderId = NewType("ClientOrderId", int)
"""The number the venue knows our order by; its width is the venue's (48 bits Lighter, 32 bits Backpack)."""
VenueOrderId = NewType("VenueOrderId", str)
"""The id that the venue gave the order. Opaque."""
TradeId = NewType("TradeId", str)
"""The venue's id of one fill; unique within an account and instrument."""
Timestamp = NewType("Timestamp", int)
"""A moment: milliseconds since 1970-01-01 UTC."""
TimerName = NewType("TimerName", str)
"""A timer of one group; setting it again moves it."""


def derive_order_id(group: GroupId, cycle: int, leg: LegName, purpose: str, attempt: int) -> OrderId:
    """Make the id of an order from what it is for: the same decision always has the same id."""
    return OrderId(f"{group}:{cycle}:{leg}:{purpose}:{attempt}")


class OrderName(NamedTuple):
    """What the id of an order says."""

    group: str
    cycle: int
    leg: str
    purpose: str
    attempt: int


def read_order_id(order_id: OrderId) -> OrderName | None:
    """Return what an id says that `derive_order_id` has made; None = it has not made this one."""
    parts = _parts(order_id)
    if parts is None:
        return None
    group, cycle, leg, purpose, attempt = parts
    if not (cycle.isdecimal() and attempt.isdecimal()):
        return None
    return OrderName(group, int(cycle), leg, purpose, int(attempt))


def purpose_of(order_id: OrderId) -> str | None:
    """Return what an order is for, by the shape of its id alone; None = it has not the shape."""
    parts = _parts(order_id)
    return None if parts is None else parts[OrderName._fields.index("purpose")]


def _parts(order_id: OrderId) -> list[str] | None:
    parts = order_id.rsplit(":", len(OrderName._fields) - 1)  # a group's name may have colons
    return parts if len(parts) == len(OrderName._fields) else None
