"""One account actor over the matching core in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from actors.account import AccountActor, AccountSpec, AccountTuning
from actors.account.protection import Protection
from actors.actor import Envelope, Message
from actors.clock import wall_now
from actors.journal.store import open_store
from strategies.domain.commands import AccountCommand, SubmitOrder
from strategies.domain.events import AccountEvent
from strategies.domain.ids import AccountId, InstrumentId, OrderId, Timestamp, VenueSymbol
from strategies.domain.order import Lane, OrderRequest, OrderType, Side, TimeInForce
from venues.simulator.exchange import Exchange
from venues.simulator.floor import Floor
from venues.simulator.in_process import InProcessVenue
from venues.simulator.model import CrowdRules, MarketRules, VenueRules

ETH = InstrumentId("ETH-PERP")
SYMBOL = VenueSymbol("ETH")
BOUND_S = 20.0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail with words when it does not come."""
    deadline = asyncio.get_running_loop().time() + BOUND_S
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"waited {BOUND_S:g} s in vain for: {what}")
        await asyncio.sleep(0.005)


def order(number: int, quantity: str = "1", side: Side = Side.BUY, **changes) -> OrderRequest:
    """Return a market order that may pay anything sensible."""
    fields = {
        "order_id": OrderId(f"g:1:leg:test:{number}"),
        "instrument_id": ETH,
        "side": side,
        "quantity": Decimal(quantity),
        "order_type": OrderType.MARKET,
        "price": Decimal(3100) if side is Side.BUY else Decimal(2900),
        "time_in_force": TimeInForce.IOC,
        "lane": Lane.ENTRY,
    }
    return OrderRequest.model_validate(fields | changes)


class Gated:
    """A journal whose disk takes its time: every append waits at the gate while it is closed."""

    def __init__(self, journal) -> None:
        self._journal = journal
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_the_gate = asyncio.Event()

    def __getattr__(self, name: str):
        return getattr(self._journal, name)

    async def append(self, entries) -> int:
        self.at_the_gate.set()
        await self.gate.wait()
        return await self._journal.append(entries)


class Bench:
    """A floor, and the lives of one account on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exchange = Exchange(
            VenueRules(
                venue="lighter",
                client_id_bits=48,
                taker_delay_ms=0,
                maker_delay_ms=0,
                leverage_per_account=False,
                minimums_bind_takers=False,
            ),
            [
                MarketRules(
                    symbol=SYMBOL,
                    market_index=0,
                    tick=Decimal("0.01"),
                    lot=Decimal("0.001"),
                    min_quantity=Decimal("0.001"),
                    min_notional=Decimal(0),
                    initial_margin_min=Decimal("0.02"),
                    maintenance_margin=Decimal("0.012"),
                    closeout_margin=Decimal("0.008"),
                    taker_fee=Decimal("0.0005"),
                    maker_fee=Decimal(0),
                    liquidation_fee=Decimal("0.01"),
                    funding_interval_ms=3_600_000,
                    price_band=Decimal("0.1"),
                )
            ],
            seed=1,
            crowd=CrowdRules(level_notional=Decimal(1_000_000)),
        )
        self.floor = Floor(self.exchange, {ETH: SYMBOL}, wall_now)
        self.exchange.add_account("1", Decimal(100_000), wall_now())
        self.exchange.set_price(SYMBOL, Decimal(3000), wall_now())
        self.lives: list[AccountActor] = []
        self.journal = f"sqlite:{folder}/journal"
        self.sent = 0

    async def start(self, *, arm: bool = True, protection: Protection | None = None, **tuning: float) -> AccountActor:
        """Start the next life of the account."""
        bounds = {"answer_look_after_s": 0.3, "look_backoff_s": 0.1, "adjust_confirm_s": 0.2, "reconcile_every_s": 0.5}
        store = open_store(self.journal)
        epoch = await store.claim("account/l1", "test")
        await store.close()
        spec = AccountSpec(
            account=AccountId("l1"),
            venue="lighter",
            venue_config={},
            account_config={},
            instruments=(ETH,),
            journal=self.journal,
            lock_dir=str(self.folder / "locks"),
            tuning=AccountTuning.model_validate(bounds | tuning),
            protection=protection or Protection(),
        )
        actor = AccountActor(spec, epoch, build=lambda *_: InProcessVenue(self.floor, "1"))
        self.lives.append(actor)
        await actor.start()
        if arm:
            await self.arm(actor)
        return actor

    async def arm(self, actor: AccountActor) -> None:
        """Arm as the supervisor does: as soon as the account has looked at its venue."""
        deadline = asyncio.get_running_loop().time() + BOUND_S
        while not await actor.arm():
            assert asyncio.get_running_loop().time() < deadline, (await actor.status()).reason
            await asyncio.sleep(0.005)

    async def kill(self, actor: AccountActor) -> None:
        """End a life the way a killed process ends: nothing more is written, nothing is said."""
        await actor._tasks.close()
        await actor._venue.close()
        await actor._journal.close()
        actor._lock.release()

    async def send(self, actor: AccountActor, *commands: AccountCommand | OrderRequest) -> None:
        """Send commands as a group does, numbered."""
        await self.begin(actor, *commands)

    def begin(self, actor: AccountActor, *commands: AccountCommand | OrderRequest) -> "asyncio.Task[None]":
        """Begin to send commands, numbered in the order of the calls; await what is returned."""
        messages = []
        for command in commands:
            self.sent += 1
            if isinstance(command, OrderRequest):
                command = SubmitOrder(account=AccountId("l1"), order=command)
            messages.append(Message(seq=self.sent, command=command))
        return asyncio.ensure_future(self._submit(actor, tuple(messages)))

    async def _submit(self, actor: AccountActor, messages: tuple[Message, ...]) -> None:
        receipt = await actor.submit(Envelope(sender="group/g", sender_epoch=1, messages=messages))
        assert receipt.taken >= messages[-1].seq

    async def events(self, actor: AccountActor) -> list[AccountEvent]:
        """Return everything the account has published."""
        return [fact.event for fact in (await actor.facts(0, 0.01)).facts]

    async def event(self, actor: AccountActor, kind: type, count: int = 1) -> list:
        """Wait until `count` facts of a kind are there, and return them."""
        cursor, found = 0, []
        deadline = asyncio.get_running_loop().time() + BOUND_S
        while len(found) < count:
            assert asyncio.get_running_loop().time() < deadline, f"no {kind.__name__}: {await self.events(actor)}"
            for fact in (await actor.facts(cursor, 0.1)).facts:
                cursor = fact.seq
                if isinstance(fact.event, kind):
                    found.append(fact.event)
        return found

    def bought(self) -> Decimal:
        """Return the position by the exchange's own word."""
        return self.exchange.position("1", SYMBOL).quantity

    def orders_at_venue(self) -> int:
        """Return how many orders ever reached the exchange."""
        return len(self.exchange.orders("1", active=None))

    def now(self) -> Timestamp:
        return wall_now()


@pytest.fixture
async def bench(tmp_path) -> AsyncIterator[Bench]:
    """A floor and one account, ended with the test."""
    bench = Bench(tmp_path)
    yield bench
    for actor in bench.lives:
        await actor.stop()
