"""Every number that steers the geometric grid: its unit, its default, its bounds, and why."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, model_validator

from strategies.desk.quoting import QuotingParams


class GridMode(StrEnum):
    """Which positions the grid may build."""

    NEUTRAL = "neutral"
    """Long below where it began, short above."""
    LONG = "long"
    """Never short: sells only what it has bought."""
    SHORT = "short"
    """Never long: buys back only what it has sold."""


class GeometricGridParams(QuotingParams):
    """Parameters of one grid. Prices in USD, quantities in base units."""

    quantity: Decimal = Field(gt=0, description="size of each level's order, base units")
    levels: int = Field(default=21, ge=2, le=501, description="prices in the grid, both ends included")
    lower: Decimal | None = Field(default=None, gt=0, description="lowest price; with upper, instead of range_fraction")
    upper: Decimal | None = Field(default=None, gt=0, description="highest price")
    range_fraction: Decimal | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="half the range as a fraction of the price at the start: the grid centres itself",
    )
    orders_per_side: int = Field(
        default=3,
        ge=1,
        le=50,
        description="orders that rest on each side, nearest first; venues limit open orders",
    )
    mode: GridMode = Field(default=GridMode.NEUTRAL, description="neutral, long or short")
    recentre_beyond: Decimal | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="price this fraction outside the range: close everything and begin a new grid around the price; "
        "absent = wait for it to come back",
    )

    @model_validator(mode="after")
    def _ranged_once(self) -> "GeometricGridParams":
        fixed = self.lower is not None and self.upper is not None
        if (self.lower is None) != (self.upper is None) or fixed == (self.range_fraction is not None):
            raise ValueError("give lower and upper, or range_fraction")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"lower = {self.lower} is not below upper = {self.upper}")
        if self.recentre_beyond is not None and self.range_fraction is None:
            raise ValueError("recentre_beyond needs range_fraction: a fixed range has one centre")
        return self
