"""Every number that steers the trend ladder: its unit, its default, its bounds, and why."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, model_validator

from strategies.desk.quoting import QuotingParams
from strategies.tracking import TrackingParams


class LadderDirection(StrEnum):
    """Which way the ladder is built."""

    LONG = "long"
    SHORT = "short"
    TREND = "trend"
    """As the slope of the moving average says; between the thresholds nothing is entered."""


class TrendLadderParams(QuotingParams):
    """Parameters of one ladder. Durations in seconds, quantities in base units, distances as fractions of the price."""

    quantity: Decimal = Field(gt=0, description="size of each rung, base units")
    direction: LadderDirection = Field(default=LadderDirection.LONG, description="long, short or trend")
    take_profit: Decimal = Field(
        default=Decimal("0.002"), gt=0, lt=1, description="distance from a rung's entry to its exit; above the fees"
    )
    partial_share: Decimal = Field(
        default=Decimal(0), ge=0, lt=1, description="share of a rung that leaves earlier; 0 = all of it at once"
    )
    partial_at: Decimal = Field(
        default=Decimal("0.5"), gt=0, lt=1, description="where that share leaves, as a fraction of take_profit"
    )
    max_orders: int = Field(default=5, ge=1, le=100, description="rungs that may be open at once")
    wait_s: Decimal = Field(default=Decimal(30), ge=0, description="rest before the next rung, on an empty ladder")
    wait_full_s: Decimal = Field(
        default=Decimal(300), ge=0, description="the same on an almost full ladder; in between it grows with the rungs"
    )
    entry: TrackingParams = Field(default=TrackingParams(), description="how an entry follows the book")
    stop_distance: Decimal | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="loss on the average entry at which all leaves; absent = never",
    )
    bar_s: Decimal = Field(default=Decimal(60), gt=0, description="length of a bar for the trend")
    period: int = Field(default=20, ge=2, le=1000, description="bars of the moving average and of the true range")
    slope_min: Decimal = Field(
        default=Decimal("0.1"), ge=0, description="average true ranges a bar below which there is no trend"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "TrendLadderParams":
        if self.wait_s > self.wait_full_s:
            raise ValueError(f"wait_s = {self.wait_s} is above wait_full_s = {self.wait_full_s}")
        return self
