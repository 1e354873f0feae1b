"""The records of which an account's memory is made: a fold of its own journal, and of nothing else."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from actors.account.entries import OWN_MARK, ClientIds, OwnWrite
from actors.actor import NumberedFact
from actors.mailbox import SenderMark
from strategies.domain.commands import CancelAllOrders, SetLeverage
from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp, TradeId
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest, OrderStatus
from strategies.domain.position import Position
from venues.venue import WriteIdentity


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
