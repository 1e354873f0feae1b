"""Money in the matching core: margin at entry, leverage, liquidation, auto-deleverage, fees and funding."""

from dataclasses import replace
from decimal import Decimal

import pytest

from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderType
from strategies.domain.position import FillCause
from tests.venues.simulator.venue_rules import (
    BTC,
    CROWD_RULES,
    ETH,
    HOUR_MS,
    START,
    backpack_like,
    buy,
    lighter_like,
    sell,
)
from venues.simulator import ledger
from venues.simulator.exchange import CROWD, Exchange
from venues.simulator.liquidation import LOOK_EVERY_MS
from venues.simulator.model import (
    AccountLiquidated,
    EndReason,
    FundingPaid,
    OrderState,
    Refusal,
    RefusedError,
)


def balanced(exchange: Exchange) -> bool:
    """Say whether all money is still there and all positions add up to nothing."""
    holders = [*exchange.state.accounts.values(), exchange.state.crowd]
    flat = all(
        sum((holder.held[symbol].quantity for holder in holders if symbol in holder.held), start=Decimal(0)) == 0
        for symbol in exchange.markets
    )
    return flat and ledger.total_value(exchange.state) == exchange.state.deposited


def long_at_fifty(exchange: Exchange, account: str, quantity: str, collateral: str) -> None:
    """Give the account exactly this collateral and a long position at 50x, bought in a deep book."""
    exchange.deposit(account, Decimal(collateral) - exchange.margin(account).collateral, START)
    exchange.set_depth(ETH, Decimal(100), START)
    exchange.set_leverage(account, ETH, Decimal(50), START)
    exchange.place(buy(quantity, account=account), START)
    exchange.drain_events()


def test_lighter_taker_without_margin_ends_after_a_good_answer() -> None:
    """Lighter takes the order in and its engine ends it; nothing trades."""
    exchange = lighter_like()
    row = exchange.place(buy("100"), START)
    assert (row.state, row.end_reason) == (OrderState.REJECTED, EndReason.MARGIN)
    assert exchange.trades("a") == []


def test_lighter_maker_without_margin_is_refused() -> None:
    """Resting orders are checked at the door."""
    with pytest.raises(RefusedError) as caught:
        lighter_like().place(buy("100", "2999"), START)
    assert caught.value.refusal is Refusal.MARGIN


def test_resting_orders_hold_margin_and_a_cancel_frees_it() -> None:
    """An open order reserves initial margin on its side only while it is open."""
    exchange = lighter_like()
    row = exchange.place(buy("10", "2999"), START)
    assert exchange.margin("a").initial_requirement == Decimal(1500)
    exchange.place(sell("10", "3001"), START)
    assert exchange.margin("a").initial_requirement == Decimal(1500)
    exchange.cancel("a", order_index=row.order_index, at=START)
    exchange.cancel_all("a", None, START)
    assert exchange.margin("a").available == Decimal(10_000)


def test_an_order_that_shrinks_the_position_is_always_allowed() -> None:
    """Even with no margin to spare an account may close."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "700")
    exchange.set_price(ETH, Decimal(2975), START)
    assert exchange.margin("a").available == Decimal(0)
    assert exchange.place(sell("10"), START).state is OrderState.FILLED


def test_margin_is_shared_between_markets() -> None:
    """A loss in one market takes margin from the other."""
    exchange = lighter_like()
    exchange.place(buy("1"), START)
    alone = exchange.position("a", ETH).liquidation_price
    exchange.place(buy("0.2", symbol=BTC), START)
    exchange.set_price(BTC, Decimal(30_000), START)
    together = exchange.position("a", ETH).liquidation_price
    assert alone is None
    assert together is None
    assert exchange.margin("a").equity < Decimal(4100)


@pytest.mark.parametrize("leverage", ["0.5", "51"])
def test_leverage_out_of_range_is_refused(leverage: str) -> None:
    """The market's smallest initial margin bounds the leverage."""
    with pytest.raises(RefusedError) as caught:
        lighter_like().set_leverage("a", ETH, Decimal(leverage), START)
    assert caught.value.refusal is Refusal.LEVERAGE


def test_leverage_is_per_market_on_lighter_and_per_account_on_backpack() -> None:
    """Setting one market's leverage moves the other's only where leverage belongs to the account."""
    lighter, backpack = lighter_like(), backpack_like()
    lighter.set_leverage("a", ETH, Decimal(5), START)
    backpack.set_leverage("a", None, Decimal(5), START)
    assert (lighter.leverage("a", ETH), lighter.leverage("a", BTC)) == (Decimal(5), Decimal(20))
    assert (backpack.leverage("a", ETH), backpack.leverage("a", BTC)) == (Decimal(5), Decimal(5))


def test_leverage_that_open_positions_cannot_bear_is_refused() -> None:
    """Lowering leverage needs the margin to be there; refused, nothing changes."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "1000")
    with pytest.raises(RefusedError) as caught:
        exchange.set_leverage("a", ETH, Decimal(2), START)
    assert caught.value.refusal is Refusal.MARGIN
    assert exchange.leverage("a", ETH) == Decimal(50)


def test_liquidation_price_is_where_liquidation_happens() -> None:
    """One tick before the stated price nothing happens; at it the position is sold at the book."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "1000")
    price = exchange.position("a", ETH).liquidation_price
    assert price is not None
    exchange.set_price(ETH, price + Decimal("0.01"), Timestamp(START + 1))
    assert exchange.position("a", ETH).quantity == Decimal(10)
    exchange.set_price(ETH, price - Decimal("0.01"), Timestamp(START + 2))
    assert exchange.position("a", ETH).quantity == Decimal(0)
    assert {trade.cause for trade in exchange.trades("a")[1:]} <= {FillCause.ORDER, FillCause.LIQUIDATION}
    assert exchange.trades("a")[-1].cause is FillCause.LIQUIDATION
    assert exchange.trades("a")[-1].taker_fee > 0
    assert exchange.state.insurance > 0
    assert balanced(exchange)


def test_liquidation_is_told_and_cancels_what_rests() -> None:
    """Resting orders end for the liquidation, the closing order is marked, and the account is named."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "1000")
    resting = exchange.place(sell("1", "3100"), START)
    exchange.set_price(ETH, Decimal("2933.50"), Timestamp(START + 1))
    events = exchange.drain_events()
    ended = exchange.order("a", resting.order_index)
    assert ended is not None
    assert ended.end_reason is EndReason.LIQUIDATION
    assert {event.account for event in events if isinstance(event, AccountLiquidated)} == {"a"}
    forced = [row for row in exchange.orders("a", active=False) if row.cause is FillCause.LIQUIDATION]
    assert forced
    assert sum(row.filled for row in forced) == Decimal(10)
    assert exchange.margin("a").liquidating is False


def test_price_gap_below_closeout_is_taken_over_not_sold() -> None:
    """When a jump leaves less than the close-out margin, the position is closed outside the book, as ADL."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "1000")
    exchange.set_price(ETH, Decimal(2915), Timestamp(START + 1))
    last = exchange.trades("a")[-1]
    assert (last.cause, last.maker_account) == (FillCause.ADL, CROWD)
    assert exchange.position("a", ETH).quantity == Decimal(0)
    assert Decimal(0) <= exchange.margin("a").equity < Decimal(1)
    assert balanced(exchange)


def test_adl_takes_from_accounts_that_profit() -> None:
    """A profitable opposite account loses that much of its position to a bankrupt one, and hears of it."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "1000")
    exchange.place(sell("4", account="b"), START)
    exchange.drain_events()
    exchange.set_price(ETH, Decimal(2915), Timestamp(START + 1))
    assert exchange.position("b", ETH).quantity == Decimal(0)
    mine = exchange.trades("b")[-1]
    assert (mine.cause, mine.maker_account, mine.quantity) == (FillCause.ADL, "b", Decimal(4))
    told = {event.account for event in exchange.drain_events() if isinstance(event, AccountLiquidated)}
    assert told == {"a", "b"}
    assert balanced(exchange)


def test_bankruptcy_is_paid_by_insurance() -> None:
    """A gap beyond the account's money leaves it with nothing, not with a debt."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "1000")
    exchange.set_price(ETH, Decimal(2800), Timestamp(START + 1))
    assert exchange.margin("a").equity == Decimal(0)
    assert exchange.state.insurance < 0
    assert balanced(exchange)


def test_liquidation_waits_for_the_book_to_come_back() -> None:
    """What a thin book cannot take stays, marked as liquidating, and goes when the crowd quotes again."""
    exchange = lighter_like()
    long_at_fifty(exchange, "a", "10", "1000")
    exchange.set_depth(ETH, Decimal("0.01"), START)
    price = exchange.position("a", ETH).liquidation_price
    assert price is not None
    exchange.set_price(ETH, price - Decimal(2), Timestamp(START + 1))
    left = exchange.position("a", ETH).quantity
    assert Decimal(0) < left < Decimal(10)
    assert exchange.margin("a").liquidating
    with pytest.raises(RefusedError) as caught:
        exchange.place(buy("1"), START)
    assert caught.value.refusal is Refusal.LIQUIDATING
    exchange.advance(Timestamp(START + 1000))
    assert exchange.position("a", ETH).quantity < left


def half_liquidated(exchange: Exchange) -> Decimal:
    """Let the book run out in the middle of a's liquidation; return what is left of the position."""
    long_at_fifty(exchange, "a", "10", "1000")
    exchange.set_depth(ETH, Decimal("0.01"), START)
    price = exchange.position("a", ETH).liquidation_price
    assert price is not None
    exchange.set_price(ETH, price - Decimal(2), START)
    left = exchange.position("a", ETH).quantity
    assert exchange.margin("a").liquidating
    assert left > 0
    return left


def test_a_liquidation_goes_on_by_itself() -> None:
    """The price stands still, the crowd has quoted before anybody looked: the engine looks again when it is time."""
    exchange = lighter_like()
    left = half_liquidated(exchange)
    exchange.set_depth(ETH, Decimal(100), START)  # quotes anew: nothing is missing in the book from now on
    due_at = exchange.next_due()
    assert due_at == START + LOOK_EVERY_MS
    assert not exchange.due(Timestamp(due_at - 1))
    exchange.advance(Timestamp(due_at - 1))
    assert exchange.position("a", ETH).quantity == left
    assert exchange.due(due_at)
    exchange.advance(due_at)
    assert exchange.position("a", ETH).quantity == Decimal(0)
    assert exchange.margin("a").liquidating is False
    assert exchange.next_due() is None
    assert balanced(exchange)


def test_a_liquidation_leaves_no_orders_in_an_empty_book() -> None:
    """While nobody offers anything, looking again leaves no trace; the account stays closed to new orders."""
    exchange = lighter_like(crowd=replace(CROWD_RULES, replenish_ms=HOUR_MS))
    left = half_liquidated(exchange)
    orders = len(exchange.orders("a", active=None))
    exchange.drain_events()
    for place in range(1, 20):
        exchange.advance(Timestamp(START + place * LOOK_EVERY_MS))
    assert exchange.position("a", ETH).quantity == left
    assert len(exchange.orders("a", active=None)) == orders
    assert exchange.drain_events() == []
    with pytest.raises(RefusedError) as caught:
        exchange.place(sell("1"), START)
    assert caught.value.refusal is Refusal.LIQUIDATING


def test_a_deposit_ends_an_unfinished_liquidation() -> None:
    """Enough collateral, and the engine has nothing to look at any more."""
    exchange = lighter_like()
    left = half_liquidated(exchange)
    exchange.deposit("a", Decimal(5000), START)
    assert exchange.next_due() is None
    exchange.advance(Timestamp(START + 10 * LOOK_EVERY_MS))
    assert exchange.position("a", ETH).quantity == left


@pytest.mark.parametrize("cause", [FillCause.LIQUIDATION, FillCause.ADL, FillCause.SETTLEMENT])
def test_forced_close_of_a_healthy_account(cause: FillCause) -> None:
    """A part of a healthy position can be closed by force; its fills and its order carry the cause."""
    exchange = backpack_like()
    exchange.place(sell("1"), START)
    trades = exchange.liquidate("a", ETH, cause=cause, fraction=Decimal("0.25"), at=START)
    assert {trade.cause for trade in trades} == {cause}
    assert exchange.position("a", ETH).quantity == Decimal("-0.75")
    assert exchange.orders("a", active=False)[-1].cause is cause
    assert exchange.liquidate("b", ETH, cause=cause, at=START) == []
    assert balanced(exchange)


def test_forced_close_refuses_nonsense() -> None:
    """A cause that no venue has, and a fraction outside (0, 1], are errors."""
    exchange = lighter_like()
    with pytest.raises(ValueError, match="does not close positions by"):
        exchange.liquidate("a", ETH, cause=FillCause.ORDER, at=START)
    with pytest.raises(ValueError, match="fraction"):
        exchange.liquidate("a", ETH, cause=FillCause.ADL, fraction=Decimal(2), at=START)


def test_fees_are_taken_from_collateral() -> None:
    """A taker pays its rate of the notional, to the millionth of a dollar."""
    exchange = backpack_like()
    row = exchange.place(buy("1"), START)
    fee = (row.filled_quote * Decimal("0.0005")).quantize(Decimal("0.000001"))
    assert exchange.trades("a")[0].taker_fee == fee
    assert exchange.margin("a").collateral == Decimal(10_000) - fee
    assert exchange.state.fees == fee


def test_profit_is_realised_on_closing() -> None:
    """Buying and selling back at a higher price turns the difference into collateral."""
    exchange = lighter_like()
    bought = exchange.place(buy("1"), START)
    exchange.set_price(ETH, Decimal(3100), START)
    sold = exchange.place(sell("1"), START)
    gain = sold.filled_quote - bought.filled_quote
    assert exchange.position("a", ETH).realized == gain
    assert exchange.margin("a").collateral == Decimal(10_000) + gain


def test_flipping_a_position_opens_the_rest_at_the_new_price() -> None:
    """Selling more than is held realises the held part and enters short at the sale's price."""
    exchange = lighter_like()
    exchange.place(buy("1"), START)
    bid = exchange.book(ETH, 1).bids[0]
    exchange.place(sell("1.2", str(bid.price), kind=OrderType.MARKET), START)
    row = exchange.position("a", ETH)
    assert (row.quantity, row.entry_price) == (Decimal("-0.2"), bid.price)


def test_funding_flows_from_long_to_short_when_the_rate_is_positive() -> None:
    """At the hour a long pays rate times notional and a short receives it."""
    exchange = lighter_like()
    exchange.place(buy("1"), START)
    exchange.place(sell("2", account="b"), START)
    exchange.set_funding_rate(ETH, Decimal("0.0001"))
    exchange.drain_events()
    exchange.advance(Timestamp(START + HOUR_MS))
    paid = [event for event in exchange.drain_events() if isinstance(event, FundingPaid)]
    assert {(row.account, row.amount) for row in paid} == {("a", Decimal("-0.3")), ("b", Decimal("0.6"))}
    assert exchange.position("a", ETH).funding_paid == Decimal("0.3")
    assert [row.amount for row in exchange.funding("a")] == [Decimal("-0.3")]
    assert balanced(exchange)


def test_funding_follows_market_time() -> None:
    """With a faster market, funding comes at the market's hours, not the wall's; the wall wait is shown."""
    exchange = lighter_like()
    exchange.place(buy("1"), START)
    exchange.set_funding_rate(ETH, Decimal("0.0001"))
    exchange.advance(Timestamp(START + 1000), Timestamp(START + 3 * HOUR_MS))
    assert len(exchange.funding("a")) == 3
    assert exchange.funding("a")[0].at == START + 1000
