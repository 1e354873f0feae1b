"""What holds in the matching core whatever is done to it: random calls against two kinds of venue."""

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderType, Side, TimeInForce
from strategies.domain.position import FillCause
from tests.venues.simulator.venue_rules import BTC, ETH, HOUR_MS, START, backpack_like, lighter_like
from venues.simulator import ledger
from venues.simulator.exchange import Exchange
from venues.simulator.model import NewOrder, OrderChanged, OrderRow, OrderState, RefusedError, TradeRow

ACTIVE = {OrderState.PENDING, OrderState.OPEN}
accounts = st.sampled_from(["a", "b"])
symbols = st.sampled_from([ETH, BTC])
sides = st.sampled_from(list(Side))


def new_order(
    exchange: Exchange,
    account: str,
    symbol: str,
    side: Side,
    lots: int,
    ticks: int,
    shape: tuple[OrderType, TimeInForce, bool],
    *,
    reduce_only: bool,
    client_id: int | None,
) -> NewOrder:
    """Return an order near the mark, on the grid."""
    rules = exchange.markets[symbol]
    kind, force, post_only = shape
    mark = exchange.market(symbol).mark
    price = max(mark + ticks * rules.tick * 100, rules.tick)
    return NewOrder(
        account=account,
        symbol=symbol,
        side=side,
        order_type=kind,
        time_in_force=force,
        quantity=lots * rules.lot,
        price=None if kind is OrderType.MARKET else price,
        client_order_id=client_id,
        post_only=post_only,
        reduce_only=reduce_only,
    )


SHAPES = st.sampled_from(
    [
        (OrderType.MARKET, TimeInForce.IOC, False),
        (OrderType.LIMIT, TimeInForce.GTC, False),
        (OrderType.LIMIT, TimeInForce.GTC, True),
        (OrderType.LIMIT, TimeInForce.IOC, False),
        (OrderType.LIMIT, TimeInForce.FOK, False),
    ]
)


class ExchangeMachine(RuleBasedStateMachine):
    """Two equal exchanges take the same random calls; every invariant is checked after each."""

    @initialize(backpack=st.booleans(), delay=st.sampled_from([0, 300]), seed=st.integers(0, 3))
    def open(self, backpack: bool, delay: int, seed: int) -> None:  # noqa: FBT001 - hypothesis passes by name
        """Open the venue and its twin."""
        self.now = START
        self.twins = [
            backpack_like(seed=seed)
            if backpack
            else lighter_like(seed=seed, taker_delay_ms=delay, maker_delay_ms=delay)
            for _ in range(2)
        ]
        self.exchange = self.twins[0]
        self.reduce_only_start: dict[int, Decimal] = {}

    def both(self, method: str, *args: Any, **options: Any) -> None:
        """Do the same to both; they must answer the same, refusals included, and tell the same."""
        answers = []
        for exchange in self.twins:
            try:
                answers.append(repr(getattr(exchange, method)(*args, **options)))
            except RefusedError as error:
                answers.append(repr((error.refusal, error.detail)))
        assert answers[0] == answers[1]
        events = [exchange.drain_events() for exchange in self.twins]
        assert repr(events[0]) == repr(events[1])
        self.check_reduce_only([e for e in events[0] if isinstance(e, OrderChanged)])

    def check_reduce_only(self, changes: list[OrderChanged]) -> None:
        """A reduce-only order's trade makes the position smaller and never turns it around."""
        for change in changes:
            row, trade = change.order, change.trade
            if not row.reduce_only or trade is None:
                continue
            is_taker = trade.taker_order_index == row.order_index
            before = trade.taker_position_before if is_taker else trade.maker_position_before
            after = before + trade.quantity * row.side.sign
            assert abs(after) < abs(before)
            assert after * before >= 0

    @rule(
        account=accounts,
        symbol=symbols,
        side=sides,
        lots=st.one_of(st.integers(1, 200), st.integers(1, 20_000)),
        ticks=st.integers(-5, 5),
        shape=SHAPES,
        reduce_only=st.booleans(),
        client_id=st.one_of(st.none(), st.integers(1, 5)),
        limit=st.one_of(st.none(), st.decimals(0, 5, places=4)),
    )
    def place(
        self,
        account: str,
        symbol: str,
        side: Side,
        lots: int,
        ticks: int,
        shape: tuple[OrderType, TimeInForce, bool],
        reduce_only: bool,  # noqa: FBT001 - hypothesis passes by name
        client_id: int | None,
        limit: Decimal | None,
    ) -> None:
        """Place any kind of order."""
        order = new_order(
            self.exchange, account, symbol, side, lots, ticks, shape, reduce_only=reduce_only, client_id=client_id
        )
        self.both("place", order, self.now, fill_limit=limit)

    @rule(
        account=accounts, symbol=symbols, share=st.sampled_from([Decimal("0.5"), Decimal(1), Decimal(3)]), shape=SHAPES
    )
    def reduce(self, account: str, symbol: str, share: Decimal, shape: tuple[OrderType, TimeInForce, bool]) -> None:
        """Reduce a position, asking for less, as much, or more than there is."""
        held = self.exchange.position(account, symbol).quantity
        lot = self.exchange.markets[symbol].lot
        lots = int(abs(held) * share / lot)
        if lots > 0:
            order = new_order(
                self.exchange, account, symbol, Side.of(-held), lots, 0, shape, reduce_only=True, client_id=None
            )
            self.both("place", order, self.now)

    @rule(account=accounts, client_id=st.integers(1, 5))
    def cancel(self, account: str, client_id: int) -> None:
        """Cancel one order, if it is there."""
        self.both("cancel", account, client_order_id=client_id, at=self.now)

    @rule(account=accounts, symbol=st.one_of(st.none(), symbols))
    def cancel_all(self, account: str, symbol: str | None) -> None:
        """Cancel everything."""
        self.both("cancel_all", account, symbol, self.now)

    @rule(account=accounts, symbol=symbols, leverage=st.sampled_from([Decimal(1), Decimal(10), Decimal(50)]))
    def set_leverage(self, account: str, symbol: str, leverage: Decimal) -> None:
        """Change leverage."""
        self.both("set_leverage", account, symbol, leverage, self.now)

    @rule(symbol=symbols, fraction=st.decimals("-0.08", "0.08", places=4))
    def move(self, symbol: str, fraction: Decimal) -> None:
        """Move a price, sometimes far."""
        self.both("set_price", symbol, self.exchange.market(symbol).mark * (1 + fraction), self.now)

    @rule(symbol=symbols, factor=st.sampled_from([Decimal("0.01"), Decimal(1), Decimal(20)]))
    def thin(self, symbol: str, factor: Decimal) -> None:
        """Make the crowd thin or thick."""
        self.both("set_depth", symbol, factor, self.now)

    @rule(ms=st.sampled_from([1, 200, 1000, HOUR_MS]))
    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.now = Timestamp(self.now + ms)
        self.both("advance", self.now)

    @rule(
        account=accounts,
        symbol=symbols,
        cause=st.sampled_from([FillCause.LIQUIDATION, FillCause.ADL]),
        fraction=st.sampled_from([Decimal("0.3"), Decimal(1)]),
    )
    def liquidate(self, account: str, symbol: str, cause: FillCause, fraction: Decimal) -> None:
        """Close by force."""
        self.both("liquidate", account, symbol, cause=cause, fraction=fraction, at=self.now)

    @rule(account=accounts, amount=st.decimals(-100, 1000, places=2))
    def deposit(self, account: str, amount: Decimal) -> None:
        """Bring money in or out."""
        self.both("deposit", account, amount, self.now)

    @invariant()
    def money_is_conserved(self) -> None:
        """Accounts, crowd, fees and insurance hold exactly what was deposited."""
        assert ledger.total_value(self.exchange.state) == self.exchange.state.deposited

    @invariant()
    def positions_add_up_to_nothing(self) -> None:
        """For every buyer there is a seller."""
        state = self.exchange.state
        for symbol in self.exchange.markets:
            holders = [*state.accounts.values(), state.crowd]
            assert sum(holder.held[symbol].quantity for holder in holders if symbol in holder.held) == 0

    @invariant()
    def orders_are_the_sum_of_their_trades(self) -> None:
        """No order executes more than its quantity, and its filled amounts are its trades'."""
        filled: dict[int, list[TradeRow]] = {}
        for trade in self.exchange.state.trades:
            for index in (trade.taker_order_index, trade.maker_order_index):
                filled.setdefault(index, []).append(trade)
        for index, row in self.exchange.state.orders.items():
            trades = filled.get(index, [])
            assert row.filled == sum((t.quantity for t in trades), start=Decimal(0)) <= row.quantity
            assert row.filled_quote == sum((t.quantity * t.price for t in trades), start=Decimal(0))
            assert (row.state is OrderState.FILLED) == (row.filled == row.quantity)
            self.check_price(row, trades)

    def check_price(self, row: OrderRow, trades: list[TradeRow]) -> None:
        """No order trades at a price worse than its own."""
        if row.price is not None and row.cause is FillCause.ORDER:
            for trade in trades:
                assert (row.price - trade.price) * row.side.sign >= 0

    @invariant()
    def positions_are_the_sum_of_trades(self) -> None:
        """An account's position is what its trades add up to."""
        for name in self.exchange.accounts():
            for symbol in self.exchange.markets:
                total = Decimal(0)
                for trade in self.exchange.trades(name, symbol=symbol):
                    if trade.taker_account == name:
                        total += trade.quantity * trade.taker_side.sign
                    if trade.maker_account == name:
                        total -= trade.quantity * trade.taker_side.sign
                assert self.exchange.position(name, symbol).quantity == total

    @invariant()
    def the_book_is_not_crossed_and_holds_active_orders_only(self) -> None:
        """Bids stay below asks, and every resting order is open."""
        for symbol, slot in self.exchange.state.markets.items():
            book = self.exchange.book(symbol, 1)
            if book.bids and book.asks:
                assert book.bids[0].price < book.asks[0].price
            assert all(level.quantity > 0 for side in (slot.bids, slot.asks) for level in side.crowd)
            for index in [*slot.bids.resting, *slot.asks.resting]:
                assert self.exchange.state.orders[index].state is OrderState.OPEN

    @invariant()
    def every_order_is_active_or_ended(self) -> None:
        """An account's lists and its orders' states agree."""
        for account in self.exchange.state.accounts.values():
            assert not set(account.active) & set(account.ended)
            assert all(self.exchange.state.orders[index].state in ACTIVE for index in account.active)
            assert all(self.exchange.state.orders[index].state not in ACTIVE for index in account.ended)

    @invariant()
    def nobody_is_left_below_maintenance(self) -> None:
        """An account without margin is being liquidated, and one that is flat owes nothing."""
        for name in self.exchange.accounts():
            row = self.exchange.margin(name)
            assert row.liquidating or row.equity >= row.maintenance_requirement


ExchangeMachine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestExchange = ExchangeMachine.TestCase
