"""What every coin is worth now: the price source on market time, moved or pinned by the control interface."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from strategies.domain.ids import Timestamp
from strategies.domain.money import ZERO
from venues.simulator.catalog import coin_of
from venues.simulator.prices import MarketClock, PriceSource, Tape


def read_tape(path: Path, symbol: str) -> Tape:
    """Read a tape of one of the simulator's coins, on the finer of the two venues' price grids.

    Raises:
        TapeError: the file cannot be read, or a row is bad.
        ValueError: no coin is called `symbol`.
    """
    coin = coin_of(symbol)
    if coin is None:
        raise ValueError(f"no market for the tape's symbol {symbol!r}")
    return Tape(path, coin.name, min(coin.lighter_tick, coin.backpack_tick))


@dataclass(slots=True)
class PriceBoard:
    """Prices by coin. A pin holds until it is taken away; a move scales everything that follows."""

    source: PriceSource
    clock: MarketClock
    coins: tuple[str, ...]
    pins: dict[str, Decimal] = field(default_factory=dict)
    factors: dict[str, Decimal] = field(default_factory=dict)

    def price(self, coin: str, market_at: Timestamp) -> Decimal:
        """Return the price of a coin at a market moment, USD."""
        pinned = self.pins.get(coin)
        if pinned is not None:
            return pinned
        return self.source.price_at(coin, market_at) * self.factors.get(coin, Decimal(1))

    def prices(self, market_at: Timestamp) -> dict[str, Decimal]:
        """Return every coin's price at a market moment, USD."""
        return {coin: self.price(coin, market_at) for coin in self.coins}

    def pin(self, coin: str, price: Decimal | None) -> None:
        """Hold a coin at a price; None lets it go.

        Raises:
            ValueError: the price is not positive.
        """
        if price is None:
            self.pins.pop(coin, None)
        elif price <= ZERO:
            raise ValueError(f"price must be positive, got {price}")
        else:
            self.pins[coin] = price

    def move(self, coin: str, fraction: Decimal) -> None:
        """Move a coin's price, now and from now on, by a fraction (-0.05 = five per cent down).

        Raises:
            ValueError: the fraction takes the price to zero or below.
        """
        if fraction <= -1:
            raise ValueError(f"fraction must be above -1, got {fraction}")
        if coin in self.pins:
            self.pins[coin] *= 1 + fraction
        else:
            self.factors[coin] = self.factors.get(coin, Decimal(1)) * (1 + fraction)

    def dump(self) -> dict[str, Any]:
        """Return pins and moves as JSON."""
        return {
            "pins": {coin: str(price) for coin, price in self.pins.items()},
            "factors": {coin: str(factor) for coin, factor in self.factors.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` returned."""
        self.pins = {coin: Decimal(price) for coin, price in state["pins"].items()}
        self.factors = {coin: Decimal(factor) for coin, factor in state["factors"].items()}
