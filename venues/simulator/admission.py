"""What the API checks before it takes an order in. A refusal changes nothing."""

from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO, is_multiple
from strategies.domain.order import OrderType, TimeInForce
from venues.simulator.matching import Matching
from venues.simulator.model import (
    EndReason,
    MarketRules,
    NewOrder,
    OrderRow,
    Refusal,
    RefusedError,
    VenueRules,
)
from venues.simulator.state import AccountState, ExchangeState, MarketSlot

_AS_REFUSAL = {
    EndReason.MARGIN: Refusal.MARGIN,
    EndReason.REDUCE_ONLY: Refusal.REDUCE_ONLY,
    EndReason.POST_ONLY: Refusal.POST_ONLY,
}


def takes(order: NewOrder | OrderRow) -> bool:
    """Say whether an order is a taker's by its kind: it cannot rest."""
    return order.order_type is OrderType.MARKET or order.time_in_force is not TimeInForce.GTC


class Admission:
    """Reads the state; changes nothing."""

    def __init__(
        self, rules: VenueRules, markets: dict[VenueSymbol, MarketRules], state: ExchangeState, matching: Matching
    ) -> None:
        """Stand before this state."""
        self._rules = rules
        self._markets = markets
        self._state = state
        self._matching = matching

    def account(self, name: str) -> AccountState:
        """Return an account.

        Raises:
            RefusedError: there is none of this name.
        """
        account = self._state.accounts.get(name)
        if account is None:
            raise RefusedError(Refusal.UNKNOWN_ACCOUNT, f"account {name} does not exist")
        return account

    def market(self, symbol: VenueSymbol) -> MarketSlot:
        """Return a market that has a price.

        Raises:
            RefusedError: there is none of this name, or it has not opened.
        """
        slot = self._state.markets.get(symbol)
        if slot is None or slot.mark == ZERO:
            raise RefusedError(Refusal.UNKNOWN_MARKET, f"market {symbol} does not exist or is not open")
        return slot

    def check(self, order: NewOrder, at: Timestamp, *, engine_rules: bool = True) -> None:
        """Check everything the API checks; without `engine_rules`, leave out what the engine would object to.

        Raises:
            RefusedError: the first thing that is wrong.
        """
        account = self.account(order.account)
        slot = self.market(order.symbol)
        if account.liquidating:
            raise RefusedError(Refusal.LIQUIDATING, "account is being liquidated")
        self._check_grid(order, slot)
        self._check_client_id(order, account)
        self._check_expiry(order, at)
        self._check_count(order, account)
        if engine_rules:
            self._check_engine_rules(order, at)

    def _check_grid(self, order: NewOrder, slot: MarketSlot) -> None:
        rules = self._markets[order.symbol]
        if order.quantity <= ZERO or not is_multiple(order.quantity, rules.lot):
            raise RefusedError(Refusal.LOT, f"quantity {order.quantity} is not a positive multiple of {rules.lot}")
        price = order.price
        if price is None:
            if order.order_type is not OrderType.MARKET:
                raise RefusedError(Refusal.TICK, "a limit order needs a price")
            price = slot.mark
        elif price <= ZERO or not is_multiple(price, rules.tick):
            raise RefusedError(Refusal.TICK, f"price {price} is not a positive multiple of {rules.tick}")
        elif order.order_type is OrderType.LIMIT and abs(price - slot.mark) > slot.mark * rules.price_band:
            raise RefusedError(Refusal.PRICE_BAND, f"price {price} is too far from the mark price {slot.mark}")
        if (self._rules.minimums_bind_takers or not takes(order)) and self._too_small(order.quantity, price, rules):
            raise RefusedError(
                Refusal.MINIMUM,
                f"{order.quantity} at {price} is below the minimum of {rules.min_quantity} or {rules.min_notional} USD",
            )

    @staticmethod
    def _too_small(quantity: Decimal, price: Decimal, rules: MarketRules) -> bool:
        return quantity < rules.min_quantity or quantity * price < rules.min_notional

    def _check_client_id(self, order: NewOrder, account: AccountState) -> None:
        client_id = order.client_order_id
        if client_id is None:
            return
        if not 0 <= client_id < 1 << self._rules.client_id_bits:
            raise RefusedError(
                Refusal.BAD_CLIENT_ID, f"client order id has more than {self._rules.client_id_bits} bits"
            )
        if client_id in account.client_active:
            raise RefusedError(Refusal.DUPLICATE_CLIENT_ID, f"client order id {client_id} is in use by an open order")

    def _check_expiry(self, order: NewOrder, at: Timestamp) -> None:
        if order.expires_at is None:
            return
        life = order.expires_at - at
        too_long = self._rules.expiry_max_ms is not None and life > self._rules.expiry_max_ms
        if life <= 0 or life < self._rules.expiry_min_ms or too_long:
            raise RefusedError(Refusal.BAD_EXPIRY, f"an order cannot expire in {life} ms")

    def _check_count(self, order: NewOrder, account: AccountState) -> None:
        if len(account.active) >= self._rules.max_active_orders:
            raise RefusedError(Refusal.ORDER_LIMIT, f"{len(account.active)} orders are active on this account")
        here = sum(self._state.orders[index].symbol == order.symbol for index in account.active)
        if here >= self._rules.max_market_orders:
            raise RefusedError(Refusal.ORDER_LIMIT, f"{here} orders are active in this market")

    def _check_engine_rules(self, order: NewOrder, at: Timestamp) -> None:
        if self._rules.engine_ends_takers and takes(order):
            return
        objection = self._matching.objection(self._matching.draft(order, at))
        if objection is None or (self._rules.engine_ends_takers and objection is EndReason.POST_ONLY):
            return
        raise RefusedError(_AS_REFUSAL[objection], f"order refused: {objection.value}")
