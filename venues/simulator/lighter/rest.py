"""The REST routes: one table of paths, and the way every request goes: limits, token, fault, handler, answer."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from aiohttp import web

from venues.simulator.lighter import rest_account, rest_market, rest_transactions
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.clock import VENUE
from venues.simulator.lighter.errors import CODE_OK, ApiRefusal, Code
from venues.simulator.lighter.faulting import answer_under
from venues.simulator.lighter.payloads import Json
from venues.simulator.lighter.requests import Query, token_of

_Response = TypeVar("_Response", bound=web.StreamResponse)
Handler = Callable[[Backend, Query, int | None], Json]
"""Answers one GET: the query and the account it is about → the body without its code."""


class Auth(Enum):
    """Whether a call needs a token."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Route:
    """One GET call. `actions` are the words that faults name it by; `account` is the parameter with its account."""

    path: str
    handler: Handler
    actions: tuple[str, ...]
    auth: Auth = Auth.NONE
    account: str | None = None
    enveloped: bool = True


ROUTES = (
    Route("/", rest_market.status, ("markets",), enveloped=False),
    Route("/info", rest_market.info, ("markets",), enveloped=False),
    Route("/api/v1/orderBooks", rest_market.order_books, ("markets",)),
    Route("/api/v1/orderBookDetails", rest_market.order_book_details, ("markets",)),
    Route("/api/v1/orderBookOrders", rest_market.order_book_orders, ("markets",)),
    Route("/api/v1/recentTrades", rest_market.recent_trades, ("markets",)),
    Route("/api/v1/funding-rates", rest_market.funding_rates, ("markets",)),
    Route("/api/v1/fundings", rest_market.fundings, ("markets",)),
    Route("/api/v1/exchangeStats", rest_market.exchange_stats, ("markets",)),
    Route("/api/v1/trades", rest_account.trades, ("fills",), Auth.OPTIONAL, "account_index"),
    Route("/api/v1/account", rest_account.account, ("position", "balance"), account="value"),
    Route("/api/v1/accountsByL1Address", rest_account.accounts_by_l1_address, ("balance",)),
    Route("/api/v1/apikeys", rest_account.api_keys, ("nonce",), account="account_index"),
    Route("/api/v1/nextNonce", rest_account.next_nonce, ("nonce",), account="account_index"),
    Route("/api/v1/accountActiveOrders", rest_account.active_orders, ("orders",), Auth.TOKEN, "account_index"),
    Route("/api/v1/accountInactiveOrders", rest_account.inactive_orders, ("orders",), Auth.TOKEN, "account_index"),
    Route("/api/v1/accountOrders", rest_account.orders_by_client_index, ("order_lookup",), Auth.TOKEN, "account_index"),
    Route("/api/v1/positionFunding", rest_account.position_funding, ("balance",), Auth.OPTIONAL, "account_index"),
    Route("/api/v1/liquidations", rest_account.liquidations, ("position",), Auth.TOKEN, "account_index"),
    Route("/api/v1/accountLimits", rest_account.account_limits, ("balance",), Auth.TOKEN, "account_index"),
    Route("/api/v1/tx", rest_account.transaction, ("tx",)),
    Route("/api/v1/accountTxs", rest_account.account_transactions, ("tx",), Auth.TOKEN, "value"),
)


class RestApi:
    """Answers REST requests."""

    def __init__(self, backend: Backend) -> None:
        """Answer from this backend."""
        self._backend = backend

    def add_to(self, app: web.Application) -> None:
        """Register every route."""
        for route in ROUTES:
            app.router.add_get(route.path, self._get(route))
        for path in rest_transactions.PATHS:
            app.router.add_post(path, self._post)

    def _get(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answered(lambda: self._read(request, route))

        return handle

    async def _post(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(lambda: self._send(request))

    @staticmethod
    async def _answered(work: Callable[[], Awaitable[_Response]]) -> _Response | web.Response:
        try:
            return await work()
        except ApiRefusal as refusal:
            return json_response(refusal.body(), refusal.status)

    async def _read(self, request: web.Request, route: Route) -> web.StreamResponse:
        backend = self._backend
        query = Query(request.query)
        account = await self._account(request, query, route)
        source = request.remote or "" if account is None else f"account:{account}"
        backend.limiter.request(source, route.path, backend.now())
        name = None if account is None else str(account)
        fault = next((f for f in (backend.faults.take(VENUE, name, word) for word in route.actions) if f), None)

        async def execute() -> web.Response:
            body = route.handler(backend, query, account)
            return json_response({"code": CODE_OK, **body} if route.enveloped else body)

        return await answer_under(fault, request, lambda: self._answered(execute))

    async def _account(self, request: web.Request, query: Query, route: Route) -> int | None:
        """Return the account a call is about, after checking that its token (if it needs one) is that account's.

        Raises:
            ApiRefusal: no token where one is needed, a token that is no good, or one of another account.
        """
        named = _named_account(query, route)
        raw = token_of(request)
        private = named is not None and route.path in _PRIVATE
        needs = route.auth is Auth.TOKEN or private
        if not needs and (raw is None or route.auth is Auth.NONE):
            return named
        owner = await self._backend.gate.account_of(raw, self._backend.now(), route.path)
        if named is not None and named != owner:
            raise ApiRefusal(Code.INVALID_AUTH, "the token is another account's")
        return owner if route.auth is Auth.TOKEN else named

    async def _send(self, request: web.Request) -> web.StreamResponse:
        backend = self._backend
        batch = rest_transactions.parse_form(await request.post(), request.path, backend.chain_id)
        account = batch[0].account_index
        backend.limiter.transactions(f"account:{account}", len(batch), backend.now())
        fault = rest_transactions.take_fault(backend, batch)

        async def execute() -> web.Response:
            accepted = await backend.submitter.submit(batch)
            await backend.pump()
            body = accepted.body(batch=request.path == rest_transactions.BATCH_PATH)
            return json_response({**body, "message": accepted.message})

        return await answer_under(fault, request, lambda: self._answered(execute))


_PRIVATE = frozenset({"/api/v1/trades"})
"""Calls that are public, but need a token when they are about an account."""


def _named_account(query: Query, route: Route) -> int | None:
    if route.account is None or (route.account == "value" and query.text("by") == "l1_address"):
        return None
    return query.number(route.account)


def json_response(body: Json, status: int = 200) -> web.Response:
    """Return a body as JSON."""
    return web.Response(status=status, text=json.dumps(body, separators=(",", ":")), content_type="application/json")
