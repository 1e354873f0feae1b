"""The markets and rules the stand-alone simulator serves: both venues, three coins, from the venues' public facts."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from strategies.domain.ids import VenueSymbol
from venues.simulator.model import MarketRules, SelfTrade, VenueRules

HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_DAY_MS = 24 * HOUR_MS

LIGHTER = "lighter"
BACKPACK = "backpack"
LIGHTER_CHAIN_ID = 304
"""The chain id that the official signer takes for a loopback URL."""


class LighterTier(StrEnum):
    """Lighter's account tiers; `unlimited` is the simulator's own: no delays, no rate limits."""

    STANDARD = "standard"
    PLUS = "plus"
    PREMIUM = "premium"
    UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class Delays:
    """How long orders and cancels wait, milliseconds."""

    taker_ms: int
    maker_ms: int


TIER_DELAYS = {
    LighterTier.STANDARD: Delays(taker_ms=300, maker_ms=200),
    LighterTier.PLUS: Delays(taker_ms=300, maker_ms=200),
    LighterTier.PREMIUM: Delays(taker_ms=200, maker_ms=0),
    LighterTier.UNLIMITED: Delays(taker_ms=0, maker_ms=0),
}

TIER_FEES = {
    LighterTier.STANDARD: (Decimal(0), Decimal(0)),
    LighterTier.PLUS: (Decimal("0.00005"), Decimal("0.00005")),
    LighterTier.PREMIUM: (Decimal("0.000280"), Decimal("0.000040")),
    LighterTier.UNLIMITED: (Decimal(0), Decimal(0)),
}
"""Taker and maker fee by tier, fractions of notional."""


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin as both venues list it. Grids differ between the venues on purpose: a hedge must cope with that."""

    name: str
    start_price: Decimal
    lighter_tick: Decimal
    lighter_lot: Decimal
    lighter_min_quantity: Decimal
    backpack_tick: Decimal
    backpack_lot: Decimal

    @property
    def backpack_symbol(self) -> VenueSymbol:
        """Return Backpack's name of the perpetual."""
        return VenueSymbol(f"{self.name}_USDC_PERP")


COINS = (
    Coin(
        "ETH",
        start_price=Decimal(3000),
        lighter_tick=Decimal("0.01"),
        lighter_lot=Decimal("0.0001"),
        lighter_min_quantity=Decimal("0.0050"),
        backpack_tick=Decimal("0.01"),
        backpack_lot=Decimal("0.001"),
    ),
    Coin(
        "BTC",
        start_price=Decimal(60_000),
        lighter_tick=Decimal("0.1"),
        lighter_lot=Decimal("0.00001"),
        lighter_min_quantity=Decimal("0.00020"),
        backpack_tick=Decimal("0.1"),
        backpack_lot=Decimal("0.0001"),
    ),
    Coin(
        "SOL",
        start_price=Decimal(150),
        lighter_tick=Decimal("0.001"),
        lighter_lot=Decimal("0.001"),
        lighter_min_quantity=Decimal("0.050"),
        backpack_tick=Decimal("0.01"),
        backpack_lot=Decimal("0.01"),
    ),
)
"""In the order of Lighter's market indexes."""


def lighter_markets(tier: LighterTier) -> list[MarketRules]:
    """Return Lighter's markets as an account of this tier finds them."""
    taker_fee, maker_fee = TIER_FEES[tier]
    return [
        MarketRules(
            symbol=VenueSymbol(coin.name),
            market_index=index,
            tick=coin.lighter_tick,
            lot=coin.lighter_lot,
            min_quantity=coin.lighter_min_quantity,
            min_notional=Decimal(10),
            initial_margin_min=Decimal("0.02"),
            maintenance_margin=Decimal("0.012"),
            closeout_margin=Decimal("0.008"),
            taker_fee=taker_fee,
            maker_fee=maker_fee,
            liquidation_fee=Decimal("0.01"),
            funding_interval_ms=HOUR_MS,
            price_band=Decimal("0.2"),
        )
        for index, coin in enumerate(COINS)
    ]


def backpack_markets() -> list[MarketRules]:
    """Return Backpack's markets."""
    return [
        MarketRules(
            symbol=coin.backpack_symbol,
            market_index=index,
            tick=coin.backpack_tick,
            lot=coin.backpack_lot,
            min_quantity=coin.backpack_lot,
            min_notional=Decimal(0),
            initial_margin_min=Decimal("0.02"),
            maintenance_margin=Decimal("0.0125"),
            closeout_margin=Decimal("0.008"),
            taker_fee=Decimal("0.0005"),
            maker_fee=Decimal("0.0002"),
            liquidation_fee=Decimal("0.005"),
            funding_interval_ms=HOUR_MS,
            price_band=Decimal("0.25"),
        )
        for index, coin in enumerate(COINS)
    ]


def lighter_rules(tier: LighterTier, delays: Delays | None = None) -> VenueRules:
    """Return Lighter's rules; `delays` replaces the tier's own."""
    chosen = delays or TIER_DELAYS[tier]
    return VenueRules(
        venue=LIGHTER,
        client_id_bits=48,
        taker_delay_ms=chosen.taker_ms,
        maker_delay_ms=chosen.maker_ms,
        cancel_delay_ms=chosen.maker_ms,
        leverage_per_account=False,
        minimums_bind_takers=False,
        self_trade=SelfTrade.CANCEL_MAKER,
        engine_ends_takers=True,
        expiry_min_ms=5 * _MINUTE_MS,
        expiry_max_ms=30 * _DAY_MS,
        first_order_index=(1 << 48) + 1,
    )


def backpack_rules() -> VenueRules:
    """Return Backpack's rules."""
    return VenueRules(
        venue=BACKPACK,
        client_id_bits=32,
        taker_delay_ms=0,
        maker_delay_ms=0,
        leverage_per_account=True,
        minimums_bind_takers=True,
        self_trade=SelfTrade.REJECT_TAKER,
        first_order_index=1_000_000_001,
        default_leverage=Decimal(10),
    )


def coin_of(symbol: str) -> Coin | None:
    """Return the coin that a name stands for: `ETH`, or either venue's symbol; None when no coin has it."""
    for coin in COINS:
        if symbol in {coin.name, coin.backpack_symbol}:
            return coin
    return None
