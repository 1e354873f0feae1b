"""The simulation inside a test's own process, on free ports.

async with simulation(seed=1, lighter_accounts=(1, 2), backpack_accounts=("bp",)) as sim:
    sim.lighter_url, sim.lighter_ws_url, sim.lighter_key(1)
    sim.backpack_url, sim.backpack_ws_url, sim.backpack_api_key("bp"), sim.backpack_secret("bp")
    sim.control_url, sim.faults.add(Fault(...)), await sim.set_price("ETH", Decimal(2900))
    sim.exchange_lighter.trades("1"), sim.exchange_backpack.position("bp", "ETH_USDC_PERP")
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from venues.simulator.catalog import LighterTier
from venues.simulator.deployment import Simulation, SimulationConfig


@asynccontextmanager
async def simulation(
    *,
    seed: int = 1,
    lighter_accounts: tuple[int, ...] = (1, 2),
    backpack_accounts: tuple[str, ...] = ("bp",),
    tier: LighterTier = LighterTier.UNLIMITED,
    volatility: float = 0.0,
    **options: Any,
) -> AsyncIterator[Simulation]:
    """Run both venues while the block runs. By default prices stand still and nothing is delayed or rate limited.

    Args:
        seed: of the crowd, the walk and the funding.
        lighter_accounts: account indexes.
        backpack_accounts: account names.
        tier: Lighter's tier; STANDARD delays takers by 300 ms and makers by 200 ms.
        volatility: of the walk, per square root of a second of market time.
        **options: any other field of `SimulationConfig`.
    """
    running = Simulation(
        SimulationConfig(
            seed=seed,
            lighter_accounts=lighter_accounts,
            backpack_accounts=backpack_accounts,
            tier=tier,
            volatility=volatility,
            **options,
        )
    )
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
