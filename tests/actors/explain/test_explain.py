"""Why a cycle went as it did: from the journal of real actors, through the function, the page and the command line."""

import asyncio
import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from rich.console import Console

from actors.explain.draw import draw
from actors.explain.memory import Memory
from actors.explain.read import explain
from actors.explain.story import CycleUnknownError
from actors.group_entries import STEP, StepBody
from actors.journal.protocol import Entry, JournalError
from actors.journal.store import open_store
from actors.operator.buttons import DONE, NOT_ASKED, NOT_SO, tell_cycle
from actors.web.cycles import Cycles
from actors.web.server import StatusServer
from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OperatorState, OperatorStateSet, OrderClosed
from strategies.domain.ids import AccountId, GroupId, InstrumentId, OrderId, Timestamp
from strategies.domain.order import OrderRequest, OrderType, Side
from tests.actors.scene import scene
from tests.actors.triad import Triad
from venues.simulator.faults import FaultKind

TRIAD = GroupId("triad")
HEDGE = OrderId("triad:1:lighter1:hedge:1")


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> str:
    """Return the journal of a group that has done two cycles, one answer lost in the first."""
    folder = tmp_path_factory.mktemp("explain")

    async def play() -> str:
        triad = Triad(folder)
        triad.break_("l1", FaultKind.LOSE_ANSWER, "order")
        try:
            await triad.start(max_cycles=2)
            await triad.until_finished()
        finally:
            await triad.stop()
        return triad.journal

    return asyncio.run(play())


def told(found, width: int = 160) -> str:
    """Return an explanation as a person reads it."""
    console = Console(width=width, file=io.StringIO())
    console.print(draw(found))
    return console.file.getvalue()


def test_the_time_line_names_each_cause_and_what_followed(journal):
    """From the first look to the exit: events, decisions, phases with the strategy's own reasons, the net."""
    cycle = explain(journal, TRIAD, 1)
    assert (cycle.cycle, cycle.cycles, cycle.problems) == (1, 2, ())
    assert [cause.phase for cause in cycle.causes if cause.left] == [
        *("ENTERING", "WAITING", "SECOND", "BALANCING", "MONITORING", "EXITING", "IDLE"),
    ]
    assert cycle.outcome == "ended: out after timeout"
    assert cycle.began_at < cycle.ended_at == cycle.causes[-1].at
    entry = next(cause for cause in cycle.causes if cause.phase == "ENTERING")
    assert any("on bp up to" in words for words in entry.decided)
    nets = [cause.net for cause in cycle.causes if cause.net is not None]
    assert len(nets) >= 4
    assert nets[-1] == 0
    assert cycle.quiet > 0


def test_every_order_has_its_end_its_proof_and_its_name_at_the_venue(journal):
    """The lost answer is a doubt with a beginning and an end; fills and the venue's ids are there."""
    orders = {order.order_id: order for order in explain(journal, TRIAD, 1).orders}
    assert {order.status for order in orders.values()} == {"FILLED"}
    assert all(order.proof and order.client_order_id and order.fills for order in orders.values())
    assert all(order.filled == order.request.quantity for order in orders.values())
    (doubt,) = orders[HEDGE].doubts
    assert "LOSE_ANSWER" in doubt.reason
    assert doubt.since < doubt.until <= orders[HEDGE].ended_at
    assert [order.doubts for order in orders.values() if order.order_id != HEDGE] == [()] * (len(orders) - 1)


def test_each_cycle_has_its_own_steps_orders_and_money(journal):
    """What led to the second cycle stands at its beginning; no order is in both; results are differences."""
    first, second, last = (explain(journal, TRIAD, number) for number in (1, 2, None))
    assert second == last
    assert second.causes[0].phase == "PREPARING"
    assert not {order.order_id for order in first.orders} & {order.order_id for order in second.orders}
    assert first.causes[-1].seq < second.causes[0].seq
    for cycle in (first, second):
        assert {leg.held for leg in cycle.legs.values()} == {Decimal(0)}
        for name, leg in cycle.legs.items():
            mine = [fill for order in cycle.orders if order.leg == name for fill in order.fills]
            assert leg.fees == sum(fill.fee for fill in mine)
            assert leg.realized == -sum(fill.signed_quantity * fill.price for fill in mine)


def test_what_is_remembered_changes_nothing_but_the_time(journal, tmp_path, monkeypatch):
    """In whatever order cycles are asked for, the answer is that of a fresh reading; what is appended is seen."""
    url, _ = copied(journal, tmp_path)
    memory = Memory()
    for number in (2, 1, None, 0, 1, 2, None):
        assert explain(url, TRIAD, number, memory) == explain(url, TRIAD, number)
    assert memory.before(TRIAD, 2).cycle == 1
    assert memory.before(TRIAD, 1) is None
    word = OperatorStateSet(at=Timestamp(2), state=OperatorState.PAUSE, by="operator:x")
    asyncio.run(append(url, "group/triad", StepBody(event=word, commands=(), source=None, code_version="1")))
    assert explain(url, TRIAD, None, memory).causes[-1].what == "operator:x said PAUSE"
    with monkeypatch.context() as patch:
        patch.setattr("actors.explain.memory._MARKS_KEPT", 1)
        memory.add(TRIAD, [replace(memory.before(TRIAD, 2), cycle=3, seq=10_000)])
        assert memory.before(TRIAD, 2).cycle == 1


def test_before_the_first_cycle_is_cycle_zero(journal):
    """What went before the first entry can be asked for, too."""
    cycle = explain(journal, TRIAD, 0)
    assert cycle.causes[0].what == "group triad started"
    assert cycle.orders == ()


def test_what_is_not_there_is_named(journal, tmp_path):
    """A cycle that has not been, a group that is not in the journal, a name that is none."""
    with pytest.raises(CycleUnknownError, match="has had no cycle 3: the last one is 2"):
        explain(journal, TRIAD, 3)
    for group in ("other", "../triad", "a/b", ""):
        with pytest.raises(CycleUnknownError, match="has no group"):
            explain(journal, GroupId(group), 1)
    with pytest.raises(CycleUnknownError):
        explain(f"sqlite:{tmp_path}/nowhere", TRIAD, 1)


def test_a_person_reads_it_in_order(journal):
    """Head, steps, orders with doubt and proof, and the money; a narrow window folds and loses nothing."""
    cycle = explain(journal, TRIAD, 1)
    text = told(cycle)
    places = [
        text.index(part)
        for part in ("Cycle 1 of triad", "=> ENTERING", "outcome unknown", "=> IDLE", "Orders", "Realised on all legs")
    ]
    assert places == sorted(places)
    assert "in doubt for 0." in text
    assert "LOSE_ANSWER" in "".join(told(cycle, 60).split())


async def append(url: str, stream: str, *bodies: StepBody) -> None:
    """Write steps to the end of a stream, or to a new one."""
    store = open_store(url)
    journal = await store.open(stream, await store.claim(stream, "the test"))
    await journal.append([Entry(kind=STEP, at=each.event.at, body=each.model_dump_json()) for each in bodies])
    await journal.close()
    await store.close()


def copied(journal: str, tmp_path: Path) -> tuple[str, Path]:
    """Return a copy of the journal that a test may harm."""
    source = Path(journal.removeprefix("sqlite:"))
    for file in source.rglob("*.sqlite*"):
        target = tmp_path / "journal" / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return f"sqlite:{tmp_path}/journal", tmp_path / "journal"


def test_a_way_out_that_took_over_is_part_of_the_story(journal, tmp_path):
    """The strategy's stream does not have what the flatten did; its orders and their ends are told all the same."""
    url, _ = copied(journal, tmp_path)
    ended_at = explain(url, TRIAD, 2).ended_at
    order = OrderRequest(
        order_id=OrderId("triad:0:lighter1:flatten:1"),
        instrument_id=InstrumentId("ETH-PERP"),
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        price=Decimal(3000),
        reduce_only=True,
    )
    fact = OrderClosed(
        at=Timestamp(ended_at + 9),
        account=AccountId("l1"),
        order_id=order.order_id,
        status="CANCELED",
        filled=Decimal(0),
        proof="nonce consumed",
    )
    decided = StepBody(
        event=fact.model_copy(update={"at": Timestamp(ended_at + 5), "order_id": OrderId("x")}),
        commands=(SubmitOrder(account=AccountId("l1"), order=order),),
        source=None,
        code_version="1",
    )
    closed = StepBody(event=fact, commands=(), source={"account": "l1", "seq": 1}, code_version="1")
    asyncio.run(append(url, "flatten/triad", decided, closed))
    cycle = explain(url, TRIAD, 2)
    assert [cause.stream for cause in cycle.causes][-2:] == ["flatten/triad"] * 2
    assert (cycle.orders[-1].status, cycle.orders[-1].proof) == ("CANCELED", "nonce consumed")
    assert "flatten/triad #2" in told(cycle)
    assert len(explain(url, TRIAD, 1).causes) == len(explain(journal, TRIAD, 1).causes)


def test_a_step_of_another_version_ends_the_story_and_is_named(journal, tmp_path):
    """What came before it is told; nobody guesses what came after."""
    url, _ = copied(journal, tmp_path)

    async def add() -> None:
        store = open_store(url)
        stream = await store.open("group/triad", await store.claim("group/triad", "the test"))
        await stream.append([Entry(kind=STEP, at=Timestamp(1), body='{"event": {"kind": "FromTheFuture"}}')])
        await store.close()

    asyncio.run(add())
    cycle = explain(url, TRIAD, 2)
    assert "cannot be replayed by this version" in cycle.problems[0]
    assert cycle.orders == explain(journal, TRIAD, 2).orders


def test_an_account_that_cannot_be_read_costs_the_names_only(journal, tmp_path):
    """The story stands; what is missing is said."""
    url, folder = copied(journal, tmp_path)
    (folder / "account" / "l1.sqlite").unlink()
    (folder / "account" / "l2.sqlite").write_bytes(b"no database")
    cycle = explain(url, TRIAD, 1)
    assert len(cycle.problems) == 2
    assert {order.account: order.client_order_id is None for order in cycle.orders} == {
        "bp": False,
        "l1": True,
        "l2": True,
    }


def test_a_damaged_group_is_refused(journal, tmp_path):
    """Nothing is told about a stream that is not one any more."""
    url, folder = copied(journal, tmp_path)
    (folder / "group" / "triad.sqlite").write_bytes(b"\0" * 5000)
    with pytest.raises(JournalError):
        explain(url, TRIAD, 1)


def test_the_command_line_tells_it_without_a_supervisor(journal, tmp_path):
    """Text or JSON; exit 0 = told, 1 = not whole, 2 = there is none."""
    console = Console(record=True, width=160, file=io.StringIO())
    assert tell_cycle(journal, TRIAD, 1, console, as_json=False) == DONE
    assert "Cycle 1 of triad" in console.export_text()
    assert tell_cycle(journal, TRIAD, None, console, as_json=True) == DONE
    assert json.loads(console.export_text())["cycle"] == 2
    assert tell_cycle(journal, TRIAD, 7, console, as_json=False) == NOT_ASKED
    assert "the last one is 2" in console.export_text()
    url, folder = copied(journal, tmp_path)
    (folder / "account" / "l1.sqlite").unlink()
    assert tell_cycle(url, TRIAD, 1, console, as_json=False) == NOT_SO


async def test_the_page_gets_the_same_as_json(journal):
    """One endpoint for number and `last`; what is not there is 404; amounts are strings."""
    server = StatusServer("127.0.0.1", 0)
    server.bind()
    await server.serve(scene, [Cycles(lambda: (TRIAD,), lambda group, cycle: explain(journal, group, cycle))])
    try:
        async with aiohttp.ClientSession(server.url) as session:

            async def ask(path: str):
                async with session.get(path) as answer:
                    return answer.status, await answer.json()

            status, found = await ask("/api/groups/triad/cycles/1")
            assert (status, found["cycle"]) == (200, 1)
            assert isinstance(found["orders"][0]["filled"], str)
            assert (await ask("/api/groups/triad/cycles/last"))[1]["cycle"] == 2
            assert (await ask("/api/groups/triad/cycles/9"))[0] == 404
            answers = await asyncio.gather(*(ask("/api/groups/triad/cycles/1") for _ in range(3)))
            assert [status for status, _ in answers] == [200] * 3
            for path in ("triad/cycles/-1", "triad/cycles/1e3", "triad/cycles/٣", "nobody/cycles/1", "..%2Fx/cycles/1"):
                assert (await ask(f"/api/groups/{path}"))[0] == 404, path
    finally:
        await server.close()
