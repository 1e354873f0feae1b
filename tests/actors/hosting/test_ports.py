"""The ports over a channel: values back, and every failure as `ActorUnreachableError`."""

import pytest

from actors.actor import ActorUnreachableError, Envelope, StaleSenderError
from actors.hosting.ports import RemoteAccountPort, RemoteGroupPort
from actors.hosting.protocol import Place, Reply, ReplyKind
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId
from tests.actors.supervision.local import account_status


class Tape:
    """A channel that gives one answer and remembers what was asked."""

    def __init__(self, reply: Reply) -> None:
        self.place = Place("host/x")
        self.reply = reply
        self.asked: list[tuple[str, str]] = []

    async def call(self, method: str, argument: str, timeout_s: float) -> Reply:
        assert timeout_s > 0
        self.asked.append((method, argument))
        return self.reply


async def test_a_status_comes_back_as_it_was_sent():
    """JSON there and back changes nothing."""
    status = account_status("l1", 2)
    assert await RemoteAccountPort(Tape(Reply(kind=ReplyKind.OK, text=status.model_dump_json()))).status() == status


@pytest.mark.parametrize("kind", [ReplyKind.EXPIRED, ReplyKind.NOT_READY, ReplyKind.FAILED])
async def test_no_answer_is_unreachable_with_the_place_and_the_words(kind):
    """Whatever kept the other side from answering, the caller may repeat."""
    port = RemoteAccountPort(Tape(Reply(kind=kind, text="because")))
    with pytest.raises(ActorUnreachableError, match="host/x: facts: because"):
        await port.facts(0, 0.1)


async def test_a_stale_sender_must_stop():
    """The one error that is not about reaching."""
    port = RemoteAccountPort(Tape(Reply(kind=ReplyKind.STALE_SENDER, text="overtaken")))
    with pytest.raises(StaleSenderError, match="overtaken"):
        await port.submit(Envelope(sender="group/g", sender_epoch=1, messages=()))


async def test_an_answer_of_another_version_is_no_answer():
    """What cannot be read is not guessed at."""
    port = RemoteGroupPort(Tape(Reply(kind=ReplyKind.OK, text='{"group": "g"}')))
    with pytest.raises(ActorUnreachableError, match="not a GroupStatus"):
        await port.status()


@pytest.mark.parametrize(("text", "armed"), [("true", True), ("false", False)])
async def test_arming_says_whether_it_did(text, armed):
    """An account that has not looked at its venue answers no."""
    assert await RemoteAccountPort(Tape(Reply(kind=ReplyKind.OK, text=text))).arm() is armed


async def test_what_is_asked_is_plain_json():
    """Control calls carry names and words only."""
    tape = Tape(Reply(kind=ReplyKind.OK))
    await RemoteGroupPort(tape).operate(OperatorState.PAUSE, "operator:me", "lunch")
    await RemoteGroupPort(tape).connect_to(AccountId("l1"), Place("host/y"))
    assert tape.asked == [
        ("operate", '{"state":"PAUSE","by":"operator:me","reason":"lunch"}'),
        ("connect", '{"account":"l1","place":"host/y"}'),
    ]
