"""The hedge whole, in one process: the real machine, group actor and account actors over two matching cores."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from actors.account import AccountActor, AccountSpec, AccountTuning
from actors.actor import ActorUnreachableError
from actors.clock import wall_now
from actors.group import GroupActor, GroupActorSpec
from actors.group_entries import STEP, StepBody
from actors.journal.protocol import JournalError
from actors.journal.store import open_store
from strategies.domain.commands import Notify
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, InstrumentId, LegName, VenueSymbol
from strategies.machine import GroupSpec, Outcome
from venues.simulator.exchange import Exchange
from venues.simulator.faults import Fault, FaultBook, FaultKind
from venues.simulator.floor import Floor
from venues.simulator.in_process import InProcessVenue
from venues.simulator.model import CrowdRules, MarketRules, SelfTrade, VenueRules
from venues.venue import Venue

ETH = InstrumentId("ETH-PERP")
SYMBOLS = {"lighter": VenueSymbol("ETH"), "backpack": VenueSymbol("ETH_USDC_PERP")}
LEGS = {LegName("backpack"): "bp", LegName("lighter1"): "l1", LegName("lighter2"): "l2"}
VENUE_OF = {"bp": "backpack", "l1": "lighter", "l2": "lighter"}
LOTS = {"lighter": Decimal("0.0001"), "backpack": Decimal("0.001")}
START = Decimal(3000)
BOUND_S = 40.0
QUICK = {
    "max_cycles": 1,
    "wait_min_s": "0.05",
    "wait_max_s": "0.15",
    "poll_interval_s": "0.3",
    "timeout_s": "1.5",
    "cycle_pause_s": "0.1",
    "look_retry_s": "0.05",
    "confirm_delay_s": "0.3",
    "start_retry_s": "0.2",
    "entry_delay_s": "0.05",
    "hedge_delay_s": "0.05",
    "exit_delay_s": "0.05",
    "unhedged_max_s": "8",
}
"""The strategy's own numbers, made quick."""


def _floor(venue: str, *, delay_ms: int) -> Floor:
    lighter = venue == "lighter"
    rules = VenueRules(
        venue=venue,
        client_id_bits=48 if lighter else 32,
        taker_delay_ms=delay_ms if lighter else 0,
        maker_delay_ms=0,
        leverage_per_account=not lighter,
        minimums_bind_takers=not lighter,
        self_trade=SelfTrade.CANCEL_MAKER if lighter else SelfTrade.REJECT_TAKER,
        engine_ends_takers=lighter,
    )
    market = MarketRules(
        symbol=SYMBOLS[venue],
        market_index=0,
        tick=Decimal("0.01"),
        lot=LOTS[venue],
        min_quantity=Decimal("0.005") if lighter else Decimal("0.001"),
        min_notional=Decimal(10) if lighter else Decimal(0),
        initial_margin_min=Decimal("0.02"),
        maintenance_margin=Decimal("0.012"),
        closeout_margin=Decimal("0.008"),
        taker_fee=Decimal(0) if lighter else Decimal("0.0005"),
        maker_fee=Decimal(0),
        liquidation_fee=Decimal("0.01"),
        funding_interval_ms=3_600_000,
        price_band=Decimal("0.05"),
    )
    exchange = Exchange(rules, [market], seed=7, crowd=CrowdRules(level_notional=Decimal(2_000_000)))
    exchange.set_price(SYMBOLS[venue], START, wall_now())
    return Floor(exchange, {ETH: SYMBOLS[venue]}, wall_now, latency_s=0.002)


class Line:
    """A way to an account's process: dead when the process is."""

    def __init__(self, actor: AccountActor) -> None:
        self.actor = actor
        self.dead = False

    async def _ask(self, call, *arguments):
        if self.dead:
            raise ActorUnreachableError("the process is gone")
        try:
            answer = await call(*arguments)
        except JournalError as error:
            raise ActorUnreachableError("the process died in the call") from error
        if self.dead:
            raise ActorUnreachableError("the process died before it answered")
        return answer

    async def submit(self, envelope):
        return await self._ask(self.actor.submit, envelope)

    async def facts(self, after, wait_s):
        return await self._ask(self.actor.facts, after, wait_s)

    async def observe(self, instrument_id):
        return await self._ask(self.actor.observe, instrument_id)

    async def status(self):
        return await self._ask(self.actor.status)


class Triad:
    """Three accounts, one group, two exchanges, and the hand that kills and breaks them."""

    strategy = "liquidation_hedge"
    legs = LEGS
    quick = QUICK
    """What `start_group` starts; another strategy's test says otherwise."""
    limits: ClassVar[dict[str, Any]] = {}
    """The group's limits, as a settings file has them."""

    def __init__(self, folder: Path, *, delay_ms: int = 20) -> None:
        self.folder = folder
        self.journal = f"sqlite:{folder}/journal"
        self.delay_ms = delay_ms
        self.floors: dict[str, Floor] = {}
        self.accounts: dict[str, AccountActor] = {}
        self.lines: dict[str, Line] = {}
        self.faults: list[tuple[str, FaultKind, str, dict[str, Any]]] = []
        self.group: GroupActor | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(self, **params) -> None:
        """Start everything."""
        await self.open_venues()
        self._pump = asyncio.get_running_loop().create_task(self._advance())
        for account in self.legs.values():
            await self.start_account(account)
        await self.start_group(**params)

    async def stop(self) -> None:
        """End everything."""
        if self.group is not None:
            await self.group.stop()
        for actor in self.accounts.values():
            await actor.stop()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def open_venues(self) -> None:
        """Open both exchanges."""
        self.floors = {venue: _floor(venue, delay_ms=self.delay_ms) for venue in SYMBOLS}
        for account, venue in VENUE_OF.items():
            self.floors[venue].exchange.add_account(account, Decimal(1000), wall_now())
        for account, kind, action, details in self.faults:
            self.fault_book(account).add(self.fault(account, kind, action, details))

    def build(self, account: str) -> Venue:
        """Return a client of one account."""
        return InProcessVenue(self.floors[VENUE_OF[account]], account)

    def exchange(self, account: str) -> Exchange:
        """Return the exchange that judges an account."""
        return self.floors[VENUE_OF[account]].exchange

    def name_at_venue(self, account: str) -> str:
        """Return what the exchange calls the account."""
        return account

    def fault_book(self, account: str) -> FaultBook:
        """Return where the account's faults are kept."""
        return self.floors[VENUE_OF[account]].faults

    def fault(self, account: str, kind: FaultKind, action: str, details: dict[str, Any]) -> Fault:
        """Return a fault at one leg."""
        return Fault(kind, VENUE_OF[account], account=self.name_at_venue(account), action=action, **details)

    async def start_account(self, account: str) -> AccountActor:
        """Start the next life of an account, arm it, and tell the group."""
        spec = AccountSpec(
            account=AccountId(account),
            venue=VENUE_OF[account],
            venue_config={},
            account_config={},
            instruments=(ETH,),
            journal=self.journal,
            lock_dir=str(self.folder / "locks"),
            tuning=AccountTuning(
                answer_look_after_s=0.3, look_backoff_s=0.1, adjust_confirm_s=0.2, reconcile_every_s=0.5
            ),
        )
        actor = AccountActor(spec, await self._claim(f"account/{account}"), build=lambda *_: self.build(account))
        self.accounts[account] = actor
        self.lines[account] = Line(actor)
        await actor.start()
        while not await actor.arm():  # noqa: ASYNC110 - as the supervisor does: asked until it has looked
            await asyncio.sleep(0.01)
        if self.group is not None:
            self.group.connect(AccountId(account), self.lines[account])
        return actor

    async def start_group(self, *, state: OperatorState = OperatorState.RUN, **params) -> GroupActor:
        """Start the next life of the group."""
        spec = GroupActorSpec(
            group=GroupSpec.model_validate({"group": "triad", "instrument_id": ETH, "legs": self.legs}),
            strategy=self.strategy,
            params=self.quick | params,
            limits=self.limits,
            operator_state=state,
            journal=self.journal,
            lock_dir=str(self.folder / "locks"),
        )
        self.group = GroupActor(spec, await self._claim("group/triad"))
        await self.group.start()
        for account, line in self.lines.items():
            self.group.connect(AccountId(account), line)
        return self.group

    async def kill_account(self, account: str) -> None:
        """End an account's life the way a killed process ends."""
        actor = self.accounts[account]
        self.lines[account].dead = True
        await actor._tasks.close()
        await actor._venue.close()
        await actor._journal.close()
        actor._lock.release()

    async def kill_group(self) -> None:
        """End the group's life the way a killed process ends."""
        group = self.group
        group._timers.drop_all()
        await group._tasks.close()
        await group._log.close()
        group._lock.release()

    def break_(self, account: str, kind: FaultKind, action: str, **details) -> None:
        """Inject one fault at one leg as soon as the venues are open."""
        self.faults.append((account, kind, action, details))

    def set_price(self, price: Decimal) -> None:
        """Move the market on both venues."""
        for venue, floor in self.floors.items():
            floor.exchange.set_price(SYMBOLS[venue], price, wall_now())
            floor.pump()

    def held(self, account: str) -> Decimal:
        """Return a position by the exchange's own word."""
        symbol = SYMBOLS[VENUE_OF[account]]
        return self.exchange(account).position(self.name_at_venue(account), symbol).quantity

    @property
    def phase(self) -> str:
        """Return the group's phase."""
        return self.group._view().phase

    async def until(self, condition, what: str) -> None:
        """Wait for a condition; fail with the group's last steps when it does not come."""
        deadline = asyncio.get_running_loop().time() + BOUND_S
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                recent = "\n".join((await self.group.status()).recent)
                pytest.fail(f"waited {BOUND_S:g} s in vain for: {what}\nphase {self.phase}\n{recent}")
            await asyncio.sleep(0.01)

    async def until_finished(self) -> None:
        """Wait until the group has done its cycles."""
        await self.until(lambda: self.group._view().outcome is not Outcome.RUNNING, "the end")

    async def said(self) -> list[str]:
        """Return everything the group told its operator."""
        journal = self.group._log._journal
        steps = [StepBody.model_validate_json(r.body) for r in await journal.read() if r.kind == STEP]
        return [command.text for step in steps for command in step.commands if isinstance(command, Notify)]

    def check_truth(self) -> None:
        """By the exchanges' own history: flat, every order wanted, none twice, all known to the journal."""
        assert {account: self.held(account) for account in VENUE_OF} == dict.fromkeys(VENUE_OF, Decimal(0))
        for account in self.accounts:
            book = self.accounts[account]._ledger.book
            wanted = {r.client_order_id: r.request for r in book.state.orders.values()}
            at_venue = [
                row
                for row in self.exchange(account).orders(self.name_at_venue(account), active=None)
                if row.client_order_id is not None
            ]
            ids = [row.client_order_id for row in at_venue]
            assert len(ids) == len(set(ids)), "an order came twice"
            assert set(ids) <= set(wanted), "an order nobody wanted"
            for row in at_venue:
                request = wanted[row.client_order_id]
                assert (row.quantity, row.side) == (request.quantity, request.side)
            assert book.believed(ETH) == self.held(account)

    async def _claim(self, stream: str) -> int:
        store = open_store(self.journal)
        epoch = await store.claim(stream, "test")
        await store.close()
        return epoch

    async def _advance(self) -> None:
        while True:
            for floor in self.floors.values():
                floor.advance()
            await asyncio.sleep(0.01)
