"""How much: pure arithmetic on margin, leverage, lots and minimums. Quantities in base units, money in USD."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import lcm

from strategies.domain.ids import LegName
from strategies.domain.instrument import Instrument
from strategies.domain.money import ZERO, ceil_to, floor_to


@dataclass(frozen=True, slots=True)
class LegNumbers:
    """What sizing needs to know of one leg. `price` is what the order would meet, `leverage` what is in force."""

    instrument: Instrument
    price: Decimal
    available: Decimal
    leverage: Decimal


@dataclass(frozen=True, slots=True)
class SizeRules:
    """What bounds a size besides the venues. None = not bounded."""

    leverage: Decimal
    usable_fraction: Decimal
    max_quantity: Decimal | None = None
    max_leg_notional_usd: Decimal | None = None
    max_notional_usd: Decimal | None = None
    larger_than: Decimal = ZERO
    test_mode: bool = False


@dataclass(frozen=True, slots=True)
class Sized:
    """An entry. `bound_by` says in words what kept it from being larger."""

    quantity: Decimal
    bound_by: str


@dataclass(frozen=True, slots=True)
class NoEntry:
    """No entry, and why."""

    reason: str


def common_lot(lots: Iterable[Decimal]) -> Decimal:
    """Return the smallest quantity that is a whole number of every lot."""
    exact = list(lots)
    exponents = [int(lot.normalize().as_tuple().exponent) for lot in exact]
    unit = Decimal(1).scaleb(min(exponents))
    return lcm(*(int(lot / unit) for lot in exact)) * unit


def capacity(numbers: LegNumbers, rules: SizeRules) -> Decimal:
    """Return what one leg's margin and the per-leg limits allow, not yet in lots. Never negative."""
    leverage = min(rules.leverage, numbers.instrument.max_leverage, numbers.leverage)
    allowed = max(numbers.available, ZERO) * rules.usable_fraction * leverage
    if rules.max_leg_notional_usd is not None:
        allowed = min(allowed, rules.max_leg_notional_usd)
    quantity = allowed / numbers.price
    return quantity if rules.max_quantity is None else min(quantity, rules.max_quantity)


def _bound(numbers: LegNumbers, rules: SizeRules) -> str:
    """Name what bounds one leg."""
    unlimited = SizeRules(rules.leverage, rules.usable_fraction)
    return "the margin" if capacity(numbers, rules) == capacity(numbers, unlimited) else "the limit"


def smallest_common(legs: Mapping[LegName, LegNumbers]) -> Decimal:
    """Return the smallest quantity that is an order on every leg, in whole lots of every leg."""
    grid = common_lot(numbers.instrument.lot for numbers in legs.values())
    return ceil_to(max(numbers.instrument.smallest_order(numbers.price) for numbers in legs.values()), grid)


def size_entry(legs: Mapping[LegName, LegNumbers], rules: SizeRules) -> Sized | NoEntry:
    """Return the largest size that every leg can carry, in whole lots of all of them, or why there is none.

    Resting-order minimums count even where takers are free of them: a leg must stay large enough to be traded at all.
    """
    grid = common_lot(numbers.instrument.lot for numbers in legs.values())
    smallest = smallest_common(legs)
    if smallest <= rules.larger_than:
        smallest = floor_to(rules.larger_than, grid) + grid
    limits = {f"{_bound(numbers, rules)} of {leg}": capacity(numbers, rules) for leg, numbers in legs.items()}
    if rules.max_notional_usd is not None:
        limits["the group's notional limit"] = rules.max_notional_usd / sum(n.price for n in legs.values())
    bound_by = min(limits, key=lambda name: limits[name])
    largest = floor_to(limits[bound_by], grid)
    if largest < smallest:
        return NoEntry(f"{bound_by} allows {limits[bound_by]:.8f}, the smallest entry is {smallest}")
    if rules.test_mode:
        return Sized(smallest, "test mode")
    return Sized(largest, bound_by)


def size_second(wanted: Decimal, numbers: LegNumbers, rules: SizeRules) -> Sized | NoEntry:
    """Return the third leg's size: `wanted`, cut by what the leg can carry, in whole lots of it."""
    room = capacity(numbers, rules)
    quantity = numbers.instrument.whole_lots(min(wanted, room))
    smallest = max(numbers.instrument.smallest_taker_order(numbers.price), numbers.instrument.lot)
    if quantity < smallest or quantity <= rules.larger_than:
        return NoEntry(f"room for {room:.8f} of {wanted}, the smallest order is {smallest}")
    return Sized(quantity, "what the balancer filled" if room >= wanted else "its margin")


def tradable(missing: Decimal, instrument: Instrument, price: Decimal, *, minimum_binds: bool = True) -> Decimal:
    """Return the part of `missing` that can be an order now: whole lots, signed, never more than missing; else 0."""
    quantity = instrument.whole_lots(abs(missing))
    if quantity <= ZERO or (minimum_binds and quantity < instrument.smallest_taker_order(price)):
        return ZERO
    return quantity if missing > ZERO else -quantity
