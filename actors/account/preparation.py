"""Makes a waiting write ready to leave: what it is says what the venue's client is asked to sign.

A cancel ends here what has not left yet; a single order that is ended so needs nothing sent any more.
"""

from functools import partial

from actors.account.book import Book
from actors.account.entries import OwnWrite
from actors.account.ledger import Ledger
from actors.journal.protocol import Entry
from strategies.domain.commands import SetLeverage
from strategies.domain.ids import InstrumentId, OrderId, Timestamp
from strategies.domain.order import Lane
from venues.venue import Now, PreparedWrite, Venue


class Preparation:
    """Prepares the writes of one account."""

    def __init__(self, ledger: Ledger, venue: Venue, instrument_id: InstrumentId, *, now: Now) -> None:
        """Join the account's memory and its venue."""
        self._ledger = ledger
        self._venue = venue
        self._instrument_id = instrument_id
        self._now = now

    async def prepare(self, key: str) -> PreparedWrite | None:
        """Sign one write of the book; None when there is nothing left to send, which is settled then.

        Raises:
            Rejected: it cannot be expressed at this venue.
            Unreachable: the venue had to be asked and did not answer.
        """
        book = self._ledger.book
        record = book.order(OrderId(key))
        if record is not None:
            return await self._venue.prepare_order(record.request, record.client_order_id)
        other = book.state.others.get(key)
        if other is None:
            return None
        if other.cancel_order is not None:
            return await self._prepare_cancel(key, other.cancel_order)
        if other.own is not None:
            return await self._prepare_own(key, other.own)
        if isinstance(other.command, SetLeverage):
            return await self._venue.prepare_leverage(other.command.instrument_id, other.command.leverage)
        await self._take_back_unsent()
        return await self._venue.prepare_cancel_all(self._instrument_id)

    async def _prepare_own(self, key: str, own: OwnWrite) -> PreparedWrite | None:
        if own.order_id is None:
            return await self._venue.prepare_switch(self._instrument_id, own.due_at, own.lane)
        doubtful = self._ledger.book.order(own.order_id)
        identity = doubtful.prepared if doubtful is not None and doubtful.doubt_since is not None else None
        write = None if identity is None else await self._venue.prepare_fence(identity, own.due_at, own.lane)
        if write is None:
            await self._ledger.commit(lambda book: book.decide_settled(key, "nothing to fence", self._now()))
        return write

    async def _take_back_unsent(self) -> None:
        """What waits here is not at the venue yet: whoever cancels everything does not want it to open anything later.

        Exits stay: the way out may stand right behind the cancel in the same message.
        """
        for record in self._ledger.book.waiting():
            request = record.request
            if request.reduce_only and request.lane is Lane.EXIT:
                continue
            await self._ledger.commit(partial(_deny_unsent, order_id=request.order_id, at=self._now()))

    async def _prepare_cancel(self, key: str, order_id: OrderId) -> PreparedWrite | None:
        target = self._ledger.book.order(order_id)
        if target is None or target.status.is_terminal:
            await self._ledger.commit(lambda book: book.decide_settled(key, "nothing to cancel", self._now()))
            return None
        if target.prepared is None:
            await self._ledger.commit(lambda book: self._decide_cancel_unsent(book, key, order_id))
            return None
        return await self._venue.prepare_cancel(target.request.instrument_id, target.client_order_id)

    def _decide_cancel_unsent(self, book: Book, key: str, order_id: OrderId) -> list[Entry]:
        denied = _deny_unsent(book, order_id=order_id, at=self._now())
        return denied + book.decide_settled(key, "canceled before it was sent", self._now())


def _deny_unsent(book: Book, *, order_id: OrderId, at: Timestamp) -> list[Entry]:
    return book.decide_denied(order_id, "canceled", "canceled before it was sent", at)
