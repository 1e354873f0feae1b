"""Orders as awaitables, for scripts: one account, one order after another, each awaited to its proven end.

A script is a sender like a group: its commands are numbered, an order's identity is durable before it leaves, and a
lost answer is not taken for a failure. It keeps no journal of its own: a script that is killed leaves what rests.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from actors.actor import AccountPort, Envelope, Message
from strategies.domain.account import LegObservation
from strategies.domain.commands import AccountCommand, CancelOrder, SubmitOrder
from strategies.domain.events import (
    AccountEvent,
    Filled,
    OrderClosed,
    OrderDenied,
    OrderRejected,
)
from strategies.domain.ids import (
    AccountId,
    GroupId,
    InstrumentId,
    LegName,
    OrderId,
    Timestamp,
    TradeId,
    derive_order_id,
)
from strategies.domain.money import ZERO
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from strategies.tracking import Pursuit, TrackingParams, timed_out, top_price, track
from strategies.unwind import milliseconds
from strategies.working import Move, Style, Wanted, Working, move_for

_SLOT = "script"
_CANCEL_GRACE_MS = 3_000
"""A cancel that shows no effect for so long is asked for again."""
_FACTS_WAIT_S = 0.5
"""How long one question for news stays open."""
_TAKE_RETRY_S = 0.1
"""Wait before an account that could not take a command yet is asked again."""


class NoPriceError(Exception):
    """The account could not say what the market is: nothing was ordered."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of one wish. `signed` and prices in base units and USD; `reason` is empty when all of it was filled."""

    order_ids: tuple[OrderId, ...]
    signed: Decimal
    average_price: Decimal | None
    fees: Decimal
    reason: str


class Trader:
    """One account as a script uses it. Orders of one trader are awaited one after another."""

    def __init__(
        self,
        port: AccountPort,
        account: AccountId,
        instrument_id: InstrumentId,
        *,
        name: str,
        now: Callable[[], Timestamp],
    ) -> None:
        """Take the way to the account. `name` goes into the orders' ids; `now` must not go backwards over lives."""
        self._port = port
        self._account = account
        self._instrument_id = instrument_id
        self._name = GroupId(name)
        self._now = now
        self._born_at = now()
        self._seq: int | None = None
        self._cursor = 0
        self._made = 0
        self._working: Working | None = None
        self._seen: set[TradeId] = set()
        self._fills: list[Filled] = []
        self._end = ""

    async def look(self) -> LegObservation:
        """Return what the account sees: position, balance, quote."""
        return await self._port.observe(self._instrument_id)

    async def market(
        self, side: Side, quantity: Decimal, *, slippage: Decimal = Decimal("0.005"), reduce_only: bool = False
    ) -> Execution:
        """Take `quantity` from the book, at worst `slippage` (a fraction) beyond the touch; await the end.

        Raises:
            NoPriceError: there is no quote.
            ActorUnreachableError: the account's process is gone.
        """
        look = await self.look()
        touch = None if look.quote is None else look.quote.reference(side)
        if look.instrument is None or touch is None:
            raise NoPriceError(f"no price of {self._instrument_id} on {self._account}: {'; '.join(look.problems)}")
        price = look.instrument.worst_price(side, touch, slippage)
        return await self._once(Wanted(_SLOT, side, quantity, price, Style.MARKET, reduce_only))

    async def limit(
        self,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        *,
        wait_s: Decimal,
        post_only: bool = True,
        reduce_only: bool = False,
    ) -> Execution:
        """Rest an order for up to `wait_s` seconds, then cancel what is left; await the end.

        Raises:
            ActorUnreachableError: the account's process is gone.
        """
        style = Style.POST_ONLY if post_only else Style.LIMIT
        return await self._once(Wanted(_SLOT, side, quantity, price, style, reduce_only), wait_s=wait_s)

    async def tracking_limit(self, signed: Decimal, params: TrackingParams, *, reduce_only: bool = False) -> Execution:
        """Get `signed` base units by an order that stays at the top of the book; await the whole, or the time-out.

        Raises:
            NoPriceError: there is no quote to begin with.
            ActorUnreachableError: the account's process is gone.
        """
        await self._begin()
        began_at, ids = self._now(), list[OrderId]()
        first: Decimal | None = None
        while True:
            look = await self.look()
            quote, instrument = look.quote, look.instrument
            if first is None:
                if quote is not None and instrument is not None:
                    first = top_price(Side.of(signed), quote, instrument, params, None)
                if first is None:
                    raise NoPriceError(f"no price of {self._instrument_id} on {self._account}")
            missing = signed - self._signed()
            over = timed_out(began_at, self._now(), params) or self._end_is_final()
            wanted = None
            if quote is not None and instrument is not None and not over:
                pursuit = Pursuit(_SLOT, missing, began_at, first, reduce_only)
                wanted = track(pursuit, quote, instrument, params, self._working)
            elif not over:
                wanted = self._as_it_stands()
            placed = await self._move(wanted)
            if placed is not None:
                ids.append(placed)
            if self._working is None and (wanted is None or over):
                return self._execution(tuple(ids), signed)
            await self._news(params.requote_interval_s)

    # --- parts ----------------------------------------------------------------------------------------------------

    async def _once(self, wanted: Wanted, *, wait_s: Decimal | None = None) -> Execution:
        await self._begin()
        give_up_at = None if wait_s is None else self._now() + milliseconds(wait_s)
        placed = await self._move(wanted)
        while self._working is not None:
            if give_up_at is not None and self._now() >= give_up_at:
                await self._move(None)
            left_ms = _CANCEL_GRACE_MS if give_up_at is None else max(give_up_at - self._now(), 1)
            await self._news(Decimal(min(left_ms, _CANCEL_GRACE_MS)) / 1000)
        return self._execution(() if placed is None else (placed,), wanted.signed)

    async def _begin(self) -> None:
        self._fills, self._end = [], ""
        if self._seq is None:
            self._cursor = (await self._port.status()).fact_seq
            self._seq = (await self._port.submit(self._envelope())).taken

    async def _move(self, wanted: Wanted | None) -> OrderId | None:
        """Make the one move that the slot needs; return the id of an order that was placed."""
        order = self._working
        match move_for(order, wanted, self._now(), _CANCEL_GRACE_MS):
            case Move.PLACE if wanted is not None:
                return await self._place(wanted)
            case Move.CANCEL if order is not None:
                self._working = order.model_copy(update={"cancel_at": self._now()})
                await self._send(CancelOrder(account=self._account, order_id=order.order_id))
            case _:
                pass
        return None

    async def _place(self, wanted: Wanted) -> OrderId:
        self._made += 1
        resting = wanted.style is not Style.MARKET
        request = OrderRequest(
            order_id=derive_order_id(self._name, self._born_at, LegName(self._account), _SLOT, self._made),
            instrument_id=self._instrument_id,
            side=wanted.side,
            quantity=wanted.quantity,
            order_type=OrderType.LIMIT if resting else OrderType.MARKET,
            price=wanted.price,
            time_in_force=TimeInForce.GTC if resting else TimeInForce.IOC,
            post_only=wanted.style is Style.POST_ONLY,
            reduce_only=wanted.reduce_only,
            lane=Lane.ENTRY,
        )
        self._working = Working(
            order_id=request.order_id,
            slot=_SLOT,
            signed=wanted.signed,
            price=wanted.price,
            resting=resting,
            reduce_only=wanted.reduce_only,
            sent_at=self._now(),
        )
        await self._send(SubmitOrder(account=self._account, order=request))
        return request.order_id

    async def _send(self, command: AccountCommand) -> None:
        """Give the account a command until it has it: the same number again is the same command."""
        self._seq = (self._seq or 0) + 1
        message = Message(seq=self._seq, command=command)
        while (await self._port.submit(self._envelope(message))).taken < self._seq:  # noqa: ASYNC110 - told by asking
            await asyncio.sleep(_TAKE_RETRY_S)

    def _envelope(self, *messages: Message) -> Envelope:
        return Envelope(sender=f"script/{self._name}", sender_epoch=self._born_at, messages=messages)

    async def _news(self, within_s: Decimal) -> None:
        """Fold what happens, until something did or the time is over."""
        until = self._now() + milliseconds(within_s)
        while True:
            wait_s = min(max((until - self._now()) / 1000, 0.0), _FACTS_WAIT_S)
            batch = await self._port.facts(self._cursor, wait_s)
            for fact in batch.facts:
                self._cursor = fact.seq
                self._fold(fact.event)
            if batch.facts or self._now() >= until:
                return

    def _fold(self, event: AccountEvent) -> None:
        order = self._working
        if order is None:
            return
        match event:
            case Filled(fill=fill) if fill.order_id == order.order_id and fill.trade_id not in self._seen:
                self._seen.add(fill.trade_id)
                self._fills.append(event)
                self._working = order.model_copy(update={"filled": order.filled + fill.quantity})
            case OrderClosed(order_id=order_id) if order_id == order.order_id:
                self._working, self._end = None, "" if order.cancel_at is not None else event.reason
            case OrderRejected(order_id=order_id) | OrderDenied(order_id=order_id) if order_id == order.order_id:
                self._working, self._end = None, f"{event.code}: {event.detail}"
            case _:
                pass

    def _end_is_final(self) -> bool:
        """Say whether the last order ended in a way that another one would not change."""
        return self._working is None and bool(self._end)

    def _as_it_stands(self) -> Wanted | None:
        order = self._working
        if order is None:
            return None
        style = Style.LIMIT if order.resting else Style.MARKET
        return Wanted(_SLOT, Side.of(order.signed), abs(order.leaves), order.price, style, order.reduce_only)

    def _signed(self) -> Decimal:
        return sum((each.fill.signed_quantity for each in self._fills), start=ZERO)

    def _execution(self, ids: tuple[OrderId, ...], wanted: Decimal) -> Execution:
        fills = [each.fill for each in self._fills]
        quantity = sum((fill.quantity for fill in fills), start=ZERO)
        worth = sum((fill.quantity * fill.price for fill in fills), start=ZERO)
        whole = self._signed() == wanted
        return Execution(
            order_ids=ids,
            signed=self._signed(),
            average_price=worth / quantity if quantity else None,
            fees=sum((fill.fee for fill in fills), start=ZERO),
            reason="" if whole else self._end or "not filled in time",
        )
