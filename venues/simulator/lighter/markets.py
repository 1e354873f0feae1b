"""Markets as Lighter numbers them, and their prices and sizes as integers on a grid of decimal places."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.ids import VenueSymbol
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.model import MarketRules

QUOTE_DECIMALS = 6
"""USD amounts on the wire have six places."""


@dataclass(frozen=True, slots=True)
class WireMarket:
    """One market with its grid in decimal places."""

    rules: MarketRules
    price_decimals: int
    size_decimals: int

    @classmethod
    def of(cls, rules: MarketRules) -> "WireMarket":
        """Read the grid off the rules.

        Raises:
            ValueError: tick or lot is not a power of ten, which Lighter cannot say.
        """
        return cls(rules=rules, price_decimals=_decimals(rules.tick), size_decimals=_decimals(rules.lot))

    @property
    def index(self) -> int:
        """Return the market's number."""
        return self.rules.market_index

    @property
    def symbol(self) -> VenueSymbol:
        """Return the market's name."""
        return self.rules.symbol

    def price_of(self, ticks: int) -> Decimal:
        """Return the price, USD, of a wire integer."""
        return Decimal(ticks).scaleb(-self.price_decimals)

    def size_of(self, lots: int) -> Decimal:
        """Return the quantity, base units, of a wire integer."""
        return Decimal(lots).scaleb(-self.size_decimals)

    def ticks(self, price: Decimal) -> int:
        """Return the wire integer of a price."""
        return int(price.scaleb(self.price_decimals))

    def lots(self, size: Decimal) -> int:
        """Return the wire integer of a quantity."""
        return int(size.scaleb(self.size_decimals))

    def price_text(self, price: Decimal) -> str:
        """Return a price as payloads write it."""
        return f"{price:.{self.price_decimals}f}"

    def size_text(self, size: Decimal) -> str:
        """Return a quantity as payloads write it."""
        return f"{size:.{self.size_decimals}f}"


class Markets:
    """The venue's markets, by number and by name."""

    def __init__(self, rules: Iterable[MarketRules]) -> None:
        """Index them, in the order of their numbers."""
        wire = sorted((WireMarket.of(each) for each in rules), key=lambda market: market.index)
        self.all = tuple(wire)
        self._by_index = {market.index: market for market in wire}
        self._by_symbol = {market.symbol: market for market in wire}

    def by_index(self, index: int) -> WireMarket:
        """Return the market with this number.

        Raises:
            ApiRefusal: there is none.
        """
        try:
            return self._by_index[index]
        except KeyError:
            raise ApiRefusal(Code.INVALID_MARKET_INDEX, str(index)) from None

    def by_symbol(self, symbol: VenueSymbol) -> WireMarket:
        """Return the market with this name; a name comes from the exchange itself, so it is there."""
        return self._by_symbol[symbol]

    def has(self, index: int) -> bool:
        """Say whether there is a market with this number."""
        return index in self._by_index


def usd_text(amount: Decimal) -> str:
    """Return a USD amount as payloads write it."""
    return f"{amount:.{QUOTE_DECIMALS}f}"


def _decimals(step: Decimal) -> int:
    sign, digits, exponent = step.normalize().as_tuple()
    if sign or digits != (1,) or not isinstance(exponent, int) or exponent > 0:
        raise ValueError(f"Lighter steps are powers of ten up to 1, got {step}")
    return -exponent
