"""What is pressed outlives whoever took it: the supervisor, the group, an interrupt."""

import asyncio

import pytest

from actors.supervision import ending
from actors.supervision.overview import overview
from actors.supervision.past import DELIVERED, PRESSED
from actors.supervision.presses import Action, Press, PressRefusedError, UnknownGroupError, press
from actors.supervision.supervision import STREAM
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import loop_now

pytestmark = pytest.mark.looptime

G = GroupId("g")
ONE_GROUP = {"g": ("a", "b")}


def all_armed(supervision) -> bool:
    """Say whether everything lives and may act."""
    return not overview(supervision, loop_now()).not_ready()


def pressed(action: Action, group: GroupId = G) -> Press:
    """Return a press of somebody."""
    return Press(group=group, action=action, by="anna@127.0.0.1", reason="why")


async def down(bench, supervision) -> None:
    """Take the group down, and keep its successors from starting."""
    bench.world.broken.add("group/g")
    bench.world.links["group/g@1"].die()
    await until(lambda: supervision.groups[G].link is None)


async def test_a_press_is_written_down_before_and_after(bench):
    """First that it was pressed, then that the group has it; pressing again is another press."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        assert (await press(supervision, pressed(Action.PAUSE))).done
        assert (await press(supervision, pressed(Action.RESUME))).done
        kinds = [record.kind for record in bench.store.records(STREAM)]
        assert kinds[-4:] == [PRESSED, DELIVERED] * 2


async def test_a_press_that_the_group_has_not_heard_outlives_the_supervisor(bench):
    """FLATTEN at the worst moment: the group down, then the supervisor; the next one brings it, once."""
    first = bench.supervision(ONE_GROUP)
    await first.start()
    await until(lambda: all_armed(first))
    await down(bench, first)
    assert not (await press(first, pressed(Action.PAUSE))).done
    assert not (await press(first, pressed(Action.FLATTEN))).done
    await first.abandon()
    bench.world.broken.clear()
    bench.world.told.clear()
    async with bench.running(ONE_GROUP) as second:
        await until(lambda: all_armed(second) and bool(bench.world.told))
        await asyncio.sleep(5)
        assert bench.world.told == [("g", OperatorState.FLATTEN, "operator:anna@127.0.0.1", "why")]
    bench.world.told.clear()
    async with bench.running(ONE_GROUP) as third:
        await until(lambda: all_armed(third))
        await asyncio.sleep(5)
        assert bench.world.told == []


async def test_an_older_press_never_comes_after_a_newer_one(bench):
    """The word that counts is the last one, however the ones before it ended."""
    first = bench.supervision(ONE_GROUP)
    await first.start()
    await until(lambda: all_armed(first))
    await down(bench, first)
    await press(first, pressed(Action.RESUME))
    bench.world.broken.clear()
    await until(lambda: bool(bench.world.told))
    await press(first, pressed(Action.PAUSE))
    await first.abandon()
    assert bench.world.operator["g"] is OperatorState.PAUSE
    bench.world.told.clear()
    async with bench.running(ONE_GROUP) as second:
        await until(lambda: all_armed(second))
        await asyncio.sleep(5)
        assert bench.world.told == []


async def test_an_interrupt_does_not_undo_what_an_operator_said(bench):
    """Paused, then Ctrl-C with unwind: the next start goes on paused, not as the settings say."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        await press(supervision, pressed(Action.PAUSE))
        await ending.unwind(supervision, 30.0, asyncio.Event())
    bench.world.told.clear()
    async with bench.running(ONE_GROUP):
        await until(lambda: bool(bench.world.told))
        assert bench.world.told[0][:2] == ("g", OperatorState.PAUSE)


async def test_an_interrupt_right_after_the_start_loses_no_word_either(bench):
    """Ctrl-C twice in a row: the word that the group has not even heard again yet is kept for the start after."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        await press(supervision, pressed(Action.PAUSE))
        await ending.unwind(supervision, 30.0, asyncio.Event())
    enough = asyncio.Event()
    enough.set()
    async with bench.running(ONE_GROUP) as supervision:
        await ending.unwind(supervision, 30.0, enough)
    bench.world.told.clear()
    async with bench.running(ONE_GROUP):
        await until(lambda: bool(bench.world.told))
        assert bench.world.told[0][:2] == ("g", OperatorState.PAUSE)


async def test_a_group_given_up_while_a_press_is_written_does_not_get_it(bench):
    """RESUME must not come after the FLATTEN of a parking."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        keeper, note = supervision.groups[G], supervision.note

        async def slowly(kind, body) -> None:
            if kind == PRESSED:
                keeper.take_way_out("died too often")
            await note(kind, body)

        supervision.note = slowly
        with pytest.raises(PressRefusedError, match="is parked"):
            await press(supervision, pressed(Action.RESUME))
        await asyncio.sleep(5)
        assert {told[1] for told in bench.world.told} == {OperatorState.FLATTEN}
    async with bench.running(ONE_GROUP):
        await asyncio.sleep(5)
        assert {told[1] for told in bench.world.told} == {OperatorState.FLATTEN}


async def test_a_group_that_hangs_is_told_later_and_restarted_all_the_same(bench):
    """A frozen process answers no press: it waits; a restart does not wait for the group's own word."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.links["group/g@1"].frozen = True
        before = loop_now()
        waits = await press(supervision, pressed(Action.PAUSE))
        assert not waits.done
        assert loop_now() - before <= 3_100
        again = await press(supervision, pressed(Action.RESTART))
        assert "did not answer" in again.text
        await until(lambda: ("g", OperatorState.PAUSE, "operator:anna@127.0.0.1", "why") in bench.world.told)
        assert bench.world.links["group/g@2"].frozen is False


async def test_two_restarts_are_two_lives_and_no_storm(bench):
    """Pressed again and again: each replaces what lives then; the policy counts none of them."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        for epoch in range(2, 12):
            assert (await press(supervision, pressed(Action.RESTART))).done
            await until(lambda epoch=epoch: f"group/g@{epoch}" in bench.world.started and all_armed(supervision))
        assert supervision.groups[G].life.deaths == []
        assert not supervision.groups[G].parking


async def test_a_restart_of_a_group_that_is_starting_changes_nothing(bench):
    """It says so; the group comes up once."""
    async with bench.running(ONE_GROUP) as supervision:
        assert not (await press(supervision, pressed(Action.RESTART))).done
        await until(lambda: all_armed(supervision))
        await asyncio.sleep(5)
        assert "group/g@2" not in bench.world.started


async def test_a_group_of_a_frozen_account_is_not_said_to_trade(bench):
    """The supervisor would take the word back at once: it is refused, with what to do; getting smaller is not."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.links["account/a@1"].host._account.mode = AccountMode.FROZEN
        await until(lambda: supervision.accounts[AccountId("a")].status.mode is AccountMode.FROZEN)
        for action in (Action.RESUME, Action.PAUSE):
            with pytest.raises(PressRefusedError, match=r"Account a is frozen .* --release a"):
                await press(supervision, pressed(action))
        assert (await press(supervision, pressed(Action.FLATTEN))).done


async def test_what_cannot_be_pressed_is_refused_with_the_reason(bench):
    """An unknown group, one that a panic has, another supervisor's."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        with pytest.raises(UnknownGroupError, match="there are: g"):
            await press(supervision, pressed(Action.PAUSE, GroupId("x")))
        supervision.groups[G].give_way("panic by anna")
        with pytest.raises(PressRefusedError, match="taken over"):
            await press(supervision, pressed(Action.RESUME))
    supervision = bench.supervision(ONE_GROUP)
    await supervision.start()
    await until(lambda: all_armed(supervision))
    await bench.store.claim(STREAM, "somebody else")
    with pytest.raises(PressRefusedError, match="Another supervisor"):
        await press(supervision, pressed(Action.PAUSE))
    await supervision.abandon()
