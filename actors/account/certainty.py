"""How long it takes until the outcome of an order is certain, measured from the account's own facts."""

from collections.abc import Iterable, Sequence

from actors.account.entries import EntryKind
from actors.account.state import OrderRecord
from actors.actor import NumberedFact
from actors.journal.protocol import Entry
from actors.meter import Meter
from strategies.domain.events import (
    AccountEvent,
    Filled,
    OrderAccepted,
    OrderClosed,
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
)
from strategies.domain.ids import OrderId, Timestamp
from strategies.domain.order import OrderStatus

_MS = 1_000


class CertaintyClock:
    """Runs once for every order that leaves. Proof is what the venue says: taken, filled, refused, dead."""

    def __init__(self, meter: Meter) -> None:
        """Measure into this meter; no order is on its way."""
        self._meter = meter
        self._left_at: dict[OrderId, Timestamp] = {}
        self._doubt_since: dict[OrderId, Timestamp] = {}

    def resume(self, records: Iterable[OrderRecord]) -> None:
        """Take over the orders of an earlier life whose outcome is open: their clock has not stopped."""
        for record in records:
            if record.prepared is not None and record.status is OrderStatus.SUBMITTED:
                self._left_at[record.request.order_id] = record.prepared.prepared_at
            if record.doubt_since is not None:
                self._doubt_since[record.request.order_id] = record.doubt_since

    def note(self, entries: Sequence[Entry]) -> None:
        """Follow what has become durable."""
        for entry in entries:
            if entry.kind == EntryKind.FACT:
                fact = entry.meaning
                read = fact if isinstance(fact, NumberedFact) else NumberedFact.model_validate_json(entry.body)
                self._follow(read.event)

    def _follow(self, event: AccountEvent) -> None:
        match event:
            case OrderSubmitted(order_id=order_id, at=at):
                self._left_at.setdefault(order_id, at)
            case OrderOutcomeUnknown(order_id=order_id, at=at):
                self._doubt_since.setdefault(order_id, at)
            case Filled(fill=fill, at=at) if fill.order_id is not None:
                self._certain(fill.order_id, at)
            case (
                OrderAccepted(order_id=order_id, at=at)
                | OrderRejected(order_id=order_id, at=at)
                | OrderClosed(order_id=order_id, at=at)
            ):
                self._certain(order_id, at)
            case OrderDenied(order_id=order_id):
                # It came back unsent, and we thought better of it: there is nothing to be certain of.
                self._left_at.pop(order_id, None)
                self._doubt_since.pop(order_id, None)
            case _:
                pass

    def _certain(self, order_id: OrderId, at: Timestamp) -> None:
        left_at = self._left_at.pop(order_id, None)
        if left_at is not None:
            # Every order: from its identity on the disk, just before its first byte leaves.
            self._meter.observe("order_certainty", max(0, at - left_at) / _MS)
        doubt_since = self._doubt_since.pop(order_id, None)
        if doubt_since is not None:
            # Of those, the ones whose answer was lost: from the doubt, whichever way the proof came.
            self._meter.observe("certainty", max(0, at - doubt_since) / _MS)
