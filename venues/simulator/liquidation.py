"""When an account's margin runs out: its orders go, its positions are sold at the book, or taken over."""

from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO, floor_to
from strategies.domain.position import FillCause
from venues.simulator import ledger
from venues.simulator.margin import MarginBook
from venues.simulator.matching import Matching
from venues.simulator.model import EndReason, MarketRules, OrderState, TradeRow
from venues.simulator.settlement import Settlement
from venues.simulator.state import CROWD, AccountState, ExchangeState

LOOK_EVERY_MS = 500
"""How soon the engine looks again at an account that the book could not close: as soon as the crowd quotes anew.

Real engines look with every block or tick; in between, a look would find the same book.
"""


class Liquidator:
    """Watches margins after prices or positions moved, and goes on by itself with what it could not finish.

    Below maintenance, positions go to the book, the largest first, no worse than the price that leaves nothing. Below
    close-out they are taken over at that price: by accounts that profit from the other side (auto-deleverage), the most
    profitable first, and by the crowd for the rest.
    """

    def __init__(
        self,
        markets: dict[VenueSymbol, MarketRules],
        state: ExchangeState,
        margins: MarginBook,
        matching: Matching,
        settlement: Settlement,
    ) -> None:
        """Watch this state."""
        self._markets = markets
        self._state = state
        self._margins = margins
        self._matching = matching
        self._settlement = settlement

    def review_all(self, at: Timestamp) -> None:
        """Check every account."""
        self._settlement.touched.update(dict.fromkeys(self._state.accounts))
        self.review(at)

    def review(self, at: Timestamp) -> None:
        """Check the accounts whose position changed, and those whom that touches in turn."""
        touched = self._settlement.touched
        while touched:
            name = next(iter(touched))
            del touched[name]
            self._check(self._state.accounts[name], at)

    def resume(self, at: Timestamp) -> None:
        """Look again, at the next review, at accounts whose liquidation the book could not finish, when it is time."""
        self._settlement.touched.update(dict.fromkeys(self._unfinished(at)))

    def due(self, at: Timestamp) -> bool:
        """Say whether it is time to look again at somebody."""
        return bool(self._unfinished(at))

    def _unfinished(self, at: Timestamp) -> list[str]:
        accounts = self._state.accounts.items()
        return [name for name, each in accounts if each.look_again_at is not None and each.look_again_at <= at]

    def close(
        self, name: str, symbol: VenueSymbol, cause: FillCause, fraction: Decimal, at: Timestamp
    ) -> list[TradeRow]:
        """Close (part of) a position although margin does not ask for it."""
        account = self._state.accounts[name]
        held = account.held.get(symbol)
        if held is None or held.quantity == ZERO:
            return []
        lot = self._markets[symbol].lot
        quantity = min(max(floor_to(abs(held.quantity) * fraction, lot), lot), abs(held.quantity))
        if cause is FillCause.LIQUIDATION:
            self._cancel_orders(account, at)
            trades = self._matching.force(name, symbol, quantity, None, cause, at)
        else:
            mark = self._state.markets[symbol].mark
            trades = [self._matching.take_over(name, CROWD, symbol, quantity, mark, cause, at)]
        self.review(at)
        return trades

    def _check(self, account: AccountState, at: Timestamp) -> None:
        ledger.cover_deficit(self._state, account)
        account.look_again_at = None
        if self._margins.equity(account) >= self._margins.maintenance(account):
            account.liquidating = False
            return
        account.liquidating = True
        self._cancel_orders(account, at)
        for symbol in self._largest_first(account):
            equity = self._margins.equity(account)
            if equity >= self._margins.maintenance(account):
                break
            quantity = abs(account.held[symbol].quantity)
            bound = self._margins.zero_price(account, symbol)
            if equity < self._margins.closeout(account):
                self._deleverage(account, symbol, quantity, bound, at)
            elif self._matching.can_close(account.name, symbol, bound):
                self._matching.force(account.name, symbol, quantity, bound, FillCause.LIQUIDATION, at)
        ledger.cover_deficit(self._state, account)
        account.liquidating = self._margins.equity(account) < self._margins.maintenance(account)
        # What the book could not take waits a little: looking again now would find the same book.
        account.look_again_at = Timestamp(at + LOOK_EVERY_MS) if account.liquidating else None
        self._settlement.touched.pop(account.name, None)

    def _deleverage(
        self, account: AccountState, symbol: VenueSymbol, quantity: Decimal, price: Decimal, at: Timestamp
    ) -> None:
        left = quantity
        for other in self._profiting_against(account, symbol):
            part = min(left, abs(other.held[symbol].quantity))
            self._matching.take_over(account.name, other.name, symbol, part, price, FillCause.ADL, at)
            left -= part
            if left == ZERO:
                return
        self._matching.take_over(account.name, CROWD, symbol, left, price, FillCause.ADL, at)

    def _profiting_against(self, account: AccountState, symbol: VenueSymbol) -> list[AccountState]:
        mark = self._state.markets[symbol].mark
        quantity = account.held[symbol].quantity
        ranked: list[tuple[Decimal, str, AccountState]] = []
        for other in self._state.accounts.values():
            held = other.held.get(symbol)
            if held is not None and held.quantity * quantity < ZERO and held.unrealized(mark) > ZERO:
                ranked.append((-held.unrealized(mark) / abs(held.cost), other.name, other))
        return [other for _, _, other in sorted(ranked, key=lambda entry: entry[:2])]

    def _largest_first(self, account: AccountState) -> list[VenueSymbol]:
        marks = self._state.markets
        held = {symbol: abs(h.quantity) * marks[symbol].mark for symbol, h in account.held.items() if h.quantity}
        return sorted(held, key=lambda symbol: (-held[symbol], symbol))

    def _cancel_orders(self, account: AccountState, at: Timestamp) -> None:
        for index in list(account.active):
            row = self._state.orders[index]
            if row.cause is FillCause.ORDER:
                self._settlement.end(row, OrderState.CANCELED, EndReason.LIQUIDATION, at)
