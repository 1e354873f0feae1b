"""A tracking limit: an order that stays at the top of the book until its quantity is bought, or its time is up.

Level-triggered like everything here: from the quote, what is missing and what stands, it says which order should stand
now. `strategies.working` brings that about, one order at a time, so that a fill that races a cancel is counted once.
"""

from dataclasses import dataclass
from decimal import Decimal

from pydantic import Field

from strategies.domain.ids import Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ceil_to, floor_to
from strategies.domain.order import Lane, Side
from strategies.domain.quote import Quote
from strategies.unwind import milliseconds
from strategies.working import Style, Wanted, Working


class TrackingParams(Value):
    """How a tracking limit behaves. Durations in seconds."""

    post_only: bool = Field(default=True, description="never take; false = a plain limit order that may")
    offset_ticks: int = Field(
        default=0,
        ge=-100,
        le=10_000,
        description="ticks behind the best price of our side; negative = inside the spread, to be first",
    )
    requote_interval_s: Decimal = Field(
        default=Decimal(2),
        gt=0,
        description="how often the book is looked at and the order moved; every look costs read budget",
    )
    requote_ticks: int = Field(
        default=1, ge=1, description="the order moves when its price is off by so many ticks; more keeps queue places"
    )
    timeout_s: Decimal = Field(
        default=Decimal(60), ge=0, description="overall time for the whole quantity; 0 = as long as it takes"
    )
    max_chase: Decimal = Field(
        default=Decimal("0.005"),
        gt=0,
        lt=1,
        description="fraction by which the price may leave where the tracking began; the order then waits there",
    )


@dataclass(frozen=True, slots=True)
class Pursuit:
    """One quantity to be had by tracking. `signed` is what is missing now, base units."""

    slot: str
    signed: Decimal
    began_at: Timestamp
    first_price: Decimal | None  # where it began, USD; None = not yet quoted
    reduce_only: bool = False
    lane: Lane = Lane.ENTRY


def timed_out(began_at: Timestamp, now: Timestamp, params: TrackingParams) -> bool:
    """Say whether a pursuit has used up its time."""
    return params.timeout_s > 0 and now >= times_out_at(began_at, params)


def times_out_at(began_at: Timestamp, params: TrackingParams) -> Timestamp:
    """Return when a pursuit gives up; only meaningful when it has a time-out."""
    return Timestamp(began_at + milliseconds(params.timeout_s))


def top_price(
    side: Side, quote: Quote, instrument: Instrument, params: TrackingParams, standing: Decimal | None
) -> Decimal | None:
    """Return where a limit order on `side` belongs, on the tick grid; None = the book says nothing.

    `standing` is the price of our own order: when that is the best one, it is not outbid.
    """
    best, other = (quote.bid, quote.ask) if side is Side.BUY else (quote.ask, quote.bid)
    tick = instrument.tick
    if best is None and other is None:
        return None
    if best is not None and standing is not None and best == standing and params.offset_ticks <= 0:
        return standing
    offset = tick * side.sign * (1 if best is None else params.offset_ticks)
    price = (other if best is None else best) or tick
    price -= offset
    if params.post_only and other is not None:
        price = min(price, other - tick) if side is Side.BUY else max(price, other + tick)
    price = floor_to(price, tick) if side is Side.BUY else ceil_to(price, tick)
    return max(price, tick)


def track(
    pursuit: Pursuit, quote: Quote, instrument: Instrument, params: TrackingParams, standing: Working | None
) -> Wanted | None:
    """Return the order that should stand now; None = nothing is missing that the venue takes, or nothing to go by."""
    if pursuit.signed == 0:
        return None
    side = Side.of(pursuit.signed)
    price = top_price(side, quote, instrument, params, None if standing is None else standing.price)
    if price is None:
        return None
    if pursuit.first_price is not None:
        price = _bounded(side, price, pursuit.first_price, instrument, params)
    quantity = instrument.whole_lots(abs(pursuit.signed))
    if quantity < instrument.smallest_order(price) and not pursuit.reduce_only:
        return None
    if quantity == 0:
        return None
    return Wanted(
        slot=pursuit.slot,
        side=side,
        quantity=quantity,
        price=price,
        style=Style.POST_ONLY if params.post_only else Style.LIMIT,
        reduce_only=pursuit.reduce_only,
        lane=pursuit.lane,
        tolerance=instrument.tick * (params.requote_ticks - 1),
    )


def _bounded(side: Side, price: Decimal, first: Decimal, instrument: Instrument, params: TrackingParams) -> Decimal:
    """Keep the price from being chased beyond what was agreed; rounded towards where it began."""
    bound = instrument.worst_price(side, first, params.max_chase)
    return min(price, bound) if side is Side.BUY else max(price, bound)
