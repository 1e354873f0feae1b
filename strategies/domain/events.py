"""Everything that can happen to a group: past tense, complete, and enough to decide by."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.domain.position import Fill


class OperatorState(StrEnum):
    """What the operator wants of a group."""

    RUN = "RUN"
    """Trade."""
    PAUSE = "PAUSE"
    """Finish the running cycle, start no new one."""
    REDUCE = "REDUCE"
    """Only orders that make the group smaller."""
    FLATTEN = "FLATTEN"
    """Out now, and stay out: latched until every leg is confirmed flat."""


class Started(Value):
    """The group's first moment: nothing has happened before."""

    kind: Literal["Started"] = "Started"
    at: Timestamp
    group: GroupId


class Restarted(Value):
    """The group's process is new; everything before this has been replayed."""

    kind: Literal["Restarted"] = "Restarted"
    at: Timestamp


class OperatorStateSet(Value):
    """The operator, the config or the supervisor's restart policy spoke."""

    kind: Literal["OperatorStateSet"] = "OperatorStateSet"
    at: Timestamp
    state: OperatorState
    by: str = Field(description="who: `config`, `operator:<name>`, `supervisor`")
    reason: str = ""


class TimerFired(Value):
    """A timer that the machine set has come due."""

    kind: Literal["TimerFired"] = "TimerFired"
    at: Timestamp
    timer: TimerName


class RandomDrawn(Value):
    """The answer to `DrawRandom`: drawn once, journaled, the same in every replay."""

    kind: Literal["RandomDrawn"] = "RandomDrawn"
    at: Timestamp
    name: str
    value: Decimal


class Observed(Value):
    """The answer to `Observe`: every leg asked for, whatever could be learnt of it."""

    kind: Literal["Observed"] = "Observed"
    at: Timestamp
    legs: dict[LegName, LegObservation]


class OrderSubmitted(Value):
    """The order's identity is durable and its bytes are leaving."""

    kind: Literal["OrderSubmitted"] = "OrderSubmitted"
    at: Timestamp
    account: AccountId
    order_id: OrderId


class OrderAccepted(Value):
    """The venue has the order (it may already be filled)."""

    kind: Literal["OrderAccepted"] = "OrderAccepted"
    at: Timestamp
    account: AccountId
    order_id: OrderId


class OrderOutcomeUnknown(Value):
    """No usable answer came: neither success nor failure. The order stays in flight until there is proof."""

    kind: Literal["OrderOutcomeUnknown"] = "OrderOutcomeUnknown"
    at: Timestamp
    account: AccountId
    order_id: OrderId
    reason: str


class OrderDenied(Value):
    """We refused the order ourselves; nothing left."""

    kind: Literal["OrderDenied"] = "OrderDenied"
    at: Timestamp
    account: AccountId
    order_id: OrderId
    code: str
    detail: str


class OrderRejected(Value):
    """The venue refused the order, positively; nothing was filled."""

    kind: Literal["OrderRejected"] = "OrderRejected"
    at: Timestamp
    account: AccountId
    order_id: OrderId
    code: str
    detail: str


class OrderClosed(Value):
    """The order ended at the venue. `filled` is its whole executed quantity; the fills themselves came before this."""

    kind: Literal["OrderClosed"] = "OrderClosed"
    at: Timestamp
    account: AccountId
    order_id: OrderId
    status: Literal["FILLED", "CANCELED", "EXPIRED"]
    filled: Decimal = Field(ge=0, description="base units")
    reason: str = Field(default="", description="the venue's word for it")
    proof: str = Field(default="", description="how we know, when the first answer was lost")


class Filled(Value):
    """An execution on the account: ours, forced by the venue, or somebody else's (see `fill.cause`)."""

    kind: Literal["Filled"] = "Filled"
    at: Timestamp
    account: AccountId
    fill: Fill


class PositionAdjusted(Value):
    """Two sources of the venue agree on a position that our fills do not explain: belief now follows the venue."""

    kind: Literal["PositionAdjusted"] = "PositionAdjusted"
    at: Timestamp
    account: AccountId
    instrument_id: InstrumentId | None = Field(
        default=None, description="None = written before records said it, by an account that traded one instrument only"
    )
    before: Decimal
    after: Decimal
    reason: str


class LeverageSet(Value):
    """The venue confirmed the leverage of an account."""

    kind: Literal["LeverageSet"] = "LeverageSet"
    at: Timestamp
    account: AccountId
    leverage: Decimal


class LeverageRefused(Value):
    """The venue did not take the leverage we asked for, or its answer is in doubt."""

    kind: Literal["LeverageRefused"] = "LeverageRefused"
    at: Timestamp
    account: AccountId
    reason: str


class AccountModeChanged(Value):
    """An account may do more, or less, than before."""

    kind: Literal["AccountModeChanged"] = "AccountModeChanged"
    at: Timestamp
    account: AccountId
    mode: AccountMode
    reason: str


AccountEvent = Annotated[
    OrderSubmitted
    | OrderAccepted
    | OrderOutcomeUnknown
    | OrderDenied
    | OrderRejected
    | OrderClosed
    | Filled
    | PositionAdjusted
    | LeverageSet
    | LeverageRefused
    | AccountModeChanged,
    Field(discriminator="kind"),
]
"""Facts that an account actor publishes, in order, each exactly once."""

Event = Annotated[
    Started
    | Restarted
    | OperatorStateSet
    | TimerFired
    | RandomDrawn
    | Observed
    | OrderSubmitted
    | OrderAccepted
    | OrderOutcomeUnknown
    | OrderDenied
    | OrderRejected
    | OrderClosed
    | Filled
    | PositionAdjusted
    | LeverageSet
    | LeverageRefused
    | AccountModeChanged,
    Field(discriminator="kind"),
]
"""Everything a machine can be told."""
