"""What one account at Backpack can be asked: orders, fills, position, money, market, and the evidence about a write."""

from collections.abc import Callable
from typing import Final

from strategies.domain.account import Balance, ReportedPosition
from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, VenueSymbol
from strategies.domain.quote import Quote
from venues.backpack import fields as read
from venues.backpack import parse, rest
from venues.backpack.config import BackpackVenueConfig
from venues.backpack.proof import CancelEvidence, OrderEvidence, is_past
from venues.backpack.rest import BackpackRest
from venues.backpack.signing import Fields
from venues.errors import Malformed
from venues.http import Json
from venues.venue import FillReport, Now, OrderReport, WriteIdentity

_MS: Final = 1_000
_LONGEST_WINDOW_MS: Final = 60_000
"""The venue's maximum: a write that expires at some time was signed no earlier than this before it."""
_TOP_LEVELS: Final = 5
"""The smallest depth the venue offers; only the best level is used."""


class BackpackLook:
    """Reads. Every method raises `Unreachable`, `RateLimited` or `Malformed` where there is no answer."""

    def __init__(
        self,
        rest_client: BackpackRest,
        config: BackpackVenueConfig,
        symbol: Callable[[InstrumentId], VenueSymbol],
        *,
        now: Now,
    ) -> None:
        """Ask through `rest_client`; `symbol` names an instrument in the venue's words."""
        self._rest = rest_client
        self._config = config
        self._symbol = symbol
        self._now = now
        self._skew_ms = int(config.clock_skew_s * _MS)

    # --- orders and fills ------------------------------------------------------------------------------------------

    async def order(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        """Look an order up on the book, then in the last `lookup_pages` pages of the order history."""
        resting = await self._resting(instrument_id, client_order_id)
        if resting is not None:
            return resting
        ended, _ = await self._in_history(instrument_id, client_order_id, Timestamp(0))
        return ended

    async def open_orders(self, instrument_id: InstrumentId) -> list[OrderReport]:
        """Return what rests on the account, ours or not."""
        rows = await self._rest.private(rest.ORDERS_QUERY, {"symbol": self._symbol(instrument_id)})
        return [parse.order(row, instrument_id) for row in read.as_list(rows)]

    async def fills(self, instrument_id: InstrumentId, since: Timestamp) -> list[FillReport]:
        """Return every execution at or after `since`, oldest first; `Malformed` when there are more than fit."""
        # Oldest first: a fill that happens between two pages comes at the end and moves nothing.
        fields: Fields = {"symbol": self._symbol(instrument_id), "from": max(0, since - 1), "sortDirection": "Asc"}
        found: dict[str, FillReport] = {}
        for page in range(self._config.fills_pages):
            rows = await self._page(rest.FILL_HISTORY, fields, page)
            for report in (parse.fill(row, instrument_id) for row in rows):
                if report.at >= since:
                    found[report.trade_id] = report
            if len(rows) < self._config.history_page:
                return sorted(found.values(), key=lambda report: (report.at, len(report.trade_id), report.trade_id))
        raise Malformed(f"more than {len(found)} fills since {since}: not all were read")

    async def _resting(self, instrument_id: InstrumentId, client_order_id: ClientOrderId) -> OrderReport | None:
        fields: Fields = {"clientId": client_order_id, "symbol": self._symbol(instrument_id)}
        row = await self._rest.private_or_none(rest.ORDER_QUERY, fields)
        return None if row is None else parse.order(row, instrument_id)

    async def _in_history(
        self, instrument_id: InstrumentId, client_order_id: ClientOrderId, horizon: Timestamp
    ) -> tuple[OrderReport | None, bool]:
        """Search the order history back to `horizon`; say also whether it was read that far."""
        fields: Fields = {"symbol": self._symbol(instrument_id), "sortDirection": "Desc"}
        for page in range(self._config.lookup_pages):
            rows = await self._page(rest.ORDER_HISTORY, fields, page)
            reports = [parse.order(row, instrument_id) for row in rows]
            for report in reports:
                if report.client_order_id == client_order_id and report.at >= horizon:
                    return report, True
            if len(rows) < self._config.history_page or all(report.at < horizon for report in reports):
                return None, True
        return None, False

    async def _page(self, endpoint: rest.Endpoint, fields: Fields, page: int) -> list[Json]:
        size = self._config.history_page
        return read.as_list(await self._rest.private(endpoint, {**fields, "limit": size, "offset": page * size}))

    # --- evidence --------------------------------------------------------------------------------------------------

    async def order_evidence(self, write: WriteIdentity, client_order_id: ClientOrderId) -> OrderEvidence:
        """Look where an order can show, in this order: an order that ends between two looks is in the later one."""
        venue_time = await self._venue_time_if_past(write)
        horizon = Timestamp(write.expires_at - _LONGEST_WINDOW_MS - self._skew_ms)
        resting = await self._resting(write.instrument_id, client_order_id)
        if resting is not None and resting.at < horizon:
            resting = None  # an older order under the same number
        ended, searched_all = await self._in_history(write.instrument_id, client_order_id, horizon)
        fills = 0
        if ended is None:
            found = await self.fills(write.instrument_id, horizon)
            fills = sum(1 for fill in found if fill.client_order_id == client_order_id)
        return OrderEvidence(
            expires_at=write.expires_at,
            skew_ms=self._skew_ms,
            venue_time=venue_time,
            resting=resting,
            ended=ended,
            fills=fills,
            searched_all=searched_all,
        )

    async def cancel_evidence(self, write: WriteIdentity) -> CancelEvidence:
        """Count what still rests of that which a cancel was to take away."""
        venue_time = await self._venue_time_if_past(write)
        if write.client_order_id is None:
            resting = len(await self.open_orders(write.instrument_id))
        else:
            resting = int(await self._resting(write.instrument_id, write.client_order_id) is not None)
        return CancelEvidence(
            expires_at=write.expires_at, skew_ms=self._skew_ms, venue_time=venue_time, resting=resting
        )

    async def _venue_time_if_past(self, write: WriteIdentity) -> Timestamp | None:
        """Ask the venue's clock when, by our estimate, the write's window is over."""
        if not is_past(self._rest.venue_now(), write.expires_at, self._skew_ms):
            return None
        return await self._rest.server_time()

    # --- account and market ----------------------------------------------------------------------------------------

    async def balance(self) -> Balance:
        """Return money and margin of the account, which all instruments share."""
        at = self._now()
        collateral, settings, positions = await rest.all_of(
            self._rest.private(rest.COLLATERAL),
            self._rest.private(rest.ACCOUNT),
            self._rest.private_or_none(rest.POSITIONS, {}),
        )
        return parse.balance(collateral, settings, [] if positions is None else positions, at)

    async def position(self, instrument_id: InstrumentId) -> ReportedPosition:
        """Return the venue's statement; flat is said by its own 404 for the symbol, or by a list without rows."""
        symbol, at = self._symbol(instrument_id), self._now()
        answer = await self._rest.private_or_none(rest.POSITIONS, {"symbol": symbol})
        rows = [] if answer is None else read.as_list(answer)
        if not rows:
            return parse.flat(at)
        if len(rows) != 1 or read.as_object(rows[0]).get("symbol") != symbol:
            raise Malformed(f"asked for the one position in {symbol}, got {len(rows)} rows")
        return parse.position(rows[0], at)

    async def quote(self, instrument_id: InstrumentId) -> Quote:
        """Fetch the top of the book and the mark price; as old as the question, not as the answer."""
        symbol, at = self._symbol(instrument_id), self._now()
        depth, marks = await rest.all_of(
            self._rest.public("/api/v1/depth", {"symbol": symbol, "limit": _TOP_LEVELS}),
            self._rest.public("/api/v1/markPrices", {"symbol": symbol}),
        )
        bid, ask = parse.depth_top(depth)
        return Quote(bid=bid, ask=ask, mark=parse.mark_of_answer(marks, symbol), at=at, mark_at=at)
