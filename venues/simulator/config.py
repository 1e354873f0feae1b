"""What can be chosen about a simulation, with the defaults of the stand-alone program."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from strategies.domain.ids import Timestamp
from venues.simulator.catalog import Delays, LighterTier
from venues.simulator.model import CrowdRules
from venues.simulator.wire import Now


def wall_now() -> Timestamp:
    """Return the machine's wall time."""
    return Timestamp(time.time_ns() // 1_000_000)


@dataclass(frozen=True, slots=True)
class SimulationConfig:
    """What to simulate. Ports 0 = free ones."""

    seed: int = 1
    lighter_port: int = 0
    backpack_port: int = 0
    control_port: int = 0
    lighter_accounts: tuple[int, ...] = (1, 2, 3, 4)
    backpack_accounts: tuple[str, ...] = ("bp-1", "bp-2")
    collateral: Decimal = Decimal(10_000)  # USD, each account
    start_prices: Mapping[str, Decimal] = field(default_factory=dict)  # by coin; others start as in the catalog
    volatility: float = 0.0001  # standard deviation of the log price after a second of market time
    speed: Decimal = Decimal(1)  # market milliseconds in a wall millisecond
    tape: Path | None = None
    tape_symbol: str = "BTC"
    tier: LighterTier = LighterTier.STANDARD
    delays: Delays | None = None  # None = the tier's
    latency_ms: int = 0  # one round trip to either venue
    verify: bool = True
    keys_dir: Path | None = None
    state_file: Path | None = None
    tick_ms: int = 50  # how often time and prices move
    crowd: CrowdRules = field(default_factory=CrowdRules)
    now: Now = wall_now
