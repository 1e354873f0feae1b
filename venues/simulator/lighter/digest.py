"""What a batch of exchange events comes to, sorted by who wants to hear of it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from strategies.domain.ids import VenueSymbol
from venues.simulator.model import (
    AccountLiquidated,
    ExchangeEvent,
    FundingPaid,
    MarketMoved,
    OrderChanged,
    OrderRow,
    PositionChanged,
    Traded,
    TradeRow,
)


@dataclass(slots=True)
class AccountNews:
    """What happened to one account. An order that changed several times is here once, as it was last."""

    orders: dict[int, OrderRow] = field(default_factory=dict)
    trades: dict[int, TradeRow] = field(default_factory=dict)
    positions: dict[VenueSymbol, None] = field(default_factory=dict)
    forced: list[TradeRow] = field(default_factory=list)
    funding: list[FundingPaid] = field(default_factory=list)


@dataclass(slots=True)
class Digest:
    """What happened."""

    accounts: defaultdict[str, AccountNews] = field(default_factory=lambda: defaultdict(AccountNews))
    trades: defaultdict[VenueSymbol, list[TradeRow]] = field(default_factory=lambda: defaultdict(list))
    moved: set[VenueSymbol] = field(default_factory=set)  # book or mark

    @classmethod
    def of(cls, events: Iterable[ExchangeEvent]) -> "Digest":
        """Sort events."""
        digest = cls()
        for event in events:
            digest._add(event)
        return digest

    def _add(self, event: ExchangeEvent) -> None:
        match event:
            case OrderChanged(order=order, trade=trade):
                news = self.accounts[order.account]
                news.orders[order.order_index] = order
                if trade is not None:
                    news.trades[trade.trade_id] = trade
                self.moved.add(order.symbol)
            case Traded(trade=trade):
                self.trades[trade.symbol].append(trade)
                self.moved.add(trade.symbol)
            case PositionChanged(account=account, position=position):
                self.accounts[account].positions[position.symbol] = None
            case AccountLiquidated(account=account, trade=trade):
                self.accounts[account].forced.append(trade)
            case FundingPaid(account=account):
                self.accounts[account].funding.append(event)
                self.accounts[account].positions[event.symbol] = None
            case MarketMoved(symbol=symbol):
                self.moved.add(symbol)
