"""The way out over real actors: the flatten in the strategy's place, and a panic that takes living accounts over."""

import asyncio
from decimal import Decimal

import pytest

from actors.account import AccountActor
from actors.account.book import Book
from actors.actor import Envelope, Message
from actors.group import GroupActor
from actors.group_entries import STEP, StepBody
from actors.journal.protocol import Entry, JournalWriteError, StaleEpochError
from actors.journal.store import open_store
from actors.operator.panic import FLAT, OPEN, Panic, PanicRunsError, Targets
from actors.operator.panic_report import LegWatch
from actors.supervision.takeover import has_ended, is_panic, left_flat
from strategies.domain.account import AccountMode
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OperatorState, OperatorStateSet
from strategies.domain.ids import AccountId
from strategies.domain.order import Lane, OrderRequest, OrderType
from strategies.machine import Outcome
from tests.actors.triad import ETH, VENUE_OF, Triad
from venues.errors import Unreachable

QUICK = {"exit_delay_s": "0.05", "look_retry_s": "0.05", "confirm_delay_s": "0.3", "confirm_timeout_s": "1"}
BOUND_S = 30.0


class Scene(Triad):
    """A triad, what a panic is told of it, and the hand that frees its locks."""

    def way_out(self, stream: str):
        """Return the group's spec as a way out."""
        changes = {
            "strategy": "flatten",
            "params": QUICK,
            "limits": {},
            "operator_state": OperatorState.FLATTEN,
            "stream": stream,
            "needs_no_past": True,
        }
        return self.group._spec.model_copy(update=changes)

    def panic(self, said: list[str], *, kill: bool = True, **options) -> Panic:
        """Return a panic over the group. With `kill` it ends who holds an account, else their ghosts live on."""

        async def evict(_folder: str, name: str) -> int | None:
            account = name.removeprefix("account-")
            if kill:
                self.lines[account].dead = True
                self.accounts[account].abandon()
            else:
                self.accounts[account]._lock.release()
            return None

        def make(spec, epoch):
            return AccountActor(spec, epoch, build=lambda *_: self.build(spec.account))

        wanted = Targets(
            accounts=tuple(self.accounts[account]._spec for account in VENUE_OF),
            groups=(self.way_out("panic/triad"),),
        )
        store = open_store(self.journal)
        options = {"make_account": make, "evict": evict} | options
        return Panic(wanted, store, by="anna@host", say=said.append, **options)

    async def monitoring(self) -> None:
        """Play until all three legs hold something."""
        await self.start(timeout_s="600")
        await self.until(lambda: self.phase == "MONITORING", "monitoring")

    def at_venues(self) -> dict[str, int]:
        """Return how many orders each exchange has seen of each account."""
        return {
            account: len(list(self.exchange(account).orders(self.name_at_venue(account), active=None)))
            for account in VENUE_OF
        }

    async def journaled(self, account: str) -> Book:
        """Return the account's memory as its journal tells it."""
        records = await self.read(f"account/{account}")
        book = Book(AccountId(account))
        for record in records:
            book.apply(Entry(kind=record.kind, at=record.at, body=record.body))
        return book

    async def read(self, stream: str):
        """Return a stream's records."""
        store = open_store(self.journal)
        journal = await store.open(stream, (await store.owner(stream))[0])
        records = await journal.read()
        await store.close()
        return records

    async def check_flat(self) -> None:
        """By the exchanges: nothing held, no order twice, every order known to the journal."""
        assert {account: self.held(account) for account in VENUE_OF} == dict.fromkeys(VENUE_OF, Decimal(0))
        for account in VENUE_OF:
            known = {record.client_order_id for record in (await self.journaled(account)).state.orders.values()}
            rows = self.exchange(account).orders(self.name_at_venue(account), active=None)
            ids = [row.client_order_id for row in rows if row.client_order_id is not None]
            assert len(ids) == len(set(ids))
            assert set(ids) <= known


@pytest.fixture
async def scene(tmp_path):
    """A scene that ends with the test."""
    scene = Scene(tmp_path)
    yield scene
    await scene.stop()


async def press(panic: Panic, timeout_s: float = BOUND_S, enough: asyncio.Event | None = None) -> int:
    """Press panic and wait for its end."""
    try:
        return await panic.run(timeout_s, enough or asyncio.Event())
    finally:
        await panic._store.close()


async def test_a_stopped_groups_place_is_taken_by_its_way_out(scene):
    """The strategy is gone, its accounts live: a flatten over the same legs closes them and is confirmed."""
    await scene.monitoring()
    await scene.kill_group()
    spec = scene.way_out("flatten/triad")
    scene.group = GroupActor(spec, await scene._claim("flatten/triad"))
    await scene.group.start()
    for account, line in scene.lines.items():
        scene.group.connect(AccountId(account), line)
    await scene.until_finished()
    assert scene.group._view().outcome is Outcome.FINISHED
    await scene.check_flat()
    facts = [record for record in await scene.read("flatten/triad") if record.kind == STEP]
    assert len(facts) < 60, "the accounts' histories were folded again"


async def test_a_way_out_that_dies_begins_anew(scene):
    """Killed on the way: the next life looks, and needs nothing of what the one before it knew."""
    await scene.monitoring()
    await scene.kill_group()
    for _ in range(2):
        scene.group = GroupActor(scene.way_out("flatten/triad"), await scene._claim("flatten/triad"))
        await scene.group.start()
        for account, line in scene.lines.items():
            scene.group.connect(AccountId(account), line)
        await asyncio.sleep(0.1)
        await scene.kill_group()
    scene.group = GroupActor(scene.way_out("flatten/triad"), await scene._claim("flatten/triad"))
    await scene.group.start()
    for account, line in scene.lines.items():
        scene.group.connect(AccountId(account), line)
    await scene.until_finished()
    await scene.check_flat()


async def test_panic_takes_over_and_the_ghosts_can_do_nothing(scene):
    """Group and accounts live on, fenced: their next write fails, nothing more leaves; everything is flat."""
    await scene.monitoring()
    said: list[str] = []
    panic = scene.panic(said, kill=False)
    assert await press(panic) == FLAT, said
    await scene.check_flat()
    assert panic.last_words() == "Every leg of triad is confirmed flat by its venue."
    assert all(leg.flat and leg.after == 0 and leg.seconds is not None for leg in panic.legs)
    assert {leg.account for leg in panic.legs if leg.before} >= {"l1", "l2"}
    before = scene.at_venues()
    await asyncio.wait_for(asyncio.shield(scene.group.ended), BOUND_S)
    assert "epoch 1 was overtaken by epoch" in scene.group.stopped
    for account, ghost in scene.accounts.items():
        await scene.until(lambda ghost=ghost: ghost.ended.done() or ghost.mode is AccountMode.ARMED, "a ghost")
        if not ghost.ended.done():
            with pytest.raises(StaleEpochError):
                await ghost.disarm(f"{account}, write something")
    assert scene.at_venues() == before


async def test_panic_writes_down_who_pressed_it_and_how_it_ended(scene):
    """In its own stream with the time, and as the holder of what it took: for the next supervisor, and for people."""
    await scene.monitoring()
    assert await press(scene.panic([])) == FLAT
    steps = [StepBody.model_validate_json(r.body) for r in await scene.read("panic/triad") if r.kind == STEP]
    pressed = [step.event for step in steps if isinstance(step.event, OperatorStateSet) and step.event.by != "config"]
    assert [(event.state, event.by) for event in pressed] == [(OperatorState.FLATTEN, "panic:anna@host")]
    assert pressed[0].at > 0
    store = open_store(scene.journal)
    _, holder = await store.owner("group/triad")
    assert has_ended(holder)
    assert "flat: anna@host" in holder
    assert is_panic((await store.owner("account/l1"))[1])
    await store.close()


async def test_what_waits_in_an_account_never_opens_anything_after_a_takeover(scene):
    """An entry that was taken and not sent yet stays where it is: in a panic's hands an account writes exits only."""
    await scene.monitoring()
    actor = scene.accounts["l1"]
    await actor.disarm("for the test")
    order = OrderRequest(
        order_id="triad:9:lighter1:entry:1",
        instrument_id=ETH,
        side="SELL",
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        price=Decimal(2000),
        lane=Lane.ENTRY,
    )
    message = Message(seq=1, command=SubmitOrder(account=AccountId("l1"), order=order))
    await actor.submit(Envelope(sender="operator/test", sender_epoch=1, messages=(message,)))
    assert await press(scene.panic([])) == FLAT
    record = (await scene.journaled("l1")).order(order.order_id)
    assert record.status.value == "DENIED"
    await scene.check_flat()


async def test_a_leg_that_cannot_be_reached_is_named_and_the_others_are_closed(scene):
    """One venue is away: exit 1 at the end of the time, with what is open and why; the other legs are flat."""
    await scene.monitoring()
    said: list[str] = []

    def make(spec, epoch):
        def build(*_):
            if spec.account == "l1":
                raise Unreachable("nobody listens there")
            return scene.build(spec.account)

        return AccountActor(spec, epoch, build=build)

    panic = scene.panic(said, make_account=make)
    assert await press(panic, timeout_s=6) == OPEN
    assert scene.held("bp") == scene.held("l2") == 0
    assert scene.held("l1") != 0
    assert panic.last_words().startswith("NOT CONFIRMED FLAT: triad lighter1 (l1): not seen yet (")
    assert "nobody listens there" in panic.last_words()
    assert await press(scene.panic([])) == FLAT
    await scene.check_flat()


@pytest.mark.parametrize(("only", "code"), [(None, OPEN), (("triad",), OPEN), (("another",), FLAT)])
async def test_a_leg_that_was_dropped_from_the_file_is_named_loudly(scene, only, code):
    """Its account holds something, and nothing here reaches it: said at once and at the end, and it is no success."""
    await scene.monitoring()
    held = scene.held("l2")
    assert held != 0
    said: list[str] = []
    panic = scene.panic(said, only=only)
    spec = panic._wanted.groups[0]
    legs = {leg: account for leg, account in spec.group.legs.items() if account != "l2"}
    panic._wanted = Targets(
        accounts=tuple(each for each in panic._wanted.accounts if each.account != "l2"),
        groups=(spec.model_copy(update={"group": spec.group.model_copy(update={"legs": legs})}),),
    )
    panic._watch = LegWatch(panic._wanted.groups)
    scene.lines["l2"].dead = True
    scene.accounts["l2"].abandon()
    assert await press(panic) == code
    assert scene.held("l2") == held
    assert scene.held("bp") == scene.held("l1") == 0
    words = f"account l2 is NOT CLOSED: its journal holds {held.normalize():f} ETH-PERP for triad, and these settings"
    assert any(line.startswith(f"WARNING: {words}") for line in said) == (code == OPEN)
    assert (words in panic.last_words()) == (code == OPEN)
    holder = await panic_holder(scene, "group/triad")
    assert left_flat(holder) == (code == FLAT)


async def panic_holder(scene, stream: str) -> str:
    """Return who holds a stream, as the next supervisor reads it."""
    store = open_store(scene.journal)
    holder = (await store.owner(stream))[1]
    await store.close()
    return holder


async def test_an_interrupt_ends_it_and_a_second_press_goes_on(scene):
    """Ctrl-C: what is open is said; pressing again takes up where it was left, whatever was under way."""
    await scene.monitoring()
    enough = asyncio.Event()
    panic = scene.panic([])
    asyncio.get_running_loop().call_later(0.3, enough.set)
    code = await press(panic, enough=enough)
    assert (code == OPEN) == panic.last_words().startswith("NOT CONFIRMED FLAT")
    assert await press(scene.panic([])) == FLAT
    await scene.check_flat()


async def test_two_panics_do_not_fight(scene):
    """While one runs, another one is refused before it has touched anything."""
    await scene.monitoring()
    said: list[str] = []
    first = scene.panic(said)
    running = asyncio.ensure_future(press(first))
    await scene.until(lambda: said, "the first words")
    second = scene.panic([])
    with pytest.raises(PanicRunsError, match="A panic over group triad runs"):
        await press(second)
    assert await running == FLAT
    await scene.check_flat()


async def test_a_damaged_stream_of_an_earlier_panic_is_left_behind(scene, tmp_path):
    """The way out does not depend on what an earlier one has written: it begins another stream."""
    await scene.monitoring()
    (tmp_path / "journal" / "panic").mkdir()
    (tmp_path / "journal" / "panic" / "triad.sqlite").write_bytes(b"not a database" * 500)
    said: list[str] = []
    assert await press(scene.panic(said)) == FLAT, said
    assert any("cannot be used, another one is begun" in line for line in said)
    await scene.check_flat()


class _HeldFiles:
    """A store whose account files are held, in the middle of a write, by processes that stand still."""

    def __init__(self, inner, held: set[str]) -> None:
        self._inner = inner
        self._held = held

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    async def claim(self, stream: str, holder: str) -> int:
        if stream in self._held:
            raise JournalWriteError(f"{stream}: database is locked")
        return await self._inner.claim(stream, holder)


async def test_a_process_that_stands_still_in_a_write_is_ended_before_its_account_is_claimed(scene):
    """SIGSTOP inside a transaction: nobody can claim before it is gone, so the panic ends it first, and goes on."""
    await scene.monitoring()
    held = {f"account/{account}" for account in VENUE_OF}
    panic = scene.panic([])
    panic._store = _HeldFiles(panic._store, held)
    evict = panic._evict

    async def free(folder: str, name: str) -> int | None:
        held.discard(name.replace("-", "/", 1))
        return await evict(folder, name)

    panic._evict = free
    assert await press(panic) == FLAT
    await scene.check_flat()
