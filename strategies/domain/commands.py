"""Everything a machine can ask for: imperative. The shell carries them out and answers with events."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from strategies.domain.ids import AccountId, InstrumentId, LegName, OrderId, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.domain.order import OrderRequest


class SubmitOrder(Value):
    """Place an order. Answered by order events; giving the same order id twice is the same order."""

    kind: Literal["SubmitOrder"] = "SubmitOrder"
    account: AccountId
    order: OrderRequest


class CancelOrder(Value):
    """Cancel one order. Answered by the order's own end."""

    kind: Literal["CancelOrder"] = "CancelOrder"
    account: AccountId
    order_id: OrderId


class CancelAllOrders(Value):
    """Cancel whatever rests on the account in this instrument, ours or not. Answered by the orders' own ends."""

    kind: Literal["CancelAllOrders"] = "CancelAllOrders"
    account: AccountId
    instrument_id: InstrumentId


class SetLeverage(Value):
    """Ask the venue for a leverage. Answered by `LeverageSet` or `LeverageRefused`."""

    kind: Literal["SetLeverage"] = "SetLeverage"
    account: AccountId
    instrument_id: InstrumentId
    leverage: Decimal = Field(gt=0)


class Observe(Value):
    """Look at these legs: the venue's statement of position and balance, and the quote. Answered by `Observed`."""

    kind: Literal["Observe"] = "Observe"
    legs: tuple[LegName, ...]


class SetTimer(Value):
    """Wake the machine at a moment. Setting a timer that runs moves it. Answered by `TimerFired`."""

    kind: Literal["SetTimer"] = "SetTimer"
    timer: TimerName
    due_at: Timestamp


class CancelTimer(Value):
    """Forget a timer."""

    kind: Literal["CancelTimer"] = "CancelTimer"
    timer: TimerName


class DrawRandom(Value):
    """Draw a number, uniform between `low` and `high`. Answered by `RandomDrawn`."""

    kind: Literal["DrawRandom"] = "DrawRandom"
    name: str
    low: Decimal
    high: Decimal


class Severity(StrEnum):
    """How much a notification matters."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Notify(Value):
    """Tell the operator. Delivery never blocks a hedge."""

    kind: Literal["Notify"] = "Notify"
    severity: Severity
    topic: str = Field(description="stable word for throttling and routing: `cycle_started`, `exit`, `parked` …")
    text: str


AccountCommand = Annotated[SubmitOrder | CancelOrder | CancelAllOrders | SetLeverage, Field(discriminator="kind")]
"""Commands that travel to an account actor."""

Command = Annotated[
    SubmitOrder | CancelOrder | CancelAllOrders | SetLeverage | Observe | SetTimer | CancelTimer | DrawRandom | Notify,
    Field(discriminator="kind"),
]
"""Everything a machine can ask for."""
