"""Small venues for the tests of the matching core: one of each kind, two markets, round numbers."""

from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.order import OrderType, Side, TimeInForce
from venues.simulator.exchange import Exchange
from venues.simulator.model import CrowdRules, MarketRules, NewOrder, SelfTrade, VenueRules

ETH = VenueSymbol("ETH")
BTC = VenueSymbol("BTC")
START = Timestamp(1_700_000_000_000)
HOUR_MS = 3_600_000
CROWD_RULES = CrowdRules(levels=5, level_notional=Decimal(6000), half_spread=Decimal("0.0001"), step=Decimal("0.0001"))


def market(symbol: VenueSymbol, index: int, *, taker_fee: str = "0", maker_fee: str = "0") -> MarketRules:
    """Return a market with a tick of 0.01 and a lot of 0.001."""
    return MarketRules(
        symbol=symbol,
        market_index=index,
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        min_quantity=Decimal("0.005"),
        min_notional=Decimal(10),
        initial_margin_min=Decimal("0.02"),
        maintenance_margin=Decimal("0.012"),
        closeout_margin=Decimal("0.008"),
        taker_fee=Decimal(taker_fee),
        maker_fee=Decimal(maker_fee),
        liquidation_fee=Decimal("0.005"),
        funding_interval_ms=HOUR_MS,
        price_band=Decimal("0.2"),
    )


def lighter_like(
    *, seed: int = 1, taker_delay_ms: int = 0, maker_delay_ms: int = 0, crowd: CrowdRules = CROWD_RULES
) -> Exchange:
    """Return a venue that checks takers in its engine, has no fees, and one leverage a market."""
    rules = VenueRules(
        venue="lighter",
        client_id_bits=48,
        taker_delay_ms=taker_delay_ms,
        maker_delay_ms=maker_delay_ms,
        cancel_delay_ms=maker_delay_ms,
        leverage_per_account=False,
        minimums_bind_takers=False,
        self_trade=SelfTrade.CANCEL_MAKER,
        engine_ends_takers=True,
        expiry_min_ms=1000,
        expiry_max_ms=HOUR_MS,
        max_active_orders=4,
    )
    return opened(Exchange(rules, [market(ETH, 0), market(BTC, 1)], seed=seed, crowd=crowd))


def backpack_like(*, seed: int = 1) -> Exchange:
    """Return a venue that checks everything at the door, takes fees, and has one leverage an account."""
    rules = VenueRules(
        venue="backpack",
        client_id_bits=32,
        taker_delay_ms=0,
        maker_delay_ms=0,
        leverage_per_account=True,
        minimums_bind_takers=True,
        self_trade=SelfTrade.REJECT_TAKER,
    )
    markets = [market(s, i, taker_fee="0.0005", maker_fee="0.0002") for i, s in enumerate((ETH, BTC))]
    return opened(Exchange(rules, markets, seed=seed, crowd=CROWD_RULES))


def opened(exchange: Exchange) -> Exchange:
    """Price the markets (ETH 3000, BTC 60000) and give the accounts `a` and `b` 10000 USD each."""
    exchange.set_price(ETH, Decimal(3000), START)
    exchange.set_price(BTC, Decimal(60_000), START)
    for account in ("a", "b"):
        exchange.add_account(account, Decimal(10_000), START)
    exchange.advance(START)
    exchange.drain_events()
    return exchange


def order(
    side: Side,
    quantity: str,
    price: str | None = None,
    *,
    account: str = "a",
    kind: OrderType | None = None,
    force: TimeInForce | None = None,
    symbol: VenueSymbol = ETH,
    client_id: int | None = None,
    post_only: bool = False,
    reduce_only: bool = False,
    expires_at: Timestamp | None = None,
) -> NewOrder:
    """Return a market order without a price, a GTC limit order with one, unless told otherwise."""
    chosen = kind or (OrderType.MARKET if price is None else OrderType.LIMIT)
    return NewOrder(
        account=account,
        symbol=symbol,
        side=side,
        order_type=chosen,
        time_in_force=force or (TimeInForce.IOC if chosen is OrderType.MARKET else TimeInForce.GTC),
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        client_order_id=client_id,
        post_only=post_only,
        reduce_only=reduce_only,
        expires_at=expires_at,
    )


def buy(quantity: str, price: str | None = None, **options: object) -> NewOrder:
    """Return a buy order; see `order`."""
    return order(Side.BUY, quantity, price, **options)  # type: ignore[arg-type]


def sell(quantity: str, price: str | None = None, **options: object) -> NewOrder:
    """Return a sell order; see `order`."""
    return order(Side.SELL, quantity, price, **options)  # type: ignore[arg-type]
