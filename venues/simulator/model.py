"""The simulated exchange in words: what a wire server asks of the matching core, and what the core tells it.

The core (`exchange.py`) is pure: synchronous, no clock, no I/O; every call is told the time. One `Exchange` is a venue.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.order import OrderType, Side, TimeInForce
from strategies.domain.position import FillCause


@dataclass(frozen=True, slots=True)
class MarketRules:
    """One market's grid, limits and margin. Quantities in base units, prices in USD, rates as fractions."""

    symbol: VenueSymbol
    market_index: int
    tick: Decimal
    lot: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    initial_margin_min: Decimal  # 0.02 = 50x
    maintenance_margin: Decimal
    closeout_margin: Decimal
    taker_fee: Decimal
    maker_fee: Decimal
    liquidation_fee: Decimal
    funding_interval_ms: int
    price_band: Decimal  # a limit price further than this fraction from mark is refused
    impact_band: Decimal = Decimal("0.03")  # a market order without a price trades no further from mark than this


class SelfTrade(StrEnum):
    """What happens when an account's order meets the account's own."""

    CANCEL_MAKER = "CANCEL_MAKER"  # Lighter
    REJECT_TAKER = "REJECT_TAKER"  # Backpack


@dataclass(frozen=True, slots=True)
class VenueRules:
    """How this venue behaves where venues differ."""

    venue: str
    client_id_bits: int
    taker_delay_ms: int  # Lighter standard: 300
    maker_delay_ms: int  # Lighter standard: 200
    leverage_per_account: bool  # Backpack: one leverage for the account; Lighter: one per market
    minimums_bind_takers: bool  # Lighter enforces minimums on resting orders only
    self_trade: SelfTrade = SelfTrade.CANCEL_MAKER
    engine_ends_takers: bool = False  # Lighter: takers (and crossing post-only) end in the engine after a good answer
    cancel_delay_ms: int = 0  # Lighter standard: 200
    expiry_min_ms: int = 0  # Lighter: a resting order lives at least 5 minutes
    expiry_max_ms: int | None = None  # Lighter: 30 days
    max_active_orders: int = 1500  # per account
    max_market_orders: int = 1000  # per account and market
    default_leverage: Decimal = Decimal(20)
    first_order_index: int = 1  # Lighter: at least 2^48, so that an index never passes for a client id


@dataclass(frozen=True, slots=True)
class CrowdRules:
    """The book that the simulated rest of the world keeps around the mark price, on each side."""

    levels: int = 10
    level_notional: Decimal = Decimal(50_000)  # USD a level, times a seeded factor between a half and one and a half
    half_spread: Decimal = Decimal("0.00005")  # fraction of mark; at least one tick
    step: Decimal = Decimal("0.0001")  # fraction of mark between levels; at least one tick
    replenish_ms: int = 500  # what was taken comes back after this long


class OrderState(StrEnum):
    """Where a simulated order stands. The wire servers translate this into their venue's words."""

    PENDING = "PENDING"  # accepted by the API, waiting for the taker or maker delay
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"  # refused by the engine after the API took it


class EndReason(StrEnum):
    """Why an order ended without filling whole."""

    NONE = ""
    USER = "user"
    POST_ONLY = "post-only"
    REDUCE_ONLY = "reduce-only"
    MARGIN = "margin"
    SLIPPAGE = "slippage"
    LIQUIDITY = "liquidity"
    SELF_TRADE = "self-trade"
    EXPIRED = "expired"
    LIQUIDATION = "liquidation"
    FILL_OR_KILL = "fill-or-kill"
    IMMEDIATE_OR_CANCEL = "immediate-or-cancel"
    POSITION = "position"


class Refusal(StrEnum):
    """Why the API refuses an order outright (nothing happened; a Lighter nonce is kept)."""

    UNKNOWN_ACCOUNT = "unknown-account"
    UNKNOWN_MARKET = "unknown-market"
    TICK = "tick"
    LOT = "lot"
    MINIMUM = "minimum"
    PRICE_BAND = "price-band"
    DUPLICATE_CLIENT_ID = "duplicate-client-id"
    BAD_CLIENT_ID = "bad-client-id"
    MARGIN = "margin"
    REDUCE_ONLY = "reduce-only"
    POST_ONLY = "post-only"
    LIQUIDATING = "liquidating"
    UNKNOWN_ORDER = "unknown-order"
    NOT_ACTIVE = "not-active"
    BAD_EXPIRY = "bad-expiry"
    LEVERAGE = "leverage"
    ORDER_LIMIT = "order-limit"


class RefusedError(Exception):
    """The API refused; nothing happened."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        """Keep the kind and the words."""
        super().__init__(refusal, detail)
        self.refusal = refusal
        self.detail = detail


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as it comes in from the wire."""

    account: str
    symbol: VenueSymbol
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal | None  # None only for a Backpack market order without a bound
    client_order_id: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    expires_at: Timestamp | None = None
    quote_quantity: Decimal | None = None  # Backpack market orders by notional
    trigger_price: Decimal | None = None  # waits outside the book until the mark price has got here


@dataclass
class OrderRow:
    """An order inside the exchange. The core changes it; servers read it."""

    order_index: int
    account: str
    symbol: VenueSymbol
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal | None
    client_order_id: int | None
    post_only: bool
    reduce_only: bool
    expires_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    state: OrderState = OrderState.PENDING
    end_reason: EndReason = EndReason.NONE
    filled: Decimal = Decimal(0)
    filled_quote: Decimal = Decimal(0)
    cause: FillCause = FillCause.ORDER  # LIQUIDATION / ADL: made by the venue
    book_nonce: int = 0
    trigger_price: Decimal | None = None
    triggered: bool = False

    def __copy__(self) -> "OrderRow":
        """Return the order as it stands now: what everybody is told of it. The general way takes ten times as long."""
        told = object.__new__(OrderRow)
        told.__dict__.update(self.__dict__)
        return told

    @property
    def waits_for_trigger(self) -> bool:
        """Say whether the order stands outside the book, waiting for its price."""
        return self.trigger_price is not None and not self.triggered

    def triggers_at(self, mark: Decimal) -> bool:
        """Say whether the mark price has gone against the position as far as the order waits for: a stop-loss."""
        if self.trigger_price is None or self.triggered:
            return False
        return mark <= self.trigger_price if self.side is Side.SELL else mark >= self.trigger_price

    @property
    def remaining(self) -> Decimal:
        """Return what has not been executed."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One execution. The counterparty may be the simulated crowd (`account` = "crowd")."""

    trade_id: int
    symbol: VenueSymbol
    price: Decimal
    quantity: Decimal
    at: Timestamp
    taker_side: Side
    taker_account: str
    taker_order_index: int
    taker_client_order_id: int | None
    taker_fee: Decimal  # USD
    maker_account: str
    maker_order_index: int
    maker_client_order_id: int | None
    maker_fee: Decimal
    cause: FillCause
    taker_position_before: Decimal
    maker_position_before: Decimal


@dataclass(frozen=True, slots=True)
class PositionRow:
    """An account's position in one market."""

    symbol: VenueSymbol
    quantity: Decimal  # signed
    entry_price: Decimal
    realized: Decimal
    unrealized: Decimal
    funding_paid: Decimal
    liquidation_price: Decimal | None
    initial_margin: Decimal
    maintenance_margin: Decimal
    leverage: Decimal


@dataclass(frozen=True, slots=True)
class MarginRow:
    """An account's money, USD."""

    collateral: Decimal  # deposits + realised - fees + funding
    equity: Decimal  # collateral + unrealised
    available: Decimal
    initial_requirement: Decimal
    maintenance_requirement: Decimal
    liquidating: bool


@dataclass(frozen=True, slots=True)
class BookLevel:
    """A price and what is offered there: crowd and accounts together."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class BookView:
    """The book, best first."""

    symbol: VenueSymbol
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    nonce: int
    at: Timestamp


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was accepted, filled, or ended. `order` is a copy at that moment; `trade` when a fill caused it."""

    order: OrderRow
    trade: TradeRow | None = None


@dataclass(frozen=True, slots=True)
class Traded:
    """Something traded in a market (public)."""

    trade: TradeRow


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """An account's position moved."""

    account: str
    position: PositionRow
    cause: FillCause


@dataclass(frozen=True, slots=True)
class AccountLiquidated:
    """The venue closed (part of) a position: liquidation or ADL."""

    account: str
    symbol: VenueSymbol
    trade: TradeRow


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """Funding moved money. `amount` is what the account received (negative = paid), USD."""

    account: str
    symbol: VenueSymbol
    amount: Decimal
    rate: Decimal
    at: Timestamp
    position: Decimal


@dataclass(frozen=True, slots=True)
class MarketMoved:
    """Book or mark price changed."""

    symbol: VenueSymbol


ExchangeEvent = OrderChanged | Traded | PositionChanged | AccountLiquidated | FundingPaid | MarketMoved


@dataclass(slots=True)
class MarketState:
    """What a market shows besides its book."""

    rules: MarketRules
    mark: Decimal
    index: Decimal
    last: Decimal
    funding_rate: Decimal
    next_funding_at: Timestamp
    open_interest: Decimal = Decimal(0)
    events: int = field(default=0)
