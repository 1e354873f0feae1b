"""The venues of a backtest: the matching core, moved by the tape; what happens there told as account facts."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

from actors.backtest.calm import Calm, calm_of
from actors.backtest.look import Looker
from actors.backtest.spec import BacktestSpec
from strategies.domain.account import LegObservation
from strategies.domain.events import AccountEvent, Filled, OrderAccepted, OrderClosed, OrderRejected
from strategies.domain.ids import AccountId, InstrumentId, OrderId, Timestamp, TradeId, VenueSymbol
from strategies.domain.instrument import Instrument
from strategies.domain.order import OrderRequest, Side
from strategies.domain.position import Fill, FillCause
from venues.simulator.catalog import (
    LIGHTER,
    Coin,
    backpack_markets,
    backpack_rules,
    coin_of,
    lighter_markets,
    lighter_rules,
)
from venues.simulator.exchange import Exchange
from venues.simulator.model import (
    CrowdRules,
    MarketRules,
    NewOrder,
    OrderChanged,
    OrderRow,
    OrderState,
    RefusedError,
    TradeRow,
)

_ENDED: dict[OrderState, Literal["FILLED", "CANCELED", "EXPIRED"]] = {
    OrderState.FILLED: "FILLED",
    OrderState.CANCELED: "CANCELED",
    OrderState.EXPIRED: "EXPIRED",
}


class UnknownCoinError(ValueError):
    """The simulator trades no such coin."""


class BacktestVenue:
    """One venue: an exchange with one market, and the ids of our orders on it.

    A move of the price that can fill, trigger and liquidate nobody is only noted: the exchange makes its book when
    somebody acts, and comes to the same state as if it had made one at every move.
    """

    def __init__(self, spec: BacktestSpec, venue: str, coin: Coin) -> None:
        """Open it; nobody has an account yet."""
        lighter = venue == LIGHTER
        rules = lighter_rules(spec.tier) if lighter else backpack_rules()
        markets = lighter_markets(spec.tier) if lighter else backpack_markets()
        self.symbol = VenueSymbol(coin.name) if lighter else coin.backpack_symbol
        self.rules: MarketRules = next(market for market in markets if market.symbol == self.symbol)
        crowd = CrowdRules(levels=spec.book_levels, level_notional=spec.level_usd)
        self.exchange = Exchange(rules, [self.rules], seed=spec.seed, crowd=crowd)
        self.instrument = _instrument(spec.group.instrument_id, self.rules)
        self._ids: dict[int, OrderId] = {}
        self._numbers: dict[OrderId, int] = {}
        self._accepted: set[OrderId] = set()
        self._calm: Calm | None = None
        """Where the price may go without anything happening here; None = to be worked out anew."""
        self._lookers: dict[AccountId, Looker] = {}

    def open_account(self, account: AccountId, collateral: Decimal, at: Timestamp) -> None:
        """Open an account with so much money, USD."""
        self.exchange.add_account(account, collateral, at)
        self._lookers[account] = Looker(account, self.instrument, self.symbol)

    def move(self, price: Decimal, at: Timestamp) -> bool:
        """Let the tape's price come; return whether anything may have happened that the accounts would tell of."""
        moved = self.exchange.rounded(self.symbol, price)
        if self._calm is None:
            self._calm = calm_of(self.exchange, self.symbol)
        if self._calm.holds(moved, at):
            self.exchange.glide(self.symbol, moved, at)
            return False
        self._calm = None
        self.exchange.set_price(self.symbol, moved, at)
        self.exchange.land(self.symbol)
        self.exchange.advance(at)
        return True

    def act(self) -> Exchange:
        """Return the exchange, its book made, for something that may change it."""
        self._calm = None
        self.exchange.land(self.symbol)
        return self.exchange

    @property
    def price(self) -> Decimal:
        """Return the mark price, USD."""
        return self.exchange.state.markets[self.symbol].mark

    def place(
        self, account: AccountId, order: OrderRequest, at: Timestamp, *, told_at: Timestamp
    ) -> OrderRejected | None:
        """Let an order arrive; return the refusal of the API as it is told then, None when it was taken."""
        number = len(self._ids) + 1
        self._ids[number], self._numbers[order.order_id] = order.order_id, number
        new = NewOrder(
            account=account,
            symbol=self.symbol,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            quantity=order.quantity,
            price=order.price,
            client_order_id=number,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
        )
        try:
            self.act().place(new, at)
        except RefusedError as error:
            return OrderRejected(
                at=told_at, account=account, order_id=order.order_id, code=str(error.refusal), detail=error.detail
            )
        return None

    def cancel(self, account: AccountId, order_id: OrderId, at: Timestamp) -> None:
        """Let a cancel arrive; an order that has ended, or never came, is not minded."""
        number = self._numbers.get(order_id)
        try:
            if number is not None:
                self.act().cancel(account, client_order_id=number, at=at)
        except RefusedError:
            pass  # its end has been told, or is about to be

    def happened(self, told_at: Timestamp) -> Iterator[AccountEvent]:
        """Yield what has happened to our orders since the last call, as the accounts will tell it then."""
        for event in self.exchange.drain_events():
            if isinstance(event, OrderChanged):
                yield from self._order_changed(event.order, event.trade, told_at)

    def _order_changed(self, row: OrderRow, trade: TradeRow | None, at: Timestamp) -> Iterator[AccountEvent]:
        account = AccountId(row.account)
        order_id = None if row.client_order_id is None else self._ids.get(row.client_order_id)
        if order_id is not None and order_id not in self._accepted and row.state is not OrderState.REJECTED:
            self._accepted.add(order_id)
            yield OrderAccepted(at=at, account=account, order_id=order_id)
        if trade is not None:
            yield Filled(at=at, account=account, fill=self._fill(trade, row, order_id))
        if order_id is None:
            return
        if row.state is OrderState.REJECTED:
            reason = row.end_reason.value
            yield OrderRejected(at=at, account=account, order_id=order_id, code="engine", detail=reason)
        elif row.state in _ENDED:
            yield OrderClosed(
                at=at,
                account=account,
                order_id=order_id,
                status=_ENDED[row.state],
                filled=row.filled,
                reason=row.end_reason.value,
            )

    def _fill(self, trade: TradeRow, row: OrderRow, order_id: OrderId | None) -> Fill:
        taker = trade.taker_account == row.account and trade.taker_order_index == row.order_index
        side = trade.taker_side if taker else trade.taker_side.opposite
        return Fill(
            trade_id=TradeId(str(trade.trade_id)),
            instrument_id=self.instrument.instrument_id,
            side=Side(side),
            quantity=trade.quantity,
            price=trade.price,
            fee=trade.taker_fee if taker else trade.maker_fee,
            at=trade.at,
            cause=trade.cause if taker or trade.cause is FillCause.ADL else FillCause.ORDER,
            order_id=order_id,
            is_maker=not taker,
        )

    def look(self, account: AccountId, at: Timestamp) -> LegObservation:
        """Return all that an account would see of itself and the market."""
        return self._lookers[account].look(self.exchange, self.price, at)

    def equity(self, account: AccountId) -> Decimal:
        """Return collateral and unrealised profit, USD."""
        state = self.exchange.state.accounts[account]
        return state.collateral + state.position(self.symbol).unrealized(self.price)


def open_venues(spec: BacktestSpec, price: Decimal, at: Timestamp) -> Mapping[str, BacktestVenue]:
    """Open every venue that the group trades on, with its accounts and a first price.

    Raises:
        UnknownCoinError: the simulator does not trade the coin.
    """
    coin = coin_of(spec.coin)
    if coin is None:
        raise UnknownCoinError(f"the simulator trades no {spec.coin}")
    venues = {venue: BacktestVenue(spec, venue, coin) for venue in sorted(set(spec.venue_of.values()))}
    for account, venue in spec.venue_of.items():
        venues[venue].open_account(account, spec.collateral, at)
    for each in venues.values():
        each.move(price, at)
    return venues


def _instrument(instrument_id: InstrumentId, rules: MarketRules) -> Instrument:
    return Instrument(
        instrument_id=instrument_id,
        symbol=rules.symbol,
        tick=rules.tick,
        lot=rules.lot,
        min_quantity=rules.min_quantity,
        min_notional=rules.min_notional,
        max_leverage=1 / rules.initial_margin_min,
        maintenance_margin=rules.maintenance_margin,
        taker_fee=rules.taker_fee,
        maker_fee=rules.maker_fee,
    )
