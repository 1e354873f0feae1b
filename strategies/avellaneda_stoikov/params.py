"""Every number that steers the market maker: its unit, its default, its bounds, and why."""

from decimal import Decimal

from pydantic import Field

from strategies.desk.quoting import QuotingParams


class AvellanedaStoikovParams(QuotingParams):
    """Parameters of one market maker. Durations in seconds, prices in USD, quantities in base units."""

    quantity: Decimal = Field(gt=0, description="size of each quote, base units; the unit of inventory")
    gamma: Decimal = Field(
        default=Decimal("0.01"),
        gt=0,
        description="risk aversion, per USD of price and order of inventory: more leans harder against what is held",
    )
    k: Decimal = Field(
        default=Decimal("0.05"),
        gt=0,
        description="how fast fills become rarer with distance, per USD: estimate it from your own fills",
    )
    horizon_s: Decimal = Field(
        default=Decimal(300),
        gt=0,
        description="T - t: how long a position is expected to be carried; rolling, the session has no end",
    )
    volatility_half_life_s: Decimal = Field(
        default=Decimal(300), gt=0, description="half-life of the weights in the volatility estimate"
    )
    warm_up_looks: int = Field(default=5, ge=1, description="changes of the price seen before the first quote")
    min_spread: Decimal = Field(
        default=Decimal("0.0005"),
        ge=0,
        lt=1,
        description="least distance between the quotes as a fraction of the price: twice the maker fee, and a profit",
    )
    max_spread: Decimal = Field(
        default=Decimal("0.02"), gt=0, lt=1, description="most such distance: an estimate gone wild must not decide"
    )
    max_inventory: int = Field(
        default=5, ge=1, description="orders that may be held on one side; at it only the other side is quoted"
    )
    recovery_inventory: int | None = Field(
        default=None,
        ge=0,
        description="once at max_inventory, only the reducing side is quoted, at the top of the book, until the "
        "inventory is down to this; absent = no recovery, the formula alone",
    )
    requote_ticks: int = Field(default=2, ge=1, description="a quote moves when it is off by so many ticks")
    requote_interval_s: Decimal = Field(
        default=Decimal(2), gt=0, description="how often the book is looked at; every look costs read budget"
    )
