"""Three legs to confirmed flat on a bad day: the Lighter budget nearly spent, and one venue answering 5xx for a while.

One process, no Ray: production clients over the wire servers, account actors, the flatten as the supervisor runs it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from actors.account import AccountActor, AccountSpec
from actors.actor import Envelope, Message
from actors.clock import wall_now
from actors.group import GroupActor, GroupActorSpec
from actors.journal.store import open_store
from benchmarks.figures import Row
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, VenueSymbol
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from strategies.flatten.state import FlattenParams
from strategies.machine import GroupSpec, Outcome
from strategies.registry import FLATTEN
from venues.registry import build_venue
from venues.simulator.catalog import LighterTier
from venues.simulator.deployment import Simulation
from venues.simulator.exchange import Exchange
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.testing import simulation
from venues.venue import Venue

ETH = InstrumentId("ETH-PERP")
LEGS = {
    LegName("backpack"): AccountId("bp"),
    LegName("lighter1"): AccountId("l1"),
    LegName("lighter2"): AccountId("l2"),
}
INDEX = {AccountId("l1"): 1, AccountId("l2"): 2}
HELD = {AccountId("bp"): Decimal("0.6"), AccountId("l1"): Decimal("-0.4"), AccountId("l2"): Decimal("-0.2")}
"""What the legs hold when the bad day begins, base units."""
SHARE = 0.5
"""Two Lighter accounts share one address and its 60 requests a minute."""
DOWN_S = 5.0
"""How long the venue that is down answers 503 to everything."""
PATIENCE_S = 150.0
_POLL_S = 0.01
_GROUP = GroupId("bench")
_SMALL = Decimal("0.01")
_CHEAPEST, _DEAREST = Decimal(2900), Decimal(3100)
"""Worst prices around a market that stands at 3000."""


@dataclass(frozen=True)
class Leg:
    """Seconds after the word FLATTEN: when the exchange held nothing any more, and when that was confirmed."""

    flat_s: float
    confirmed_s: float


async def run(folder: Path) -> list[Row]:
    """Measure a calm day, a spent budget, one venue down, and both together."""
    rows: list[Row] = []
    for name, spent, down in (
        ("calm", False, ""),
        ("budget nearly spent", True, ""),
        (f"Backpack answers 503 for {DOWN_S:g} s", False, "backpack"),
        (f"budget nearly spent, Backpack 503 for {DOWN_S:g} s", True, "backpack"),
        (f"budget nearly spent, Lighter 503 for {DOWN_S:g} s", True, "lighter"),
    ):
        with TemporaryDirectory(dir=folder) as place:
            legs = await _one(Path(place), spent=spent, down=down)
        rows.append(
            Row(
                name,
                f"flat {max(leg.flat_s for leg in legs.values()):.1f} s, "
                f"confirmed {max(leg.confirmed_s for leg in legs.values()):.1f} s",
                "",
                ", ".join(f"{leg} {at.flat_s:.1f} / {at.confirmed_s:.1f}" for leg, at in legs.items()),
            )
        )
    return rows


async def _one(folder: Path, *, spent: bool, down: str) -> dict[str, Leg]:
    async with (
        simulation(
            seed=3,
            lighter_accounts=tuple(INDEX.values()),
            backpack_accounts=("bp",),
            tier=LighterTier.STANDARD,
            collateral=Decimal(2_000),
        ) as sim,
        _accounts(sim, folder) as desks,
    ):
        for account, desk in desks.items():
            await desk.trade(HELD[account], Lane.ENTRY)
        if spent:
            await asyncio.gather(*(desks[account].spend() for account in INDEX))
        fault = Fault(FaultKind.STATUS_BEFORE, down, status=503, count=None) if down else None
        async with _flatten(folder, desks) as group:
            return await _measure(sim, group, fault)


async def _measure(sim: Simulation, group: GroupActor, fault: Fault | None) -> dict[str, Leg]:
    began = time.monotonic()
    if fault is not None:
        known = sim.faults.add(fault)
        asyncio.get_running_loop().call_later(DOWN_S, sim.faults.remove, known.fault_id)
    await group.operate(OperatorState.FLATTEN, "bench", "a bad day")
    flat: dict[str, float] = {}
    confirmed: dict[str, float] = {}
    while time.monotonic() - began < PATIENCE_S:
        view, now = group.glance(), time.monotonic() - began
        for leg, account in LEGS.items():
            if leg not in flat and _held(sim, account) == 0:
                flat[leg] = now
            if leg not in confirmed and view is not None and view.legs[leg].flat_at is not None:
                confirmed[leg] = now
        if view is not None and view.outcome is Outcome.FINISHED and len(confirmed) == len(LEGS):
            return {leg: Leg(flat[leg], confirmed[leg]) for leg in LEGS}
        await asyncio.sleep(_POLL_S)
    raise TimeoutError(f"not confirmed flat within {PATIENCE_S:g} s: flat {flat}, confirmed {confirmed}")


# --- the scene --------------------------------------------------------------------------------------------------------


class _Desk:
    """One account: its actor, its client, and orders as a group sends them."""

    def __init__(self, sim: Simulation, actor: AccountActor, venue: Venue, account: AccountId) -> None:
        self.actor = actor
        self._sim = sim
        self._venue = venue
        self._account = account
        self._sent = 0

    async def trade(self, quantity: Decimal, lane: Lane) -> None:
        """Buy or sell, and wait until the exchange and the account agree on it."""
        self._sent += 1
        wanted = _held(self._sim, self._account) + quantity
        order = OrderRequest(
            order_id=OrderId(f"{_GROUP}:1:{self._account}:entry:{self._sent}"),
            instrument_id=ETH,
            side=Side.of(quantity),
            quantity=abs(quantity),
            order_type=OrderType.MARKET,
            price=_DEAREST if quantity > 0 else _CHEAPEST,
            lane=lane,
        )
        message = Message(seq=self._sent, command=SubmitOrder(account=self._account, order=order))
        await self.actor.submit(Envelope(sender="bench", sender_epoch=1, messages=(message,)))
        while self.actor.book.believed(ETH) != wanted or not self.actor.book.settled(ETH):  # noqa: ASYNC110 - a book is read
            await asyncio.sleep(_POLL_S)

    async def spend(self) -> None:
        """Spend the minute as a busy one does: all that reads may use, and the writes' part but what exits keep."""
        while self._venue.status().budget_left[Lane.READ] >= 1:
            await self._venue.position(ETH)
        quantity = _SMALL
        while self._venue.status().budget_left[Lane.HEDGE] >= 1:
            await self.trade(quantity, Lane.HEDGE)
            quantity = -quantity


@asynccontextmanager
async def _accounts(sim: Simulation, folder: Path) -> AsyncIterator[dict[AccountId, _Desk]]:
    async with AsyncExitStack() as stack:
        desks: dict[AccountId, _Desk] = {}
        for account in LEGS.values():
            spec = _spec(sim, folder, account)
            venue = build_venue(spec.venue, spec.venue_config, spec.account_config, wall_now)
            actor = AccountActor(spec, await _claim(folder, f"account/{account}"), build=lambda *_, venue=venue: venue)
            stack.push_async_callback(actor.stop)
            await actor.start()
            while not await actor.arm():  # noqa: ASYNC110 - as the supervisor does: asked until it has looked
                await asyncio.sleep(_POLL_S)
            desks[account] = _Desk(sim, actor, venue, account)
        yield desks


@asynccontextmanager
async def _flatten(folder: Path, desks: dict[AccountId, _Desk]) -> AsyncIterator[GroupActor]:
    spec = GroupActorSpec(
        group=GroupSpec(group=_GROUP, instrument_id=ETH, legs=LEGS),
        strategy=FLATTEN,
        params=FlattenParams().model_dump(mode="json"),
        limits={},
        journal=f"sqlite:{folder}/journal",
        lock_dir=str(folder / "locks"),
        stream=f"flatten/{_GROUP}",
        needs_no_past=True,
    )
    group = GroupActor(spec, await _claim(folder, spec.own_stream))
    await group.start()
    try:
        for account, desk in desks.items():
            group.connect(account, desk.actor)
        yield group
    finally:
        await group.stop()


def _spec(sim: Simulation, folder: Path, account: AccountId) -> AccountSpec:
    secret = folder / f"{account}.key"
    if account in INDEX:
        index, private_key = sim.lighter_key(INDEX[account])
        secret.write_text(private_key, encoding="utf-8")
        venue = {"base_url": sim.lighter_url, "symbols": {ETH: "ETH"}, "tier": "standard", "budget_share": SHARE}
        own = {"account_index": INDEX[account], "api_keys": [{"index": index, "secret": f"file:{secret}"}]}
    else:
        secret.write_text(sim.backpack_secret(account), encoding="utf-8")
        venue = {"base_url": sim.backpack_url, "symbols": {ETH: "ETH_USDC_PERP"}}
        own = {"secret": f"file:{secret}"}
    return AccountSpec(
        account=account,
        venue="lighter" if account in INDEX else "backpack",
        venue_config=venue,
        account_config=own,
        instruments=(ETH,),
        journal=f"sqlite:{folder}/journal",
        lock_dir=str(folder / "locks"),
    )


async def _claim(folder: Path, stream: str) -> int:
    store = open_store(f"sqlite:{folder}/journal")
    try:
        return await store.claim(stream, "bench")
    finally:
        await store.close()


def _held(sim: Simulation, account: str) -> Decimal:
    exchange: Exchange
    if account in INDEX:
        exchange, name, symbol = sim.exchange_lighter, str(INDEX[AccountId(account)]), VenueSymbol("ETH")
    else:
        exchange, name, symbol = sim.exchange_backpack, account, VenueSymbol("ETH_USDC_PERP")
    return exchange.position(name, symbol).quantity
