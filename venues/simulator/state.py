"""Everything a simulated exchange remembers, as plain data: one tree that a snapshot can hold."""

from dataclasses import dataclass, field
from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from venues.simulator.model import EndReason, FundingPaid, OrderRow, TradeRow

CROWD = "crowd"
"""The account name of the simulated rest of the world in trades."""


@dataclass(slots=True)
class Held:
    """A position with what it cost. Cost is kept instead of an average price, so that no division loses money."""

    quantity: Decimal = ZERO  # base units, signed
    cost: Decimal = ZERO  # USD paid for it, signed: negative for a short
    realized: Decimal = ZERO  # USD, before fees
    funding_paid: Decimal = ZERO  # USD, net

    def unrealized(self, mark: Decimal) -> Decimal:
        """Return what closing at `mark` would gain, USD."""
        return mark * self.quantity - self.cost


@dataclass(slots=True)
class AccountState:
    """One account. Orders are named by index; the rows are in `ExchangeState.orders`."""

    name: str
    collateral: Decimal = ZERO  # USD: deposits + realised - fees + funding
    leverages: dict[str, Decimal] = field(default_factory=dict)  # by symbol, or by "" for the whole account
    held: dict[VenueSymbol, Held] = field(default_factory=dict)
    active: dict[int, None] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    client_active: dict[int, int] = field(default_factory=dict)
    client_ended: dict[int, int] = field(default_factory=dict)
    trades: list[int] = field(default_factory=list)  # places in `ExchangeState.trades`
    funding: list[FundingPaid] = field(default_factory=list)
    liquidating: bool = False
    look_again_at: Timestamp | None = None  # when the engine goes on with a liquidation that the book could not finish
    cancel_all_due_at: Timestamp | None = None
    last_due_at: Timestamp = Timestamp(0)  # an account's delayed actions never overtake each other

    def position(self, symbol: VenueSymbol) -> Held:
        """Return the position in a market, making it when it is new."""
        return self.held.setdefault(symbol, Held())


@dataclass(slots=True)
class CrowdLevel:
    """What the crowd offers at one price."""

    price: Decimal
    quantity: Decimal
    sequence: int


@dataclass(slots=True)
class BookSide:
    """One side of a book: the crowd's levels and the accounts' resting orders, each best first."""

    side: Side
    crowd: list[CrowdLevel] = field(default_factory=list)
    resting: list[int] = field(default_factory=list)


@dataclass(slots=True)
class MarketSlot:
    """One market."""

    symbol: VenueSymbol
    bids: BookSide = field(default_factory=lambda: BookSide(Side.BUY))
    asks: BookSide = field(default_factory=lambda: BookSide(Side.SELL))
    mark: Decimal = ZERO  # zero: not priced yet
    last: Decimal = ZERO
    funding_rate: Decimal = ZERO
    funding_fixed: bool = False
    funding_due_at: Timestamp | None = None  # market time
    depth_factor: Decimal = Decimal(1)
    quotes: int = 0  # how often the crowd has quoted: the counter its seeded sizes hang on
    quoted_at: Timestamp = Timestamp(0)
    taken: bool = False  # somebody took from the crowd since it quoted
    nonce: int = 0  # grows with every change of the book

    def book(self, side: Side) -> BookSide:
        """Return the side of the book where orders of `side` rest."""
        return self.bids if side is Side.BUY else self.asks


@dataclass(slots=True)
class Delayed:
    """An order or a cancel that waits out the venue's delay."""

    due_at: Timestamp
    order_index: int
    cancel: bool
    fill_limit: Decimal | None = None
    reject: EndReason | None = None


@dataclass(slots=True)
class ExchangeState:
    """The whole venue."""

    accounts: dict[str, AccountState] = field(default_factory=dict)
    crowd: AccountState = field(default_factory=lambda: AccountState(CROWD))
    markets: dict[VenueSymbol, MarketSlot] = field(default_factory=dict)
    orders: dict[int, OrderRow] = field(default_factory=dict)
    trades: list[TradeRow] = field(default_factory=list)
    delayed: list[Delayed] = field(default_factory=list)
    fees: Decimal = ZERO  # USD taken by the venue
    insurance: Decimal = ZERO  # USD: liquidation fees in, bankrupt accounts' deficits out
    deposited: Decimal = ZERO  # USD
    next_order_index: int = 1
    next_trade_id: int = 1
    at: Timestamp = Timestamp(0)
    market_at: Timestamp = Timestamp(0)
