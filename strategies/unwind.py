"""The way out, planned: every leg at once, reduce-only, wider with every failure, and dust called dust."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.ids import LegName
from strategies.domain.instrument import Instrument
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from strategies.domain.quote import Quote


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """What is known of a leg that has to end flat. Missing is None, never zero."""

    quantity: Decimal  # base units, signed: what is to be closed
    instrument: Instrument | None
    quote: Quote | None  # only when it is fresh
    last_price: Decimal | None  # USD, of whatever age; used with the widest slippage
    failures: int = 0  # orders in a row that ended without a fill


@dataclass(frozen=True, slots=True)
class UnwindRules:
    """How hard to push. Slippages as fractions of the price."""

    slippage: Decimal
    slippage_max: Decimal
    dust_attempts: int  # failures below the venue's minimum after which the remainder is dust


@dataclass(frozen=True, slots=True)
class Flat:
    """Nothing to close."""


@dataclass(frozen=True, slots=True)
class Dust:
    """Too small for the venue: named, valued, left alone."""

    quantity: Decimal  # base units, signed
    value_usd: Decimal


@dataclass(frozen=True, slots=True)
class Close:
    """One reduce-only market order."""

    side: Side
    quantity: Decimal  # base units, whole lots
    worst_price: Decimal


@dataclass(frozen=True, slots=True)
class Blind:
    """Nothing can be ordered yet; says what has to be learnt first."""

    lacks: str


UnwindMove = Flat | Dust | Close | Blind

_DOUBLINGS_MAX = 16
"""Beyond this the cap has long been reached; keeps the power small."""


def exit_slippage(failures: int, rules: UnwindRules) -> Decimal:
    """Return the slippage after so many failures: doubled each time, capped."""
    return min(rules.slippage * (1 << min(failures, _DOUBLINGS_MAX)), rules.slippage_max)


def plan_leg(leg: OpenLeg, rules: UnwindRules) -> UnwindMove:
    """Say what one leg needs next to become flat.

    A quantity below the venue's minimum is still tried: closing a whole position is exempt on most venues, and a
    refusal costs nothing. It is dust once `dust_attempts` orders have failed, or when it is less than a lot.
    """
    if leg.quantity == ZERO:
        return Flat()
    if leg.instrument is None:
        return Blind("the instrument")
    side = Side.of(-leg.quantity)
    reference = None if leg.quote is None else leg.quote.reference(side)
    price = reference if reference is not None else leg.last_price
    if price is None:
        return Blind("a price")
    quantity = leg.instrument.whole_lots(abs(leg.quantity))
    too_small = quantity < leg.instrument.smallest_taker_order(price)
    if quantity == ZERO or (too_small and leg.failures >= rules.dust_attempts):
        return Dust(leg.quantity, abs(leg.quantity) * price)
    fresh_touch = leg.quote is not None and leg.quote.touch(side) is not None
    slippage = exit_slippage(leg.failures, rules) if fresh_touch else rules.slippage_max
    return Close(side, quantity, leg.instrument.worst_price(side, price, slippage))


def plan_unwind(legs: Mapping[LegName, OpenLeg], rules: UnwindRules) -> dict[LegName, UnwindMove]:
    """Say for every leg what it needs next; no leg waits for another."""
    return {name: plan_leg(leg, rules) for name, leg in legs.items()}
