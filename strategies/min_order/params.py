"""What the minimum-order diagnostic sends."""

from decimal import Decimal

from pydantic import Field

from strategies.desk.params import DeskParams
from strategies.domain.ids import LegName
from strategies.domain.model import Value
from strategies.domain.order import Side


class Target(Value):
    """One order to try."""

    leg: LegName = Field(description="which of the group's legs, so which account")
    direction: Side = Field(default=Side.BUY, description="BUY or SELL")
    reduce_only: bool = Field(default=False, description="true: it may only make a position smaller")
    size_multiplier: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=100,
        description="of the smallest order that the venue takes now; below 1 sees how the venue refuses it",
    )


class MinOrderParams(DeskParams):
    """Parameters of the minimum-order diagnostic. Durations in seconds."""

    targets: tuple[Target, ...] = Field(min_length=1, max_length=50, description="sent in this order, one at a time")
    max_slippage: Decimal = Field(
        default=Decimal("0.005"), gt=0, lt=1, description="fraction beyond the touch that an order may cost"
    )
    answer_timeout_s: Decimal = Field(
        default=Decimal(60), gt=0, description="an order without a proven end after this is reported as in doubt"
    )
