"""Every number that steers the simple hedge: its unit, its default, its bounds, and why."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, model_validator

from strategies.desk.params import DeskParams
from strategies.domain.order import Side
from strategies.tracking import TrackingParams


class OnTimeout(StrEnum):
    """What becomes of the part of the entry that the maker order did not get in time."""

    TAKE = "take"
    """It is bought from the book."""
    KEEP = "keep"
    """It is left; the hedge stands with what filled."""


class SimpleHedgeParams(DeskParams):
    """Parameters of one simple hedge. Durations in seconds, quantities in base units, slippages as fractions."""

    lead_side: Side = Field(default=Side.BUY, description="side of the lead leg; the follow leg takes the other")
    quantity: Decimal | None = Field(default=None, gt=0, description="size of each leg, base units; or notional_usd")
    notional_usd: Decimal | None = Field(default=None, gt=0, description="size of each leg, USD; or quantity")
    slice_quantity: Decimal | None = Field(
        default=None,
        gt=0,
        description="most that the lead order shows at once: what a burst of fills can leave uncovered; absent = all",
    )
    entry: TrackingParams = Field(default=TrackingParams(), description="how the lead order follows the book")
    on_timeout: OnTimeout = Field(
        default=OnTimeout.TAKE, description="`take` buys what is missing when the entry's time is up, `keep` does not"
    )
    hold_s: Decimal = Field(
        default=Decimal(3600), ge=0, description="how long the hedge stands before both legs leave; 0 = until told"
    )
    max_slippage: Decimal = Field(
        default=Decimal("0.001"), gt=0, lt=1, description="fraction beyond the touch for a hedging order"
    )
    hedge_slippage_max: Decimal = Field(
        default=Decimal("0.01"), gt=0, lt=1, description="cap of that as it widens with every failure"
    )
    unhedged_max_s: Decimal = Field(
        default=Decimal(10), gt=0, description="uncovered for longer, both legs leave and a person has to look"
    )

    @model_validator(mode="after")
    def _sized_once(self) -> "SimpleHedgeParams":
        if (self.quantity is None) == (self.notional_usd is None):
            raise ValueError("give quantity or notional_usd, one of them")
        if self.max_slippage > self.hedge_slippage_max:
            raise ValueError(
                f"max_slippage = {self.max_slippage} is above hedge_slippage_max = {self.hedge_slippage_max}"
            )
        return self
