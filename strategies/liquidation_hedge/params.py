"""Every number that steers the liquidation hedge: its unit, its default, its bounds, and why."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, model_validator

from strategies.domain.order import Side
from strategies.unwind import UnwindParams


class Direction(StrEnum):
    """Which way the first order goes; the first Lighter account takes the other side, the second the same."""

    LONG_BACKPACK = "long_backpack"
    SHORT_BACKPACK = "short_backpack"

    @property
    def side(self) -> Side:
        """Return the side of the entry on Backpack and on the second Lighter account."""
        return Side.BUY if self is Direction.LONG_BACKPACK else Side.SELL

    @property
    def reversed(self) -> "Direction":
        """Return the other direction."""
        return Direction.SHORT_BACKPACK if self is Direction.LONG_BACKPACK else Direction.LONG_BACKPACK


class LiquidationHedgeParams(UnwindParams):
    """Parameters of one liquidation hedge, beside those of every way out.

    Durations in seconds, quantities in base units, prices as fractions.
    """

    # What is traded, and how much of it.
    direction: Direction = Field(
        default=Direction.LONG_BACKPACK, description="side of the first order, on Backpack; the legs follow from it"
    )
    leverage: Decimal = Field(
        default=Decimal(50),
        gt=0,
        le=200,
        description="leverage asked of every venue; cut to what the instrument allows. 50 is the most that the venues "
        "give their large markets, and the strategy lives from one leg being close to liquidation",
    )
    usable_fraction: Decimal = Field(
        default=Decimal("0.95"),
        gt=0,
        le=1,
        description="share of the available margin that a position may use; the rest pays fees and slippage, "
        "so that the venue does not refuse the order for lack of margin",
    )
    limit_share: Decimal = Field(
        default=Decimal("0.97"),
        gt=0,
        le=1,
        description="share of a notional limit that an entry may use; the price moves before the other legs trade, "
        "and a hedge must not be denied by a limit that the entry had used up",
    )
    min_collateral_usd: Decimal = Field(
        default=Decimal(0), ge=0, description="an account with less equity than this starts no cycle; 0 = no such rule"
    )
    max_quantity: Decimal | None = Field(
        default=None, gt=0, description="largest entry, base units; absent = margin and limits decide alone"
    )
    test_mode: bool = Field(default=False, description="enter with the smallest size that every venue takes")

    # How often, and how long.
    max_cycles: int = Field(
        default=1,
        ge=0,
        description="cycles after which the group has finished; 0 = without end. A start that "
        "failed before the first two legs stood does not count",
    )
    reverse_on_timeout: bool = Field(
        default=True,
        description="the cycle after one that timed out goes the other way: a day without liquidation says that the "
        "market went nowhere, and turning costs what repeating costs",
    )
    timeout_s: Decimal = Field(
        default=Decimal(86_400), gt=0, description="longest life of a cycle before its exit; a day bounds funding paid"
    )
    cycle_pause_s: Decimal = Field(
        default=Decimal(5), ge=0, description="rest between two cycles, so that balances settle before the next sizing"
    )
    wait_min_s: Decimal = Field(
        default=Decimal(2),
        ge=0,
        description="shortest wait between the second and the third leg; drawn, not fixed, "
        "so that the accounts do not trade in a pattern",
    )
    wait_max_s: Decimal = Field(default=Decimal(5), ge=0, description="longest such wait; at least wait_min_s")

    # Looking.
    poll_interval_s: Decimal = Field(
        default=Decimal(5),
        gt=0,
        description="how often all legs are looked at while the group holds positions; "
        "fills arrive by themselves, this finds what no fill told",
    )
    look_attempts: int = Field(
        default=3, ge=1, description="answers without a usable basis after which an entry is given up with the reason"
    )

    # Entering, hedging, rebalancing.
    max_slippage: Decimal = Field(
        default=Decimal("0.001"),
        gt=0,
        lt=1,
        description="fraction by which an order may trade beyond the touch; 0.1 % "
        "is several ticks in a liquid book and far below the liquidation distance at 50x",
    )
    hedge_slippage_max: Decimal = Field(
        default=Decimal("0.005"),
        gt=0,
        lt=1,
        description="cap as hedges and rebalances widen by max_slippage with "
        "every failure: half a percent costs less than standing naked",
    )
    entry_attempts: int = Field(
        default=3, ge=1, description="entry orders per leg and cycle before the entry is given up"
    )
    entry_delay_s: Decimal = Field(
        default=Decimal("0.5"), ge=0, description="rest after an entry order that did not fill"
    )
    hedge_attempts: int = Field(
        default=3, ge=1, description="hedge orders in a row without a fill before the group exits"
    )
    hedge_delay_s: Decimal = Field(
        default=Decimal("0.25"),
        ge=0,
        description="rest after a hedge order that did not fill; short, the group is naked",
    )
    rebalance_attempts: int = Field(
        default=3, ge=1, description="rebalancing orders in a row without a fill before the group exits"
    )
    rebalance_delay_s: Decimal = Field(
        default=Decimal("0.5"), ge=0, description="rest after a rebalancing order that did not fill"
    )
    rebalance_tolerance: Decimal = Field(
        default=Decimal(0),
        ge=0,
        description="uncovered base units that are left alone; 0 = anything that the venue takes as an order is traded",
    )
    unhedged_max_s: Decimal = Field(
        default=Decimal(15),
        gt=0,
        description="the group exits when it stays uncovered for longer, whatever it waits "
        "for: covers orders in doubt, accounts that do not write, quotes that do not come",
    )
    unexplained_max_s: Decimal = Field(
        default=Decimal(15),
        gt=0,
        description="the group exits when a venue's statement and our fills stay apart for longer; nothing that grows "
        "is ordered meanwhile. Two statements that agree end it in confirm_delay_s; this bounds the rest, no longer "
        "than being uncovered is borne",
    )
    liquidation_tolerance: Decimal = Field(
        default=Decimal("0.0001"),
        ge=0,
        description="a leg at or below this many base units is back to about zero; entries must be larger",
    )
    leverage_attempts: int = Field(
        default=3, ge=1, description="requests to set a leg's leverage before the cycle goes on with what is in force"
    )
    leverage_timeout_s: Decimal = Field(
        default=Decimal(15), gt=0, description="a leverage request without answer counts as refused after this"
    )

    # Starting again.
    start_failures_max: int = Field(
        default=5, ge=1, description="failed starts in a row after which the group is parked for a person to look at"
    )
    start_retry_s: Decimal = Field(
        default=Decimal(5), gt=0, description="rest after the first failed start; doubles with each further one"
    )
    start_retry_max_s: Decimal = Field(default=Decimal(60), gt=0, description="longest rest between failed starts")

    @model_validator(mode="after")
    def _ordered(self) -> "LiquidationHedgeParams":
        for low, high in (
            ("wait_min_s", "wait_max_s"),
            ("max_slippage", "hedge_slippage_max"),
            ("start_retry_s", "start_retry_max_s"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} = {getattr(self, low)} is above {high} = {getattr(self, high)}")
        return self
