"""What an explanation is made of. Plain values: the command line draws them, the page gets them as JSON."""

from collections.abc import Callable
from decimal import Decimal

from pydantic import Field

from strategies.domain.ids import AccountId, ClientOrderId, GroupId, LegName, OrderId, Timestamp, TradeId
from strategies.domain.model import Value
from strategies.domain.order import OrderRequest
from strategies.domain.position import Fill


class Cause(Value):
    """One step that had consequences: what happened, what was decided, and where that led."""

    stream: str = Field(description="the journal stream that has it")
    seq: int
    at: Timestamp
    what: str = Field(description="what happened, in words")
    decided: tuple[str, ...] = Field(description="what was decided, in words; empty = nothing to be done")
    phase: str = Field(description="the phase it led to; empty where no strategy decided (the way out)")
    left: str = Field(default="", description="the phase it ended; empty = it went on")
    why: str = Field(default="", description="the strategy's own reason for the new phase")
    net: Decimal | None = Field(default=None, description="uncovered quantity after it, base units, when it changed")
    before: int = Field(default=0, description="steps without consequence since the one above")


class Doubt(Value):
    """An interval in which nobody knew what had become of an order."""

    since: Timestamp
    reason: str
    until: Timestamp | None = None


class OrderStory(Value):
    """One order from the decision to its proven end."""

    order_id: OrderId
    leg: LegName
    account: AccountId
    request: OrderRequest
    decided_at: Timestamp
    seq: int = Field(description="the step that decided it")
    submitted_at: Timestamp | None = Field(default=None, description="when its first byte left")
    accepted_at: Timestamp | None = None
    doubts: tuple[Doubt, ...] = ()
    fills: tuple[Fill, ...] = ()
    status: str = Field(default="OPEN", description="FILLED, CANCELED, EXPIRED, REJECTED, DENIED, or OPEN")
    ended_at: Timestamp | None = None
    filled: Decimal = Field(default=Decimal(0), description="base units")
    proof: str = Field(default="", description="how the outcome is known, in words")
    client_order_id: ClientOrderId | None = Field(default=None, description="the number the venue knows it by")
    nonce: int | None = None
    tx_hash: str | None = None

    @property
    def average_price(self) -> Decimal | None:
        """Return the average price of what was filled, USD; None = nothing was."""
        quantity = sum((fill.quantity for fill in self.fills), start=Decimal(0))
        if not quantity:
            return None
        return sum((fill.quantity * fill.price for fill in self.fills), start=Decimal(0)) / quantity

    @property
    def trades(self) -> tuple[TradeId, ...]:
        """Return the venue's ids of its executions."""
        return tuple(fill.trade_id for fill in self.fills)


class LegResult(Value):
    """What a cycle has brought on one leg."""

    account: AccountId
    held: Decimal = Field(description="signed, at the end of what is shown, base units")
    realized: Decimal = Field(description="USD, in this cycle, before fees")
    fees: Decimal = Field(description="USD, in this cycle")


class Cycle(Value):
    """One cycle of one group."""

    group: GroupId
    cycle: int
    cycles: int = Field(description="number of the group's last cycle")
    began_at: Timestamp | None
    ended_at: Timestamp | None = Field(description="None = it runs, or its end is not in the journal")
    outcome: str = Field(description="how it ended or stands, in words")
    causes: tuple[Cause, ...]
    quiet: int = Field(description="steps of the cycle that had no consequence, and are not shown")
    orders: tuple[OrderStory, ...]
    legs: dict[LegName, LegResult]
    problems: tuple[str, ...] = Field(description="what keeps the explanation from being whole, in words")


class CycleUnknownError(Exception):
    """There is no such group in the journal, or it has had no such cycle. The text names those that are there."""


Explainer = Callable[[GroupId, int | None], Cycle]
"""Reads one cycle of a group, None = the last. Raises `CycleUnknownError`, and `JournalError` for its journal."""
