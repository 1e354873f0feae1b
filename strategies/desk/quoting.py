"""What strategies that rest orders on one account have in common: when they leave, and which orders only reduce."""

from decimal import Decimal
from typing import Any

from pydantic import Field

from strategies.desk.params import DeskParams
from strategies.desk.policy import Leave
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.unwind import milliseconds

MAIN = LegName("main")
"""The one leg."""


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
