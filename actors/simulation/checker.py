"""The judge: what the venues did, held against what the journals say. Nothing here trusts an actor's memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from actors.account.book import Book
from actors.account.entries import PreparedBody, TakenBody, read_body
from actors.actor import NumberedFact
from actors.group_entries import STEP, StepBody
from actors.group_log import GroupLog, Loaded
from actors.journal.protocol import Entry, Record
from actors.meter import Meter
from actors.simulation.cast import LIQUIDATION_HEDGE
from actors.simulation.limits_judge import judge_counting, judge_limits
from actors.simulation.market import ETH, SYMBOLS
from actors.simulation.scenario import GROUP, VENUE_OF
from actors.simulation.world import World, stream_of
from strategies.domain.account import AccountMode
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import (
    AccountEvent,
    AccountModeChanged,
    Filled,
    OrderClosed,
    OrderDenied,
    OrderRejected,
    PositionAdjusted,
)
from strategies.domain.ids import AccountId, ClientOrderId, LegName, OrderId, TradeId
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.state import BALANCER, Purpose
from strategies.machine import GroupView, Machine
from strategies.registry import build_machine
from venues.simulator.model import OrderRow, TradeRow
from venues.venue import WriteKind

DUST = Decimal("0.005")
"""The larger of both venues' smallest orders, base units: less than this may be left of an earlier cycle."""


_ORDERS = f'"{SubmitOrder.model_fields["kind"].default}"'
"""In every journaled step that orders something: the others need not be read."""
REPLAY_EVERY = 10
"""Every so many seeds the group's whole journal is folded anew. Its restarts fold it in every seed."""


Read = tuple[Record, Value]
"""A record of an account, and what it says."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One account as its venue has it: what every order executed, and every trade's quantity."""

    executed: Mapping[OrderId, Decimal]
    trades: Mapping[TradeId, Decimal]


def judge_facts(account: str, facts: Sequence[AccountEvent], truth: Truth) -> Iterator[str]:
    """Yield every published fact that was not one, and every trade that was not published once."""
    seen: dict[TradeId, Decimal] = {}
    for fact in facts:
        if not isinstance(fact, Filled):
            yield from (f"{account}: {problem}" for problem in _untrue(fact, truth))
            continue
        fill = fact.fill
        if fill.trade_id in seen:
            yield f"{account}: trade {fill.trade_id} was published twice"
        if fill.cause is FillCause.FOREIGN:
            yield f"{account}: trade {fill.trade_id} of ours was called foreign"
        seen[fill.trade_id] = fill.quantity
    if seen != truth.trades:
        odd = {*seen.items()} ^ {*truth.trades.items()}
        yield f"{account}: trades of the venue and published fills differ: {sorted(odd)}"


def _untrue(fact: AccountEvent, truth: Truth) -> Iterator[str]:
    match fact:
        case OrderClosed(order_id=order_id, filled=filled):
            if truth.executed.get(order_id) != filled:
                yield f"{order_id} closed with {filled}, executed {truth.executed.get(order_id)}"
        case OrderRejected(order_id=order_id) | OrderDenied(order_id=order_id):
            if truth.executed.get(order_id, ZERO) != ZERO:
                yield f"{order_id} said to be refused, executed {truth.executed[order_id]}"
        case PositionAdjusted(before=before, after=after, reason=reason):
            yield f"belief jumped from {before} to {after} though every trade has a fill: {reason}"
        case AccountModeChanged(mode=AccountMode.FROZEN, reason=reason):
            yield f"frozen though nobody else trades: {reason}"
        case _:
            pass


def journal_bytes(world: World) -> bytes:
    """Return a digest of every record of every stream."""
    digest = blake2b(digest_size=16)
    for name in (*VENUE_OF, GROUP):
        for record in world.disk.store.records(stream_of(name)):
            digest.update(f"{name} {record.seq} {record.epoch} {record.kind} {record.at} {record.body}\n".encode())
    return digest.digest()


def judge(world: World) -> list[str]:
    """Return every promise that was broken."""
    found = list(world.complaints)
    found.extend(f"nobody heard: {text}" for text in world.loop.complaints if "never retrieved" not in text)
    records = world.disk.store.records(stream_of(GROUP))
    wanted = _wanted(record for record in records if record.kind == STEP and _ORDERS in record.body)
    found.extend(_judge_exposure(world, wanted))
    executed: dict[OrderId, Decimal] = {}
    for account in VENUE_OF:
        told = _read(world, account)
        prepared = _prepared(world, account, told)
        truth = _truth(world, account, {client_id: order_id for client_id, (order_id, _) in prepared.items()})
        executed.update(truth.executed)
        found.extend(_judge_account(world, account, wanted.get(AccountId(account), {}), told, prepared))
        found.extend(judge_facts(account, [*_facts(told)], truth))
    if world.scenario.cast.strategy == LIQUIDATION_HEDGE:
        found.extend(judge_hedges([order for orders in wanted.values() for order in orders.values()], executed))
    if world.scenario.cast.limited:
        steps = [StepBody.model_validate_json(record.body) for record in records if record.kind == STEP]
        found.extend(judge_limits(world.scenario.limits, steps))
    if world.scenario.cast.limited or world.scenario.seed % REPLAY_EVERY == 0:
        found.extend(_judge_replay(world))
    return found


def judge_end(world: World, view: GroupView) -> Iterator[str]:
    """Yield what is not as it must be after the calm."""
    for leg, account in world.scenario.cast.legs.items():
        held = world.market.held(account)
        dust = held != ZERO and view.legs[LegName(leg)].dust_usd > ZERO
        smallest = world.market.floor_of(account).rules(ETH).min_quantity
        if held != ZERO and not (dust and abs(held) < smallest):
            yield f"{account} ends with {held}"


def _wanted(records: Iterable[Record]) -> dict[AccountId, dict[OrderId, OrderRequest]]:
    """Return every order that the group's journal asks for, by account."""
    found: dict[AccountId, dict[OrderId, OrderRequest]] = {}
    for record in records:
        for command in StepBody.model_validate_json(record.body).commands:
            if isinstance(command, SubmitOrder):
                found.setdefault(command.account, {})[command.order.order_id] = command.order
    return found


def _judge_exposure(world: World, wanted: dict[AccountId, dict[OrderId, OrderRequest]]) -> Iterator[str]:
    """No leg ever held more than the largest order, or its cast's bound (and dust beneath it): nothing bought twice."""
    largest = max((order.quantity for orders in wanted.values() for order in orders.values()), default=ZERO)
    largest = world.scenario.cast.most or largest
    for account, held in world.market.largest.items():
        if held > largest + DUST:
            yield f"{account} held {held}, more than {largest}"


def judge_hedges(wanted: Iterable[OrderRequest], executed: Mapping[OrderId, Decimal]) -> Iterator[str]:
    """No hedge was larger than what its cycle's entries had filled, and dust: a wish is no fill."""
    entered: dict[str, Decimal] = {}
    hedges: list[tuple[str, OrderRequest]] = []
    for order in wanted:
        cycle, leg, purpose = order.order_id.split(":")[1:4]
        if leg == BALANCER and purpose == Purpose.ENTRY:
            entered[cycle] = entered.get(cycle, ZERO) + executed.get(order.order_id, ZERO)
        elif purpose == Purpose.HEDGE:
            hedges.append((cycle, order))
    for cycle, order in hedges:
        filled = entered.get(cycle, ZERO)
        if order.quantity > filled + DUST:
            yield f"{order.order_id} hedges {order.quantity}, entries of the cycle filled {filled}"


def _judge_account(
    world: World,
    account: str,
    wanted: dict[OrderId, OrderRequest],
    records: list[Read],
    prepared: dict[ClientOrderId, tuple[OrderId, float]],
) -> Iterator[str]:
    yield from _judge_arrivals(world, account, prepared)
    floor = world.market.floor_of(account)
    orders_of: dict[ClientOrderId, OrderId] = {client_id: order_id for client_id, (order_id, _) in prepared.items()}
    executed: dict[OrderId, Decimal] = {}
    for row in floor.exchange.orders(account, active=None):
        if row.cause is not FillCause.ORDER:
            continue
        order_id = None if row.client_order_id is None else orders_of.get(ClientOrderId(row.client_order_id))
        if order_id is None or order_id not in wanted:
            yield f"{account}: the venue has order {row.order_index} that no journal explains ({order_id})"
            continue
        if order_id in executed:
            yield f"{account}: {order_id} came to the venue twice"
        executed[order_id] = executed.get(order_id, ZERO) + row.filled
        yield from _judge_order(row, wanted[order_id])
    for trade in floor.exchange.trades(account, symbol=SYMBOLS[VENUE_OF[account]]):
        yield from _judge_trade(world, account, trade)
    yield from _judge_memory(world, account, records)
    yield from _judge_messages(account, records)


def _read(world: World, account: str) -> list[Read]:
    """Return an account's journal, each record with what a successor would read in it."""
    return [(record, read_body(record)) for record in world.disk.store.records(stream_of(account))]


def _prepared(world: World, account: str, records: list[Read]) -> dict[ClientOrderId, tuple[OrderId, float]]:
    """Return every client order id of the journal: whose it is, and when it was durable."""
    found: dict[ClientOrderId, tuple[OrderId, float]] = {}
    stream = stream_of(account)
    for record, body in records:
        if not isinstance(body, PreparedBody):
            continue
        identity = body.identity
        if identity.client_order_id is None or identity.order_id is None:
            continue
        durable_at = world.disk.acknowledged_at.get((stream, record.seq), float("inf"))
        known = found.get(identity.client_order_id)
        if known is not None:
            durable_at = min(durable_at, known[1])
        found[identity.client_order_id] = (identity.order_id, durable_at)
    return found


def _judge_arrivals(world: World, account: str, prepared: dict[ClientOrderId, tuple[OrderId, float]]) -> Iterator[str]:
    seen: set[ClientOrderId] = set()
    for arrival in world.market.floor_of(account).arrivals:
        if arrival.account != account or arrival.write.kind is not WriteKind.ORDER:
            continue
        client_id = arrival.write.client_order_id
        if client_id is None or client_id not in prepared:
            yield f"{account}: client id {client_id} reached the venue and is not in the journal"
            continue
        if client_id in seen:
            yield f"{account}: client id {client_id} reached the venue twice"
        seen.add(client_id)
        if arrival.loop_time < prepared[client_id][1]:
            yield f"{account}: client id {client_id} reached the venue before its identity was durable"


def _judge_order(row: OrderRow, request: OrderRequest) -> Iterator[str]:
    if (row.side, row.quantity, row.reduce_only) != (request.side, request.quantity, request.reduce_only):
        yield f"{request.order_id} at the venue is {row.side} {row.quantity}, wanted {request.side} {request.quantity}"
    if row.filled > request.quantity:
        yield f"{request.order_id} executed {row.filled} of {request.quantity}"


def _judge_trade(world: World, account: str, trade: TradeRow) -> Iterator[str]:
    if trade.taker_account != account:
        return
    row = world.market.floor_of(account).exchange.state.orders[trade.taker_order_index]
    before = trade.taker_position_before
    after = before + trade.quantity * trade.taker_side.sign
    if row.reduce_only and (before * after < ZERO or abs(after) > abs(before)):
        yield f"{account}: the reduce-only order {row.order_index} took the position from {before} to {after}"


def _judge_memory(world: World, account: str, records: list[Read]) -> Iterator[str]:
    """A successor that folds the journal must end where the living one is."""
    living = world.account(account)
    if living is None:
        return
    book = Book(AccountId(account))
    try:
        for record, body in records:
            book.apply(Entry(kind=record.kind, at=record.at, body=record.body, meaning=body))
    except Exception as error:  # noqa: BLE001 - whatever it is: a successor would die of it at every start
        yield f"{account}: the journal cannot be folded: {error!r}"
        return
    at_hand = len(living.book.state.facts)  # the living one has forgotten the older ones
    book.state.facts = book.state.facts[len(book.state.facts) - at_hand :]
    if book.state != living.book.state:
        yield f"{account}: the journal folds to something else than what the account remembers"


def _judge_messages(account: str, records: list[Read]) -> Iterator[str]:
    """The sender's messages were taken each once, in order, without a gap."""
    taken = 0
    for _, body in records:
        if isinstance(body, TakenBody):
            seq = body.message.seq
            if seq != taken + 1:
                yield f"{account}: message {seq} was taken after message {taken}"
            taken = seq


def _facts(records: list[Read]) -> Iterator[AccountEvent]:
    for _, body in records:
        if isinstance(body, NumberedFact):
            yield body.event


def _truth(world: World, account: str, orders_of: dict[ClientOrderId, OrderId]) -> Truth:
    floor = world.market.floor_of(account)
    executed: dict[OrderId, Decimal] = {}
    for row in floor.exchange.orders(account, active=None):
        if row.client_order_id is not None and row.client_order_id in orders_of:
            executed[orders_of[ClientOrderId(row.client_order_id)]] = row.filled
    trades = floor.exchange.trades(account, symbol=SYMBOLS[VENUE_OF[account]])
    quantities = {TradeId(str(trade.trade_id)): trade.quantity for trade in trades}
    return Truth(executed, quantities)


def _judge_replay(world: World) -> Iterator[str]:
    """Fold the group's journal anew, from its first record: the same commands, byte for byte, and the same end."""
    machine = build_machine(
        world.scenario.cast.strategy, world.group_spec, world.scenario.params, world.scenario.limits
    )
    loaded = world.loop.run(_replay(world, machine))
    living = world.view()
    if loaded.divergence is not None:
        yield f"the replay decides otherwise: {loaded.divergence}"
    elif living is not None and machine.view(loaded.state) != living:
        yield "the group's journal folds to something else than what the group shows"
    if world.scenario.cast.limited and loaded.divergence is None:
        yield from judge_counting(loaded.state, world.market, [*world.scenario.cast.legs.values()])


async def _replay(world: World, machine: Machine[Any]) -> Loaded:
    store, stream = world.disk.store, stream_of(GROUP)
    store.drop_snapshot(stream)
    epoch, _ = await store.owner(stream)
    return await GroupLog(await store.open(stream, epoch), Meter()).load(machine)
