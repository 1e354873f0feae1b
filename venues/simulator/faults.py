"""Injected trouble: what goes wrong, for whom, how often. The wire servers take faults; this book only keeps them.

Actions are stable words: `order`, `cancel`, `cancel_all`, `leverage`, `nonce`, `position`, `balance`, `orders`,
`order_lookup`, `fills`, `tx`, `markets`, `connect` (a stream being opened) and `stream:<channel>`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderType, TimeInForce
from venues.simulator.exchange import Exchange
from venues.simulator.model import EndReason, NewOrder, OrderRow


class FaultKind(StrEnum):
    """What goes wrong."""

    LOSE_ANSWER = "LOSE_ANSWER"
    """Execute, then drop the connection without an answer."""
    DELAY_ANSWER = "DELAY_ANSWER"
    """Execute at once, answer after `delay_ms`."""
    REFUSE = "REFUSE"
    """Drop the connection before executing."""
    RESET = "RESET"
    """Reset the connection (RST) before executing."""
    STATUS_BEFORE = "STATUS_BEFORE"
    """Answer `status` and `body` without executing."""
    STATUS_AFTER = "STATUS_AFTER"
    """Execute, then answer `status` and `body`."""
    DUPLICATE_EVENT = "DUPLICATE_EVENT"
    """Send one stream frame twice."""
    REORDER_EVENTS = "REORDER_EVENTS"
    """Send one stream frame after the next one of its channel."""
    DELAY_EVENTS = "DELAY_EVENTS"
    """Send a stream frame `delay_ms` late."""
    FREEZE_CHANNEL = "FREEZE_CHANNEL"
    """The channel says nothing while the fault lasts; its socket stays alive."""
    CLOSE_STREAM = "CLOSE_STREAM"
    """Close the stream's socket."""
    SKEW_CLOCK = "SKEW_CLOCK"
    """The venue's clock is `delay_ms` ahead (negative: behind) while the fault lasts."""
    PARTIAL_FILL = "PARTIAL_FILL"
    """The next taker order fills `fraction` of its quantity at most; the rest ends as the venue would end it."""
    REJECT_AFTER_ACCEPT = "REJECT_AFTER_ACCEPT"
    """The answer is a success, then the engine ends the order unfilled."""


LASTING_KINDS = frozenset({FaultKind.FREEZE_CHANNEL, FaultKind.SKEW_CLOCK})
"""Faults that hold until they are removed; `active` and `skew_ms` tell of them, `take` never returns them."""
ENGINE_KINDS = frozenset({FaultKind.PARTIAL_FILL, FaultKind.REJECT_AFTER_ACCEPT})
"""Faults of the matching engine: `place_under_faults` takes them, a request handler need not."""
STREAM_KINDS = frozenset(
    {FaultKind.DUPLICATE_EVENT, FaultKind.REORDER_EVENTS, FaultKind.DELAY_EVENTS, FaultKind.CLOSE_STREAM}
)
"""Faults of a stream: take them with the action `stream:<channel>` when a frame is about to leave."""
REQUEST_KINDS = frozenset(FaultKind) - LASTING_KINDS - ENGINE_KINDS - STREAM_KINDS
"""Faults of one request: what `take` looks for unless told otherwise."""

DEFAULT_STATUS = 503
"""What STATUS_BEFORE and STATUS_AFTER answer when the fault names no status."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `account` and `action` None match any; `count` None lasts until it is removed."""

    kind: FaultKind
    venue: str  # "lighter" or "backpack"
    account: str | None = None
    action: str | None = None
    count: int | None = 1
    delay_ms: int = 0
    status: int = DEFAULT_STATUS
    body: str = ""
    fraction: Decimal = Decimal("0.5")
    fault_id: int = 0  # given by the book

    def matches(self, venue: str, account: str | None, action: str) -> bool:
        """Say whether this fault is meant for that venue, account and action."""
        return (
            self.venue == venue
            and (self.account is None or self.account == account)
            and (self.action is None or self.action == action)
        )


class FaultBook:
    """Every fault that waits or lasts, in the order it was added."""

    def __init__(self) -> None:
        """Start with none."""
        self._faults: dict[int, Fault] = {}
        self._next_id = 1

    def add(self, fault: Fault) -> Fault:
        """Keep a fault; return it with its id."""
        kept = replace(fault, fault_id=self._next_id)
        self._faults[kept.fault_id] = kept
        self._next_id += 1
        return kept

    def remove(self, fault_id: int) -> bool:
        """Drop one fault; say whether it was there."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Drop them all."""
        self._faults.clear()

    def listing(self) -> list[Fault]:
        """Return what waits or lasts."""
        return list(self._faults.values())

    def take(
        self, venue: str, account: str | None, action: str, *, kinds: Collection[FaultKind] = REQUEST_KINDS
    ) -> Fault | None:
        """Return the oldest fault of these kinds that matches, and use it up by one; None when there is none."""
        for fault in self._faults.values():
            if fault.kind in kinds and fault.kind not in LASTING_KINDS and fault.matches(venue, account, action):
                self._use(fault)
                return fault
        return None

    def active(self, kind: FaultKind, venue: str, account: str | None, action: str) -> Fault | None:
        """Return a lasting fault that matches, without using it up; None when there is none."""
        for fault in self._faults.values():
            if fault.kind is kind and fault.matches(venue, account, action):
                return fault
        return None

    def frozen(self, venue: str, account: str | None, channel: str) -> bool:
        """Say whether the channel must stay silent for this account now."""
        return self.active(FaultKind.FREEZE_CHANNEL, venue, account, f"stream:{channel}") is not None

    def skew_ms(self, venue: str) -> int:
        """Return how far the venue's clock is ahead of the truth, milliseconds."""
        return sum(f.delay_ms for f in self._faults.values() if f.kind is FaultKind.SKEW_CLOCK and f.venue == venue)

    def _use(self, fault: Fault) -> None:
        if fault.count is None:
            return
        if fault.count <= 1:
            del self._faults[fault.fault_id]
        else:
            self._faults[fault.fault_id] = replace(fault, count=fault.count - 1)


def place_under_faults(exchange: Exchange, faults: FaultBook, order: NewOrder, at: Timestamp) -> OrderRow:
    """Place an order the way a server must: the engine's faults for it are taken here.

    Raises:
        RefusedError: the API refuses the order; no fault is used up.
    """
    exchange.check(order, at)
    venue = exchange.rules.venue
    reject = faults.take(venue, order.account, "order", kinds={FaultKind.REJECT_AFTER_ACCEPT})
    if reject is not None:
        return exchange.place(order, at, reject=EndReason.LIQUIDITY)
    takes = order.order_type is OrderType.MARKET or order.time_in_force is not TimeInForce.GTC
    partial = faults.take(venue, order.account, "order", kinds={FaultKind.PARTIAL_FILL}) if takes else None
    if partial is None:
        return exchange.place(order, at)
    return exchange.place(order, at, fill_limit=exchange.resolve(order).quantity * partial.fraction)
