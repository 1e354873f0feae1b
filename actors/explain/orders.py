"""Follows the orders of one cycle from the decision to the proof. Pure."""

from collections.abc import Iterable
from typing import Any

from actors.explain.story import Doubt, OrderStory
from strategies.domain.commands import Command, SubmitOrder
from strategies.domain.events import (
    Event,
    Filled,
    OrderAccepted,
    OrderClosed,
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
)
from strategies.domain.ids import AccountId, LegName, OrderId, Timestamp
from venues.venue import WriteIdentity

_LEG = 2
"""Place of the leg in an order's id: group, cycle, leg, purpose, attempt."""
_TOLD = "the venue's own word"


class Orders:
    """The orders that were decided so far, and what is known of each."""

    def __init__(self) -> None:
        """Know of none."""
        self._stories: dict[OrderId, OrderStory] = {}

    def stories(self) -> tuple[OrderStory, ...]:
        """Return all of them, in the order of their decisions."""
        return tuple(self._stories.values())

    def accounts(self) -> frozenset[AccountId]:
        """Return the accounts that they were sent to."""
        return frozenset(story.account for story in self._stories.values())

    def sent_to(self, account: AccountId) -> frozenset[OrderId]:
        """Return the orders that were sent to an account."""
        return frozenset(name for name, story in self._stories.items() if story.account == account)

    def decided(self, commands: Iterable[Command], at: Timestamp, seq: int) -> None:
        """Take note of orders that a step asked for."""
        for command in commands:
            if isinstance(command, SubmitOrder) and command.order.order_id not in self._stories:
                order = command.order
                self._stories[order.order_id] = OrderStory(
                    order_id=order.order_id,
                    leg=_leg_of(order.order_id),
                    account=command.account,
                    request=order,
                    decided_at=at,
                    seq=seq,
                )

    def happened(self, event: Event) -> None:
        """Take note of what became of one of them."""
        match event:
            case OrderSubmitted(order_id=order_id, at=at):
                self._change(order_id, submitted_at=at)
            case OrderAccepted(order_id=order_id, at=at):
                self._change(order_id, accepted_at=at)
                self._certain(order_id, at)
            case OrderOutcomeUnknown(order_id=order_id, at=at, reason=reason):
                self._doubtful(order_id, Doubt(since=at, reason=reason))
            case Filled(fill=fill) if fill.order_id is not None:
                self._filled(event)
            case OrderClosed(order_id=order_id, at=at, status=status, filled=filled, reason=reason, proof=proof):
                known = proof or _TOLD + (f" ({reason})" if reason else "")
                self._ended(order_id, at, status=status, filled=filled, proof=known)
            case OrderRejected(order_id=order_id, at=at, code=code, detail=detail):
                # A rejection is the venue's word, or a proof that the order can never have executed.
                self._ended(order_id, at, status="REJECTED", proof=f"{code}: {detail}".strip(": "))
            case OrderDenied(order_id=order_id, at=at, code=code, detail=detail):
                self._ended(order_id, at, status="DENIED", proof=f"we sent nothing: {code} {detail}".strip())

    def identified(self, order_id: OrderId, identity: WriteIdentity) -> None:
        """Take note of the identity under which one of them left."""
        self._change(order_id, client_order_id=identity.client_order_id, nonce=identity.nonce, tx_hash=identity.tx_hash)

    def _filled(self, event: Filled) -> None:
        story = self._stories.get(event.fill.order_id) if event.fill.order_id else None
        if story is not None and event.fill.trade_id not in story.trades:
            fills = (*story.fills, event.fill)
            self._change(
                story.order_id, fills=fills, filled=sum((fill.quantity for fill in fills), start=story.filled * 0)
            )

    def _doubtful(self, order_id: OrderId, doubt: Doubt) -> None:
        story = self._stories.get(order_id)
        if story is not None and not (story.doubts and story.doubts[-1].until is None):
            self._change(order_id, doubts=(*story.doubts, doubt))

    def _certain(self, order_id: OrderId, at: Timestamp) -> None:
        story = self._stories.get(order_id)
        if story is not None and story.doubts and story.doubts[-1].until is None:
            last = story.doubts[-1].model_copy(update={"until": at})
            self._change(order_id, doubts=(*story.doubts[:-1], last))

    def _ended(self, order_id: OrderId, at: Timestamp, **changes: Any) -> None:
        self._certain(order_id, at)
        self._change(order_id, ended_at=at, **changes)

    def _change(self, order_id: OrderId, **changes: Any) -> None:
        story = self._stories.get(order_id)
        if story is not None:
            self._stories[order_id] = story.model_copy(update=changes)


def _leg_of(order_id: OrderId) -> LegName:
    parts = order_id.split(":")
    return LegName(parts[_LEG] if len(parts) > _LEG else "?")
