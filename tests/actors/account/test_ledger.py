"""The ledger's turns: what waits together is written together, and nobody is told before it is on the disk."""

import asyncio
from decimal import Decimal

import pytest

from actors.account.book import Book
from actors.account.entries import EntryKind
from actors.account.ledger import Ledger
from actors.actor import Envelope, Message, NumberedFact
from actors.journal.memory import MemoryJournalStore
from actors.journal.protocol import JournalError, JournalWriteError, StaleEpochError
from actors.meter import Meter
from actors.tasks import Tasks
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OrderClosed
from strategies.domain.ids import AccountId, InstrumentId, Timestamp
from strategies.domain.order import IllegalTransitionError, Side
from strategies.domain.position import FillCause
from tests.actors.account.conftest import Gated, order
from venues.venue import FillReport

ACCOUNT, ETH, AT = AccountId("l1"), InstrumentId("ETH-PERP"), Timestamp(1_000)
BOUND_S = 5.0


class World:
    """One ledger over a journal in memory."""

    def __init__(self) -> None:
        self.store = MemoryJournalStore()
        self.meter = Meter()
        self.failures: list[BaseException] = []
        self.tasks = Tasks("account/l1", lambda _, error: self.failures.append(error))

    async def open(self) -> None:
        self.journal = Gated(await self.store.open("account/l1", await self.store.claim("account/l1", "test")))
        self.ledger = Ledger(
            Book(ACCOUNT), self.journal, self.meter, tasks=self.tasks, feed_in_memory=100, snapshot_every=100
        )
        await self.ledger.load()
        await self.ledger.commit(lambda book: book.decide_client_ids(1, 48, AT))
        await self.ledger.commit(lambda book: book.decide_baseline(ETH, Decimal(0), Decimal(0), (), AT))

    def appends(self) -> int:
        return sum(self.meter.histograms()["journal_append"].counts)

    def adjusting(self, to: int):
        return lambda book: book.decide_adjusted(ETH, Decimal(to), "test", AT)

    async def busy(self) -> asyncio.Task:
        """Begin a change that does not get past the gate."""
        self.journal.gate.clear()
        self.journal.at_the_gate.clear()
        change = asyncio.ensure_future(self.ledger.commit(self.adjusting(1)))
        await asyncio.wait_for(self.journal.at_the_gate.wait(), BOUND_S)
        return change


@pytest.fixture
async def world():
    """Return a ledger that is ready; end its tasks afterwards."""
    world = World()
    await world.open()
    yield world
    await world.tasks.close()


async def test_what_waits_together_is_one_append(world):
    """Changes that come while the disk is busy are written in one append, in the order they came."""
    first = await world.busy()
    before = world.appends()
    rest = [asyncio.ensure_future(world.ledger.commit(world.adjusting(to))) for to in range(2, 12)]
    await asyncio.sleep(0)
    world.journal.gate.set()
    await asyncio.wait_for(asyncio.gather(first, *rest), BOUND_S)
    assert world.appends() - before == 2
    facts = [NumberedFact.model_validate_json(r.body) for r in await world.journal.read() if r.kind == EntryKind.FACT]
    assert [fact.seq for fact in facts] == list(range(1, 12))
    assert [(fact.event.before, fact.event.after) for fact in facts] == [(n, n + 1) for n in range(11)]


async def test_nothing_is_published_before_it_is_durable(world):
    """While an append is under way its facts are not handed out; afterwards they are."""
    change = await world.busy()
    assert (await world.ledger.facts(0, 0.01)).facts == ()
    world.journal.gate.set()
    await asyncio.wait_for(change, BOUND_S)
    assert [fact.seq for fact in (await world.ledger.facts(0, 0.01)).facts] == [1]


async def test_a_decision_that_fails_is_only_its_askers_trouble(world):
    """An error in one decision reaches who asked; the others of the same turn become durable."""

    def fail(_book: Book) -> list:
        raise LookupError("no such thing")

    first = await world.busy()
    bad, good = (asyncio.ensure_future(world.ledger.commit(each)) for each in (fail, world.adjusting(2)))
    await asyncio.sleep(0)
    world.journal.gate.set()
    with pytest.raises(LookupError, match="no such thing"):
        await asyncio.wait_for(bad, BOUND_S)
    await asyncio.wait_for(asyncio.gather(first, good), BOUND_S)
    assert world.ledger.book.believed(ETH) == 2


async def test_being_overtaken_reaches_everybody_who_waits(world):
    """After another owner has claimed the stream, whoever waited and whoever comes later hears it."""
    first = await world.busy()
    await world.store.claim("account/l1", "another")
    waiting = asyncio.ensure_future(world.ledger.commit(world.adjusting(2)))
    await asyncio.sleep(0)
    world.journal.gate.set()
    for change in (first, waiting, world.ledger.commit(world.adjusting(3))):
        with pytest.raises(StaleEpochError):
            await asyncio.wait_for(change, BOUND_S)
    assert (await world.ledger.facts(0, 0.01)).facts == ()


def _fill_of_a_waiting_order(book: Book) -> list:
    """A successor has sent what this book still holds for waiting: no move of its table leads there."""
    ids = book.state.client_ids
    return book.decide_fill(
        FillReport(
            trade_id="t1",
            instrument_id=ETH,
            client_order_id=ids.at(0),
            venue_order_id="v1",
            side=Side.BUY,
            quantity=Decimal(1),
            price=Decimal(3000),
            fee=Decimal(0),
            is_maker=False,
            cause=FillCause.ORDER,
            at=AT,
        ),
        AT,
    )


async def _take_one(world) -> None:
    message = Message(seq=1, command=SubmitOrder(account=ACCOUNT, order=order(1)))
    envelope = Envelope(sender="group/g", sender_epoch=1, messages=(message,))
    await world.ledger.commit(lambda book: book.decide_take(envelope, AT))


async def test_a_ghost_that_sees_its_successors_deeds_dies_of_its_lost_epoch(world):
    """The fill of an order that only the successor sent cannot be folded; what is wrong is who folds it."""
    await _take_one(world)
    await world.store.claim("account/l1", "another")
    with pytest.raises(StaleEpochError):
        await asyncio.wait_for(world.ledger.commit(_fill_of_a_waiting_order), BOUND_S)
    with pytest.raises(StaleEpochError):
        await asyncio.wait_for(world.ledger.commit(world.adjusting(3)), BOUND_S)


async def test_an_owner_that_cannot_fold_says_what_it_stumbled_over(world):
    """Without a successor it is a fault of its own, by its own name, for all of the turn; nothing of it is written."""
    await _take_one(world)
    before = len(await world.journal.read())
    fine, wrong = world.ledger.commit(world.adjusting(3)), world.ledger.commit(_fill_of_a_waiting_order)
    for answer in await asyncio.wait_for(asyncio.gather(fine, wrong, return_exceptions=True), BOUND_S):
        assert isinstance(answer, IllegalTransitionError)
    assert len(await world.journal.read()) == before


async def test_a_snapshot_that_finds_no_room_is_made_later(world):
    """A full disk costs a longer restart, not the actor."""
    for to in range(1, 120):
        await world.ledger.commit(world.adjusting(to))
    world.store.refuse_writes(JournalWriteError("disk full"))
    await world.ledger.snapshot_if_due()
    assert await world.journal.load_snapshot() is None
    world.store.refuse_writes(None)
    await world.ledger.snapshot_if_due()
    assert await world.journal.load_snapshot() is not None


async def test_an_end_in_the_middle_leaves_nobody_waiting(world):
    """When the actor's tasks end during an append, those who wait for it and behind it are told so."""
    first = await world.busy()
    behind = asyncio.ensure_future(world.ledger.commit(world.adjusting(2)))
    await asyncio.sleep(0)
    await world.tasks.close()
    for change in (first, behind):
        with pytest.raises(JournalError, match="ended"):
            await asyncio.wait_for(change, BOUND_S)
    assert world.failures == []


async def test_orders_of_one_envelope_share_their_appends(bench):
    """Ten orders cost far fewer appends than three each, and every one fills once."""
    actor = await bench.start()
    before = sum((await actor.status()).histograms["journal_append"].counts)
    messages = tuple(
        Message(seq=n, command=SubmitOrder(account=ACCOUNT, order=order(n, quantity="0.1"))) for n in range(1, 11)
    )
    receipt = await actor.submit(Envelope(sender="group/g", sender_epoch=1, messages=messages))
    assert receipt.taken == 10
    await bench.event(actor, OrderClosed, 10)
    assert bench.bought() == Decimal(1)
    assert bench.orders_at_venue() == 10
    assert sum((await actor.status()).histograms["journal_append"].counts) - before < 30


async def test_a_disk_that_is_full_at_a_snapshot_stops_nothing(world):
    """The records stand without it: the account goes on, and a snapshot is kept when there is room again."""
    ledger = Ledger(
        world.ledger.book, world.journal, world.meter, tasks=world.tasks, feed_in_memory=100, snapshot_every=1
    )
    await ledger.load()
    world.store.refuse_writes(JournalWriteError("no space left on device"))
    await ledger.snapshot_if_due()
    assert await world.journal.load_snapshot() is None
    world.store.refuse_writes(None)
    await ledger.snapshot_if_due()
    assert (await world.journal.load_snapshot()).seq == 2


async def test_nothing_is_decided_after_the_end(world):
    """Once the actor's tasks have ended, whoever still asks is told so, and the journal keeps what it had."""
    await world.tasks.close()
    before = len(world.store.records("account/l1"))
    with pytest.raises(JournalError):
        await asyncio.wait_for(world.ledger.commit(world.adjusting(7)), BOUND_S)
    assert len(world.store.records("account/l1")) == before


class Slow(Gated):
    """A journal whose answer takes its time: what was appended is on the disk while its writer still waits."""

    async def append(self, entries) -> int:
        written = await self._journal.append(entries)
        self.at_the_gate.set()
        await self.gate.wait()
        return written


async def test_a_fact_that_is_on_the_disk_and_not_published_is_not_told():
    """Older facts come from the journal, which may be ahead: nothing beyond `published` is in the answer."""
    world = World()
    await world.open()
    world.ledger = Ledger(
        Book(ACCOUNT), Slow(world.journal), world.meter, tasks=world.tasks, feed_in_memory=1, snapshot_every=100
    )
    await world.ledger.load()
    for to in (1, 2, 3):
        await world.ledger.commit(world.adjusting(to))
    slow = world.ledger._journal
    slow.gate.clear()
    slow.at_the_gate.clear()
    change = asyncio.ensure_future(world.ledger.commit(world.adjusting(4)))
    async with asyncio.timeout(BOUND_S):
        await slow.at_the_gate.wait()
    batch = await world.ledger.facts(0, 0)
    assert [fact.seq for fact in batch.facts] == list(range(1, batch.published + 1))
    slow.gate.set()
    await change
    assert (await world.ledger.facts(0, 0)).published == batch.published + 1
