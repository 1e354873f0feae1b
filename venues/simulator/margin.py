"""What an account may do and when it must be closed: cross margin over all markets, from the rules and the marks."""

from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.ids import VenueSymbol
from strategies.domain.money import ZERO, ceil_to, floor_to
from strategies.domain.order import Side
from venues.simulator.model import MarginRow, MarketRules, OrderState, PositionRow, VenueRules
from venues.simulator.state import AccountState, ExchangeState, Held

PRICE_GRAIN = Decimal("0.00000001")
"""Average entry prices are shown to this many USD."""
WHOLE_ACCOUNT = ""
"""The key of a leverage that holds for the whole account."""


@dataclass(frozen=True, slots=True)
class Extra:
    """An order that is not in the book yet, to see what it would need."""

    symbol: VenueSymbol
    side: Side
    quantity: Decimal


class MarginBook:
    """Reads margin off the exchange's state; changes nothing."""

    def __init__(self, rules: VenueRules, markets: dict[VenueSymbol, MarketRules], state: ExchangeState) -> None:
        """Look at this state."""
        self._rules = rules
        self._markets = markets
        self._state = state

    def leverage_key(self, symbol: VenueSymbol | None) -> str:
        """Return where the leverage of a market is kept."""
        return WHOLE_ACCOUNT if self._rules.leverage_per_account or symbol is None else symbol

    def max_leverage(self, symbol: VenueSymbol | None) -> Decimal:
        """Return the highest leverage that may be set, for one market or for the account."""
        if symbol is not None and not self._rules.leverage_per_account:
            return 1 / self._markets[symbol].initial_margin_min
        return max(1 / market.initial_margin_min for market in self._markets.values())

    def leverage(self, account: AccountState, symbol: VenueSymbol) -> Decimal:
        """Return the leverage in force, never above the market's own limit."""
        chosen = account.leverages.get(self.leverage_key(symbol), self._rules.default_leverage)
        return min(chosen, 1 / self._markets[symbol].initial_margin_min)

    def initial_fraction(self, account: AccountState, symbol: VenueSymbol) -> Decimal:
        """Return the initial margin as a fraction of notional."""
        chosen = account.leverages.get(self.leverage_key(symbol), self._rules.default_leverage)
        return max(1 / chosen, self._markets[symbol].initial_margin_min)

    def equity(self, account: AccountState) -> Decimal:
        """Return collateral plus unrealised profit at mark, USD."""
        unrealized = ZERO
        for symbol, held in account.held.items():
            if held.quantity:
                unrealized += held.unrealized(self._state.markets[symbol].mark)
        return account.collateral + unrealized

    def maintenance(self, account: AccountState) -> Decimal:
        """Return the equity below which liquidation starts, USD."""
        needed = ZERO
        for symbol, held in account.held.items():
            needed += abs(held.quantity) * self._state.markets[symbol].mark * self._markets[symbol].maintenance_margin
        return needed

    def closeout(self, account: AccountState) -> Decimal:
        """Return the equity below which the position is taken over instead of sold at the book, USD."""
        needed = ZERO
        for symbol, held in account.held.items():
            needed += abs(held.quantity) * self._state.markets[symbol].mark * self._markets[symbol].closeout_margin
        return needed

    def initial(self, account: AccountState, extra: Extra | None = None) -> Decimal:
        """Return the margin that positions and resting orders need, with one more order if asked, USD."""
        buys, sells = self._resting(account)
        if extra is not None:
            side = buys if extra.side is Side.BUY else sells
            side[extra.symbol] = side.get(extra.symbol, ZERO) + extra.quantity
        needed = ZERO
        for symbol in dict.fromkeys([*account.held, *buys, *sells]):
            quantity = account.held[symbol].quantity if symbol in account.held else ZERO
            exposure = max(abs(quantity + buys.get(symbol, ZERO)), abs(quantity - sells.get(symbol, ZERO)))
            if exposure:
                needed += exposure * self._state.markets[symbol].mark * self.initial_fraction(account, symbol)
        return needed

    def affords(self, account: AccountState, extra: Extra, cost: Decimal) -> bool:
        """Say whether the account may have this order; `cost` is what it loses at once to spread and fees, USD."""
        after = self.initial(account, extra)
        return self.equity(account) - cost >= after or after <= self.initial(account)

    def row(self, account: AccountState) -> MarginRow:
        """Return the account's money."""
        equity = self.equity(account)
        initial = self.initial(account)
        return MarginRow(
            collateral=account.collateral,
            equity=equity,
            available=max(equity - initial, ZERO),
            initial_requirement=initial,
            maintenance_requirement=self.maintenance(account),
            liquidating=account.liquidating,
        )

    def position(self, account: AccountState, symbol: VenueSymbol) -> PositionRow:
        """Return one position as the venue shows it."""
        held = account.held.get(symbol) or Held()
        mark = self._state.markets[symbol].mark
        rules = self._markets[symbol]
        notional = abs(held.quantity) * mark
        return PositionRow(
            symbol=symbol,
            quantity=held.quantity,
            entry_price=(held.cost / held.quantity).quantize(PRICE_GRAIN) if held.quantity else ZERO,
            realized=held.realized,
            unrealized=held.unrealized(mark),
            funding_paid=held.funding_paid,
            liquidation_price=self.liquidation_price(account, symbol),
            initial_margin=notional * self.initial_fraction(account, symbol),
            maintenance_margin=notional * rules.maintenance_margin,
            leverage=self.leverage(account, symbol),
        )

    def liquidation_price(self, account: AccountState, symbol: VenueSymbol) -> Decimal | None:
        """Return the mark at which liquidation starts, all else unchanged; None when no price above zero does it."""
        held = account.held.get(symbol)
        if held is None or not held.quantity:
            return None
        rules = self._markets[symbol]
        mark = self._state.markets[symbol].mark
        fraction = rules.maintenance_margin
        others = self.maintenance(account) - abs(held.quantity) * mark * fraction
        slope = held.quantity - abs(held.quantity) * fraction
        price = (others - self.equity(account) + held.quantity * mark) / slope
        rounded = ceil_to(price, rules.tick) if held.quantity > ZERO else floor_to(price, rules.tick)
        return rounded if rounded > ZERO else None

    def zero_price(self, account: AccountState, symbol: VenueSymbol) -> Decimal:
        """Return the price at which closing this position uses up its share of the equity; the mark when there is none.

        Each position's share is by notional. Rounded so that the account keeps a cent rather than owes one.
        """
        held = account.held[symbol]
        mark = self._state.markets[symbol].mark
        equity = self.equity(account)
        if equity <= ZERO:
            return mark
        total = sum((abs(h.quantity) * self._state.markets[s].mark for s, h in account.held.items()), start=ZERO)
        share = equity * abs(held.quantity) * mark / total
        price = mark - share / held.quantity
        tick = self._markets[symbol].tick
        return max(ceil_to(price, tick) if held.quantity > ZERO else floor_to(price, tick), tick)

    def _resting(self, account: AccountState) -> tuple[dict[VenueSymbol, Decimal], dict[VenueSymbol, Decimal]]:
        buys: dict[VenueSymbol, Decimal] = {}
        sells: dict[VenueSymbol, Decimal] = {}
        for index in account.active:
            row = self._state.orders[index]
            if row.state is OrderState.OPEN and not row.reduce_only:
                side = buys if row.side is Side.BUY else sells
                side[row.symbol] = side.get(row.symbol, ZERO) + row.remaining
        return buys, sells
