"""What an exchange shows: copies of its state, in the vocabulary of `model.py`. Nothing here changes anything."""

from bisect import bisect_left
from collections.abc import Sequence
from copy import copy
from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from venues.simulator.book import BookKeeper
from venues.simulator.margin import MarginBook
from venues.simulator.model import (
    BookView,
    CrowdRules,
    FundingPaid,
    MarginRow,
    MarketRules,
    MarketState,
    OrderRow,
    PositionRow,
    TradeRow,
    VenueRules,
)
from venues.simulator.state import ExchangeState, MarketSlot


class ExchangeView:
    """The reading half of `Exchange`."""

    def __init__(
        self,
        rules: VenueRules,
        markets: Sequence[MarketRules],
        *,
        seed: int,
        crowd: CrowdRules | None,
        market_speed: Decimal,
        state: ExchangeState | None,
    ) -> None:
        """Show this state, or a new venue's when there is none."""
        self.rules = rules
        self.markets: dict[VenueSymbol, MarketRules] = {market.symbol: market for market in markets}
        self.state = state or ExchangeState(next_order_index=rules.first_order_index)
        for symbol in self.markets:
            self.state.markets.setdefault(symbol, MarketSlot(symbol))
        self._market_speed = market_speed
        self._books = BookKeeper(self.markets, self.state, crowd or CrowdRules(), seed)
        self._margins = MarginBook(rules, self.markets, self.state)

    def accounts(self) -> list[str]:
        """Return the names of all accounts, in the order they were opened."""
        return list(self.state.accounts)

    def leverage(self, account: str, symbol: VenueSymbol) -> Decimal:
        """Return the leverage in force."""
        return self._margins.leverage(self.state.accounts[account], symbol)

    def order(self, account: str, order_index: int) -> OrderRow | None:
        """Return one order, active or ended; None when the account has none of this index."""
        row = self.state.orders.get(order_index)
        return copy(row) if row is not None and row.account == account else None

    def order_by_client_id(
        self, account: str, client_order_id: int, symbol: VenueSymbol | None = None
    ) -> OrderRow | None:
        """Return the active order with this client id, else the one that ended last; None when there is none."""
        owner = self.state.accounts[account]
        for known in (owner.client_active, owner.client_ended):
            row = self.state.orders.get(known.get(client_order_id, -1))
            if row is not None and symbol in {None, row.symbol}:
                return copy(row)
        return None

    def orders(self, account: str, *, active: bool | None, symbol: VenueSymbol | None = None) -> list[OrderRow]:
        """Return orders, oldest first; `active` True = PENDING and OPEN, False = ended, None = all."""
        owner = self.state.accounts[account]
        indexes: list[int] = []
        if active is not False:
            indexes += owner.active
        if active is not True:
            indexes += owner.ended
        rows = [self.state.orders[index] for index in sorted(indexes)]
        return [copy(row) for row in rows if symbol in {None, row.symbol}]

    def trades(
        self, account: str | None, *, symbol: VenueSymbol | None = None, since: Timestamp | None = None
    ) -> list[TradeRow]:
        """Return the account's executions at or after `since`, oldest first; None = everybody's (public)."""
        everything = self.state.trades
        rows = everything if account is None else [everything[place] for place in self.state.accounts[account].trades]
        if since is not None:
            rows = rows[bisect_left(rows, since, key=lambda trade: trade.at) :]
        return [trade for trade in rows if symbol in {None, trade.symbol}]

    def position(self, account: str, symbol: VenueSymbol) -> PositionRow:
        """Return the account's position in a market; quantity zero when flat."""
        return self._margins.position(self.state.accounts[account], symbol)

    def positions(self, account: str) -> list[PositionRow]:
        """Return a row for every market the account has ever held, flat ones too."""
        owner = self.state.accounts[account]
        return [self._margins.position(owner, symbol) for symbol in owner.held]

    def margin(self, account: str) -> MarginRow:
        """Return the account's money."""
        return self._margins.row(self.state.accounts[account])

    def book(self, symbol: VenueSymbol, depth: int) -> BookView:
        """Return the best `depth` levels of each side."""
        return self._books.view(self.state.markets[symbol], depth)

    def market(self, symbol: VenueSymbol) -> MarketState:
        """Return mark, last price and funding. `next_funding_at` is wall time."""
        slot = self.state.markets[symbol]
        due = slot.funding_due_at if slot.funding_due_at is not None else self.state.market_at
        wait = Decimal(due - self.state.market_at) / self._market_speed
        holders = [*self.state.accounts.values(), self.state.crowd]
        held = [holder.held[symbol].quantity for holder in holders if symbol in holder.held]
        return MarketState(
            rules=self.markets[symbol],
            mark=slot.mark,
            index=slot.mark,
            last=slot.last or slot.mark,
            funding_rate=slot.funding_rate,
            next_funding_at=Timestamp(self.state.at + int(wait)),
            open_interest=sum((quantity for quantity in held if quantity > ZERO), start=ZERO),
            events=slot.nonce,
        )

    def funding(self, account: str) -> list[FundingPaid]:
        """Return every funding payment of the account, oldest first."""
        return list(self.state.accounts[account].funding)

    def cancel_all_due_at(self, account: str) -> Timestamp | None:
        """Return when the dead-man switch of the account fires; None when it is not set."""
        return self.state.accounts[account].cancel_all_due_at
