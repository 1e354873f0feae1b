"""A word from Telegram takes the way of every operator's word."""

import asyncio

import pytest

from actors.notify.conversation import Conversation
from actors.notify.heard import Person, Pressed, Said
from actors.notify.steering import by_press
from actors.supervision.overview import overview
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId
from tests.actors.supervision.conftest import Bench, until
from tests.actors.supervision.local import loop_now

pytestmark = pytest.mark.looptime
ANNA = Person(chat=100, user=7)


def never(*_arguments):
    """Stand where nothing of this test may come."""
    raise AssertionError("nobody has asked")


def conversation(supervision, said: list) -> Conversation:
    """Return a conversation over a supervision; what it answers goes into `said`."""
    return Conversation(
        chats={100: "telegram-1"},
        users=frozenset(),
        look=lambda: overview(supervision, loop_now()),
        tell=by_press(supervision),
        say=lambda _chat, message: said.append(message),
        code=lambda: "c",
        now=loop_now,
        explain=never,
        begin=never,
    )


async def settled(supervision) -> None:
    """Wait until every group has reported."""
    await until(lambda: all(group.status for group in supervision.groups.values()))


async def test_a_confirmed_flatten_reaches_the_group_signed(tmp_path):
    """Said, asked back, confirmed: the group is told FLATTEN by telegram:chat/user, and nobody else is."""
    bench, said = Bench(tmp_path), []
    async with bench.running({"g": ("a",), "h": ("b",)}) as supervision:
        await settled(supervision)
        talk = conversation(supervision, said)
        await talk.hear(Said(ANNA, "/flatten g", loop_now()), "bot")
        assert bench.world.told == []
        assert await talk.press(Pressed(ANNA, "q", said[0].buttons[0].answer)) == "Passed on."
        assert bench.world.told == [
            (GroupId("g"), OperatorState.FLATTEN, "operator:telegram:100/7", "said in Telegram")
        ]
        assert said[-1].text == "Group g closes every leg now, and stays out until RESUME."


async def test_a_confirmation_that_comes_too_late_does_nothing(tmp_path):
    """A minute later it is another market."""
    bench, said = Bench(tmp_path), []
    async with bench.running({"g": ("a",)}) as supervision:
        await settled(supervision)
        talk = conversation(supervision, said)
        await talk.hear(Said(ANNA, "/resume g", loop_now()), "bot")
        await asyncio.sleep(61)
        assert await talk.press(Pressed(ANNA, "q", said[0].buttons[0].answer)) == "Nothing was done."
        assert bench.world.told == []


async def test_a_parked_group_is_not_resumed_from_a_phone(tmp_path):
    """The answer is the refusal that every operator gets: it says what a person has to do instead."""
    bench, said = Bench(tmp_path), []
    async with bench.running({"g": ("a",)}) as supervision:
        await settled(supervision)
        supervision.groups[GroupId("g")].park("it died too often")
        await until(lambda: len(bench.world.told) == 1)
        await conversation(supervision, said).hear(Said(ANNA, "/pause g", loop_now()), "bot")
        assert "then start the supervisor with --release g" in said[-1].text
        assert len(bench.world.told) == 1
