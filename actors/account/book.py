"""The account's judgement: what a message or a venue's report means, and which facts follow. Pure: no I/O, no clock.

A `decide_*` looks at the account's memory and returns journal entries; it changes nothing. Their folding is the
memory's. The ledger sees to it that nobody is told what is not yet on the disk.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Literal

from actors.account.entries import (
    OWN_MARK,
    BaselineBody,
    ClientIds,
    Draft,
    EntryKind,
    NoncesBody,
    OwnBody,
    OwnWrite,
    PreparedBody,
    SettledBody,
    TakenBody,
    entry_of,
)
from actors.account.memory import Memory
from actors.actor import Envelope, Receipt
from actors.journal.protocol import Entry
from actors.mailbox import sift
from strategies.domain.account import AccountMode
from strategies.domain.commands import SetLeverage
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
from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest, OrderStatus
from strategies.domain.position import Fill, FillCause
from venues.venue import FillReport, OrderReport, WriteIdentity

EndStatus = Literal["FILLED", "CANCELED", "EXPIRED"]


class Book(Memory):
    """One account's memory, and the rules that say what is written into it next."""

    def decide_client_ids(self, first: int, bits: int, at: Timestamp) -> list[Entry]:
        """Fix where our client order ids begin, once for the life of the journal."""
        if self.state.client_ids is not None:
            return []
        return [entry_of(EntryKind.CLIENT_IDS, at, ClientIds(first=first, bits=bits))]

    def decide_take(self, envelope: Envelope, at: Timestamp) -> list[Entry]:
        """Take the messages that are new, in order.

        Raises:
            StaleSenderError: the sender has been overtaken.
        """
        _, fresh = sift(self.state.senders.get(envelope.sender), envelope)
        return [
            entry_of(
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
        return [entry_of(EntryKind.OWN, at, OwnBody(key=key, order=make(OrderId(f"{key}:{self.account}:stop"))))]

    def decide_own_cancel(self, order_id: OrderId, at: Timestamp) -> list[Entry]:
        """Take the cancel of one of the account's own orders, unless one is under way."""
        if any(other.cancel_order == order_id for other in self.state.others.values()):
            return []
        return [entry_of(EntryKind.OWN, at, OwnBody(key=self._own_key(), cancel_order=order_id))]

    def decide_own_write(self, write: OwnWrite, at: Timestamp) -> list[Entry]:
        """Take another write of the account's own, unless one for the same purpose is under way."""
        under_way = (other.own for other in self.state.others.values() if other.own is not None)
        if any(other.kind is write.kind and other.order_id == write.order_id for other in under_way):
            return []
        return [entry_of(EntryKind.OWN, at, OwnBody(key=self._own_key(), write=write))]

    def receipt(self, sender: str) -> Receipt:
        """Say how far a sender's messages have been taken."""
        mark = self.state.senders.get(sender)
        return Receipt(taken=0) if mark is None else Receipt(taken=mark.taken, knows=mark.journal)

    def decide_prepared(self, key: str, identity: WriteIdentity, at: Timestamp) -> list[Entry]:
        """Make a write's identity durable; for an order, tell that it is leaving."""
        draft = Draft(self.state.fact_seq)
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
        return [entry_of(EntryKind.DISCARDED, at, SettledBody(key=key))]

    def decide_settled(self, key: str, outcome: str, at: Timestamp) -> list[Entry]:
        """Note the outcome of a cancel or a leverage change."""
        if key not in self.state.others:
            return []
        return [entry_of(EntryKind.SETTLED, at, SettledBody(key=key, outcome=outcome))]

    def decide_interrupted(self, key: str, at: Timestamp) -> list[Entry]:
        """A restart cut off the answer to a cancel or a leverage change: its sender decides anew from what it sees."""
        other = self.state.others.get(key)
        if other is None:
            return []
        reason = "interrupted by a restart"
        draft = Draft(self.state.fact_seq)
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
        draft = Draft(self.state.fact_seq)
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
        elif report.filled > max(record.filled, self._behind[order_id].filled if order_id in self._behind else ZERO):
            self._behind[order_id] = report
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
        draft = Draft(self.state.fact_seq)
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
        draft = Draft(self.state.fact_seq)
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
        draft = Draft(self.state.fact_seq)
        foreign = [
            f"key {key}: {nonce - known[key]} nonces up to {nonce}" for key, nonce in news.items() if key in known
        ]
        if foreign and not self.state.frozen:
            reason = f"used while nobody watched, not by us: {'; '.join(foreign)}"
            draft.fact(AccountModeChanged(at=at, account=self.account, mode=AccountMode.FROZEN, reason=reason))
        draft.add(EntryKind.NONCES, at, NoncesBody(nonces=news))
        return draft.entries

    # --- parts --------------------------------------------------------------------------------------------------

    def _facts(self, *events: AccountEvent) -> list[Entry]:
        draft = Draft(self.state.fact_seq)
        for event in events:
            draft.fact(event)
        return draft.entries

    def _own_key(self) -> str:
        return f"{OWN_MARK}{self.state.own_seq + 1}"

    def _order_of(self, client_order_id: ClientOrderId | None) -> OrderId | None:
        return None if client_order_id is None else self._by_client_id.get(client_order_id)

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


def _foreign(fill: Fill) -> str:
    return (
        f"a fill that none of our orders explains: {fill.side} {fill.quantity} at {fill.price}, trade {fill.trade_id}"
    )


def _end(report: OrderReport, filled: Decimal) -> EndStatus:
    if filled >= report.quantity:
        return "FILLED"
    return "EXPIRED" if report.status is OrderStatus.EXPIRED else "CANCELED"
