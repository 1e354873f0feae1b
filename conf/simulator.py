"""Section `[simulator]`: the simulated venues that a paper deployment starts for itself. Never with real money."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from strategies.domain.ids import AccountId
from strategies.domain.model import Value
from venues.simulator.catalog import COINS, LighterTier, coin_of

KEY_INDEX = 4
"""The index of the one API key that the simulator makes for each of its Lighter accounts."""


def _check_coin(name: str) -> str:
    coin = coin_of(name)
    if coin is None:
        raise ValueError(f"the simulator trades no such coin, only {', '.join(known.name for known in COINS)}")
    return coin.name


Coin = Annotated[str, AfterValidator(_check_coin)]
"""A coin that the simulator trades."""
Port = Annotated[int, Field(ge=0, le=65_535)]


class SimulatorSettings(Value):
    """What `python -m venues.simulator` is started with. Which accounts exist follows from `[accounts.*]`."""

    seed: int = Field(default=1, ge=0, description="of prices, book sizes and funding; the same seed, the same market")
    speed: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=100_000,
        description="how much faster than the wall the market's time runs; orders and timers keep wall time",
    )
    volatility: Decimal = Field(
        default=Decimal("0.0001"),
        ge=0,
        lt=1,
        description="standard deviation of the log price after one second of market time; the default is about half a "
        "percent after an hour, a lively day",
    )
    start_prices: dict[Coin, Annotated[Decimal, Field(gt=0)]] = Field(
        default={}, description="USD by coin: { ETH = 3000 }; others start as the simulator's catalog says"
    )
    tape: Path | None = Field(
        default=None,
        description="CSV of minute bars, timestamp,open,high,low,close,volume, that moves one coin's price",
    )
    tape_symbol: Coin = Field(default="BTC", description="the coin that the tape is of; others walk")
    collateral: Decimal = Field(
        default=Decimal(10_000), gt=0, description="USD of each account when it is first opened"
    )
    tier: LighterTier = Field(
        default=LighterTier.STANDARD,
        description="Lighter's account tier: its rate limits, fees and delays; the default is the tightest",
    )
    taker_delay_ms: int | None = Field(
        default=None, ge=0, le=60_000, description="ms a taker order waits at Lighter; absent = as the tier has it"
    )
    maker_delay_ms: int | None = Field(
        default=None, ge=0, le=60_000, description="ms a post-only order or cancel waits; absent = as the tier has it"
    )
    latency_ms: int = Field(default=0, ge=0, le=60_000, description="ms of one round trip to either venue")
    lighter_port: Port = Field(default=0, description="port of the simulated Lighter; 0 = any free one")
    backpack_port: Port = Field(default=0, description="port of the simulated Backpack; 0 = any free one")
    control_port: Port = Field(
        default=0, description="port where true fills are read and faults are injected; 0 = any free one"
    )
    keys_dir: Path = Field(
        default=Path("state/simulator/keys"),
        description="folder of the throw-away keys that it makes; accounts refer to them as file:<keys_dir>/…",
    )
    state_file: Path | None = Field(
        default=None, description="the venues' memory, so that positions outlive a killed simulator; absent = none"
    )

    def arguments(self, lighter_accounts: Sequence[int], backpack_accounts: Sequence[AccountId]) -> list[str]:
        """Return the command line of `python -m venues.simulator`, after the module's name."""
        options: dict[str, object] = {
            "--lighter-port": self.lighter_port,
            "--backpack-port": self.backpack_port,
            "--control-port": self.control_port,
            "--seed": self.seed,
            "--speed": self.speed,
            "--volatility": self.volatility,
            "--collateral": self.collateral,
            "--lighter-tier": self.tier.value,
            "--latency-ms": self.latency_ms,
            "--keys-dir": self.keys_dir,
            "--lighter-accounts": ",".join(str(index) for index in lighter_accounts),
            "--backpack-accounts": ",".join(backpack_accounts),
            "--tape": self.tape,
            "--tape-symbol": self.tape_symbol if self.tape is not None else None,
            "--taker-delay-ms": self.taker_delay_ms,
            "--maker-delay-ms": self.maker_delay_ms,
            "--state": self.state_file,
        }
        given = [(name, str(value)) for name, value in options.items() if value is not None]
        given += [("--start-price", f"{coin}={price}") for coin, price in sorted(self.start_prices.items())]
        return [word for pair in given for word in pair]

    def lighter_key_file(self, account_index: int) -> Path:
        """Return where the simulator keeps the key of a Lighter account."""
        return self.keys_dir / f"lighter-{account_index}.key"

    def backpack_key_file(self, account: AccountId) -> Path:
        """Return where the simulator keeps the key of a Backpack account, which it calls by our name."""
        return self.keys_dir / f"backpack-{account}.key"
