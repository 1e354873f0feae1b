"""REST answers of Backpack, made from the exchange's rows. Pure: rows in, JSON-ready values out."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.money import ZERO
from strategies.domain.order import OrderType
from strategies.domain.position import FillCause
from venues.simulator.backpack.words import (
    BPS_PER_ONE,
    ORDER_TYPES,
    SIDES,
    expiry_reason,
    iso,
    number,
    status,
    system_order_type,
)
from venues.simulator.model import (
    BookView,
    FundingPaid,
    MarginRow,
    MarketRules,
    MarketState,
    OrderRow,
    PositionRow,
    TradeRow,
)

Payload = dict[str, object]

QUOTE = "USDC"
LISTED_AT = "2025-01-21T06:34:54.691858"
"""When the simulated markets were listed: any moment long ago."""


@dataclass(frozen=True, slots=True)
class AsSent:
    """What a client asked for that the exchange itself has no use for, echoed in the order's payloads."""

    time_in_force: str = "GTC"
    self_trade_prevention: str = "RejectTaker"
    quote_quantity: str | None = None
    slippage_tolerance: bool = False


def market(state: MarketState) -> Payload:
    """Return one entry of `/markets`."""
    rules = state.rules
    base = str(rules.symbol).split("_", 1)[0]
    return {
        "symbol": rules.symbol,
        "baseSymbol": base,
        "quoteSymbol": QUOTE,
        "marketType": "PERP",
        "filters": {
            "price": {
                "minPrice": number(rules.tick),
                "maxPrice": None,
                "tickSize": number(rules.tick),
                "minMultiplier": number(1 - rules.price_band),
                "maxMultiplier": number(1 + rules.price_band),
                "minImpactMultiplier": number(1 - rules.impact_band),
                "maxImpactMultiplier": number(1 + rules.impact_band),
                "meanMarkPriceBand": {
                    "minMultiplier": number(1 - rules.impact_band),
                    "maxMultiplier": number(1 + rules.impact_band),
                },
                "meanPremiumBand": None,
                "borrowEntryFeeMinMultiplier": None,
                "borrowEntryFeeMaxMultiplier": None,
            },
            "quantity": {
                "minQuantity": number(rules.min_quantity),
                "maxQuantity": None,
                "stepSize": number(rules.lot),
            },
        },
        "imfFunction": margin_function(rules.initial_margin_min),
        "mmfFunction": margin_function(rules.maintenance_margin),
        "fundingInterval": rules.funding_interval_ms,
        "fundingRateUpperBound": "100",
        "fundingRateLowerBound": "-100",
        "openInterestLimit": "0",
        "orderBookState": "Open",
        "createdAt": LISTED_AT,
        "visible": True,
        "positionLimitWeight": "1",
    }


def margin_function(base: Decimal) -> Payload:
    """Return a margin fraction as Backpack's function of size. The exchange's margin does not grow with size."""
    return {"type": "sqrt", "base": number(base), "factor": "0"}


def depth(book: BookView, limit: int, at_us: int) -> Payload:
    """Return `/depth`: at most `limit` levels a side, bids worst first as the real venue happens to send them."""
    bids = [[number(level.price), number(level.quantity)] for level in book.bids[:limit]]
    return {
        "asks": [[number(level.price), number(level.quantity)] for level in book.asks[:limit]],
        "bids": bids[::-1],
        "lastUpdateId": str(book.nonce),
        "timestamp": at_us,
    }


def mark_price(state: MarketState) -> Payload:
    """Return one entry of `/markPrices`."""
    return {
        "symbol": state.rules.symbol,
        "markPrice": number(state.mark),
        "indexPrice": number(state.index),
        "fundingRate": number(state.funding_rate),
        "nextFundingTimestamp": state.next_funding_at,
    }


def public_trade(trade: TradeRow) -> Payload:
    """Return one entry of `/trades`."""
    return {
        "id": trade.trade_id,
        "price": number(trade.price),
        "quantity": number(trade.quantity),
        "quoteQuantity": number(trade.price * trade.quantity),
        "timestamp": trade.at,
        "isBuyerMaker": trade.taker_side.sign < 0,
    }


def ticker(state: MarketState, trades: Sequence[TradeRow]) -> Payload:
    """Return `/ticker` over `trades`, oldest first; without trades everything stands at the last price."""
    prices = [trade.price for trade in trades] or [state.last]
    first, last = prices[0], prices[-1]
    return {
        "symbol": state.rules.symbol,
        "firstPrice": number(first),
        "lastPrice": number(last),
        "high": number(max(prices)),
        "low": number(min(prices)),
        "priceChange": number(last - first),
        "priceChangePercent": number((last / first - 1).quantize(Decimal("0.000001"))) if first else "0",
        "volume": number(sum((trade.quantity for trade in trades), ZERO)),
        "quoteVolume": number(sum((trade.price * trade.quantity for trade in trades), ZERO)),
        "trades": str(len(trades)),
    }


def order(row: OrderRow, sent: AsSent) -> Payload:
    """Return an order as `/order` answers it; a market order has a quote quantity, a limit order a price."""
    payload: Payload = {
        "id": str(row.order_index),
        "clientId": row.client_order_id,
        "createdAt": row.created_at,
        "executedQuantity": number(row.filled),
        "executedQuoteQuantity": number(row.filled_quote),
        "orderType": ORDER_TYPES[row.order_type],
        "quantity": number(row.quantity),
        "reduceOnly": True if row.reduce_only else None,
        "relatedOrderId": None,
        "selfTradePrevention": sent.self_trade_prevention,
        "side": SIDES[row.side],
        "status": status(row),
        "symbol": row.symbol,
        "timeInForce": sent.time_in_force,
        "strategyId": None,
        "stopLossLimitPrice": None,
        "stopLossTriggerBy": None,
        "stopLossTriggerPrice": None,
        "takeProfitLimitPrice": None,
        "takeProfitTriggerBy": None,
        "takeProfitTriggerPrice": None,
        "triggerBy": None,
        "triggerPrice": None,
        "triggerQuantity": None,
        "triggeredAt": None,
    }
    if row.order_type is OrderType.MARKET:
        payload["quoteQuantity"] = sent.quote_quantity or number(row.filled_quote)
    else:
        payload["postOnly"] = row.post_only
        payload["price"] = None if row.price is None else number(row.price)
    return payload


def history_order(row: OrderRow, sent: AsSent) -> Payload:
    """Return an order as `/history/orders` lists it."""
    return order(row, sent) | {
        "createdAt": iso(row.created_at),
        "expiryReason": expiry_reason(row, bounded_by_client=sent.slippage_tolerance),
        "systemOrderType": system_order_type(row.cause),
    }


def fill(trade: TradeRow, account: str, cause: FillCause) -> Payload:
    """Return a fill as `/history/fills` lists it, seen by `account`, whose order had this cause.

    A fill of an order that the venue made has no client id.
    """
    is_maker = trade.taker_account != account
    client_id = trade.maker_client_order_id if is_maker else trade.taker_client_order_id
    side = trade.taker_side.opposite if is_maker else trade.taker_side
    system = system_order_type(cause)
    return {
        "clientId": None if client_id is None or system else str(client_id),
        "fee": number(trade.maker_fee if is_maker else trade.taker_fee),
        "feeSymbol": QUOTE,
        "isMaker": is_maker,
        "orderId": str(trade.maker_order_index if is_maker else trade.taker_order_index),
        "price": number(trade.price),
        "quantity": number(trade.quantity),
        "side": SIDES[side],
        "symbol": trade.symbol,
        "systemOrderType": system,
        "timestamp": iso(trade.at),
        "tradeId": trade.trade_id,
    }


def effective_margin(rules: MarketRules, leverage: Decimal) -> Decimal:
    """Return the initial margin fraction that binds: the market's, or more where the account's leverage asks for it."""
    return max(rules.initial_margin_min, 1 / leverage)


def break_even(row: PositionRow, rules: MarketRules) -> Decimal:
    """Return the price that pays for closing as taker; zero when flat."""
    return row.entry_price * (1 + rules.taker_fee * (1 if row.quantity > ZERO else -1))


def position(row: PositionRow, state: MarketState, *, position_id: int, user_id: int, exposure: Decimal) -> Payload:
    """Return a position; `exposure` is the net quantity as if every open order of the account filled."""
    rules = state.rules
    return {
        "symbol": row.symbol,
        "netQuantity": number(row.quantity),
        "netExposureQuantity": number(abs(exposure)),
        "netExposureNotional": number(abs(exposure) * state.mark),
        "netCost": number(row.quantity * row.entry_price),
        "entryPrice": number(row.entry_price),
        "breakEvenPrice": number(break_even(row, rules)),
        "markPrice": number(state.mark),
        "estLiquidationPrice": "0" if row.liquidation_price is None else number(row.liquidation_price),
        "imf": number(effective_margin(rules, row.leverage)),
        "imfFunction": margin_function(rules.initial_margin_min),
        "mmf": number(rules.maintenance_margin),
        "mmfFunction": margin_function(rules.maintenance_margin),
        "pnlRealized": number(row.realized),
        "pnlUnrealized": number(row.unrealized),
        "cumulativeFundingPayment": number(-row.funding_paid),
        "cumulativeInterest": "0",
        "positionId": str(position_id),
        "subaccountId": None,
        "userId": user_id,
    }


def account(settings: Payload, margin: MarginRow, rules: MarketRules, leverage: Decimal, open_orders: int) -> Payload:
    """Return `/account`: the settings that a client may change, the fees in basis points, and what is going on."""
    return settings | {
        "autoRealizePnl": True,
        "borrowLimit": "0",
        "futuresMakerFee": number(rules.maker_fee * BPS_PER_ONE),
        "futuresTakerFee": number(rules.taker_fee * BPS_PER_ONE),
        "leverageLimit": number(leverage),
        "limitOrders": open_orders,
        "liquidating": margin.liquidating,
        "positionLimit": "0",
        "spotMakerFee": "8",
        "spotTakerFee": "10",
        "triggerOrders": 0,
    }


def capital(margin: MarginRow) -> Payload:
    """Return `/capital`: the settlement money, and what of it backs positions and open orders."""
    available = max(min(margin.available, margin.collateral), ZERO)
    return {QUOTE: {"available": number(available), "locked": number(margin.collateral - available), "staked": "0"}}


def collateral(margin: MarginRow, exposure: Decimal, imf: Decimal, mmf: Decimal) -> Payload:
    """Return `/capital/collateral`; `exposure` is the notional of all positions, USD.

    `netEquityAvailable` has the margin of positions and open orders taken off already.
    """
    quantity = number(margin.collateral)
    return {
        "assetsValue": quantity,
        "borrowLiability": "0",
        "collateral": [
            {
                "symbol": QUOTE,
                "assetMarkPrice": "1",
                "totalQuantity": quantity,
                "balanceNotional": quantity,
                "collateralWeight": "1",
                "collateralValue": quantity,
                "openOrderQuantity": "0",
                "lendQuantity": "0",
                "availableQuantity": number(max(min(margin.available, margin.collateral), ZERO)),
            }
        ],
        "imf": number(imf),
        "mmf": number(mmf),
        "marginFraction": number(_fraction(margin.equity / exposure)) if exposure else None,
        "liabilitiesValue": "0",
        "netEquity": number(margin.equity),
        "netEquityAvailable": number(margin.available),
        "netEquityLocked": number(margin.equity - margin.available),
        "netExposureFutures": number(exposure),
        "pnlUnrealized": number(margin.equity - margin.collateral),
        "unsettledEquity": "0",
    }


def weighted_fraction(requirement: Decimal, exposure: Decimal, floor: Decimal) -> Decimal:
    """Return a margin requirement as a fraction of exposure; `floor` when nothing is held."""
    return _fraction(requirement / exposure) if exposure else floor


def funding(paid: FundingPaid, user_id: int) -> Payload:
    """Return one entry of `/history/funding`: positive was received."""
    return {
        "userId": user_id,
        "subaccountId": None,
        "symbol": paid.symbol,
        "quantity": number(paid.amount),
        "intervalEndTimestamp": iso(paid.at),
        "fundingRate": number(paid.rate),
    }


def _fraction(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.00000001"))
