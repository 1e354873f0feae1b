"""What the smoke test does, and how long it waits."""

from decimal import Decimal

from pydantic import Field

from strategies.desk.params import DeskParams
from strategies.tracking import TrackingParams


class SmokeTestParams(DeskParams):
    """Parameters of the smoke test. Durations in seconds, prices as fractions."""

    step_timeout_s: Decimal = Field(default=Decimal(30), gt=0, description="a step that takes longer has failed")
    far: Decimal = Field(
        default=Decimal("0.02"),
        gt=0,
        lt=1,
        description="how far below the bid the resting order is placed: nobody trades there, and price bands allow it",
    )
    size_multiplier: Decimal = Field(
        default=Decimal(1), ge=1, le=100, description="of the smallest order that the venue takes"
    )
    max_slippage: Decimal = Field(
        default=Decimal("0.005"), gt=0, lt=1, description="fraction beyond the touch that a market order may cost"
    )
    trade: bool = Field(default=True, description="false: nothing is bought, only read, rested and canceled")
    tracking: TrackingParams = Field(
        default=TrackingParams(requote_interval_s=Decimal(1), timeout_s=Decimal(120)),
        description="how the tracking limit behaves; its time-out is the step's",
    )
