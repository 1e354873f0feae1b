"""What strategies that rest orders on one account have in common: when they leave, and which orders only reduce."""

from collections.abc import Callable
from decimal import Decimal
from operator import is_
from typing import Any, Generic, TypeVar

from pydantic import Field

from strategies.desk.params import DeskParams
from strategies.desk.policy import Leave
from strategies.desk.state import DeskLeg
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.unwind import milliseconds

MAIN = LegName("main")
"""The one leg."""
T = TypeVar("T")


class QuotingParams(DeskParams):
    """Parameters of every strategy that rests orders on one account. Durations in seconds."""

    run_s: Decimal = Field(
        default=ZERO, ge=0, description="after so long everything is canceled and closed; 0 = until told"
    )
    stop_loss_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="a cycle that has lost more, realised and unrealised, after fees, leaves and the group is parked",
    )


def order_size(turn: Turn[Any], wanted: Decimal) -> Decimal | str:
    """Return the quantity of each order in whole lots, base units, or why the venue would not take one now."""
    instrument, price = turn.instrument(MAIN), turn.leg(MAIN).price
    if instrument is None or price is None:
        return "no price"
    quantity, smallest = instrument.whole_lots(wanted), instrument.smallest_order(price)
    return quantity if quantity >= smallest else f"{quantity} is less than the venue takes, {smallest}"


def profit(turn: Turn[Any]) -> Decimal:
    """Return what the cycle has made so far, realised and unrealised, after fees, USD."""
    leg = turn.leg(MAIN)
    unrealized = ZERO if leg.price is None else leg.ledger.unrealized(leg.price)
    return leg.cycle_profit + unrealized


def over(turn: Turn[Any], params: QuotingParams, began_at: Timestamp) -> Leave | None:
    """Return why the cycle ends now; None = it does not."""
    if params.run_s > ZERO and turn.now >= ends_at(params, began_at):
        return Leave(f"ran for {params.run_s} s")
    if params.stop_loss_usd is not None and profit(turn) < -params.stop_loss_usd:
        return Leave(f"lost {-profit(turn):.2f} USD, more than {params.stop_loss_usd}", parking=True)
    return None


def ends_at(params: QuotingParams, began_at: Timestamp) -> Timestamp:
    """Return when `run_s` is over; only meaningful when it is not zero."""
    return Timestamp(began_at + milliseconds(params.run_s))


def ending_wake(params: QuotingParams, began_at: Timestamp) -> Timestamp | None:
    """Return when to wake for the end; None = no end is planned."""
    return ends_at(params, began_at) if params.run_s > ZERO else None


class Unchanged(Generic[T]):
    """The last result of a pure function, given again for as long as it is asked about the very same objects.

    Most looks change nothing, and what is wanted is the same as before. By identity and not by equality: equal numbers
    may be written differently, and the journal's bytes with them.
    """

    __slots__ = ("_about", "_made")

    def __init__(self) -> None:
        """Know nothing yet."""
        self._about: tuple[object, ...] | None = None
        self._made: T | None = None

    def get(self, about: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what `make` returned when it was last asked about these objects, or ask it."""
        before = self._about
        if self._made is None or before is None or not all(map(is_, before, about)):
            self._made = make()
            self._about = about
        return self._made


def holding(leg: DeskLeg) -> tuple[object, ...]:
    """Return everything that `leg.quantity` follows from."""
    return leg.ledger, leg.offset, leg.owed, leg.base
