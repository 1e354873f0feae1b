"""Channels of the stream: `order_book/0` when asked for, `order_book:0` when spoken of."""

from dataclasses import dataclass
from enum import StrEnum

from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.markets import Markets

ALL = "all"


class Kind(StrEnum):
    """What a channel is about."""

    ORDER_BOOK = "order_book"
    TICKER = "ticker"
    TRADE = "trade"
    MARKET_STATS = "market_stats"
    HEIGHT = "height"
    USER_STATS = "user_stats"
    ACCOUNT_ALL = "account_all"
    ACCOUNT_ALL_POSITIONS = "account_all_positions"
    ACCOUNT_ALL_TRADES = "account_all_trades"
    ACCOUNT_ALL_ORDERS = "account_all_orders"
    ACCOUNT_ORDERS = "account_orders"
    ACCOUNT_MARKET = "account_market"
    ACCOUNT_TX = "account_tx"
    NOTIFICATION = "notification"


_OF_MARKET = frozenset(
    {Kind.ORDER_BOOK, Kind.TICKER, Kind.TRADE, Kind.MARKET_STATS, Kind.ACCOUNT_ORDERS, Kind.ACCOUNT_MARKET}
)
_OF_ACCOUNT = frozenset(kind for kind in Kind if kind.startswith("account")) | {Kind.USER_STATS, Kind.NOTIFICATION}
PRIVATE = frozenset(
    {Kind.ACCOUNT_ALL_ORDERS, Kind.ACCOUNT_ORDERS, Kind.ACCOUNT_MARKET, Kind.ACCOUNT_TX, Kind.NOTIFICATION}
)
"""Channels that need a token. Older documents ask for one on every account channel; the venue takes it there too."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `market` None on a channel of markets means all of them."""

    kind: Kind
    market: int | None = None
    account: int | None = None

    @property
    def name(self) -> str:
        """Return the full name in colon form."""
        market = ALL if self.market is None and self.kind in _OF_MARKET else self.market
        return ":".join(str(part) for part in (self.kind, market, self.account) if part is not None)

    @property
    def label(self) -> str:
        """Return the name that frames carry: `account_orders` leaves its account out."""
        return f"{self.kind}:{self.market}" if self.kind is Kind.ACCOUNT_ORDERS else self.name


def parse_channel(text: object, markets: Markets) -> Channel:
    """Read a channel as clients write it.

    Raises:
        ApiRefusal: 30005, there is no such channel.
    """
    if not isinstance(text, str):
        raise ApiRefusal(Code.WS_INVALID_CHANNEL, " (type)")
    head, *rest = text.split("/")
    try:
        kind = Kind(head)
    except ValueError:
        raise ApiRefusal(Code.WS_INVALID_CHANNEL, text) from None
    if len(rest) != (kind in _OF_MARKET) + (kind in _OF_ACCOUNT):
        raise ApiRefusal(Code.WS_INVALID_CHANNEL, text)
    market = _market(kind, rest.pop(0), markets) if kind in _OF_MARKET else None
    account = _account(rest.pop(0)) if kind in _OF_ACCOUNT else None
    return Channel(kind, market, account)


def _market(kind: Kind, text: str, markets: Markets) -> int | None:
    if kind is Kind.MARKET_STATS and text == ALL:
        return None
    if not text.isdecimal() or not markets.has(int(text)):
        raise ApiRefusal(Code.WS_INVALID_CHANNEL, " (marketId)")
    return int(text)


def _account(text: str) -> int:
    if not text.isdecimal():
        raise ApiRefusal(Code.WS_INVALID_CHANNEL, " (accountId)")
    return int(text)
