"""Orders that have been without a row at the venue for longer than any write can live: they get an end or a name.

Asking for ever in silence is neither. What the venue states as executed, and what then neither rests nor has fills that
we have not seen, has ended. Everything else is called *too old*, by order and with what was seen last; the account's
entries stop and a person is called.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from actors.account.book import Book
from actors.account.ledger import Ledger
from actors.account.spec import AccountTuning
from actors.account.state import OrderRecord
from actors.journal.protocol import Entry
from actors.meter import Meter
from strategies.domain.ids import OrderId, Timestamp
from venues.venue import FillReport, Now, Venue, WriteIdentity

_log = structlog.get_logger(__name__)

_MS = 1_000


class OldOrders:
    """Keeps the orders that are too old, and why."""

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        tuning: AccountTuning,
        *,
        meter: Meter,
        now: Now,
        freeze: Callable[[str], None],
        on_fill: Callable[[FillReport], Awaitable[None]],
    ) -> None:
        """Wire the parts; `freeze` stops the account's entries, `on_fill` folds an execution."""
        self._ledger = ledger
        self._venue = venue
        self._tuning = tuning
        self._meter = meter
        self._now = now
        self._freeze = freeze
        self._on_fill = on_fill
        self._gone_at: dict[OrderId, Timestamp] = {}
        """Since when an order that the venue has executed has been seen not to rest."""
        self._looked: tuple[str, Timestamp] | None = None
        """Who has looked at the venue's page, and when."""
        self.named: dict[OrderId, str] = {}
        """The orders that a person has to look at, with what was seen last."""

    @property
    def bound_s(self) -> float:
        """Return the age from which an order without a row is too old, seconds: no write lives as long."""
        capabilities = self._venue.capabilities
        return capabilities.write_life_s + capabilities.clock_skew_s + self._tuning.too_old_margin_s

    async def looked_in_vain(self, record: OrderRecord, identity: WriteIdentity, seen: str, *, executed: bool) -> None:
        """Judge an order of which the venue has just shown no row.

        Args:
            record: the order.
            identity: its write.
            seen: what the look brought, in words.
            executed: the venue states that the write was executed.

        Raises:
            Unreachable | Malformed | RateLimited | Rejected: as a read.
        """
        age_s = (self._now() - identity.prepared_at) / _MS
        if age_s <= self.bound_s:
            return
        if executed and await self._concluded(record, identity, seen):
            return
        if self._looked is not None and identity.prepared_at <= self._looked[1]:
            await self._end(record.request.order_id, seen, self._looked[0])
            return
        self._name(record.request.order_id, age_s, seen)

    async def settle(self, by: str) -> None:
        """End every order that has a name, on a person's word: `by` has looked at the venue's page.

        None of them can land any more. A fill that shows up later all the same is folded, as any late fill is.
        """
        # The word may come before this life has looked at them: it holds for every order that was sent before it.
        self._looked = (by, self._now())
        for order_id, seen in list(self.named.items()):
            await self._end(order_id, seen, by)

    async def _end(self, order_id: OrderId, seen: str, by: str) -> None:
        proof = f"{by} has looked at the venue; last seen: {seen}"
        await self._ledger.commit(partial(_concluded_by, order_id=order_id, proof=proof, at=self._now()))
        self.forget(order_id)

    def forget(self, order_id: OrderId) -> None:
        """Note that the order has ended, or has shown itself."""
        self._gone_at.pop(order_id, None)
        if self.named.pop(order_id, None) is not None:
            _log.warning("order_no_longer_too_old", order_id=order_id)

    async def _concluded(self, record: OrderRecord, identity: WriteIdentity, seen: str) -> bool:
        """End an order that was executed, does not rest, and whose fills have all been read. False = it rests."""
        order_id = record.request.order_id
        resting = await self._venue.open_orders(identity.instrument_id)
        shown = next((row for row in resting if row.client_order_id == record.client_order_id), None)
        if shown is not None:
            self._gone_at.pop(order_id, None)
            await self._ledger.commit(lambda book: book.decide_order_report(shown, self._now()))
            return True
        gone_at = self._gone_at.setdefault(order_id, self._now())
        if self._now() - gone_at < self._tuning.conclude_after_s * _MS:
            return True
        # Read after it was seen not to rest, and from before it was signed: no fill of it can be missing.
        since = Timestamp(max(0, identity.prepared_at - int(self._tuning.fills_overlap_s * _MS)))
        for fill in await self._venue.fills(identity.instrument_id, since):
            await self._on_fill(fill)
        proof = f"{seen}; it does not rest, and every fill since it was signed has been read"
        await self._ledger.commit(lambda book: book.decide_concluded(order_id, proof, self._now()))
        return True

    def _name(self, order_id: OrderId, age_s: float, seen: str) -> None:
        known = order_id in self.named
        self.named[order_id] = seen
        if known:
            return
        self._meter.count("orders_too_old")
        reason = (
            f"order {order_id} is too old: after {age_s:.0f} s the venue shows neither that it did anything nor that "
            f"it never can ({seen}). Look at the venue's own page"
        )
        _log.critical("order_too_old", order_id=order_id, age_s=age_s, seen=seen)
        self._freeze(reason)


def _concluded_by(book: Book, *, order_id: OrderId, proof: str, at: Timestamp) -> list[Entry]:
    return book.decide_concluded(order_id, proof, at)
