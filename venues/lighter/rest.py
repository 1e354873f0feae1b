"""Lighter's REST calls as they are: one method a call, payloads as JSON objects, errors named."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from strategies.domain.ids import ClientOrderId
from strategies.domain.order import Lane
from venues.errors import Malformed, RateLimited, Rejected
from venues.http import Answer, HttpClient, parse_json
from venues.lighter.answers import INVALID_AUTH, TX_NOT_FOUND, judge_read, judge_write, quota_of, retry_after_s
from venues.lighter.budget import Budget
from venues.lighter.tokens import AuthTokens

TRADES_PAGE: Final = 100
"""Most rows of one page of trades."""
_ALL_PERP: Final = "perp"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET_NAMES: Final = frozenset({"authorization", "auth"})
"""Headers and fields whose values stay out of logs."""


class LighterRest:
    """The calls that trading needs, for one account."""

    def __init__(self, http: HttpClient, budget: Budget, tokens: AuthTokens, account_index: int) -> None:
        """Keep the parts; does no I/O."""
        self._http = http
        self._budget = budget
        self._tokens = tokens
        self._account = account_index
        self.rate_limited = 0

    async def markets(self) -> Mapping[str, Any]:
        """Ask for all perpetual markets with their rules and mark prices."""
        return await self._get("/api/v1/orderBookDetails", [("filter", _ALL_PERP)])

    async def market(self, market_index: int) -> Mapping[str, Any]:
        """Ask for one market's rules and mark price."""
        return await self._get("/api/v1/orderBookDetails", [("market_id", str(market_index)), ("filter", _ALL_PERP)])

    async def touch(self, market_index: int) -> Mapping[str, Any]:
        """Ask for the best orders of a book."""
        return await self._get("/api/v1/orderBookOrders", [("market_id", str(market_index)), ("limit", "1")])

    async def account(self) -> Mapping[str, Any]:
        """Ask for money, margin and positions; its budget has been paid by the caller."""
        return await self._get("/api/v1/account", [("by", "index"), ("value", str(self._account))], lane=None)

    async def next_nonce(self, key: int, lane: Lane) -> Mapping[str, Any]:
        """Ask which nonce comes next, on the lane of the write that needs it."""
        query = [("account_index", str(self._account)), ("api_key_index", str(key))]
        return await self._get("/api/v1/nextNonce", query, lane=lane)

    async def active_orders(self, key: int, market_index: int) -> Mapping[str, Any]:
        """Ask for what rests in a market."""
        query = [("account_index", str(self._account)), ("market_id", str(market_index))]
        return await self._get("/api/v1/accountActiveOrders", query, key=key)

    async def orders_by_client_id(self, key: int, ids: Sequence[ClientOrderId]) -> Mapping[str, Any]:
        """Look orders up by client id, in whatever state they are."""
        query = [("client_order_indexes", ",".join(map(str, ids))), ("account_index", str(self._account))]
        return await self._get("/api/v1/accountOrders", query, key=key)

    async def trades(self, key: int, market_index: int, cursor: str | None) -> Mapping[str, Any]:
        """Ask for one page of the account's trades in a market, newest first."""
        query = [
            ("account_index", str(self._account)),
            ("market_id", str(market_index)),
            ("sort_by", "timestamp"),
            ("sort_dir", "desc"),
            ("limit", str(TRADES_PAGE)),
        ]
        if cursor is not None:
            query.append(("cursor", cursor))
        return await self._get("/api/v1/trades", query, key=key)

    async def tx(self, tx_hash: str) -> Mapping[str, Any] | None:
        """Look a transaction up by its hash; None = the venue says that it does not know it."""
        try:
            return await self._get("/api/v1/tx", [("by", "hash"), ("value", tx_hash)])
        except Rejected as refusal:
            if refusal.code == str(TX_NOT_FOUND):
                return None
            raise

    async def send_tx(self, tx_type: int, tx_info: str) -> None:
        """Send one signed transaction; its budget has been paid by the caller.

        Raises:
            Rejected | RateLimited | OutcomeUnknown | Unreachable: as a write ends.
        """
        form = urlencode({"tx_type": str(tx_type), "tx_info": tx_info})
        answer = await self._http.write("POST", "/api/v1/sendTx", headers=_FORM, body=form)
        body = _body(answer)
        judge_write(answer.status, body, wait_s=retry_after_s(answer.headers))
        quota = quota_of(body)
        if quota is not None:
            self._budget.quota.state(quota)

    async def _get(
        self, path: str, query: Sequence[tuple[str, str]], *, key: int | None = None, lane: Lane | None = Lane.READ
    ) -> Mapping[str, Any]:
        try:
            return await self._get_once(path, query, key, lane)
        except Rejected as refusal:
            if key is None or refusal.code != str(INVALID_AUTH):
                raise
            # The token may have been made by a clock that has been set since; a fresh one tells.
            self._tokens.forget(key)
            return await self._get_once(path, query, key, lane)

    async def _get_once(
        self, path: str, query: Sequence[tuple[str, str]], key: int | None, lane: Lane | None
    ) -> Mapping[str, Any]:
        if lane is not None:
            await self._budget.read(path, lane)
        headers = {} if key is None else {"Authorization": self._tokens.token(key)}
        answer = await self._http.read("GET", path, query=query, headers=headers)
        try:
            return judge_read(answer.status, _body(answer), wait_s=retry_after_s(answer.headers))
        except RateLimited as refusal:
            self.rate_limited += 1
            self._budget.penalise_reads(refusal.retry_after_s)
            raise


def event_error(body: Mapping[str, Any]) -> str:
    """Return why a transaction did nothing, from the JSON text inside `event_info`; empty when it was fine.

    Raises:
        Malformed: the inner text is not what it should be.
    """
    text = body.get("event_info", "")
    if not text:
        return ""
    event = parse_json(text) if isinstance(text, str) else None
    if not isinstance(event, dict):
        raise Malformed("event_info is not a JSON object")
    error = event.get("ae", "")
    return error if isinstance(error, str) else json.dumps(error, default=str)


def _body(answer: Answer) -> Any:
    """Return the body as JSON, or None when it is none: what that means depends on who asked."""
    try:
        return parse_json(answer.text)
    except Malformed:
        return None
