"""What a diagnostic found: every order's story out of the journals, every step's verdict out of the machine. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import Field

from actors.account.entries import EntryKind, PreparedBody, TakenBody
from actors.actor import NumberedFact
from actors.group_entries import STEP, StepBody
from actors.group_spec import GroupActorSpec
from actors.journal.protocol import Record
from strategies.domain.codec import commands_to_json
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import (
    AccountEvent,
    Filled,
    OrderAccepted,
    OrderClosed,
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
)
from strategies.domain.ids import AccountId, GroupId, OrderId, Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest
from strategies.machine import GroupView
from strategies.min_order.policy import MinOrderMemory
from strategies.registry import build_machine
from strategies.replay import JournaledStep, replay
from strategies.smoke_test.policy import Result, SmokeMemory
from venues.venue import WriteIdentity

_MS = 1000
_WIRE_BEFORE_MS = 50
_WIRE_AFTER_MS = 500
"""How far around an order's life lines of the wire log are searched for it."""
_WIRE_LINES_MAX = 12
"""Raw lines kept of one order; the log has them all."""
_REMARKS = (
    ("21104", "the venue called the nonce wrong (21104): another program signs with this key, or one died in a write"),
    ("minimum", "below the venue's minimum: raise size_multiplier"),
    ("notional", "below the venue's minimum notional: raise size_multiplier"),
    ("margin", "the account has too little collateral for this order"),
    ("reduce", "a reduce-only order had nothing to reduce"),
)
"""What a venue's words mean for whoever reads them, the most telling first."""


class Happening(Value):
    """Something that was heard of an order. `after_ms`: since its identity was durable."""

    at: Timestamp
    after_ms: int
    text: str


class OrderStory(Value):
    """One order, from the decision to its end. Quantities in base units, prices in USD."""

    order_id: OrderId
    account: AccountId
    side: str
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    client_order_id: int | None = None
    api_key_index: int | None = None
    nonce: int | None = Field(default=None, description="of the write; None = the venue has none, or it never left")
    next_nonce: int | None = Field(default=None, description="of the key's next write; None = none followed")
    tx_hash: str | None = None
    durable_at: Timestamp | None = None
    happenings: tuple[Happening, ...] = ()
    wire: tuple[str, ...] = Field(default=(), description="raw lines about it, secrets redacted")
    filled: Decimal = ZERO
    average_price: Decimal | None = None
    fees: Decimal = ZERO
    verdict: str = ""
    remark: str = ""


class Report(Value):
    """All that one run found."""

    group: GroupId
    strategy: str
    began_at: Timestamp
    ended_at: Timestamp
    passed: bool
    outcome: str
    reason: str
    positions: dict[str, Decimal] = Field(description="by leg, base units, at the end")
    cost_usd: Decimal = Field(description="fees and price paid, all legs")
    steps: dict[str, tuple[Result, ...]] = Field(default={}, description="the smoke test's, by leg")
    orders: tuple[OrderStory, ...] = ()


@dataclass(frozen=True)
class Sources:
    """What a report is made of."""

    spec: GroupActorSpec
    name: GroupId
    records: Mapping[str, Sequence[Record]]
    wire: Sequence[str]


def compose(sources: Sources) -> Report:
    """Put a run's journals and wire log together."""
    steps = _steps(sources)
    machine = build_machine(sources.spec.strategy, sources.spec.group, sources.spec.params, sources.spec.limits)
    journaled = (
        JournaledStep(number, step.event, commands_to_json(step.commands), step.code_version)
        for number, step in enumerate(steps, start=1)
    )
    state = replay(machine, None, journaled).state
    view, memory = machine.view(state), state.inner.memory
    smoke = {str(leg): run.results for leg, run in memory.runs.items()} if isinstance(memory, SmokeMemory) else {}
    return Report(
        group=sources.name,
        strategy=sources.spec.strategy,
        began_at=steps[0].event.at if steps else Timestamp(0),
        ended_at=steps[-1].event.at if steps else Timestamp(0),
        passed=_passed(memory, view),
        outcome=view.outcome,
        reason=view.reason,
        positions={leg: each.believed for leg, each in view.legs.items()},
        cost_usd=sum((each.fees - each.realized for each in view.legs.values()), start=ZERO),
        steps=smoke,
        orders=tuple(_stories(sources, steps)),
    )


def _passed(memory: object, view: GroupView) -> bool:
    flat = all(leg.believed == ZERO for leg in view.legs.values())
    if isinstance(memory, SmokeMemory):
        return flat and view.outcome == "FINISHED" and not any(run.failed for run in memory.runs.values())
    if isinstance(memory, MinOrderMemory):
        return flat and all(probe.verdict == "filled" for probe in memory.probes)
    return False


def _steps(sources: Sources) -> list[StepBody]:
    records = sources.records[sources.spec.own_stream]
    return [StepBody.model_validate_json(record.body) for record in records if record.kind == STEP]


def _stories(sources: Sources, steps: Sequence[StepBody]) -> Iterator[OrderStory]:
    wire = [*_wire_lines(sources.wire)]
    for step in steps:
        for command in step.commands:
            if isinstance(command, SubmitOrder):
                records = sources.records[f"account/{command.account}"]
                yield _story(command.account, command.order, records, wire)


def _story(
    account: AccountId, order: OrderRequest, records: Sequence[Record], wire: Sequence[tuple[Timestamp, str]]
) -> OrderStory:
    prepared = [
        PreparedBody.model_validate_json(each.body).identity for each in records if _is(each, EntryKind.PREPARED)
    ]
    own = [identity for identity in prepared if identity.order_id == order.order_id]
    identity = own[-1] if own else None
    taken_at = next((each.at for each in records if _took(each, order.order_id)), Timestamp(0))
    since = identity.prepared_at if identity is not None else taken_at
    facts = [(each.at, fact) for each in records if (fact := _fact_about(each, order.order_id)) is not None]
    fills = [fact.fill for _, fact in facts if isinstance(fact, Filled)]
    filled = sum((fill.quantity for fill in fills), start=ZERO)
    worth = sum((fill.quantity * fill.price for fill in fills), start=ZERO)
    texts = [_words(fact) for _, fact in facts]
    until = facts[-1][0] if facts else since
    return OrderStory(
        order_id=order.order_id,
        account=account,
        side=order.side,
        quantity=order.quantity,
        price=order.price,
        reduce_only=order.reduce_only,
        client_order_id=None if identity is None else identity.client_order_id,
        api_key_index=None if identity is None else identity.api_key_index,
        nonce=None if identity is None else identity.nonce,
        next_nonce=_next_nonce(prepared, identity),
        tx_hash=None if identity is None else identity.tx_hash,
        durable_at=None if identity is None else identity.prepared_at,
        happenings=tuple(
            Happening(at=at, after_ms=at - since, text=text) for (at, _), text in zip(facts, texts, strict=True)
        ),
        wire=tuple(_about(wire, identity, since, until)),
        filled=filled,
        average_price=worth / filled if filled else None,
        fees=sum((fill.fee for fill in fills), start=ZERO),
        verdict=_verdict(filled, order.quantity, facts),
        remark=next((remark for word, remark in _REMARKS if any(word in text.lower() for text in texts)), ""),
    )


def _is(record: Record, kind: EntryKind) -> bool:
    return record.kind == kind


def _took(record: Record, order_id: OrderId) -> bool:
    if not _is(record, EntryKind.TAKEN):
        return False
    command = TakenBody.model_validate_json(record.body).message.command
    return isinstance(command, SubmitOrder) and command.order.order_id == order_id


def _fact_about(record: Record, order_id: OrderId) -> AccountEvent | None:
    if not _is(record, EntryKind.FACT) or order_id not in record.body:
        return None
    event = NumberedFact.model_validate_json(record.body).event
    if isinstance(event, Filled):
        return event if event.fill.order_id == order_id else None
    return event if getattr(event, "order_id", None) == order_id else None


def _words(event: AccountEvent) -> str:
    words: str = event.kind
    match event:
        case OrderSubmitted():
            words = "left"
        case OrderAccepted():
            words = "the venue has it"
        case OrderOutcomeUnknown(reason=reason):
            words = f"no usable answer: {reason}"
        case OrderDenied(code=code, detail=detail):
            words = f"not sent, {code}: {detail}"
        case OrderRejected(code=code, detail=detail):
            words = f"refused, {code}: {detail}"
        case OrderClosed(status=status, filled=filled, reason=reason):
            words = f"{status.lower()} with {filled}" + (f" ({reason})" if reason else "")
        case Filled(fill=fill):
            words = f"stream: {fill.quantity} at {fill.price}, fee {fill.fee}, trade {fill.trade_id}"
        case _:
            pass
    return words


def _verdict(filled: Decimal, quantity: Decimal, facts: Sequence[tuple[Timestamp, AccountEvent]]) -> str:
    ended = [fact for _, fact in facts if isinstance(fact, OrderClosed | OrderRejected | OrderDenied)]
    if filled == quantity:
        return "filled"
    if filled > ZERO:
        return "partial"
    if not ended:
        return "unknown"
    return "canceled" if isinstance(ended[-1], OrderClosed) else "refused"


def _next_nonce(prepared: Sequence[WriteIdentity], own: WriteIdentity | None) -> int | None:
    if own is None or own.nonce is None:
        return None
    later = prepared[prepared.index(own) + 1 :]
    return next((each.nonce for each in later if each.api_key_index == own.api_key_index), None)


def _wire_lines(lines: Sequence[str]) -> Iterator[tuple[Timestamp, str]]:
    """Yield the moment and text of what went over the wire; a line that cannot be read is left out."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # a line that was cut off by the end of the process
            continue
        if str(entry.get("logger", "")).startswith("venues") and "timestamp" in entry:
            moment = datetime.fromisoformat(entry["timestamp"])
            yield Timestamp(int(moment.timestamp() * _MS)), str(entry.get("event", ""))


def _about(
    wire: Sequence[tuple[Timestamp, str]], identity: WriteIdentity | None, since: Timestamp, until: Timestamp
) -> Iterator[str]:
    """Yield the raw lines that name an order, by its client id or hash, while it lived."""
    if identity is None:
        return
    names = [str(each) for each in (identity.client_order_id, identity.tx_hash) if each is not None]
    found = 0
    for at, text in wire:
        near = since - _WIRE_BEFORE_MS <= at <= until + _WIRE_AFTER_MS
        if near and found < _WIRE_LINES_MAX and any(name in text for name in names):
            found += 1
            yield text
