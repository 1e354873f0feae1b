"""The account's memory and judgement: what venue reports mean, which facts follow. Pure: no I/O, no clock.

Two kinds of methods: `decide_*` look at the state and return journal entries; `apply` folds one entry. Nothing else
changes the state, so a restart that applies the journal ends in the same state. The ledger sees to it that nobody is
told what is not yet on the disk.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Literal

from actors.account.state import (
    OWN_MARK,
    BaselineBody,
    BookState,
    ClientIds,
    EntryKind,
    NoncesBody,
    OrderRecord,
    OtherWrite,
    OwnBody,
    OwnWrite,
    PreparedBody,
    SettledBody,
    TakenBody,
)
from actors.actor import Envelope, Message, NumberedFact, Receipt
from actors.journal.protocol import Entry, Record
from actors.mailbox import SenderMark, sift
from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelOrder, SetLeverage, SubmitOrder
from strategies.domain.events import (
    AccountEvent,
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
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest, OrderStatus, advance
from strategies.domain.position import Fill, FillCause, Position
from venues.venue import FillReport, OrderReport, WriteIdentity

EndStatus = Literal["FILLED", "CANCELED", "EXPIRED"]

DONE = "done"
"""The outcome of another write that the venue took."""
MAX_FINISHED_ORDERS = 5_000
"""Finished orders kept at hand for late reports; the journal keeps them all."""
MAX_TRADE_IDS = 50_000
"""Trade ids kept per instrument to recognise a fill that comes again."""


class Book:
    """One account's state and the rules that move it."""

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
        """For fills that name only the venue's id. Not durable: every report tells it again."""
        self._closing: dict[OrderId, tuple[OrderReport, str]] = {}
        """Ends that the venue told of while fills were still missing. Not durable: a look-up tells them again."""

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

    def missing_fills(self) -> list[OrderReport]:
        """Return the venue's word on orders that ended with more executed than we have seen fills for."""
        return [report for report, _ in self._closing.values()]

    def settled(self, instrument_id: InstrumentId) -> bool:
        """Say whether nothing that could move the position is under way."""
        busy = (r for r in self._open.values() if r.is_moving and r.request.instrument_id == instrument_id)
        return next(busy, None) is None and not self._closing

    def owns(self, client_order_id: int | None) -> bool:
        """Say whether the venue's client order id is one that this journal allocated."""
        ids = self.state.client_ids
        return client_order_id is not None and ids is not None and ids.owns(client_order_id)

    # --- deciding -----------------------------------------------------------------------------------------------

    def decide_client_ids(self, first: int, bits: int, at: Timestamp) -> list[Entry]:
        """Fix where our client order ids begin, once for the life of the journal."""
        if self.state.client_ids is not None:
            return []
        return [_entry(EntryKind.CLIENT_IDS, at, ClientIds(first=first, bits=bits))]

    def decide_take(self, envelope: Envelope, at: Timestamp) -> list[Entry]:
        """Take the messages that are new, in order.

        Raises:
            StaleSenderError: the sender has been overtaken.
        """
        _, fresh = sift(self.state.senders.get(envelope.sender), envelope)
        return [
            _entry(
                EntryKind.TAKEN,
                at,
                TakenBody(
                    sender=envelope.sender,
                    sender_epoch=envelope.sender_epoch,
                    journal=envelope.journal,
                    message=message,
                ),
            )
            for message in fresh
        ]

    def decide_own_order(self, make: Callable[[OrderId], OrderRequest], at: Timestamp) -> list[Entry]:
        """Take an order that the account itself has decided; `make` is told its id."""
        key = self._own_key()
        return [_entry(EntryKind.OWN, at, OwnBody(key=key, order=make(OrderId(f"{key}:{self.account}:stop"))))]

    def decide_own_cancel(self, order_id: OrderId, at: Timestamp) -> list[Entry]:
        """Take the cancel of one of the account's own orders, unless one is under way."""
        if any(other.cancel_order == order_id for other in self.state.others.values()):
            return []
        return [_entry(EntryKind.OWN, at, OwnBody(key=self._own_key(), cancel_order=order_id))]

    def decide_own_write(self, write: OwnWrite, at: Timestamp) -> list[Entry]:
        """Take another write of the account's own, unless one for the same purpose is under way."""
        under_way = (other.own for other in self.state.others.values() if other.own is not None)
        if any(other.kind is write.kind and other.order_id == write.order_id for other in under_way):
            return []
        return [_entry(EntryKind.OWN, at, OwnBody(key=self._own_key(), write=write))]

    def receipt(self, sender: str) -> Receipt:
        """Say how far a sender's messages have been taken."""
        mark = self.state.senders.get(sender)
        return Receipt(taken=0) if mark is None else Receipt(taken=mark.taken, knows=mark.journal)

    def decide_prepared(self, key: str, identity: WriteIdentity, at: Timestamp) -> list[Entry]:
        """Make a write's identity durable; for an order, tell that it is leaving."""
        draft = _Draft(self.state.fact_seq)
        draft.add(EntryKind.PREPARED, at, PreparedBody(key=key, identity=identity))
        record = self.state.orders.get(identity.order_id) if identity.order_id is not None else None
        if record is not None and (record.prepared is not None or record.status.is_terminal):
            raise AssertionError(f"{key} is {record.status}, and was signed a second time: it must not leave again")
        if record is not None and record.status is OrderStatus.INITIALIZED:
            draft.fact(OrderSubmitted(at=at, account=self.account, order_id=record.request.order_id))
        return draft.entries

    def decide_discarded(self, key: str, at: Timestamp) -> list[Entry]:
        """Note that a prepared write did nothing and its order waits again.

        Not when the venue has acknowledged the order or filled of it: whatever refused the write, the order lives.
        """
        record = self.state.orders.get(OrderId(key))
        if record is not None and record.status is not OrderStatus.SUBMITTED:
            return self.decide_doubt(OrderId(key), "refused, and yet acknowledged or filled", at)
        return [_entry(EntryKind.DISCARDED, at, SettledBody(key=key))]

    def decide_settled(self, key: str, outcome: str, at: Timestamp) -> list[Entry]:
        """Note the outcome of a cancel or a leverage change."""
        if key not in self.state.others:
            return []
        return [_entry(EntryKind.SETTLED, at, SettledBody(key=key, outcome=outcome))]

    def decide_interrupted(self, key: str, at: Timestamp) -> list[Entry]:
        """A restart cut off the answer to a cancel or a leverage change: its sender decides anew from what it sees."""
        other = self.state.others.get(key)
        if other is None:
            return []
        reason = "interrupted by a restart"
        draft = _Draft(self.state.fact_seq)
        draft.add(EntryKind.SETTLED, at, SettledBody(key=key, outcome=reason))
        if isinstance(other.command, SetLeverage):
            draft.fact(LeverageRefused(at=at, account=self.account, reason=reason))
        return draft.entries

    def decide_accepted(self, order_id: OrderId, at: Timestamp) -> list[Entry]:
        """The venue took the order's write."""
        record = self.state.orders.get(order_id)
        if record is None or record.status is not OrderStatus.SUBMITTED:
            return []
        return self._facts(OrderAccepted(at=at, account=self.account, order_id=order_id))

    def decide_doubt(self, order_id: OrderId, reason: str, at: Timestamp) -> list[Entry]:
        """No usable answer came. Said once per order."""
        record = self.state.orders.get(order_id)
        if record is None or record.status.is_terminal or record.doubt_since is not None:
            return []
        return self._facts(OrderOutcomeUnknown(at=at, account=self.account, order_id=order_id, reason=reason))

    def decide_denied(self, order_id: OrderId, code: str, detail: str, at: Timestamp) -> list[Entry]:
        """We will not send the order; nothing has left."""
        record = self.state.orders.get(order_id)
        if record is None or record.prepared is not None or record.status.is_terminal:
            return []
        return self._facts(OrderDenied(at=at, account=self.account, order_id=order_id, code=code, detail=detail))

    def decide_rejected(self, order_id: OrderId, code: str, detail: str, at: Timestamp) -> list[Entry]:
        """The venue refused the order, or it is proven that it never can execute."""
        record = self.state.orders.get(order_id)
        if record is None or record.status.is_terminal:
            return []
        if record.filled > ZERO:
            # Fills are facts; a refusal that contradicts them ends the order with what was filled.
            return self._facts(
                self._closed(order_id, "CANCELED", record.filled, detail, "fills contradict the refusal", at)
            )
        return self._facts(OrderRejected(at=at, account=self.account, order_id=order_id, code=code, detail=detail))

    def decide_concluded(self, order_id: OrderId, proof: str, at: Timestamp) -> list[Entry]:
        """The venue executed the order, shows it no more, and all of its fills are folded: it has ended."""
        record = self.state.orders.get(order_id)
        if record is None or not record.in_flight:
            return []
        status: EndStatus = "FILLED" if record.filled >= record.request.quantity else "CANCELED"
        return self._facts(self._closed(order_id, status, record.filled, "ended unseen", proof, at))

    def decide_order_report(self, report: OrderReport, at: Timestamp, proof: str = "") -> list[Entry]:
        """Read what the venue says about an order of ours. Fills missing behind it are noted, not guessed."""
        order_id = self._order_of(report.client_order_id)
        record = self.state.orders.get(order_id) if order_id is not None else None
        if order_id is None or record is None or record.prepared is None:
            return []
        self._by_venue_id[report.venue_order_id] = order_id
        if record.status.is_terminal:
            return []
        draft = _Draft(self.state.fact_seq)
        if record.status is OrderStatus.SUBMITTED and report.status is not OrderStatus.REJECTED:
            draft.fact(OrderAccepted(at=at, account=self.account, order_id=order_id))
        if report.status is OrderStatus.REJECTED and report.filled == ZERO and record.filled == ZERO:
            draft.fact(
                OrderRejected(at=at, account=self.account, order_id=order_id, code="engine", detail=report.reason)
            )
        elif report.status.is_terminal:
            if record.filled >= report.filled:
                draft.fact(self._closed(order_id, _end(report, record.filled), record.filled, report.reason, proof, at))
            else:
                self._closing[order_id] = (report, proof)
        return draft.entries

    def decide_fill(self, report: FillReport, at: Timestamp) -> list[Entry]:
        """Fold an execution: once per trade id, whoever caused it, whenever it comes."""
        if report.trade_id in self.state.trade_ids.get(report.instrument_id, {}):
            return []
        order_id = self._order_of(report.client_order_id)
        if order_id is None and report.venue_order_id is not None:
            order_id = self._by_venue_id.get(report.venue_order_id)
        if order_id is None and report.at <= self.state.baselines.get(report.instrument_id, Timestamp(0)):
            return []  # part of what was found on the account before our first order
        cause = report.cause
        if order_id is None and not self.owns(report.client_order_id) and cause is FillCause.ORDER:
            cause = FillCause.FOREIGN
        fill = Fill(
            trade_id=report.trade_id,
            instrument_id=report.instrument_id,
            side=report.side,
            quantity=report.quantity,
            price=report.price,
            fee=report.fee,
            at=report.at,
            cause=cause,
            order_id=order_id,
            is_maker=report.is_maker,
        )
        draft = _Draft(self.state.fact_seq)
        record = self.state.orders.get(order_id) if order_id is not None else None
        if order_id is not None and record is not None and record.status is OrderStatus.SUBMITTED:
            draft.fact(OrderAccepted(at=at, account=self.account, order_id=order_id))
        draft.fact(Filled(at=at, account=self.account, fill=fill))
        if cause is FillCause.FOREIGN and not self.state.frozen:
            # In the same record as the fill: no crash can come between seeing it and being frozen by it.
            draft.fact(AccountModeChanged(at=at, account=self.account, mode=AccountMode.FROZEN, reason=_foreign(fill)))
        if order_id is not None and record is not None and not record.status.is_terminal:
            filled = record.filled + report.quantity
            told, proof = self._closing.get(order_id, (None, ""))
            if told is not None and filled >= told.filled:
                draft.fact(self._closed(order_id, _end(told, filled), filled, told.reason, proof, at))
            elif filled >= record.request.quantity:
                proof = "its fills add up to all of it" if record.doubt_since is not None else ""
                draft.fact(self._closed(order_id, "FILLED", filled, "", proof, at))
        return draft.entries

    def decide_baseline(
        self,
        instrument_id: InstrumentId,
        quantity: Decimal,
        entry_price: Decimal,
        history: Iterable[FillReport],
        at: Timestamp,
    ) -> list[Entry]:
        """Take what is on the account before our first order as given, once."""
        if instrument_id in self.state.baselines:
            return []
        draft = _Draft(self.state.fact_seq)
        body = BaselineBody(
            instrument_id=instrument_id,
            quantity=quantity,
            entry_price=entry_price,
            trade_ids=tuple(fill.trade_id for fill in history),
        )
        draft.add(EntryKind.BASELINE, at, body)
        if quantity != ZERO:
            reason = "found on the account before our first order"
            draft.fact(self._adjusted(instrument_id, ZERO, quantity, reason, at))
        return draft.entries

    def decide_adjusted(self, instrument_id: InstrumentId, after: Decimal, reason: str, at: Timestamp) -> list[Entry]:
        """Follow the venue's statement where fills do not explain it."""
        before = self.believed(instrument_id)
        if before == after:
            return []
        return self._facts(self._adjusted(instrument_id, before, after, reason, at))

    def decide_leverage(self, leverage: Decimal | None, reason: str, at: Timestamp) -> list[Entry]:
        """Publish the answer to a change of leverage: the value, or None and why not."""
        if leverage is None:
            return self._facts(LeverageRefused(at=at, account=self.account, reason=reason))
        return self._facts(LeverageSet(at=at, account=self.account, leverage=leverage))

    def decide_mode(self, mode: AccountMode, reason: str, at: Timestamp) -> list[Entry]:
        """Publish what the account may do from now on."""
        return self._facts(AccountModeChanged(at=at, account=self.account, mode=mode, reason=reason))

    def decide_frozen(self, reason: str, at: Timestamp) -> list[Entry]:
        """Note that somebody else trades here: exits only, over all lives, until a person has looked. Said once."""
        return [] if self.state.frozen else self.decide_mode(AccountMode.FROZEN, reason, at)

    def decide_nonces(self, nonces: Mapping[int, int], at: Timestamp) -> list[Entry]:
        """Remember up to where the use of our keys is known, and freeze when somebody used them in between."""
        known = self.state.nonces
        news = {key: nonce for key, nonce in nonces.items() if nonce > known.get(key, -1)}
        if not news:
            return []
        draft = _Draft(self.state.fact_seq)
        foreign = [
            f"key {key}: {nonce - known[key]} nonces up to {nonce}" for key, nonce in news.items() if key in known
        ]
        if foreign and not self.state.frozen:
            reason = f"used while nobody watched, not by us: {'; '.join(foreign)}"
            draft.fact(AccountModeChanged(at=at, account=self.account, mode=AccountMode.FROZEN, reason=reason))
        draft.add(EntryKind.NONCES, at, NoncesBody(nonces=news))
        return draft.entries

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

    def _facts(self, *events: AccountEvent) -> list[Entry]:
        draft = _Draft(self.state.fact_seq)
        for event in events:
            draft.fact(event)
        return draft.entries

    def _own_key(self) -> str:
        return f"{OWN_MARK}{self.state.own_seq + 1}"

    def _order_of(self, client_order_id: ClientOrderId | None) -> OrderId | None:
        return None if client_order_id is None else self._by_client_id.get(client_order_id)

    def _move(self, order_id: OrderId, status: OrderStatus) -> None:
        record = self.state.orders[order_id]
        if status is OrderStatus.ACCEPTED and record.status is not OrderStatus.SUBMITTED:
            return
        record.status = advance(record.status, status)
        if status.is_terminal:
            record.doubt_since = None
            self._open.pop(order_id, None)

    def _clear_doubt(self, order_id: OrderId) -> None:
        self.state.orders[order_id].doubt_since = None

    def _forget_old_orders(self) -> None:
        excess = len(self.state.orders) - MAX_FINISHED_ORDERS
        if excess <= 0:
            return
        finished = [order_id for order_id, record in self.state.orders.items() if record.status.is_terminal]
        for order_id in finished[:excess]:
            record = self.state.orders.pop(order_id)
            self._by_client_id.pop(record.client_order_id, None)

    def _adjusted(
        self, instrument_id: InstrumentId, before: Decimal, after: Decimal, reason: str, at: Timestamp
    ) -> PositionAdjusted:
        return PositionAdjusted(
            at=at, account=self.account, instrument_id=instrument_id, before=before, after=after, reason=reason
        )

    def _closed(
        self, order_id: OrderId, status: EndStatus, filled: Decimal, reason: str, proof: str, at: Timestamp
    ) -> OrderClosed:
        return OrderClosed(
            at=at, account=self.account, order_id=order_id, status=status, filled=filled, reason=reason, proof=proof
        )


def other_key(sender: str, message: Message) -> str:
    """Name a write that is no order, by the message that asked for it."""
    return f"{sender}#{message.seq}"


class _Draft:
    """Entries in the making; numbers the facts among them."""

    def __init__(self, fact_seq: int) -> None:
        self.entries: list[Entry] = []
        self._seq = fact_seq

    def add(self, kind: EntryKind, at: Timestamp, body: Value) -> None:
        self.entries.append(_entry(kind, at, body))

    def fact(self, event: AccountEvent) -> None:
        self._seq += 1
        self.add(EntryKind.FACT, event.at, NumberedFact(seq=self._seq, event=event))


def read_body(entry: Entry | Record) -> Value:
    """Return what a journal entry of an account says.

    Raises:
        ValueError: the kind or the body is not one of this version.
    """
    return _BODIES[EntryKind(entry.kind)].model_validate_json(entry.body)


def _entry(kind: EntryKind, at: Timestamp, body: Value) -> Entry:
    # A venue's client puts an identity together from copies, which nobody validates: it is read back before it is
    # written, so that what a successor could not read is never there. The other bodies are validated as they are made.
    meaning = None if kind is EntryKind.PREPARED else body
    return Entry(kind=kind, at=at, body=body.model_dump_json(), meaning=meaning)


_BODIES: dict[EntryKind, type[Value]] = {
    EntryKind.CLIENT_IDS: ClientIds,
    EntryKind.TAKEN: TakenBody,
    EntryKind.OWN: OwnBody,
    EntryKind.PREPARED: PreparedBody,
    EntryKind.DISCARDED: SettledBody,
    EntryKind.SETTLED: SettledBody,
    EntryKind.BASELINE: BaselineBody,
    EntryKind.NONCES: NoncesBody,
    EntryKind.FACT: NumberedFact,
}


def _foreign(fill: Fill) -> str:
    return (
        f"a fill that none of our orders explains: {fill.side} {fill.quantity} at {fill.price}, trade {fill.trade_id}"
    )


def _end(report: OrderReport, filled: Decimal) -> EndStatus:
    if filled >= report.quantity:
        return "FILLED"
    return "EXPIRED" if report.status is OrderStatus.EXPIRED else "CANCELED"
