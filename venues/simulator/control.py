"""The control interface: the simulation's truth to read, and its levers. On its own port, in none of the venues' words.

Amounts are decimal strings. Bad input is answered with status 400 and `{"error": "<field>: <what is wrong>"}`.

    GET    /control/state                      venues, accounts, money, positions, markets, clock, faults
    GET    /control/fills?venue=&account=&since=   executions, one row for each account in them, oldest first
    GET    /control/orders?venue=&account=     every order, oldest first
    GET    /control/positions?venue=&account=  positions that are not flat
    GET    /control/faults, /control/clock
    POST   /control/price                      {symbol, price}: pin on both venues; price null lets go
    POST   /control/price/move                 {symbol, fraction}: move for good
    POST   /control/liquidate                  {venue, account, symbol, cause, fraction}
    POST   /control/trade                      {venue, account, symbol, side, quantity}: somebody else trades there
    POST   /control/deposit                    {venue, account, amount}
    POST   /control/book                       {symbol, depth_factor}: thin or thicken the crowd on both venues
    POST   /control/funding                    {symbol, rate}: fix the next funding on both venues
    POST   /control/faults                     one fault (`faults.Fault`); answers its id
    DELETE /control/faults, /control/faults/{id}
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.order import OrderType, Side, TimeInForce
from strategies.domain.position import FillCause
from venues.simulator.board import PriceBoard
from venues.simulator.exchange import Exchange
from venues.simulator.faults import DEFAULT_STATUS, Fault, FaultBook, FaultKind
from venues.simulator.model import NewOrder, RefusedError, TradeRow

_BAD_REQUEST = 400
_NOT_FOUND = 404
_BOOK_DEPTH = 5
"""Levels of each side that `/control/state` shows."""
_MAX_STATUS = 599
_MIN_STATUS = 100

VenueName = Literal["lighter", "backpack"]


class Controlled(Protocol):
    """What the control interface works on: a `Simulation`."""

    faults: FaultBook
    board: PriceBoard

    @property
    def venues(self) -> Mapping[str, Exchange]:
        """Return the exchanges by venue."""

    def now(self) -> Timestamp:
        """Return wall time, unskewed."""

    def coin(self, symbol: str) -> str:
        """Return the coin a symbol stands for. Raises KeyError."""

    async def set_price(self, symbol: str, price: Decimal | None) -> None:
        """Pin a price, or let it go."""

    async def move_price(self, symbol: str, fraction: Decimal) -> None:
        """Move a price for good."""

    async def pump(self) -> None:
        """Publish what happened."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _PriceBody(_Body):
    symbol: str
    price: Decimal | None = Field(gt=0)


class _MoveBody(_Body):
    symbol: str
    fraction: Decimal = Field(gt=-1)


class _AccountBody(_Body):
    venue: VenueName
    account: str


class _LiquidateBody(_AccountBody):
    symbol: str
    cause: Literal[FillCause.LIQUIDATION, FillCause.ADL, FillCause.SETTLEMENT] = FillCause.LIQUIDATION
    fraction: Decimal = Field(default=Decimal(1), gt=0, le=1)


class _TradeBody(_AccountBody):
    symbol: str
    side: Side
    quantity: Decimal = Field(gt=0)


class _DepositBody(_AccountBody):
    amount: Decimal


class _BookBody(_Body):
    symbol: str
    depth_factor: Decimal = Field(gt=0)


class _FundingBody(_Body):
    symbol: str
    rate: Decimal


class _FaultBody(_Body):
    kind: FaultKind
    venue: VenueName
    account: str | None = None
    action: str | None = None
    count: int | None = Field(default=1, ge=1)
    delay_ms: int = 0
    status: int = Field(default=DEFAULT_STATUS, ge=_MIN_STATUS, le=_MAX_STATUS)
    body: str = ""
    fraction: Decimal = Field(default=Decimal("0.5"), ge=0, le=1)


class _BadInputError(Exception):
    """The caller's mistake, in words that name the field."""


_B = TypeVar("_B", bound=_Body)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlServer:
    """Serves the control interface of one simulation."""

    def __init__(self, simulation: Controlled) -> None:
        """Build the application; nothing listens yet."""
        self._simulation = simulation
        self.app = web.Application(middlewares=[_explain])
        self.app.add_routes(
            [
                web.get("/control/state", self._state),
                web.get("/control/fills", self._fills),
                web.get("/control/orders", self._orders),
                web.get("/control/positions", self._positions),
                web.get("/control/faults", self._faults),
                web.get("/control/clock", self._clock),
                web.post("/control/price", self._set_price),
                web.post("/control/price/move", self._move_price),
                web.post("/control/liquidate", self._liquidate),
                web.post("/control/trade", self._trade),
                web.post("/control/deposit", self._deposit),
                web.post("/control/book", self._thin_book),
                web.post("/control/funding", self._set_funding),
                web.post("/control/faults", self._add_fault),
                web.delete("/control/faults", self._clear_faults),
                web.delete("/control/faults/{fault_id}", self._remove_fault),
            ]
        )

    # --- reading ---

    async def _state(self, _request: web.Request) -> web.Response:
        venues = {}
        for venue, exchange in self._simulation.venues.items():
            markets = {}
            for symbol in exchange.markets:
                market = exchange.market(symbol)
                book = exchange.book(symbol, _BOOK_DEPTH)
                markets[symbol] = {
                    "mark": market.mark,
                    "last": market.last,
                    "funding_rate": market.funding_rate,
                    "next_funding_at": market.next_funding_at,
                    "open_interest": market.open_interest,
                    "bids": [[level.price, level.quantity] for level in book.bids],
                    "asks": [[level.price, level.quantity] for level in book.asks],
                }
            accounts = {
                name: {
                    **asdict(exchange.margin(name)),
                    "positions": [asdict(row) for row in exchange.positions(name)],
                    "open_orders": len(exchange.orders(name, active=True)),
                }
                for name in exchange.accounts()
            }
            venues[venue] = {"markets": markets, "accounts": accounts}
        return _answer(
            {
                "venues": venues,
                "clock": self._clock_row(),
                "faults": self._fault_rows(),
                "pins": self._simulation.board.pins,
            }
        )

    async def _fills(self, request: web.Request) -> web.Response:
        since = _whole(request, "since")
        rows = []
        for venue, account, exchange in self._chosen(request):
            trades = exchange.trades(account, since=None if since is None else Timestamp(since))
            rows += [{"venue": venue, **_fill_row(trade, account)} for trade in trades]
        return _answer({"fills": rows})

    async def _orders(self, request: web.Request) -> web.Response:
        rows = []
        for venue, account, exchange in self._chosen(request):
            rows += [
                {"venue": venue, "remaining": row.remaining, **asdict(row)}
                for row in exchange.orders(account, active=None)
            ]
        return _answer({"orders": rows})

    async def _positions(self, request: web.Request) -> web.Response:
        rows = []
        for venue, account, exchange in self._chosen(request):
            rows += [
                {"venue": venue, "account": account, **asdict(row)}
                for row in exchange.positions(account)
                if row.quantity
            ]
        return _answer({"positions": rows})

    async def _faults(self, _request: web.Request) -> web.Response:
        return _answer({"faults": self._fault_rows()})

    async def _clock(self, _request: web.Request) -> web.Response:
        return _answer(self._clock_row())

    # --- levers ---

    async def _set_price(self, request: web.Request) -> web.Response:
        body = await _read(request, _PriceBody)
        await self._simulation.set_price(self._coin(body.symbol), body.price)
        return _answer({"symbol": self._coin(body.symbol), "price": body.price})

    async def _move_price(self, request: web.Request) -> web.Response:
        body = await _read(request, _MoveBody)
        coin = self._coin(body.symbol)
        await self._simulation.move_price(coin, body.fraction)
        board = self._simulation.board
        return _answer({"symbol": coin, "price": board.price(coin, board.clock.market_at(self._simulation.now()))})

    async def _liquidate(self, request: web.Request) -> web.Response:
        body = await _read(request, _LiquidateBody)
        exchange = self._simulation.venues[body.venue]
        symbol = self._symbol(exchange, body.symbol)
        trades = exchange.liquidate(
            body.account, symbol, cause=body.cause, fraction=body.fraction, at=self._simulation.now()
        )
        await self._simulation.pump()
        return _answer({"trades": [asdict(trade) for trade in trades]})

    async def _trade(self, request: web.Request) -> web.Response:
        body = await _read(request, _TradeBody)
        exchange = self._simulation.venues[body.venue]
        order = NewOrder(
            account=body.account,
            symbol=self._symbol(exchange, body.symbol),
            side=body.side,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=body.quantity,
            price=None,
        )
        row = exchange.place(order, self._simulation.now())
        await self._simulation.pump()
        return _answer({"order": asdict(row)})

    async def _deposit(self, request: web.Request) -> web.Response:
        body = await _read(request, _DepositBody)
        exchange = self._simulation.venues[body.venue]
        exchange.deposit(body.account, body.amount, self._simulation.now())
        await self._simulation.pump()
        return _answer({"collateral": exchange.margin(body.account).collateral})

    async def _thin_book(self, request: web.Request) -> web.Response:
        body = await _read(request, _BookBody)
        for exchange in self._simulation.venues.values():
            exchange.set_depth(self._symbol(exchange, body.symbol), body.depth_factor, self._simulation.now())
        await self._simulation.pump()
        return _answer({"symbol": self._coin(body.symbol), "depth_factor": body.depth_factor})

    async def _set_funding(self, request: web.Request) -> web.Response:
        body = await _read(request, _FundingBody)
        for exchange in self._simulation.venues.values():
            exchange.set_funding_rate(self._symbol(exchange, body.symbol), body.rate)
        return _answer({"symbol": self._coin(body.symbol), "rate": body.rate})

    async def _add_fault(self, request: web.Request) -> web.Response:
        body = await _read(request, _FaultBody)
        kept = self._simulation.faults.add(Fault(**body.model_dump()))
        return _answer({"id": kept.fault_id})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._simulation.faults.clear()
        return _answer({"faults": []})

    async def _remove_fault(self, request: web.Request) -> web.Response:
        text = request.match_info["fault_id"]
        if not text.isdecimal() or not self._simulation.faults.remove(int(text)):
            return _answer({"error": f"id: there is no fault {text}"}, status=_NOT_FOUND)
        return _answer({"faults": self._fault_rows()})

    # --- naming things ---

    def _coin(self, symbol: str) -> str:
        try:
            return self._simulation.coin(symbol)
        except KeyError as error:
            raise _BadInputError(f"symbol: there is no market {symbol!r}") from error

    def _symbol(self, exchange: Exchange, name: str) -> VenueSymbol:
        coin = self._coin(name)
        for symbol in exchange.markets:
            if self._simulation.coin(symbol) == coin:
                return symbol
        raise _BadInputError(f"symbol: {name!r} is not traded on {exchange.rules.venue}")

    def _chosen(self, request: web.Request) -> list[tuple[str, str, Exchange]]:
        venues = self._simulation.venues
        venue, account = request.query.get("venue"), request.query.get("account")
        if venue is not None and venue not in venues:
            raise _BadInputError(f"venue: there is no venue {venue!r}, only {' and '.join(venues)}")
        chosen = [
            (name, owner, exchange)
            for name, exchange in venues.items()
            for owner in exchange.accounts()
            if venue in {None, name} and account in {None, owner}
        ]
        if account is not None and not chosen:
            raise _BadInputError(f"account: there is no account {account!r}")
        return chosen

    def _clock_row(self) -> dict[str, Any]:
        now = self._simulation.now()
        clock = self._simulation.board.clock
        skews = {venue: self._simulation.faults.skew_ms(venue) for venue in self._simulation.venues}
        return {"wall_ms": now, "market_ms": clock.market_at(now), "speed": clock.speed, "skew_ms": skews}

    def _fault_rows(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._simulation.faults.listing()]


@web.middleware
async def _explain(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except _BadInputError as error:
        return _answer({"error": str(error)}, status=_BAD_REQUEST)
    except RefusedError as error:
        return _answer({"error": f"{error.refusal.value}: {error.detail}"}, status=_BAD_REQUEST)


async def _read(request: web.Request, model: type[_B]) -> _B:
    try:
        return model.model_validate(json.loads(await request.read(), parse_float=Decimal))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise _BadInputError(f"{field}: {first['msg']}") from error
    except ValueError as error:
        raise _BadInputError("body: not JSON") from error


def _whole(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise _BadInputError(f"{name}: {text!r} is not a whole number of milliseconds")
    return int(text)


def _fill_row(trade: TradeRow, account: str) -> dict[str, Any]:
    """Return a trade as one of its accounts sees it."""
    is_maker = trade.maker_account == account
    return {
        "account": account,
        "trade_id": trade.trade_id,
        "symbol": trade.symbol,
        "side": trade.taker_side.opposite if is_maker else trade.taker_side,
        "quantity": trade.quantity,
        "price": trade.price,
        "fee": trade.maker_fee if is_maker else trade.taker_fee,
        "at": trade.at,
        "cause": trade.cause,
        "order_index": trade.maker_order_index if is_maker else trade.taker_order_index,
        "client_order_id": trade.maker_client_order_id if is_maker else trade.taker_client_order_id,
        "is_maker": is_maker,
        "position_before": trade.maker_position_before if is_maker else trade.taker_position_before,
    }


def _answer(body: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, default=_plain))


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
