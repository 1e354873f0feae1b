"""The numbers that every desk is told, beside those of its way out and of its own policy."""

from decimal import Decimal

from pydantic import Field

from strategies.unwind import UnwindParams


class DeskParams(UnwindParams):
    """Parameters of every strategy that works orders. Durations in seconds."""

    max_cycles: int = Field(default=1, ge=0, description="cycles after which the group has finished; 0 = without end")
    cycle_pause_s: Decimal = Field(
        default=Decimal(5), ge=0, description="rest between two cycles, so that balances settle"
    )
    poll_interval_s: Decimal = Field(
        default=Decimal(5),
        gt=0,
        description="how often all legs are looked at: quote, position, balance; fills arrive by themselves",
    )
    blind_max_s: Decimal = Field(
        default=Decimal(30),
        gt=0,
        description="without a usable look for so long, resting orders that open risk are withdrawn",
    )
    cancel_grace_s: Decimal = Field(
        default=Decimal(3), gt=0, description="a cancel that has shown no effect for so long is asked for again"
    )
    order_retry_s: Decimal = Field(
        default=Decimal(1), gt=0, description="rest after an order that was refused; doubles with each further one"
    )
    order_retry_max_s: Decimal = Field(default=Decimal(30), gt=0, description="longest such rest")
    order_failures_max: int = Field(
        default=10, ge=1, description="orders in a row that come to nothing before the group leaves and is parked"
    )
    look_attempts: int = Field(default=3, ge=1, description="answers without a basis before a start counts as failed")
    start_failures_max: int = Field(
        default=5, ge=1, description="failed starts in a row after which the group is parked for a person to look at"
    )
    start_retry_s: Decimal = Field(
        default=Decimal(5), gt=0, description="rest after the first failed start; doubles with each further one"
    )
    start_retry_max_s: Decimal = Field(default=Decimal(60), gt=0, description="longest rest between failed starts")
