"""The matching core: one `Exchange` is one venue. Pure and synchronous; every call is told the time.

The same seed and the same calls give the same events, byte for byte. Time never runs backwards: a call with an older
time than the last one is taken to happen at the last one's.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from strategies.domain.position import FillCause
from venues.simulator import ledger
from venues.simulator.admission import Admission
from venues.simulator.funding import Funding
from venues.simulator.liquidation import Liquidator
from venues.simulator.matching import Matching
from venues.simulator.model import (
    CrowdRules,
    EndReason,
    ExchangeEvent,
    MarketMoved,
    MarketRules,
    NewOrder,
    OrderChanged,
    OrderRow,
    OrderState,
    Refusal,
    RefusedError,
    TradeRow,
    VenueRules,
)
from venues.simulator.reading import ExchangeView
from venues.simulator.settlement import Settlement
from venues.simulator.state import CROWD, AccountState, Delayed, ExchangeState, MarketSlot

__all__ = ["CROWD", "Exchange"]

_FORCED = frozenset({FillCause.LIQUIDATION, FillCause.ADL, FillCause.SETTLEMENT})


class Exchange(ExchangeView):
    """A venue's accounts, books, margin and history. The reading half is `ExchangeView`."""

    def __init__(
        self,
        rules: VenueRules,
        markets: Sequence[MarketRules],
        *,
        seed: int,
        crowd: CrowdRules | None = None,
        market_speed: Decimal = Decimal(1),
        state: ExchangeState | None = None,
    ) -> None:
        """Open the venue. Markets have no price, and take no orders, until `set_price`.

        Args:
            rules: the venue's.
            markets: the venue's.
            seed: of the crowd's sizes and the funding rates.
            crowd: how the crowd quotes; None = the defaults.
            market_speed: market milliseconds in a wall millisecond, to show the next funding in wall time.
            state: an earlier life to go on from.
        """
        super().__init__(rules, markets, seed=seed, crowd=crowd, market_speed=market_speed, state=state)
        self._events: list[ExchangeEvent] = []
        self._gliding: set[VenueSymbol] = set()
        self._settlement = Settlement(self.markets, self.state, self._books, self._margins, self._events.append)
        self._matching = Matching(
            rules, self.markets, self.state, self._books, self._margins, self._settlement, self._events.append
        )
        self._admission = Admission(rules, self.markets, self.state, self._matching)
        self._funding = Funding(self.markets, self.state, self._settlement, self._events.extend, seed=seed)
        self._liquidator = Liquidator(self.markets, self.state, self._margins, self._matching, self._settlement)

    def drain_events(self) -> list[ExchangeEvent]:
        """Return what has happened since the last call, in order."""
        events = list(self._events)
        self._events.clear()
        return events

    def clamp(self, at: Timestamp) -> Timestamp:
        """Return the time at which a call given `at` would happen: never before the last one."""
        return max(at, self.state.at)

    def add_account(self, account: str, collateral: Decimal, at: Timestamp) -> None:
        """Open an account with a first deposit, USD. Opening it again does nothing."""
        if account == CROWD:
            raise ValueError(f"{CROWD!r} is the name of everybody else")
        if account not in self.state.accounts:
            self._tick(at)
            self.state.accounts[account] = AccountState(account)
            ledger.deposit(self.state, account, collateral)

    def deposit(self, account: str, amount: Decimal, at: Timestamp) -> None:
        """Add collateral, USD (negative takes out). Raises RefusedError UNKNOWN_ACCOUNT."""
        self._admission.account(account)
        now = self._tick(at)
        ledger.deposit(self.state, account, amount)
        self._settlement.touched[account] = None
        self._liquidator.review(now)

    def resolve(self, order: NewOrder) -> NewOrder:
        """Return the order with a quantity, when it was given by notional."""
        if order.quote_quantity is None or order.symbol not in self.markets:
            return order
        slot = self.state.markets[order.symbol]
        return replace(order, quantity=self._books.quantity_for(slot, order.side, order.quote_quantity))

    def check(self, order: NewOrder, at: Timestamp) -> None:
        """Raise RefusedError if the API would refuse this order now; change nothing."""
        self._admission.check(self.resolve(order), self.clamp(at))

    def place(
        self,
        order: NewOrder,
        at: Timestamp,
        *,
        fill_limit: Decimal | None = None,
        reject: EndReason | None = None,
    ) -> OrderRow:
        """Take an order in. With a delay it is PENDING (and says nothing) until `advance`; without, it runs now.

        Returns a copy: with no delay, the order after it ran.
        Events, in order: OrderChanged OPEN on acceptance, one OrderChanged with `trade` per fill, OrderChanged at the
        end when something was left over. An order the engine refuses gives one OrderChanged REJECTED.
        Post-only orders wait `maker_delay_ms`, others `taker_delay_ms`; an account's delayed actions keep their order.

        Args:
            order: what is asked.
            at: now.
            fill_limit: the most this order may take, base units (an injected thin book); None = no limit.
            reject: the engine ends the order with this reason instead of running it (injected).

        Raises:
            RefusedError: the API refuses; nothing happened.
        """
        resolved = self.resolve(order)
        # An order whose end is set is not asked for margin: a venue may take it in and end it for lack of just that.
        self._admission.check(resolved, self.clamp(at), engine_rules=reject is None)
        now = self._tick(at)
        row = self._matching.draft(resolved, now)
        self._settlement.register(row)
        if row.waits_for_trigger:
            row.state = OrderState.OPEN
            self._events.append(OrderChanged(copy(row)))
            self._fire_triggers(row.symbol, now)
            return copy(row)
        delay = self.rules.maker_delay_ms if order.post_only else self.rules.taker_delay_ms
        if delay > 0:
            self._delay(row, delay, now, cancel=False, fill_limit=fill_limit, reject=reject)
        else:
            self._run(row, now, fill_limit, reject)
        return copy(row)

    def cancel(
        self,
        account: str,
        *,
        order_index: int | None = None,
        client_order_id: int | None = None,
        symbol: VenueSymbol | None = None,
        at: Timestamp,
    ) -> OrderRow:
        """Cancel an active order (PENDING too). With `rules.cancel_delay_ms` it happens in `advance`.

        Returns a copy of the order, after the cancel where there is no delay.

        Raises:
            RefusedError: UNKNOWN_ACCOUNT, UNKNOWN_ORDER, or NOT_ACTIVE when it has ended.
        """
        owner = self._admission.account(account)
        index = order_index
        if index is None and client_order_id is not None:
            index = owner.client_active.get(client_order_id, owner.client_ended.get(client_order_id))
        row = None if index is None else self.state.orders.get(index)
        if row is None or row.account != account or symbol not in {None, row.symbol}:
            raise RefusedError(Refusal.UNKNOWN_ORDER, "order does not exist")
        if row.order_index not in owner.active:
            raise RefusedError(Refusal.NOT_ACTIVE, f"order {row.order_index} is not active: {row.state.value}")
        self._cancel_soon(row, self._tick(at))
        return copy(row)

    def cancel_all(self, account: str, symbol: VenueSymbol | None, at: Timestamp) -> list[OrderRow]:
        """Cancel every active order of the account, in one market or all; return copies of them.

        Raises:
            RefusedError: UNKNOWN_ACCOUNT.
        """
        owner = self._admission.account(account)
        now = self._tick(at)
        rows = [self.state.orders[index] for index in owner.active]
        chosen = [row for row in rows if symbol in {None, row.symbol}]
        for row in chosen:
            self._cancel_soon(row, now)
        return [copy(row) for row in chosen]

    def schedule_cancel_all(self, account: str, due_at: Timestamp | None) -> None:
        """Set (or with None take back) the account's dead-man switch: `advance` cancels everything at `due_at`.

        Raises:
            RefusedError: UNKNOWN_ACCOUNT.
        """
        self._admission.account(account).cancel_all_due_at = due_at

    def set_leverage(self, account: str, symbol: VenueSymbol | None, leverage: Decimal, at: Timestamp) -> None:
        """Set the leverage of a market, or of the account where `rules.leverage_per_account` (symbol is ignored).

        Raises:
            RefusedError: UNKNOWN_ACCOUNT, UNKNOWN_MARKET, LEVERAGE (out of range), MARGIN (open positions would need
                more than there is).
        """
        owner = self._admission.account(account)
        if not self.rules.leverage_per_account and symbol not in self.markets:
            raise RefusedError(Refusal.UNKNOWN_MARKET, f"market {symbol} does not exist")
        highest = self._margins.max_leverage(symbol)
        if not 1 <= leverage <= highest:
            raise RefusedError(Refusal.LEVERAGE, f"leverage {leverage} is not between 1 and {highest}")
        key = self._margins.leverage_key(symbol)
        before, needed = owner.leverages.get(key), self._margins.initial(owner)
        owner.leverages[key] = leverage
        if self._margins.initial(owner) > max(needed, self._margins.equity(owner)):
            if before is None:
                del owner.leverages[key]
            else:
                owner.leverages[key] = before
            raise RefusedError(Refusal.MARGIN, f"open positions need more margin than there is at leverage {leverage}")
        self._tick(at)

    def set_price(self, symbol: VenueSymbol, mark: Decimal, at: Timestamp) -> None:
        """Move mark, index and the crowd's book; fill resting orders that are crossed; liquidate who must be."""
        moved = self.rounded(symbol, mark)
        slot = self.state.markets[symbol]
        if moved == slot.mark:
            return
        now = self._tick(at)
        slot.mark = moved
        self._gliding.discard(symbol)
        self._matching.requote(slot, now)
        # A price that jumps passes the stop before it gets to where the venue liquidates.
        self._fire_triggers(symbol, now)
        self._liquidator.review_all(now)

    def glide(self, symbol: VenueSymbol, mark: Decimal, at: Timestamp) -> None:
        """Move the mark to where it fills, triggers and liquidates nobody; the caller knows that it does not.

        The crowd quotes unseen: its levels are made by `land`, which must come before anything but `touch`, margins
        and positions is asked for. Glides and a landing come to what as many calls of `set_price` come to.
        """
        slot = self.state.markets[symbol]
        if mark != slot.mark:
            self._books.pass_quote(slot, self._tick(at))
            slot.mark = mark
            self._gliding.add(symbol)

    def land(self, symbol: VenueSymbol) -> None:
        """Make the levels that the crowd has quoted last, if it has quoted unseen."""
        if symbol in self._gliding:
            self._gliding.remove(symbol)
            slot = self.state.markets[symbol]
            self._books.take_back_quote(slot)
            self._matching.requote(slot, slot.quoted_at)

    def touch(self, symbol: VenueSymbol) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and the best ask, USD; None = nobody offers."""
        slot = self.state.markets[symbol]
        if symbol in self._gliding:
            return self._books.unmade_touch(slot)
        bid, ask = self._books.best(slot, Side.SELL), self._books.best(slot, Side.BUY)
        return (None if bid is None else bid.price), (None if ask is None else ask.price)

    def rounded(self, symbol: VenueSymbol, mark: Decimal) -> Decimal:
        """Return a price on the market's tick grid, at least one tick."""
        tick = self.markets[symbol].tick
        return max((mark / tick).to_integral_value(ROUND_HALF_EVEN) * tick, tick)

    def set_depth(self, symbol: VenueSymbol, factor: Decimal, at: Timestamp) -> None:
        """Scale the size of every level of the crowd's book; 1 = as configured, small = thin."""
        if factor <= ZERO:
            raise ValueError(f"a depth factor must be positive, got {factor}")
        now = self._tick(at)
        slot = self.state.markets[symbol]
        slot.depth_factor = factor
        if slot.mark > ZERO:
            self._matching.requote(slot, now)
            self._liquidator.review(now)

    def set_funding_rate(self, symbol: VenueSymbol, rate: Decimal) -> None:
        """Fix the rate of the funding to come, as a fraction of notional; long pays when it is positive."""
        self._funding.fix_rate(self.state.markets[symbol], rate)

    def liquidate(
        self, account: str, symbol: VenueSymbol, *, cause: FillCause, fraction: Decimal = Decimal(1), at: Timestamp
    ) -> list[TradeRow]:
        """Close (part of) a position by force: LIQUIDATION at the book, ADL and SETTLEMENT at the mark.

        Returns the trades; none when the account is flat or the book is empty.

        Raises:
            RefusedError: UNKNOWN_ACCOUNT, UNKNOWN_MARKET.
            ValueError: the cause is not one by which a venue closes a position, or the fraction is not in (0, 1].
        """
        self._admission.account(account)
        self._admission.market(symbol)
        if cause not in _FORCED:
            raise ValueError(f"a venue does not close positions by {cause}")
        if not ZERO < fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, got {fraction}")
        return self._liquidator.close(account, symbol, cause, fraction, self._tick(at))

    def due(self, at: Timestamp, market_at: Timestamp | None = None) -> bool:
        """Say whether `advance` would do anything beside telling the time."""
        market = at if market_at is None else market_at
        return (
            any(waiting.due_at <= at for waiting in self.state.delayed)
            or any(a.cancel_all_due_at is not None and a.cancel_all_due_at <= at for a in self.state.accounts.values())
            or any(self._stale(slot, at) for slot in self.state.markets.values())
            or self._funding.due(market)
            or bool(self._expired(at))
            or self._liquidator.due(at)
        )

    def next_due(self) -> Timestamp | None:
        """Return the moment of the next delayed order or cancel, or of the next look at an unfinished liquidation."""
        moments = [each.look_again_at for each in self.state.accounts.values() if each.look_again_at is not None]
        if self.state.delayed:
            moments += [waiting.due_at for waiting in self.state.delayed]
        return min(moments) if moments else None

    def advance(self, at: Timestamp, market_at: Timestamp | None = None) -> None:
        """Let time pass: due orders and cancels, expiries, dead-man switches, funding, liquidations, the crowd's book.

        Args:
            at: wall time.
            market_at: the market's own time, which funding follows; None = the same as `at`.
        """
        now = self._tick(at)
        self.state.market_at = max(self.state.market_at, now if market_at is None else market_at)
        self._run_delayed(now)
        for row in self._expired(now):
            self._end_resting(row, OrderState.EXPIRED, EndReason.EXPIRED, now)
        for account in self.state.accounts.values():
            if account.cancel_all_due_at is not None and account.cancel_all_due_at <= now:
                account.cancel_all_due_at = None
                for index in list(account.active):
                    self._end_resting(self.state.orders[index], OrderState.CANCELED, EndReason.USER, now)
        for slot in self.state.markets.values():
            self._funding.pay(slot, now)
            if self._stale(slot, now):
                self._matching.requote(slot, now)
        self._liquidator.resume(now)
        self._liquidator.review(now)

    def _tick(self, at: Timestamp) -> Timestamp:
        self.state.at = self.clamp(at)
        return self.state.at

    def _run(self, row: OrderRow, now: Timestamp, fill_limit: Decimal | None, reject: EndReason | None) -> None:
        self._matching.run(row, now, fill_limit, reject)
        self._liquidator.review(now)

    def _fire_triggers(self, symbol: VenueSymbol, now: Timestamp) -> None:
        """Run the orders that have waited for this market's mark price to get here."""
        mark = self.state.markets[symbol].mark
        rows = [self.state.orders[index] for account in self.state.accounts.values() for index in account.active]
        for row in rows:
            if row.symbol == symbol and row.triggers_at(mark) and row.state is OrderState.OPEN:
                row.triggered = True
                self._run(row, now, None, None)

    def _delay(
        self,
        row: OrderRow,
        delay_ms: int,
        now: Timestamp,
        *,
        cancel: bool,
        fill_limit: Decimal | None = None,
        reject: EndReason | None = None,
    ) -> None:
        account = self.state.accounts[row.account]
        account.last_due_at = max(Timestamp(now + delay_ms), account.last_due_at)
        self.state.delayed.append(Delayed(account.last_due_at, row.order_index, cancel, fill_limit, reject))

    def _cancel_soon(self, row: OrderRow, now: Timestamp) -> None:
        if self.rules.cancel_delay_ms > 0:
            self._delay(row, self.rules.cancel_delay_ms, now, cancel=True)
        else:
            self._end_resting(row, OrderState.CANCELED, EndReason.USER, now)

    def _end_resting(self, row: OrderRow, state: OrderState, reason: EndReason, now: Timestamp) -> None:
        slot = self.state.markets[row.symbol]
        nonce = slot.nonce
        self._settlement.end(row, state, reason, now)
        if slot.nonce != nonce:
            self._events.append(MarketMoved(row.symbol))

    def _run_delayed(self, now: Timestamp) -> None:
        ready = [waiting for waiting in self.state.delayed if waiting.due_at <= now]
        if not ready:
            return
        self.state.delayed = [waiting for waiting in self.state.delayed if waiting.due_at > now]
        for waiting in sorted(ready, key=lambda entry: entry.due_at):  # stable: at one moment, first come first
            row = self.state.orders[waiting.order_index]
            if row.order_index not in self.state.accounts[row.account].active:
                continue
            if waiting.cancel:
                self._end_resting(row, OrderState.CANCELED, EndReason.USER, now)
            elif row.state is OrderState.PENDING:
                self._run(row, now, waiting.fill_limit, waiting.reject)

    def _expired(self, now: Timestamp) -> list[OrderRow]:
        rows = [self.state.orders[index] for account in self.state.accounts.values() for index in account.active]
        return [row for row in rows if row.expires_at is not None and row.expires_at <= now]

    def _stale(self, slot: MarketSlot, now: Timestamp) -> bool:
        return slot.taken and slot.mark > ZERO and now >= slot.quoted_at + self._books.replenish_ms
