"""What a leg leaves at its venue for the time when nobody is there, as settings and as a pure plan."""

from decimal import Decimal
from typing import NamedTuple

from pydantic import Field, model_validator

from strategies.domain.ids import InstrumentId, OrderId
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ZERO, ceil_to, floor_to
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from strategies.domain.position import Position

SWITCH_MIN_S = 360
"""Lighter takes five minutes at the least, by its own clock; a minute more is room for clocks and the way."""
_SWITCH_MAX_S = 14 * 86_400
"""Lighter takes fifteen days at the most."""
_CLOSE_ENOUGH = Decimal("0.02")
"""Part of the stop's distance by which its trigger may be off before it is moved: an entry price wanders with every
fill, and each move costs two writes."""


class Protection(Value):
    """What one leg leaves at its venue. Nothing, unless it is asked for."""

    cancel_all_after_s: float | None = Field(
        default=None,
        ge=SWITCH_MIN_S,
        le=_SWITCH_MAX_S,
        description="dead-man switch: s of our silence after which the venue cancels whatever rests; absent = none. "
        "Renewed after a third of it",
    )
    stop_distance: Decimal | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="a reduce-only stop rests this fraction of the entry price away, on the losing side; absent = none",
    )
    stop_slippage: Decimal = Field(
        default=Decimal("0.03"),
        gt=0,
        lt=1,
        description="worst price of that stop, as a fraction beyond its trigger: where prices jump, out matters more",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> "Protection":
        if self.cancel_all_after_s is not None and self.stop_distance is not None:
            raise ValueError(
                "cancel_all_after_s and stop_distance contradict each other: the switch would cancel the stop just "
                "when nobody is there; choose one of them"
            )
        return self

    @property
    def is_asked_for(self) -> bool:
        """Say whether anything is to be left at the venue."""
        return self.cancel_all_after_s is not None or self.stop_distance is not None


class Stop(NamedTuple):
    """A resting order that closes a whole position at a price."""

    side: Side
    quantity: Decimal
    trigger_price: Decimal
    worst_price: Decimal

    def request(self, order_id: OrderId, instrument_id: InstrumentId) -> OrderRequest:
        """Return it as an order."""
        return OrderRequest(
            order_id=order_id,
            instrument_id=instrument_id,
            side=self.side,
            quantity=self.quantity,
            order_type=OrderType.MARKET,
            price=self.worst_price,
            reduce_only=True,
            lane=Lane.EXIT,
            trigger_price=self.trigger_price,
        )


def wanted_stop(position: Position, instrument: Instrument, protection: Protection) -> Stop | None:
    """Return the stop that a position should have; None without a position, or without a wish for one."""
    quantity = instrument.whole_lots(abs(position.quantity))
    if protection.stop_distance is None or quantity == ZERO or position.entry_price <= ZERO:
        return None
    side = Side.of(-position.quantity)
    # Below a long position, above a short one; rounded towards the entry, so that it is never further than asked.
    if side is Side.SELL:
        trigger = ceil_to(position.entry_price * (1 - protection.stop_distance), instrument.tick)
    else:
        trigger = floor_to(position.entry_price * (1 + protection.stop_distance), instrument.tick)
    worst = instrument.worst_price(side, trigger, protection.stop_slippage)
    return Stop(side, quantity, trigger, worst)


def serves(order: OrderRequest, wanted: Stop, protection: Protection) -> bool:
    """Say whether a resting order does what is wanted: whole, on the right side, and near enough."""
    if protection.stop_distance is None or order.trigger_price is None:
        return False
    off = abs(order.trigger_price - wanted.trigger_price)
    near = off <= wanted.trigger_price * protection.stop_distance * _CLOSE_ENOUGH
    return order.side is wanted.side and order.quantity == wanted.quantity and near


def is_passed(wanted: Stop, mark: Decimal) -> bool:
    """Say whether the price is beyond the trigger already, so that the stop would run at once."""
    return mark <= wanted.trigger_price if wanted.side is Side.SELL else mark >= wanted.trigger_price
