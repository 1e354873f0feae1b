"""The way out, planned: every leg at once, reduce-only, wider with every failure, and dust called dust.

Shared by every machine that has to get out: what it is told (`UnwindParams`), which order a leg needs next
(`plan_leg`), when a further order may stand beside doubtful ones (`may_join`), and what confirms a leg (`agrees`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from pydantic import Field, model_validator

from strategies.domain.account import LegObservation
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from strategies.domain.quote import Quote

_MS_PER_S = 1000
_DOUBLINGS_OF_TIME_MAX = 20
"""Beyond it every cap is reached; keeps the factor small."""


@lru_cache(maxsize=1024)
def milliseconds(seconds: Decimal) -> int:
    """Return a duration in whole milliseconds, the unit of every timestamp."""
    return int(seconds * _MS_PER_S)


def doubling(first_s: Decimal, times: int, longest_s: Decimal) -> Decimal:
    """Return a duration doubled so many times, capped; seconds."""
    return min(first_s * (1 << min(max(times, 0), _DOUBLINGS_OF_TIME_MAX)), longest_s)


class UnwindParams(Value):
    """What every way out is told. Durations in seconds, prices as fractions."""

    look_timeout_s: Decimal = Field(
        default=Decimal(8),
        gt=0,
        description="an unanswered look is asked again after this; longer than accounts give their venues to answer",
    )
    look_retry_s: Decimal = Field(
        default=Decimal("0.5"),
        gt=0,
        description="shortest time between an answer and the next look: spares the read budget",
    )
    confirm_delay_s: Decimal = Field(
        default=Decimal(2),
        gt=0,
        description="a position that no fill explains is believed when a second look, at least "
        "this much later, says the same: longer than a fill needs to arrive",
    )
    max_quote_age_s: Decimal = Field(
        default=Decimal(5),
        gt=0,
        description="an order that opens risk is priced from a quote no older than this; an exit that has none "
        "goes with the widest slippage",
    )
    confirm_timeout_s: Decimal = Field(
        default=Decimal(2),
        gt=0,
        description="an order that is still open after this is in doubt: an exit may then put "
        "another reduce-only order beside it",
    )
    exit_slippage: Decimal = Field(
        default=Decimal("0.002"), gt=0, lt=1, description="slippage of the first exit order; doubles with every failure"
    )
    exit_slippage_max: Decimal = Field(
        default=Decimal("0.04"),
        gt=0,
        lt=1,
        description="cap of that, and what is used without a fresh quote; below the "
        "price bands within which venues take orders (5 %)",
    )
    exit_delay_s: Decimal = Field(
        default=Decimal("0.25"),
        gt=0,
        description="rest after an exit order that did not fill, and between looks; doubles",
    )
    exit_delay_max_s: Decimal = Field(
        default=Decimal(10), gt=0, description="longest such rest: an exit never gives up, it only slows down"
    )
    exit_alert_attempts: int = Field(
        default=6, ge=1, description="looks without a flat group before the operator is called; then at twice as many"
    )
    exit_overlap_max: int = Field(
        default=3, ge=1, description="orders in doubt that one leg may have before an exit stops adding to them"
    )
    dust_attempts: int = Field(
        default=2, ge=1, description="orders refused below a venue's minimum before the remainder is called dust"
    )

    @model_validator(mode="after")
    def _exit_ordered(self) -> "UnwindParams":
        for low, high in (("exit_slippage", "exit_slippage_max"), ("exit_delay_s", "exit_delay_max_s")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} = {getattr(self, low)} is above {high} = {getattr(self, high)}")
        return self

    @property
    def rules(self) -> "UnwindRules":
        """Return how hard to push."""
        return UnwindRules(self.exit_slippage, self.exit_slippage_max, self.dust_attempts)

    def rest_s(self, times: int) -> Decimal:
        """Return the rest after so many vain orders, or looks, in a row; seconds."""
        return doubling(self.exit_delay_s, times - 1, self.exit_delay_max_s)


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


class OpenOrder(Protocol):
    """What the way out has to know of an order whose end it has not been told."""

    @property
    def sent_at(self) -> Timestamp:
        """Return when it was decided."""

    @property
    def unknown(self) -> bool:
        """Say whether its answer was lost."""

    @property
    def reduce_only(self) -> bool:
        """Say whether the venue lets it take a position to zero at most."""


def in_doubt(order: OpenOrder, now: Timestamp, params: UnwindParams) -> bool:
    """Say whether an order has been open for longer than any order should be."""
    return order.unknown or now - order.sent_at >= milliseconds(params.confirm_timeout_s)


def may_join(open_orders: Sequence[OpenOrder], now: Timestamp, params: UnwindParams) -> bool:
    """Say whether a further reduce-only order may stand beside the open ones of a leg.

    This is the one exception to "no order beside an unresolved one": when every open order of the leg is in doubt, a
    further reduce-only order may join them. Whatever the doubtful ones turn out to have done, the venue lets a
    reduce-only order take a position to zero at most. `exit_overlap_max` bounds how many stand open at once.
    """
    if not open_orders:
        return True
    if len(open_orders) >= params.exit_overlap_max:
        return False
    opening_only = not any(order.reduce_only for order in open_orders)
    return all(in_doubt(order, now, params) for order in open_orders) and (
        opening_only or now >= joins_at(open_orders, params)
    )


def joins_at(open_orders: Sequence[OpenOrder], params: UnwindParams) -> Timestamp:
    """Return when the next order may join the open ones; there is at least one."""
    rest_s = doubling(params.confirm_timeout_s, len(open_orders) - 1, params.exit_delay_max_s)
    return Timestamp(max(order.sent_at for order in open_orders) + milliseconds(rest_s))


def agrees(look: LegObservation | None, held: Decimal) -> bool:
    """Say whether the venue's statement, the account's fold and our own belief are one, with nothing open."""
    if look is None or look.position is None or look.in_flight:
        return False
    return look.position.quantity == held == look.believed
