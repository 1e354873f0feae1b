"""The queue of one channel, on virtual time: order, bound, back-off, and that nobody ever waits for it."""

import asyncio
from collections.abc import Sequence

import pytest

from actors.notify.channel import DeliveryError
from actors.notify.message import Message
from actors.notify.outbox import Outbox
from strategies.domain.commands import Severity
from strategies.domain.ids import Timestamp

pytestmark = pytest.mark.looptime


class Place:
    """A channel that does what it is told to, one answer a call."""

    name = "place"
    limit = 40

    def __init__(self, *answers: Exception | float | None) -> None:
        self.answers = list(answers)
        self.taken: list[str] = []
        self.tried_at: list[float] = []

    async def deliver(self, text: str, messages: Sequence[Message]) -> None:  # noqa: ARG002 - as a channel
        self.tried_at.append(round(asyncio.get_running_loop().time(), 3))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            await asyncio.sleep(answer)
        self.taken.append(text)

    async def close(self) -> None:
        """Nothing is open."""


def say(text: str, severity: Severity = Severity.INFO, **changes) -> Message:
    """Return a message."""
    return Message(at=Timestamp(0), severity=severity, text=text, **changes)


async def played(place: Place, *messages: Message, limit: int = 10, within_s: float = 1000.0):
    """Put messages, wait until all have gone; return the outbox's health."""
    box = Outbox(place, Severity.INFO, limit, lambda: Timestamp(5))
    for message in messages:
        box.put(message)
    task = asyncio.ensure_future(box.run())
    try:
        async with asyncio.timeout(within_s):
            await box.drained()
    except TimeoutError:
        pass
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return box.health()


async def test_what_waits_goes_out_together_in_order():
    """A burst becomes few texts, each within the channel's limit."""
    place = Place()
    health = await played(place, *(say(f"message number {n}") for n in range(4)))
    assert [text.count("message") for text in place.taken] == [2, 2]
    assert "".join(place.taken).index("0") < "".join(place.taken).index("3")
    assert (health.sent, health.waiting, health.dropped) == (4, 0, 0)


async def test_a_failure_is_tried_again_ever_more_slowly():
    """1, 2, 4 … seconds, at most a minute; nothing is lost, the failures are counted."""
    place = Place(*(DeliveryError("away") for _ in range(9)))
    health = await played(place, say("hello"))
    pauses = [after - before for before, after in zip(place.tried_at, place.tried_at[1:], strict=False)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (health.sent, health.failures, health.failing_since, health.last_error) == (1, 9, None, "")


async def test_while_it_fails_health_says_since_when_and_why():
    """The first failure's time stays; the words are the latest."""
    health = await played(Place(*(DeliveryError("away") for _ in range(99))), say("hello"), within_s=10)
    assert (health.failing_since, health.last_error, health.waiting) == (5, "away", 1)


async def test_a_channel_that_asks_for_time_gets_it():
    """retry_after counts, within reason."""
    place = Place(DeliveryError("wait", retry_after_s=17), DeliveryError("wait", retry_after_s=10_000_000))
    await played(place, say("hello"))
    assert place.tried_at == [0, 17, 17 + 900]


async def test_the_oldest_is_dropped_when_nobody_takes_them():
    """A dead channel costs a bounded amount of memory; the latest news survive."""
    place = Place(DeliveryError("away"))
    health = await played(place, *(say(f"{n:>15}") for n in range(25)))
    assert (health.dropped, health.sent) == (15, 10)
    assert "15" in place.taken[0]
    assert "24" in place.taken[-1]


async def test_a_text_that_is_never_taken_does_not_block_the_others():
    """What the channel refuses for ever is counted as dropped, and the next goes out."""
    place = Place(DeliveryError("bad request", hopeless=True))
    health = await played(place, say("x" * 40), say("good"))
    assert place.taken == ["\N{INFORMATION SOURCE} good"]
    assert (health.dropped, health.sent, health.failures) == (1, 1, 1)


async def test_an_answer_goes_first_and_alone_with_its_buttons():
    """A person who waits is served before old news."""
    place = Place()
    box = Outbox(place, Severity.CRITICAL, 10, lambda: Timestamp(0))
    box.put(say("news", Severity.CRITICAL))
    box.put(say("answer", answer=True))
    box.put(say("another", answer=True))
    box.put(say("not wanted here", Severity.WARNING))
    task = asyncio.ensure_future(box.run())
    await box.drained()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert place.taken == ["answer\n\nanother\n\n\U0001f534 news"]


@pytest.mark.parametrize("answer", [3600.0, RuntimeError("the address is https://u:p@host")])
async def test_a_channel_that_hangs_or_breaks_is_tried_again(answer):
    """Half a minute is enough for anybody; an unknown error is named by its class alone."""
    place = Place(answer)
    health = await played(place, say("hello"))
    assert (len(place.tried_at), health.sent, health.failures) == (2, 1, 1)


async def test_putting_never_waits():
    """Ten thousand messages for a channel that hangs: no time passes."""
    box = Outbox(Place(3600.0), Severity.INFO, 10, lambda: Timestamp(0))
    task = asyncio.ensure_future(box.run())
    before = asyncio.get_running_loop().time()
    for number in range(10_000):
        box.put(say(str(number)))
    await asyncio.sleep(0)
    assert asyncio.get_running_loop().time() == before
    assert box.health().dropped == 9_990
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
