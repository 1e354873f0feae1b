"""What one backtest is told: a group, where its accounts trade, and how the world behaves. Plain values."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import Field

from strategies.domain.ids import AccountId
from strategies.domain.model import Value
from strategies.machine import GroupSpec
from venues.simulator.catalog import LighterTier


class BacktestSpec(Value):
    """One group over one tape."""

    group: GroupSpec
    strategy: str
    params: dict[str, Any]
    limits: dict[str, Any]
    venue_of: dict[AccountId, str] = Field(description="`lighter` or `backpack` for every account of the group")
    coin: str = Field(description="the simulator's name of what the group trades")
    tape: Path
    seed: int = Field(default=7, ge=0, description="of book sizes, funding and random waits")
    collateral: Decimal = Field(default=Decimal(10_000), gt=0, description="USD of each account")
    tier: LighterTier = Field(default=LighterTier.PREMIUM, description="Lighter's fees and delays")
    latency_ms: int = Field(default=50, ge=0, description="one way, between us and a venue")
    book_levels: int = Field(default=1, ge=1, description="levels of the crowd's book a side; more costs time")
    level_usd: Decimal = Field(default=Decimal(500_000), gt=0, description="size of such a level")
    rows: int | None = Field(default=None, gt=0, description="minutes of the tape that are played; None = all")
