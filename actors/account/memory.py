"""What an account knows: its orders, positions and promises, as its journal's entries add up to them.

Pure: no I/O, no clock. `apply` folds one entry and nothing else changes the state, so a restart that applies the
journal ends in the same state.
"""

from decimal import Decimal

from actors.account.entries import (
    BaselineBody,
    ClientIds,
    EntryKind,
    NoncesBody,
    OwnBody,
    PreparedBody,
    SettledBody,
    TakenBody,
    read_body,
)
from actors.account.state import BookState, OrderRecord, OtherWrite
from actors.actor import Message, NumberedFact
from actors.journal.protocol import Entry
from actors.mailbox import SenderMark
from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelOrder, SubmitOrder
from strategies.domain.events import (
    AccountModeChanged,
    Filled,
    LeverageRefused,
    LeverageSet,
    OrderAccepted,
    OrderClosed,
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
    PositionAdjusted,
)
from strategies.domain.ids import AccountId, ClientOrderId, InstrumentId, OrderId, Timestamp, VenueOrderId
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest, OrderStatus, advance
from strategies.domain.position import Fill, Position
from venues.venue import OrderReport, WriteIdentity

MAX_FINISHED_ORDERS = 5_000
"""Finished orders kept at hand for late reports; the journal keeps them all."""
MAX_TRADE_IDS = 50_000
"""Trade ids kept per instrument to recognise a fill that comes again."""
DONE = "done"
"""The outcome of another write that the venue took."""


class Memory:
    """One account's state, and what one looks up in it."""

    def __init__(self, account: AccountId, state: BookState | None = None) -> None:
        """Start empty, or from a snapshot's state."""
        self.account = account
        self.state = state or BookState()
        self._by_client_id: dict[ClientOrderId, OrderId] = {
            record.client_order_id: order_id for order_id, record in self.state.orders.items()
        }
        self._open = {key: record for key, record in self.state.orders.items() if not record.status.is_terminal}
        """The orders that have not ended: what is asked for at every report must not search all that ever were."""
        self._by_venue_id: dict[VenueOrderId, OrderId] = {}
        """For fills that name only the venue's id. Not durable: every report tells it again. Goes with its order."""
        self._closing: dict[OrderId, tuple[OrderReport, str]] = {}
        """Ends that the venue told of while fills were still missing. Not durable: a look-up tells them again."""
        self._behind: dict[OrderId, OrderReport] = {}
        """Open orders of which the venue says that more was executed than we have seen fills for. Not durable, too."""

    # --- reading ------------------------------------------------------------------------------------------------

    def order(self, order_id: OrderId) -> OrderRecord | None:
        """Return one order of ours."""
        return self.state.orders.get(order_id)

    def in_flight(self) -> list[OrderRecord]:
        """Return the orders that may be at the venue and have not ended there."""
        return [record for record in self._open.values() if record.in_flight]

    def moving(self) -> list[OrderRecord]:
        """Return the orders that may move the position now: all in flight but stops that wait for their price."""
        return [record for record in self._open.values() if record.is_moving]

    def stops(self) -> list[OrderRecord]:
        """Return the account's own stops that have not ended, oldest first."""
        return [record for record in self._open.values() if record.protects]

    def waiting(self) -> list[OrderRecord]:
        """Return the orders that were taken and have no signed write yet."""
        return [record for record in self._open.values() if record.prepared is None]

    def pending_writes(self) -> list[WriteIdentity]:
        """Return the identities of all writes whose outcome is open."""
        orders = [record.prepared for record in self._open.values() if record.prepared is not None]
        others = [w.identity for w in self.state.others.values() if w.identity is not None]
        return orders + others

    def believed(self, instrument_id: InstrumentId) -> Decimal:
        """Return what baseline and fills add up to, base units, signed."""
        held = self.state.positions.get(instrument_id)
        return ZERO if held is None else held.quantity

    def missing_fills(self) -> dict[OrderId, OrderReport]:
        """Return the venue's word on orders of which more was executed than we have seen fills for."""
        ended = {order_id: report for order_id, (report, _) in self._closing.items()}
        return {**self._behind, **ended} if self._behind else ended

    def settled(self, instrument_id: InstrumentId) -> bool:
        """Say whether nothing that could move the position is under way."""
        busy = (r for r in self._open.values() if r.is_moving and r.request.instrument_id == instrument_id)
        return next(busy, None) is None and not self._closing and not self._behind

    def at_rest(self) -> bool:
        """Say whether all that is under way rests at the venue, by its own word, and owes us no fill."""
        known = all(r.status is not OrderStatus.SUBMITTED and r.doubt_since is None for r in self.moving())
        return known and not self._closing and not self._behind

    def owns(self, client_order_id: int | None) -> bool:
        """Say whether the venue's client order id is one that this journal allocated."""
        ids = self.state.client_ids
        return client_order_id is not None and ids is not None and ids.owns(client_order_id)

    # --- folding ------------------------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> None:
        """Fold one journal entry: by what was decided when that is at hand, else by what can be read."""
        body = entry.meaning if entry.meaning is not None else read_body(entry)
        match body:
            case ClientIds():
                self.state.client_ids = body
            case TakenBody():
                self._apply_taken(body, entry.at)
            case OwnBody():
                self._apply_own(body, entry.at)
            case PreparedBody():
                self._apply_prepared(body)
            case SettledBody() if entry.kind == EntryKind.DISCARDED:
                self._apply_discarded(body)
            case SettledBody():
                self._apply_settled(body)
            case NoncesBody():
                self.state.nonces |= body.nonces
            case BaselineBody():
                self._apply_baseline(body, entry.at)
            case NumberedFact():
                self._apply_fact(body)

    def _apply_taken(self, body: TakenBody, at: Timestamp) -> None:
        message = body.message
        self.state.senders[body.sender] = SenderMark(epoch=body.sender_epoch, taken=message.seq, journal=body.journal)
        command = message.command
        if isinstance(command, SubmitOrder):
            self._apply_order(command.order, at)
        elif isinstance(command, CancelOrder):
            self.state.others[other_key(body.sender, message)] = OtherWrite(cancel_order=command.order_id, taken_at=at)
        else:
            self.state.others[other_key(body.sender, message)] = OtherWrite(command=command, taken_at=at)

    def _apply_order(self, request: OrderRequest, at: Timestamp) -> None:
        ids = self.state.client_ids
        if ids is None:
            raise AssertionError("client order ids are fixed before the first command is taken")
        order_id = request.order_id
        if order_id in self.state.orders:
            return
        client_order_id = ids.at(ids.count)
        self.state.client_ids = ids.model_copy(update={"count": ids.count + 1})
        record = OrderRecord(request=request, client_order_id=client_order_id, taken_at=at)
        self.state.orders[order_id] = self._open[order_id] = record
        self._by_client_id[client_order_id] = order_id
        self._forget_old_orders()

    def _apply_own(self, body: OwnBody, at: Timestamp) -> None:
        self.state.own_seq += 1
        if body.order is not None:
            self._apply_order(body.order, at)
        else:
            self.state.others[body.key] = OtherWrite(cancel_order=body.cancel_order, own=body.write, taken_at=at)

    def _apply_settled(self, body: SettledBody) -> None:
        other = self.state.others.pop(body.key, None)
        if other is not None and other.own is not None and body.outcome == DONE:
            self.state.switch_due_at = other.own.due_at

    def _apply_prepared(self, body: PreparedBody) -> None:
        identity = body.identity
        if identity.api_key_index is not None and identity.nonce is not None:
            known = self.state.nonces.get(identity.api_key_index, 0)
            self.state.nonces[identity.api_key_index] = max(known, identity.nonce + 1)
        if identity.order_id is not None:
            record = self.state.orders[identity.order_id]
            record.prepared = identity
            record.signed += 1
            record.doubt_since = None
        elif body.key in self.state.others:
            self.state.others[body.key].identity = identity

    def _apply_discarded(self, body: SettledBody) -> None:
        record = self.state.orders.get(OrderId(body.key))
        if record is not None:
            record.prepared = None
            record.doubt_since = None
        elif body.key in self.state.others:
            self.state.others[body.key].identity = None

    def _apply_baseline(self, body: BaselineBody, at: Timestamp) -> None:
        self.state.baselines[body.instrument_id] = at
        self.state.trade_ids.setdefault(body.instrument_id, {}).update(dict.fromkeys(body.trade_ids, at))
        self.state.last_fill_at[body.instrument_id] = at
        self.state.positions[body.instrument_id] = Position(
            quantity=body.quantity, entry_price=body.entry_price if body.quantity != ZERO else ZERO
        )

    def _apply_fact(self, fact: NumberedFact) -> None:
        self.state.fact_seq = fact.seq
        self.state.facts.append(fact)
        match fact.event:
            case OrderSubmitted(order_id=order_id):
                self._move(order_id, OrderStatus.SUBMITTED)
            case OrderAccepted(order_id=order_id):
                self._move(order_id, OrderStatus.ACCEPTED)
                self._clear_doubt(order_id)
            case OrderOutcomeUnknown(order_id=order_id, at=at):
                self.state.orders[order_id].doubt_since = at
            case OrderDenied(order_id=order_id):
                self._move(order_id, OrderStatus.DENIED)
            case OrderRejected(order_id=order_id):
                self._move(order_id, OrderStatus.REJECTED)
            case OrderClosed(order_id=order_id, status=status):
                self._move(order_id, OrderStatus(status))
                self._closing.pop(order_id, None)
            case Filled(fill=fill):
                self._apply_fill(fill)
            case _:
                self._apply_account_fact(fact.event)

    def _apply_account_fact(self, event: PositionAdjusted | AccountModeChanged | LeverageSet | LeverageRefused) -> None:
        """Fold what is not about an order."""
        match event:
            case PositionAdjusted(instrument_id=instrument_id, after=after):
                self._apply_adjusted(instrument_id, after)
            case AccountModeChanged(mode=mode, reason=reason):
                self._apply_mode(mode, reason)
            case LeverageSet() | LeverageRefused():
                pass

    def _apply_fill(self, fill: Fill) -> None:
        seen = self.state.trade_ids.setdefault(fill.instrument_id, {})
        seen[fill.trade_id] = fill.at
        while len(seen) > MAX_TRADE_IDS:
            del seen[next(iter(seen))]
        latest = self.state.last_fill_at.get(fill.instrument_id, Timestamp(0))
        self.state.last_fill_at[fill.instrument_id] = max(latest, fill.at)
        held = self.state.positions.get(fill.instrument_id, Position())
        self.state.positions[fill.instrument_id] = held.fold(fill)
        record = self.state.orders.get(fill.order_id) if fill.order_id is not None else None
        if record is None:
            return
        record.filled += fill.quantity
        self._catch_up_with(record)
        if not record.status.is_terminal:
            record.status = advance(record.status, OrderStatus.PARTIALLY_FILLED)
        elif record.filled >= record.request.quantity and record.status in {OrderStatus.CANCELED, OrderStatus.EXPIRED}:
            record.status = OrderStatus.FILLED
        record.doubt_since = None

    def _apply_mode(self, mode: AccountMode, reason: str) -> None:
        """A freeze outlives the account's lives: DISARMED comes with each of them, only ARMED ends it."""
        if mode is AccountMode.FROZEN:
            self.state.frozen = reason
        elif mode is AccountMode.ARMED:
            self.state.frozen = ""

    def _apply_adjusted(self, told: InstrumentId | None, after: Decimal) -> None:
        # A record that does not say it is of a time when an account had one instrument: the one it began with.
        instrument_id = told if told is not None else next(iter(self.state.baselines))
        held = self.state.positions.get(instrument_id, Position())
        entry = held.entry_price if after != ZERO else ZERO
        self.state.positions[instrument_id] = held.model_copy(update={"quantity": after, "entry_price": entry})

    # --- parts --------------------------------------------------------------------------------------------------

    def _move(self, order_id: OrderId, status: OrderStatus) -> None:
        record = self.state.orders[order_id]
        if status is OrderStatus.ACCEPTED and record.status is not OrderStatus.SUBMITTED:
            return
        record.status = advance(record.status, status)
        if status.is_terminal:
            record.doubt_since = None
            self._open.pop(order_id, None)
            self._behind.pop(order_id, None)

    def _catch_up_with(self, record: OrderRecord) -> None:
        told = self._behind.get(record.request.order_id)
        if told is not None and record.filled >= told.filled:
            del self._behind[record.request.order_id]

    def _clear_doubt(self, order_id: OrderId) -> None:
        self.state.orders[order_id].doubt_since = None

    def _forget_old_orders(self) -> None:
        excess = len(self.state.orders) - MAX_FINISHED_ORDERS
        if excess <= 0:
            return
        finished = [order_id for order_id, record in self.state.orders.items() if record.status.is_terminal]
        forgotten = set(finished[:excess])
        for order_id in forgotten:
            record = self.state.orders.pop(order_id)
            self._by_client_id.pop(record.client_order_id, None)
        # Only what has ended by the venue's word is forgotten; a fill that comes even later is read as after a restart.
        self._by_venue_id = {key: each for key, each in self._by_venue_id.items() if each not in forgotten}


def other_key(sender: str, message: Message) -> str:
    """Name a write that is no order, by the message that asked for it."""
    return f"{sender}#{message.seq}"
