"""What an account writes into its journal, in words and back."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from actors.actor import Message, NumberedFact
from actors.journal.protocol import Entry, Record
from strategies.domain.events import AccountEvent
from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp, TradeId
from strategies.domain.model import Value
from strategies.domain.order import Lane, OrderRequest
from venues.venue import WriteIdentity


class EntryKind(StrEnum):
    """What an account writes into its journal."""

    CLIENT_IDS = "client_ids"
    """Where the client order ids of this journal begin."""
    TAKEN = "taken"
    """A sender's message was taken."""
    PREPARED = "prepared"
    """A write got its identity; its bytes may leave after this."""
    DISCARDED = "discarded"
    """A prepared write will not leave."""
    SETTLED = "settled"
    """The outcome of a write that is no order (a cancel, a leverage change) is known."""
    OWN = "own"
    """The account itself has decided a write: a stop, the dead-man switch, a fence."""
    BASELINE = "baseline"
    """What was on the account before our first order."""
    NONCES = "nonces"
    """The nonces of our keys below which every use is known."""
    FACT = "fact"
    """A published fact."""


class ClientIds(Value):
    """The block of client order ids that are ours: `count` ids from `first` on, wrapping at the venue's width.

    Every journal starts at its own place: the ids of another bot, or of an older journal, are not taken for ours.
    """

    first: int = Field(gt=0)
    bits: int = Field(gt=0)
    count: int = Field(default=0, ge=0)

    def at(self, index: int) -> ClientOrderId:
        """Return the id number `index` of the block; never 0, which venues read as none."""
        return ClientOrderId((self.first - 1 + index) % ((1 << self.bits) - 1) + 1)

    def owns(self, client_order_id: int) -> bool:
        """Say whether this journal has allocated the id."""
        return (client_order_id - self.first) % ((1 << self.bits) - 1) < self.count


class TakenBody(Value):
    """Body of a `taken` record."""

    sender: str
    sender_epoch: int
    journal: str = Field(default="", description="identity of the sender's journal; empty = none said")
    message: Message


class PreparedBody(Value):
    """Body of a `prepared` record. `key` names the write: the order id, or the sender's message for other writes."""

    key: str
    identity: WriteIdentity


class SettledBody(Value):
    """Body of `discarded` and `settled` records."""

    key: str
    outcome: str = ""


OWN_MARK = "~"
"""First character of the ids of what the account itself decides; no group's name can begin with it."""


class OwnKind(StrEnum):
    """What the account decides by itself besides orders and their cancels."""

    SWITCH = "SWITCH"
    """Set the dead-man switch to `due_at`, or without one take it back."""
    FENCE = "FENCE"
    """Send the same under the nonce of an order in doubt, so that one of both can never land."""


class OwnWrite(Value):
    """A write of the account's own that is neither an order nor the cancel of one."""

    kind: OwnKind
    lane: Lane
    due_at: Timestamp | None = Field(default=None, description="when the dead-man switch is to be due; None = never")
    order_id: OrderId | None = Field(default=None, description="the order in doubt that a fence is for")


class OwnBody(Value):
    """Body of an `own` record: exactly one of the three."""

    key: str
    order: OrderRequest | None = None
    cancel_order: OrderId | None = None
    write: OwnWrite | None = None


class BaselineBody(Value):
    """Body of a `baseline` record."""

    instrument_id: InstrumentId
    quantity: Decimal
    entry_price: Decimal
    trade_ids: tuple[TradeId, ...]


class NoncesBody(Value):
    """Body of a `nonces` record."""

    nonces: dict[int, int] = Field(description="API key → the nonce below which every use is ours, or was told")


class Draft:
    """Entries in the making; numbers the facts among them."""

    def __init__(self, fact_seq: int) -> None:
        """Go on after fact number `fact_seq`."""
        self.entries: list[Entry] = []
        self._seq = fact_seq

    def add(self, kind: EntryKind, at: Timestamp, body: Value) -> None:
        """Append an entry."""
        self.entries.append(entry_of(kind, at, body))

    def fact(self, event: AccountEvent) -> None:
        """Append a fact, with the next number."""
        self._seq += 1
        self.add(EntryKind.FACT, event.at, NumberedFact(seq=self._seq, event=event))


def read_body(entry: Entry | Record) -> Value:
    """Return what a journal entry of an account says.

    Raises:
        ValueError: the kind or the body is not one of this version.
    """
    return _BODIES[EntryKind(entry.kind)].model_validate_json(entry.body)


def entry_of(kind: EntryKind, at: Timestamp, body: Value) -> Entry:
    """Return a journal entry that says `body`."""
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
