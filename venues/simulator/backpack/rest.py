"""The REST front: which path is which call, and what every request passes through on its way.

Budget, latency, parsing, signature, injected trouble before, the call itself, word of it to every stream, injected
trouble after, answer.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from venues.simulator.backpack import account, history, public, trading
from venues.simulator.backpack.auth import INSTRUCTIONS, Authenticator, parse_body
from venues.simulator.backpack.context import VENUE, Call, Context
from venues.simulator.backpack.errors import ApiError, TextError, injected
from venues.simulator.backpack.limits import RequestPool
from venues.simulator.backpack.transport import drop
from venues.simulator.faults import Fault, FaultKind

Answer = Callable[[Context, Call], web.Response]
MS_PER_SECOND = 1000


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API. `action` is its name in the fault book; None: no fault touches it."""

    method: str
    path: str
    action: str | None
    answer: Answer
    writes: bool = False


ROUTES = (
    Route("GET", "/api/v1/markets", "markets", public.markets),
    Route("GET", "/api/v1/market", "markets", public.market),
    Route("GET", "/api/v1/depth", "markets", public.depth),
    Route("GET", "/api/v1/ticker", "markets", public.ticker),
    Route("GET", "/api/v1/tickers", "markets", public.tickers),
    Route("GET", "/api/v1/markPrices", "markets", public.mark_prices),
    Route("GET", "/api/v1/openInterest", "markets", public.open_interest),
    Route("GET", "/api/v1/fundingRates", "markets", public.funding_rates),
    Route("GET", "/api/v1/trades", "markets", public.trades),
    Route("GET", "/api/v1/trades/history", "markets", public.trades),
    Route("GET", "/api/v1/klines", "markets", public.klines),
    Route("GET", "/api/v1/status", None, public.status),
    Route("GET", "/api/v1/ping", "markets", public.ping),
    Route("GET", "/api/v1/time", "markets", public.time),
    Route("GET", "/api/v1/account", "balance", account.show),
    Route("PATCH", "/api/v1/account", "leverage", account.update, writes=True),
    Route("GET", "/api/v1/account/limits/order", "balance", account.max_order_quantity),
    Route("GET", "/api/v1/capital", "balance", account.capital),
    Route("GET", "/api/v1/capital/collateral", "balance", account.collateral),
    Route("GET", "/api/v1/position", "position", account.positions),
    Route("POST", "/api/v1/order", "order", trading.execute, writes=True),
    Route("POST", "/api/v1/orders", "order", trading.execute_batch, writes=True),
    Route("GET", "/api/v1/order", "order_lookup", trading.lookup),
    Route("GET", "/api/v1/orders", "orders", trading.open_orders),
    Route("DELETE", "/api/v1/order", "cancel", trading.cancel, writes=True),
    Route("DELETE", "/api/v1/orders", "cancel_all", trading.cancel_all, writes=True),
    Route("GET", "/wapi/v1/history/fills", "fills", history.fills),
    Route("GET", "/wapi/v1/history/orders", "orders", history.orders),
    Route("GET", "/wapi/v1/history/funding", "fills", history.funding),
)


class RestFront:
    """Answers REST requests."""

    def __init__(self, context: Context, authenticator: Authenticator, pump: Callable[[], Awaitable[None]]) -> None:
        """Serve `context`; `pump` tells every stream what a request changed."""
        self._context = context
        self._authenticator = authenticator
        self._pump = pump
        self._stopping = asyncio.Event()
        self._pool = RequestPool(
            context.options.requests_per_minute, lambda: asyncio.get_running_loop().time() * MS_PER_SECOND
        )

    def stop(self) -> None:
        """Let no answer wait any longer."""
        self._stopping.set()

    def add_to(self, app: web.Application) -> None:
        """Register every route."""
        for route in ROUTES:
            app.router.add_route(route.method, route.path, self._serve(route))

    def _serve(self, route: Route) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            half_trip_ms = self._context.options.latency_ms / 2
            await self._pause(half_trip_ms)
            response, fault = await self._act(route, request, raw)
            await self._pause(half_trip_ms)
            return await self._answer_under(fault, request, response)

        return serve

    async def _act(self, route: Route, request: web.Request, raw: bytes) -> tuple[web.Response, Fault | None]:
        """Do what the request asks, unless a fault comes first; return the answer and the fault it must pass."""
        try:
            self._pool.take()
            call = self._authenticated(route, request, raw)
        except (ApiError, TextError) as error:
            return error.response(), None
        fault = self._context.faults.take(VENUE, call.account or None, route.action) if route.action else None
        if fault is not None and fault.kind in (FaultKind.REFUSE, FaultKind.RESET):
            return web.Response(), fault
        if fault is not None and fault.kind is FaultKind.STATUS_BEFORE:
            return injected(fault.status, fault.body), None
        try:
            response = route.answer(self._context, call)
        except (ApiError, TextError) as error:
            response = error.response()
        if route.writes:
            await self._pump()
        return response, fault

    def _authenticated(self, route: Route, request: web.Request, raw: bytes) -> Call:
        """Return the parsed request with the account that signed it.

        Raises:
            ApiError: nobody we know signed it.
            TextError: its body is not JSON.
        """
        instruction = INSTRUCTIONS.get((route.method, route.path))
        if instruction is None:
            return Call(account="", query=request.query, body={})
        call = Call(account="", query=request.query, body=parse_body(raw))
        return Call(
            account=self._authenticator.account_of(request.headers, instruction, call.requests()),
            query=call.query,
            body=call.body,
        )

    async def _pause(self, pause_ms: float) -> None:
        """Let time pass, but no longer than the server lives."""
        if pause_ms > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_ms / MS_PER_SECOND):
                    await self._stopping.wait()

    async def _answer_under(self, fault: Fault | None, request: web.Request, response: web.Response) -> web.Response:
        """Let the fault do what it does to an answer."""
        if fault is None:
            return response
        match fault.kind:
            case FaultKind.DELAY_ANSWER:
                await self._pause(fault.delay_ms)
            case FaultKind.STATUS_AFTER:
                return injected(fault.status, fault.body)
            case FaultKind.LOSE_ANSWER | FaultKind.REFUSE:
                drop(request, reset=False)
            case FaultKind.RESET:
                drop(request, reset=True)
            case _:
                raise ValueError(f"{fault.kind} is not a fault of a request")
        return response
