"""The fields we use of each kind of row that Lighter sends. Missing or of another type is `Malformed`."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from venues.errors import Malformed


def _amount(value: object) -> Decimal:
    """Read a decimal that came as text or as a JSON number; a float cannot come, because JSON is read without them."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not an amount")  # noqa: TRY004 - pydantic turns ValueError into its own error
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("not an amount") from error
    if not number.is_finite():
        raise ValueError("not a finite amount")
    return number


def _shown(value: object) -> Decimal | None:
    try:
        return _amount(value)
    except ValueError:
        return None


Amount = Annotated[Decimal, BeforeValidator(_amount)]
Shown = Annotated[Decimal | None, BeforeValidator(_shown)]
"""An amount that is only shown to people: one that cannot be read is missing, and spoils nothing that is decided by."""


class _Row(BaseModel):
    """Takes what it names and leaves the rest: the venue adds fields without notice."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class MarketRow(_Row):
    """One market of `orderBookDetails`."""

    symbol: str
    market_id: int
    status: str
    taker_fee: Amount
    maker_fee: Amount
    min_base_amount: Amount = Field(ge=0)
    min_quote_amount: Amount = Field(ge=0)
    supported_size_decimals: int = Field(ge=0)
    supported_price_decimals: int = Field(ge=0)
    min_initial_margin_fraction: int = Field(ge=0)
    maintenance_margin_fraction: int = Field(ge=0)
    mark_price: Amount | None = None


class OrderRow(_Row):
    """One order, in look-ups and streams."""

    order_index: int
    client_order_index: int = Field(ge=0)
    market_index: int
    initial_base_amount: Amount
    filled_base_amount: Amount = Field(ge=0)
    is_ask: bool
    type: str
    status: str
    updated_at: int
    transaction_time: int


class TradeRow(_Row):
    """One trade, in look-ups and streams."""

    trade_id: int
    type: str
    market_id: int
    size: Amount = Field(gt=0)
    price: Amount = Field(gt=0)
    usd_amount: Amount
    ask_id: int
    bid_id: int
    ask_client_id: int
    bid_client_id: int
    ask_account_id: int
    bid_account_id: int
    is_maker_ask: bool
    timestamp: int
    # Left out when nothing is charged: that is the venue's documented way of saying zero.
    taker_fee: int = 0
    maker_fee: int = 0


class PositionRow(_Row):
    """One position, in look-ups and streams."""

    market_id: int
    sign: int = Field(ge=-1, le=1)
    position: Amount = Field(ge=0)
    avg_entry_price: Amount = Field(ge=0)
    unrealized_pnl: Amount
    liquidation_price: Amount
    total_funding_paid_out: Shown = None
    initial_margin_fraction: Amount


class AccountRow(_Row):
    """One account of `account`."""

    account_index: int
    available_balance: Amount
    collateral: Amount
    cross_maintenance_margin_requirement: Amount = Field(ge=0)
    positions: list[PositionRow]


class TxRow(_Row):
    """One transaction of `tx`."""

    status: int
    event_info: str = ""


class Level(_Row):
    """One price level of a book."""

    price: Amount
    size: Amount


class BookRow(_Row):
    """The inner part of an `order_book` frame."""

    asks: list[Level]
    bids: list[Level]
    nonce: int
    begin_nonce: int


class OfferRow(_Row):
    """One order of `orderBookOrders`."""

    price: Amount


class StatsRow(_Row):
    """The inner part of a `market_stats` frame."""

    market_id: int
    mark_price: Amount = Field(gt=0)


R = TypeVar("R", bound=_Row)


def read_row(model: type[R], raw: Any) -> R:
    """Read one row.

    Raises:
        Malformed: a field is missing, of another type, or out of range.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"{model.__name__}: {place or 'row'}: {first['msg']}") from error
