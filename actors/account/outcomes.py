"""Writes down what has become of a write that was to leave: of an order in its record, of others in what they were for.

Decides nothing about what is sent next. Unknown is an outcome, too: such an order stays in flight.
"""

from collections.abc import Callable

import structlog

from actors.account.book import Book
from actors.account.ledger import Ledger
from actors.account.memory import DONE
from actors.journal.protocol import Entry
from actors.meter import Meter
from strategies.domain.commands import CancelAllOrders, SetLeverage
from strategies.domain.ids import OrderId
from venues.errors import Rejected
from venues.venue import Now, WriteIdentity

_log = structlog.get_logger(__name__)


class Outcomes:
    """The outcomes of one account's writes."""

    def __init__(self, ledger: Ledger, *, meter: Meter, now: Now, on_unknown: Callable[[WriteIdentity], None]) -> None:
        """Write into the ledger; `on_unknown` gets a write without an answer that is no order."""
        self._ledger = ledger
        self._meter = meter
        self._now = now
        self._on_unknown = on_unknown

    async def accepted(self, key: str) -> None:
        """Take the venue's word that it has the write."""
        if self._ledger.book.order(OrderId(key)) is None:
            await self._settle(key, "")
            return
        await self._ledger.commit(lambda book: book.decide_accepted(OrderId(key), self._now()))

    async def rejected(self, key: str, error: Rejected) -> None:
        """Take the venue's word that it does not take the write."""
        if self._ledger.book.order(OrderId(key)) is None:
            await self._settle(key, str(error))
            return
        self._meter.count("orders_rejected")
        await self._ledger.commit(
            lambda book: book.decide_rejected(OrderId(key), error.code, error.detail, self._now())
        )

    async def denied(self, key: str, error: Rejected) -> None:
        """Note that the write cannot even be expressed: an order is denied, another write is settled as refused."""
        self._meter.count("orders_denied")
        if self._ledger.book.order(OrderId(key)) is None:
            await self._settle(key, str(error))
            return
        await self._ledger.commit(lambda book: book.decide_denied(OrderId(key), error.code, error.detail, self._now()))

    async def unknown(self, key: str, reason: str) -> None:
        """Note that no answer came that could be read."""
        self._meter.count("outcomes_unknown")
        if self._ledger.book.order(OrderId(key)) is None:
            # What a cancel did shows in the orders' own ends; a leverage is observed anew. Neither is sent again here.
            other = self._ledger.book.state.others.get(key)
            if other is not None and other.identity is not None:
                self._on_unknown(other.identity)
            await self._settle(key, f"outcome unknown: {reason}")
            return
        await self._ledger.commit(lambda book: book.decide_doubt(OrderId(key), reason, self._now()))

    async def _settle(self, key: str, refusal: str) -> None:
        """End a write that is no order, and tell what follows for whoever asked for it."""
        other = self._ledger.book.state.others.get(key)
        if other is None:
            return
        command = other.command

        def decide(book: Book) -> list[Entry]:
            entries = book.decide_settled(key, refusal or DONE, self._now())
            if isinstance(command, SetLeverage):
                entries += book.decide_leverage(None if refusal else command.leverage, refusal, self._now())
            return entries

        if isinstance(command, CancelAllOrders) and refusal:
            _log.warning("cancel_all_failed", reason=refusal)
        if other.own is not None and refusal:
            _log.warning("own_write_failed", kind=other.own.kind, reason=refusal)
        await self._ledger.commit(decide)
