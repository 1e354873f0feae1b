"""Orders through the matching core: what is taken in, what trades with whom, and how each order ends."""

from decimal import Decimal

import pytest

from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderType, Side, TimeInForce
from tests.venues.simulator.venue_rules import ETH, HOUR_MS, START, backpack_like, buy, lighter_like, sell
from venues.simulator.exchange import CROWD, Exchange
from venues.simulator.model import (
    EndReason,
    NewOrder,
    OrderChanged,
    OrderState,
    Refusal,
    RefusedError,
    Traded,
)


def refusal(exchange: Exchange, order: NewOrder) -> Refusal:
    """Return why the order is refused; fail when it is not."""
    before = len(exchange.state.orders)
    with pytest.raises(RefusedError) as caught:
        exchange.place(order, START)
    assert len(exchange.state.orders) == before
    assert exchange.drain_events() == []
    return caught.value.refusal


def story(exchange: Exchange) -> list[tuple[OrderState, Decimal, EndReason]]:
    """Return what the events say of orders, in order."""
    events = [event.order for event in exchange.drain_events() if isinstance(event, OrderChanged)]
    return [(row.state, row.filled, row.end_reason) for row in events]


def test_market_order_walks_the_book_from_its_best_price() -> None:
    """A market order larger than the first level takes the next ones too, each at its own price."""
    exchange = lighter_like()
    asks = exchange.book(ETH, 2).asks
    row = exchange.place(buy(str(asks[0].quantity + Decimal("0.5"))), START)
    assert row.state is OrderState.FILLED
    trades = exchange.trades("a")
    assert [(t.price, t.quantity) for t in trades] == [
        (asks[0].price, asks[0].quantity),
        (asks[1].price, Decimal("0.5")),
    ]
    assert {t.maker_account for t in trades} == {CROWD}
    assert row.filled_quote == sum(t.price * t.quantity for t in trades)


def test_events_tell_acceptance_then_fills() -> None:
    """A filling order is announced as open, then once for its fill, and the public hears of the trade."""
    exchange = lighter_like()
    exchange.place(buy("1"), START)
    events = exchange.drain_events()
    assert sum(isinstance(event, Traded) for event in events) == 1
    rows = [event for event in events if isinstance(event, OrderChanged)]
    assert [row.order.state for row in rows] == [OrderState.OPEN, OrderState.FILLED]
    assert rows[0].trade is None
    assert rows[1].trade is not None


def test_better_price_then_older_order_goes_first() -> None:
    """Resting orders fill by price, and at one price in the order they came, before newer crowd quotes."""
    exchange = backpack_like()
    inside = "3000.10"
    late = exchange.place(sell("1", inside, account="b", client_id=2), START)
    best = exchange.place(sell("1", "3000.05", account="b", client_id=1), START)
    last = exchange.place(sell("1", inside, account="b", client_id=3), START)
    exchange.place(buy("2.5"), START)
    assert [t.maker_order_index for t in exchange.trades("a")] == [best.order_index, late.order_index, last.order_index]
    rest = exchange.order("b", last.order_index)
    assert rest is not None
    assert (rest.state, rest.filled) == (OrderState.OPEN, Decimal("0.5"))


def test_market_order_in_a_thin_book_ends_partly_filled() -> None:
    """What the book cannot give is cancelled for lack of liquidity, and the fills stay."""
    exchange = lighter_like()
    exchange.set_depth(ETH, Decimal("0.001"), START)
    exchange.drain_events()
    row = exchange.place(buy("1"), START)
    assert row.state is OrderState.CANCELED
    assert row.end_reason is EndReason.LIQUIDITY
    assert Decimal(0) < row.filled < Decimal(1)
    assert story(exchange)[-1] == (OrderState.CANCELED, row.filled, EndReason.LIQUIDITY)


def test_market_order_stops_at_its_worst_price() -> None:
    """A bound inside the book ends the rest of the order for slippage."""
    exchange = lighter_like()
    first = exchange.book(ETH, 1).asks[0]
    row = exchange.place(buy("5", str(first.price), kind=OrderType.MARKET), START)
    assert (row.filled, row.end_reason) == (first.quantity, EndReason.SLIPPAGE)


def test_ioc_limit_fills_what_it_can_and_ends() -> None:
    """An IOC order never rests."""
    exchange = lighter_like()
    first = exchange.book(ETH, 1).asks[0]
    row = exchange.place(buy("5", str(first.price), force=TimeInForce.IOC), START)
    assert (row.state, row.filled, row.end_reason) == (
        OrderState.CANCELED,
        first.quantity,
        EndReason.IMMEDIATE_OR_CANCEL,
    )


@pytest.mark.parametrize(("quantity", "filled"), [("1", "1"), ("500", "0")])
def test_fok_fills_whole_or_not_at_all(quantity: str, filled: str) -> None:
    """A FOK order that the book cannot fill whole trades nothing."""
    exchange = lighter_like()
    exchange.deposit("a", Decimal(1_000_000), START)
    row = exchange.place(buy(quantity, "3100", force=TimeInForce.FOK), START)
    assert row.filled == Decimal(filled)
    assert (row.end_reason is EndReason.FILL_OR_KILL) == (filled == "0")


def test_resting_order_is_filled_when_the_price_comes_to_it() -> None:
    """A bid below the market rests, then buys as maker at its own price when the crowd sells down to it."""
    exchange = backpack_like()
    row = exchange.place(buy("1", "2990"), START)
    assert row.state is OrderState.OPEN
    exchange.set_price(ETH, Decimal(2985), Timestamp(START + 1))
    trade = exchange.trades("a")[0]
    assert (trade.taker_account, trade.maker_account, trade.price) == (CROWD, "a", Decimal(2990))
    assert trade.maker_fee == Decimal(2990) * Decimal("0.0002")
    assert exchange.position("a", ETH).quantity == Decimal(1)


def test_crowd_takes_no_more_than_it_has() -> None:
    """A large resting order is filled in parts by a price that only just crosses it."""
    exchange = lighter_like()
    exchange.deposit("a", Decimal(1_000_000), START)
    exchange.place(buy("50", "2999.80"), START)
    exchange.set_price(ETH, Decimal("2999.50"), Timestamp(START + 1))
    filled = exchange.position("a", ETH).quantity
    assert Decimal(0) < filled < Decimal(50)


def test_lighter_post_only_that_crosses_ends_in_the_engine() -> None:
    """Lighter takes it in and cancels it; nothing trades."""
    exchange = lighter_like()
    row = exchange.place(buy("1", "3001", post_only=True), START)
    assert (row.state, row.end_reason) == (OrderState.REJECTED, EndReason.POST_ONLY)
    assert exchange.trades("a") == []


def test_backpack_post_only_that_crosses_is_refused() -> None:
    """Backpack refuses it at the door."""
    assert refusal(backpack_like(), buy("1", "3001", post_only=True)) is Refusal.POST_ONLY


def test_post_only_beside_the_market_rests() -> None:
    """A post-only order that takes nothing is an ordinary resting order."""
    row = backpack_like().place(buy("1", "2999.99", post_only=True), START)
    assert row.state is OrderState.OPEN


def test_reduce_only_never_flips_the_position() -> None:
    """An oversized reduce-only order closes the position and ends there."""
    exchange = backpack_like()
    exchange.place(buy("1"), START)
    row = exchange.place(sell("3", reduce_only=True), START)
    assert (row.filled, row.state, row.end_reason) == (Decimal(1), OrderState.CANCELED, EndReason.REDUCE_ONLY)
    assert exchange.position("a", ETH).quantity == Decimal(0)


def test_reduce_only_without_a_position_is_refused_or_ended() -> None:
    """With nothing to reduce, Backpack refuses, and Lighter ends the order after taking it in."""
    assert refusal(backpack_like(), sell("1", reduce_only=True)) is Refusal.REDUCE_ONLY
    row = lighter_like().place(sell("1", reduce_only=True), START)
    assert (row.state, row.end_reason) == (OrderState.REJECTED, EndReason.REDUCE_ONLY)


def test_resting_reduce_only_goes_with_its_position() -> None:
    """When the position is closed by other means, the order that was to reduce it is cancelled."""
    exchange = backpack_like()
    exchange.place(buy("1"), START)
    resting = exchange.place(sell("1", "3010", reduce_only=True), START)
    exchange.place(sell("1"), START)
    after = exchange.order("a", resting.order_index)
    assert after is not None
    assert (after.state, after.end_reason) == (OrderState.CANCELED, EndReason.REDUCE_ONLY)


def test_self_trade_cancels_the_maker_on_lighter() -> None:
    """Lighter cancels the resting order and lets the newcomer go on."""
    exchange = lighter_like()
    resting = exchange.place(sell("1", "3000.10"), START)
    taker = exchange.place(buy("0.5"), START)
    after = exchange.order("a", resting.order_index)
    assert after is not None
    assert (after.state, after.end_reason) == (OrderState.CANCELED, EndReason.SELF_TRADE)
    assert taker.state is OrderState.FILLED
    assert exchange.trades("a")[0].maker_account == CROWD


def test_self_trade_ends_the_taker_on_backpack() -> None:
    """Backpack ends the newcomer and leaves the resting order alone."""
    exchange = backpack_like()
    resting = exchange.place(sell("1", "3000.10"), START)
    taker = exchange.place(buy("0.5"), START)
    assert (taker.state, taker.end_reason, taker.filled) == (OrderState.CANCELED, EndReason.SELF_TRADE, Decimal(0))
    after = exchange.order("a", resting.order_index)
    assert after is not None
    assert after.state is OrderState.OPEN


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (buy("1", account="nobody"), Refusal.UNKNOWN_ACCOUNT),
        (buy("1", symbol="DOGE"), Refusal.UNKNOWN_MARKET),
        (buy("0.0015"), Refusal.LOT),
        (buy("0"), Refusal.LOT),
        (buy("1", "2999.995"), Refusal.TICK),
        (buy("1", "-5"), Refusal.TICK),
        (buy("0.004", "2999"), Refusal.MINIMUM),
        (buy("0.005", "2000", force=TimeInForce.GTC), Refusal.PRICE_BAND),
        (buy("1", client_id=1 << 32), Refusal.BAD_CLIENT_ID),
        (buy("1", client_id=-1), Refusal.BAD_CLIENT_ID),
        (buy("1", "2999", expires_at=START), Refusal.BAD_EXPIRY),
        (buy("100", "2999"), Refusal.MARGIN),
    ],
)
def test_refusals_name_what_is_wrong(order: NewOrder, expected: Refusal) -> None:
    """Every wrong order is refused for its own reason and leaves no trace."""
    assert refusal(backpack_like(), order) is expected


def test_lighter_minimums_do_not_bind_takers() -> None:
    """A taker below the minimum trades on Lighter; a resting order below it is refused."""
    exchange = lighter_like()
    assert exchange.place(buy("0.001"), START).state is OrderState.FILLED
    exchange.drain_events()
    assert refusal(exchange, buy("0.001", "2999")) is Refusal.MINIMUM


def test_lighter_expiry_has_bounds() -> None:
    """An order that would live too short or too long is refused."""
    exchange = lighter_like()
    assert refusal(exchange, buy("1", "2999", expires_at=Timestamp(START + 999))) is Refusal.BAD_EXPIRY
    assert refusal(exchange, buy("1", "2999", expires_at=Timestamp(START + HOUR_MS + 1))) is Refusal.BAD_EXPIRY


def test_client_id_is_unique_among_active_orders_only() -> None:
    """A client id is refused while its order is open, and free again afterwards; a look-up finds the newest."""
    exchange = lighter_like()
    first = exchange.place(buy("1", "2990", client_id=7), START)
    exchange.drain_events()
    assert refusal(exchange, buy("1", "2980", client_id=7)) is Refusal.DUPLICATE_CLIENT_ID
    exchange.cancel("a", client_order_id=7, at=START)
    found = exchange.order_by_client_id("a", 7)
    assert found is not None
    assert found.order_index == first.order_index
    second = exchange.place(buy("1", "2980", client_id=7), START)
    found = exchange.order_by_client_id("a", 7)
    assert found is not None
    assert found.order_index == second.order_index
    assert exchange.order_by_client_id("b", 7) is None


def test_too_many_orders_are_refused() -> None:
    """The count of active orders has a limit."""
    exchange = lighter_like()
    for place in range(4):
        exchange.place(buy("0.01", str(2990 - place)), START)
    exchange.drain_events()
    assert refusal(exchange, buy("0.01", "2980")) is Refusal.ORDER_LIMIT


def test_cancel_says_what_it_cannot_cancel() -> None:
    """Unknown orders, other people's orders and ended orders are each refused."""
    exchange = lighter_like()
    row = exchange.place(buy("1", "2990"), START)
    for wrong in ({"order_index": 999}, {"client_order_id": 5}, {"order_index": row.order_index, "symbol": "BTC"}):
        with pytest.raises(RefusedError) as caught:
            exchange.cancel("a", at=START, **wrong)
        assert caught.value.refusal is Refusal.UNKNOWN_ORDER
    with pytest.raises(RefusedError) as caught:
        exchange.cancel("b", order_index=row.order_index, at=START)
    assert caught.value.refusal is Refusal.UNKNOWN_ORDER
    assert exchange.cancel("a", order_index=row.order_index, at=START).state is OrderState.CANCELED
    with pytest.raises(RefusedError) as caught:
        exchange.cancel("a", order_index=row.order_index, at=START)
    assert caught.value.refusal is Refusal.NOT_ACTIVE


def test_taker_delay_keeps_an_order_pending_and_silent() -> None:
    """With a delay nothing is heard of the order until its time comes; then it trades at that time's book."""
    exchange = lighter_like(taker_delay_ms=300)
    row = exchange.place(buy("1", client_id=3), START)
    assert row.state is OrderState.PENDING
    exchange.advance(Timestamp(START + 299))
    assert exchange.drain_events() == []
    exchange.set_price(ETH, Decimal(3050), Timestamp(START + 299))
    exchange.advance(Timestamp(START + 300))
    done = exchange.order_by_client_id("a", 3)
    assert done is not None
    assert done.state is OrderState.FILLED
    assert done.filled_quote > Decimal(3050)


def test_cancel_never_overtakes_the_order_it_cancels() -> None:
    """A cancel with the shorter delay waits for the account's earlier order: the fill wins."""
    exchange = lighter_like(taker_delay_ms=300, maker_delay_ms=200)
    row = exchange.place(buy("1"), START)
    exchange.cancel("a", order_index=row.order_index, at=Timestamp(START + 10))
    exchange.advance(Timestamp(START + 400))
    done = exchange.order("a", row.order_index)
    assert done is not None
    assert done.state is OrderState.FILLED


def test_delayed_cancel_can_lose_against_a_fill() -> None:
    """An order that is filled while its cancel waits stays filled, and the late cancel does nothing."""
    exchange = lighter_like(maker_delay_ms=200)
    row = exchange.place(buy("1", "2999"), START)
    assert exchange.cancel("a", order_index=row.order_index, at=START).state is OrderState.OPEN
    exchange.set_price(ETH, Decimal(2990), Timestamp(START + 100))
    exchange.advance(Timestamp(START + 300))
    done = exchange.order("a", row.order_index)
    assert done is not None
    assert done.state is OrderState.FILLED


def test_orders_expire() -> None:
    """An order ends as EXPIRED when its time has come."""
    exchange = lighter_like()
    row = exchange.place(buy("1", "2990", expires_at=Timestamp(START + 2000)), START)
    exchange.advance(Timestamp(START + 2000))
    done = exchange.order("a", row.order_index)
    assert done is not None
    assert (done.state, done.end_reason) == (OrderState.EXPIRED, EndReason.EXPIRED)


def test_dead_man_switch_cancels_everything_once() -> None:
    """When the switch fires every active order ends, and it is off afterwards."""
    exchange = lighter_like()
    exchange.place(buy("1", "2990"), START)
    exchange.schedule_cancel_all("a", Timestamp(START + 1000))
    exchange.advance(Timestamp(START + 999))
    assert len(exchange.orders("a", active=True)) == 1
    exchange.advance(Timestamp(START + 1000))
    assert exchange.orders("a", active=True) == []
    assert exchange.cancel_all_due_at("a") is None


def test_cancel_all_keeps_to_its_market_and_account() -> None:
    """Only the named account's orders in the named market end."""
    exchange = lighter_like()
    exchange.place(buy("1", "2990"), START)
    exchange.place(buy("0.01", "59000", symbol="BTC"), START)
    exchange.place(buy("1", "2990", account="b"), START)
    assert [row.symbol for row in exchange.cancel_all("a", ETH, START)] == [ETH]
    assert [row.symbol for row in exchange.orders("a", active=True)] == ["BTC"]
    assert len(exchange.orders("b", active=True)) == 1


def test_quote_quantity_buys_whole_lots_for_no_more_than_asked() -> None:
    """An order by notional becomes whole lots that cost at most that much."""
    exchange = backpack_like()
    by_notional = NewOrder(
        "a", ETH, Side.BUY, OrderType.MARKET, TimeInForce.IOC, Decimal(0), None, quote_quantity=Decimal(1000)
    )
    row = exchange.place(by_notional, START)
    assert row.state is OrderState.FILLED
    assert Decimal(990) < row.filled_quote <= Decimal(1000)


def test_injected_thin_book_limits_a_taker() -> None:
    """With a fill limit the order trades that much and ends like any order in a thin book."""
    exchange = lighter_like()
    row = exchange.place(buy("1"), START, fill_limit=Decimal("0.4005"))
    assert (row.filled, row.state, row.end_reason) == (Decimal("0.400"), OrderState.CANCELED, EndReason.LIQUIDITY)


def test_injected_rejection_ends_an_accepted_order() -> None:
    """The order is taken in and ends in the engine without a fill."""
    row = backpack_like().place(buy("1"), START, reject=EndReason.LIQUIDITY)
    assert (row.state, row.end_reason, row.filled) == (OrderState.REJECTED, EndReason.LIQUIDITY, Decimal(0))


def test_rows_handed_out_are_copies() -> None:
    """What a server does to a row it was given changes nothing in the exchange."""
    exchange = lighter_like()
    row = exchange.place(buy("1", "2990"), START)
    row.state = OrderState.FILLED
    kept = exchange.order("a", row.order_index)
    assert kept is not None
    assert kept.state is OrderState.OPEN


def test_taken_crowd_levels_come_back() -> None:
    """After the replenish time the crowd quotes anew."""
    exchange = lighter_like()
    before = exchange.book(ETH, 1).asks[0].price
    exchange.place(buy(str(exchange.book(ETH, 1).asks[0].quantity)), START)
    assert exchange.book(ETH, 1).asks[0].price > before
    exchange.advance(Timestamp(START + 500))
    assert exchange.book(ETH, 1).asks[0].price == before


def test_time_never_runs_backwards() -> None:
    """A call with an older time happens at the last known one."""
    exchange = lighter_like()
    exchange.place(buy("0.1"), Timestamp(START + 100))
    exchange.place(buy("0.1"), START)
    assert [trade.at for trade in exchange.trades("a")] == [START + 100, START + 100]
