"""Asking what became of things: one write, one order, all fills since a moment."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp
from strategies.domain.order import Lane
from venues.errors import Malformed, RateLimited, Rejected, Unreachable
from venues.lighter.config import LighterVenueConfig
from venues.lighter.parse import TxRecord, field, parse_next_nonce, parse_orders, parse_trades, parse_tx
from venues.lighter.proof import Observations, TxStatus, judge
from venues.lighter.rest import LighterRest, event_error
from venues.lighter.stream import LighterStream
from venues.venue import Certainty, FillReport, Now, OrderReport, Verdict, WriteIdentity, WriteKind

_MOST_PAGES: Final = 500
"""50,000 trades. A history that does not end is an answer we cannot use, not one to cut short."""
_MS_PER_S: Final = 1000
_BLOCK_CLOCK_LAG_MS: Final = 60_000
"""How far a trade's time may lie before the order that made it: three times what has been seen."""
_NOT_KNOWN: Final = TxRecord(TxStatus.UNKNOWN, "")
_NO_ANSWER: Final = (Unreachable, Malformed, RateLimited, Rejected)


class Inquiry:
    """Looks things up for one account. Remembers since when a nonce was seen used, because look-ups may trail it."""

    def __init__(
        self,
        config: LighterVenueConfig,
        rest: LighterRest,
        stream: LighterStream,
        account_index: int,
        key: int,
        markets: Mapping[int, InstrumentId],
        *,
        taken_by: Callable[[int, int], str | None],
        now: Now,
    ) -> None:
        """Keep the parts; does no I/O. `taken_by` names the hash that the venue took under a key's doubtful nonce."""
        self._config = config
        self._rest = rest
        self._stream = stream
        self._account = account_index
        self._key = key
        self._markets = dict(markets)
        self._index = {instrument_id: market for market, instrument_id in markets.items()}
        self._taken_by = taken_by
        self._now = now
        self._passed_at: dict[tuple[int, int], Timestamp] = {}

    async def investigate(self, write: WriteIdentity) -> Verdict:
        """Gather what can be seen of a write, and judge it.

        The nonce is asked first and the rest after it: a look-up answered before the venue ran the transaction, beside
        a nonce answered after it, would call a write dead that happened.

        Raises:
            Unreachable | Malformed | RateLimited: nothing could be seen.
        """
        seen = self._from_stream(write)
        if seen.order_known or seen.fenced:
            return self._forget_if_proven(write, judge(seen))
        next_nonce = await self._next_nonce(write)
        # What an answer does not know was unknown when it was asked for, however long the answer took.
        asked_at = self._now()
        tx, order, fills = await asyncio.gather(
            self._tx(write), self._order_of(write), self._fills_of(write), return_exceptions=True
        )
        for answer in (tx, order, fills):
            if isinstance(answer, BaseException) and not isinstance(answer, _NO_ANSWER):
                raise answer
        if isinstance(tx, BaseException) and isinstance(order, BaseException):
            raise tx if not isinstance(tx, Rejected) else Malformed(f"refused: {tx}")
        seen = seen._replace(now=asked_at, next_nonce=next_nonce)
        if not isinstance(tx, BaseException) and tx is not None:
            seen = seen._replace(tx=tx.status, tx_error=tx.error)
        if not isinstance(order, BaseException):
            seen = seen._replace(order=order or seen.order, order_missing=order is None)
        if not isinstance(fills, BaseException):
            seen = seen._replace(filled=seen.filled or fills > 0, fills_missing=fills == 0)
        return self._forget_if_proven(write, judge(seen._replace(nonce_passed_for_s=self._passed_for_s(seen))))

    async def order(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        """Look one order up by our id; of several under a re-used id, the newest."""
        body = await self._rest.orders_by_client_id(self._key, [client_order_id])
        reports = [
            report
            for report in parse_orders(field(body, "orders", list), self._markets)
            if report.client_order_id == client_order_id and report.instrument_id == instrument_id
        ]
        return max(reports, key=lambda report: report.at, default=None)

    async def open_orders(self, instrument_id: InstrumentId) -> list[OrderReport]:
        """Return what rests in a market."""
        market = self._index[instrument_id]
        body = await self._rest.active_orders(self._key, market)
        return parse_orders(field(body, "orders", list), {market: instrument_id})

    async def fills(self, instrument_id: InstrumentId, since: Timestamp) -> list[FillReport]:
        """Return every execution at or after `since`, oldest first, from as many pages as it takes."""
        market = self._index[instrument_id]
        found: dict[str, FillReport] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            body = await self._rest.trades(self._key, market, cursor)
            # An empty page may come as null; that is the venue's way of saying none.
            rows: Sequence[Any] = body["trades"] if isinstance(body.get("trades"), list) else _none(body)
            page = parse_trades(rows, self._account, {market: instrument_id})
            found.update({report.trade_id: report for report in page if report.at >= since})
            cursor = body.get("next_cursor") or None
            if cursor is None or not page or max(report.at for report in page) < since:
                return sorted(found.values(), key=lambda report: (report.at, _trade_number(report)))
            if not isinstance(cursor, str):
                raise Malformed("next_cursor is not text")
        raise Malformed(f"the trades since {since} do not end after {_MOST_PAGES} pages")

    def _from_stream(self, write: WriteIdentity) -> Observations:
        order, filled = None, False
        if write.client_order_id is not None:
            order = self._stream.orders.find(write.instrument_id, write.client_order_id)
            filled = self._stream.trades.knows(write.instrument_id, write.client_order_id)
        return Observations(
            now=self._now(),
            write=write,
            clock_skew_s=self._config.clock_skew_s,
            lookup_lag_s=self._config.lookup_lag_s,
            order=order,
            filled=filled,
            clock_offset_s=self._stream.clock_offset_least_s,
            nonce_fence=self._config.nonce_fence,
            nonce_taken_by=self._holder_of(write),
        )

    def _holder_of(self, write: WriteIdentity) -> str | None:
        if write.api_key_index is None or write.nonce is None:
            return None
        return self._taken_by(write.api_key_index, write.nonce)

    async def _next_nonce(self, write: WriteIdentity) -> int | None:
        if write.api_key_index is None or write.nonce is None:
            return None
        try:
            return parse_next_nonce(await self._rest.next_nonce(write.api_key_index, Lane.READ))
        except _NO_ANSWER:
            return None  # the other observations may prove enough

    async def _tx(self, write: WriteIdentity) -> TxRecord | None:
        if write.tx_hash is None:
            return None
        body = await self._rest.tx(write.tx_hash)
        return _NOT_KNOWN if body is None else parse_tx(body, event_error(body))

    async def _order_of(self, write: WriteIdentity) -> OrderReport | None:
        if write.client_order_id is None or write.kind not in {WriteKind.ORDER, WriteKind.CANCEL}:
            return None
        return await self.order(write.instrument_id, write.client_order_id)

    async def _fills_of(self, write: WriteIdentity) -> int:
        """Return how many executions carry the write's client id."""
        if write.client_order_id is None or write.kind is not WriteKind.ORDER:
            return 0
        # The venue's block clock may precede the order's own submission by up to 20 s.
        since = Timestamp(write.prepared_at - _BLOCK_CLOCK_LAG_MS)
        fills = await self.fills(write.instrument_id, since)
        return sum(fill.client_order_id == write.client_order_id for fill in fills)

    def _passed_for_s(self, seen: Observations) -> float:
        """Return for how long we have known that the venue is past this write's nonce."""
        write = seen.write
        if not seen.nonce_passed or write.api_key_index is None or write.nonce is None:
            return 0.0
        since = self._passed_at.setdefault((write.api_key_index, write.nonce), seen.now)
        return (seen.now - since) / _MS_PER_S

    def _forget_if_proven(self, write: WriteIdentity, verdict: Verdict) -> Verdict:
        if verdict.certainty is not Certainty.OPEN and write.api_key_index is not None and write.nonce is not None:
            self._passed_at.pop((write.api_key_index, write.nonce), None)
        return verdict


def _none(body: Mapping[str, Any]) -> Sequence[Any]:
    if "trades" not in body or body["trades"] is not None:
        raise Malformed("trades is missing or no list")
    return ()


def _trade_number(report: FillReport) -> int:
    return int(report.trade_id.partition(":")[0])
