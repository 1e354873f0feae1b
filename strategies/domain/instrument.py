"""What can be traded on a venue, and the grid its prices and quantities live on."""

from decimal import Decimal

from pydantic import Field

from strategies.domain.ids import InstrumentId, VenueSymbol
from strategies.domain.model import Value
from strategies.domain.money import ZERO, ceil_to, floor_to
from strategies.domain.order import Side


class Instrument(Value):
    """One perpetual future on one venue. Quantities in base units, prices and notionals in USD."""

    instrument_id: InstrumentId
    symbol: VenueSymbol
    tick: Decimal = Field(gt=0, description="smallest price step, USD")
    lot: Decimal = Field(gt=0, description="smallest quantity step, base units")
    min_quantity: Decimal = Field(ge=0, description="smallest order, base units; 0 = the lot is the minimum")
    min_notional: Decimal = Field(ge=0, description="smallest order, USD; 0 = the venue has none")
    max_leverage: Decimal = Field(gt=0, description="1 / the venue's smallest initial margin fraction")
    maintenance_margin: Decimal = Field(ge=0, description="fraction of notional below which the venue liquidates")
    taker_fee: Decimal = Field(description="fraction of notional")
    maker_fee: Decimal = Field(description="fraction of notional; negative = rebate")
    maker_minimums_only: bool = Field(
        default=False, description="the minimums bind resting orders only; False = they bind every order"
    )

    def smallest_order(self, price: Decimal) -> Decimal:
        """Return the smallest quantity the venue takes at `price`, in whole lots, base units."""
        floor = max(self.min_quantity, self.lot)
        if self.min_notional > ZERO:
            floor = max(floor, self.min_notional / price)
        return ceil_to(floor, self.lot)

    def smallest_taker_order(self, price: Decimal) -> Decimal:
        """Return the smallest quantity that the venue takes at `price` from an order that does not rest, base units."""
        return self.lot if self.maker_minimums_only else self.smallest_order(price)

    def whole_lots(self, quantity: Decimal) -> Decimal:
        """Return `quantity` cut down to whole lots."""
        return floor_to(quantity, self.lot)

    def worst_price(self, side: Side, reference: Decimal, slippage: Decimal) -> Decimal:
        """Return the worst acceptable price on the tick grid: `reference` moved by the fraction `slippage` against us.

        Rounded towards the reference, so that the bound is never looser than asked; never below one tick.
        """
        if side is Side.BUY:
            return max(floor_to(reference * (1 + slippage), self.tick), self.tick)
        return max(ceil_to(reference * (1 - slippage), self.tick), self.tick)
