"""What an account actor remembers: a fold of its own journal, and of nothing else."""

from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from actors.actor import Message, NumberedFact
from actors.mailbox import SenderMark
from strategies.domain.commands import CancelAllOrders, SetLeverage
from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp, TradeId
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import Lane, OrderRequest, OrderStatus
from strategies.domain.position import Position
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


class OrderRecord(BaseModel):
    """One order of ours."""

    model_config = ConfigDict(extra="forbid")

    request: OrderRequest
    client_order_id: ClientOrderId
    status: OrderStatus = OrderStatus.INITIALIZED
    filled: Decimal = ZERO
    taken_at: Timestamp
    prepared: WriteIdentity | None = None
    signed: int = 0
    doubt_since: Timestamp | None = None

    @property
    def in_flight(self) -> bool:
        """Say whether the order may be at the venue and has not ended there."""
        return self.prepared is not None and not self.status.is_terminal

    @property
    def protects(self) -> bool:
        """Say whether it is a stop that the account itself has put there."""
        return self.request.order_id.startswith(OWN_MARK)

    @property
    def is_moving(self) -> bool:
        """Say whether it may move the position now: a stop that waits for its price does not."""
        waits = self.protects and self.status is not OrderStatus.PARTIALLY_FILLED
        return self.in_flight and not waits


class OtherWrite(BaseModel):
    """A write that is no order: where it came from and, once signed, its identity."""

    model_config = ConfigDict(extra="forbid")

    command: CancelAllOrders | SetLeverage | None = Field(default=None, discriminator="kind")
    cancel_order: OrderId | None = None
    own: OwnWrite | None = None
    taken_at: Timestamp
    identity: WriteIdentity | None = None


class BookState(BaseModel):
    """The fold."""

    model_config = ConfigDict(extra="forbid")

    client_ids: ClientIds | None = None
    senders: dict[str, SenderMark] = {}
    orders: dict[OrderId, OrderRecord] = {}
    others: dict[str, OtherWrite] = {}
    trade_ids: dict[InstrumentId, dict[TradeId, Timestamp]] = {}
    positions: dict[InstrumentId, Position] = {}
    baselines: dict[InstrumentId, Timestamp] = {}
    last_fill_at: dict[InstrumentId, Timestamp] = {}
    own_seq: int = 0
    """How many writes the account itself has decided; their ids are made from it."""
    switch_due_at: Timestamp | None = None
    """When the venue will cancel everything, as far as its answers have confirmed it; None = never."""
    nonces: dict[int, int] = {}
    frozen: str = ""
    fact_seq: int = 0
    facts: list[NumberedFact] = []
