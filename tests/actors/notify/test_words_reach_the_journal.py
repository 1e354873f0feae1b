"""A word from Telegram takes the way of every operator's word."""

import asyncio

import pytest

from actors.notify.conversation import Conversation
from actors.notify.heard import Person, Pressed, Said
from actors.supervision.keepers import Order
from actors.supervision.overview import overview
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId
from tests.actors.supervision.conftest import Bench, until
from tests.actors.supervision.local import loop_now


def teller(supervision):
    """Return the way to a supervision that the session uses."""

    async def tell(group, state, by, reason) -> str:
        supervision.tell(group, Order(state=state, by=by, reason=reason))
        return "passed on"

    return tell


ANNA = Person(chat=100, user=7)


@pytest.mark.looptime
async def test_a_confirmed_flatten_reaches_the_group_signed(tmp_path):
    """Said, asked back, confirmed: the group is told FLATTEN by telegram:chat/user, and nobody else is."""
    bench, said = Bench(tmp_path), []
    async with bench.running({"g": ("a",), "h": ("b",)}) as supervision:
        conversation = Conversation(
            chats={100: "telegram-1"},
            users=frozenset(),
            look=lambda: overview(supervision, loop_now()),
            tell=teller(supervision),
            say=lambda _chat, message: said.append(message),
            code=lambda: "c",
            now=loop_now,
        )
        await until(lambda: all(group.status for group in supervision.groups.values()))
        await conversation.hear(Said(ANNA, "/flatten g", loop_now()), "bot")
        assert bench.world.told == []
        assert await conversation.press(Pressed(ANNA, "q", said[0].buttons[0].answer)) == "Passed on."
        await until(lambda: bench.world.told)
        assert bench.world.told == [(GroupId("g"), OperatorState.FLATTEN, "telegram:100/7", "said in Telegram")]


@pytest.mark.looptime
async def test_a_confirmation_that_comes_too_late_does_nothing(tmp_path):
    """A minute later it is another market."""
    bench, said = Bench(tmp_path), []
    async with bench.running({"g": ("a",)}) as supervision:
        conversation = Conversation(
            chats={100: "telegram-1"},
            users=frozenset(),
            look=lambda: overview(supervision, loop_now()),
            tell=teller(supervision),
            say=lambda _chat, message: said.append(message),
            code=lambda: "c",
            now=loop_now,
        )
        await conversation.hear(Said(ANNA, "/resume g", loop_now()), "bot")
        await asyncio.sleep(61)
        assert await conversation.press(Pressed(ANNA, "q", said[0].buttons[0].answer)) == "Nothing was done."
        assert bench.world.told == []
