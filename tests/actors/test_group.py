"""The group actor: step, write, act; killed at any moment it goes on where it was and doubles nothing."""

import asyncio
import random
from decimal import Decimal

import pytest

from actors.actor import ActorUnreachableError
from actors.group import GroupActor, GroupActorSpec
from actors.group_log import GroupLog
from actors.journal.memory import MemoryJournalStore
from actors.journal.protocol import JournalWriteError
from actors.journal.store import open_store
from actors.meter import Meter
from strategies.domain.events import OperatorState, Started
from strategies.domain.ids import AccountId
from strategies.machine import Outcome
from tests.actors.account.conftest import Bench, until
from tests.actors.toy import Toy, toy_spec
from venues.simulator.faults import Fault, FaultKind

ME = AccountId("l1")


class LossyPort:
    """A way to an account that loses calls, loses answers, and goes away, by a seeded die."""

    def __init__(self, actor, seed: int, loss: float) -> None:
        self.actor = actor
        self.die = random.Random(seed)
        self.loss = loss

    async def _pass(self, call):
        if self.die.random() < self.loss:
            raise ActorUnreachableError("the call was lost")
        answer = await call()
        if self.die.random() < self.loss:
            raise ActorUnreachableError("the answer was lost")
        return answer

    async def submit(self, envelope):
        return await self._pass(lambda: self.actor.submit(envelope))

    async def facts(self, after, wait_s):
        return await self._pass(lambda: self.actor.facts(after, min(wait_s, 0.1)))

    async def observe(self, instrument_id):
        return await self._pass(lambda: self.actor.observe(instrument_id))

    async def status(self):
        return await self.actor.status()


class GroupBench:
    """One toy group over one account."""

    def __init__(self, folder) -> None:
        self.accounts = Bench(folder)
        self.folder = folder
        self.groups: list[GroupActor] = []

    async def start(
        self, port, *, goal: int = 3, version: str = "toy-1", lot: Decimal = Decimal(1), **spec_changes
    ) -> GroupActor:
        journal = f"sqlite:{self.folder}/journal"
        store = open_store(journal)
        epoch = await store.claim("group/g", "test")
        await store.close()
        spec = GroupActorSpec(
            group=toy_spec(),
            strategy="toy",
            params={},
            journal=journal,
            lock_dir=str(self.folder / "locks"),
            **spec_changes,
        )
        group = GroupActor(spec, epoch, build=lambda *_: Toy(toy_spec(), goal, version=version, lot=lot))
        self.groups.append(group)
        await group.start()
        if port is not None:
            group.connect(ME, port)
        return group

    async def kill(self, group: GroupActor) -> None:
        """End a life the way a killed process ends."""
        group._timers.drop_all()
        await group._tasks.close()
        await group._log.close()
        group._lock.release()

    def steps(self, group: GroupActor) -> int:
        return group._log.seq


@pytest.fixture
async def bench(tmp_path):
    """A toy group and its account, ended with the test."""
    bench = GroupBench(tmp_path)
    yield bench
    for group in bench.groups:
        await group.stop()
    for actor in bench.accounts.lives:
        await actor.stop()


def finished(group: GroupActor) -> bool:
    """Say whether the goal is reached."""
    return group._view().outcome is Outcome.FINISHED


async def test_a_group_reaches_its_goal_with_one_order_a_lot(bench):
    """Event, step, journal, act: three lots wanted, three orders at the venue, three lots held."""
    account = await bench.accounts.start()
    group = await bench.start(account)
    await until(lambda: finished(group), "the goal")
    assert bench.accounts.orders_at_venue() == 3
    assert bench.accounts.bought() == 3
    status = await group.status()
    assert status.view.net == 3
    assert any("buys" in line or "buy 1" in line for line in status.recent)


async def test_a_successor_shows_the_last_steps_of_the_life_before(bench):
    """Who looks after a restart reads what led there, not only that it was restarted."""
    account = await bench.accounts.start()
    group = await bench.start(account)
    await until(lambda: finished(group), "the goal")
    before = (await group.status()).recent
    await bench.kill(group)
    after = (await (await bench.start(account)).status()).recent
    assert "restarted" in after[-1]
    assert after[: len(before)] == before


@pytest.mark.parametrize("seed", range(3))
async def test_lost_calls_and_lost_answers_double_nothing(bench, seed):
    """A third of all calls and a third of all answers between group and account are lost: still one order a lot."""
    account = await bench.accounts.start()
    group = await bench.start(LossyPort(account, seed, 0.33))
    await until(lambda: finished(group), "the goal")
    assert bench.accounts.orders_at_venue() == 3


@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_any_step_the_next_life_goes_on(bench, seed):
    """Kill the group after a few steps, again and again, while calls are lost: one order a lot, replays agree."""
    account = await bench.accounts.start()
    die = random.Random(seed)
    lives = 0
    while True:
        group = await bench.start(LossyPort(account, die.randrange(1000), 0.2), goal=4)
        lives += 1
        assert group._stopped == ""
        stop_at = bench.steps(group) + die.randrange(1, 6)
        await until(lambda g=group, s=stop_at: finished(g) or bench.steps(g) >= s, "a few steps")
        if finished(group):
            break
        await bench.kill(group)
    assert lives > 1
    assert bench.accounts.orders_at_venue() == 4
    assert bench.accounts.bought() == 4


async def test_account_and_group_killed_in_turn_still_one_order_a_lot(bench):
    """Both processes die in mid-order, one after the other; the venue's history shows what was wanted and no more."""
    account = await bench.accounts.start()
    group = await bench.start(account, goal=3)
    bench.accounts.floor.faults.add(Fault(FaultKind.LOSE_ANSWER, "lighter", action="order"))
    await until(lambda: bench.accounts.orders_at_venue() >= 1, "an order at the venue")
    await bench.accounts.kill(account)
    await bench.kill(group)
    account = await bench.accounts.start()
    group = await bench.start(None, goal=3)
    await asyncio.sleep(0.05)
    group.connect(ME, account)
    await until(lambda: finished(group), "the goal")
    assert bench.accounts.orders_at_venue() == 3


async def test_a_machine_that_decides_otherwise_on_replay_is_stopped(bench):
    """A changed decision is found at start: the group says where and does nothing."""
    account = await bench.accounts.start()
    group = await bench.start(account)
    await until(lambda: finished(group), "the goal")
    await bench.kill(group)
    group = await bench.start(account, version="toy-2", lot=Decimal(2))
    status = await group.status()
    assert "replay decides otherwise" in status.stopped
    assert bench.accounts.orders_at_venue() == 3


async def test_a_poison_event_stops_the_group_and_names_the_position(bench):
    """An event that the machine cannot take stops this group, with the journal position; nothing more is decided."""
    account = await bench.accounts.start()
    group = await bench.start(account, goal=26, lot=Decimal(13))
    await until(lambda: group._stopped != "", "the stop")
    status = await group.status()
    assert "poison event after journal seq" in status.stopped
    assert "unlucky" in status.stopped


async def test_an_operator_word_is_durable_when_the_call_returns(bench):
    """What the operator said is in the journal before the call returns."""
    account = await bench.accounts.start()
    group = await bench.start(account, goal=0)
    await group.operate(OperatorState.FLATTEN, "operator:ann", "end of day")
    await bench.kill(group)
    journal = await open_store(f"sqlite:{bench.folder}/journal").open("group/g", 1)
    text = (await journal.read())[-1].body
    await journal.close()
    assert "operator:ann" in text
    assert "FLATTEN" in text


async def test_a_snapshot_replaces_the_fold_of_what_is_before_it(bench):
    """With snapshots due at every step a restart folds almost nothing and ends in the same place."""
    account = await bench.accounts.start()
    group = await bench.start(account, snapshot_every=1)
    await until(lambda: finished(group) and group._state.open_order is None, "the goal")
    before = group._state
    await bench.kill(group)
    store = open_store(f"sqlite:{bench.folder}/journal")
    epoch = await store.claim("group/g", "test")
    journal = await store.open("group/g", epoch)
    log = GroupLog(journal, Meter())
    loaded = await log.load(Toy(toy_spec(), 3))
    await log.close()
    await store.close()
    assert loaded.state == before
    assert log._snapshot_seq > 0


async def test_a_disk_that_is_full_at_a_snapshot_stops_nothing():
    """The records stand without it: the group goes on, and a snapshot is kept when there is room again."""
    store = MemoryJournalStore()
    journal = await store.open("group/g", await store.claim("group/g", "test"))
    log = GroupLog(journal, Meter(), snapshot_every=1)
    machine = Toy(toy_spec(), 3)
    state = (await log.load(machine)).state
    await log.write(Started(at=1, group="g"), (), None, machine.code_version)
    store.refuse_writes(JournalWriteError("no space left on device"))
    await log.snapshot_if_due(machine, state)
    assert await journal.load_snapshot() is None
    store.refuse_writes(None)
    await log.snapshot_if_due(machine, state)
    assert (await journal.load_snapshot()).seq == 1


async def test_a_leg_without_an_answer_is_delivered_as_missing(bench):
    """An account that is not there is an observation full of None, never of zeros."""
    group = await bench.start(None, goal=1)
    await until(lambda: group._state.looked == 1, "the look")
    journal_text = (await group.status()).recent
    assert journal_text
    leg = next(iter(toy_spec().legs))
    look = (await group._ways.look((leg,), toy_spec(), lambda _: Decimal("0.5")))[leg]
    assert look.position is None
    assert look.balance is None
    assert look.believed == Decimal("0.5")
    assert look.problems == ("the account actor is not connected",)
