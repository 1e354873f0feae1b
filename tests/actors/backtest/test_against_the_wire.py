"""A backtest against the same group over both wire protocols: production clients, servers on loopback."""

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from actors.account import AccountActor, AccountSpec
from actors.backtest.run import Backtest
from actors.group import GroupActor, GroupActorSpec
from actors.journal.memory import MemoryJournalStore
from actors.simulation.process import NoLock
from strategies.domain.ids import AccountId, InstrumentId
from strategies.machine import GroupSpec, Outcome
from tests.actors.backtest.stepped import SteppedLoop
from tests.actors.backtest.test_backtest import HEADER, spec_of
from venues.registry import build_venue
from venues.simulator.catalog import LighterTier
from venues.simulator.config import SimulationConfig
from venues.simulator.deployment import Simulation
from venues.simulator.model import CrowdRules

SEED = 11
LEAD_IN_S = 60
"""The wire's actors come up within the tape's first minute; the backtest's tape begins after it."""
TURN_MS = 20_000
BTC = InstrumentId("BTC-PERP")
COLLATERAL = Decimal(2000)
LEVEL_USD = Decimal(500_000)
MOVES = (40, -70, 55, -30, -80, 60, 25)
MAIN = {"group": {"group": "pair", "instrument_id": "BTC-PERP", "legs": {"main": "l1"}}, "venue_of": {"l1": "lighter"}}
LOOKS = {"poll_interval_s": "7.003"}
"""No look at the very moment of a turn: which of both comes first there is not the same everywhere."""
CASES = {
    "simple_hedge": {
        "params": LOOKS
        | {
            "quantity": "0.02",
            "hold_s": "100.5",
            "max_cycles": 2,
            "entry": {"requote_interval_s": "3.001", "timeout_s": "30.5"},
        }
    },
    "geometric_grid": MAIN
    | {
        "params": LOOKS
        | {"quantity": "0.005", "range_fraction": "0.002", "levels": 21, "run_s": "330.5", "max_cycles": 1}
    },
    "trend_ladder": MAIN
    | {
        "params": LOOKS
        | {"quantity": "0.005", "take_profit": "0.0006", "wait_s": "5.5", "run_s": "330.5", "max_cycles": 1}
    },
}


def write_tapes(folder):
    """Write seven minutes over a funding hour, and the same with a still minute before them; return both."""
    price, lines = 50_000, []
    for minute, move in enumerate(MOVES):
        opened, price = price, price + move
        high, low = max(opened, price) + 35, min(opened, price) - 45
        at = f"2022-01-01 {(57 + minute) // 60:02d}:{(57 + minute) % 60:02d}:00"
        lines.append(f"{at},{opened},{high},{low},{price},1\n")
    still = "2022-01-01 00:56:00,50000,50000,50000,50000,1\n"
    tapes = folder / "bars.csv", folder / "longer.csv"
    tapes[0].write_text(HEADER + "".join(lines))
    tapes[1].write_text(HEADER + still + "".join(lines))
    return tapes


class Wire:
    """One group and its accounts over the wire, all in one loop of virtual time."""

    def __init__(self, folder, tape, spec, loop) -> None:
        self.folder, self.spec, self.loop = folder, spec, loop
        self.sim = Simulation(
            SimulationConfig(
                seed=SEED,
                lighter_accounts=(1,),
                backpack_accounts=("bp",),
                collateral=COLLATERAL,
                tape=tape,
                tier=LighterTier.UNLIMITED,
                crowd=CrowdRules(levels=1, level_notional=LEVEL_USD),
                tick_ms=TURN_MS,
                now=loop.now,
            )
        )
        self.store = MemoryJournalStore()
        self.accounts: list[AccountActor] = []

    async def play(self) -> None:
        """Come up, begin with the second minute, and go on until the group has finished."""
        began = self.loop.time()
        async with AsyncExitStack() as stack:
            await self.sim.start()
            stack.push_async_callback(self.sim.stop)
            for account in self.spec.venue_of:
                await self._start_account(account)
                stack.push_async_callback(self.accounts[-1].stop)
            await asyncio.sleep(LEAD_IN_S - (self.loop.time() - began))
            group = await self._start_group()
            stack.push_async_callback(group.stop)
            async with asyncio.timeout(60 * len(MOVES) + LEAD_IN_S):
                while group.glance().outcome is Outcome.RUNNING:  # noqa: ASYNC110 - its view is a value, not an event
                    await asyncio.sleep(1.0007)
            assert group.glance().outcome is Outcome.FINISHED, group.glance().reason
            assert not group.stopped

    async def _start_account(self, account: AccountId) -> None:
        spec = AccountSpec(
            account=account,
            venue=self.spec.venue_of[account],
            venue_config={},
            account_config={},
            instruments=(BTC,),
            journal="memory:",
            lock_dir="",
        )
        epoch = await self.store.claim(f"account/{account}", "test")
        actor = AccountActor(
            spec,
            epoch,
            now=self.loop.now,
            build=lambda *_: self._client(account),
            stores=lambda _: self.store,
            make_lock=NoLock,
        )
        self.accounts.append(actor)
        await actor.start()
        async with asyncio.timeout(LEAD_IN_S / 4):
            while not await actor.arm():  # noqa: ASYNC110 - as the supervisor does: asked until it has looked
                await asyncio.sleep(0.1)

    def _client(self, account: AccountId):
        key = self.folder / f"{account}.key"
        if account == "bp":
            key.write_text(self.sim.backpack_secret("bp"))
            venue = {"base_url": self.sim.backpack_url, "symbols": {BTC: "BTC_USDC_PERP"}}
            return build_venue("backpack", venue, {"secret": f"file:{key}"}, self.loop.now)
        index, private_key = self.sim.lighter_key(1)
        key.write_text(private_key)
        venue = {"base_url": self.sim.lighter_url, "symbols": {BTC: "BTC"}, "tier": "unlimited"}
        keys = {"account_index": 1, "api_keys": [{"index": index, "secret": f"file:{key}"}]}
        return build_venue("lighter", venue, keys, self.loop.now)

    async def _start_group(self) -> GroupActor:
        group = self.spec.group
        spec = GroupActorSpec(
            group=GroupSpec(group=group.group, instrument_id=BTC, legs=group.legs),
            strategy=self.spec.strategy,
            params=self.spec.params,
            journal="memory:",
            lock_dir="",
        )
        epoch = await self.store.claim(spec.own_stream, "test")
        actor = GroupActor(spec, epoch, now=self.loop.now, stores=lambda _: self.store, make_lock=NoLock)
        await actor.start()
        for account in self.accounts:
            actor.connect(account._spec.account, account)
        return actor


def settled(exchange, name):
    """Return what an exchange has in its books of one account: each execution, the money, the funding, the rest."""
    fills = []
    for trade in exchange.trades(name):
        taker = trade.taker_account == name
        side = trade.taker_side if taker else trade.taker_side.opposite
        fee = trade.taker_fee if taker else trade.maker_fee
        fills.append((str(side), trade.quantity, trade.price, fee, "taker" if taker else "maker"))
    funding = [(row.amount, row.rate, row.position) for row in exchange.funding(name)]
    positions = [(row.symbol, row.quantity) for row in exchange.positions(name) if row.quantity]
    return fills, funding, exchange.margin(name).collateral, positions, exchange.orders(name, active=True)


@pytest.mark.parametrize("strategy", CASES)
@pytest.mark.timeout(120)
def test_fills_and_money_agree_to_the_last_lot(tmp_path, strategy):
    """Every fill (side, size, price, fee, maker or taker), funding, collateral, position: the same on both ways."""
    tape, longer = write_tapes(tmp_path)
    spec = spec_of(
        tape,
        **CASES[strategy],
        strategy=strategy,
        seed=SEED,
        collateral=COLLATERAL,
        tier="unlimited",
        latency_ms=0,
        level_usd=LEVEL_USD,
    )
    run = Backtest(spec)
    assert run.run().outcome == Outcome.FINISHED
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        wire = Wire(tmp_path, longer, spec, runner.get_loop())
        runner.run(wire.play())
    for account, venue in spec.venue_of.items():
        played = settled(run._venues[venue].exchange, account)
        traded = settled(wire.sim.venues[venue], "1" if venue == "lighter" else account)
        assert traded == played, account
        assert played[0], "nothing was traded"
        assert (played[3], played[4]) == ([], [])
